//! The video file, as independent readers see it.

use std::{path::Path, process::Command};

use evidence::{
    raw_recording::{self, Record, Records},
    webm::{self, Caption, Pictures, Unit},
};
use proptest::prelude::*;
use protocol::Timestamp;

use crate::{frames, video};

/// The output of ffprobe for a file, and its complaints.
fn probe(path: &Path, arguments: &[&str]) -> (serde_json::Value, String) {
    let output = Command::new("ffprobe")
        .args(["-v", "warning", "-of", "json"])
        .args(arguments)
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    (serde_json::from_slice(&output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn captions() -> Vec<Caption> {
    let caption = |from, text: &str| Caption { from, until: from + 900, text: text.into() };
    vec![caption(0, "Tom: Hello"), caption(2_500, "Ada: ü 文 &amp; more"), caption(60_000, "after a long wait")]
}

#[test]
fn an_independent_reader_finds_every_track_and_chapter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.webm");
    std::fs::write(&path, video(&frames(12), captions(), 90_000)).unwrap();
    let (found, complaints) = probe(&path, &["-count_frames", "-show_format", "-show_streams", "-show_chapters"]);
    assert_eq!(complaints, "");
    assert_eq!(found["format"]["duration"], "90.000000");
    assert_eq!(found["streams"][0]["codec_name"], "av1");
    assert_eq!(found["streams"][0]["nb_read_frames"], "12");
    assert_eq!(found["streams"][1]["codec_name"], "webvtt");
    assert_eq!(found["streams"][1]["nb_read_frames"], "3");
    let chapters = found["chapters"].as_array().unwrap();
    assert_eq!(chapters.len(), 2);
    assert_eq!((&chapters[1]["start_time"], &chapters[1]["tags"]["title"]), (&"4.000000".into(), &"Paused".into()));
}

#[test]
fn captions_appear_when_something_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.webm");
    std::fs::write(&path, video(&frames(12), captions(), 90_000)).unwrap();
    let (found, _) = probe(&path, &["-select_streams", "s", "-show_packets"]);
    let times: Vec<_> =
        found["packets"].as_array().unwrap().iter().map(|p| (&p["pts_time"], &p["duration_time"])).collect();
    let expected = [("0.000000", "0.900000"), ("2.500000", "0.900000"), ("60.000000", "0.900000")];
    assert_eq!(times.len(), expected.len());
    for ((from, length), (a, b)) in times.iter().zip(expected) {
        assert_eq!((from.as_str(), length.as_str()), (Some(a), Some(b)));
    }
}

#[test]
fn a_reader_seeks_to_keyframes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.webm");
    std::fs::write(&path, video(&frames(12), vec![], 20_000)).unwrap();
    let (found, complaints) = probe(&path, &["-read_intervals", "8%+#1", "-select_streams", "v", "-show_packets"]);
    assert_eq!(complaints, "");
    assert_eq!(found["packets"][0]["pts_time"], "5.000000", "the keyframe before that position");
}

#[test]
fn pictures_are_read_back_unchanged() {
    let frames = frames(8);
    let read: Vec<_> = Pictures::new(&video(&frames, captions(), 9_000)[..]).map(Result::unwrap).collect();
    assert_eq!(read.len(), 8);
    for (n, (picture, (_, data))) in read.iter().zip(&frames).enumerate() {
        assert_eq!((picture.time, &picture.data), (n as u64 * 1_000, data));
    }
}

fn record() -> impl Strategy<Value = Record> {
    let moment = any::<u64>().prop_map(Timestamp);
    let data = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        (moment.clone(), any::<u16>(), any::<u16>(), any::<bool>(), data)
            .prop_map(|(at, width, height, key, data)| Record::Picture { at, width, height, key, data }),
        (moment, any::<u16>(), any::<u16>()).prop_map(|(at, x, y)| Record::Pointer { at, x, y }),
    ]
}

proptest! {
    /// A raw recording that was truncated anywhere loses the incomplete record, and no other.
    #[test]
    fn a_truncated_raw_recording_loses_only_the_incomplete_record(records in prop::collection::vec(record(), 1..12), cut in any::<prop::sample::Index>()) {
        let encoded: Vec<_> = records.iter().map(raw_recording::encode).collect();
        let whole = encoded.concat();
        let cut = cut.index(whole.len() + 1);
        let mut length = 0;
        let left = encoded.iter().take_while(|e| { length += e.len(); length <= cut }).count();
        let read: Vec<_> = Records(&whole[..cut]).map(Result::unwrap).collect();
        prop_assert_eq!(read, &records[..left]);
    }

    #[test]
    fn no_bytes_panic_the_readers(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        webm::oracle(&bytes);
        raw_recording::oracle(&bytes);
    }
}

/// A picture is recognised without decoding it, and nothing else passes for one.
#[test]
fn a_picture_is_recognised_without_decoding() {
    let frames = frames(7);
    for (n, (key, data)) in frames.iter().enumerate() {
        let unit = Unit::read(data).unwrap();
        assert_eq!((unit.key, unit.sequence.is_some()), (*key, *key), "picture {n}");
        if let Some(sequence) = unit.sequence {
            assert_eq!((sequence.width, sequence.height, sequence.is_gbr()), (320, 200, true));
        }
    }
    let (key, delta) = (&frames[0].1, &frames[1].1);
    // A sequence header before a picture that builds on others does not make it a keyframe.
    // After the temporal delimiter of two bytes: a byte of type, a byte of length, and that many bytes.
    let sequence = key[2..4 + usize::from(key[3])].to_vec();
    assert!(!Unit::read(&[&sequence[..], delta].concat()).unwrap().key);
    // Two different headers, nothing that is shown, truncated, without lengths, noise.
    let mut other = sequence.clone();
    *other.last_mut().unwrap() ^= 0x80;
    let table: [(&str, Vec<u8>); 7] = [
        ("two sequences", [&sequence[..], &other, key].concat()),
        ("no frame", sequence.clone()),
        ("nothing", vec![]),
        ("cut off", key[..key.len() - 1].to_vec()),
        ("without a length", vec![0x30, 1, 2, 3]),
        ("noise", b"AV1!".to_vec()),
        ("many frames", [&[0x32, 0x01, 0x30][..]; 9].concat()),
    ];
    for (what, bytes) in table {
        assert_eq!(Unit::read(&bytes), None, "{what}");
    }
}

/// A picture of a few bytes can make a decoder allocate gigabytes.
#[test]
fn a_picture_larger_than_any_screen_is_refused() {
    let key = &frames(1)[0].1;
    let sized = |width: u32, height: u32| {
        // Profile 1, one operating point of level 8, 16 bits for either side.
        let (w, h) = (u128::from(width - 1), u128::from(height - 1));
        let bits = 1u128 << 125 | 8 << 99 | 15 << 94 | 15 << 90 | w << 74 | h << 58;
        let body = &bits.to_be_bytes()[..10];
        [&[0x0a, body.len() as u8], body, &key[4 + usize::from(key[3])..]].concat()
    };
    let size = |bytes: &[u8]| Unit::read(bytes).and_then(|u| u.sequence).map(|s| (s.width, s.height));
    assert_eq!(size(&sized(320, 200)), Some((320, 200)));
    assert_eq!(size(&sized(8_192, 4_352)), Some((8_192, 4_352)));
    for (width, height) in [(65_536, 65_536), (8_192, 8_192), (8_193, 2), (2, 8_193)] {
        assert_eq!(size(&sized(width, height)), None, "{width} × {height}");
    }
}
