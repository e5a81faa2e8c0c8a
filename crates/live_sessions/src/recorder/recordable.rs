//! Whether a frame can be recorded, judged before anybody is shown it: where a session is recorded, nothing is shown that
//! its recording leaves out.

use evidence::webm::{Sequence, Unit};
use protocol::{FrameKind, Header};

use super::Frame;

/// The side of the largest block of AV1.
const BLOCK: i64 = 128;

/// What becomes of a frame in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The recording takes it.
    Fits,
    /// It builds on a picture that the recording does not have: a keyframe must come first.
    KeyframeFirst,
    /// No recording can hold it.
    Never,
}

/// What the recording stands on.
#[derive(Default)]
pub struct Base {
    /// Of the last keyframe; none before the first one, and after a card, which takes its place.
    sequence: Option<Sequence>,
}

impl Base {
    /// Judges a frame.
    pub fn judge(&self, frame: &Frame) -> Fit {
        match frame.header.kind {
            FrameKind::PointerShape => Fit::Fits,
            FrameKind::PointerAt if frame.payload().len() == 4 => Fit::Fits,
            FrameKind::PointerAt => Fit::Never,
            FrameKind::Picture { key, .. } => self.judge_picture(key, frame),
        }
    }

    fn judge_picture(&self, key: bool, frame: &Frame) -> Fit {
        let Some(unit) = Unit::read(frame.payload()) else { return Fit::Never };
        let is_as_large = |sequence: &Sequence| is_said_of(&frame.header, sequence);
        match (key, unit.sequence, &self.sequence) {
            (true, Some(own), _) if unit.key && is_as_large(&own) => Fit::Fits,
            (true, ..) => Fit::Never,
            (false, _, None) => Fit::KeyframeFirst,
            // Pictures of another kind or size begin with a keyframe.
            (false, Some(other), Some(base)) if other != *base => Fit::Never,
            (false, _, Some(base)) if !is_as_large(base) => Fit::Never,
            (false, _, Some(_)) => Fit::Fits,
        }
    }

    /// A frame that fits was taken.
    pub fn take(&mut self, frame: &Frame) {
        if frame.is_key() {
            self.sequence = Unit::read(frame.payload()).and_then(|unit| unit.sequence);
        }
    }

    /// A card takes the place of what was shown: says what that was, if there was anything.
    pub fn cover(&mut self) -> Option<Sequence> {
        self.sequence.take()
    }
}

/// Whether a picture is as large as its frame's header says: viewers and timeline go by the one, decoders by the other. An
/// encoder may fill its last block.
fn is_said_of(header: &Header, sequence: &Sequence) -> bool {
    let fits = |said: u16, coded: u32| (0..BLOCK).contains(&(i64::from(coded) - i64::from(said)));
    fits(header.width, sequence.width) && fits(header.height, sequence.height)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use screen::{Coder, Rect};

    use super::*;

    fn frame(kind: FrameKind, payload: &[u8]) -> Frame {
        let length = payload.len() as u32;
        let header = Header { kind, width: 64, height: 64, seq: 1, time: 0, length, read: 0, encoded: 0, regions: 0 };
        let bytes = [&header.to_bytes()[..], payload].concat().into();
        Frame { header, bytes, arrived: Instant::now() }
    }

    /// The same, of a frame that says that it has this size.
    fn said(width: u16, height: u16, mut frame: Frame) -> Frame {
        (frame.header.width, frame.header.height) = (width, height);
        frame
    }

    fn picture(key: bool, payload: &[u8]) -> Frame {
        frame(FrameKind::Picture { key, lossless: false }, payload)
    }

    /// A keyframe of this size, and a picture that builds on it.
    fn pictures(width: u16, height: u16) -> (Vec<u8>, Vec<u8>) {
        let mut coder = Coder::new(width, height, 1).unwrap();
        let whole = Rect { x: 0, y: 0, width, height };
        let mut shade = |now: u64, shade: u8| {
            coder.update(now, whole, &[shade; 4].repeat(usize::from(width) * usize::from(height)));
            let coded = coder.next(now).unwrap().unwrap();
            coder.pacer.drawn(now + 1, coded.seq);
            coded.data
        };
        (shade(1, 0), shade(200, 255))
    }

    #[test]
    fn only_what_a_recording_can_hold_fits() {
        let ((key, delta), (other, _)) = (pictures(64, 64), pictures(32, 48));
        let header = |unit: &[u8]| unit[2..4 + usize::from(unit[3])].to_vec();
        let mut base = Base::default();
        assert_eq!(base.judge(&picture(false, &delta)), Fit::KeyframeFirst, "nothing that it could build on");
        assert_eq!(base.judge(&picture(true, &key)), Fit::Fits);
        base.take(&picture(true, &key));
        let table: [(&str, Frame, Fit); 13] = [
            ("what builds on it", picture(false, &delta), Fit::Fits),
            ("another size by a keyframe", said(32, 48, picture(true, &other)), Fit::Fits),
            ("a size that its last block fills up", said(30, 47, picture(true, &other)), Fit::Fits),
            ("a keyframe that says that it is larger", picture(true, &other), Fit::Never),
            (
                "a keyframe that says that it is much smaller",
                said(64, 1, picture(true, &pictures(64, 256).0)),
                Fit::Never,
            ),
            ("what builds on it and says another size", said(8_192, 64, picture(false, &delta)), Fit::Never),
            ("another size without one", picture(false, &[&header(&other)[..], &delta].concat()), Fit::Never),
            ("what only says that it is a keyframe", picture(true, &delta), Fit::Never),
            ("the same, with a header before it", picture(true, &[&header(&key)[..], &delta].concat()), Fit::Never),
            ("a keyframe that nobody can read", picture(true, b"AV1!"), Fit::Never),
            ("a picture that nobody can read", picture(false, b"AV1!"), Fit::Never),
            ("the pointer", frame(FrameKind::PointerAt, &[0, 1, 0, 1]), Fit::Fits),
            ("half a pointer", frame(FrameKind::PointerAt, &[0, 1]), Fit::Never),
        ];
        for (what, frame, fit) in table {
            assert_eq!(base.judge(&frame), fit, "{what}");
        }
        // Behind a card nothing can be built on what was shown before it.
        let covered = base.cover().unwrap();
        assert_eq!((covered.width, covered.height, covered.is_gbr()), (64, 64, true));
        assert_eq!((base.judge(&picture(false, &delta)), base.cover()), (Fit::KeyframeFirst, None));
    }
}
