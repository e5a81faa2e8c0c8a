//! Several people: control, queues, succession and refusals.

use protocol::*;
use session::{Actor, Command, Policy, Session};

use crate::{CUSTOMER, Play, TECHNICIAN, user};

const EVA: ParticipantId = ParticipantId(3);
const BOTH: [Right; 2] = [Right::View, Right::Control];

/// Tom helps Ada with view and control, and Eva shares.
fn shared() -> Play {
    let mut play = Play::joined();
    play.technician(Command::Ask { rights: BOTH.to_vec() }).unwrap();
    play.customer(Command::Answer { rights: BOTH.to_vec() }).unwrap();
    let refused = play.join(Role::Technician, "Eva", Client::Console, Some(2));
    assert_eq!(refused, Err(RefusalReason::NotOwner), "nobody joins unasked");
    play.technician(Command::ShareWith { with: user(2, "Eva") }).unwrap();
    play.join(Role::Technician, "Eva", Client::Console, Some(2)).unwrap();
    play
}

fn by(who: ParticipantId) -> Actor {
    Actor::Participant(who)
}

#[test]
fn one_at_a_time_has_control() {
    let mut play = shared();
    assert!(play.session.may_control(TECHNICIAN) && !play.session.may_control(EVA));
    let grab = play.act(by(EVA), Command::PassControl { to: EVA });
    assert_eq!(grab, Err(RefusalReason::NotInControl), "a sharer cannot take it");
    play.act(by(EVA), Command::WantControl).unwrap();
    play.technician(Command::PassControl { to: EVA }).unwrap();
    assert!(!play.session.may_control(TECHNICIAN) && play.session.may_control(EVA));
    assert!(play.session.state().control_wanted.is_empty());
    play.technician(Command::PassControl { to: TECHNICIAN }).unwrap();
    assert!(play.session.may_control(TECHNICIAN), "the owner can take it");
    assert_eq!(play.technician(Command::PassControl { to: CUSTOMER }), Err(RefusalReason::TechnicianOnly));
    // When the holder leaves, control goes to the owner.
    play.technician(Command::PassControl { to: EVA }).unwrap();
    play.act(by(EVA), Command::Leave).unwrap();
    assert!(play.session.may_control(TECHNICIAN));
    assert_eq!(play.technician(Command::Leave), Err(RefusalReason::Owner));
}

#[test]
fn a_supervisor_only_watches() {
    let mut play = shared();
    let supervise = |n, name: &str| Command::Supervise { user: user(n, name) };
    assert_eq!(
        play.technician(supervise(9, "Sam")),
        Err(RefusalReason::Policy),
        "only the server knows who may supervise"
    );
    assert_eq!(play.act(Actor::Server, supervise(2, "Eva")), Err(RefusalReason::Already), "she takes part already");
    play.act(Actor::Server, supervise(9, "Sam")).unwrap();
    let sam = ParticipantId(4);
    assert!(play.session.may_watch(sam) && !play.session.may_control(sam) && !play.session.may(sam, Right::Files));
    for command in [
        Command::Chat { text: "hello".into(), nonce: 1 },
        Command::Ask { rights: vec![Right::Shell] },
        Command::WantControl,
        Command::PassControl { to: sam },
        Command::Note { text: "n".into() },
        Command::Close,
    ] {
        assert_eq!(play.act(by(sam), command.clone()), Err(RefusalReason::OnlyWatching), "{command:?}");
    }
    assert_eq!(play.technician(Command::PassControl { to: sam }), Err(RefusalReason::TechnicianOnly));
    assert_eq!(
        play.technician(Command::Dismiss { who: sam }),
        Err(RefusalReason::Owner),
        "not by those who are watched"
    );
    // The customer's "no" applies to supervisors, too.
    play.customer(Command::Withdraw { right: Right::View }).unwrap();
    assert!(!play.session.may(sam, Right::View));
    let said = session::transcript(&play.entries);
    assert!(said.iter().any(|l| l.text == "Sam watches the session as a supervisor"));
    assert!(!session::history(&play.entries).unwrap().technicians.contains(&"Sam".to_owned()), "Sam helped nobody");
    // A supervisor may leave and come back as the same participant; a hold ends their part as everybody's.
    play.act(by(sam), Command::Leave).unwrap();
    play.act(Actor::Server, supervise(9, "Sam")).unwrap();
    assert_eq!(play.session.participants().len(), 4);
    play.technician(Command::Hold).unwrap();
    assert_eq!(play.session.participant(sam).unwrap().presence, Presence::Gone);
    assert_eq!(play.act(Actor::Server, supervise(9, "Sam")), Err(RefusalReason::OnHold));
}

