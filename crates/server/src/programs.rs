//! The support programs that customers download, bound to this server.

use std::path::PathBuf;

use anyhow::Context;
use bytes::Bytes;
use protocol::{Binding, ProgramFile};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use ts_rs::TS;

/// The operating systems of customers' computers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
#[ts(export)]
pub enum System {
    Linux,
    Windows,
}

/// A support program's file. It is read at the first download, and then kept in memory once for all customers.
#[derive(Debug)]
struct Program {
    system: System,
    path: PathBuf,
    bound: Bound,
    bytes: OnceCell<Bytes>,
}

/// Whether a file is already bound to this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Not bound, as it was built.
    No,
    /// Bound to this server: the organisation signed a file that it had downloaded here.
    Here,
}

/// The support programs that this server offers.
#[derive(Debug, Default)]
pub struct Programs(Vec<Program>);

/// A download for a customer.
#[derive(Debug)]
pub struct Download {
    pub name: String,
    /// Its bytes in two parts: the program and the binding.
    pub parts: [Bytes; 2],
}

impl Programs {
    /// Opens the files that exist and may be offered by a server with this address and identity. The others are logged.
    pub fn open(files: impl IntoIterator<Item = (System, PathBuf)>, server: &str, identity: &str) -> Self {
        let existing = files.into_iter().filter(|(_, path)| path.is_file());
        let program = |(system, path): (System, PathBuf)| {
            let checked = std::fs::File::open(&path)
                .map_err(Into::into)
                .and_then(|file| ProgramFile::read(file).map_err(anyhow::Error::from))
                .and_then(|file| check(&file, server, identity));
            match checked {
                Ok(bound) => Some(Program { system, path, bound, bytes: OnceCell::new() }),
                Err(error) => {
                    tracing::error!(path = %path.display(), error = format!("{error:#}"), "support program not offered");
                    None
                }
            }
        };
        Self(existing.filter_map(program).collect())
    }

    /// The systems for which there is a program.
    pub fn systems(&self) -> Vec<System> {
        self.0.iter().map(|p| p.system).collect()
    }

    /// The program for a system, bound to this server; `None` if there is none.
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

/// Checks that this server may offer a program, and whether it must still be bound.
fn check(program: &ProgramFile, server: &str, identity: &str) -> anyhow::Result<Bound> {
    match &program.binding {
        None if !program.signed => Ok(Bound::No),
        None => anyhow::bail!(
            "it was signed before it was bound to this server, and binding would break the signature: sign the file that \
             this server offers at /download/windows"
        ),
        Some(theirs) if theirs.server == server && theirs.identity == identity => Ok(Bound::Here),
        Some(theirs) => anyhow::bail!("it is bound to {}, or to another identity of this server", theirs.server),
    }
}

impl Download {
    fn of(system: System, program: Bytes, bound: Bound, mut binding: Binding) -> Self {
        let name = match system {
            System::Linux => "deskside-support".into(),
            // Everybody gets the same bytes: the pass is in the file name.
            System::Windows => std::mem::take(&mut binding.pass).windows_name(),
        };
        let tail = match bound {
            Bound::No => binding.to_bytes(program.len()).into(),
            Bound::Here => Bytes::new(),
        };
        Self { name, parts: [program, tail] }
    }

    /// Its length in bytes.
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
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p"), content).unwrap();
        let files = [(system, folder.path().join("p")), (system, folder.path().join("absent"))];
        let programs = Programs::open(files, "https://s", "ab");
        (folder, programs)
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
    async fn a_linux_program_contains_its_pass_and_a_windows_program_is_the_same_for_everybody() {
        let (_folder, linux) = programs(b"\x7fELF", System::Linux);
        let (_folder2, windows) = programs(b"MZ", System::Windows);
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
    async fn a_bound_program_is_offered_unchanged_unless_it_belongs_to_another_server() {
        let bound = |server| [b"MZ".to_vec(), binding(server, None).to_bytes(2)].concat();
        let (_folder, ours) = programs(&bound("https://s"), System::Windows);
        assert_eq!(get(&ours, System::Windows, "1").await, ("deskside-support-k1.exe".into(), bound("https://s")));
        let (_folder, theirs) = programs(&bound("https://other"), System::Windows);
        assert_eq!(theirs.systems(), [], "so it is not offered");
        let signed = ProgramFile { binding: None, signed: true };
        let refused = check(&signed, "https://s", "ab").unwrap_err();
        assert!(refused.to_string().contains("signed before it was bound"));
    }
}
