//! The verdict on a bundle: whole, or what was changed and where, in words for somebody who was not there.

use std::fmt;

use protocol::{SessionId, Timestamp};

/// The expected key and the key that was found, by their fingerprints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongKey {
    /// The expected key.
    pub expected: String,
    /// The key that signed or sealed.
    pub found: String,
}

/// A difference from what was signed, or from what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The file cannot be opened as a bundle.
    Unreadable(String),
    /// The signature of the whole file is invalid.
    Signature,
    /// It was signed by a key that the expected one does not vouch for.
    Signer(WrongKey),
    /// The seal at the end of the timeline is by a key that the expected one does not vouch for.
    Sealer(WrongKey),
    /// It is the evidence of this session, and another one is expected.
    Session(String),
    /// An entry that was noted earlier is not in the timeline.
    RolledBack,
    /// A file differs from the one that was signed.
    Changed(String),
    /// A file is missing.
    Missing(String),
    /// A file was added.
    Added(String),
    /// A file has a name that a server never uses.
    Name(String),
    /// The chain of the timeline is broken.
    Timeline(String),
    /// A seal is invalid, or belongs to another timeline.
    Seal(u32),
    /// There is no seal at the end of the timeline.
    NoSeal,
    /// The signing keys are not those of one server.
    Keys(String),
    /// A segment of the video differs from what was recorded.
    Recording {
        /// The segment's number, from 1.
        segment: usize,
        /// When its last picture was recorded, as text.
        until: String,
    },
}

impl Finding {
    /// Whether the bundle is not the expected one, rather than changed.
    pub fn is_about_what_is_expected(&self) -> bool {
        match self {
            Self::Signer(_) | Self::Sealer(_) | Self::Session(_) | Self::RolledBack => true,
            Self::Unreadable(_)
            | Self::Signature
            | Self::Changed(_)
            | Self::Missing(_)
            | Self::Added(_)
            | Self::Name(_)
            | Self::Timeline(_)
            | Self::Seal(_)
            | Self::NoSeal
            | Self::Keys(_)
            | Self::Recording { .. } => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "This is not a whole bundle: {why}."),
            Self::Signature => write!(f, "The file is not as it was signed: at least one byte of it was changed."),
            Self::Signer(WrongKey { expected, found }) => {
                write!(
                    f,
                    "It was signed by the key {found}, not by {expected}, which you expect, nor by one that this key has \
                     endorsed."
                )
            }
            Self::Sealer(WrongKey { expected, found }) => {
                write!(
                    f,
                    "The end of the timeline is sealed by the key {found}, not by {expected}, which you expect, nor by one \
                     that this key has endorsed."
                )
            }
            Self::Session(found) => {
                write!(f, "This is the evidence of session {found}, not of the one that you expect.")
            }
            Self::RolledBack => {
                write!(f, "The entry that you noted is not in the timeline: it was rolled back, or another was told.")
            }
            Self::Changed(name) => write!(f, "{name} was changed after it was stored."),
            Self::Missing(name) => write!(f, "{name} is missing."),
            Self::Added(name) => write!(f, "{name} was added."),
            Self::Name(name) => write!(f, "{name} is a name that no server gives to a file."),
            Self::Timeline(why) => write!(f, "The timeline was changed: {why}."),
            Self::Seal(seq) => write!(f, "The server's seal under entry {seq} of the timeline does not hold."),
            Self::NoSeal => write!(f, "No seal of the server covers the end of the timeline."),
            Self::Keys(why) => write!(f, "The keys do not belong together: {why}."),
            Self::Recording { segment, until } => {
                write!(f, "The video was changed in its segment {segment}, recorded until {until}.")
            }
        }
    }
}

/// Not an error, but worth knowing for whoever relies on the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// This seal is by an earlier key of the server, for which the expected one does not vouch; a later seal covers the
    /// same entries.
    EarlierKey(u32),
    /// The timeline names this file without a hash: the server stopped before the file was complete.
    NoHash(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EarlierKey(seq) => {
                write!(
                    f,
                    "The seal under entry {seq} is by an earlier key than the one that you expect. A later one covers it."
                )
            }
            Self::NoHash(name) => {
                write!(f, "The timeline has no hash of {name}: only the bundle's signature covers it.")
            }
        }
    }
}

/// The result of verifying a bundle.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The session whose evidence it is.
    pub session: Option<SessionId>,
    /// What the session was about.
    pub about: String,
    /// The key that signed the file as a whole.
    pub key: Option<String>,
    /// Whether a key was expected.
    pub(crate) key_expected: bool,
    /// The number of timeline entries.
    pub entries: usize,
    /// The hash of the last entry: noted now, it shows later whether the timeline was rolled back.
    pub head: String,
    /// When the server sealed the end of the timeline.
    pub sealed: Option<Timestamp>,
    /// The number of segments of the video that were compared with the timeline.
    pub segments: usize,
    /// Differences from what was signed, or from what is expected.
    pub findings: Vec<Finding>,
    /// Further notes.
    pub notes: Vec<Note>,
}

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Whole, and signed by the expected key or one that it vouches for.
    Whole,
    /// Whole in itself; no key was expected, so anybody may have made and signed it.
    SignerUnknown,
    /// Changed, or not the expected one.
    Rejected,
}

impl Verdict {
    /// The outcome.
    pub fn outcome(&self) -> Outcome {
        match (self.findings.is_empty(), self.key_expected) {
            (false, _) => Outcome::Rejected,
            (true, true) => Outcome::Whole,
            (true, false) => Outcome::SignerUnknown,
        }
    }
}

/// Text of a bundle made safe to print. A forger controls it, so nothing in it may look like output of this program: no
/// line of its own, no terminal escape sequence, no reversed text.
pub fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}
