//! Deleting what remains of a session: on somebody's order or by a rule, leaving a signed tombstone.

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
};
use ts_rs::TS;

use super::{Archive, session_index};

/// How often it is looked what is old enough.
const LOOK: Duration = Duration::from_secs(10 * 60);

/// What stays of a session that was deleted.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Tombstone {
    pub session: SessionId,
    /// When it was deleted.
    pub at: Timestamp,
    /// By whom, or by which rule.
    pub by: String,
    pub reason: String,
    /// How many entries its timeline had, and the last one's hash.
    pub entries: u32,
    pub head: String,
    /// The key, and its Ed25519 signature under all of the above.
    pub key: String,
    pub signature: String,
}

impl Tombstone {
    fn text(&self) -> String {
        let Self { session, at, by, reason, entries, head, key, signature: _ } = self;
        format!("deskside tombstone 1\n{session}\n{}\n{by}\n{reason}\n{entries}\n{head}\n{key}\n", at.0)
    }
}

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum NotDeleted {
    #[error("It is under legal hold: {0}.")]
    LegalHold(String),
    #[error("The session goes on, or its evidence is being stored.")]
    NotStored,
    #[error("There is no session by that name.")]
    Missing,
    /// It goes on by itself.
    #[error("It is not all deleted yet: {0}. It goes on by itself.")]
    Unfinished(String),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// The rule that counts for a session: the first that fits, when it ever deletes.
fn rule<'a>(rules: &'a [RetentionRule], team: &str, kind: &str) -> Option<&'a RetentionRule> {
    let fits = |r: &&RetentionRule| (r.team.is_empty() || r.team == team) && (r.kind.is_empty() || r.kind == kind);
    rules.iter().find(fits).filter(|r| r.days > 0)
}

/// Whether sessions on incidents of another type would be deleted sooner, whatever their team.
pub fn deletes_sooner(rules: &[RetentionRule], from: &str, to: &str) -> bool {
    let days = |team: &str, kind: &str| rule(rules, team, kind).map_or(u32::MAX, |r| r.days);
    // Of the teams that no rule names one speaks for all.
    let teams = rules.iter().map(|r| r.team.as_str()).chain(["\0"]);
    teams.into_iter().any(|team| days(team, to) < days(team, from))
}

impl Archive {
    /// Deletes video, transcript and everything else of a session.
    pub async fn delete(&self, id: &SessionId, by: String, reason: String) -> Result<(), NotDeleted> {
        let stored = timeline::stored(&self.db, id).await?;
        let entries = timeline::read_back(id, &stored)?;
        let head = stored.last().ok_or(NotDeleted::Missing)?;
        if self.sessions.get(id).is_some() || !entries.iter().any(|e| matches!(e.event, Event::Stored { .. })) {
            return Err(NotDeleted::NotStored);
        }
        let hold = entries.iter().rev().find_map(|e| match &e.event {
            Event::LegalHold { on, reason, .. } => Some(on.then(|| reason.clone())),
            _ => None,
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

    /// Removes everything of a session that has a tombstone. What is interrupted goes on later.
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

    /// Every file that is kept of a session: they all begin with its name.
    fn files(&self, id: &SessionId) -> std::io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for folder in paths::kept(&self.data) {
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

    /// The tombstone of a session that was deleted, and whose the session was. Of those from before that was kept it is known
    /// which incident they were on.
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

    /// Finishes what was interrupted, and deletes what the rules say, again and again.
    pub async fn run_retention(self: Arc<Self>) {
        if let Err(error) = session_index::fill(&self).await {
            tracing::error!(%error, "the catalogue lacks sessions that are over");
        }
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            if let Err(error) = self.resume().await {
                tracing::error!(%error, "a deletion that was interrupted cannot be finished");
            }
            if let Err(error) = store::upgrade_copy::remove_expired(&paths::database(&self.data), clock::now()) {
                tracing::error!(%error, "the copy of the database from before its upgrade cannot be removed");
            }
            if let Err(error) = self.apply().await {
                tracing::error!(%error, "the rules of retention cannot be kept");
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

    /// Deletes what is old enough by the rules of now.
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
            // Its team may have got another name since the list was made: the rule and the row are of one moment.
            let _names = self.teams.read().await;
            let Some(row) = session_history::Entity::find_by_id(row.session).one(&self.db).await? else { continue };
            let rules = self.settings.get().retention;
            let Some(rule) = rule(&rules, &row.team, &row.kind) else { continue };
            if row.ended > now - i64::from(rule.days) * DAY {
                continue;
            }
            let id = SessionId::try_from(row.session)?;
            let reason = format!("older than {} days", rule.days);
            if let Err(error) = self.delete(&id, "the rules of retention".into(), reason).await {
                tracing::error!(session = %id, %error, "what is old enough cannot be deleted");
            }
        }
        Ok(())
    }

    /// Puts the evidence under legal hold, or lets it go.
    pub async fn hold(&self, id: &SessionId, by: UserRef, on: bool, reason: String) -> anyhow::Result<()> {
        let event = Event::LegalHold { by, on, reason };
        let command = session::Command::Evidence { event };
        let noted = self.execute_even_if_ended(id, &session::Actor::Server, command).await;
        noted.map_err(|e| anyhow::anyhow!("it cannot be noted: {e}"))?;
        if let Some(entries) = self.sessions.read(id).await? {
            session_index::enter(&self.db, id, &entries).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rule_of = |team: &str, kind: &str, days| RetentionRule { team: team.into(), kind: kind.into(), days };
        let rules = [rule_of("Legal", "", 0), rule_of("", "Question", 30), rule_of("Desk", "", 90)];
        let days = |team: &str, kind: &str| rule(&rules, team, kind).map(|r| r.days);
        assert_eq!(days("Legal", "Question"), None, "kept for good");
        assert_eq!(days("Desk", "Question"), Some(30));
        assert_eq!(days("Desk", "Incident"), Some(90));
        assert_eq!(days("Other", "Incident"), None, "no rule fits");
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