#[test]
fn an_expert_has_the_rights_of_the_invitation_alone() {
    let mut play = shared();
    let invite = |name: &str, rights: &[Right]| Command::InviteExpert { name: name.into(), rights: rights.to_vec() };
    assert_eq!(play.act(by(EVA), invite("X", &BOTH)), Err(RefusalReason::NotOwner));
    play.technician(invite("Max", &[Right::View, Right::Shell])).unwrap();
    play.act(Actor::Server, Command::JoinAsExpert { number: 1 }).unwrap();
    let again = play.act(Actor::Server, Command::JoinAsExpert { number: 1 });
    assert_eq!(again, Err(RefusalReason::KeyDead), "the invitation is used up");
    let max = ParticipantId(4);
    assert_eq!(play.session.participant(max).unwrap().rights, [Right::View], "an expert never gets a shell");
    assert_eq!(play.technician(Command::PassControl { to: max }), Err(RefusalReason::TechnicianOnly));
    assert_eq!(play.act(by(max), Command::Ask { rights: BOTH.to_vec() }), Err(RefusalReason::TechnicianOnly));
    assert_eq!(play.act(by(max), Command::Note { text: "?".into() }), Err(RefusalReason::TechnicianOnly));
    assert_eq!(play.act(by(max), Command::Withdraw { right: Right::View }), Err(RefusalReason::TechnicianOnly));
    for right in [Right::Files, Right::Shell, Right::Clipboard, Right::SystemInfo, Right::Control] {
        assert!(!play.session.may(max, right), "{right:?}");
    }
    play.technician(Command::Dismiss { who: max }).unwrap();
    play.technician(invite("Ida", &BOTH)).unwrap();
    play.now = play.now.plus(60 * 60_000);
    assert_eq!(play.act(Actor::Server, Command::JoinAsExpert { number: 2 }), Err(RefusalReason::KeyDead), "an hour");
}

#[test]
fn a_session_is_never_without_an_owner_or_a_queue() {
    // Somebody shares: the longest sharer takes over, and the grants stay.
    let mut play = shared();
    play.act(Actor::Server, Command::Drop { id: TECHNICIAN }).unwrap();
    play.after(120_000);
    assert_eq!((play.session.owner().name.as_str(), play.session.phase()), ("Eva", Phase::Active));
    assert!(play.session.may_control(EVA), "the successor may have control");
    play.act(by(EVA), Command::Close).unwrap();

    // Nobody shares: back into the queue that it was taken from.
    let mut play = Play::joined();
    let team = Queue::Team { team: "Printers".into() };
    let note = "It is the blue one.".to_owned();
    play.technician(Command::Enqueue { queue: team.clone(), note }).unwrap();
    assert_eq!((play.session.queue(), play.session.phase()), (&team, Phase::Held));
    let eva = Actor::Technician(user(2, "Eva"));
    let stranger = play.act(eva.clone(), Command::Take { team: "Networks".into() });
    assert_eq!(stranger, Err(RefusalReason::NotOwner), "another team cannot take it");
    let old = play.act(Actor::Technician(user(1, "Tom")), Command::Close);
    assert_eq!(old, Err(RefusalReason::NotOwner), "a session in a queue has no owner");
    play.act(eva.clone(), Command::Take { team: "Printers".into() }).unwrap();
    play.act(eva, Command::Reopen).unwrap();
    play.join(Role::Technician, "Eva", Client::Console, Some(2)).unwrap();
    play.act(Actor::Server, Command::Drop { id: EVA }).unwrap();
    play.after(120_000);
    assert_eq!((play.session.queue(), play.session.phase()), (&team, Phase::Held));
}

