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
        let mut timeline = Self::default();
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
                    timeline.add(since.take(), *at, end);
                }
                Event::SharingStopped {} | Event::SharingFailed { .. } | Event::Held { .. } | Event::Ended { .. } => {
                    paused = false;
                    timeline.add(since.take(), *at, Break::Stopped);
                }
                Event::Dropped { id } if Some(*id) == customer => {
                    paused = false;
                    timeline.add(since.take(), *at, Break::Stopped);
                }
                Event::Created { .. }
                | Event::KeyIssued { .. }
                | Event::KeyRevoked { .. }
                | Event::LinkRevoked { .. }
                | Event::Joined { .. }
                | Event::Dropped { .. }
                | Event::Returned { .. }
                | Event::Left { .. }
                | Event::Chat { .. }
                | Event::Asked { .. }
                | Event::Granted { .. }
                | Event::Denied { .. }
                | Event::Withdrawn { .. }
                | Event::Paused { .. }
                | Event::Resumed { .. }
                | Event::ScreenResized { .. }
                | Event::MonitorsChanged { .. }
                | Event::InputBlocked { .. }
                | Event::RecordingFailed { .. }
                | Event::Reopened { .. }
                | Event::Transferred { .. }
                | Event::Queued { .. }
                | Event::QueueMoved { .. }
                | Event::Taken { .. }
                | Event::Inherited { .. }
                | Event::RoleChanged { .. }
                | Event::SharedWith { .. }
                | Event::ExpertInvited { .. }
                | Event::ControlWanted { .. }
                | Event::ControlPassed { .. }
                | Event::Noted { .. }
                | Event::Attributed { .. }
                | Event::FileCarried { .. }
                | Event::FileFailed { .. }
                | Event::FolderMade { .. }
                | Event::FileRenamed { .. }
                | Event::FileDeleted { .. }
                | Event::FilePosted { .. }
                | Event::ClipboardCarried { .. }
                | Event::ShellStarted { .. }
                | Event::ShellEnded { .. }
                | Event::SystemInfoRead { .. }
                | Event::ProcessEnded { .. }
                | Event::Restarting { .. }
                | Event::ScreenshotTaken { .. }
                | Event::Rated { .. }
                | Event::Recorded { .. }
                | Event::Stored { .. }
                | Event::Watched { .. }
                | Event::Exported { .. }
                | Event::LegalHold { .. } => {}
            }
        }
        timeline.add(since, entries.last().map_or(Timestamp(0), |e| e.at), Break::Stopped);
        timeline
    }

    fn add(&mut self, from: Option<Timestamp>, until: Timestamp, end: Break) {
        let Some(from) = from else { return };
        let at = self.stretches.last().map_or(0, |last| last.end_at() + GAP_MS);
        self.stretches.push(Span { from, until, at, end });
    }

    /// The position of a moment in the video, in milliseconds; `None` before the first share.
    pub fn moment(&self, at: Timestamp) -> Option<u64> {
        let span = self.stretches.iter().rev().find(|s| s.from <= at)?;
        let gap = at.since(span.until).min(GAP_MS);
        Some(span.at + at.min(span.until).since(span.from) + gap)
    }

    /// Whether the video shows a screen at this position in milliseconds; otherwise it shows a placeholder frame.
    pub fn shows(&self, position: u64) -> bool {
        self.stretches.iter().any(|s| (s.at..s.end_at()).contains(&position))
    }

    /// The video's length in milliseconds.
    pub fn duration(&self) -> u64 {
        self.stretches.last().map_or(0, |last| last.end_at() + GAP_MS)
    }
}
