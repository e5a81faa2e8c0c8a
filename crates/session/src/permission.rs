//! The one table of rights: **effective = technician's role ∩ session policy ∩ what the customer granted.**
//!
//! The server judges by it, and the customer's program judges by it again with its own memory of what its customer
//! answered. It is never a union, and nothing overrides the customer's "no".

use protocol::{Right, Role};

/// What a role may ever hold, whatever policy and customer say.
pub fn of_role(role: Role) -> &'static [Right] {
    match role {
        Role::Technician => &Right::ALL,
        Role::Customer => &[],
    }
}

/// What a right needs beside itself to have any effect.
pub fn needs(right: Right) -> &'static [Right] {
    match right {
        Right::View => &[],
        Right::Control => &[Right::View],
    }
}

/// Whether `right` is in effect.
pub fn effective(right: Right, role: Role, policy: &[Right], granted: &[Right]) -> bool {
    let holds = |r: &Right| of_role(role).contains(r) && policy.contains(r) && granted.contains(r);
    holds(&right) && needs(right).iter().all(holds)
}
