//! Passkeys (WebAuthn Level 3): key pairs on a person's device, bound to this server's host name. The device verifies
//! the person by PIN, fingerprint or face, so a passkey is both factors in one.

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

/// How long a person may take at their device, in milliseconds.
const LIFE_MS: u64 = 5 * 60_000;
/// Most pending requests to devices.
const MOST: usize = 10_000;
/// Most passkeys of one person.
pub const MOST_OF_ONE: usize = 20;

/// The relying party, and pending requests to devices.
pub struct Passkeys {
    /// `None` if the server is reached by an IP address: passkeys need a host name.
    relying: Option<Webauthn>,
    registrations: Expiring<i32, PasskeyRegistration, i32>,
    authentications: Expiring<String, DiscoverableAuthentication, Network>,
}

/// Why a passkey was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error("Passkeys need a server that is reached by host name over HTTPS.")]
    NoName,
    #[error("This took too long, or was started in another browser. Please try again.")]
    Late,
    #[error("This device's response is not valid: {0}.")]
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

/// The user handle, which the device stores with the key and returns when somebody signs in without a user name.
fn handle(user: i32) -> Uuid {
    Uuid::from_u128(u128::from(user.cast_unsigned()))
}

fn encoded(credential: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(credential)
}

fn body(key: &Passkey) -> Result<String, NotTaken> {
    serde_json::to_string(key).map_err(|e| NotTaken::Other(e.into()))
}

impl Passkeys {
    /// The passkeys of the server with this public URL.
    pub fn new(public_url: &str) -> Self {
        let relying = Url::parse(public_url)
            .ok()
            .and_then(|origin| WebauthnBuilder::new(origin.domain()?, &origin).ok()?.rp_name("Deskside").build().ok());
        Self { relying, registrations: Expiring::new(LIFE_MS, MOST), authentications: Expiring::new(LIFE_MS, MOST) }
    }

    /// Whether passkeys are possible on this server.
    pub fn possible(&self) -> bool {
        self.relying.is_some()
    }

    fn relying(&self) -> Result<&Webauthn, NotTaken> {
        self.relying.as_ref().ok_or(NotTaken::NoName)
    }

    /// Starts a registration: the request for the person's device.
    pub fn begin(
        &self,
        user: &user::Model,
        known: &[passkey::Model],
        now: Timestamp,
    ) -> Result<CreationChallengeResponse, NotTaken> {
        let known = known.iter().filter_map(|k| URL_SAFE_NO_PAD.decode(&k.credential).ok()).collect();
        let started = self.relying()?.start_passkey_registration(handle(user.id), &user.login, &user.name, Some(known));
        let (mut request, state) = started.map_err(NotTaken::Wrong)?;
        // Stored on the device, so that signing in needs no user name.
        if let Some(wanted) = &mut request.public_key.authenticator_selection {
            wanted.resident_key = Some(ResidentKeyRequirement::Required);
            wanted.require_resident_key = true;
        }
        self.registrations.put(now, user.id, user.id, state);
        Ok(request)
    }

    /// Completes a registration, and stores the passkey.
    pub async fn keep(
        &self,
        db: &DatabaseConnection,
        user: i32,
        name: String,
        answer: &RegisterPublicKeyCredential,
        now: Timestamp,
    ) -> Result<passkey::Model, NotTaken> {
        let state = self.registrations.take(now, &user).ok_or(NotTaken::Late)?;
        let key = self.relying()?.finish_passkey_registration(answer, &state).map_err(NotTaken::Wrong)?;
        let row = passkey::ActiveModel {
            user: Set(user),
            name: Set(name),
            credential: Set(encoded(key.cred_id())),
            body: Set(body(&key)?),
            created: Set(stored_time(now)),
            used: Set(0),
            ..Default::default()
        };
        Ok(row.insert(db).await?)
    }

    /// Starts a sign-in: the request for the device, and a token to complete it.
    pub fn ask(&self, from: IpAddr, now: Timestamp) -> Result<(String, RequestChallengeResponse), NotTaken> {
        let (mut request, state) = self.relying()?.start_discoverable_authentication().map_err(NotTaken::Wrong)?;
        // The person pressed a button, so the device's dialog may open at once.
        request.mediation = None;
        let token = secret::token();
        self.authentications.put(now, Network::wide(from), token.clone(), state);
        Ok((token, request))
    }

    /// Completes a sign-in, and returns the passkey's owner.
    pub async fn accept(
        &self,
        db: &DatabaseConnection,
        token: &str,
        answer: &PublicKeyCredential,
        now: Timestamp,
    ) -> Result<user::Model, NotTaken> {
        let state = self.authentications.take(now, &token.to_owned()).ok_or(NotTaken::Late)?;
        let relying = self.relying()?;
        let (owner, credential) = relying.identify_discoverable_authentication(answer).map_err(NotTaken::Wrong)?;
        let found = passkey::Entity::find().filter(passkey::Column::Credential.eq(encoded(credential))).one(db).await?;
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

/// The passkeys of a person, the oldest first.
pub async fn of(db: &DatabaseConnection, user: i32) -> Result<Vec<passkey::Model>, sea_orm::DbErr> {
    passkey::Entity::find().filter(passkey::Column::User.eq(user)).all(db).await
}

/// Removes all passkeys of a person.
pub async fn forget(db: &DatabaseConnection, user: i32) -> Result<(), sea_orm::DbErr> {
    passkey::Entity::delete_many().filter(passkey::Column::User.eq(user)).exec(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Passkeys;

    #[test]
    fn passkeys_need_a_host_name() {
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