#[test]
fn each_right_is_asked_for_and_withdrawn_separately() {
    let mut play = shared();
    play.technician(Command::Ask { rights: vec![Right::Files] }).unwrap();
    play.customer(Command::Answer { rights: vec![] }).unwrap();
    assert!(
        !play.session.may(TECHNICIAN, Right::Files) && play.session.may_control(TECHNICIAN),
        "a no withdraws nothing"
    );
    play.technician(Command::Ask { rights: vec![Right::Files] }).unwrap();
    play.customer(Command::Answer { rights: Right::ALL.to_vec() }).unwrap();
    assert_eq!(play.session.state().grants, [Right::View, Right::Control, Right::Files], "only what was asked");
    assert!(play.session.may(EVA, Right::Files), "a sharer may use what the customer allows");
    play.customer(Command::Withdraw { right: Right::View }).unwrap();
    assert_eq!(play.session.state().grants, [Right::Files], "control needs view, files do not");
    play.technician(Command::Hold).unwrap();
    assert!(play.session.state().grants.is_empty());
}

#[test]
fn only_the_server_records_uses_of_rights() {
    let mut play = Play::joined();
    let use_of_right = || Command::Record { event: Event::ShellStarted { by: TECHNICIAN, number: 1 } };
    assert_eq!(play.technician(use_of_right()), Err(RefusalReason::Policy));
    let smuggled = Command::Record { event: Event::Granted { by: CUSTOMER, rights: BOTH.to_vec() } };
    assert_eq!(play.act(Actor::Server, smuggled), Err(RefusalReason::Policy), "a grant is not the use of a right");
    play.act(Actor::Server, use_of_right()).unwrap();
    assert_eq!(session::history(&play.entries).unwrap().shells, 1);
}

#[test]
fn the_customer_rates_a_session_once_and_after_its_end() {
    let mut play = Play::joined();
    let rate = |stars| Command::Rate { stars, comment: "Kind.".into() };
    assert_eq!(play.customer(rate(5)), Err(RefusalReason::NotEnded));
    play.technician(Command::Close).unwrap();
    assert_eq!(play.customer(rate(6)), Err(RefusalReason::Empty));
    assert_eq!(play.technician(rate(5)), Err(RefusalReason::CustomerOnly));
    play.customer(rate(4)).unwrap();
    assert_eq!(play.customer(rate(1)), Err(RefusalReason::Already));
    let history = session::history(&play.entries).unwrap();
    assert_eq!((history.rating, history.comment.as_str()), (Some(4), "Kind."));
}

#[test]
fn another_system_acts_for_the_owner() {
    let mut play = shared();
    let desk = || Actor::System(user(0, "Desk"));
    let set = |name: &str, value: &str| Command::Attribute { name: name.into(), value: value.into() };
    play.act(desk(), set("external_key", "INC7")).unwrap();
    let said = play.entries.len();
    play.act(desk(), set("external_key", "INC7")).unwrap();
    assert_eq!(play.entries.len(), said, "an unchanged value is not stored again");
    assert_eq!(play.session.attributes(), [("external_key".to_owned(), "INC7".to_owned())]);
    play.act(desk(), set("external_key", "")).unwrap();
    assert!(play.session.attributes().is_empty());
    assert_eq!(play.act(desk(), set("a b", "1")), Err(RefusalReason::Empty));
    assert_eq!(play.act(desk(), set("long", &"x".repeat(1_025))), Err(RefusalReason::TooLong));
    assert_eq!(play.customer(set("a", "1")), Err(RefusalReason::TechnicianOnly));
    // It moves and ends sessions under its own name; it may not do what only participants can.
    play.act(desk(), Command::Transfer { to: user(3, "Max"), note: String::new() }).unwrap();
    assert_eq!(play.act(desk(), Command::Ask { rights: BOTH.to_vec() }), Err(RefusalReason::Stranger));
    play.act(desk(), Command::Close).unwrap();
    assert!(play.entries.iter().any(|e| matches!(&e.event, Event::Ended { by: Some(by), .. } if by.name == "Desk")));
}

#[test]
fn a_links_lifetime_may_differ_from_the_policy_and_no_key_outlives_it() {
    for (life, key, link) in [(60_000, 60_000, 60_000), (9_000_000, 900_000, 9_000_000)] {
        let mut play = Play::created();
        play.act(Actor::System(user(0, "Desk")), Command::IssueKey { life: Some(life) }).unwrap();
        let Event::KeyIssued { key_until, link_until, .. } = &play.entries.last().unwrap().event else { panic!() };
        assert_eq!((key_until.since(play.now), link_until.since(play.now)), (key, link));
    }
}

