//! Videos that independent readers understand, and bundles in which no byte can be changed unnoticed.

mod bundle;
mod forgery;
mod made;
mod webm;

/// Coded frames of a changing screen of 320 × 200: whether each is a keyframe, and its bytes.
pub(crate) fn frames(count: u32) -> Vec<(bool, Vec<u8>)> {
    let mut coder = screen::Coder::new(320, 200, 1).unwrap();
    let mut frames = Vec::new();
    for i in 0..count {
        let now = u64::from(i) * 200 + 1;
        let rect = screen::Rect { x: 0, y: 0, width: 320, height: 200 };
        let pixels: Vec<u8> = (0..320 * 200 * 4u32).map(|n| (n / 7 * (i + 1)) as u8).collect();
        coder.update(now, rect, &pixels).unwrap();
        if i == 5 {
            coder.want_key();
        }
        let coded = coder.next(now).unwrap().expect("the screen has changed");
        coder.pacer.drawn(now + 1, coded.seq);
        frames.push((coded.key, coded.data));
    }
    frames
}

/// A video of these frames, one a second.
pub(crate) fn video(frames: &[(bool, Vec<u8>)], captions: Vec<evidence::webm::Caption>, duration: u64) -> Vec<u8> {
    use evidence::webm::{Chapter, Frame, Movie, write};
    let list = (0u64..).zip(frames);
    let movie = Movie {
        width: 320,
        height: 200,
        frames: list.map(|(n, (key, f))| Frame { time: n * 1_000, key: *key, bytes: f.len() as u32 }).collect(),
        captions,
        chapters: vec![
            Chapter { at: 0, title: "The screen is shared".into() },
            Chapter { at: 4_000, title: "Paused".into() },
        ],
        duration,
    };
    let mut next = frames.iter();
    let next = || Ok(next.next().expect("as many as were announced").1.clone());
    write(&movie, &frames[0].1, next, Vec::new()).unwrap()
}
