//! Draws the pointer into a copy of the video, for other players. The stored video stays as it was recorded.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use aom::{Decoder, Picture};
use av1::{Encoder, Fidelity, InTurn, Rect, Request};
use evidence::{recording_plan, webm};
use platform::paths;
use protocol::{Entry, SessionId};
use session::PlaybackTimeline;

use super::{Archive, SealedFile, SealedFileReader};

/// Shortest interval between two pictures in which only the pointer moves, in milliseconds.
const MOVES_MS: u64 = 50;
/// Held while one video is rendered: decoding and encoding a large screen takes some hundred megabytes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// The same as for the first picture of a change on the screen.
const FIDELITY: Fidelity = Fidelity::ExactText { quantizer: 96 };

/// The pointer: `#` is black, `.` is white.
const ARROW: [&str; 19] = [
    "#",
    "##",
    "#.#",
    "#..#",
    "#...#",
    "#....#",
    "#.....#",
    "#......#",
    "#.......#",
    "#........#",
    "#.........#",
    "#......#####",
    "#...#..#",
    "#..##..#",
    "#.#  #..#",
    "##   #..#",
    "#     #..#",
    "      #..#",
    "       ##",
];

/// A position of the pointer, with its time in milliseconds of the video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    time: u64,
    x: u16,
    y: u16,
}

fn positions(track: &[u8]) -> Vec<Position> {
    let number = |b: &[u8]| u16::from_be_bytes([b[0], b[1]]);
    let position = |entry: &[u8]| Position {
        time: u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]).into(),
        x: number(&entry[4..]),
        y: number(&entry[6..]),
    };
    track.chunks_exact(8).map(position).collect()
}

/// Draws the pointer into the pictures of a video.
struct Renderer {
    /// Says when a screen is shown: placeholder frames have no pointer.
    timeline: PlaybackTimeline,
    decoder: Decoder,
    encoder: Option<Encoder>,
    /// The last picture as it was recorded.
    clean: Option<Picture>,
    pointer: Option<Position>,
    encoded_at: Option<u64>,
}

/// A picture of the new video.
struct Rendered {
    time: u64,
    key: bool,
    /// Width and height in pixels.
    size: (u16, u16),
    data: Vec<u8>,
}

impl Renderer {
    fn new(timeline: PlaybackTimeline) -> anyhow::Result<Self> {
        let decoder = Decoder::new()?;
        Ok(Self { timeline, decoder, encoder: None, clean: None, pointer: None, encoded_at: None })
    }

    /// Renders a picture of the stored video.
    fn picture(&mut self, time: u64, data: &[u8]) -> anyhow::Result<Rendered> {
        // Older versions did not check pictures when they recorded them, and a few bytes can ask a decoder for
        // gigabytes.
        anyhow::ensure!(webm::Unit::read(data).is_some(), "the video has an invalid picture");
        let clean = self.decoder.decode(data)?;
        let size = |p: &Picture| (p.width(), p.height());
        if self.clean.as_ref().map(size) != Some(size(&clean)) {
            self.encoder = Some(Encoder::new(clean.width().into(), clean.height().into(), 1)?);
        }
        self.clean = Some(clean);
        self.encode(time)
    }

    /// Moves the pointer. Renders no picture if the last one is too recent.
    fn moved(&mut self, position: Position) -> anyhow::Result<Option<Rendered>> {
        self.pointer = Some(position);
        let soon = self.encoded_at.is_none_or(|at| position.time < at + MOVES_MS);
        if soon || self.clean.is_none() { Ok(None) } else { self.encode(position.time).map(Some) }
    }

    fn encode(&mut self, time: u64) -> anyhow::Result<Rendered> {
        let (Some(clean), Some(encoder)) = (&self.clean, &mut self.encoder) else { anyhow::bail!("no picture yet") };
        // Times must strictly increase, even if both tracks have an entry for the same moment.
        let time = self.encoded_at.map_or(time, |at| time.max(at + 1));
        let mut drawn = clean.clone();
        if let Some(position) = self.pointer.filter(|_| self.timeline.shows(time)) {
            draw(&mut drawn, position);
        }
        let size = (drawn.width(), drawn.height());
        let (width, height) = (usize::from(size.0), usize::from(size.1));
        encoder.write_planes(
            Rect { x: 0, y: 0, width, height },
            width,
            drawn.planes().each_ref().map(Vec::as_slice),
        )?;
        let coded = encoder.encode(&Request { fidelity: FIDELITY, ..Request::LOSSLESS }, &InTurn)?;
        self.encoded_at = Some(time);
        Ok(Rendered { time, key: coded.key, size, data: coded.data })
    }
}

