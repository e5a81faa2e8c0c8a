//! The last check: what this customer has allowed. The customer's program holds the only value of this type.
//!
//! A right is in effect only while the customer's own answer **and** the server's session allow it. The server can take
//! rights away; it can never add any.

use crate::permission;
use protocol::{Right, Role, SessionState};
use serde::{Deserialize, Serialize};

/// The transfer of one file. It may take several jobs, because a connection may break in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileTransfer {
    /// A file or folder is downloaded from this machine.
    Fetch {
        /// Its full path.
        path: String,
        /// Its version: a file that has changed is another one.
        version: String,
    },
    /// A file is uploaded to this machine.
    Bring {
        /// The transfer's number.
        transfer: u64,
        /// The folder's whole path.
        folder: String,
        /// The file's name.
        name: String,
        /// Its size.
        bytes: u64,
    },
}

/// The customer's answers, and what the server permits of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    answered: Vec<Right>,
    session: Vec<Right>,
    paused: bool,
    connected: bool,
    each_file: bool,
    /// The approved transfers that are not finished, while the customer wants to be asked about each file.
    #[serde(skip)]
    approved: Vec<FileTransfer>,
    /// Whether everything depends on [`Right::Elevate`], because the program runs as administrator by that right alone.
    elevated: bool,
}

impl Consent {
    /// The consent of a program that continues as administrator: the rights in effect stay so, for as long as the
    /// customer lets it run as administrator.
    pub fn elevated(&self) -> Self {
        Self { answered: self.allowed(), session: vec![], connected: false, elevated: true, ..self.clone() }
    }

    /// Whether this program runs as administrator by the customer's consent.
    pub fn is_elevated(&self) -> bool {
        self.elevated
    }

    /// Whether it runs as administrator although that consent has ended.
    pub fn elevation_is_over(&self) -> bool {
        self.elevated && !self.holds(Right::Elevate)
    }

    /// The customer answered a question for these rights. Only rights that were asked for are granted, and a pause ends
    /// only when the picture is allowed again.
    pub fn answer(&mut self, answer: &[Right], asked: &[Right]) {
        if let Some(rights) = permission::answered(&self.answered, asked, answer) {
            self.paused &= self.answered.contains(&Right::View) || !rights.contains(&Right::View);
            self.answered = rights;
        }
    }

    /// The customer withdrew a right. Rights that need it end, too.
    pub fn withdraw(&mut self, right: Right) {
        self.answered.retain(|r| *r != right && !permission::needs(*r).contains(&right));
        self.forget_transfers();
    }

    /// Approvals end with the permission that they were given under.
    fn forget_transfers(&mut self) {
        if !self.answered.contains(&Right::Files) {
            self.approved.clear();
        }
    }

    /// The customer paused or resumed the picture.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// The customer ended everything.
    pub fn end(&mut self) {
        *self = Self { elevated: self.elevated, ..Self::default() };
    }

    /// The server sent its state. A right that it took away stays away until the customer answers again.
    pub fn follow(&mut self, state: &SessionState) {
        let fell: Vec<Right> = self.session.iter().copied().filter(|r| !state.grants.contains(r)).collect();
        fell.into_iter().for_each(|right| self.withdraw(right));
        self.session.clone_from(&state.grants);
        if state.phase != protocol::Phase::Active {
            self.answered.clear();
            self.forget_transfers();
        }
    }

    /// The connection was made or lost; without one nothing is shared.
    pub fn connected(&mut self, connected: bool) {
        self.connected = connected;
    }

    /// Whether pictures may leave this machine now.
    pub fn may_view(&self) -> bool {
        self.connected && !self.paused && self.effective(Right::View)
    }

    /// Whether a technician's input may act on this machine now.
    pub fn may_control(&self) -> bool {
        self.may_view() && self.effective(Right::Control)
    }

    /// Whether files, clipboard, shell or system information may be used now. A pause affects the picture alone.
    pub fn may(&self, right: Right) -> bool {
        match right {
            Right::View => self.may_view(),
            Right::Control => self.may_control(),
            Right::Files | Right::Clipboard | Right::Shell | Right::SystemInfo | Right::Restart | Right::Elevate => {
                self.connected && self.effective(right)
            }
        }
    }

    /// Whether the customer has said yes, and only the server's confirmation is missing.
    pub fn awaits_server(&self, right: Right) -> bool {
        self.connected && self.answered.contains(&right) && !self.session.contains(&right)
    }

