//! A participant who gave the session away, was removed, or lost their host: nothing that was issued before admits
//! them.

use protocol::*;
use session::{Actor, Command};

use crate::{Play, TECHNICIAN, user};

const EVA: ParticipantId = ParticipantId(3);
const BOTH: [Right; 2] = [Right::View, Right::Control];

fn general() -> Command {
    Command::Enqueue { queue: Queue::General, note: String::new() }
}

fn to(id: i32, name: &str) -> Command {
    Command::Transfer { to: user(id, name), note: String::new() }
}

fn invite(name: &str) -> Command {
    Command::InviteExpert { name: name.into(), rights: BOTH.to_vec() }
}

fn tom() -> Actor {
    Actor::Technician(user(1, "Tom"))
}

fn presence(play: &Play, who: ParticipantId) -> Presence {
    play.session.participant(who).unwrap().presence
}

fn comes_back(play: &mut Play, who: ParticipantId) -> Result<(), RefusalReason> {
    play.act(Actor::Server, Command::Return { id: who, client: Client::Console })
}

/// Tom waits for a customer, with a key; Eva waits with him, an expert is present, and another expert and Ida were
/// asked.
fn waiting() -> Play {
    let mut play = Play::created();
    play.act(tom(), Command::IssueKey { life: None }).unwrap();
    play.join(Role::Technician, "Tom", Client::Console, Some(1)).unwrap();
    for name in ["Max", "Mia"] {
        play.act(tom(), invite(name)).unwrap();
    }
    play.act(Actor::Server, Command::JoinAsExpert { number: 1 }).unwrap();
    for (id, name) in [(2, "Eva"), (3, "Ida")] {
        play.act(tom(), Command::ShareWith { with: user(id, name) }).unwrap();
    }
    play.join(Role::Technician, "Eva", Client::Console, Some(2)).unwrap();
    play
}

const MAX: ParticipantId = ParticipantId(2);

/// The same with a customer, who joined after the others.
fn active() -> Play {
    let mut play = waiting();
    play.join(Role::Customer, "Ada", Client::Program, None).unwrap();
    play
}

#[test]
fn an_owner_who_gives_a_session_away_leaves_with_their_guests() {
    let held: fn() -> Play = || {
        let mut play = active();
        play.act(tom(), Command::Hold).unwrap();
        play
    };
    type Stage = fn() -> Play;
    let stages: [(&str, Stage); 3] = [("waiting", waiting), ("active", active), ("held", held)];
    let desk = || Actor::System(user(0, "Desk"));
    let ways: [(&str, Actor, Command, i32); 4] = [
        ("transfer", tom(), to(9, "Sam"), 9),
        ("by another system", desk(), to(9, "Sam"), 9),
        ("queue", tom(), general(), 0),
        ("transfer to whoever shares it", tom(), to(2, "Eva"), 2),
    ];
    for (stage, play) in stages {
        for (way, by, command, owner) in ways.clone() {
            let name = format!("{stage}, {way}");
            let mut play = play();
            let key = play.session.state().key_until;
            play.act(by, command).unwrap();
            let state = play.session.state();
            assert!(state.shared_with.is_empty() && state.invitations.is_empty(), "{name}");
            assert_eq!(state.key_until, key, "{name}: the customer's key stays valid");
            assert_eq!(presence(&play, TECHNICIAN), Presence::Gone, "{name}");
            assert_eq!(presence(&play, MAX), Presence::Gone, "{name}");
            assert!(comes_back(&mut play, TECHNICIAN).is_err() && comes_back(&mut play, MAX).is_err(), "{name}");
            assert!(play.act(Actor::Server, Command::JoinAsExpert { number: 2 }).is_err(), "{name}");
            for (user, who) in [(1, "Tom"), (3, "Ida")] {
                assert!(play.join(Role::Technician, who, Client::Console, Some(user)).is_err(), "{name}: {who}");
            }
            for command in [
                Command::Chat { text: "?".into(), nonce: 0 },
                Command::Note { text: "?".into() },
                Command::Close,
                invite("Uli"),
            ] {
                assert!(play.technician(command.clone()).is_err(), "{name}: {command:?}");
            }
            let stays = stage == "waiting" && owner == 2;
            assert_eq!(presence(&play, EVA) == Presence::Here, stays, "{name}: only the new owner is in");
        }
    }
    // The new owner has it alone.
    let mut play = waiting();
    play.act(tom(), general()).unwrap();
    play.act(Actor::Technician(user(9, "Sam")), Command::Take { team: String::new() }).unwrap();
    assert!(comes_back(&mut play, TECHNICIAN).is_err() && comes_back(&mut play, EVA).is_err());
    play.join(Role::Technician, "Sam", Client::Console, Some(9)).unwrap();
}

