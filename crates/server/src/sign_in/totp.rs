//! The second factor: time-based one-time codes (TOTP, RFC 6238), and recovery codes for a lost phone.

use platform::{expiring::Expiring, secret};
use protocol::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use store::{secrets::Place, tables::user};
use totp_rs::{Builder, Secret, Totp};

use super::Auth;

/// How many recovery codes a person gets.
const RECOVERY: usize = 8;
/// How long a person may take to enter a secret into their phone, in milliseconds.
const LIFE_MS: u64 = 15 * 60_000;
/// Most secrets that are not confirmed yet.
const MOST: usize = 1_000;

/// The secrets that are not confirmed yet, by account.
pub fn offers() -> Expiring<i32, String, i32> {
    Expiring::new(LIFE_MS, MOST)
}

/// A new secret for a person's phone.
pub struct Offered {
    pub secret: String,
    /// `otpauth://…`
    pub url: String,
    /// The URL as a QR code: a PNG in base64.
    pub picture: String,
}

fn totp(secret: &str, organisation: &str, login: &str) -> anyhow::Result<Totp> {
    let secret = Secret::try_from_base32(secret).map_err(|e| anyhow::anyhow!("invalid secret: {e}"))?;
    let plain = |text: &str| text.replace(':', " ");
    let built =
        Builder::new().with_secret(secret).with_issuer(Some(plain(organisation))).with_account_name(plain(login));
    built.build().map_err(|e| anyhow::anyhow!("second factor not created: {e}"))
}

/// Generates a new secret.
pub fn offer(organisation: &str, login: &str) -> anyhow::Result<Offered> {
    let secret = Secret::from(secret::random::<20>().to_vec()).to_base32();
    let totp = totp(&secret, organisation, login)?;
    let url = totp.to_url().map_err(|e| anyhow::anyhow!("{e}"))?;
    let picture = totp.to_qr_base64().map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(Offered { secret, url, picture })
}

/// The time step of a code, if it is valid now or one step earlier or later.
pub fn step(secret: &str, code: &str, now: Timestamp) -> Option<i64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let step =
        totp(secret, "Deskside", "").or_else(|_| totp(secret, "Deskside", "x")).ok()?.check(&digits, now.0 / 1_000)?;
    i64::try_from(step).ok()
}

/// Generates recovery codes. Returns them and their hashes for the database.
pub fn recovery() -> (Vec<String>, String) {
    let code = |_| {
        let hex = secret::hex(&secret::random::<8>());
        format!("{}-{}-{}-{}", &hex[..4], &hex[4..8], &hex[8..12], &hex[12..])
    };
    let codes: Vec<String> = (0..RECOVERY).map(code).collect();
    let hashes = codes.iter().map(|c| secret::hash(c)).collect::<Vec<_>>().join(",");
    (codes, hashes)
}

/// Accepts a code. Each code works once, even in concurrent requests.
pub async fn accept(auth: &Auth, user: &user::Model, code: &str, now: Timestamp) -> Result<bool, DbErr> {
    let secret = auth.secrets.unseal_or_nothing(Place::Totp(user.id), &user.totp);
    let Some(step) = step(&secret, code, now) else { return use_recovery_code(&auth.db, user.id, code).await };
    let later = user::Entity::update_many()
        .col_expr(user::Column::TotpStep, Expr::value(step))
        .filter(user::Column::Id.eq(user.id))
        .filter(user::Column::Totp.eq(user.totp.as_str()))
        .filter(user::Column::TotpStep.lt(step));
    Ok(later.exec(&auth.db).await?.rows_affected == 1)
}

async fn use_recovery_code(db: &DatabaseConnection, user: i32, code: &str) -> Result<bool, DbErr> {
    let hash = secret::hash(code.trim().to_lowercase().as_str());
    // Repeats only if another code was used concurrently, and there are few.
    loop {
        let Some(user) = user::Entity::find_by_id(user).one(db).await? else { return Ok(false) };
        let left: Vec<&str> = user.recovery.split(',').filter(|code| *code != hash).collect();
        let left = left.join(",");
        if left == user.recovery {
            return Ok(false);
        }
        let update = user::Entity::update_many()
            .col_expr(user::Column::Recovery, Expr::value(left))
            .filter(user::Column::Id.eq(user.id))
            .filter(user::Column::Recovery.eq(user.recovery.as_str()));
        if update.exec(db).await?.rows_affected == 1 {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_match_the_rfc() {
        // RFC 6238, appendix B: the secret is the ASCII text 12345678901234567890; the last six of eight digits.
        let secret = Secret::from(b"12345678901234567890".to_vec()).to_base32();
        let at = |seconds: u64| Timestamp(seconds * 1_000);
        assert_eq!(step(&secret, "287082", at(59)), Some(1));
        assert_eq!(step(&secret, "050 471", at(1_111_111_111)), Some(37_037_037));
        assert_eq!(step(&secret, "287082", at(89)), Some(1), "one step late");
        assert_eq!(step(&secret, "287082", at(121)), None);
        assert_eq!(step(&secret, "", at(59)), None);
    }

    #[test]
    fn recovery_codes_are_stored_as_hashes() {
        let (codes, hashes) = recovery();
        assert_eq!((codes.len(), hashes.split(',').count()), (RECOVERY, RECOVERY));
        assert!(codes.iter().all(|c| c.len() == 19 && !hashes.contains(c.as_str())));
        let pending_totp = offer("Acme: Support", "tom").unwrap();
        assert!(pending_totp.url.starts_with("otpauth://totp/"), "{}", pending_totp.url);
    }
}