fn draw(picture: &mut Picture, position: Position) {
    for (dy, line) in (0u16..).zip(ARROW) {
        for (dx, sign) in (0u16..).zip(line.bytes()) {
            let shade = match sign {
                b'#' => 0,
                b'.' => 255,
                _ => continue,
            };
            picture.set_rgb(position.x.saturating_add(dx), position.y.saturating_add(dy), [shade; 3]);
        }
    }
}

/// Renders every picture of the new video, in order.
fn render(
    video: impl Read,
    timeline: PlaybackTimeline,
    track: &[u8],
    mut each: impl FnMut(Rendered) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut renderer = Renderer::new(timeline)?;
    let mut moves = positions(track).into_iter().peekable();
    for picture in webm::Pictures::new(video) {
        let picture = picture?;
        while let Some(position) = moves.next_if(|p| p.time <= picture.time) {
            if let Some(rendered) = renderer.moved(position)? {
                each(rendered)?;
            }
        }
        each(renderer.picture(picture.time, &picture.data)?)?;
    }
    for position in moves {
        if let Some(rendered) = renderer.moved(position)? {
            each(rendered)?;
        }
    }
    Ok(())
}

/// The rendered video. Its pictures are kept in a file of the vault, which is removed on drop.
pub struct WithPointer {
    movie: webm::Movie,
    first: Vec<u8>,
    pictures: PathBuf,
}

impl Drop for WithPointer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.pictures);
    }
}

impl WithPointer {
    /// Renders the video; `None` for a session without one. Takes about as long as the screen was in motion.
    pub fn make(archive: &Arc<Archive>, id: &SessionId, entries: &[Entry]) -> anyhow::Result<Option<Self>> {
        let data = &archive.data;
        let Some(video) = SealedFile::open(archive, paths::recording(data, id))? else { return Ok(None) };
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut track = Vec::new();
        if let Some(kept) = SealedFile::open(archive, paths::pointer(data, id))? {
            SealedFileReader::new(kept).read_to_end(&mut track)?;
        }
        let pictures = paths::pointer_video(data, id);
        let mut made = Self { movie: webm::Movie::default(), first: Vec::new(), pictures };
        let mut out = archive.vault.file(&made.pictures).create(io::BufWriter::new(File::create(&made.pictures)?))?;
        let (mut frames, mut first, mut size) = (Vec::new(), Vec::new(), (0, 0));
        render(SealedFileReader::new(video), PlaybackTimeline::of(entries), &track, |rendered| {
            if frames.is_empty() {
                first.clone_from(&rendered.data);
                size = rendered.size;
            }
            frames.push(webm::Frame { time: rendered.time, key: rendered.key, bytes: rendered.data.len() as u32 });
            out.write_all(&rendered.data)
        })?;
        out.finish()?.flush()?;
        if frames.is_empty() {
            return Ok(None);
        }
        made.movie = recording_plan::around(entries, frames, size);
        made.first = first;
        Ok(Some(made))
    }

