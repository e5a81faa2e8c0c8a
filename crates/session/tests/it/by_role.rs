//! Which commands and rights each role in a session may use.

use protocol::*;
use session::{Actor, Command};

use crate::{Play, TECHNICIAN, user};

const CUSTOMER: ParticipantId = ParticipantId(2);
const SHARER: ParticipantId = ParticipantId(3);
const EXPERT: ParticipantId = ParticipantId(4);
const SUPERVISOR: ParticipantId = ParticipantId(5);

/// The columns of both tables.
const PEOPLE: [(&str, ParticipantId); 5] =
    [("owner", TECHNICIAN), ("sharer", SHARER), ("expert", EXPERT), ("supervisor", SUPERVISOR), ("customer", CUSTOMER)];

/// All roles are present, and the expert's invitation names every right.
fn everybody() -> Play {
    let mut play = Play::created();
    play.act(Actor::Technician(user(1, "Tom")), Command::IssueKey { life: None }).unwrap();
    play.join(Role::Technician, "Tom", Client::Console, Some(1)).unwrap();
    play.join(Role::Customer, "Ada", Client::WindowsProgram, None).unwrap();
    play.technician(Command::ShareWith { with: user(2, "Eva") }).unwrap();
    play.join(Role::Technician, "Eva", Client::Console, Some(2)).unwrap();
    play.technician(Command::InviteExpert { name: "Max".into(), rights: Right::ALL.to_vec() }).unwrap();
    play.act(Actor::Server, Command::JoinAsExpert { number: 1 }).unwrap();
    play.act(Actor::Server, Command::Supervise { user: user(9, "Sam") }).unwrap();
    play
}

fn granted() -> Play {
    let mut play = everybody();
    play.grant(&Right::ALL);
    play
}

/// Who may use a right that the customer has granted, in the order of [`PEOPLE`].
fn uses(right: Right) -> [bool; 5] {
    match right {
        Right::View => [true, true, true, true, false],
        // Only one participant has control: the owner, who asked.
        Right::Control => [true, false, false, false, false],
        Right::Files | Right::Clipboard | Right::Shell | Right::SystemInfo | Right::Restart | Right::Elevate => {
            [true, true, false, false, false]
        }
    }
}

#[test]
fn each_role_may_use_its_rights() {
    let play = granted();
    for right in Right::ALL {
        let may = PEOPLE.map(|(_, who)| play.session.may(who, right));
        assert_eq!(may, uses(right), "{right:?}");
    }
    // Only one participant has control at a time. It is the only right besides view that an expert can have.
    for (name, who) in PEOPLE {
        let mut play = granted();
        let taken = who == TECHNICIAN || play.technician(Command::PassControl { to: who }).is_ok();
        assert_eq!(taken, matches!(who, TECHNICIAN | SHARER | EXPERT), "{name}");
        assert_eq!(play.session.may_control(who), taken, "{name}");
        assert_eq!(play.session.may_control(TECHNICIAN), !taken || who == TECHNICIAN, "{name}");
    }
    // No rights without the customer's consent.
    let play = everybody();
    for (name, who) in PEOPLE {
        assert!(!Right::ALL.into_iter().any(|right| play.session.may(who, right)), "{name}");
    }
}

#[test]
fn a_technicians_role_limits_their_rights() {
    for given in Right::ALL {
        let mut play = granted();
        let by_role = Some(RoleRights { name: "One".into(), rights: vec![given] });
        play.act(Actor::Server, Command::ChangeRole { user: 2, by_role }).unwrap();
        for right in Right::ALL {
            let may = right == given && uses(right)[1];
            assert_eq!(play.session.may(SHARER, right), may, "{given:?} gives {right:?}");
            let asks = Command::Ask { rights: vec![right] };
            let refused = play.session.decide(play.now, &Actor::Participant(SHARER), asks);
            // Asking for control includes asking for view.
            let gives = right == given && right != Right::Control;
            let why = if gives { RefusalReason::Already } else { RefusalReason::Role };
            assert_eq!(refused, Err(why), "{given:?}, asked for {right:?}");
        }
    }
}

/// The state in which a command is tried.
type Setup = fn() -> Play;

