//! Bundles: all evidence of a session in one signed file.

use std::{fs::File, io::Write, sync::Arc};

use evidence::{Writer, line, names, recording_plan, transcript};
use live_sessions::{StoredFile, StoredKind, timeline};
use platform::{clock, paths};
use protocol::{Entry, Event, SessionId, UserRef};
use session::{Actor, Command, PlaybackTimeline, Stored};

use super::{Archive, SealedFile, SealedFileReader, Sealing, pointer_overlay::WithPointer};

const README: &str = "This is everything that remains of one Deskside support session.\n\n\
    To check that nothing of it was changed, run deskside-verify on the bundle as it is, or open verify.html of any\n\
    Deskside server in a browser and choose it there; neither needs a network. Tell them the fingerprint of the key that\n\
    you expect, from the administrator of the server: without it they can only say that the bundle fits together, and\n\
    anybody can make one that does.\n\n\
    transcript.html   what was said and done, to read\n\
    video.webm        the recorded screen, if one was shared, with subtitles and chapters\n\
    video-with-pointer.webm   the same with the pointer drawn into it, if that was wanted: coded anew, not the original\n\
    timeline.jsonl    every event with the hash of the one before it\n\
    seals.json        the server's signatures under the timeline\n";

/// What a bundle is made of.
pub struct Contents {
    id: SessionId,
    stored: Vec<Stored>,
    entries: Vec<Entry>,
    seals: Vec<evidence::Seal>,
}

/// How the pointer is included in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// As a track of its own, which Deskside's player draws.
    Beside,
    /// Also drawn into a second video, for any player.
    BurnedIn,
}

impl Archive {
    /// Records the export in the timeline, and collects what the bundle is made of.
    pub async fn export(&self, id: &SessionId, by: Option<UserRef>) -> anyhow::Result<Contents> {
        self.execute_even_if_ended(id, &Actor::Server, Command::Evidence { event: Event::Exported { by } })
            .await
            .map_err(|e| anyhow::anyhow!("export not recorded: {e}"))?;
        let stored = timeline::stored(&self.db, id).await?;
        let entries = timeline::read_back(id, &stored)?;
        // Later entries and their seals are not part of this bundle.
        let end = stored.last().ok_or_else(|| anyhow::anyhow!("the session has no timeline"))?;
        self.sealing.seal(&self.db, id, end.seq, &end.hash, clock::now()).await?;
        let mut seals = Sealing::seals(&self.db, id).await?;
        seals.retain(|s| s.seq <= end.seq);
        Ok(Contents { id: id.clone(), stored, entries, seals })
    }

    /// Writes the bundle.
    pub fn pack<W: Write>(self: &Arc<Self>, contents: &Contents, pointer: Pointer, out: W) -> anyhow::Result<W> {
        let Contents { id, stored, entries, seals } = contents;
        let data = &self.data;
        let mut bundle = Writer::new(out);
        bundle.file("README.txt", &mut README.as_bytes())?;
        let timeline: String = stored.iter().map(line).collect();
        bundle.file(names::TIMELINE, &mut timeline.as_bytes())?;
        bundle.file(names::SEALS, &mut &serde_json::to_vec_pretty(seals)?[..])?;
        bundle.file(names::KEYS, &mut &serde_json::to_vec_pretty(&self.sealing.endorsements())?[..])?;
        bundle.file(names::TRANSCRIPT, &mut transcript::text(id, entries).as_bytes())?;
        bundle.file("transcript.html", &mut transcript::html(id, entries).as_bytes())?;
        let lines = serde_json::to_vec_pretty(&session::transcript(entries))?;
        bundle.file("transcript.json", &mut &lines[..])?;
        for (name, path) in [(names::VIDEO, paths::recording(data, id)), (names::POINTER, paths::pointer(data, id))] {
            if let Some(kept) = SealedFile::open(self, path)? {
                bundle.file(name, &mut SealedFileReader::new(kept))?;
            }
        }
        if pointer == Pointer::BurnedIn
            && let Some(video) = WithPointer::make(self, id, entries)?
        {
            let (mut read, write) = std::io::pipe()?;
            std::thread::scope(|scope| {
                let writing = scope.spawn(|| video.write(self, std::io::BufWriter::with_capacity(1 << 16, write)));
                bundle.file(names::VIDEO_WITH_POINTER, &mut read)?;
                writing.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the video was not written")))
            })?;
        }
        let captions = recording_plan::captions(entries, &PlaybackTimeline::of(entries));
        bundle.file("subtitles.vtt", &mut recording_plan::webvtt(&captions).as_bytes())?;
        for entry in entries {
            let Some(stored) = StoredFile::of(&entry.event) else { continue };
            let (number, path) = (stored.number, stored.path(data, id));
            let name = match stored.kind {
                StoredKind::SystemInfo => format!("system/{number}.json"),
                StoredKind::Screenshot => format!("screenshots/{number}.png"),
                StoredKind::Attachment => format!("files/{number}"),
                StoredKind::Shell => format!("shells/{number}.cast"),
            };
            // A missing file is left out of the bundle, and the verdict says so.
            let Ok(mut file) = File::open(&path) else { continue };
            match stored.kind {
                StoredKind::Shell => bundle.file(&name, &mut self.vault.file(&path).read(file)?)?,
                StoredKind::SystemInfo | StoredKind::Screenshot | StoredKind::Attachment => {
                    bundle.file(&name, &mut file)?
                }
            }
        }
        Ok(bundle.finish(&self.sealing.key())?)
    }
}
