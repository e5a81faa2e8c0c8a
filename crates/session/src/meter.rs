//! Rate and size limits: everything that grows is limited for each person and for the session, so that nobody fills a
//! disk, or a timeline that others must read.
//!
//! Rates are token buckets that are computed from the timeline itself, so that a restart gives the same result. An
//! event that ends something (a grant, a connection, the session) is never refused; there can be only as many of these
//! as of those that began it.

use std::collections::BTreeMap;

use protocol::{Entry, Event, MAX_EVENT_BYTES, ParticipantId, Role, Timestamp};

/// Most events of a session, and most bytes of them. Chat and decoration stop here; events that help the customer may
/// use a tenth more, so that whoever fills a chat does not keep others from coming back to it.
const MOST_EVENTS: u32 = 100_000;
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Most characters that one person may write in a session.
const MOST_CHAT_CHARS: u64 = 4_000_000;
/// Texts of an event that would be too large for its readers are cut to this many characters.
const CUT_TO: usize = 1_000;

/// Most recorded bytes of a session's screen. A support program sends a quarter of a megabyte a second for a screen
/// that never rests; with every move of the pointer that makes 19 hours.
const MOST_RECORDED: u64 = 32 * 1024 * 1024 * 1024;
/// A picture or a pointer position counts as at least this many bytes, because the video needs an index entry for each.
const BLOCK: u64 = 4 * 1024;
/// Capacity of the bucket in blocks (512 MB: large sharp screens, again and again). One block a millisecond is
/// refilled, which is four megabytes a second.
const RECORDED: Rate =
    Rate { capacity: 512 * 1024 * 1024 / BLOCK, refill_ms: 1, excess: Excess::Refuse, low_priority: false };

/// What is limited separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Meter {
    Messages,
    Characters,
    /// A participant comes back.
    Returns,
    Questions,
    /// A paused picture is resumed.
    Resumes,
    /// A screen share begins.
    Pictures,
    Sizes,
    Monitors,
    InputBlocks,
    /// A right is used.
    RightUses,
    Notes,
    Attributes,
    Keys,
    /// Control changes hands.
    Control,
    /// The owner changes, or somebody is asked to join.
    Ownership,
    /// Evidence is viewed or exported.
    Evidence,
}

/// What happens to events above the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    /// They are refused.
    Refuse,
    /// They are skipped: the newest of its kind is stored later.
    Skip,
    /// They are stored all the same, because they were done; [`Meters::has_room`] is asked before.
    Keep,
}

/// Capacity of the bucket, and milliseconds to refill one.
struct Rate {
    capacity: u64,
    refill_ms: u64,
    excess: Excess,
    /// Whether it helps nobody: it stops before the rest.
    low_priority: bool,
}

impl Meter {
    fn rate(self) -> Rate {
        use Excess::{Keep, Refuse, Skip};
        let (capacity, refill_ms, excess, low_priority) = match self {
            Self::Messages => (60, 1_000, Refuse, true),
            Self::Characters => (60_000, 2, Refuse, true),
            Self::Returns => (60, 5_000, Refuse, false),
            Self::Questions => (60, 2_000, Refuse, false),
            Self::Resumes => (60, 1_000, Refuse, false),
            Self::Pictures => (60, 2_000, Refuse, false),
            Self::Sizes => (20, 1_000, Skip, true),
            Self::Monitors => (20, 1_000, Skip, true),
            Self::InputBlocks => (60, 1_000, Skip, true),
            Self::RightUses => (20_000, 100, Keep, false),
            Self::Notes => (60, 1_000, Refuse, true),
            Self::Attributes => (300, 500, Refuse, true),
            Self::Keys => (60, 2_000, Refuse, false),
            Self::Control => (60, 1_000, Refuse, true),
            Self::Ownership => (60, 2_000, Refuse, false),
            Self::Evidence => (600, 10_000, Refuse, false),
        };
        Rate { capacity, refill_ms, excess, low_priority }
    }
}

/// A token bucket: when it is full again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket(u64);

impl Bucket {
    fn after(self, now: Timestamp, Rate { refill_ms, .. }: &Rate, cost: u64) -> u64 {
        self.0.max(now.0).saturating_add(cost.saturating_mul(*refill_ms))
    }

    fn holds(self, now: Timestamp, rate: &Rate, cost: u64) -> bool {
        self.after(now, rate, cost) <= now.0.saturating_add(rate.capacity * rate.refill_ms)
    }
}

/// The owner of a bucket: a participant or the session.
type BucketOwner = Option<ParticipantId>;

/// Whether an event is within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitCheck {
    Within,
    /// It is skipped for now.
    Skip,
    /// Refused for now.
    TooOften,
    /// Refused for the rest of the session.
    Full,
}

/// What was used so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meters {
    buckets: BTreeMap<(Meter, BucketOwner), Bucket>,
    chat_characters: BTreeMap<ParticipantId, u64>,
    events: u32,
    bytes: u64,
}

