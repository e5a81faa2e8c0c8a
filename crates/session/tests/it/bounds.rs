//! Rate and size limits for a person and for a session, and that events which end something are always possible.

use proptest::prelude::*;
use protocol::*;
use session::{Actor, Command};

use crate::{CUSTOMER, Play, TECHNICIAN, user};

const BOTH: [Right; 2] = [Right::View, Right::Control];

fn chat(text: &str) -> Command {
    Command::Chat { text: text.into(), nonce: 0 }
}

/// Tries a command this many times within this many milliseconds; returns how many events were stored.
fn tries(play: &mut Play, times: u64, ms: u64, by: &Actor, command: impl Fn(u64) -> Command) -> usize {
    let before = play.entries.len();
    let start = play.now;
    for n in 0..times {
        play.now = start.plus(n * ms / times);
        let _ = play.act(by.clone(), command(n));
    }
    play.now = start.plus(ms);
    play.entries.len() - before
}

#[test]
fn a_chat_flood_is_refused_and_does_not_affect_others() {
    let mut play = Play::joined();
    let customer = Actor::Participant(CUSTOMER);
    let longest = "😀".repeat(MAX_CHAT_CHARS);
    let let_in = tries(&mut play, 1_582, 15_000, &customer, |_| chat(&longest));
    assert!((15..30).contains(&let_in), "{let_in} of the longest messages in 15 s");
    assert_eq!(play.customer(chat(&longest)), Err(RefusalReason::TooOften));
    play.technician(chat("Please stop that.")).unwrap();
    // A minute later the bucket has refilled; short messages may come faster than anybody types.
    play.after(60_000);
    let let_in = tries(&mut play, 3_000, 15_000, &customer, |_| chat("."));
    assert!((60..90).contains(&let_in), "{let_in} short messages in 15 s");
    play.after(1_000);
    play.customer(chat("one a second goes on")).unwrap();
}

#[test]
fn an_event_that_ends_something_is_never_refused() {
    let mut play = Play::joined();
    play.grant(&BOTH);
    let customer = Actor::Participant(CUSTOMER);
    tries(&mut play, 1_000, 1_000, &customer, |_| chat("."));
    let toggle = |n| if n % 2 == 0 { Command::Pause(Pause::Customer) } else { Command::Resume };
    let stored = tries(&mut play, 2_000, 1_000, &customer, toggle);
    assert!(stored < 130 && play.session.state().paused.is_some(), "{stored}: it is paused, and stays so for now");
    play.customer(Command::Withdraw { right: Right::View }).unwrap();
    let technician = Actor::Technician(user(1, "Tom"));
    let opened =
        tries(&mut play, 1_000, 1_000, &technician, |n| if n % 2 == 0 { Command::Hold } else { Command::Reopen });
    assert!(opened < 400, "{opened}");
    play.act(technician.clone(), Command::Close).unwrap();
    let mut play = Play::created();
    let keys = tries(&mut play, 1_000, 1_000, &technician, |_| Command::IssueKey { life: None });
    assert!(keys < 70, "{keys}");
    play.act(technician.clone(), Command::RevokeKey).unwrap();
    play.act(technician, Command::RevokeLink).unwrap();
}

#[test]
fn flapping_sizes_are_limited_and_the_last_one_is_stored() {
    let mut play = Play::joined();
    play.grant(&BOTH);
    let customer = Actor::Participant(CUSTOMER);
    let size = |n: u64| Command::Picture { width: 100 + n as u16, height: 100 };
    let stored = tries(&mut play, 5_040, 12_000, &customer, size);
    assert!(stored < 40, "{stored} sizes in 12 s");
    play.now = play.now.plus(1_000);
    play.customer(size(5_039)).unwrap();
    assert_eq!(play.session.screen(), Some((5_139, 100)), "the newest is stored within the limit");
}

#[test]
fn flapping_connections_are_limited_and_the_last_one_is_admitted() {
    let mut play = Play::joined();
    let mut returned = 0;
    for _ in 0..1_000 {
        play.now = play.now.plus(10);
        play.act(Actor::Server, Command::Drop { id: CUSTOMER }).unwrap();
        returned +=
            usize::from(play.act(Actor::Server, Command::Return { id: CUSTOMER, client: Client::Program }).is_ok());
    }
    assert!(returned < 80, "{returned} returns in 10 s");
    // A customer who really comes back is admitted within their grace time.
    play.now = play.now.plus(10_000);
    play.act(Actor::Server, Command::Return { id: CUSTOMER, client: Client::Program }).unwrap();
}

#[test]
fn a_monitor_without_area_is_dropped() {
    let mut play = Play::joined();
    play.grant(&[Right::View]);
    let monitor = |name: &str, width, height| Monitor { name: name.into(), x: 0, y: 0, width, height };
    let monitors = vec![monitor("flat", 9, 0), monitor("one", 9, 9), monitor("thin", 0, 9)];
    play.customer(Command::Monitors { monitors }).unwrap();
    assert_eq!(play.session.state().monitors, [monitor("one", 9, 9)]);
}

