use expect_test::expect;
use protocol::*;
use session::{Actor, Command, Policy};

use crate::{CUSTOMER, Play, TECHNICIAN, user};

fn chat(text: &str) -> Command {
    Command::Chat { text: text.into(), nonce: 0 }
}

fn ask(rights: &[Right]) -> Command {
    Command::Ask { rights: rights.to_vec() }
}

const BOTH: [Right; 2] = [Right::View, Right::Control];

#[test]
fn the_whole_story_reads_as_it_happened() {
    let mut play = Play::joined();
    play.customer(chat("It does not print.")).unwrap();
    play.grant(&BOTH);
    play.customer(Command::Picture { width: 1920, height: 1080 }).unwrap();
    play.after(5_000);
    play.customer(Command::Withdraw { right: Right::Control }).unwrap();
    play.technician(Command::Hold).unwrap();
    play.act(Actor::Technician(user(1, "Tom")), Command::Transfer { to: user(2, "Eva"), note: String::new() }).unwrap();
    play.act(Actor::Technician(user(2, "Eva")), Command::Reopen).unwrap();
    play.join(Role::Technician, "Eva", Client::Console, Some(2)).unwrap();
    play.act(Actor::Participant(ParticipantId(3)), Command::Close).unwrap();
    expect![[r#"
        Tom started a session for INC-1042 (Printer)
        Tom generated a session key and a link
        Tom has joined
        Ada has joined (with the support program)
        Ada: It does not print.
        Tom asks to view and control the screen
        Ada allows to view and control the screen
        The screen is shared and recorded
        The permission for controlling the screen ended: the customer took it back
        The permission for viewing the screen ended: nothing is shared any more
        The screen is no longer shared
        Tom has put the session on hold
        Tom has transferred the session to Eva
        Eva has opened the session again
        Eva has joined
        The session has ended: closed by the technician
    "#]]
    .assert_eq(&play.transcript());
    let history = session::history(&play.entries).unwrap();
    assert_eq!((history.grants, history.holds, history.messages, history.shared_ms), (1, 1, 1, 5_000));
    assert_eq!(history.technicians, ["Tom", "Eva"]);
}

#[test]
fn refused_commands_name_the_reason() {
    use RefusalReason::*;
    let view = || Command::Answer { rights: vec![Right::View] };
    type Case = (&'static str, fn(&mut Play), ParticipantId, Command, RefusalReason);
    let nothing: fn(&mut Play) = |_| {};
    let cases: Vec<Case> = vec![
        ("a customer cannot ask", nothing, CUSTOMER, ask(&BOTH), TechnicianOnly),
        ("a technician cannot answer", nothing, TECHNICIAN, view(), CustomerOnly),
        ("an answer needs a question", nothing, CUSTOMER, view(), NothingAsked),
        ("one question at a time", |p| p.technician(ask(&BOTH)).unwrap(), TECHNICIAN, ask(&BOTH), AskedAlready),
        ("pictures need a grant", nothing, CUSTOMER, Command::Picture { width: 1, height: 1 }, NotGranted),
        ("pause needs a grant", nothing, CUSTOMER, Command::Pause(protocol::Pause::Customer), NotGranted),
        ("an empty message", nothing, CUSTOMER, chat(" \n"), Empty),
        ("4,001 characters", nothing, CUSTOMER, chat(&"ü".repeat(4_001)), TooLong),
        ("a stranger", nothing, ParticipantId(9), chat("hello"), Stranger),
        ("a customer cannot hold", nothing, CUSTOMER, Command::Hold, TechnicianOnly),
        ("nothing is said on hold", |p| p.technician(Command::Hold).unwrap(), CUSTOMER, chat("?"), OnHold),
        ("nothing after the end", |p| p.technician(Command::Close).unwrap(), CUSTOMER, chat("?"), Ended),
    ];
    for (name, prepare, who, command, reason) in cases {
        let mut play = Play::joined();
        prepare(&mut play);
        assert_eq!(play.act(Actor::Participant(who), command), Err(reason), "{name}");
    }
    assert!(Play::joined().customer(chat(&"ü".repeat(4_000))).is_ok(), "4,000 characters fit");
}

#[test]
fn asking_for_control_includes_view() {
    let mut play = Play::joined();
    play.technician(ask(&[Right::Control])).unwrap();
    play.customer(Command::Answer { rights: BOTH.to_vec() }).unwrap();
    assert!(play.session.may_control(TECHNICIAN));
}

#[test]
fn only_rights_that_were_asked_for_are_granted() {
    let mut play = Play::joined();
    play.technician(ask(&[Right::View])).unwrap();
    play.customer(Command::Answer { rights: BOTH.to_vec() }).unwrap();
    assert!(play.session.may_view());
    assert!(!play.session.may_control(TECHNICIAN));
}

#[test]
fn a_key_works_once() {
    let mut play = Play::joined();
    let second = play.join(Role::Customer, "Eve", Client::Browser, None);
    assert_eq!(second, Err(RefusalReason::KeyDead));
}

#[test]
fn key_and_link_expire() {
    let mut play = Play::created();
    play.act(Actor::Technician(user(1, "Tom")), Command::IssueKey { life: None }).unwrap();
    play.now = play.now.plus(15 * 60_000);
    assert!(!play.session.open_for_customer(play.now, true), "the key has expired");
    assert!(play.session.open_for_customer(play.now, false), "the link is still valid");
    play.after(24 * 60 * 60_000);
    assert_eq!(play.session.phase(), Phase::Ended { how: Ending::NeverJoined });
}

#[test]
fn a_message_sent_again_counts_once() {
    let mut play = Play::joined();
    for nonce in [7, 7, 8, 7] {
        play.customer(Command::Chat { text: "hello".into(), nonce }).unwrap();
    }
    assert_eq!(session::history(&play.entries).unwrap().messages, 2);
}

#[test]
fn a_lost_connection_has_a_grace_time() {
    let mut play = Play::joined();
    play.grant(&BOTH);
    play.act(Actor::Server, Command::Drop { id: CUSTOMER }).unwrap();
    play.after(119_000);
    play.act(Actor::Server, Command::Return { id: CUSTOMER, client: Client::Program }).unwrap();
    assert!(play.session.may_control(TECHNICIAN), "the grants survive a short disconnection");
    play.act(Actor::Server, Command::Drop { id: CUSTOMER }).unwrap();
    play.after(120_000);
    assert_eq!(play.session.phase(), Phase::Ended { how: Ending::CustomerLost });
}

#[test]
fn a_restarting_computer_has_a_longer_grace_time_and_asks_again() {
    let mut play = Play::joined();
    let all = [Right::View, Right::Control, Right::Restart];
    play.grant(&all);
    play.customer(Command::Picture { width: 800, height: 600 }).unwrap();
    let restart = Command::Restart { by: TECHNICIAN };
    assert_eq!(play.technician(restart.clone()), Err(RefusalReason::Policy), "only the server knows that it was done");
    play.act(Actor::Server, restart.clone()).unwrap();
    let state = play.session.state();
    assert_eq!((state.grants, state.screen), (vec![], None));
    play.act(Actor::Server, Command::Drop { id: CUSTOMER }).unwrap();
    play.after(19 * 60_000);
    play.act(Actor::Server, Command::Return { id: CUSTOMER, client: Client::Program }).unwrap();
    assert_eq!((play.session.phase(), play.session.state().restarting), (Phase::Active, None));
    // The next disconnection is an ordinary one.
    play.act(Actor::Server, Command::Drop { id: CUSTOMER }).unwrap();
    play.after(120_000);
    assert_eq!(play.session.phase(), Phase::Ended { how: Ending::CustomerLost });
}

#[test]
fn elevation_keeps_the_grants_and_its_end_drops_them() {
    let mut play = Play::created();
    play.act(Actor::Technician(user(1, "Tom")), Command::IssueKey { life: None }).unwrap();
    play.join(Role::Technician, "Tom", Client::Console, Some(1)).unwrap();
    play.join(Role::Customer, "Ada", Client::WindowsProgram, None).unwrap();
    let all = [Right::View, Right::Control, Right::Elevate];
    let blocked = |blocked| Command::InputBlocked { blocked };
    assert_eq!(play.customer(blocked(true)), Err(RefusalReason::NotGranted), "nobody has control");
    play.grant(&all);
    play.customer(Command::Picture { width: 800, height: 600 }).unwrap();
    play.customer(blocked(true)).unwrap();
    assert!(play.session.state().input_blocked);
    assert_eq!(play.technician(blocked(false)), Err(RefusalReason::CustomerOnly));
    let become_ = |client| Command::Return { id: CUSTOMER, client };
    play.act(Actor::Server, become_(Client::WindowsAdministrator)).unwrap();
    let state = play.session.state();
    assert_eq!((state.grants, state.input_blocked), (all.to_vec(), false));
    assert_eq!(play.technician(ask(&[Right::Elevate])), Err(RefusalReason::Already));
    play.act(Actor::Server, become_(Client::WindowsProgram)).unwrap();
    assert_eq!(play.session.state().grants, vec![]);
    let transcript = play.transcript();
    for line in [
        "Ada allows to view and control the screen, run as administrator",
        "Keys and clicks do not reach the window in front: its program runs as administrator",
        "Ada is back (with the support program for Windows, run as administrator)",
        "The permission for running as administrator ended: nothing is shared any more",
    ] {
        assert!(transcript.contains(line), "{line}\n{transcript}");
    }
}

#[test]
fn a_connection_that_replaces_another_begins_a_new_screen_share() {
    let mut play = Play::joined();
    play.grant(&BOTH);
    play.customer(Command::Picture { width: 800, height: 600 }).unwrap();
    // The server has not noticed yet that the old one is dead.
    play.act(Actor::Server, Command::Return { id: CUSTOMER, client: Client::Program }).unwrap();
    assert_eq!((play.session.state().screen, play.session.may_view()), (None, true));
    play.customer(Command::Picture { width: 800, height: 600 }).unwrap();
    assert!(play.transcript().ends_with("The screen is no longer shared\nThe screen is shared and recorded\n"));
}

#[test]
fn only_windows_can_run_the_program_as_administrator() {
    let mut play = Play::joined();
    assert_eq!(play.technician(ask(&[Right::Elevate])), Err(RefusalReason::NeedsWindows));
}

#[test]
fn a_computer_that_restarts_without_notice_is_awaited_for_a_limited_time() {
    let mut play = Play::joined();
    play.act(Actor::Server, Command::Drop { id: CUSTOMER }).unwrap();
    play.act(Actor::Server, Command::Restart { by: TECHNICIAN }).unwrap();
    play.after(19 * 60_000);
    assert_eq!(play.session.phase(), Phase::Active);
    play.after(60_000);
    assert_eq!(play.session.phase(), Phase::Ended { how: Ending::CustomerLost });
}

#[test]
fn a_lost_technician_leaves_the_session_on_hold_in_their_queue() {
    let mut play = Play::joined();
    play.act(Actor::Server, Command::Drop { id: TECHNICIAN }).unwrap();
    play.after(120_000);
    assert_eq!(play.session.phase(), Phase::Held);
    assert_eq!(play.session.owner().name, "Tom");
}

#[test]
fn a_hold_ends_grants_which_must_be_asked_for_again() {
    let mut play = Play::joined();
    play.grant(&BOTH);
    play.technician(Command::Hold).unwrap();
    play.act(Actor::Technician(user(1, "Tom")), Command::Reopen).unwrap();
    play.join(Role::Technician, "Tom", Client::Console, Some(1)).unwrap();
    assert!(!play.session.may_view());
    play.technician(ask(&BOTH)).unwrap();
}

#[test]
fn a_customer_may_leave_a_held_session_and_return_with_a_new_key() {
    let mut play = Play::joined();
    play.technician(Command::Hold).unwrap();
    play.customer(Command::Leave).unwrap();
    assert_eq!(play.session.phase(), Phase::Held);
    let tom = Actor::Technician(user(1, "Tom"));
    play.act(tom.clone(), Command::Reopen).unwrap();
    assert_eq!(play.session.phase(), Phase::Waiting);
    play.act(tom, Command::IssueKey { life: None }).unwrap();
    play.join(Role::Customer, "Ada", Client::Browser, None).unwrap();
    assert_eq!(play.session.phase(), Phase::Active);
    assert_eq!(play.join(Role::Customer, "Eve", Client::Browser, None), Err(RefusalReason::KeyDead));
}

#[test]
fn a_browser_needs_the_program_for_more_than_the_screen() {
    let mut play = Play::created();
    play.act(Actor::Technician(user(1, "Tom")), Command::IssueKey { life: None }).unwrap();
    play.join(Role::Technician, "Tom", Client::Console, Some(1)).unwrap();
    play.join(Role::Customer, "Ada", Client::Browser, None).unwrap();
    assert_eq!(play.technician(ask(&BOTH)), Err(RefusalReason::NeedsProgram));
    play.act(Actor::Server, Command::Return { id: CUSTOMER, client: Client::Program }).unwrap();
    assert_eq!(play.technician(ask(&BOTH)), Ok(()));
}

#[test]
fn the_video_runs_only_while_the_screen_is_shown() {
    use session::{Break, GAP_MS, PlaybackTimeline};
    let mut play = Play::joined();
    let picture = Command::Picture { width: 800, height: 600 };
    assert_eq!(PlaybackTimeline::of(&play.entries).moment(play.now), None, "no screen was shown");
    let share = |play: &mut Play| {
        play.technician(Command::Ask { rights: vec![Right::View] }).unwrap();
        play.customer(Command::Answer { rights: vec![Right::View] }).unwrap();
        play.customer(picture.clone()).unwrap();
    };
    play.after(5_000);
    share(&mut play);
    let began = play.now;
    play.after(10_000);
    play.customer(Command::Pause(protocol::Pause::Customer)).unwrap();
    play.after(60_000);
    play.customer(Command::Resume).unwrap();
    let resumed = play.now;
    play.after(4_000);
    play.technician(Command::Withdraw { right: Right::View }).unwrap();
    play.after(1_000);
    share(&mut play);
    let again = play.now;
    play.after(2_000);
    let film = PlaybackTimeline::of(&play.entries);
    let ends: Vec<_> = film.stretches.iter().map(|s| s.end).collect();
    assert_eq!(ends, [Break::Paused, Break::Stopped, Break::Stopped]);
    for (moment, place) in [
        (began, 0),
        (began.plus(10_000), 10_000),
        (began.plus(30_000), 10_000 + GAP_MS),
        (resumed, 10_000 + GAP_MS),
        (resumed.plus(4_500), 14_000 + GAP_MS + 500),
        (again, 14_000 + 2 * GAP_MS),
    ] {
        assert_eq!(film.moment(moment), Some(place));
    }
}

#[test]
fn the_policy_decides_what_a_failed_recording_leads_to() {
    use session::Unrecorded;
    let failed = Command::RecordingFailed { reason: "the disk is full".into() };
    for (policy, shared, ended) in [
        (Unrecorded::StopSharing, false, false),
        (Unrecorded::EndSession, false, true),
        (Unrecorded::GoOn, true, false),
    ] {
        let mut play = Play::with(Policy { unrecorded: policy, ..Policy::default() });
        play.technician(Command::Ask { rights: vec![Right::View] }).unwrap();
        play.customer(Command::Answer { rights: vec![Right::View] }).unwrap();
        play.customer(Command::Picture { width: 800, height: 600 }).unwrap();
        assert!(play.session.state().recorded);
        play.act(Actor::Server, failed.clone()).unwrap();
        assert_eq!(play.session.may_view(), shared, "{policy:?}");
        assert_eq!(play.session.state().recorded, policy != Unrecorded::GoOn, "{policy:?}");
        play.after(10_000);
        assert_eq!(matches!(play.session.phase(), Phase::Ended { .. }), ended, "{policy:?}");
        assert!(play.transcript().contains("The recording cannot go on: the disk is full"));
    }
}
