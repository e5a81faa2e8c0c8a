//! Questions to the customer about each file, if they want that: every yes is for one transfer.

use std::time::Duration;

use protocol::{Fault, Job, Right};
use session::FileTransfer;
use tokio::sync::oneshot;

use super::JobContext;
use crate::{
    messages::{FileQuestion, UiEvent},
    util::lock,
};

/// A question about a file counts as refused after this time.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// What the customer is asked before this is done.
fn question(act: &FileTransfer) -> FileQuestion {
    match act.clone() {
        FileTransfer::Fetch { path, version: _ } => FileQuestion::Fetch { path },
        FileTransfer::Bring { name, bytes, folder, .. } => FileQuestion::Bring { name, bytes, folder },
    }
}

impl JobContext {
    /// Asks about one file, if the customer wants to be asked about each. The answer is for this action alone.
    pub(super) async fn approve(&self, question: FileQuestion) -> Result<(), Fault> {
        if !lock(&self.consent).asks_for_each_file() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        (self.notify)(UiEvent::Approve(question, reply));
        match tokio::time::timeout(ANSWER_TIME, answer).await {
            // Files may have been withdrawn while the question was open.
            Ok(Ok(true)) if self.may(Right::Files) => Ok(()),
            Ok(Ok(_) | Err(_)) | Err(_) => Err(Fault::NotAllowed),
        }
    }

    /// The same for a transfer that may take several jobs: one that `goes_on` after a lost connection is not asked
    /// about again.
    pub(super) async fn approve_transfer(&self, act: FileTransfer, goes_on: bool) -> Result<(), Fault> {
        if goes_on && lock(&self.consent).has_approved(&act) {
            return Ok(());
        }
        self.approve(question(&act)).await?;
        let mut consent = lock(&self.consent);
        if consent.asks_for_each_file() {
            consent.end_transfers(|known| *known == act);
            consent.approve(act);
        }
        Ok(())
    }

    /// A transfer of several jobs has finished or failed.
    pub(super) fn finish_transfer(&self, ended: impl Fn(&FileTransfer) -> bool) {
        lock(&self.consent).end_transfers(ended);
    }

    /// The question for a job with one answer, if it needs one.
    pub(super) fn question(&self, job: &Job) -> Option<FileQuestion> {
        match job {
            Job::MakeFolder { path } | Job::Delete { path } | Job::Rename { path, .. } => {
                Some(FileQuestion::Change { path: path.clone() })
            }
            Job::Place { transfer, replace: true, .. } => {
                self.transfers.replaces(*transfer).map(|path| FileQuestion::Change { path })
            }
            // Jobs that change no file, and transfers, which ask where their bytes are handled.
            Job::Place { replace: false, .. }
            | Job::List { .. }
            | Job::Fetch { .. }
            | Job::Bring { .. }
            | Job::Kept { .. }
            | Job::Abandon { .. }
            | Job::ReadClipboard {}
            | Job::WriteClipboard { .. }
            | Job::Shell { .. }
            | Job::SystemInfo {}
            | Job::EndProcess { .. }
            | Job::Restart {}
            | Job::Elevate {} => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use protocol::{
        Answer, Client, Event, IncidentRef, ParticipantId, Role, SessionId, SessionState, Timestamp, UserRef,
    };
    use session::{Consent, Policy, Session};

    use super::*;
    use crate::{binding, elevation::Elevation, http::Http, jobs::answer_to, restart_resume::SavedSession};

    /// The questions so far.
    pub type Asked = Arc<Mutex<Vec<FileQuestion>>>;

    /// A session whose customer allows files.
    fn state() -> SessionState {
        let mut session = Session::new(SessionId::from_random([0; 16]), Policy::default());
        let incident = IncidentRef { id: 1, number: String::new(), subject: String::new(), customer: String::new() };
        let owner = UserRef { id: 1, name: String::new() };
        let created = Event::Created { incident, owner, organisation: String::new(), rules: None };
        session.apply(Timestamp(0), &created);
        let (id, client) = (ParticipantId(1), Client::Program);
        let (name, user, rights, by_role) = ("Ada".into(), None, vec![], None);
        let joined = Event::Joined { id, role: Role::Customer, name, client, user, rights, by_role };
        session.apply(Timestamp(1), &joined);
        session.apply(Timestamp(2), &Event::Granted { by: id, rights: vec![Right::Files] });
        session.state()
    }

    /// Jobs of a customer who allows files, wants to be asked about each, and gives this answer to every question.
    pub fn context(says: bool) -> (JobContext, Asked) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut consent = Consent::default();
        consent.connected(true);
        consent.answer(&[Right::Files], &[Right::Files]);
        consent.ask_for_each_file(true);
        consent.follow(&state());
        let asked = Asked::default();
        let questions = asked.clone();
        let notify = Arc::new(move |notice| {
            if let UiEvent::Approve(question, reply) = notice {
                lock(&questions).push(question);
                let _ = reply.send(says);
            }
        });
        let binding = binding::by_hand("http://localhost:1".into(), String::new());
        let (saved_session, elevation) = (SavedSession::new(&binding, ""), Elevation::new(&binding, ""));
        let http = Http::new(&binding.server);
        (JobContext::new(Arc::new(Mutex::new(consent)), notify, saved_session, elevation, http), asked)
    }

    #[tokio::test]
    async fn each_change_is_asked_about_even_a_repeated_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").to_str().unwrap().to_owned();
        let (context, asked) = context(true);
        for count in 1..3 {
            let made = answer_to(&context, Job::MakeFolder { path: path.clone() }).await;
            assert_eq!(made, Ok(Some(Answer::Done {})));
            let deleted = answer_to(&context, Job::Delete { path: path.clone() }).await;
            assert_eq!(deleted, Ok(Some(Answer::Done {})));
            assert_eq!(lock(&asked).len(), 2 * count);
        }
    }

    #[tokio::test]
    async fn a_refused_change_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").to_str().unwrap().to_owned();
        let (context, asked) = context(false);
        assert_eq!(answer_to(&context, Job::MakeFolder { path: path.clone() }).await, Err(Fault::NotAllowed));
        assert_eq!(lock(&asked).as_slice(), [FileQuestion::Change { path }]);
    }

    #[tokio::test]
    async fn a_yes_after_files_were_withdrawn_does_not_count() {
        let (context, _) = context(true);
        lock(&context.consent).withdraw(Right::Files);
        lock(&context.consent).ask_for_each_file(true);
        let question = FileQuestion::Change { path: "/a".into() };
        assert_eq!(context.approve(question).await, Err(Fault::NotAllowed));
    }

    #[tokio::test]
    async fn a_transfer_resumes_without_a_question_and_asks_when_it_starts_over() {
        let (context, asked) = context(true);
        let fetch = FileTransfer::Fetch { path: "/a".into(), version: "1".into() };
        let begins = async |goes_on| {
            assert_eq!(context.approve_transfer(fetch.clone(), goes_on).await, Ok(()));
            lock(&asked).len()
        };
        assert_eq!(begins(false).await, 1);
        assert_eq!(begins(true).await, 1, "it resumes");
        assert_eq!(begins(false).await, 2, "from the beginning it is another transfer");
        context.finish_transfer(|act| *act == fetch);
        assert_eq!(begins(true).await, 3, "a finished transfer does not resume");
    }
}
