//! The one table of rights: **effective = technician's role ∩ session policy ∩ what the customer granted.**
//!
//! The server checks it, and the customer's program checks it again against its own record of the customer's answers.
//! It is never a union, and nothing overrides the customer's "no".

use protocol::{Right, Role, RoleRights};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The rights that a role can have at all, before policy and customer.
pub fn of_role(role: Role) -> &'static [Right] {
    match role {
        Role::Technician => &Right::ALL,
        // An expert has those of them that the invitation names.
        Role::Expert => &[Right::View, Right::Control],
        Role::Supervisor => &[Right::View],
        Role::Customer => &[],
    }
}

/// The rights that a technician's role gives; without a role, all.
pub fn by_role(role: Option<&RoleRights>) -> Vec<Right> {
    role.map_or_else(|| Right::ALL.to_vec(), |role| role.rights.clone())
}

/// The rights that a right depends on.
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

/// Whether `right` is in effect for somebody who has the rights `held`.
pub fn effective(right: Right, held: &[Right], policy: &[Right], granted: &[Right]) -> bool {
    let holds = |r: &Right| held.contains(r) && policy.contains(r) && granted.contains(r);
    holds(&right) && needs(right).iter().all(holds)
}

/// Why somebody may not ask for a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum WhyNot {
    /// Their role does not give it.
    Role,
    /// The session's policy does not allow it.
    Policy,
    /// Both.
    RoleAndPolicy,
}

/// What forbids a right before the customer is asked: the role first, then the policy, each including the rights that
/// it depends on.
pub fn denial(right: Right, held: &[Right], policy: &[Right]) -> Option<WhyNot> {
    let whole = |list: &[Right]| list.contains(&right) && needs(right).iter().all(|r| list.contains(r));
    match (whole(held), whole(policy)) {
        (true, true) => None,
        (false, true) => Some(WhyNot::Role),
        (true, false) => Some(WhyNot::Policy),
        (false, false) => Some(WhyNot::RoleAndPolicy),
    }
}

/// The grants after an answer: rights that were not asked for stay, the others are as answered, and no right stays
/// without those that it depends on. `None` when the answer is no, which changes nothing.
pub fn answered(before: &[Right], asked: &[Right], answer: &[Right]) -> Option<Vec<Right>> {
    let allowed = |r: &Right| if asked.contains(r) { answer.contains(r) } else { before.contains(r) };
    // An answer that allows nothing that was asked for is a no, whatever else it contains.
    if !asked.iter().any(|r| answer.contains(r)) {
        return None;
    }
    Some(Right::ALL.into_iter().filter(|r| allowed(r) && needs(*r).iter().all(allowed)).collect())
}
