//! Disabled accounts, and roles that change during a session.

use protocol::*;
use session::{Actor, Command};

use crate::{CUSTOMER, Play, TECHNICIAN, user};

const EVA: ParticipantId = ParticipantId(3);
const BOTH: [Right; 2] = [Right::View, Right::Control];

fn team() -> Queue {
    Queue::Team { team: "Support".into() }
}

fn expel(play: &mut Play, user: i32) {
    play.act(Actor::Server, Command::Expel { user, queue: team() }).unwrap();
}

/// Tom owns the session and Eva shares it; Ada has allowed both rights.
fn shared() -> Play {
    let mut play = Play::joined();
    play.grant(&BOTH);
    play.technician(Command::ShareWith { with: user(2, "Eva") }).unwrap();
    play.join(Role::Technician, "Eva", Client::Console, Some(2)).unwrap();
    play
}

#[test]
fn an_expelled_owners_session_goes_to_the_sharer_without_grants() {
    let mut play = shared();
    play.technician(Command::InviteExpert { name: "Max".into(), rights: BOTH.to_vec() }).unwrap();
    play.act(Actor::Server, Command::JoinAsExpert { number: 1 }).unwrap();
    play.technician(Command::InviteExpert { name: "Mia".into(), rights: BOTH.to_vec() }).unwrap();
    let max = ParticipantId(4);
    expel(&mut play, 1);
    let state = play.session.state();
    assert_eq!((state.owner, state.phase, state.queue), (user(2, "Eva"), Phase::Active, Queue::Own));
    assert!(state.grants.is_empty() && state.invitations.is_empty() && state.control.is_none());
    let presence = |who| play.session.participant(who).unwrap().presence;
    assert_eq!([TECHNICIAN, max, EVA, CUSTOMER].map(presence), {
        use Presence::*;
        [Gone, Gone, Here, Here]
    });
    for (who, why) in [(TECHNICIAN, RefusalReason::NotOwner), (max, RefusalReason::Stranger)] {
        let back = Command::Return { id: who, client: Client::Console };
        assert_eq!(play.act(Actor::Server, back), Err(why), "with a ticket issued before");
    }
    assert_eq!(play.join(Role::Technician, "Tom", Client::Console, Some(1)), Err(RefusalReason::NotOwner));
    assert!(play.transcript().contains("Tom may not go on: Eva takes over"));
    // The new owner may ask again.
    play.act(Actor::Participant(EVA), Command::Ask { rights: BOTH.to_vec() }).unwrap();
    play.customer(Command::Answer { rights: BOTH.to_vec() }).unwrap();
    assert!(play.session.may_control(EVA));
}

#[test]
fn an_expelled_owners_session_without_a_sharer_waits_in_a_queue() {
    let alone: fn() -> Play = || {
        let mut play = Play::joined();
        play.grant(&BOTH);
        play
    };
    let waiting: fn() -> Play = Play::created;
    let held: fn() -> Play = || {
        let mut play = Play::joined();
        play.technician(Command::Hold).unwrap();
        play
    };
    let lost: fn() -> Play = || {
        let mut play = shared();
        play.act(Actor::Server, Command::Drop { id: EVA }).unwrap();
        play.now = play.now.plus(play.session.due().unwrap().since(play.now));
        play
    };
    for (name, play, phase) in [
        ("with a customer", alone, Phase::Held),
        ("before one came", waiting, Phase::Waiting),
        ("on hold", held, Phase::Held),
        ("whose sharer did not come back", lost, Phase::Held),
    ] {
        let mut play = play();
        expel(&mut play, 1);
        let state = play.session.state();
        assert_eq!((state.phase, state.queue, state.grants), (phase, team(), vec![]), "{name}");
        play.act(Actor::Technician(user(7, "Ida")), Command::Take { team: "Support".into() }).unwrap();
        assert_eq!(play.session.owner(), &user(7, "Ida"), "{name}");
    }
    // Back into the queue that it was taken from, whatever the owner's team.
    let mut play = Play::joined();
    play.technician(Command::Enqueue { queue: Queue::General, note: String::new() }).unwrap();
    play.act(Actor::Technician(user(2, "Eva")), Command::Take { team: String::new() }).unwrap();
    expel(&mut play, 2);
    assert_eq!(play.session.queue(), &Queue::General);
    // A session that waits in a queue has no owner and stays there.
    let before = play.entries.len();
    expel(&mut play, 2);
    assert_eq!(play.entries.len(), before);
}

#[test]
fn an_expelled_sharer_or_supervisor_leaves_with_their_control_and_question() {
    let mut play = shared();
    play.technician(Command::PassControl { to: EVA }).unwrap();
    play.act(Actor::Participant(EVA), Command::Ask { rights: vec![Right::Files] }).unwrap();
    expel(&mut play, 2);
    let state = play.session.state();
    assert_eq!((state.owner.id, state.grants, state.asked), (1, BOTH.to_vec(), vec![]));
    assert!(play.session.may_control(TECHNICIAN) && !play.session.may_control(EVA));
    assert_eq!(play.customer(Command::Answer { rights: vec![Right::Files] }), Err(RefusalReason::NothingAsked));
    play.act(Actor::Server, Command::Supervise { user: user(9, "Sam") }).unwrap();
    expel(&mut play, 9);
    assert_eq!(play.session.participant(ParticipantId(4)).unwrap().presence, Presence::Gone);
    let watch = Command::Return { id: ParticipantId(4), client: Client::Console };
    assert_eq!(play.act(Actor::Server, watch), Err(RefusalReason::Stranger));
    assert_eq!(
        play.technician(Command::Expel { user: 2, queue: team() }),
        Err(RefusalReason::Policy),
        "the server alone knows whose account may be used"
    );
}

#[test]
fn a_changed_role_takes_effect_in_a_running_session() {
    let mut play = shared();
    play.technician(Command::PassControl { to: EVA }).unwrap();
    let trainee = RoleRights { name: "Trainee".into(), rights: vec![Right::View] };
    let change = |by_role| Command::ChangeRole { user: 2, by_role };
    assert_eq!(play.technician(change(None)), Err(RefusalReason::Policy));
    play.act(Actor::Server, change(Some(trainee.clone()))).unwrap();
    assert!(play.session.may_watch(EVA) && !play.session.may_control(EVA));
    assert!(play.session.may_control(TECHNICIAN), "control goes to the owner");
    let ask = Command::Ask { rights: vec![Right::Files] };
    assert_eq!(play.act(Actor::Participant(EVA), ask.clone()), Err(RefusalReason::Role));
    let said = play.entries.len();
    play.act(Actor::Server, change(Some(trainee))).unwrap();
    assert_eq!(play.entries.len(), said, "the same role is not stored again");
    play.act(Actor::Server, change(None)).unwrap();
    play.act(Actor::Participant(EVA), ask).unwrap();
    // A question is closed when the participant who asked may not ask it any more.
    let files = RoleRights { name: "Clerk".into(), rights: vec![Right::View] };
    play.act(Actor::Server, change(Some(files))).unwrap();
    assert!(play.session.state().asked.is_empty());
}