    /// Writes the video.
    pub fn write(&self, archive: &Archive, out: impl Write) -> anyhow::Result<()> {
        let mut sealed = archive.vault.file(&self.pictures).read(BufReader::new(File::open(&self.pictures)?))?;
        let mut lengths = self.movie.frames.iter().map(|f| f.bytes as usize);
        let next = || {
            let mut data = vec![0; lengths.next().unwrap_or_default()];
            sealed.read_exact(&mut data).map(|()| data)
        };
        webm::write(&self.movie, &self.first, next, out)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use protocol::Timestamp;
    use session::{Break, Span};

    use super::*;

    /// A video of grey pictures: time, width, height and shade of each.
    fn video(pictures: &[(u64, u16, u16, u8)]) -> Vec<u8> {
        let (mut frames, mut all, mut size) = (Vec::new(), Vec::new(), (0, 0));
        let mut encoder = None;
        for &(time, width, height, shade) in pictures {
            let key = size != (width, height);
            if key {
                encoder = Some(Encoder::new(width.into(), height.into(), 1).unwrap());
                size = (width, height);
            }
            let encoder = encoder.as_mut().unwrap();
            let (width, height) = (usize::from(width), usize::from(height));
            let whole = Rect { x: 0, y: 0, width, height };
            encoder.write_bgrx(whole, width * 4, &[shade; 4].repeat(width * height)).unwrap();
            let data = encoder.encode(&Request::LOSSLESS, &InTurn).unwrap().data;
            frames.push(webm::Frame { time, key, bytes: data.len() as u32 });
            all.push(data);
        }
        let movie = recording_plan::around(&[], frames, size);
        let mut each = all.clone().into_iter();
        webm::write(&movie, &all[0], || Ok(each.next().unwrap()), Vec::new()).unwrap()
    }

    fn track(positions: &[(u32, u16, u16)]) -> Vec<u8> {
        let entry = |(t, x, y): &(u32, u16, u16)| [&t.to_be_bytes()[..], &x.to_be_bytes(), &y.to_be_bytes()].concat();
        positions.iter().flat_map(entry).collect()
    }

    #[test]
    fn the_pointer_is_drawn_where_it_was_and_nowhere_else() {
        let video = video(&[(0, 128, 96, 100), (1_000, 128, 96, 180), (2_000, 160, 96, 60), (3_000, 160, 96, 60)]);
        // It moves while the picture is still, twice in quick succession, and to the edge.
        let moves = track(&[(500, 10, 20), (510, 11, 20), (1_500, 60, 40), (2_500, 155, 90), (2_900, 60, 40)]);
        let (mut seen, mut decoder) = (Vec::new(), Decoder::new().unwrap());
        // A placeholder is shown from 3 s on.
        let span = Span { from: Timestamp(0), until: Timestamp(3_000), at: 0, end: Break::Stopped };
        render(&video[..], PlaybackTimeline { stretches: vec![span] }, &moves, |rendered| {
            let picture = decoder.decode(&rendered.data).unwrap();
            let near = |x, y, shade: u8| picture.rgb(x, y)[0].abs_diff(shade) < 12;
            seen.push((rendered.time, rendered.key, near(13, 28, 255), near(62, 46, 255), near(100, 80, 60)));
            Ok(())
        })
        .unwrap();
        let at = |time, key, first, second, late| (time, key, first, second, late);
        assert_eq!(
            seen,
            [
                at(0, true, false, false, false),
                at(500, false, true, false, false),
                at(1_000, false, true, false, false),
                at(1_500, false, false, true, false),
                at(2_000, true, false, true, true),
                at(2_500, false, false, false, true),
                at(2_900, false, false, true, true),
                at(3_000, false, false, false, true),
            ]
        );
    }

    /// Replaces the sequence header with one of 65,536 by 65,536 pixels.
    #[test]
    fn a_picture_that_asks_for_gigabytes_is_not_decoded() {
        let mut video = video(&[(0, 128, 96, 100)]);
        // After the temporal delimiter: the type of the OBU, its length, and its bytes.
        let header = video.windows(3).rposition(|w| w == [0x12, 0, 0x0a]).unwrap() + 2;
        let bits = 1u128 << 125 | 8 << 99 | 15 << 94 | 15 << 90 | 65_535 << 74 | 65_535 << 58;
        video[header + 2..][..9].copy_from_slice(&bits.to_be_bytes()[..9]);
        assert!(video[header + 1] >= 9, "the header is long enough");
        let failed = render(&video[..], PlaybackTimeline::default(), &[], |_| Ok(())).unwrap_err();
        assert!(failed.to_string().contains("invalid picture"), "{failed}");
    }

    #[test]
    fn a_truncated_track_is_read_up_to_its_last_whole_entry() {
        let mut bytes = track(&[(1, 2, 3), (4, 5, 6)]);
        bytes.truncate(13);
        assert_eq!(positions(&bytes), [Position { time: 1, x: 2, y: 3 }]);
    }
}
