//! The clipboard: text and pictures, in both directions. Unexpected content is never fatal.

use std::sync::{Arc, Mutex};

use arboard::{Clipboard, Error, ImageData};
use protocol::{Answer, ClipboardKind, Fault, MAX_CLIPBOARD_IMAGE, MAX_CLIPBOARD_TEXT, MAX_SIDE};
use web_transport_trait::{RecvStream, SendStream};

use super::{JobResult, JobStream};
use crate::{machine::LINE_END, streams::stream_error, util::lock};

/// The connection to the system's clipboard. On X11 the owner of the content must keep it open.
#[derive(Clone, Default)]
pub struct Owner(Arc<Mutex<Option<Clipboard>>>);

impl Owner {
    fn with<T>(&self, act: impl FnOnce(&mut Clipboard) -> Result<T, Error>) -> Result<T, Fault> {
        let mut owner = lock(&self.0);
        if owner.is_none() {
            *owner = Some(Clipboard::new().map_err(other)?);
        }
        act(owner.as_mut().expect("it was just created")).map_err(|error| match error {
            Error::ContentNotAvailable | Error::ConversionFailure => Fault::Empty,
            error => other(error),
        })
    }
}

fn other(error: impl std::fmt::Display) -> Fault {
    Fault::Other { why: error.to_string() }
}

/// Sends the content of the clipboard: text rather than a picture.
pub async fn read<W: SendStream, R: RecvStream>(
    owner: &Owner,
    stream: &mut JobStream<W, R>,
) -> anyhow::Result<JobResult> {
    let owner = owner.clone();
    let held = tokio::task::spawn_blocking(move || match owner.with(Clipboard::get_text) {
        Ok(text) if !text.is_empty() => Ok((ClipboardKind::Text, with_line_ends(&text, "\n").into_bytes())),
        // Programs that hold a picture may answer a request for text with anything.
        no_text => match owner.with(Clipboard::get_image) {
            Ok(image) => Ok((ClipboardKind::Image, to_png(&image)?)),
            Err(fault) => Err(no_text.err().unwrap_or(fault)),
        },
    });
    let (kind, bytes) = match held.await? {
        Ok(held) => held,
        Err(fault) => return Ok(Err(fault)),
    };
    if bytes.len() > most(kind) {
        return Ok(Err(Fault::TooLarge));
    }
    stream.answer(&Answer::Clipboard { kind, bytes: u32::try_from(bytes.len())? }).await?;
    stream.sender.write_chunk(bytes.into()).await.map_err(stream_error)?;
    Ok(Ok(None))
}

/// Receives what the technician sends.
pub async fn write<W: SendStream, R: RecvStream>(
    owner: &Owner,
    stream: &mut JobStream<W, R>,
    kind: ClipboardKind,
) -> anyhow::Result<JobResult> {
    let mut content = Vec::new();
    while let Some(bytes) = stream.bytes().await? {
        content.extend_from_slice(&bytes);
        if content.len() > most(kind) {
            return Ok(Err(Fault::TooLarge));
        }
    }
    let owner = owner.clone();
    let put = tokio::task::spawn_blocking(move || match kind {
        ClipboardKind::Text => {
            let text = String::from_utf8(content).map_err(other)?;
            owner.with(|clipboard| clipboard.set_text(with_line_ends(&text, LINE_END)))
        }
        ClipboardKind::Image => {
            let image = from_png(&content)?;
            owner.with(|clipboard| clipboard.set_image(image))
        }
    });
    Ok(put.await?.map(|()| Some(Answer::Done {})))
}

fn most(kind: ClipboardKind) -> usize {
    match kind {
        ClipboardKind::Text => MAX_CLIPBOARD_TEXT,
        ClipboardKind::Image => MAX_CLIPBOARD_IMAGE,
    }
}

/// A text with these line ends, whatever it had: between the two computers it is one line feed.
fn with_line_ends(text: &str, end: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', end)
}

fn to_png(image: &ImageData<'_>) -> Result<Vec<u8>, Fault> {
    let side = |n: usize| u32::try_from(n).map_err(other);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(image.width)?, side(image.height)?);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(other)?;
    writer.write_image_data(&image.bytes).map_err(other)?;
    writer.finish().map_err(other)?;
    Ok(bytes)
}

fn from_png(bytes: &[u8]) -> Result<ImageData<'static>, Fault> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    // A small file can announce a huge picture: no side may be longer than a screen's.
    let header = decoder.read_header_info().map_err(other)?;
    if header.width > u32::from(MAX_SIDE) || header.height > u32::from(MAX_SIDE) {
        return Err(Fault::TooLarge);
    }
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(other)?;
    let mut buffer = vec![0; reader.output_buffer_size().ok_or(Fault::TooLarge)?];
    let frame = reader.next_frame(&mut buffer).map_err(other)?;
    buffer.truncate(frame.buffer_size());
    let (width, height) = (frame.width as usize, frame.height as usize);
    let bytes = match frame.color_type {
        png::ColorType::Rgba => buffer,
        png::ColorType::GrayscaleAlpha => buffer.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect(),
        kind => return Err(other(format!("a picture of kind {kind:?}"))),
    };
    Ok(ImageData { width, height, bytes: bytes.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_survives_the_round_trip() {
        let bytes: Vec<u8> = (0..3 * 2 * 4).map(|n| n * 10).collect();
        let image = ImageData { width: 3, height: 2, bytes: bytes.clone().into() };
        let back = from_png(&to_png(&image).unwrap()).unwrap();
        assert_eq!((back.width, back.height, back.bytes.into_owned()), (3, 2, bytes));
    }

    #[test]
    fn line_ends_are_those_of_the_reader() {
        let mixed = "one\r\ntwo\nthree\rfour\r\n\r\n";
        assert_eq!(with_line_ends(mixed, "\n"), "one\ntwo\nthree\nfour\n\n");
        assert_eq!(with_line_ends(mixed, "\r\n"), "one\r\ntwo\r\nthree\r\nfour\r\n\r\n");
        assert_eq!(with_line_ends("", "\r\n"), "");
    }

    #[test]
    fn an_invalid_or_too_large_picture_is_refused() {
        assert!(from_png(b"not a picture").is_err());
        let mut huge = to_png(&ImageData { width: 1, height: 1, bytes: vec![0; 4].into() }).unwrap();
        // Width and height are at the beginning of the first chunk; changing them also breaks its checksum.
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(from_png(&huge).is_err());
    }
}
