//! The support programs that customers download, bound to this server.

use std::path::PathBuf;

use anyhow::Context;
use bytes::Bytes;
use protocol::{Binding, ProgramFile};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use ts_rs::TS;

/// What customers' computers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
#[ts(export)]
pub enum System {
    Linux,
    Windows,
}

/// A program's file. Its bytes are read at the first download: however many customers download at once, it is in memory
/// one time.
#[derive(Debug)]
struct Program {
    system: System,
    path: PathBuf,
    bound: Bound,
    bytes: OnceCell<Bytes>,
}

/// Whether a file is bound already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// As it was built.
    No,
    /// To this server: an organisation signed what it had downloaded here.
    Here,
}

/// The programs that this server has.
#[derive(Debug, Default)]
pub struct Programs(Vec<Program>);

/// What a customer gets.
#[derive(Debug)]
pub struct Download {
    pub name: String,
    /// One after the other.
    pub parts: [Bytes; 2],
}

impl Programs {
    /// Those whose files are there and may be given to customers of this server, which has this address and identity; what
    /// may not is said in the log.
    pub fn open(files: impl IntoIterator<Item = (System, PathBuf)>, server: &str, identity: &str) -> Self {
        let there = files.into_iter().filter(|(_, path)| path.is_file());
        let program = |(system, path): (System, PathBuf)| {
            let judged = std::fs::File::open(&path)
                .map_err(Into::into)
                .and_then(|file| ProgramFile::read(file).map_err(anyhow::Error::from))
                .and_then(|file| judge(&file, server, identity));
            match judged {
                Ok(bound) => Some(Program { system, path, bound, bytes: OnceCell::new() }),
                Err(error) => {
                    tracing::error!("{} cannot be given to customers: {error:#}", path.display());
                    None
                }
            }
        };
        Self(there.filter_map(program).collect())
    }

    /// What can be downloaded.
    pub fn systems(&self) -> Vec<System> {
        self.0.iter().map(|p| p.system).collect()
    }

    /// The program for a system, bound to this server; `None` when there is none.
    pub async fn download(&self, system: System, binding: Binding) -> anyhow::Result<Option<Download>> {
        let Some(program) = self.0.iter().find(|p| p.system == system) else { return Ok(None) };
        let read = || async {
            let bytes = tokio::fs::read(&program.path).await;
            bytes.map(Bytes::from).with_context(|| format!("cannot read {}", program.path.display()))
        };
        let bytes = program.bytes.get_or_try_init(read).await?.clone();
        Ok(Some(Download::of(system, bytes, program.bound, binding)))
    }
}

/// Whether a program may be given out here, and what it lacks.
fn judge(program: &ProgramFile, server: &str, identity: &str) -> anyhow::Result<Bound> {
    match &program.binding {
        None if !program.signed => Ok(Bound::No),
        None => anyhow::bail!(
            "it was signed before it was bound to this server, and binding it would break the signature: sign the file \
             that this server gives out at /download/windows"
        ),
        Some(theirs) if theirs.server == server && theirs.identity == identity => Ok(Bound::Here),
        Some(theirs) => anyhow::bail!("it is bound to {}, or to another identity of this server", theirs.server),
    }
}

impl Download {
    fn of(system: System, program: Bytes, bound: Bound, mut binding: Binding) -> Self {
        let name = match system {
            System::Linux => "deskside-support".into(),
            // The same bytes for everybody: the pass travels in the name.
            System::Windows => std::mem::take(&mut binding.pass).windows_name(),
        };
        let tail = match bound {
            Bound::No => binding.to_bytes(program.len()).into(),
            Bound::Here => Bytes::new(),
        };
        Self { name, parts: [program, tail] }
    }

    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use protocol::ProgramPass;

    use super::*;

    fn binding(server: &str, key: Option<&str>) -> Binding {
        let pass = ProgramPass { key: key.map(str::to_owned), ..ProgramPass::default() };
        Binding { server: server.into(), identity: "ab".into(), organisation: "Acme".into(), pass }
    }

    fn programs(content: &[u8], system: System) -> (tempfile::TempDir, Programs) {
        let room = tempfile::tempdir().unwrap();
        std::fs::write(room.path().join("p"), content).unwrap();
        let files = [(system, room.path().join("p")), (system, room.path().join("absent"))];
        let programs = Programs::open(files, "https://s", "ab");
        (room, programs)
    }

    async fn get(from: &Programs, system: System, key: &str) -> (String, Vec<u8>) {
        let download = from.download(system, binding("https://s", Some(key))).await.unwrap().unwrap();
        assert_eq!(download.parts.concat().len(), download.length());
        (download.name.clone(), download.parts.concat())
    }

    fn key_in(program: &[u8]) -> Option<String> {
        ProgramFile::read(std::io::Cursor::new(program)).unwrap().binding.unwrap().pass.key
    }

    #[tokio::test]
    async fn a_linux_program_carries_its_pass_and_a_windows_program_is_the_same_for_everybody() {
        let (_room, linux) = programs(b"\x7fELF", System::Linux);
        let (_room2, windows) = programs(b"MZ", System::Windows);
        assert_eq!((linux.systems(), windows.systems()), (vec![System::Linux], vec![System::Windows]));
        assert!(linux.download(System::Windows, binding("s", None)).await.unwrap().is_none());
        let (name, bytes) = get(&linux, System::Linux, "123").await;
        assert_eq!((name.as_str(), key_in(&bytes).as_deref()), ("deskside-support", Some("123")));
        let (first, one) = get(&windows, System::Windows, "123").await;
        let (second, other) = get(&windows, System::Windows, "456").await;
        assert_eq!((first.as_str(), second.as_str()), ("deskside-support-k123.exe", "deskside-support-k456.exe"));
        assert!(one == other && key_in(&one).is_none());
    }

    #[tokio::test]
    async fn a_program_that_is_bound_already_is_given_as_it_is_unless_it_belongs_elsewhere() {
        let bound = |server| [b"MZ".to_vec(), binding(server, None).to_bytes(2)].concat();
        let (_room, ours) = programs(&bound("https://s"), System::Windows);
        assert_eq!(get(&ours, System::Windows, "1").await, ("deskside-support-k1.exe".into(), bound("https://s")));
        let (_room, theirs) = programs(&bound("https://other"), System::Windows);
        assert_eq!(theirs.systems(), [], "and so it is not offered");
        let signed = ProgramFile { binding: None, signed: true };
        let refused = judge(&signed, "https://s", "ab").unwrap_err();
        assert!(refused.to_string().contains("signed before it was bound"));
    }
}
