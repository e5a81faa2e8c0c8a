//! Deletion of evidence, by a person or a retention rule. It leaves a signed tombstone.

use std::{path::PathBuf, sync::Arc, time::Duration};

use live_sessions::{standing::Standing, timeline};
use platform::{clock, paths, secret};
use protocol::{Event, SessionId, Timestamp, UserRef};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, TransactionTrait};
use serde::{Deserialize, Serialize};
use store::{
    settings::RetentionRule,
    stored_time,
    tables::{event_row, seal_row, session_history, session_row, tombstone_row},
    teams::TeamId,
};
use ts_rs::TS;

use super::{Archive, session_index};

/// How often retention rules are applied.
const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// What remains of a deleted session.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Tombstone {
    pub session: SessionId,
    /// When it was deleted.
    pub at: Timestamp,
    /// Who deleted it, or “the rules of retention”.
    pub by: String,
    pub reason: String,
    /// How many entries its timeline had.
    pub entries: u32,
    /// The hash of the last entry.
    pub head: String,
    /// The public key, followed by its Ed25519 signature over all of the above.
    pub key: String,
    pub signature: String,
}

impl Tombstone {
    fn text(&self) -> String {
        let Self { session, at, by, reason, entries, head, key, signature: _ } = self;
        format!("deskside tombstone 1\n{session}\n{}\n{by}\n{reason}\n{entries}\n{head}\n{key}\n", at.0)
    }
}

/// Why a session was not deleted, or not completely.
#[derive(Debug, thiserror::Error)]
pub enum NotDeleted {
    #[error("This session is under legal hold: {0}.")]
    LegalHold(String),
    #[error("This session is still running, or its evidence is being stored.")]
    NotStored,
    #[error("No such session.")]
    Missing,
    /// The rest is deleted later.
    #[error("Some of this session's files are not deleted yet: {0}. The server will try again.")]
    Unfinished(String),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// The retention rule for a session: the first that matches, unless it keeps sessions for good.
fn rule<'a>(rules: &'a [RetentionRule], team: Option<TeamId>, kind: &str) -> Option<&'a RetentionRule> {
    let fits = |r: &&RetentionRule| (r.team.is_none() || r.team == team) && (r.kind.is_empty() || r.kind == kind);
    rules.iter().find(fits).filter(|r| r.days > 0)
}

/// Whether sessions would be deleted sooner if their incident's type changed, for any team.
pub fn deletes_sooner(rules: &[RetentionRule], from: &str, to: &str) -> bool {
    let days = |team, kind| rule(rules, team, kind).map_or(u32::MAX, |r| r.days);
    // No team stands for all that no rule refers to.
    let teams = rules.iter().map(|r| r.team).chain([None]);
    teams.into_iter().any(|team| days(team, to) < days(team, from))
}

impl Archive {
    /// Deletes all evidence of a session.
    pub async fn delete(&self, id: &SessionId, by: String, reason: String) -> Result<(), NotDeleted> {
        let stored = timeline::stored(&self.db, id).await?;
        let entries = timeline::read_back(id, &stored)?;
        let head = stored.last().ok_or(NotDeleted::Missing)?;
        if self.sessions.get(id).is_some() || !entries.iter().any(|e| matches!(e.event, Event::Stored { .. })) {
            return Err(NotDeleted::NotStored);
        }
        let hold = entries.iter().rev().find_map(|e| {
            let Event::LegalHold { on, reason, .. } = &e.event else { return None };
            Some(on.then(|| reason.clone()))
        });
        if let Some(Some(reason)) = hold {
            return Err(NotDeleted::LegalHold(reason));
        }
        let key = self.sealing.key();
        let mut stone = Tombstone {
            session: id.clone(),
            at: clock::now(),
            by,
            reason,
            entries: head.seq,
            head: secret::hex(&head.hash),
            key: evidence::seal::public(&key),
            signature: String::new(),
        };
        stone.signature = evidence::seal::sign(&key, &stone.text());
        let json = |failed: serde_json::Error| anyhow::Error::from(failed);
        let row = tombstone_row::ActiveModel {
            session: Set(id.to_string()),
            body: Set(serde_json::to_string(&stone).map_err(json)?),
            standing: Set(serde_json::to_string(&Standing::of(&entries)).map_err(json)?),
            done: Set(false),
        };
        row.insert(&self.db).await.map_err(anyhow::Error::from)?;
        self.purge_files(id).await.map_err(|error| NotDeleted::Unfinished(error.to_string()))
    }

