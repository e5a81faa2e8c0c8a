//! Which server this program belongs to, as its own file says it.

use std::io::{Read, Seek, SeekFrom};

use anyhow::Context;
use protocol::{Binding, MAX_BINDING_BYTES, PROGRAM_HEAD_BYTES, ProgramPass, end_of_program};

/// For a program that was built and not downloaded.
pub fn by_hand(server: String, identity: String) -> Binding {
    let server = server.trim_end_matches('/').to_owned();
    Binding { server, identity, organisation: "Deskside".into(), pass: ProgramPass::default() }
}

/// The server's host, as the customer should check it.
pub fn domain(binding: &Binding) -> &str {
    let host = binding.server.split_once("://").map_or(binding.server.as_str(), |(_, host)| host);
    host.split([':', '/']).next().unwrap_or(host)
}

/// Reads the binding from this program's own file, and the pass from its name where its bytes are the same for everybody;
/// `None` when it has none.
pub fn of_this_program() -> anyhow::Result<Option<Binding>> {
    let path = std::env::current_exe().context("this program's file is unknown")?;
    let file = std::fs::File::open(&path).context("this program's file cannot be read")?;
    let mut binding = read(file)?;
    if let Some(binding) = &mut binding
        && binding.pass == ProgramPass::default()
    {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        binding.pass = ProgramPass::from_name(name);
    }
    Ok(binding)
}

fn read(mut file: impl Read + Seek) -> anyhow::Result<Option<Binding>> {
    let mut head = Vec::new();
    file.by_ref().take(PROGRAM_HEAD_BYTES as u64).read_to_end(&mut head)?;
    let end = end_of_program(&head, file.seek(SeekFrom::End(0))?);
    let from = end.saturating_sub(MAX_BINDING_BYTES as u64 + 32);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(end - from).read_to_end(&mut tail)?;
    Ok(Binding::from_end(&tail)?)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_binding_is_read_from_a_file_and_shows_its_host() {
        let binding = by_hand("https://help.example.org:8443/".into(), "ab".into());
        let whole = [b"ELF".repeat(9_000), binding.to_bytes(27_000)].concat();
        let found = read(Cursor::new(whole)).unwrap().unwrap();
        assert_eq!((domain(&found), &found), ("help.example.org", &binding));
        assert_eq!(read(Cursor::new(b"a program without a binding at its end".to_vec())).unwrap(), None);
        assert_eq!(read(Cursor::new(b"".to_vec())).unwrap(), None);
    }
}
