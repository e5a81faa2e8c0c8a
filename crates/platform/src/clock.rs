//! The server's clock, and times in the format of other systems.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::Timestamp;

/// The current time, in milliseconds since 1970 UTC.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time in RFC 3339, for other systems.
pub fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0.cast_signed()).unwrap_or_default().to_string()
}