    /// Whether the customer wants to be asked about each file although files are allowed.
    pub fn asks_for_each_file(&self) -> bool {
        self.each_file
    }

    /// The customer wants to be asked about each file, or no longer.
    pub fn ask_for_each_file(&mut self, each: bool) {
        self.each_file = each;
        self.approved.clear();
    }

    /// The customer approved this transfer, and no other.
    pub fn approve(&mut self, act: FileTransfer) {
        self.approved.push(act);
    }

    /// Whether the customer approved this transfer, and it is not finished.
    pub fn has_approved(&self, act: &FileTransfer) -> bool {
        self.approved.contains(act)
    }

    /// These transfers are finished. The same transfer needs a new approval.
    pub fn end_transfers(&mut self, ended: impl Fn(&FileTransfer) -> bool) {
        self.approved.retain(|act| !ended(act));
    }

    /// All rights in effect, for the panel.
    pub fn allowed(&self) -> Vec<Right> {
        Right::ALL.into_iter().filter(|r| self.effective(*r)).collect()
    }

    /// Whether the customer has paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether the panel must show: something is allowed, even if it is paused or the connection is lost.
    pub fn is_shared(&self) -> bool {
        self.effective(Right::View)
    }

    /// Whether control is allowed, even if it is paused.
    pub fn is_controlled(&self) -> bool {
        self.effective(Right::Control)
    }

    fn effective(&self, right: Right) -> bool {
        self.holds(right) && !self.elevation_is_over()
    }

