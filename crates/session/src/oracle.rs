//! Properties that hold in every session after any commands in any order. Tests, simulator and fuzzing share them.

use protocol::{Event, Phase, Presence, Right, Role};

use crate::{Actor, Session};

/// Checks a state against the properties.
///
/// # Panics
/// When a property does not hold; the message names it.
pub fn check(session: &Session) {
    let active = session.phase() == Phase::Active;
    if !active && session.phase() != Phase::Waiting {
        assert!(session.grants.is_empty(), "grants although the session is not active: {session:?}");
    }
    if session.grants.contains(&Right::Control) {
        assert!(session.grants.contains(&Right::View), "control without view: {session:?}");
    }
    if session.may_view() {
        assert!(
            session.grants.contains(&Right::View) && session.paused.is_none() && active,
            "a view that nobody granted"
        );
    }
    for p in session.participants() {
        if session.may_control(p.id) {
            assert!(p.role != Role::Customer && p.presence == Presence::Here, "control by {p:?}");
            assert!(session.grants.contains(&Right::Control), "control that nobody granted");
        }
        if p.presence == Presence::Gone {
            let may = Right::ALL.into_iter().any(|right| session.may(p.id, right)) || session.may_watch(p.id);
            assert!(
                !may && session.participating(&Actor::Participant(p.id)).is_err(),
                "acts although they are gone: {p:?}"
            );
        } else {
            assert_eq!(session.admits(p.id).err(), None, "in the session although not admitted: {p:?}");
        }
        let host = session.account_of(p.id).and_then(|host| session.technician(host));
        if let Some(host) = host.filter(|_| p.role == Role::Expert) {
            assert!(
                session.held(p.id).iter().all(|r| host.rights.contains(r)),
                "a guest has more rights than {host:?}"
            );
        }
    }
    let hands = session.participants().iter().filter(|p| session.may_control(p.id)).count();
    assert!(hands <= 1, "two have control");
    let customers = session.participants().iter().filter(|p| p.role == Role::Customer).count();
    assert!(customers <= 1, "two customers");
    if matches!(session.phase(), Phase::Ended { .. }) {
        assert_eq!(session.due(), None, "an ended session waits for something");
        assert!(
            session.participants().iter().all(|p| p.presence == Presence::Gone),
            "a participant is not gone after the end"
        );
    }
}

/// Whether only the customer can have caused this: grants come from a customer's answer alone.
pub fn is_grant(event: &Event) -> bool {
    matches!(event, Event::Granted { .. })
}
