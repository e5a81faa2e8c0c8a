//! Invitations that nobody has sent yet: kept for their author, encrypted, for as long as a link or a key in them is live.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use live_sessions::SessionRegistry;
use platform::vault::Vault;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use store::tables::mail_row;

/// How often it is looked which links and keys are dead.
const LOOK: Duration = Duration::from_secs(10 * 60);

/// Mails that wait for being sent by hand.
pub struct UnsentMail {
    pub db: DatabaseConnection,
    pub vault: Arc<Vault>,
    pub sessions: Arc<SessionRegistry>,
}

impl UnsentMail {
    /// Forgets mails whose links are dead, for as long as the server runs.
    pub async fn run(self: Arc<Self>) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            if let Err(error) = self.forget_dead().await {
                tracing::error!(%error, "unsent mails whose links are dead cannot be forgotten");
            }
        }
    }

    /// What the author of a mail still needs of it, encrypted with the vault's key.
    pub fn seal(&self, text: &str) -> anyhow::Result<String> {
        let mut sealed = self.vault.create(Vec::new())?;
        std::io::Write::write_all(&mut sealed, text.as_bytes())?;
        Ok(STANDARD.encode(sealed.finish()?))
    }

    /// What [`seal`] has encrypted.
    pub fn open(&self, sealed: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.vault.read(&STANDARD.decode(sealed)?[..])?, &mut text)?;
        Ok(text)
    }

    /// Forgets what was kept of mails whose links and keys are all dead.
    pub async fn forget_dead(&self) -> anyhow::Result<()> {
        let kept = mail_row::Entity::find().filter(mail_row::Column::Sealed.ne("")).all(&self.db).await?;
        if kept.is_empty() {
            return Ok(());
        }
        let redactor = self.sessions.redactor().await?;
        for row in kept {
            // What cannot be opened is of no more use to anybody.
            if !self.open(&row.sealed).is_ok_and(|text| redactor.is_live_in(&text)) {
                self.forget(row.id).await?;
            }
        }
        Ok(())
    }

    /// Forgets what was kept of a mail for its author.
    pub async fn forget(&self, mail: i32) -> Result<(), DbErr> {
        let rows = mail_row::Entity::update_many().filter(mail_row::Column::Id.eq(mail));
        rows.col_expr(mail_row::Column::Sealed, Expr::value("")).exec(&self.db).await?;
        Ok(())
    }
}