impl Meters {
    /// Counts an event.
    pub fn count(&mut self, at: Timestamp, event: &Event) {
        self.events += 1;
        self.bytes += bytes(event);
        for (meter, owner, cost) in charges(event) {
            let bucket = self.buckets.entry((meter, owner)).or_default();
            bucket.0 = bucket.after(at, &meter.rate(), cost);
        }
        if let Event::Chat { from, text, .. } = event {
            *self.chat_characters.entry(*from).or_default() += text.chars().count() as u64;
        }
    }

    /// Whether this event may happen now.
    pub fn judge(&self, now: Timestamp, event: &Event) -> LimitCheck {
        if let Event::Chat { from, .. } = event
            && self.chat_characters.get(from).is_some_and(|count| *count >= MOST_CHAT_CHARS)
        {
            return LimitCheck::Full;
        }
        for (meter, owner, cost) in charges(event) {
            let rate = meter.rate();
            let holds = self.bucket(meter, owner).holds(now, &rate, cost);
            match rate.excess {
                Excess::Keep => {}
                Excess::Skip if !holds || self.is_full(rate.low_priority) => return LimitCheck::Skip,
                Excess::Refuse if self.is_full(rate.low_priority) => return LimitCheck::Full,
                Excess::Refuse if !holds => return LimitCheck::TooOften,
                Excess::Skip | Excess::Refuse => {}
            }
        }
        LimitCheck::Within
    }

    /// Whether this participant may use a right once more. Asked before it is done, because every use is stored.
    pub fn has_room(&self, now: Timestamp, who: ParticipantId) -> LimitCheck {
        let rate = Meter::RightUses.rate();
        match self.bucket(Meter::RightUses, Some(who)).holds(now, &rate, 1) {
            _ if self.is_full(rate.low_priority) => LimitCheck::Full,
            true => LimitCheck::Within,
            false => LimitCheck::TooOften,
        }
    }

    fn bucket(&self, meter: Meter, owner: BucketOwner) -> Bucket {
        self.buckets.get(&(meter, owner)).copied().unwrap_or_default()
    }

    fn is_full(&self, low_priority: bool) -> bool {
        let (events, bytes) =
            if low_priority { (MOST_EVENTS, MOST_BYTES) } else { (MOST_EVENTS / 10 * 11, MOST_BYTES / 10 * 11) };
        self.events >= events || self.bytes >= bytes
    }
}

/// What an event costs, and whose bucket pays.
fn charges(event: &Event) -> Vec<(Meter, BucketOwner, u64)> {
    let one = |meter, owner| vec![(meter, owner, 1)];
    match event {
        Event::Chat { from, text, .. } => {
            vec![(Meter::Messages, Some(*from), 1), (Meter::Characters, Some(*from), text.chars().count() as u64)]
        }
        Event::Joined { role: Role::Customer, .. } => vec![],
        Event::Joined { .. } => one(Meter::Ownership, None),
        Event::Returned { id, .. } => one(Meter::Returns, Some(*id)),
        Event::Asked { by, .. } => one(Meter::Questions, Some(*by)),
        Event::Resumed { by } => one(Meter::Resumes, Some(*by)),
        Event::SharingStarted { .. } => one(Meter::Pictures, None),
        Event::ScreenResized { .. } => one(Meter::Sizes, None),
        Event::MonitorsChanged { .. } => one(Meter::Monitors, None),
        Event::InputBlocked { blocked: true } => one(Meter::InputBlocks, None),
        Event::ControlWanted { by } | Event::ControlPassed { by, .. } => one(Meter::Control, Some(*by)),
        Event::Noted { .. } => one(Meter::Notes, None),
        Event::Attributed { .. } => one(Meter::Attributes, None),
        Event::KeyIssued { .. } => one(Meter::Keys, None),
        Event::Reopened { .. }
        | Event::Transferred { .. }
        | Event::Taken { .. }
        | Event::SharedWith { .. }
        | Event::ExpertInvited { .. } => one(Meter::Ownership, None),
        Event::FileCarried { by, .. }
        | Event::FileFailed { by, .. }
        | Event::FolderMade { by, .. }
        | Event::FileRenamed { by, .. }
        | Event::FileDeleted { by, .. }
        | Event::FilePosted { from: by, .. }
        | Event::ClipboardCarried { by, .. }
        | Event::ShellStarted { by, .. }
        | Event::SystemInfoRead { by, .. }
        | Event::ProcessEnded { by, .. }
        | Event::Restarting { by }
        | Event::ScreenshotTaken { by, .. } => one(Meter::RightUses, Some(*by)),
        Event::Watched { .. } | Event::Exported { .. } | Event::LegalHold { .. } => one(Meter::Evidence, None),
        // Events that end or answer something, and those that only the server itself causes, cost nothing.
        Event::Created { .. }
        | Event::KeyRevoked { .. }
        | Event::LinkRevoked { .. }
        | Event::Dropped { .. }
        | Event::Left { .. }
        | Event::Granted { .. }
        | Event::Denied { .. }
        | Event::Withdrawn { .. }
        | Event::Paused { .. }
        | Event::InputBlocked { blocked: false }
        | Event::SharingStopped {}
        | Event::SharingFailed { .. }
        | Event::RecordingFailed { .. }
        | Event::Held { .. }
        | Event::Queued { .. }
        | Event::QueueMoved { .. }
        | Event::Inherited { .. }
        | Event::RoleChanged { .. }
        | Event::ShellEnded { .. }
        | Event::Rated { .. }
        | Event::Ended { .. }
        | Event::Recorded { .. }
        | Event::Stored { .. } => vec![],
    }
}

