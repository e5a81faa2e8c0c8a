//! Secrets of other systems and of second factors in the database. They are encrypted with a key derived from the
//! vault's and bound to their row and column, so that none can be read without the vault's key or moved to another row.

use std::path::Path;

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use hmac::{Hmac, Mac};
use platform::secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter,
};
use sha2::Sha256;

use super::{
    setting::Kind,
    tables::{receiver, setting, user},
};

/// The prefix of an encrypted secret.
const MARK: &str = "sealed1:";
/// The purpose from which the key is derived.
const PURPOSE: &[u8] = b"deskside secrets in the database 1";

/// Where a secret is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The secret with which deliveries are signed, or the token for a service desk; by the receiver's id.
    Receiver(i32),
    /// The second factor of an account, by the account's id.
    Totp(i32),
    /// The secret in a kind of settings.
    Setting(Kind),
}

impl Place {
    fn name(self) -> String {
        match self {
            Self::Receiver(id) => format!("receiver.secret {id}"),
            Self::Totp(id) => format!("user.totp {id}"),
            Self::Setting(kind) => format!("setting.secret {}", kind as i32),
        }
    }
}

/// A secret cannot be decrypted: the vault's key is a different one, or the secret was changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot decrypt {}: is vault.key the one that belongs to this database?", .0.name())]
pub struct Unreadable(Place);

/// Encrypts and decrypts secrets.
pub struct Secrets {
    key: LessSafeKey,
}

impl Secrets {
    /// Derives the key from the vault's key in this file.
    pub fn open(vault: &Path) -> anyhow::Result<Self> {
        Ok(Self::by(&secret::kept(vault).context("cannot read the vault's key")?))
    }

    fn by(vault: &[u8; 32]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(vault).expect("HMAC accepts any key length");
        mac.update(PURPOSE);
        let key = UnboundKey::new(&AES_256_GCM, &mac.finalize().into_bytes()).expect("key has 32 bytes");
        Self { key: LessSafeKey::new(key) }
    }

    /// Encrypts a secret. An empty one stays empty.
    pub fn seal(&self, place: Place, secret: &str) -> String {
        if secret.is_empty() {
            return String::new();
        }
        let nonce = secret::random::<12>();
        let mut bytes = secret.as_bytes().to_vec();
        let aad = Aad::from(place.name());
        let sealed = self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes);
        sealed.expect("short text is encrypted");
        format!("{MARK}{}", STANDARD_NO_PAD.encode([&nonce[..], &bytes].concat()))
    }

    /// Decrypts the secret that was encrypted for this place.
    pub fn unseal(&self, place: Place, stored: &str) -> Result<String, Unreadable> {
        if stored.is_empty() {
            return Ok(String::new());
        }
        let plain = || {
            let bytes = STANDARD_NO_PAD.decode(stored.strip_prefix(MARK)?).ok()?;
            let (nonce, sealed) = bytes.split_at_checked(12)?;
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let plain = self.key.open_in_place(nonce, Aad::from(place.name()), &mut sealed).ok()?;
            String::from_utf8(plain.to_vec()).ok()
        };
        plain().ok_or(Unreadable(place))
    }

    /// Decrypts a secret, or logs the error and returns an empty one, so that the rest works until the secret is set
    /// again.
    pub fn unseal_or_nothing(&self, place: Place, stored: &str) -> String {
        self.unseal(place, stored).unwrap_or_else(|error| {
            tracing::error!(%error, "secret must be set again");
            String::new()
        })
    }
}

/// Encrypts secrets that an older version stored in plain text, and leaves no trace of them in the file.
pub async fn seal_old(db: &DatabaseConnection, secrets: &Secrets) -> anyhow::Result<()> {
    let is_old = |stored: &str| !stored.is_empty() && !stored.starts_with(MARK);
    let mut any = false;
    for row in receiver::Entity::find().all(db).await?.into_iter().filter(|r| is_old(&r.secret)) {
        let sealed = secrets.seal(Place::Receiver(row.id), &row.secret);
        receiver::ActiveModel { secret: Set(sealed), ..row.into() }.update(db).await?;
        any = true;
    }
    for row in user::Entity::find().filter(user::Column::Totp.ne("")).all(db).await?.into_iter() {
        if is_old(&row.totp) {
            let sealed = secrets.seal(Place::Totp(row.id), &row.totp);
            user::ActiveModel { totp: Set(sealed), ..row.into() }.update(db).await?;
            any = true;
        }
    }
    for (kind, field) in
        [(Kind::OpenId, "client_secret"), (Kind::Directory, "bind_password"), (Kind::Mailbox, "password")]
    {
        let Some(row) = setting::Entity::find_by_id(kind as i32).one(db).await? else { continue };
        let mut body: serde_json::Value = serde_json::from_str(&row.body)?;
        let Some(plain) = body[field].as_str().filter(|s| is_old(s)) else { continue };
        body[field] = secrets.seal(Place::Setting(kind), plain).into();
        setting::ActiveModel { body: Set(body.to_string()), ..row.into() }.update(db).await?;
        any = true;
    }
    if any {
        // Freed pages and the write-ahead log still contain the plain text.
        db.execute_unprepared("VACUUM").await?;
        db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_decrypted_only_in_its_place_and_with_its_key() {
        let (own, other) = (Secrets::by(&[7; 32]), Secrets::by(&[8; 32]));
        let places = [
            Place::Receiver(1),
            Place::Receiver(2),
            Place::Totp(1),
            Place::Setting(Kind::OpenId),
            Place::Setting(Kind::Mailbox),
        ];
        for place in places {
            let sealed = own.seal(place, "s3cret");
            assert!(!sealed.contains("s3cret") && sealed != own.seal(place, "s3cret"), "{sealed}");
            assert_eq!(own.unseal(place, &sealed).unwrap(), "s3cret");
            assert!(other.unseal(place, &sealed).is_err());
            for elsewhere in places.into_iter().filter(|p| *p != place) {
                assert!(own.unseal(elsewhere, &sealed).is_err(), "{place:?} {elsewhere:?}");
            }
            for changed in [&sealed[1..], &sealed[..sealed.len() - 2], "s3cret", "sealed1:", "sealed1:AAAA"] {
                assert!(own.unseal(place, changed).is_err(), "{changed}");
            }
        }
        assert_eq!((own.seal(Place::Totp(1), "").as_str(), own.unseal(Place::Totp(1), "").unwrap().as_str()), ("", ""));
    }
}
