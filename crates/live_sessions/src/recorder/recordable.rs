//! Checks whether a frame can be recorded before anybody sees it: in a recorded session, nothing is shown that the
//! recording lacks.

use evidence::webm::{Sequence, Unit};
use protocol::{FrameKind, Header};

use super::Frame;

/// The side of AV1's largest block in pixels.
const BLOCK: i64 = 128;

/// Whether the recording can hold a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The recording can hold it.
    Fits,
    /// It builds on a picture that the recording does not have: a keyframe must come first.
    KeyframeFirst,
    /// No recording can hold it.
    Never,
}

/// What the next recorded picture may build on.
#[derive(Default)]
pub struct Base {
    /// The sequence header of the last keyframe; `None` before the first one and after a placeholder frame.
    sequence: Option<Sequence>,
}

impl Base {
    /// Whether the recording can hold a frame.
    pub fn fit(&self, frame: &Frame) -> Fit {
        match frame.header.kind {
            FrameKind::PointerShape => Fit::Fits,
            FrameKind::PointerAt if frame.payload().len() == 4 => Fit::Fits,
            FrameKind::PointerAt => Fit::Never,
            FrameKind::Picture { key, .. } => self.fit_picture(key, frame),
        }
    }

    fn fit_picture(&self, key: bool, frame: &Frame) -> Fit {
        let Some(unit) = Unit::read(frame.payload()) else { return Fit::Never };
        let same_size = |sequence: &Sequence| has_size_of(&frame.header, sequence);
        match (key, unit.sequence, &self.sequence) {
            (true, Some(own), _) if unit.key && same_size(&own) => Fit::Fits,
            (true, ..) => Fit::Never,
            (false, _, None) => Fit::KeyframeFirst,
            // A new format or size must begin with a keyframe.
            (false, Some(other), Some(base)) if other != *base => Fit::Never,
            (false, _, Some(base)) if !same_size(base) => Fit::Never,
            (false, _, Some(_)) => Fit::Fits,
        }
    }

    /// Moves on to a frame that is recorded.
    pub fn advance(&mut self, frame: &Frame) {
        if frame.is_key() {
            self.sequence = Unit::read(frame.payload()).and_then(|unit| unit.sequence);
        }
    }

    /// Covers what was shown with a placeholder frame. Returns the sequence header of what was shown, if there was
    /// anything.
    pub fn cover(&mut self) -> Option<Sequence> {
        self.sequence.take()
    }
}

/// Whether a picture has the size in its frame's header. Viewers and the timeline use the header, decoders the picture.
/// An encoder may round up to full blocks.
fn has_size_of(header: &Header, sequence: &Sequence) -> bool {
    let fits = |stated: u16, coded: u32| (0..BLOCK).contains(&(i64::from(coded) - i64::from(stated)));
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

    /// The frame with this size in its header.
    fn with_size(width: u16, height: u16, mut frame: Frame) -> Frame {
        (frame.header.width, frame.header.height) = (width, height);
        frame
    }

    fn picture(key: bool, payload: &[u8]) -> Frame {
        frame(FrameKind::Picture { key, refines: false }, payload)
    }

    /// A keyframe of this size, and a picture that builds on it.
    fn pictures(width: u16, height: u16) -> (Vec<u8>, Vec<u8>) {
        let mut coder = Coder::new(width, height, 1).unwrap();
        let whole = Rect { x: 0, y: 0, width, height };
        let mut shade = |now: u64, shade: u8| {
            coder.update(now, whole, &[shade; 4].repeat(usize::from(width) * usize::from(height))).unwrap();
            let coded = coder.next(now).unwrap().unwrap();
            coder.pacer.drawn(now + 1, coded.seq);
            coded.data
        };
        (shade(1, 0), shade(200, 255))
    }

    #[test]
    fn only_recordable_frames_fit() {
        let ((key, delta), (other, _)) = (pictures(64, 64), pictures(32, 48));
        let header = |unit: &[u8]| unit[2..4 + usize::from(unit[3])].to_vec();
        let mut base = Base::default();
        assert_eq!(base.fit(&picture(false, &delta)), Fit::KeyframeFirst, "there is nothing to build on");
        assert_eq!(base.fit(&picture(true, &key)), Fit::Fits);
        base.advance(&picture(true, &key));
        let table: [(&str, Frame, Fit); 13] = [
            ("a picture that builds on it", picture(false, &delta), Fit::Fits),
            ("another size, with a keyframe", with_size(32, 48, picture(true, &other)), Fit::Fits),
            ("a size rounded up to full blocks", with_size(30, 47, picture(true, &other)), Fit::Fits),
            ("a keyframe whose header is larger", picture(true, &other), Fit::Never),
            (
                "a keyframe whose header is much smaller",
                with_size(64, 1, picture(true, &pictures(64, 256).0)),
                Fit::Never,
            ),
            (
                "a picture that builds on it, with another size in its header",
                with_size(8_192, 64, picture(false, &delta)),
                Fit::Never,
            ),
            ("another size without a keyframe", picture(false, &[&header(&other)[..], &delta].concat()), Fit::Never),
            ("a picture that is only labelled a keyframe", picture(true, &delta), Fit::Never),
            ("the same, after a sequence header", picture(true, &[&header(&key)[..], &delta].concat()), Fit::Never),
            ("an invalid keyframe", picture(true, b"AV1!"), Fit::Never),
            ("an invalid picture", picture(false, b"AV1!"), Fit::Never),
            ("the pointer", frame(FrameKind::PointerAt, &[0, 1, 0, 1]), Fit::Fits),
            ("half a pointer", frame(FrameKind::PointerAt, &[0, 1]), Fit::Never),
        ];
        for (what, frame, fit) in table {
            assert_eq!(base.fit(&frame), fit, "{what}");
        }
        // After a placeholder frame, nothing can build on what was shown before.
        let covered = base.cover().unwrap();
        assert_eq!((covered.width, covered.height, covered.is_gbr()), (64, 64, true));
        assert_eq!((base.fit(&picture(false, &delta)), base.cover()), (Fit::KeyframeFirst, None));
    }
}
