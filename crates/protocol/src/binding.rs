//! Which server a downloaded support program belongs to.
//!
//! The server appends a binding to the program: JSON, its length (four bytes, big endian), and a mark. The appended
//! bytes keep the whole file's length divisible by eight, because a Windows signature may follow and must begin at such
//! an offset. The program's own file is the only thing that says where it connects to.

use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

const MARK: &[u8; 16] = b"deskside-bound-1";
/// Length and mark.
const END: usize = 20;
/// Readers look at no more than this many bytes of a program's end, far more than a binding needs.
const MAX_BINDING_BYTES: usize = 16 * 1024;
/// The offset of the signature is stored within this many bytes of a Windows program's beginning.
const PROGRAM_HEAD_BYTES: usize = 4 * 1024;
/// How the names of downloaded programs begin when their bytes are the same for everybody.
const NAME: &str = "deskside-support-";

/// What the program was given when it was downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The server's address, like `https://support.example.org`.
    pub server: String,
    /// The server's Ed25519 key in hexadecimal.
    pub identity: String,
    /// The organisation's name.
    pub organisation: String,
    /// Lets the customer in without typing.
    #[serde(flatten)]
    pub pass: ProgramPass,
}

/// Admits a program's customer to a session. Each works once and for a short time; at most one is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramPass {
    /// The secret of a session link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// A session key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The hand-over from the browser's chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<String>,
}

/// A program whose binding cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableProgram {
    /// Its end is not what a server writes there.
    #[error("this program's file is damaged")]
    Damaged,
    /// It cannot be read.
    #[error("this program's file cannot be read: {0}")]
    Io(#[from] io::Error),
}

use UnreadableProgram::Damaged;

/// What a program's file says about itself.
#[derive(Debug)]
pub struct ProgramFile {
    /// The server that it belongs to, if any.
    pub binding: Option<Binding>,
    /// Whether it carries a signature, which covers everything before it.
    pub signed: bool,
}

impl ProgramFile {
    /// Reads a program's beginning and end.
    ///
    /// # Errors
    /// [`UnreadableProgram`] when the file cannot be read, or when it has a mark that no binding precedes.
    pub fn read(mut file: impl Read + Seek) -> Result<Self, UnreadableProgram> {
        let mut head = Vec::new();
        file.by_ref().take(PROGRAM_HEAD_BYTES as u64).read_to_end(&mut head)?;
        let length = file.seek(SeekFrom::End(0))?;
        let end = end_of_program(&head, length);
        let from = end.saturating_sub((MAX_BINDING_BYTES + END) as u64);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.take(end - from).read_to_end(&mut tail)?;
        Ok(Self { binding: Binding::from_end(&tail)?, signed: end < length })
    }
}

impl Binding {
    /// The bytes to append to a program of this length.
    pub fn to_bytes(&self, program: usize) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        let whole = program + bytes.len() + END;
        // JSON may end with spaces.
        bytes.resize(bytes.len() + whole.next_multiple_of(8) - whole, b' ');
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(MARK);
        bytes
    }

    /// Reads a binding from the last bytes of a program; `None` when the program is not bound.
    fn from_end(bytes: &[u8]) -> Result<Option<Self>, UnreadableProgram> {
        let Some((rest, mark)) = bytes.split_last_chunk::<16>() else { return Ok(None) };
        if mark != MARK {
            return Ok(None);
        }
        let (rest, length) = rest.split_last_chunk::<4>().ok_or(Damaged)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Damaged)?;
        let from = rest.len().checked_sub(length).filter(|_| length <= MAX_BINDING_BYTES).ok_or(Damaged)?;
        serde_json::from_slice(&rest[from..]).map(Some).map_err(|_| Damaged)
    }
}

/// Where a program's own bytes end, before a signature. (Microsoft's PE format: the entry of the certificate table in
/// the data directories of the optional header. A program for another system has none.)
fn end_of_program(head: &[u8], length: u64) -> u64 {
    certificates(head).map_or(length, u64::from).min(length)
}

/// The file offset of a PE program's certificates, if it has any.
fn certificates(head: &[u8]) -> Option<u32> {
    let number = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
    if !head.starts_with(b"MZ") {
        return None;
    }
    let header = usize::try_from(number(0x3C)?).ok()?;
    if head.get(header..)?.first_chunk::<4>()? != b"PE\0\0" {
        return None;
    }
    let optional = header + 24;
    // The certificate table is the fifth directory; the directories begin later in a 64-bit program.
    let directories = match head.get(optional..)?.first_chunk::<2>()? {
        [0x0B, 0x01] => optional + 96,
        [0x0B, 0x02] => optional + 112,
        _ => return None,
    };
    number(directories + 4 * 8).filter(|offset| *offset > 0)
}

