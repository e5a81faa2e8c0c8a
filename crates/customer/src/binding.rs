//! Which server this program belongs to.
//!
//! The server appends the binding to the program when it is downloaded: JSON, its length (four bytes, big endian), and a
//! mark. Nothing else says where to connect to.

use std::io::{Read, Seek, SeekFrom};

use anyhow::Context;
use serde::Deserialize;

const MARK: &[u8; 16] = b"deskside-bound-1";
/// Far more than a binding needs.
const MOST: u32 = 16 * 1024;

/// What the program was told at its download.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The server's address, like `https://support.example.org`.
    pub server: String,
    /// The server's Ed25519 key in hexadecimal.
    pub identity: String,
    /// The organisation's name.
    pub organisation: String,
    /// The secret of a session link.
    #[serde(default)]
    pub link: Option<String>,
    /// A session key.
    #[serde(default)]
    pub key: Option<String>,
    /// The way on from the browser's chat.
    #[serde(default)]
    pub handover: Option<String>,
}

impl Binding {
    /// For a program that was built and not downloaded.
    pub fn unbound(server: String, identity: String) -> Self {
        let server = server.trim_end_matches('/').to_owned();
        Self { server, identity, organisation: "Deskside".into(), link: None, key: None, handover: None }
    }

    /// The server's host, as the customer should check it.
    pub fn domain(&self) -> &str {
        let host = self.server.split_once("://").map_or(self.server.as_str(), |(_, host)| host);
        host.split([':', '/']).next().unwrap_or(host)
    }
}

/// Reads the binding from this program's own file; `None` when it has none.
pub fn of_this_program() -> anyhow::Result<Option<Binding>> {
    let path = std::env::current_exe().context("this program's file is unknown")?;
    read(std::fs::File::open(path).context("this program's file cannot be read")?)
}

fn read(mut file: impl Read + Seek) -> anyhow::Result<Option<Binding>> {
    let end = file.seek(SeekFrom::End(0))?;
    if end < 20 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(end - 20))?;
    let mut tail = [0; 20];
    file.read_exact(&mut tail)?;
    let (length, mark) = tail.split_at(4);
    if mark != MARK {
        return Ok(None);
    }
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    anyhow::ensure!(length <= MOST && u64::from(length) + 20 <= end, "this program's file is damaged");
    file.seek(SeekFrom::Start(end - 20 - u64::from(length)))?;
    let mut json = vec![0; length as usize];
    file.read_exact(&mut json)?;
    Ok(Some(serde_json::from_slice(&json).context("this program's file is damaged")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn bound(json: &str) -> Vec<u8> {
        [b"ELF...", json.as_bytes(), &(json.len() as u32).to_be_bytes(), MARK].concat()
    }

    #[test]
    fn a_binding_is_read_from_the_end_of_the_program() {
        let json =
            r#"{"server":"https://help.example.org:8443","identity":"ab","organisation":"Acme","key":"123456789"}"#;
        let binding = read(Cursor::new(bound(json))).unwrap().unwrap();
        assert_eq!((binding.domain(), binding.key.as_deref()), ("help.example.org", Some("123456789")));
        assert_eq!(read(Cursor::new(b"a program without a binding at its end".to_vec())).unwrap(), None);
    }

    #[test]
    fn a_damaged_binding_is_refused() {
        for json in ["", "{", r#"{"server":"x"}"#, r#"{"server":"x","identity":"","organisation":"","evil":1}"#] {
            assert!(read(Cursor::new(bound(json))).is_err(), "{json}");
        }
        let lies = [b"x".as_slice(), &u32::MAX.to_be_bytes(), MARK].concat();
        assert!(read(Cursor::new(lies)).is_err());
    }
}