#[test]
fn a_full_session_refuses_chat_and_can_still_be_used_and_ended() {
    let mut play = Play::joined();
    // One person alone cannot fill a session.
    let longest = "😀".repeat(MAX_CHAT_CHARS);
    let mut refused = Ok(());
    for _ in 0..2_000 {
        play.now = play.now.plus(8_000);
        refused = play.customer(chat(&longest));
        if refused.is_err() {
            break;
        }
    }
    assert_eq!(refused, Err(RefusalReason::Full));
    play.technician(chat("We go on.")).unwrap();
    let desk = Actor::System(user(0, "Desk"));
    let mut refused = Ok(());
    for _ in 0..10_000 {
        play.now = play.now.plus(1_000);
        refused = play.act(desk.clone(), Command::Note { text: "😀".repeat(MAX_NOTE_CHARS) });
        if refused.is_err() {
            break;
        }
    }
    assert_eq!(refused, Err(RefusalReason::Full));
    let stored: usize = play.entries.iter().map(|e| serde_json::to_string(&e.event).unwrap().len()).sum();
    assert!(stored < 70 * 1024 * 1024, "{stored}");
    assert_eq!(play.technician(chat("?")), Err(RefusalReason::Full));
    // The use of a right is stored, and events that help the customer are still possible.
    play.act(Actor::Server, Command::Record { event: Event::ShellStarted { by: TECHNICIAN, number: 1 } }).unwrap();
    play.act(Actor::Server, Command::Drop { id: CUSTOMER }).unwrap();
    play.act(Actor::Server, Command::Return { id: CUSTOMER, client: Client::Program }).unwrap();
    play.grant(&BOTH);
    play.technician(Command::Close).unwrap();
}

#[test]
fn uses_of_rights_are_limited_before_they_are_done() {
    let mut play = Play::joined();
    let use_of_right = |n| Command::Record { event: Event::ShellStarted { by: TECHNICIAN, number: n } };
    assert_eq!(play.session.has_room(play.now, TECHNICIAN), Ok(()));
    for n in 0..20_000 {
        play.act(Actor::Server, use_of_right(n)).unwrap();
    }
    assert_eq!(play.session.has_room(play.now, TECHNICIAN), Err(RefusalReason::TooOften));
    assert_eq!(play.session.has_room(play.now.plus(1_000), TECHNICIAN), Ok(()));
    play.act(Actor::Server, use_of_right(20_000)).unwrap();
}

#[test]
fn the_number_of_participants_is_limited() {
    let mut play = Play::joined();
    let mut refused = Ok(());
    for n in 0..300u16 {
        play.now = play.now.plus(10_000);
        refused = play.act(Actor::Server, Command::Supervise { user: user(100 + i32::from(n), "Sam") });
        if refused.is_err() {
            break;
        }
    }
    assert_eq!(refused, Err(RefusalReason::Full));
    let state = ServerMessage::State { state: Box::new(play.session.state()), permits: vec![] };
    assert!(encode(&state).len() < MAX_SERVER_MESSAGE_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a program or another system sends, every reader accepts the event, and short texts stay as they are.
    #[test]
    fn an_event_always_fits_its_readers(
        length in prop_oneof![0usize..2_000, 2_000usize..70_000],
        letter in prop::sample::select(vec!['a', '😀', '\u{1}', '"']),
    ) {
        let text = || letter.to_string().repeat(length);
        let by = TECHNICIAN;
        let events = [
            Event::FileFailed { by, way: Direction::ToCustomer, path: text(), reason: text() },
            Event::FileCarried { by, way: Direction::FromCustomer, path: text(), bytes: 1, sha256: text() },
            Event::ProcessEnded { by, pid: 1, name: text() },
            Event::RecordingFailed { reason: text() },
            Event::Created {
                incident: IncidentRef { id: 1, number: text(), subject: text(), customer: text() },
                owner: user(1, &text()),
                organisation: text(),
                rules: None,
            },
        ];
        for event in events {
            let long = serde_json::to_string(&event).unwrap().len();
            let fitting = session::fitting(event.clone());
            prop_assert!(serde_json::to_string(&fitting).unwrap().len() <= MAX_EVENT_BYTES);
            prop_assert!(long > MAX_EVENT_BYTES || fitting == event);
        }
    }
}

#[test]
fn impossible_monitors_are_refused() {
    let mut play = Play::joined();
    play.grant(&BOTH);
    let monitor = |name: &str, [x, y, width, height]: [u16; 4]| Monitor { name: name.into(), x, y, width, height };
    let good = monitor("DP-1", [4_096, 0, 4_096, 2_160]);
    for (what, bad) in [
        ("outside of every screen", monitor("x", [65_535, 65_535, 65_535, 65_535])),
        ("at an edge", monitor("x", [4_097, 0, 4_096, 1])),
        ("too high", monitor("x", [0, 0, 1, 8_193])),
        ("two lines", monitor("x\ny", [0, 0, 1, 1])),
        ("a long name", monitor(&"x".repeat(MAX_NAME_CHARS + 1), [0, 0, 1, 1])),
    ] {
        let refused = play.customer(Command::Monitors { monitors: vec![good.clone(), bad] });
        assert_eq!(refused, Err(RefusalReason::TooLong), "{what}");
    }
    play.customer(Command::Monitors { monitors: vec![good.clone(); MAX_MONITORS + 1] }).unwrap_err();
    play.customer(Command::Monitors { monitors: vec![good; MAX_MONITORS] }).unwrap();
}
