//! The rules of a session, as its timeline stores them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Right;

/// What a technician's role allowed when they joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RoleRights {
    /// The role's name.
    pub name: String,
    /// The rights that it allows to ask for and to use.
    pub rights: Vec<Right>,
}

/// What happens to a session when its screen must be recorded and cannot be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Unrecorded {
    /// The screen share ends; the chat continues.
    #[default]
    StopSharing,
    /// The screen share ends, and the session ends 10 seconds later.
    EndSession,
    /// The screen stays shared, and everybody is told that it is not recorded.
    GoOn,
}

/// The rules of a session, as they were when it was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SessionRules {
    /// The policy's name.
    pub name: String,
    /// The rights that may be asked for.
    pub rights: Vec<Right>,
    /// Whether a shared screen is recorded.
    pub record: bool,
    /// What happens when it cannot be recorded.
    pub unrecorded: Unrecorded,
}
