//! The support programs that customers download, bound to this server.

use std::path::PathBuf;

use anyhow::Context;
use bytes::Bytes;
use protocol::{Binding, PROGRAM_HEAD_BYTES, end_of_program};
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

/// A program's file, read once: however many customers download at once, it is in memory one time.
#[derive(Debug)]
pub struct Program {
    system: System,
    path: PathBuf,
    read: OnceCell<(Bytes, Bound)>,
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
    /// Those whose files are there.
    pub fn at(files: impl IntoIterator<Item = (System, PathBuf)>) -> Self {
        let program =
            |(system, path): (System, PathBuf)| path.is_file().then(|| Program { system, path, read: OnceCell::new() });
        Self(files.into_iter().filter_map(program).collect())
    }

    /// What can be downloaded.
    pub fn systems(&self) -> Vec<System> {
        self.0.iter().map(|p| p.system).collect()
    }

    /// The program for a system, bound to this server; `None` when there is none.
    pub async fn download(&self, system: System, binding: Binding) -> anyhow::Result<Option<Download>> {
        let Some(program) = self.0.iter().find(|p| p.system == system) else { return Ok(None) };
        let (bytes, bound) = program.read.get_or_try_init(|| program.load(&binding)).await?.clone();
        Ok(Some(Download::of(system, bytes, bound, binding)))
    }
}

impl Program {
    async fn load(&self, ours: &Binding) -> anyhow::Result<(Bytes, Bound)> {
        let path = self.path.display();
        let bytes = tokio::fs::read(&self.path).await.with_context(|| format!("cannot read {path}"))?;
        let bound = judge(&bytes, ours).with_context(|| format!("{path} cannot be given to customers"))?;
        Ok((bytes.into(), bound))
    }
}

/// Whether a program may be given out here, and what it lacks.
fn judge(program: &[u8], ours: &Binding) -> anyhow::Result<Bound> {
    let head = &program[..program.len().min(PROGRAM_HEAD_BYTES)];
    let end = end_of_program(head, program.len() as u64);
    let end = usize::try_from(end)?;
    match Binding::from_end(&program[..end])? {
        None if end == program.len() => Ok(Bound::No),
        None => anyhow::bail!(
            "it was signed before it was bound to this server, and binding it would break the signature: sign the file \
             that this server gives out at /download/windows"
        ),
        Some(theirs) if theirs.server == ours.server && theirs.identity == ours.identity => Ok(Bound::Here),
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

    fn whole(download: &Download) -> Vec<u8> {
        download.parts.concat()
    }

    async fn programs(content: &[u8], system: System) -> (tempfile::TempDir, Programs) {
        let room = tempfile::tempdir().unwrap();
        std::fs::write(room.path().join("p"), content).unwrap();
        let programs = Programs::at([(system, room.path().join("p")), (system, room.path().join("absent"))]);
        (room, programs)
    }

    #[tokio::test]
    async fn a_linux_program_carries_its_pass_and_a_windows_program_is_the_same_for_everybody() {
        let (_room, linux) = programs(b"\x7fELF", System::Linux).await;
        let (_room2, windows) = programs(b"MZ", System::Windows).await;
        assert_eq!((linux.systems(), windows.systems()), (vec![System::Linux], vec![System::Windows]));
        assert!(linux.download(System::Windows, binding("s", None)).await.unwrap().is_none());
        let get = async |from: &Programs, system, key| {
            let download = from.download(system, binding("https://s", Some(key))).await.unwrap().unwrap();
            assert_eq!(whole(&download).len(), download.length());
            (download.name.clone(), whole(&download))
        };
        let (name, bytes) = get(&linux, System::Linux, "123").await;
        assert_eq!(name, "deskside-support");
        assert_eq!(Binding::from_end(&bytes).unwrap().unwrap().pass.key.as_deref(), Some("123"));
        let (first, one) = get(&windows, System::Windows, "123").await;
        let (second, other) = get(&windows, System::Windows, "456").await;
        assert_eq!((first.as_str(), second.as_str()), ("deskside-support-k123.exe", "deskside-support-k456.exe"));
        assert!(one == other && Binding::from_end(&one).unwrap().unwrap().pass == ProgramPass::default());
    }

    #[tokio::test]
    async fn a_program_that_is_bound_already_is_given_as_it_is_unless_it_belongs_elsewhere() {
        let bound = [b"MZ".to_vec(), binding("https://s", None).to_bytes(2)].concat();
        let (_room, programs) = programs(&bound, System::Windows).await;
        let elsewhere = programs.download(System::Windows, binding("https://other", None)).await;
        assert!(format!("{:#}", elsewhere.unwrap_err()).contains("it is bound to https://s"));
        let here = programs.download(System::Windows, binding("https://s", Some("1"))).await.unwrap().unwrap();
        assert_eq!((here.name.as_str(), whole(&here)), ("deskside-support-k1.exe", bound));
    }
}