    fn holds(&self, right: Right) -> bool {
        permission::effective(right, permission::of_role(Role::Technician), &self.session, &self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::*;

    fn state(grants: &[Right], phase: Phase) -> SessionState {
        let incident = IncidentRef { id: 1, number: String::new(), subject: String::new(), customer: String::new() };
        SessionState {
            id: SessionId::from_random([0; 16]),
            incident,
            organisation: String::new(),
            owner: UserRef { id: 1, name: String::new() },
            queue: Queue::Own,
            shared_with: vec![],
            invitations: vec![],
            asked_by: None,
            control: None,
            control_wanted: vec![],
            phase,
            participants: vec![],
            grants: grants.to_vec(),
            asked: vec![],
            paused: None,
            restarting: None,
            screen: None,
            monitors: vec![],
            input_blocked: false,
            recorded: true,
            key_until: None,
            link_until: None,
        }
    }

    const BOTH: [Right; 2] = [Right::View, Right::Control];

    fn granted(answer: &[Right]) -> Consent {
        let mut consent = Consent::default();
        consent.connected(true);
        consent.answer(answer, &BOTH);
        consent.follow(&state(answer, Phase::Active));
        consent
    }

    #[test]
    fn a_right_is_awaited_until_the_server_confirms_it() {
        let mut consent = granted(&[]);
        assert!(!consent.awaits_server(Right::View));
        consent.answer(&[Right::View], &BOTH);
        assert!(consent.awaits_server(Right::View) && !consent.may_view() && !consent.awaits_server(Right::Control));
        consent.follow(&state(&[Right::View], Phase::Active));
        assert!(!consent.awaits_server(Right::View) && consent.may_view());
        consent.follow(&state(&[], Phase::Active));
        assert!(!consent.awaits_server(Right::View), "a right that was taken away is not awaited");
    }

    #[test]
    fn a_server_cannot_add_a_right() {
        let mut consent = granted(&[Right::View]);
        consent.follow(&state(&BOTH, Phase::Active));
        assert!(consent.may_view() && !consent.may_control());
        let mut nothing = Consent::default();
        nothing.connected(true);
        nothing.follow(&state(&BOTH, Phase::Active));
        assert!(!nothing.may_view());
    }

    #[test]
    fn an_elevated_program_keeps_its_rights_until_elevation_is_withdrawn() {
        let all = [Right::View, Right::Control, Right::Elevate];
        let mut before = Consent::default();
        before.connected(true);
        before.answer(&all, &all);
        before.follow(&state(&all, Phase::Active));
        let mut consent = before.elevated();
        assert!(!consent.may_view(), "not before the server confirms");
        consent.connected(true);
        consent.follow(&state(&all, Phase::Active));
        assert!(consent.may_control() && !consent.elevation_is_over());
        consent.withdraw(Right::Elevate);
        assert!(!consent.may_view() && consent.allowed().is_empty() && consent.elevation_is_over());
        // A right that the customer had not allowed is not taken over.
        before.withdraw(Right::Control);
        let mut consent = before.elevated();
        consent.connected(true);
        consent.follow(&state(&all, Phase::Active));
        assert!(consent.may_view() && !consent.may_control());
    }

    #[test]
    fn a_withdrawal_takes_effect_at_once_and_the_server_cannot_undo_it() {
        let mut consent = granted(&BOTH);
        assert!(consent.may_control());
        consent.withdraw(Right::View);
        consent.follow(&state(&BOTH, Phase::Active));
        assert!(!consent.may_view() && !consent.may_control());
    }

    #[test]
    fn a_right_that_the_server_took_away_needs_a_new_answer() {
        let mut consent = granted(&BOTH);
        consent.follow(&state(&[Right::View], Phase::Active));
        consent.follow(&state(&BOTH, Phase::Active));
        assert!(consent.may_view() && !consent.may_control());
        consent.follow(&state(&[], Phase::Held));
        consent.follow(&state(&BOTH, Phase::Active));
        assert!(!consent.may_view(), "hold ends every consent");
    }

    #[test]
    fn nothing_is_shared_while_paused_or_disconnected() {
        let mut consent = granted(&BOTH);
        consent.pause(true);
        assert!(!consent.may_view() && !consent.may_control() && consent.is_shared());
        consent.pause(false);
        consent.connected(false);
        assert!(!consent.may_view() && consent.is_shared());
        consent.end();
        assert!(!consent.is_shared());
    }

    #[test]
    fn an_approval_covers_one_transfer_alone() {
        let fetch = |path: &str| FileTransfer::Fetch { path: path.into(), version: "1".into() };
        let bring =
            |transfer, name: &str| FileTransfer::Bring { transfer, folder: "/".into(), name: name.into(), bytes: 1 };
        let files = || {
            let mut consent = Consent::default();
            consent.connected(true);
            consent.answer(&[Right::Files], &[Right::Files]);
            consent.ask_for_each_file(true);
            consent.follow(&state(&[Right::Files], Phase::Active));
            consent.approve(fetch("/a"));
            consent.approve(bring(7, "b"));
            consent
        };
        let approved = |c: &Consent| [c.has_approved(&fetch("/a")), c.has_approved(&bring(7, "b"))];
        let mut consent = files();
        assert_eq!(approved(&consent), [true, true]);
        let changed = FileTransfer::Fetch { path: "/a".into(), version: "2".into() };
        assert!(!consent.has_approved(&changed), "a file that has changed is another one");
        assert!(!consent.has_approved(&fetch("/b")) && !consent.has_approved(&bring(8, "b")));
        assert!(!consent.has_approved(&bring(7, "other name")), "the number alone is not enough");
        consent.connected(false);
        consent.connected(true);
        assert_eq!(approved(&consent), [true, true], "a transfer resumes after a lost connection");
        consent.end_transfers(|act| *act == fetch("/a"));
        assert_eq!(approved(&consent), [false, true]);

        type End = fn(&mut Consent);
        let ends: [(&str, End); 5] = [
            ("taken back", |c| c.withdraw(Right::Files)),
            ("taken away", |c| c.follow(&state(&[], Phase::Active))),
            ("held", |c| c.follow(&state(&[Right::Files], Phase::Held))),
            ("allowed anew", |c| c.ask_for_each_file(true)),
            ("ended", Consent::end),
        ];
        for (how, end) in ends {
            let mut consent = files();
            end(&mut consent);
            assert_eq!(approved(&consent), [false, false], "{how}");
        }
        let mut consent = files();
        consent.withdraw(Right::View);
        assert_eq!(approved(&consent), [true, true], "other rights do not matter");
    }

    #[test]
    fn one_answer_leaves_other_rights_alone() {
        let mut consent = granted(&BOTH);
        consent.answer(&[], &[Right::Files]);
        assert!(!consent.may(Right::Files) && consent.may_control());
        consent.answer(&[Right::Files], &[Right::Files]);
        consent.follow(&state(&[Right::View, Right::Control, Right::Files], Phase::Active));
        assert!(consent.may(Right::Files) && consent.may_control());
        consent.pause(true);
        assert!(consent.may(Right::Files) && !consent.may_view(), "a pause affects the picture alone");
        consent.answer(&[Right::Shell], &[Right::Shell]);
        assert!(consent.is_paused() && !consent.may_view(), "allowing another right does not end the pause");
        consent.withdraw(Right::View);
        assert!(consent.may(Right::Files) && !consent.may_view());
    }
}
