//! Unsent invitations: kept encrypted for their author, as long as a link or key in them is live.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use live_sessions::SessionRegistry;
use platform::vault::Vault;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use store::tables::mail_row;

/// How often mails with expired links and keys are purged.
const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Mails that wait to be sent by hand.
pub struct UnsentMail {
    pub db: DatabaseConnection,
    pub vault: Arc<Vault>,
    pub sessions: Arc<SessionRegistry>,
}

impl UnsentMail {
    /// Purges mails with expired links at regular intervals.
    pub async fn run(self: Arc<Self>) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            if let Err(error) = self.forget_dead().await {
                tracing::error!(%error, "unsent mails with expired links not purged");
            }
        }
    }

    /// Encrypts the text of a mail for its author, with the vault's key.
    pub fn seal(&self, text: &str) -> anyhow::Result<String> {
        let mut sealed = self.vault.create(Vec::new())?;
        std::io::Write::write_all(&mut sealed, text.as_bytes())?;
        Ok(STANDARD.encode(sealed.finish()?))
    }

    /// Decrypts what [`Self::seal`] has encrypted.
    pub fn open(&self, sealed: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.vault.read(&STANDARD.decode(sealed)?[..])?, &mut text)?;
        Ok(text)
    }

    /// Removes the encrypted texts of mails whose links and keys have all expired.
    pub async fn forget_dead(&self) -> anyhow::Result<()> {
        let kept = mail_row::Entity::find().filter(mail_row::Column::Sealed.ne("")).all(&self.db).await?;
        if kept.is_empty() {
            return Ok(());
        }
        let redactor = self.sessions.redactor().await?;
        for row in kept {
            // A text that cannot be decrypted is useless.
            if !self.open(&row.sealed).is_ok_and(|text| redactor.is_live_in(&text)) {
                self.forget(row.id).await?;
            }
        }
        Ok(())
    }

    /// Removes the encrypted text of a mail.
    pub async fn forget(&self, mail: i32) -> Result<(), DbErr> {
        let rows = mail_row::Entity::update_many().filter(mail_row::Column::Id.eq(mail));
        rows.col_expr(mail_row::Column::Sealed, Expr::value("")).exec(&self.db).await?;
        Ok(())
    }
}
