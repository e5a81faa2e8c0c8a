//! What must hold for every input, as functions that the tests and the fuzz targets share.

use crate::{Cells, Coded, Encoder, Fidelity, InTurn, Rect, Request};

/// The most pixels each way of a fuzzed screen: more than two superblocks.
const MOST_SIDE: usize = 150;

/// Bytes as numbers; zeros when they are used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }
}

/// Whatever is drawn and asked for, the encoder does not panic, refuses what is no rectangle, tells the truth about which
/// cells are exact and which ones changed, and is exact after a lossless frame and a refinement. `show` decodes a temporal
/// unit where there is a decoder; its picture must be the encoder's.
pub fn drawing(bytes: &[u8], mut show: impl FnMut(&[u8]) -> Option<[Vec<u8>; 3]>) {
    let mut input = Input(bytes);
    let (width, height) = (1 + input.below(MOST_SIDE), 1 + input.below(MOST_SIDE));
    let Ok(mut encoder) = Encoder::new(width, height, input.below(5)) else { return };
    let mut screen = [0, 1, 2].map(|_| vec![0u8; width * height]);
    let mut shown = screen.clone();
    let mut frames = 0;
    while !input.0.is_empty() && frames < 12 {
        frames += 1;
        for _ in 0..input.below(4) {
            draw(&mut input, &mut encoder, &mut screen, width, height);
        }
        let coded = encode(&mut input, &mut encoder, width, height);
        check(&encoder, &coded, &screen, &mut shown, width, &mut show);
    }
    let stale = encoder.stale().clone();
    let request = Request { refine: Some(&stale), ..Request::LOSSLESS };
    let coded = encoder.encode(&request, &InTurn).expect("cells of the picture");
    check(&encoder, &coded, &screen, &mut shown, width, &mut show);
    assert!(encoder.stale().is_empty());
}

fn draw(input: &mut Input, encoder: &mut Encoder, screen: &mut [Vec<u8>; 3], width: usize, height: usize) {
    let rect = Rect { x: input.below(160), y: input.below(160), width: input.below(160), height: input.below(160) };
    let (kind, seed) = (input.below(4), usize::from(input.byte()));
    let planes: [Vec<u8>; 3] = std::array::from_fn(|plane| {
        let value = |i: usize| match kind {
            0 => seed as u8,
            1 => (i / 3 * (seed | 1)) as u8 / 64 * 64,
            2 => (i % rect.width.max(1) + i / rect.width.max(1) * 2 + seed + plane) as u8,
            _ => (i.wrapping_mul(2_654_435_761) >> 7).wrapping_mul(seed + plane) as u8,
        };
        (0..rect.width * rect.height).map(value).collect()
    });
    let written = encoder.write_planes(rect, rect.width, [&planes[0], &planes[1], &planes[2]]);
    assert_eq!(written.is_ok(), rect.lies_on(width, height));
    if written.is_ok() {
        for (target, plane) in screen.iter_mut().zip(&planes) {
            for (row, pixels) in plane.chunks_exact(rect.width).enumerate() {
                target[(rect.y + row) * width + rect.x..][..rect.width].copy_from_slice(pixels);
            }
        }
    }
}

fn encode(input: &mut Input, encoder: &mut Encoder, width: usize, height: usize) -> Coded {
    let flags = input.byte();
    let quantizer = input.byte();
    let fidelity = match flags & 3 {
        0 => Fidelity::Lossless,
        1 => Fidelity::ExactText { quantizer },
        _ => Fidelity::Lossy { quantizer },
    };
    let mut motion = Cells::over(width, height);
    motion.set_rect(Rect { x: 0, y: 0, width: input.below(160), height: input.below(160) });
    let moves = [(i32::from(input.byte()) - 128, i32::from(input.byte()) - 128), (i32::MIN, i32::MAX)];
    let stale = encoder.stale().clone();
    let request = Request {
        key: flags >> 2 & 15 == 15,
        fidelity,
        refine: (flags & 64 != 0).then_some(&stale),
        motion: (flags & 128 != 0).then_some(&motion),
        moves: &moves,
    };
    encoder.encode(&request, &InTurn).expect("cells of the picture")
}

fn check(
    encoder: &Encoder,
    coded: &Coded,
    screen: &[Vec<u8>; 3],
    shown: &mut [Vec<u8>; 3],
    width: usize,
    show: &mut impl FnMut(&[u8]) -> Option<[Vec<u8>; 3]>,
) {
    let decoded = show(&coded.data);
    for plane in 0..3 {
        for (y, wanted) in screen[plane].chunks_exact(width).enumerate() {
            let now = encoder.reconstruction(y).expect("a row of the picture")[plane];
            let before = &mut shown[plane][y * width..][..width];
            for x in 0..width {
                assert!(now[x] == wanted[x] || encoder.stale().get(x / 8, y / 8), "stale unawares: {x},{y}");
                assert!(now[x] == before[x] || coded.cells.get(x / 8, y / 8), "changed unawares: {x},{y}");
            }
            before.copy_from_slice(now);
        }
    }
    assert!(decoded.is_none_or(|decoded| decoded == *shown), "the decoder shows something else");
}