/// Which participants may issue this command, and in which state: one without an open question, one in which everything
/// was allowed, or one with an open question. `None` where no participant issues it, because the server or another
/// system does, or none is needed.
fn may_issue(command: &Command) -> Option<(Setup, [bool; 5])> {
    let asked: fn() -> Play = || {
        let mut play = everybody();
        play.technician(Command::Ask { rights: vec![Right::View] }).unwrap();
        play
    };
    let paused: fn() -> Play = || {
        let mut play = granted();
        play.customer(Command::Pause(Pause::Customer)).unwrap();
        play
    };
    let ended: fn() -> Play = || {
        let mut play = granted();
        play.technician(Command::Close).unwrap();
        play
    };
    const ALL_BUT_WATCHERS: [bool; 5] = [true, true, true, false, true];
    const TECHNICIANS: [bool; 5] = [true, true, false, false, false];
    const OWNER: [bool; 5] = [true, false, false, false, false];
    const CUSTOMERS: [bool; 5] = [false, false, false, false, true];
    const NOBODY: [bool; 5] = [false; 5];
    Some(match command {
        Command::Chat { .. } => (granted, ALL_BUT_WATCHERS),
        Command::Ask { .. } => (everybody, TECHNICIANS),
        Command::Answer { .. } => (asked, CUSTOMERS),
        Command::Withdraw { .. } => (granted, [true, true, false, false, true]),
        Command::Pause(_) => (granted, CUSTOMERS),
        Command::Resume => (paused, CUSTOMERS),
        Command::Picture { .. }
        | Command::Monitors { .. }
        | Command::InputBlocked { .. }
        | Command::ShareFailed { .. } => (granted, CUSTOMERS),
        Command::WantControl => (granted, [false, true, true, false, false]),
        Command::PassControl { .. } => (granted, OWNER),
        Command::Note { .. } => (granted, TECHNICIANS),
        Command::Leave => (granted, [false, true, true, true, true]),
        Command::Hold
        | Command::Close
        | Command::Transfer { .. }
        | Command::Enqueue { .. }
        | Command::ShareWith { .. }
        | Command::InviteExpert { .. }
        | Command::Dismiss { .. }
        | Command::Attribute { .. } => (granted, OWNER),
        Command::Rate { .. } => (ended, CUSTOMERS),
        // No participant, whatever they send.
        Command::Expel { .. }
        | Command::ChangeRole { .. }
        | Command::MoveQueue { .. }
        | Command::Supervise { .. }
        | Command::Record { .. }
        | Command::RecordingFailed { .. }
        | Command::Restart { .. }
        | Command::Evidence { .. }
        | Command::Take { .. }
        | Command::Create { .. } => (granted, NOBODY),
        Command::IssueKey { .. }
        | Command::RevokeKey
        | Command::RevokeLink
        | Command::Reopen
        | Command::Join { .. }
        | Command::JoinAsExpert { .. }
        | Command::Drop { .. }
        | Command::Return { .. }
        | Command::Tick => return None,
    })
}

#[test]
fn each_role_may_issue_its_commands() {
    let text = || "x".to_owned();
    let commands = [
        Command::Chat { text: text(), nonce: 0 },
        Command::Ask { rights: vec![Right::Files] },
        Command::Answer { rights: vec![Right::View] },
        Command::Withdraw { right: Right::Files },
        Command::Pause(Pause::Customer),
        Command::Resume,
        Command::Picture { width: 8, height: 8 },
        Command::Monitors { monitors: vec![] },
        Command::InputBlocked { blocked: true },
        Command::ShareFailed { trouble: ShareTrouble::Encoder },
        Command::WantControl,
        Command::PassControl { to: EXPERT },
        Command::Note { text: text() },
        Command::Leave,
        Command::Hold,
        Command::Close,
        Command::Transfer { to: user(7, "Ida"), note: String::new() },
        Command::Enqueue { queue: Queue::General, note: String::new() },
        Command::ShareWith { with: user(7, "Ida") },
        Command::InviteExpert { name: "Uli".into(), rights: vec![] },
        Command::Dismiss { who: EXPERT },
        Command::Attribute { name: text(), value: text() },
        Command::Rate { stars: 5, comment: String::new() },
        Command::Expel { user: 2, queue: Queue::General },
        Command::ChangeRole { user: 2, by_role: None },
        Command::MoveQueue { from: Queue::General, to: Queue::Team { team: text() } },
        Command::Supervise { user: user(7, "Ida") },
        Command::Record { event: Event::ShellStarted { by: TECHNICIAN, number: 1 } },
        Command::RecordingFailed { reason: text() },
        Command::Restart { by: TECHNICIAN },
        Command::Evidence { event: Event::Watched { by: user(1, "Tom") } },
        Command::Take { team: String::new() },
        Command::Create {
            incident: IncidentRef { id: 1, number: text(), subject: text(), customer: text() },
            owner: user(1, "Tom"),
            organisation: text(),
        },
    ];
    for command in commands {
        let (play, expected) = may_issue(&command).unwrap_or_else(|| panic!("{command:?} is not a participant's"));
        let play = play();
        let may =
            PEOPLE.map(|(_, who)| play.session.decide(play.now, &Actor::Participant(who), command.clone()).is_ok());
        assert_eq!(may, expected, "{command:?}: {:?}", PEOPLE.map(|(name, _)| name));
    }
}
