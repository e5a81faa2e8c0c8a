//! Derives the video from timeline and raw recording: the time of every picture, the captions and the chapters.

use std::io;

use protocol::{Entry, Event};
use session::{GAP_MS, PlaybackTimeline, Voice};

use crate::{
    Segment, Segments,
    raw_recording::Record,
    webm::{Caption, Chapter, Frame, Movie},
};

/// How long a caption is shown, unless another follows.
const CAPTION_MS: u64 = 6_000;

/// A video that is about to be written.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Its structure.
    pub movie: Movie,
    /// Its first picture.
    pub first: Vec<u8>,
    /// The pointer's positions: eight bytes an entry, milliseconds of the video (4), x (2), y (2), big endian.
    pub pointer: Vec<u8>,
    /// When something moved: from and until, in milliseconds of the video; in between it is idle.
    pub busy: Vec<(u64, u64)>,
    /// Pictures at the end of the raw recording that no segment of the timeline covers: the last seconds before a
    /// crash.
    pub uncovered: Option<Segment>,
}

/// Reads a raw recording and a timeline; `None` when no picture was recorded.
pub fn plan(entries: &[Entry], raw_recording: impl Iterator<Item = io::Result<Record>>) -> io::Result<Option<Plan>> {
    let timeline = PlaybackTimeline::of(entries);
    let mut plan = Plan::default();
    let covered = entries.iter().filter_map(|e| match &e.event {
        Event::Recorded { pictures, .. } => Some(u64::from(*pictures)),
        _ => None,
    });
    let (covered, mut seen, mut rest) = (covered.sum::<u64>(), 0, Segments::default());
    for record in raw_recording {
        match record? {
            Record::Picture { at, width, height, key, data } => {
                let moment = timeline.moment(at).unwrap_or(0);
                // The first picture is at the start, whatever its time; times grow strictly.
                let time = plan.movie.frames.last().map_or(0, |last| moment.max(last.time + 1));
                plan.movie.frames.push(Frame { time, key, bytes: data.len() as u32 });
                plan.moved(time);
                seen += 1;
                if seen > covered {
                    rest.add(&data);
                }
                if seen == 1 {
                    (plan.movie.width, plan.movie.height, plan.first) = (width, height, data);
                }
            }
            Record::Pointer { at, x, y } => {
                let moment = u32::try_from(timeline.moment(at).unwrap_or(0)).unwrap_or(u32::MAX);
                plan.pointer.extend(moment.to_be_bytes().into_iter().chain(x.to_be_bytes()).chain(y.to_be_bytes()));
            }
        }
    }
    if plan.movie.frames.is_empty() {
        return Ok(None);
    }
    let Movie { frames, width, height, .. } = plan.movie;
    plan.movie = around(entries, frames, (width, height));
    plan.uncovered = rest.end();
    Ok(Some(plan))
}

/// A video of these pictures with the size of the first, and the captions and chapters of its session.
pub fn around(entries: &[Entry], frames: Vec<Frame>, (width, height): (u16, u16)) -> Movie {
    let timeline = PlaybackTimeline::of(entries);
    let duration = timeline.duration().max(frames.last().map_or(0, |last| last.time + 1));
    let (captions, chapters) = (captions(entries, &timeline), chapters(entries, &timeline));
    Movie { width, height, frames, captions, chapters, duration }
}

/// A shorter rest does not count as idle.
const REST_MS: u64 = 2_000;

impl Plan {
    fn moved(&mut self, at: u64) {
        match self.busy.last_mut() {
            Some((_, until)) if at <= *until + REST_MS => *until = at,
            _ => self.busy.push((at, at)),
        }
    }
}

/// The lines of the transcript, each shown until the next one or for [`CAPTION_MS`].
pub fn captions(entries: &[Entry], timeline: &PlaybackTimeline) -> Vec<Caption> {
    let mut captions: Vec<Caption> = Vec::new();
    for line in session::transcript(entries) {
        let Some(from) = timeline.moment(line.at) else { continue };
        let text = if line.who.is_empty() { line.text } else { format!("{}: {}", line.who, line.text) };
        // An empty line would end the cue.
        let text = text.lines().filter(|l| !l.trim().is_empty()).collect::<Vec<_>>().join("\n");
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        match captions.last_mut() {
            Some(last) if last.from == from => last.text = format!("{}\n{text}", last.text),
            last => {
                if let Some(last) = last {
                    last.until = last.until.min(from);
                }
                captions.push(Caption { from, until: from + CAPTION_MS.max(GAP_MS), text });
            }
        }
    }
    captions
}

/// The captions as a WebVTT file.
pub fn webvtt(captions: &[Caption]) -> String {
    let clock =
        |ms: u64| format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    let mut text = String::from("WEBVTT\n");
    for c in captions {
        text.push_str(&format!("\n{} --> {}\n{}\n", clock(c.from), clock(c.until), c.text));
    }
    text
}

/// The turning points of a session, which people look for first.
fn chapters(entries: &[Entry], timeline: &PlaybackTimeline) -> Vec<Chapter> {
    let is_turn = |event: &Event| {
        matches!(
            event,
            Event::SharingStarted { .. }
                | Event::SharingStopped {}
                | Event::Paused { .. }
                | Event::Resumed { .. }
                | Event::Granted { .. }
                | Event::Held { .. }
                | Event::Reopened { .. }
                | Event::Joined { .. }
                | Event::ControlPassed { .. }
                | Event::FileCarried { .. }
                | Event::ShellStarted { .. }
                | Event::Ended { .. }
        )
    };
    let lines = session::transcript(entries);
    let mut chapters: Vec<Chapter> = Vec::new();
    for entry in entries.iter().filter(|e| is_turn(&e.event)) {
        let line = lines.iter().find(|l| l.seq == entry.seq && l.voice == Voice::System);
        let Some((at, line)) = timeline.moment(entry.at).zip(line) else { continue };
        match chapters.last_mut() {
            // Turning points of the same moment are one chapter.
            Some(last) if last.at == at => last.title = format!("{}; {}", last.title, line.text),
            _ => chapters.push(Chapter { at, title: line.text.clone() }),
        }
    }
    chapters
}
