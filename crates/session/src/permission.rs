//! The one table of rights: **effective = technician's role ∩ session policy ∩ what the customer granted.**
//!
//! The server judges by it, and the customer's program judges by it again with its own memory of what its customer
//! answered. It is never a union, and nothing overrides the customer's "no".

use protocol::{Right, Role, RoleRights};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a role may ever hold, whatever policy and customer say.
pub fn of_role(role: Role) -> &'static [Right] {
    match role {
        Role::Technician => &Right::ALL,
        // Of these, what the invitation names.
        Role::Expert => &[Right::View, Right::Control],
        Role::Supervisor => &[Right::View],
        Role::Customer => &[],
    }
}

/// What a technician's role gives; without one, everything.
pub fn by_role(role: Option<&RoleRights>) -> Vec<Right> {
    role.map_or_else(|| Right::ALL.to_vec(), |role| role.rights.clone())
}

/// What a right needs beside itself to have any effect.
pub fn needs(right: Right) -> &'static [Right] {
    match right {
        Right::Control => &[Right::View],
        Right::View
        | Right::Files
        | Right::Clipboard
        | Right::Shell
        | Right::SystemInfo
        | Right::Restart
        | Right::Elevate => &[],
    }
}

/// Whether `right` is in effect, where `held` is what somebody may use at all.
pub fn effective(right: Right, held: &[Right], policy: &[Right], granted: &[Right]) -> bool {
    let holds = |r: &Right| held.contains(r) && policy.contains(r) && granted.contains(r);
    holds(&right) && needs(right).iter().all(holds)
}

/// Why somebody may not even ask for a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum WhyNot {
    /// Their role does not give it.
    Role,
    /// The session's policy does not.
    Policy,
    /// Both.
    RoleAndPolicy,
}

/// What stands between somebody and a right, before the customer is asked: the role first, then the policy, each of them
/// judged with what the right needs.
pub fn denial(right: Right, held: &[Right], policy: &[Right]) -> Option<WhyNot> {
    let whole = |list: &[Right]| list.contains(&right) && needs(right).iter().all(|r| list.contains(r));
    match (whole(held), whole(policy)) {
        (true, true) => None,
        (false, true) => Some(WhyNot::Role),
        (true, false) => Some(WhyNot::Policy),
        (false, false) => Some(WhyNot::RoleAndPolicy),
    }
}

/// What the customer allows after answering a question: what was not asked stays, what was asked is as answered, and
/// nothing stays without what it needs. `None` when the answer is no, which changes nothing.
pub fn answered(before: &[Right], asked: &[Right], answer: &[Right]) -> Option<Vec<Right>> {
    let allowed = |r: &Right| if asked.contains(r) { answer.contains(r) } else { before.contains(r) };
    // An answer that gives nothing of what was asked is a no, whatever else it says.
    if !asked.iter().any(|r| answer.contains(r)) {
        return None;
    }
    Some(Right::ALL.into_iter().filter(|r| allowed(r) && needs(*r).iter().all(allowed)).collect())
}
