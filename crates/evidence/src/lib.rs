//! The evidence of a session: the recording's container, its segments, seals, bundles, and their verification.
//!
//! No network, no clock, no randomness. `docs/recording.md` describes the files, `docs/evidence.md` what a bundle
//! proves.

mod bundle;
mod expected;
mod judge;
mod keyring;
pub mod raw_recording;
pub mod recording_plan;
pub mod seal;
mod segment;
pub mod transcript;
mod verdict;
pub mod webm;

pub use bundle::{BundleError, Entry, SIGNATURE_BYTES, Writer, names};
pub use expected::{Expected, Head, KeyName, NotExpected};
pub use judge::{judge, line};
pub use seal::{Endorsement, Seal, fingerprint};
pub use segment::{Segment, Segments};
pub use verdict::{Finding, Note, Outcome, Verdict, WrongKey, plain};

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes from lower-case hexadecimal; `None` for anything else.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * N || !text.as_bytes().iter().all(digits) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// For fuzzing: no input panics a parser, and no random bytes verify as a bundle.
pub fn oracle(bytes: &[u8]) {
    raw_recording::oracle(bytes);
    webm::oracle(bytes);
    let verdict = judge(std::io::Cursor::new(bytes), &Expected::default());
    assert_eq!(verdict.outcome(), Outcome::Rejected);
}