impl ProgramPass {
    /// The name of a Windows program that carries this pass. The bytes are the same for everybody, so that Windows gets
    /// to know the program and its signature stays valid.
    pub fn windows_name(&self) -> String {
        let said = match self {
            Self { handover: Some(secret), .. } => format!("h{secret}"),
            Self { link: Some(secret), .. } => format!("l{secret}"),
            Self { key: Some(key), .. } => format!("k{}", key.replace(' ', "")),
            _ => return "deskside-support.exe".into(),
        };
        format!("{NAME}{said}.exe")
    }

    /// Reads the pass from the current name of a program's file. Browsers and people add to names, as in ` (1)`.
    pub fn from_name(name: &str) -> Self {
        let told = name.strip_prefix(NAME).unwrap_or_default();
        let end = told.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(told.len());
        let mut letters = told[..end].chars();
        let kind = letters.next();
        let secret = Some(letters.as_str().to_owned()).filter(|s| !s.is_empty());
        match kind {
            Some('h') => Self { handover: secret, ..Self::default() },
            Some('l') => Self { link: secret, ..Self::default() },
            Some('k') => Self { key: secret, ..Self::default() },
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound(json: &str) -> Vec<u8> {
        [b"ELF...", json.as_bytes(), &(json.len() as u32).to_be_bytes(), MARK].concat()
    }

    fn binding() -> Binding {
        let pass = ProgramPass { key: Some("123456789".into()), ..ProgramPass::default() };
        Binding {
            server: "https://help.example.org:8443".into(),
            identity: "ab".into(),
            organisation: "Acme".into(),
            pass,
        }
    }

    fn read(bytes: &[u8]) -> Result<ProgramFile, UnreadableProgram> {
        ProgramFile::read(io::Cursor::new(bytes))
    }

    proptest! {
        #[test]
        fn a_binding_is_read_from_the_end_of_any_program(program in proptest::collection::vec(any::<u8>(), 0..300)) {
            let whole = [program.clone(), binding().to_bytes(program.len())].concat();
            prop_assert_eq!(whole.len() % 8, 0);
            let found = read(&whole).unwrap();
            prop_assert_eq!((found.binding, found.signed), (Some(binding()), false));
            prop_assert_eq!(read(&program).unwrap().binding, None);
        }

        #[test]
        fn any_end_of_a_file_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), length in any::<u32>()) {
            let _ = read(&[bytes.as_slice(), &length.to_be_bytes(), MARK].concat());
            let _ = read(&[b"MZ", bytes.as_slice()].concat());
        }

        #[test]
        fn a_pass_survives_in_a_name_that_a_browser_has_changed(secret in "[A-Za-z0-9_-]{1,64}", which in 0..3) {
            let secret = Some(secret);
            let pass = match which {
                0 => ProgramPass { link: secret, ..ProgramPass::default() },
                1 => ProgramPass { key: secret, ..ProgramPass::default() },
                _ => ProgramPass { handover: secret, ..ProgramPass::default() },
            };
            let name = pass.windows_name();
            prop_assert_eq!(ProgramPass::from_name(&name.replace(".exe", " (1).exe")), pass.clone());
            prop_assert_eq!(ProgramPass::from_name(&name), pass);
        }
    }

    #[test]
    fn a_damaged_binding_is_refused() {
        for json in ["", "{", r#"{"server":"x"}"#, r#"{"server":"x","identity":"","organisation":"","evil":1}"#] {
            assert!(matches!(read(&bound(json)), Err(Damaged)), "{json}");
        }
        let lies = [b"x".as_slice(), &u32::MAX.to_be_bytes(), MARK].concat();
        assert!(matches!(read(&lies), Err(Damaged)));
    }

    #[test]
    fn a_name_without_a_pass_gives_none() {
        for name in
            ["deskside-support.exe", "support", "deskside-support-.exe", "deskside-support-x1.exe", "k123.exe", ""]
        {
            assert_eq!(ProgramPass::from_name(name), ProgramPass::default(), "{name}");
        }
        assert_eq!(ProgramPass::default().windows_name(), "deskside-support.exe");
    }

    #[test]
    fn a_binding_is_found_before_a_signature() {
        let mut program = vec![0; 512];
        program[..2].copy_from_slice(b"MZ");
        program[0x3C] = 0x80;
        program[0x80..0x84].copy_from_slice(b"PE\0\0");
        program[0x98..0x9A].copy_from_slice(&[0x0B, 0x02]);
        program.extend(binding().to_bytes(512));
        assert!(!read(&program).unwrap().signed);
        let (entry, end) = (0x98 + 112 + 32, program.len() as u32);
        program[entry..entry + 4].copy_from_slice(&end.to_le_bytes());
        program.extend([7; 1_000]);
        let found = read(&program).unwrap();
        assert_eq!((found.binding, found.signed), (Some(binding()), true));
    }
}
