//! The server's clock, and times as others read them.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::Timestamp;

/// The present, in milliseconds since 1970 UTC.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time as other systems read it (RFC 3339).
pub fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0.cast_signed()).unwrap_or_default().to_string()
}