#[test]
fn a_technicians_role_limits_what_they_ask_for_use_and_pass_on() {
    let mut play = Play::created();
    play.act(Actor::Technician(user(1, "Tom")), Command::IssueKey { life: None }).unwrap();
    let by_role = Some(RoleRights { name: "Trainee".into(), rights: vec![Right::View, Right::Files] });
    let (role, name, client) = (Role::Technician, "Tom".to_owned(), Client::Console);
    play.act(Actor::Server, Command::Join { role, name, client, user: Some(1), by_role, by_key: false }).unwrap();
    play.join(Role::Customer, "Ada", Client::Program, None).unwrap();
    let ask = |rights: &[Right]| Command::Ask { rights: rights.to_vec() };
    for rights in [&[Right::Control][..], &[Right::View, Right::Control], &[Right::Shell], &[Right::Restart]] {
        assert_eq!(play.technician(ask(rights)), Err(RefusalReason::Role), "{rights:?}");
    }
    // Eva has no role: she asks for control and gets it; Tom's role still lacks it.
    let eva = ParticipantId(3);
    play.technician(Command::ShareWith { with: user(2, "Eva") }).unwrap();
    play.join(Role::Technician, "Eva", Client::Console, Some(2)).unwrap();
    play.act(Actor::Participant(eva), ask(&[Right::Control, Right::Shell])).unwrap();
    let answer = Command::Answer { rights: vec![Right::View, Right::Control, Right::Shell] };
    play.customer(answer).unwrap();
    assert!(play.session.may_control(eva) && play.session.may(eva, Right::Shell));
    assert!(play.session.may(TECHNICIAN, Right::View) && !play.session.may(TECHNICIAN, Right::Shell));
    assert_eq!(play.technician(Command::WantControl), Err(RefusalReason::TechnicianOnly));
    let to = TECHNICIAN;
    assert!(play.act(Actor::Participant(eva), Command::PassControl { to }).is_err());
    let rights = vec![Right::View, Right::Control];
    play.technician(Command::InviteExpert { name: "Uli".into(), rights }).unwrap();
    assert_eq!(play.session.invitation(1).unwrap().rights, [Right::View]);
}

#[test]
fn only_those_with_view_receive_pictures() {
    let mut play = Play::joined();
    for (name, rights) in [("Uli", vec![]), ("Ida", vec![Right::View])] {
        play.technician(Command::InviteExpert { name: name.into(), rights }).unwrap();
        let number = if name == "Uli" { 1 } else { 2 };
        play.act(Actor::Server, Command::JoinAsExpert { number }).unwrap();
    }
    let (uli, ida) = (ParticipantId(3), ParticipantId(4));
    assert!(play.session.may_watch(TECHNICIAN) && play.session.may_watch(ida) && !play.session.may_watch(uli));
    assert!(!play.session.may_watch(CUSTOMER), "the customer gets no picture of their own screen");
}

#[test]
fn a_session_keeps_the_policy_that_it_was_created_with() {
    let policy = Policy { name: "Pay".into(), rights: vec![Right::View], record: false, ..Policy::default() };
    let mut play = Play::with(policy);
    assert_eq!(play.technician(Command::Ask { rights: vec![Right::Files] }), Err(RefusalReason::Policy));
    // Read back by a server that has other rules by now.
    let session = Session::after(play.session.id().clone(), Policy::default(), &play.entries);
    let ask = Command::Ask { rights: vec![Right::Files] };
    assert_eq!(session.decide(play.now, &Actor::Participant(TECHNICIAN), ask), Err(RefusalReason::Policy));
    assert!(!session.state().recorded);
    assert!(play.transcript().starts_with("Tom started a session for INC-1042 (Printer) by the policy Pay"));
}

#[test]
fn allowing_another_right_does_not_end_a_pause() {
    let mut play = Play::joined();
    play.grant(&[Right::View]);
    let paused = |play: &Play| play.session.state().paused;
    play.customer(Command::Pause(Pause::Customer)).unwrap();
    play.grant(&[Right::Files]);
    assert_eq!((paused(&play), play.session.may_view()), (Some(Pause::Customer), false));
    play.grant(&BOTH);
    assert!(paused(&play).is_some() && !play.session.may_control(TECHNICIAN), "the picture was allowed before");
    play.customer(Command::Withdraw { right: Right::View }).unwrap();
    play.grant(&BOTH);
    assert!(paused(&play).is_none() && play.session.may_control(TECHNICIAN), "view was allowed again");
}
