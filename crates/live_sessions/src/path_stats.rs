//! How the customer's program is reached: what its connection tells of itself, and whether files may take a lane.

use std::sync::Mutex;

use protocol::Path;

/// A round trip of at most so many milliseconds is short: what waits in a file's way is seen by nobody.
const SHORT: u32 = 2;

/// What is known of the way.
#[derive(Default)]
pub struct PathStats(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// As it was looked at last.
    path: Option<Path>,
    /// The shortest round trip of this connection: what was measured while files filled the way says less.
    shortest: Option<u32>,
    /// The program did not take a lane that it was named.
    without_side_channels: bool,
}

impl PathStats {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().expect("nobody panics while holding the way")
    }

    /// The program has a new connection: how long its way is must be seen anew.
    pub fn begins(&self) {
        self.known().shortest = None;
    }

    /// The connection was looked at.
    pub fn seen(&self, path: Path) {
        let mut known = self.known();
        known.shortest = Some(known.shortest.map_or(path.round_trip, |shortest| shortest.min(path.round_trip)));
        known.path = Some(path);
    }

    /// How it was when it was looked at last.
    pub fn path(&self) -> Option<Path> {
        self.known().path
    }

    /// Lanes do not lead to this program.
    pub fn refuse_side_channels(&self) {
        self.known().without_side_channels = true;
    }

    /// Whether the bytes of files may take a lane.
    pub fn has_side_channels(&self) -> bool {
        let known = self.known();
        !known.without_side_channels && known.shortest.is_some_and(|shortest| shortest <= SHORT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_has_lanes_while_it_was_short_once_and_nothing_speaks_against_them() {
        let (way, at) = (PathStats::default(), |round_trip| Path { quic: true, round_trip });
        assert!(!way.has_side_channels(), "nothing was seen yet");
        way.seen(at(SHORT + 1));
        assert!(!way.has_side_channels());
        way.seen(at(SHORT));
        way.seen(at(80));
        assert_eq!((way.has_side_channels(), way.path()), (true, Some(at(80))), "full, but short");
        way.begins();
        assert!(!way.has_side_channels(), "another connection");
        way.seen(at(0));
        way.refuse_side_channels();
        assert!(!way.has_side_channels());
    }
}
