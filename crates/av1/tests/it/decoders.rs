//! Other decoders, if `AV1_DECODERS` is set: dav1d, aomdec and ffmpeg from the path.

use std::{io::Write, path::Path, process::Command};

/// Compares what the decoders show with what they are to show: planes of green, blue and red, frame by frame.
pub fn check(seed: u64, width: usize, height: usize, units: &[Vec<u8>], shown: &[u8]) {
    if std::env::var_os("AV1_DECODERS").is_none() {
        return;
    }
    let path = std::env::temp_dir().join(format!("av1-{}-{seed}.ivf", std::process::id()));
    std::fs::write(&path, ivf(width, height, units)).unwrap();
    let file = path.to_str().unwrap();
    let commands: [(&str, &[&str]); 3] = [
        ("dav1d", &["-q", "--muxer", "yuv", "-o", "-", "-i", file]),
        ("aomdec", &["--rawvideo", "-o", "-", file]),
        ("ffmpeg", &["-v", "error", "-i", file, "-f", "rawvideo", "-pix_fmt", "gbrp", "-fps_mode", "passthrough", "-"]),
    ];
    for (name, arguments) in commands {
        let output = Command::new(name).args(arguments).output().unwrap();
        assert!(output.status.success(), "{name}, seed {seed}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout.len(), shown.len(), "{name}, seed {seed}");
        let differing = output.stdout.iter().zip(shown).position(|(a, b)| a != b);
        assert_eq!(differing, None, "{name}, seed {seed}");
    }
    remove(&path);
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

fn ivf(width: usize, height: usize, units: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    file.write_all(b"DKIF\0\0\x20\0AV01").unwrap();
    file.extend((width as u16).to_le_bytes());
    file.extend((height as u16).to_le_bytes());
    for value in [60, 1, units.len() as u32, 0] {
        file.extend(value.to_le_bytes());
    }
    for (time, unit) in units.iter().enumerate() {
        file.extend((unit.len() as u32).to_le_bytes());
        file.extend((time as u64).to_le_bytes());
        file.extend(unit);
    }
    file
}
