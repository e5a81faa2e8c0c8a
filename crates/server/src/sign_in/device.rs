//! Known devices: failed sign-ins from them are counted separately from those of strangers.
//!
//! For a year, a browser keeps a cookie with a mark for each person who has signed in with it. A mark does not sign
//! anybody in. It only selects the bucket in which this person's wrong passwords on this device are counted.

use axum::http::{HeaderMap, HeaderValue, header};
use platform::secret;
use store::tables::user;

use super::Auth;

/// Most people whose marks a browser keeps.
const MOST: usize = 5;
const SECONDS: u64 = 365 * 24 * 60 * 60;

fn name(auth: &Auth) -> &'static str {
    if auth.public_url.secure() { "__Host-deskside-device" } else { "deskside-device" }
}

/// A mark's signature. It includes the password's hash, so that a new password invalidates old marks.
fn seal(auth: &Auth, user: &user::Model, device: &str) -> String {
    secret::hash_key(&auth.identity.pepper(), &format!("device {} {device} {}", user.id, user.password))
}

/// The marks in the browser's cookie: person, device and signature.
fn marks(auth: &Auth, headers: &HeaderMap) -> Vec<(i32, String, String)> {
    let name = name(auth);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let value = all.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value);
    let mark = |text: &str| {
        let mut parts = text.split('.');
        let (user, device, seal) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        Some((user, device.to_owned(), seal.to_owned()))
    };
    value.unwrap_or_default().split('~').take(MOST).filter_map(mark).collect()
}

/// The device's id, if this person has signed in with it before.
pub fn known(auth: &Auth, headers: &HeaderMap, user: &user::Model) -> Option<String> {
    let own = marks(auth, headers).into_iter().find(|(id, ..)| *id == user.id);
    let right = |device: &str, sealed: &str| secret::hash(&seal(auth, user, device)) == secret::hash(sealed);
    own.filter(|(_, device, sealed)| right(device, sealed)).map(|(_, device, _)| device)
}

/// Sets the cookie, with a mark for this person.
pub fn remember(auth: &Auth, asked: &HeaderMap, answer: &mut HeaderMap, user: &user::Model) {
    let mut all = marks(auth, asked);
    all.retain(|(id, ..)| *id != user.id);
    let device = known(auth, asked, user).unwrap_or_else(|| secret::hex(&secret::random::<8>()));
    let sealed = seal(auth, user, &device);
    all.insert(0, (user.id, device, sealed));
    let value: Vec<String> = all.iter().take(MOST).map(|(id, device, seal)| format!("{id}.{device}.{seal}")).collect();
    let flag = if auth.public_url.secure() { "; Secure" } else { "" };
    let cookie =
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SECONDS}{flag}", name(auth), value.join("~"));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.append(header::SET_COOKIE, cookie);
    }
}
