use proptest::prelude::*;
use protocol::*;
use session::{Actor, Command, Policy, Session, oracle, permission};

use crate::{Play, user};

fn right() -> impl Strategy<Value = Right> {
    prop::sample::select(Right::ALL.to_vec())
}

fn rights() -> impl Strategy<Value = Vec<Right>> {
    prop::collection::btree_set(right(), 0..4).prop_map(|set| set.into_iter().collect())
}

fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![
        Just(Actor::Server),
        (1u16..5).prop_map(|n| Actor::Participant(ParticipantId(n))),
        (1i32..4).prop_map(|n| Actor::Technician(user(n, "T"))),
        Just(Actor::System(user(0, "Desk"))),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let id = || (1u16..5).prop_map(ParticipantId);
    let client = || prop_oneof![Just(Client::Console), Just(Client::Browser), Just(Client::Program)];
    prop_oneof![
        Just(Command::IssueKey { life: None }),
        (0u64..9).prop_map(|life| Command::IssueKey { life: Some(life) }),
        ("[a!]", "[ab]?").prop_map(|(name, value)| Command::Attribute { name, value }),
        Just(Command::RevokeKey),
        Just(Command::RevokeLink),
        (any::<bool>(), client(), 1i32..4, any::<bool>()).prop_map(|(tech, client, n, by_key)| Command::Join {
            role: if tech { Role::Technician } else { Role::Customer },
            name: "N".into(),
            client,
            user: tech.then_some(n),
            // The role of the third technician gives little.
            by_role: (tech && n == 3).then(|| RoleRights { name: "R".into(), rights: vec![Right::View] }),
            by_key,
        }),
        id().prop_map(|id| Command::Drop { id }),
        (id(), client()).prop_map(|(id, client)| Command::Return { id, client }),
        ".{0,5}".prop_map(|text| Command::Chat { text, nonce: 1 }),
        rights().prop_map(|rights| Command::Ask { rights }),
        rights().prop_map(|rights| Command::Answer { rights }),
        right().prop_map(|right| Command::Withdraw { right }),
        Just(Command::Pause(protocol::Pause::Customer)),
        Just(Command::Resume),
        (1u16..3).prop_map(|n| Command::Picture { width: n, height: n }),
        Just(Command::ShareFailed { trouble: ShareTrouble::NoScreen }),
        Just(Command::RecordingFailed { reason: "disk full".into() }),
        Just(Command::Leave),
        Just(Command::Hold),
        Just(Command::Reopen),
        (1i32..4).prop_map(|n| Command::Transfer { to: user(n, "T"), note: String::new() }),
        Just(Command::Tick),
        prop_oneof![Just(Queue::General), Just(Queue::Team { team: "A".into() })]
            .prop_map(|queue| Command::Enqueue { queue, note: String::new() }),
        Just(Command::Take { team: "A".into() }),
        (1i32..4).prop_map(|n| Command::ShareWith { with: user(n, "T") }),
        (1i32..4).prop_map(|n| Command::Supervise { user: user(n, "S") }),
        (1i32..4).prop_map(|user| Command::Expel { user, queue: Queue::General }),
        (1i32..4, rights()).prop_map(|(user, rights)| Command::ChangeRole {
            user,
            by_role: (!rights.is_empty()).then(|| RoleRights { name: "R".into(), rights }),
        }),
        (rights(), "[ab]").prop_map(|(rights, name)| Command::InviteExpert { name, rights }),
        (1u16..3).prop_map(|number| Command::JoinAsExpert { number }),
        id().prop_map(|who| Command::Dismiss { who }),
        Just(Command::Monitors { monitors: vec![] }),
        Just(Command::WantControl),
        id().prop_map(|to| Command::PassControl { to }),
        Just(Command::Note { text: "n".into() }),
        Just(Command::Record { event: Event::ShellEnded { number: 1, sha256: String::new() } }),
        id().prop_map(|by| Command::Restart { by }),
        Just(Command::Rate { stars: 5, comment: String::new() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// For any commands by anybody in any order: the properties hold after every event, only a customer's answer adds a
    /// grant, and replaying the timeline gives the same state.
    #[test]
    fn no_order_of_commands_breaks_the_properties(steps in prop::collection::vec((actor(), command(), 0u64..200_000), 1..60)) {
        let mut play = Play::joined();
        for (by, command, wait) in steps {
            play.now = play.now.plus(wait);
            let customer = play.session.customer().map(|c| Actor::Participant(c.id));
            let answers = matches!(command, Command::Answer { .. }) && Some(&by) == customer.as_ref();
            let before = play.entries.len();
            let _ = play.act(by, command);
            let granted = play.entries[before..].iter().any(|e| oracle::is_grant(&e.event));
            prop_assert!(!granted || answers, "a grant without the customer's answer");
        }
        let mut again = Session::new(play.session.id().clone(), Policy::default());
        for entry in &play.entries { again.apply(entry.at, &entry.event); }
        prop_assert_eq!(again, play.session);
    }

    /// Effective rights are an intersection: removing a right from any side never adds one.
    #[test]
    fn rights_are_an_intersection(right in right(), held in rights(), policy in rights(), granted in rights()) {
        if permission::effective(right, &held, &policy, &granted) {
            prop_assert!(held.contains(&right) && policy.contains(&right) && granted.contains(&right));
            prop_assert_eq!(session::denial(right, &held, &policy), None);
            for gone in permission::needs(right).iter().chain([&right]) {
                let less = |set: &[Right]| set.iter().copied().filter(|r| r != gone).collect::<Vec<_>>();
                prop_assert!(!permission::effective(right, &less(&held), &policy, &granted));
                prop_assert!(!permission::effective(right, &held, &less(&policy), &granted));
                prop_assert!(!permission::effective(right, &held, &policy, &less(&granted)));
            }
        }
    }
}
