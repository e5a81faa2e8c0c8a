//! The rules that a session began with, as its timeline keeps them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Right;

/// What a technician's role lets them use, as it was when they joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RoleRights {
    /// The role's name.
    pub name: String,
    /// What it lets them ask for and use.
    pub rights: Vec<Right>,
}

/// What happens to a session whose screen is to be recorded and cannot be any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Unrecorded {
    /// The screen is no longer shared; the conversation goes on.
    #[default]
    StopSharing,
    /// The screen is no longer shared, and the session ends 10 seconds later.
    EndSession,
    /// The screen stays shared, and everybody is told that it is not recorded.
    GoOn,
}

/// The rules of a session, as they were when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SessionRules {
    /// The policy's name.
    pub name: String,
    /// What may be asked for at all.
    pub rights: Vec<Right>,
    /// Whether a shared screen is recorded.
    pub record: bool,
    /// What happens when that cannot be.
    pub unrecorded: Unrecorded,
}
