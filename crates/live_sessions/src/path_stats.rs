//! Round-trip time and transport of the support program's connection. They decide whether file bytes may use a side
//! channel.

use std::sync::Mutex;

use protocol::Path;

/// Longest round trip for side channels, in milliseconds. Below it, nobody notices what queues behind a file.
const SHORT: u32 = 2;

/// What is known about the connection.
#[derive(Default)]
pub struct PathStats(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The last measurement.
    path: Option<Path>,
    /// The shortest round trip of this connection: while files fill the path, longer ones are measured.
    shortest: Option<u32>,
    /// The program did not open a side channel that a job named.
    without_side_channels: bool,
}

impl PathStats {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().expect("lock is not poisoned")
    }

    /// Forgets the round trip: the program has a new connection.
    pub fn begins(&self) {
        self.known().shortest = None;
    }

    /// Adds a measurement.
    pub fn seen(&self, path: Path) {
        let mut known = self.known();
        known.shortest = Some(known.shortest.map_or(path.round_trip, |shortest| shortest.min(path.round_trip)));
        known.path = Some(path);
    }

    /// The last measurement.
    pub fn path(&self) -> Option<Path> {
        self.known().path
    }

    /// Gives up side channels for this session: they do not reach the program.
    pub fn refuse_side_channels(&self) {
        self.known().without_side_channels = true;
    }

    /// Whether file bytes may use a side channel.
    pub fn has_side_channels(&self) -> bool {
        let known = self.known();
        !known.without_side_channels && known.shortest.is_some_and(|shortest| shortest <= SHORT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_channels_need_one_short_round_trip_and_no_failure() {
        let (stats, at) = (PathStats::default(), |round_trip| Path { quic: true, round_trip });
        assert!(!stats.has_side_channels(), "nothing is measured yet");
        stats.seen(at(SHORT + 1));
        assert!(!stats.has_side_channels());
        stats.seen(at(SHORT));
        stats.seen(at(80));
        assert_eq!((stats.has_side_channels(), stats.path()), (true, Some(at(80))), "busy, but short");
        stats.begins();
        assert!(!stats.has_side_channels(), "another connection");
        stats.seen(at(0));
        stats.refuse_side_channels();
        assert!(!stats.has_side_channels());
    }
}
