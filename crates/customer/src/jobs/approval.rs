//! What the customer is asked about each file, if they want that: every yes is for one act.

use std::time::Duration;

use protocol::{Fault, Job, Right};
use session::FileAct;
use tokio::sync::oneshot;

use super::JobContext;
use crate::{
    messages::{FileQuestion, UiEvent},
    util::lock,
};

/// Who does not answer a question about one file in this time has said no.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// What the customer is asked before this is done.
fn question(act: &FileAct) -> FileQuestion {
    match act.clone() {
        FileAct::Fetch { path, version: _ } => FileQuestion::Fetch { path },
        FileAct::Bring { name, bytes, folder, .. } => FileQuestion::Bring { name, bytes, folder },
    }
}

impl JobContext {
    /// Asks about one file, if the customer wants to be asked about each. The yes is for what is done now.
    pub(super) async fn approve(&self, question: FileQuestion) -> Result<(), Fault> {
        if !lock(&self.consent).asks_for_each_file() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        (self.notify)(UiEvent::Approve(question, reply));
        match tokio::time::timeout(ANSWER_TIME, answer).await {
            // Files may have been taken back while the question was open.
            Ok(Ok(true)) if self.may(Right::Files) => Ok(()),
            Ok(Ok(_) | Err(_)) | Err(_) => Err(Fault::NotAllowed),
        }
    }

    /// The same for an act that may take several jobs: one that `goes_on` after a break is not asked about once more.
    pub(super) async fn approve_act(&self, act: FileAct, goes_on: bool) -> Result<(), Fault> {
        if goes_on && lock(&self.consent).has_approved(&act) {
            return Ok(());
        }
        self.approve(question(&act)).await?;
        let mut consent = lock(&self.consent);
        if consent.asks_for_each_file() {
            consent.end_file_acts(|known| *known == act);
            consent.approve(act);
        }
        Ok(())
    }

    /// An act of several jobs has ended, well or not.
    pub(super) fn end_act(&self, ended: impl Fn(&FileAct) -> bool) {
        lock(&self.consent).end_file_acts(ended);
    }

    /// What the customer is asked before a job that has one answer, if anything.
    pub(super) fn question(&self, job: &Job) -> Option<FileQuestion> {
        match job {
            Job::MakeFolder { path } | Job::Delete { path } | Job::Rename { path, .. } => {
                Some(FileQuestion::Change { path: path.clone() })
            }
            Job::Place { transfer, replace: true, .. } => {
                self.transfers.replaces(*transfer).map(|path| FileQuestion::Change { path })
            }
            // Whatever changes no file, and what is asked about where its bytes are carried.
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
    use crate::{binding, elevation::Elevation, http::Http, jobs::answer_of, restart_resume::Comeback};

    /// What was asked so far.
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

    /// Jobs of a customer who allows files, wants to be asked about each, and says this to every question.
    pub fn work(says: bool) -> (JobContext, Asked) {
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
        let (comeback, elevation) = (Comeback::new(&binding, ""), Elevation::new(&binding, ""));
        let http = Http::new(&binding.server);
        (JobContext::new(Arc::new(Mutex::new(consent)), notify, comeback, elevation, http), asked)
    }

    #[tokio::test]
    async fn each_change_is_asked_about_also_the_same_once_more() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("a").to_str().unwrap().to_owned();
        let (work, asked) = work(true);
        for count in 1..3 {
            let made = answer_of(&work, Job::MakeFolder { path: path.clone() }).await;
            assert_eq!(made, Ok(Some(Answer::Done {})));
            let deleted = answer_of(&work, Job::Delete { path: path.clone() }).await;
            assert_eq!(deleted, Ok(Some(Answer::Done {})));
            assert_eq!(lock(&asked).len(), 2 * count);
        }
    }

    #[tokio::test]
    async fn what_is_not_allowed_is_not_done() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("a").to_str().unwrap().to_owned();
        let (work, asked) = work(false);
        assert_eq!(answer_of(&work, Job::MakeFolder { path: path.clone() }).await, Err(Fault::NotAllowed));
        assert_eq!(lock(&asked).as_slice(), [FileQuestion::Change { path }]);
    }

    #[tokio::test]
    async fn a_yes_that_comes_after_files_were_taken_back_is_none() {
        let (work, _) = work(true);
        lock(&work.consent).withdraw(Right::Files);
        lock(&work.consent).ask_for_each_file(true);
        let question = FileQuestion::Change { path: "/a".into() };
        assert_eq!(work.approve(question).await, Err(Fault::NotAllowed));
    }

    #[tokio::test]
    async fn an_act_goes_on_after_a_break_and_is_asked_about_once_it_begins_anew() {
        let (work, asked) = work(true);
        let fetch = FileAct::Fetch { path: "/a".into(), version: "1".into() };
        let begins = async |goes_on| {
            assert_eq!(work.approve_act(fetch.clone(), goes_on).await, Ok(()));
            lock(&asked).len()
        };
        assert_eq!(begins(false).await, 1);
        assert_eq!(begins(true).await, 1, "it goes on");
        assert_eq!(begins(false).await, 2, "from its beginning it is another act");
        work.end_act(|act| *act == fetch);
        assert_eq!(begins(true).await, 3, "what has ended does not go on");
    }
}