/// Why the screen is not recorded any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Too much for now.
    #[error("the customer's program sends more pictures than the server records")]
    AtOnce,
    /// Too much for this session.
    #[error("the recording of one session has up to 32 GB; please go on in a new session")]
    InSession,
}

/// How much of a session's screen is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footage {
    bytes: u64,
    bucket: Bucket,
}

impl Footage {
    /// The total of a timeline's segments.
    pub fn of(entries: &[Entry]) -> Self {
        let bytes = entries.iter().filter_map(|entry| match &entry.event {
            Event::Recorded { pictures, bytes, .. } => Some((*bytes).max(u64::from(*pictures) * BLOCK)),
            _ => None,
        });
        Self { bytes: bytes.sum(), bucket: Bucket::default() }
    }

    /// Counts a picture of this many bytes, or a pointer position, if it is within the limits.
    pub fn take(&mut self, now: Timestamp, bytes: u64) -> Result<(), TooMuch> {
        let blocks = bytes.div_ceil(BLOCK);
        match () {
            () if self.is_full() => return Err(TooMuch::InSession),
            () if !self.bucket.holds(now, &RECORDED, blocks) => return Err(TooMuch::AtOnce),
            () => {}
        }
        self.bucket.0 = self.bucket.after(now, &RECORDED, blocks);
        self.bytes += bytes.max(BLOCK);
        Ok(())
    }

    /// Whether nothing more of this session's screen may be recorded.
    pub fn is_full(&self) -> bool {
        self.bytes >= MOST_RECORDED
    }
}

/// The stored length of an event.
fn bytes(event: &Event) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, event).expect("events have a JSON form");
    count.0
}

/// The event with texts that every reader accepts. Texts of people were checked before; texts of programs and other
/// systems are cut here.
pub fn fitting(event: Event) -> Event {
    if bytes(&event) <= MAX_EVENT_BYTES as u64 {
        return event;
    }
    let mut value = serde_json::to_value(&event).expect("events have a JSON form");
    cut(&mut value);
    serde_json::from_value(value).unwrap_or(event)
}

fn cut(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            if let Some((at, _)) = text.char_indices().nth(CUT_TO) {
                text.truncate(at);
                text.push('…');
            }
        }
        Value::Array(values) => values.iter_mut().for_each(cut),
        Value::Object(fields) => fields.values_mut().for_each(cut),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;

    #[test]
    fn a_busy_screen_is_recorded_for_a_long_day_and_a_flood_is_not() {
        // Sixty pictures a second, of a quarter of a megabyte together, and as many pointer positions.
        let mut footage = Footage::default();
        for at in (0..16 * 3_600_000).step_by(16).map(Timestamp) {
            assert_eq!((footage.take(at, 250_000 / 60), footage.take(at, 4)), (Ok(()), Ok(())), "after {} ms", at.0);
        }
        let mut flood = Footage::default();
        let taken = (0..10_000).take_while(|ms| flood.take(Timestamp(*ms), MB).is_ok()).count() as u64;
        assert!((512..520).contains(&taken), "{taken} MB");
        assert_eq!(flood.take(Timestamp(taken), MB), Err(TooMuch::AtOnce));
        assert_eq!(flood.take(Timestamp(10_000), MB), Ok(()), "it has refilled");
        // Pictures cost more than their bytes.
        let mut crumbs = Footage::default();
        let taken = (0..1_000_000).take_while(|_| crumbs.take(Timestamp(0), 1).is_ok()).count() as u64;
        assert_eq!(taken, RECORDED.capacity);
    }

    #[test]
    fn the_limit_of_a_recording_holds_after_a_restart() {
        let segment = |bytes| Event::Recorded { pictures: 1, bytes, sha256: String::new() };
        let entries: Vec<Entry> =
            (1..=32).map(|seq| Entry { seq, at: Timestamp(0), event: segment(1024 * MB) }).collect();
        let mut almost = Footage::of(&entries[..31]);
        assert_eq!((almost.is_full(), almost.take(Timestamp(0), 1)), (false, Ok(())));
        let mut full = Footage::of(&entries);
        assert_eq!((full.is_full(), full.take(Timestamp(0), 1)), (true, Err(TooMuch::InSession)));
    }
}
