//! Passkeys (WebAuthn, W3C Level 3): a key pair on somebody's own device, which knows this server's name and gives itself
//! to no other. The device checks who holds it (PIN, finger, face), so a passkey is both factors in one.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use platform::{expiring::Expiring, network::Network, secret};
use protocol::Timestamp;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use store::{
    stored_time,
    tables::{passkey, user},
};
use webauthn_rs::prelude::{
    CreationChallengeResponse, DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, RequestChallengeResponse, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};
use webauthn_rs_proto::ResidentKeyRequirement;

/// How long somebody may take at their device.
const LIFE_MS: u64 = 5 * 60_000;
/// So many are at their devices at most.
const MOST: usize = 10_000;
/// As many devices as one person has.
pub const MOST_OF_ONE: usize = 20;

/// The server as devices know it, and who is at their device just now.
pub struct Passkeys {
    /// None where people reach the server by an address: passkeys are bound to names.
    relying: Option<Webauthn>,
    made: Expiring<i32, PasskeyRegistration, i32>,
    shown: Expiring<String, DiscoverableAuthentication, Network>,
}

/// Why a passkey was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error("Passkeys need a server with a name, reached by HTTPS.")]
    NoName,
    #[error("This took too long, or was begun elsewhere. Please try again.")]
    Late,
    #[error("This device's answer does not fit: {0}.")]
    Wrong(WebauthnError),
    #[error("This passkey is not known here.")]
    Unknown,
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<sea_orm::DbErr> for NotTaken {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Other(error.into())
    }
}

/// The device keeps this beside the key, and tells it when somebody signs in without typing a name.
fn handle(user: i32) -> Uuid {
    Uuid::from_u128(u128::from(user.cast_unsigned()))
}

fn name_of(credential: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(credential)
}

fn body(key: &Passkey) -> Result<String, NotTaken> {
    serde_json::to_string(key).map_err(|e| NotTaken::Other(e.into()))
}

impl Passkeys {
    /// For the server of that public address.
    pub fn new(public_url: &str) -> Self {
        let relying = Url::parse(public_url)
            .ok()
            .and_then(|origin| WebauthnBuilder::new(origin.domain()?, &origin).ok()?.rp_name("Deskside").build().ok());
        Self { relying, made: Expiring::new(LIFE_MS, MOST), shown: Expiring::new(LIFE_MS, MOST) }
    }

    /// Whether this server can have passkeys at all.
    pub fn possible(&self) -> bool {
        self.relying.is_some()
    }

    fn relying(&self) -> Result<&Webauthn, NotTaken> {
        self.relying.as_ref().ok_or(NotTaken::NoName)
    }

    /// What somebody's device is asked for to make a passkey.
    pub fn begin(
        &self,
        user: &user::Model,
        known: &[passkey::Model],
        now: Timestamp,
    ) -> Result<CreationChallengeResponse, NotTaken> {
        let known = known.iter().filter_map(|k| URL_SAFE_NO_PAD.decode(&k.credential).ok()).collect();
        let asked = self.relying()?.start_passkey_registration(handle(user.id), &user.login, &user.name, Some(known));
        let (mut question, state) = asked.map_err(NotTaken::Wrong)?;
        // Kept on the device with its owner's name, so that signing in needs none.
        if let Some(wanted) = &mut question.public_key.authenticator_selection {
            wanted.resident_key = Some(ResidentKeyRequirement::Required);
            wanted.require_resident_key = true;
        }
        self.made.put(now, user.id, user.id, state);
        Ok(question)
    }

    /// Keeps the passkey that somebody's device has made.
    pub async fn keep(
        &self,
        db: &DatabaseConnection,
        user: i32,
        name: String,
        answer: &RegisterPublicKeyCredential,
        now: Timestamp,
    ) -> Result<passkey::Model, NotTaken> {
        let state = self.made.take(now, &user).ok_or(NotTaken::Late)?;
        let key = self.relying()?.finish_passkey_registration(answer, &state).map_err(NotTaken::Wrong)?;
        let row = passkey::ActiveModel {
            user: Set(user),
            name: Set(name),
            credential: Set(name_of(key.cred_id())),
            body: Set(body(&key)?),
            created: Set(stored_time(now)),
            used: Set(0),
            ..Default::default()
        };
        Ok(row.insert(db).await?)
    }

    /// What a device is asked for by somebody who signs in, and by which name the answer is expected.
    pub fn ask(&self, from: IpAddr, now: Timestamp) -> Result<(String, RequestChallengeResponse), NotTaken> {
        let (mut question, state) = self.relying()?.start_discoverable_authentication().map_err(NotTaken::Wrong)?;
        // A button was pressed: the device's window opens at once.
        question.mediation = None;
        let name = secret::token();
        self.shown.put(now, Network::wide(from), name.clone(), state);
        Ok((name, question))
    }

    /// Whose passkey this is.
    pub async fn accept(
        &self,
        db: &DatabaseConnection,
        name: &str,
        answer: &PublicKeyCredential,
        now: Timestamp,
    ) -> Result<user::Model, NotTaken> {
        let state = self.shown.take(now, &name.to_owned()).ok_or(NotTaken::Late)?;
        let relying = self.relying()?;
        let (owner, credential) = relying.identify_discoverable_authentication(answer).map_err(NotTaken::Wrong)?;
        let found = passkey::Entity::find().filter(passkey::Column::Credential.eq(name_of(credential))).one(db).await?;
        let found = found.filter(|k| handle(k.user) == owner).ok_or(NotTaken::Unknown)?;
        let mut key: Passkey = serde_json::from_str(&found.body).map_err(|e| NotTaken::Other(e.into()))?;
        let proof = relying.finish_discoverable_authentication_v2(answer, state, &key).map_err(NotTaken::Wrong)?;
        key.update_credential(&proof);
        let whose = user::Entity::find_by_id(found.user).one(db).await?.ok_or(NotTaken::Unknown)?;
        let row = passkey::ActiveModel { body: Set(body(&key)?), used: Set(stored_time(now)), ..found.into() };
        row.update(db).await?;
        Ok(whose)
    }
}

/// Somebody's passkeys, oldest first.
pub async fn of(db: &DatabaseConnection, user: i32) -> Result<Vec<passkey::Model>, sea_orm::DbErr> {
    passkey::Entity::find().filter(passkey::Column::User.eq(user)).all(db).await
}

/// Takes all of somebody's passkeys away.
pub async fn forget(db: &DatabaseConnection, user: i32) -> Result<(), sea_orm::DbErr> {
    passkey::Entity::delete_many().filter(passkey::Column::User.eq(user)).exec(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Passkeys;

    #[test]
    fn only_names_have_passkeys() {
        for (url, possible) in [
            ("https://support.example.org", true),
            ("http://localhost:8470", true),
            ("https://192.0.2.7", false),
            ("https://[2001:db8::1]:8470", false),
        ] {
            assert_eq!(Passkeys::new(url).possible(), possible, "{url}");
        }
    }
}
