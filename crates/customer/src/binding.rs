//! Which server this program belongs to, read from its own file.

use anyhow::Context;
use protocol::{Binding, ProgramFile, ProgramPass};

/// A binding for a program that was built and not downloaded.
pub fn by_hand(server: String, identity: String) -> Binding {
    let server = server.trim_end_matches('/').to_owned();
    Binding { server, identity, organisation: "Deskside".into(), pass: ProgramPass::default() }
}

/// The server's host, which the customer should check.
pub fn domain(binding: &Binding) -> &str {
    let host = binding.server.split_once("://").map_or(binding.server.as_str(), |(_, host)| host);
    host.split([':', '/']).next().unwrap_or(host)
}

/// Reads the binding from this program's own file, and the pass from its name if its bytes are the same for everybody;
/// `None` without a binding.
pub fn of_this_program() -> anyhow::Result<Option<Binding>> {
    let path = std::env::current_exe().context("this program's file is unknown")?;
    let file = std::fs::File::open(&path).context("this program's file cannot be read")?;
    let mut binding = ProgramFile::read(file)?.binding;
    if let Some(binding) = &mut binding
        && binding.pass == ProgramPass::default()
    {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        binding.pass = ProgramPass::from_name(name);
    }
    Ok(binding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_shown_without_scheme_and_port() {
        let binding = by_hand("https://help.example.org:8443/".into(), "ab".into());
        assert_eq!((domain(&binding), binding.server.as_str()), ("help.example.org", "https://help.example.org:8443"));
    }
}