    /// Removes the files and rows of a session that has a tombstone. If it is interrupted, the next run continues.
    async fn purge_files(&self, id: &SessionId) -> anyhow::Result<()> {
        for path in self.files(id)? {
            std::fs::remove_file(path)?;
        }
        for file in paths::evidence(&self.data, id) {
            self.recording_store.remove(&file).await?;
        }
        let transaction = self.db.begin().await?;
        event_row::Entity::delete_many().filter(event_row::Column::Session.eq(id.as_str())).exec(&transaction).await?;
        seal_row::Entity::delete_many().filter(seal_row::Column::Session.eq(id.as_str())).exec(&transaction).await?;
        session_index::remove(&transaction, id).await?;
        let done = tombstone_row::ActiveModel { session: Set(id.to_string()), done: Set(true), ..Default::default() };
        done.update(&transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Every file of a session: their names all begin with its id.
    fn files(&self, id: &SessionId) -> std::io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for folder in paths::session_folders(&self.data) {
            let Ok(list) = std::fs::read_dir(folder) else { continue };
            for entry in list {
                let entry = entry?;
                let name = entry.file_name();
                let rest = name.to_str().and_then(|n| n.strip_prefix(id.as_str()));
                if rest.is_some_and(|r| r.starts_with(['.', '-'])) {
                    found.push(entry.path());
                }
            }
        }
        Ok(found)
    }

    /// The tombstone of a deleted session, and who could see the session. Tombstones of older versions lack the latter;
    /// then only the incident is known.
    pub async fn tombstone(&self, id: &SessionId) -> anyhow::Result<Option<(Tombstone, Standing)>> {
        let Some(row) = tombstone_row::Entity::find_by_id(id.as_str()).one(&self.db).await? else { return Ok(None) };
        let standing = match serde_json::from_str(&row.standing).unwrap_or_default() {
            Some(standing) => standing,
            None => {
                let session = session_row::Entity::find_by_id(id.as_str()).one(&self.db).await?;
                Standing::on(session.map_or(0, |s| s.incident))
            }
        };
        Ok(Some((serde_json::from_str(&row.body)?, standing)))
    }

    /// Finishes interrupted deletions and applies the retention rules, at regular intervals.
    pub async fn run_retention(self: Arc<Self>) {
        if let Err(error) = session_index::backfill(&self).await {
            tracing::error!(%error, "session index incomplete");
        }
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            if let Err(error) = self.resume().await {
                tracing::error!(%error, "interrupted deletion not finished");
            }
            if let Err(error) = store::upgrade_copy::remove_expired(&paths::database(&self.data), clock::now()) {
                tracing::error!(%error, "database copy from before an upgrade not removed");
            }
            if let Err(error) = self.apply().await {
                tracing::error!(%error, "retention rules not applied");
            }
        }
    }

    async fn resume(&self) -> anyhow::Result<()> {
        let open = tombstone_row::Entity::find().filter(tombstone_row::Column::Done.eq(false)).all(&self.db).await?;
        for row in open {
            self.purge_files(&SessionId::try_from(row.session)?).await?;
        }
        Ok(())
    }

    /// Deletes what is old enough by the current rules.
    pub async fn apply(&self) -> anyhow::Result<()> {
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        let rules = self.settings.get().retention;
        let Some(soonest) = rules.iter().filter(|r| r.days > 0).map(|r| r.days).min() else { return Ok(()) };
        let now = stored_time(clock::now());
        let old = session_history::Entity::find()
            .filter(session_history::Column::Held.eq(false))
            .filter(session_history::Column::Ended.lte(now - i64::from(soonest) * DAY))
            .all(&self.db)
            .await?;
        for row in old {
            // An administrator may change the rules while many sessions are deleted.
            let rules = self.settings.get().retention;
            let Some(rule) = rule(&rules, row.team, &row.kind) else { continue };
            if row.ended > now - i64::from(rule.days) * DAY {
                continue;
            }
            let id = SessionId::try_from(row.session)?;
            let reason = format!("older than {} days", rule.days);
            if let Err(error) = self.delete(&id, "the rules of retention".into(), reason).await {
                tracing::error!(session = %id, %error, "expired session not deleted");
            }
        }
        Ok(())
    }

    /// Puts the evidence under legal hold, or releases it.
    pub async fn hold(&self, id: &SessionId, by: UserRef, on: bool, reason: String) -> anyhow::Result<()> {
        let event = Event::LegalHold { by, on, reason };
        let command = session::Command::Evidence { event };
        let recorded = self.execute_even_if_ended(id, &session::Actor::Server, command).await;
        recorded.map_err(|e| anyhow::anyhow!("legal hold not recorded: {e}"))?;
        if let Some(entries) = self.sessions.read(id).await? {
            session_index::index(&self.db, id, &entries).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_rule_applies() {
        let (legal, desk, other) = (Some(1), Some(2), Some(3));
        let rule_of = |team, kind: &str, days| RetentionRule { team, kind: kind.into(), days };
        let rules = [rule_of(legal, "", 0), rule_of(None, "Question", 30), rule_of(desk, "", 90)];
        let days = |team, kind: &str| rule(&rules, team, kind).map(|r| r.days);
        assert_eq!(days(legal, "Question"), None, "kept for good");
        assert_eq!(days(desk, "Question"), Some(30));
        assert_eq!(days(desk, "Incident"), Some(90));
        assert_eq!(days(other, "Incident"), None, "no rule matches");
        assert_eq!(days(None, "Question"), Some(30), "a rule for all teams");
        for (from, to, sooner) in [
            ("Incident", "Question", true),
            ("Question", "Incident", false),
            ("Incident", "Order", false),
            ("Question", "Question", false),
        ] {
            assert_eq!(deletes_sooner(&rules, from, to), sooner, "{from} → {to}");
        }
    }

    #[test]
    fn a_tombstone_is_signed() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let public = evidence::seal::public(&key);
        let session = SessionId::from_random([1; 16]);
        let (by, reason, head) = ("Eva".to_owned(), "asked for".to_owned(), "00".repeat(32));
        let signature = String::new();
        let mut stone = Tombstone { session, at: Timestamp(5), by, reason, entries: 7, head, key: public, signature };
        stone.signature = evidence::seal::sign(&key, &stone.text());
        assert!(evidence::seal::signed(&stone.key, &stone.text(), &stone.signature));
        stone.entries = 6;
        assert!(!evidence::seal::signed(&stone.key, &stone.text(), &stone.signature));
    }
}
