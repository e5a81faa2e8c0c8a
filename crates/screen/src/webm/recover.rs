//! Finishing a file whose writer was killed.

use std::io::{Read, Seek, SeekFrom, Write};

use super::{Cluster, Cue, LastBlock, Marks, WebmError, Writer, ebml};

/// What a recovery needs of a file.
pub trait Truncate {
    /// Cuts everything from `length` on.
    fn truncate(&mut self, length: u64) -> std::io::Result<()>;
}

impl Truncate for std::fs::File {
    fn truncate(&mut self, length: u64) -> std::io::Result<()> {
        self.set_len(length)
    }
}

impl Truncate for std::io::Cursor<Vec<u8>> {
    fn truncate(&mut self, length: u64) -> std::io::Result<()> {
        self.get_mut().truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// Reads what was written, drops a block that was cut off, and gives back a writer that goes on where the file ends.
/// The second value is the time of the last frame in milliseconds.
pub fn recover<F: Read + Write + Seek + Truncate>(mut file: F) -> Result<(Writer<F>, u64), WebmError> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut reader = Reader { file: &mut file, length };
    let marks = reader.head()?;
    let (mut cluster, mut cues, mut last) = (None::<Cluster>, Vec::new(), None::<LastBlock>);
    let mut at = reader.after_head(marks.segment)?;
    let mut end = at;
    while let Some((id, body, size)) = reader.element(at)? {
        match (id, size) {
            (0x1F43_B675, _) => {
                // Timestamp, then blocks: the cluster's content is read as if it stood at the top level.
                let Some((0xE7, time_at, Some(size))) = reader.element(body)? else { break };
                let Some(time) = reader.unsigned(time_at, size)? else { break };
                cluster = Some(Cluster { at, time });
                at = time_at + size;
                continue;
            }
            (0xA3, Some(size)) if size > 4 && body + size <= length => {
                let Some(open) = &cluster else { break };
                let head = reader.bytes(body, 4)?;
                let time = open.time + u64::from(u16::from_be_bytes([head[1], head[2]]));
                let key = head[3] & 0x80 != 0;
                if key {
                    cues.push(Cue { time, cluster: open.at - marks.segment });
                }
                let previous = last.as_ref().map(|last| last.time);
                last = Some(LastBlock { at, time, key, previous });
                at = body + size;
                end = at;
            }
            _ => break,
        }
    }
    let time = last.as_ref().ok_or(WebmError::NotARecording)?.time;
    // A cluster without a block ends the file before it.
    let cluster = cluster.filter(|c| c.at < end);
    file.truncate(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok((Writer { file, end, cluster, cues, last, marks }, time))
}

struct Reader<'a, F> {
    file: &'a mut F,
    length: u64,
}

impl<F: Read + Seek> Reader<'_, F> {
    fn bytes(&mut self, at: u64, count: u64) -> Result<Vec<u8>, WebmError> {
        self.file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        self.file.take(count).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The element at an offset: its id, where its body starts, and how long that is.
    fn element(&mut self, at: u64) -> Result<Option<(u32, u64, Option<u64>)>, WebmError> {
        let bytes = self.bytes(at, 12.min(self.length.saturating_sub(at)))?;
        let parsed = ebml::id(&bytes).zip(ebml::header(&bytes));
        Ok(parsed.map(|(id, (header, size))| (id, at + header as u64, size)))
    }

    fn unsigned(&mut self, at: u64, size: u64) -> Result<Option<u64>, WebmError> {
        if size > 8 {
            return Ok(None);
        }
        let bytes = self.bytes(at, size)?;
        Ok((bytes.len() as u64 == size).then(|| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))))
    }

    fn head(&mut self) -> Result<Marks, WebmError> {
        let not = || WebmError::NotARecording;
        let Some((0x1A45_DFA3, body, Some(size))) = self.element(0)? else { return Err(not()) };
        let Some((0x1853_8067, segment, None)) = self.element(body + size)? else { return Err(not()) };
        let Some((0x114D_9B74, seek, Some(seek_size))) = self.element(segment)? else { return Err(not()) };
        let info_at = seek + seek_size;
        let Some((0x1549_A966, info, Some(info_size))) = self.element(info_at)? else { return Err(not()) };
        Ok(Marks { segment_size: segment - 8, segment, cues_position: info_at - 8, duration: info + info_size - 8 })
    }

    fn after_head(&mut self, segment: u64) -> Result<u64, WebmError> {
        let mut at = segment;
        loop {
            match self.element(at)? {
                Some((0x114D_9B74 | 0x1549_A966 | 0x1654_AE6B, body, Some(size))) => at = body + size,
                _ => return Ok(at),
            }
        }
    }
}
