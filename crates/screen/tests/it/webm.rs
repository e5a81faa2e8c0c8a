//! Recordings that an independent reader understands, also after a crash.

use std::{fs::File, io::Cursor, path::Path, process::Command, sync::OnceLock};

use proptest::prelude::*;
use screen::{Coder, Rect, webm};

/// A few coded frames of a changing screen.
fn frames(count: u32) -> Vec<(bool, Vec<u8>)> {
    let mut coder = Coder::new(320, 200, 1).unwrap();
    let mut frames = Vec::new();
    for i in 0..count {
        let now = u64::from(i) * 200 + 1;
        let rect = Rect { x: 0, y: 0, width: 320, height: 200 };
        let pixels: Vec<u8> = (0..320 * 200 * 4u32).map(|n| (n / 7 * (i + 1)) as u8).collect();
        coder.update(now, rect, &pixels);
        if i == 5 {
            coder.want_key();
        }
        let coded = coder.next(now).unwrap().expect("there is damage");
        coder.pacer.drawn(now + 1, coded.seq);
        frames.push((coded.key, coded.data));
    }
    frames
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

fn write(path: &Path, frames: &[(bool, Vec<u8>)]) -> webm::Writer<File> {
    let mut writer = webm::Writer::start(open(path), 320, 200, &frames[0].1).unwrap();
    for (i, (key, data)) in frames.iter().enumerate().skip(1) {
        writer.frame(i as u64 * 1_000, *key, data).unwrap();
    }
    writer
}

/// What ffprobe reads: duration in seconds, decoded frames, and its complaints.
fn probe(path: &Path) -> (f64, usize, String) {
    let fields = "format=duration:stream=nb_read_frames";
    let arguments = ["-v", "warning", "-count_frames", "-show_entries", fields, "-of", "default=nw=1:nk=1"];
    let output = Command::new("ffprobe").args(arguments).arg(path).output().expect("ffprobe is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let frames = lines.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let duration = lines.next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    (duration, frames, String::from_utf8(output.stderr).unwrap())
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_finished_file_is_whole_for_an_independent_reader() {
    let path = folder("finished").join("a.webm");
    let frames = frames(12);
    write(&path, &frames).finish(20_000).unwrap();
    let (duration, count, complaints) = probe(&path);
    assert_eq!((duration, count, complaints.as_str()), (20.0, 12, ""));
}

#[test]
fn a_file_cut_off_anywhere_is_finished_later_and_loses_only_the_cut_frame() {
    let folder = folder("cut");
    let (whole, cut) = (folder.join("whole.webm"), folder.join("cut.webm"));
    let frames = frames(12);
    drop(write(&whole, &frames));
    let length = std::fs::metadata(&whole).unwrap().len();
    for part in [40, 55, 70, 99] {
        std::fs::copy(&whole, &cut).unwrap();
        open(&cut).set_len(length * part / 100).unwrap();
        let (writer, last) = webm::recover(open(&cut)).unwrap();
        writer.finish(last + 500).unwrap();
        let (duration, count, complaints) = probe(&cut);
        assert_eq!(complaints, "", "cut at {part} %");
        assert_eq!(count as u64, last / 1_000 + 1, "cut at {part} %");
        assert_eq!(duration, last as f64 / 1_000.0 + 0.5, "cut at {part} %");
    }
}

#[test]
fn a_recovered_file_goes_on() {
    let path = folder("goes-on").join("a.webm");
    let frames = frames(12);
    drop(write(&path, &frames[..8]));
    let (mut writer, last) = webm::recover(open(&path)).unwrap();
    for (i, (key, data)) in frames.iter().enumerate().skip(8) {
        writer.frame(last + i as u64 * 100, *key, data).unwrap();
    }
    writer.finish(last + 2_000).unwrap();
    let (_, count, complaints) = probe(&path);
    assert_eq!((count, complaints.as_str()), (12, ""));
}

#[test]
fn what_is_not_a_recording_is_refused() {
    let path = folder("not").join("a.webm");
    for bytes in [&b""[..], b"hello", &[0x1A, 0x45, 0xDF, 0xA3, 0x80], &[0xFF; 64]] {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(webm::recover(open(&path)), Err(webm::WebmError::NotARecording)));
    }
}

proptest! {
    /// A customer's program sends the first frame; whatever it is, the server's recorder says so and goes on.
    #[test]
    fn no_bytes_break_the_first_frame(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = webm::Writer::start(Cursor::new(Vec::new()), 320, 200, &bytes);
    }

    /// A file that something else damaged is recovered or refused, and never breaks the server's start.
    #[test]
    fn no_damage_breaks_the_recovery(places in prop::collection::vec((0usize..4_000, any::<u8>()), 1..12), cut in 0usize..4_000) {
        static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
        let whole = WHOLE.get_or_init(|| {
            let frames = frames(6);
            let mut writer = webm::Writer::start(Cursor::new(Vec::new()), 320, 200, &frames[0].1).unwrap();
            for (i, (key, data)) in frames.iter().enumerate().skip(1) {
                writer.frame(i as u64 * 900, *key, data).unwrap();
            }
            writer.file().get_ref().clone()
        });
        let mut damaged = whole.clone();
        for (place, byte) in places {
            let at = place % damaged.len();
            damaged[at] = byte;
        }
        damaged.truncate(damaged.len().saturating_sub(cut));
        if let Ok((mut writer, last)) = webm::recover(Cursor::new(damaged)) {
            writer.frame(last.saturating_add(10), false, b"more").unwrap();
            let _ = writer.finish(last.saturating_add(100));
        }
    }
}
