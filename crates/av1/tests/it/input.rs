//! Input that is none.

use av1::{Cells, Encoder, Error, InTurn, MAX_SIDE, Rect, Request};

#[test]
fn sizes_beyond_the_limits_are_refused() {
    for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (usize::MAX, usize::MAX)] {
        assert_eq!(Encoder::new(width, height, 1).err(), Some(Error::Size { width, height }));
    }
}

#[test]
fn rectangles_beyond_the_picture_are_refused() {
    let mut encoder = Encoder::new(40, 30, 1).unwrap();
    for (x, y, width, height) in
        [(0, 0, 41, 1), (40, 0, 1, 1), (0, 30, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0), (1, 0, usize::MAX, 1)]
    {
        let result = encoder.write_bgrx(Rect { x, y, width, height }, 1 << 20, &[0; 1 << 16]);
        assert_eq!(result, Err(Error::Rectangle { width: 40, height: 30 }), "{x} {y} {width} {height}");
    }
}

#[test]
fn too_few_pixels_are_refused() {
    let mut encoder = Encoder::new(40, 30, 1).unwrap();
    let rect = Rect { x: 3, y: 4, width: 10, height: 5 };
    assert_eq!(encoder.write_bgrx(rect, 160, &[0; 679]), Err(Error::Pixels { got: 679, needed: 680 }));
    assert_eq!(encoder.write_bgrx(rect, 39, &[0; 680]), Err(Error::Pixels { got: 680, needed: 196 }));
    assert_eq!(encoder.write_bgrx(rect, 160, &[0; 680]), Ok(()));
    assert!(encoder.write_planes(rect, 10, [&[0; 50], &[0; 50], &[0; 49]]).is_err());
    assert!(encoder.write_planes(rect, usize::MAX, [&[0; 50]; 3]).is_err());
    assert_eq!(encoder.write_planes(rect, 10, [&[0; 50]; 3]), Ok(()));
}

#[test]
fn cells_of_another_picture_are_refused() {
    let mut encoder = Encoder::new(40, 30, 1).unwrap();
    let cells = Cells::over(41, 30);
    let request = Request { refine: Some(&cells), ..Request::LOSSLESS };
    assert_eq!(encoder.encode(&request, &InTurn).err(), Some(Error::Cells));
}

#[test]
fn the_first_frame_is_a_keyframe() {
    let mut encoder = Encoder::new(40, 30, 1).unwrap();
    assert!(encoder.encode(&Request::LOSSLESS, &InTurn).unwrap().key);
    assert!(!encoder.encode(&Request::LOSSLESS, &InTurn).unwrap().key);
}

#[test]
fn whatever_is_asked_for_the_encoder_tells_the_truth() {
    let mut noise = crate::drawing::Noise::new(9);
    for _ in 0..60 {
        let bytes: Vec<u8> = (0..40 + noise.below(200)).map(|_| noise.next() as u8).collect();
        let mut decoder = aom::Decoder::new().unwrap();
        av1::oracle::drawing(&bytes, |unit| Some(decoder.decode(unit).unwrap().planes().clone()));
    }
}
