//! Maps moments of a session to its video.
//!
//! While a screen is shown, video and session run in step. While none is (before the first share, paused, stopped, on
//! hold over the weekend), the video stands still for [`GAP_MS`] at most.

use protocol::{Entry, Event, ParticipantId, Pause, Role, Timestamp};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How long the video shows a placeholder frame, in milliseconds.
pub const GAP_MS: u64 = 3_000;

/// Why a span of the video ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Break {
    /// The customer paused the screen.
    Paused,
    /// The customer's system hid it.
    Hidden,
    /// Sharing stopped, or the customer's connection was lost.
    Stopped,
}

/// A time during which the screen was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Span {
    /// Start.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
    /// Its start in the video, in milliseconds.
    #[ts(type = "number")]
    pub at: u64,
    /// Why it ended.
    pub end: Break,
}

impl Span {
    /// Its end in the video, in milliseconds.
    pub fn end_at(&self) -> u64 {
        self.at + self.until.since(self.from)
    }
}

/// All spans of a session, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaybackTimeline {
    /// In order of time.
    pub stretches: Vec<Span>,
}

impl PlaybackTimeline {
    /// Reads a timeline; an open span ends at its last entry.
    pub fn of(entries: &[Entry]) -> Self {
        let mut film = Self::default();
        let (mut since, mut customer, mut paused) = (None::<Timestamp>, None::<ParticipantId>, false);
        for Entry { at, event, .. } in entries {
            match event {
                Event::Joined { id, role: Role::Customer, .. } => customer = Some(*id),
                Event::SharingStarted { .. } => since = Some(*at),
                Event::Resumed { .. } if paused => {
                    since = Some(*at);
                    paused = false;
                }
                Event::Paused { why, .. } if since.is_some() => {
                    paused = true;
                    let end = if *why == Pause::System { Break::Hidden } else { Break::Paused };
                    film.add(since.take(), *at, end);
                }
                Event::SharingStopped {} | Event::SharingFailed { .. } | Event::Held { .. } | Event::Ended { .. } => {
                    paused = false;
                    film.add(since.take(), *at, Break::Stopped);
                }
                Event::Dropped { id } if Some(*id) == customer => {
                    paused = false;
                    film.add(since.take(), *at, Break::Stopped);
                }
                _ => {}
            }
        }
        film.add(since, entries.last().map_or(Timestamp(0), |e| e.at), Break::Stopped);
        film
    }

    fn add(&mut self, from: Option<Timestamp>, until: Timestamp, end: Break) {
        let Some(from) = from else { return };
        let at = self.stretches.last().map_or(0, |last| last.end_at() + GAP_MS);
        self.stretches.push(Span { from, until, at, end });
    }

    /// The position of a moment in the video, in milliseconds; `None` before the first share.
    pub fn moment(&self, at: Timestamp) -> Option<u64> {
        let stretch = self.stretches.iter().rev().find(|s| s.from <= at)?;
        let gap = at.since(stretch.until).min(GAP_MS);
        Some(stretch.at + at.min(stretch.until).since(stretch.from) + gap)
    }

    /// Whether the video shows a screen at this position in milliseconds; otherwise it shows a placeholder frame.
    pub fn shows(&self, place: u64) -> bool {
        self.stretches.iter().any(|s| (s.at..s.end_at()).contains(&place))
    }

    /// The video's length in milliseconds.
    pub fn duration(&self) -> u64 {
        self.stretches.last().map_or(0, |last| last.end_at() + GAP_MS)
    }
}
