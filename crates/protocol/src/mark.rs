//! What a technician draws on the customer's screen.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::MAX_MARK_POINTS;

/// One drawing. Positions are pixels of the shared screen. Each fades after a few seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
#[ts(export)]
pub enum Mark {
    /// A line drawn by hand.
    Pen {
        /// Its points in order.
        points: Vec<(u16, u16)>,
    },
    /// An arrow.
    Arrow {
        /// Where it begins.
        from: (u16, u16),
        /// Where its head is.
        to: (u16, u16),
    },
    /// A rectangle, empty inside.
    Box {
        /// One corner.
        from: (u16, u16),
        /// The corner across.
        to: (u16, u16),
    },
    /// A ring around a place: look here.
    Spot {
        /// Its middle.
        at: (u16, u16),
    },
}

impl Mark {
    /// Whether it is within the limits for drawings.
    pub fn fits(&self) -> bool {
        match self {
            Self::Pen { points } => (1..=MAX_MARK_POINTS).contains(&points.len()),
            Self::Arrow { .. } | Self::Box { .. } | Self::Spot { .. } => true,
        }
    }
}
