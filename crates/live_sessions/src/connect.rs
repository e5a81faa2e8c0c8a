//! Connecting participants to a session.

use std::{ops::RangeInclusive, sync::Arc};

use platform::{clock, tasks};
use protocol::{
    Client, Entry, Event, Input, ParticipantId, Presence, RefusalReason, Role, ServerMessage, SessionState,
};
use sea_orm::DbErr;
use session::{Actor, Command};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    ActError, JobRequest, LiveSession,
    attachments::{Detached, sees_private},
};

/// A participant's connection to a session.
pub struct Attachment {
    pub connection: u64,
    pub who: ParticipantId,
    pub role: Role,
    pub client: Client,
    /// The numbers of the entries that the peer lacks. [`LiveSession::entry_for`] reads them as fast as the peer takes
    /// them.
    pub history: RangeInclusive<u32>,
    pub state: Box<SessionState>,
    pub permits: Vec<protocol::Permit>,
    /// Messages to send after the history. The queue closes when the connection must end.
    pub messages: mpsc::Receiver<ServerMessage>,
    /// For the customer's program: technicians' input.
    pub input: Option<mpsc::Receiver<Input>>,
    /// For the customer's program: jobs.
    pub jobs: Option<mpsc::Receiver<JobRequest>>,
    /// Resolves when the connection must end, even if its peer does not read.
    pub detached: Option<Detached>,
}

impl LiveSession {
    /// Attaches a participant's connection, after which they are present. A customer's older connections are closed.
    pub async fn connect(
        self: &Arc<Self>,
        who: ParticipantId,
        client: Client,
        have: u32,
    ) -> Result<Attachment, ActError> {
        let mut connecting = Connecting { live: self, who, returning: None, attached: false };
        // Locked so that no entry is stored between the history and the first message.
        let _chain_head = loop {
            connecting.mark_present(client).await?;
            let chain_head = self.chain_head.lock().await;
            // Their last other connection may have ended in between, which made them absent again.
            let presence = self.committed().session.participant(who).map(|p| p.presence);
            if !matches!(presence, Some(Presence::Reconnecting { .. })) {
                break chain_head;
            }
        };
        let committed = self.committed();
        // The participant may have been removed in between.
        let them = committed.session.participant(who).filter(|_| committed.session.is_in(who));
        let role = them.ok_or(RefusalReason::Stranger)?.role;
        if role == Role::Customer {
            self.attachments.replace(who);
        }
        let queues = self.attachments.add(who, role, client.is_program());
        connecting.done();
        let last = committed.entries.last().map_or(0, |last| last.seq);
        Ok(Attachment {
            connection: queues.id,
            who,
            role,
            client,
            history: have.saturating_add(1)..=last,
            state: Box::new(committed.session.state()),
            permits: committed.session.permits(clock::now(), who),
            messages: queues.messages,
            input: queues.input,
            jobs: queues.jobs,
            detached: Some(queues.detached),
        })
    }

    /// The entry with this number, if this role sees it.
    pub fn entry_for(&self, role: Role, seq: u32) -> Option<Entry> {
        let committed = self.committed();
        let at = committed.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        committed.entries.get(at).filter(|entry| sees_private(role) || !entry.event.is_private()).cloned()
    }

    /// Detaches a connection that ended. A participant without another one is reconnecting.
    pub async fn disconnect(self: &Arc<Self>, connection: u64, who: ParticipantId) {
        let alone = self.attachments.remove(connection, who);
        self.screen.unsubscribe(connection);
        if alone && let Err(error) = self.act(&Actor::Server, Command::Drop { id: who }).await {
            tracing::debug!(session = %self.id, %error, "connection ended after its session");
        }
    }
}

/// A participant who was marked present and whose connection is not attached yet. If it is dropped before, because the
/// peer disconnected, the participant is marked absent again.
struct Connecting<'a> {
    live: &'a Arc<LiveSession>,
    who: ParticipantId,
    /// The pending change of presence, which completes even if this is dropped.
    returning: Option<JoinHandle<Result<Vec<Entry>, ActError>>>,
    attached: bool,
}

impl Connecting<'_> {
    async fn mark_present(&mut self, client: Client) -> Result<Vec<Entry>, ActError> {
        let (live, id) = (self.live.clone(), self.who);
        let act = async move { live.act(&Actor::Server, Command::Return { id, client }).await };
        let done = self.returning.insert(tokio::spawn(act)).await;
        self.returning = None;
        done.unwrap_or_else(|failed| Err(DbErr::Custom(failed.to_string()).into()))
    }

    fn done(mut self) {
        self.attached = true;
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        if self.attached {
            return;
        }
        let (live, id, returning) = (self.live.clone(), self.who, self.returning.take());
        tasks::spawn("interrupted connect", async move {
            if let Some(returning) = returning {
                let _ = returning.await;
            }
            if let Err(error) = live.act(&Actor::Server, Command::Drop { id }).await {
                tracing::debug!(session = %live.id, %error, "presence not reset after a failed connect");
            }
        });
    }
}

/// The participant that these entries let in.
pub fn joined_participant(entries: &[Entry]) -> anyhow::Result<ParticipantId> {
    let who = entries.iter().find_map(|e| {
        let (Event::Joined { id, .. } | Event::Returned { id, .. }) = e.event else { return None };
        Some(id)
    });
    who.ok_or_else(|| anyhow::anyhow!("no participant joined or returned"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connected_participant_is_present_however_slow_the_disk_is() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = fixture::registry(folder.path()).await;
        let live = fixture::joined(&sessions).await;
        let who = live.now().customer().unwrap().clone();
        let mut attachment = live.connect(who.id, who.client, 0).await.unwrap();
        let presence = || live.now().participant(who.id).map(|p| p.presence);
        for round in 0..20 {
            // Both wait for the disk, in either order.
            let disk = live.chain_head.lock().await;
            let (old, free) = (attachment.connection, async {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                drop(disk);
            });
            let (connect, disconnect) = (live.connect(who.id, who.client, 0), live.disconnect(old, who.id));
            attachment = if round % 2 == 0 {
                tokio::join!(connect, disconnect, free).0.unwrap()
            } else {
                tokio::join!(disconnect, connect, free).1.unwrap()
            };
            assert_eq!(presence(), Some(Presence::Here), "round {round}");
        }
        live.disconnect(attachment.connection, who.id).await;
        assert!(matches!(presence(), Some(Presence::Reconnecting { .. })));
        // The peer disconnects while its return is being stored.
        let disk = live.chain_head.lock().await;
        {
            let connecting = std::pin::pin!(live.connect(who.id, who.client, 0));
            assert!(futures::poll!(connecting).is_pending());
            drop(disk);
        }
        let last = async || live.entries().await.pop().map(|e| e.event);
        let returned_and_dropped = live.entries().await.len() + 2;
        while live.entries().await.len() < returned_and_dropped {
            tokio::task::yield_now().await;
        }
        assert!(matches!(last().await, Some(Event::Dropped { id }) if id == who.id));
        assert!(matches!(presence(), Some(Presence::Reconnecting { .. })));
    }
}