#[test]
fn a_removed_participant_must_be_asked_again_and_a_disconnected_one_need_not() {
    let lose = |play: &mut Play| {
        play.act(Actor::Server, Command::Drop { id: EVA }).unwrap();
        play.after(120_000);
        assert_eq!(presence(play, EVA), Presence::Gone);
    };
    let dismiss = |play: &mut Play| play.act(Actor::Participant(TECHNICIAN), Command::Dismiss { who: EVA });
    for name in ["dismissed", "left", "lost", "lost and dismissed"] {
        let mut play = active();
        match name {
            "dismissed" => dismiss(&mut play).unwrap(),
            "left" => play.act(Actor::Participant(EVA), Command::Leave).unwrap(),
            "lost" => lose(&mut play),
            _ => {
                lose(&mut play);
                dismiss(&mut play).unwrap();
            }
        }
        let may = name == "lost";
        assert_eq!(comes_back(&mut play, EVA).is_ok(), may, "{name}");
        assert_eq!(play.join(Role::Technician, "Eva", Client::Console, Some(2)).is_ok(), may, "{name}");
        if !may {
            assert_eq!(dismiss(&mut play), Err(RefusalReason::Already), "{name}");
            play.act(tom(), Command::ShareWith { with: user(2, "Eva") }).unwrap();
            comes_back(&mut play, EVA).unwrap();
        }
    }
    // A participant who stopped watching is still asked to join.
    let mut play = Play::joined();
    play.act(Actor::Server, Command::Supervise { user: user(2, "Eva") }).unwrap();
    play.technician(Command::ShareWith { with: user(2, "Eva") }).unwrap();
    play.act(Actor::Participant(EVA), Command::Leave).unwrap();
    play.join(Role::Technician, "Eva", Client::Console, Some(2)).unwrap();
}

#[test]
fn keys_and_invitations_end_with_the_account_that_made_them() {
    let expel = |play: &mut Play, user| {
        play.act(Actor::Server, Command::Expel { user, queue: Queue::General }).unwrap();
    };
    // The key that they made, whoever owns the session now.
    for (name, before, phase) in [("own", None, Phase::Waiting), ("given away", Some(to(9, "Sam")), Phase::Waiting)] {
        let mut play = waiting();
        if let Some(before) = before {
            play.act(tom(), before).unwrap();
        }
        expel(&mut play, 1);
        for by_key in [true, false] {
            assert!(!play.session.open_for_customer(play.now, by_key), "{name}");
        }
        assert_eq!(play.join(Role::Customer, "Tom", Client::Browser, None), Err(RefusalReason::KeyDead), "{name}");
        assert!(play.act(Actor::Server, Command::JoinAsExpert { number: 2 }).is_err(), "{name}");
        assert_eq!(play.session.phase(), phase, "{name}");
        assert_eq!(presence(&play, MAX), Presence::Gone, "{name}");
    }
    // A key that somebody else made stays.
    let mut play = waiting();
    expel(&mut play, 2);
    assert!(play.session.open_for_customer(play.now, true));
    // Tom was lost, and Eva owns it now: Tom's link is dead, and Tom's expert leaves with his account.
    let mut play = active();
    play.act(Actor::Server, Command::Drop { id: TECHNICIAN }).unwrap();
    play.after(120_000);
    assert_eq!((play.session.owner().id, presence(&play, MAX)), (2, Presence::Here));
    assert_eq!(play.act(Actor::Server, Command::JoinAsExpert { number: 2 }), Err(RefusalReason::KeyDead));
    expel(&mut play, 1);
    assert_eq!((presence(&play, MAX), presence(&play, EVA)), (Presence::Gone, Presence::Here));
    // Requests to join end with the old owner and must be made again; participants who are in stay.
    let mut play = active();
    expel(&mut play, 1);
    assert_eq!(play.session.owner().id, 2);
    assert_eq!(play.join(Role::Technician, "Ida", Client::Console, Some(3)), Err(RefusalReason::NotOwner));
}

#[test]
fn a_guest_has_no_right_that_their_host_lacks() {
    let mut play = Play::joined();
    play.grant(&BOTH);
    play.technician(invite("Max")).unwrap();
    play.technician(invite("Mia")).unwrap();
    play.act(Actor::Server, Command::JoinAsExpert { number: 1 }).unwrap();
    let (max, mia) = (ParticipantId(3), ParticipantId(4));
    play.technician(Command::PassControl { to: max }).unwrap();
    assert!(play.session.may_control(max));
    let role = |rights: &[Right]| RoleRights { name: "Trainee".into(), rights: rights.to_vec() };
    let change = |by_role| Command::ChangeRole { user: 1, by_role };
    play.act(Actor::Server, change(Some(role(&[Right::View])))).unwrap();
    play.act(Actor::Server, Command::JoinAsExpert { number: 2 }).unwrap();
    for who in [max, mia] {
        assert!(!play.session.may_control(who) && play.session.may(who, Right::View));
        let shown = play.session.state().participants.into_iter().find(|p| p.id == who).unwrap();
        assert_eq!(shown.rights, [Right::View], "and everybody sees it");
    }
    assert_eq!(play.session.state().control, None, "only somebody who may have it");
    play.act(Actor::Server, change(Some(role(&[])))).unwrap();
    assert!(!play.session.may_watch(max) && !play.session.may(max, Right::View));
    play.act(Actor::Server, change(None)).unwrap();
    assert!(play.session.may_watch(max));
}
