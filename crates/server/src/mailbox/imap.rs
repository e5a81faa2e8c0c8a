//! The mailbox, by IMAP (RFC 3501, IDLE by RFC 2177).

use std::{sync::Arc, time::Duration};

use async_imap::{
    Client, Session,
    error::{Error, ValidateError},
    extensions::idle::IdleResponse,
};
use futures::TryStreamExt;
use platform::{
    outbound::Outbound,
    text::{causes, line},
    trust,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Mailbox, folder};

/// How long the server may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// A larger mail is read only as far as its head.
pub const LARGEST: u32 = 25 * 1024 * 1024;

/// A mail that was not seen yet.
pub struct Unseen {
    pub uid: u32,
    pub raw: Vec<u8>,
    /// Only its head was read.
    pub too_large: bool,
}

/// An open mailbox.
pub struct Open {
    session: Session<TlsStream<TcpStream>>,
    idles: bool,
}

/// What is wrong, for an administrator. What libraries and protocols say to themselves is left out.
fn words(error: Error) -> String {
    match error {
        Error::No(said) | Error::Bad(said) => said_no(&said),
        Error::ConnectionLost => "The mailbox has hung up.".into(),
        Error::Io(error) => format!("The mailbox does not answer: {}.", causes(&error)),
        Error::Validate(ValidateError(c)) => format!("The mailbox cannot be told the character “{}”.", shown(c)),
        Error::Parse(_) => "The mailbox says something that IMAP does not know.".into(),
        // The library may get more of them.
        _ => "The mailbox does not do what it was asked for.".into(),
    }
}

fn shown(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", u32::from(c)) } else { c.to_string() }
}

/// What a mailbox says, without what the library and the protocol put around it: `info: Some("[CODE] words")` or
/// `information: Some("[CODE] words")`.
fn said_no(said: &str) -> String {
    let quoted = ["information: Some(\"", "info: Some(\""].iter().find_map(|before| said.split_once(before));
    let words = match quoted {
        Some((_, rest)) => unescaped(rest),
        // Without a word for people, the library tells its own state.
        None if said.contains("code: ") => return "The mailbox refuses it, and does not say why.".into(),
        None => said.to_owned(),
    };
    let words = words.strip_prefix('[').and_then(|w| w.split_once("] ")).map_or(words.as_str(), |(_, w)| w);
    format!("The mailbox says: {}.", line(words, 300).trim_end_matches('.'))
}

/// A text that was quoted for programmers, up to its closing quote, as it was.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next().filter(|c| *c != '"') {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('u') => {
                let code: String = rest.by_ref().take_while(|c| *c != '}').filter(|c| *c != '{').collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some('n' | 'r' | 't') => out.push(' '),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// Why a folder cannot be opened: it is named as its administrator has written it.
fn not_opened(folder: &str, error: Error) -> String {
    let why = words(error).replace(&folder::encoded(folder), folder);
    format!("The folder “{folder}” cannot be opened. {why}")
}

async fn patiently<T, E>(what: impl Future<Output = Result<T, E>>, words: impl Fn(E) -> String) -> Result<T, String> {
    match timeout(PATIENCE, what).await {
        Ok(done) => done.map_err(words),
        Err(_) => Err("The mailbox does not answer in time.".into()),
    }
}

/// What a mailbox says first.
async fn greeting<T>(client: &mut Client<T>) -> Result<(), String>
where
    T: AsyncRead + AsyncWrite + Unpin + std::fmt::Debug + Send,
{
    // What else greets is not shown: it may be a page of some other server.
    let said = patiently(client.read_response(), |e| format!("This is not a mailbox: {}.", e.kind())).await?;
    said.map(|_| ()).ok_or_else(|| "This is not a mailbox: it hangs up.".into())
}

impl Open {
    /// Connects, encrypts, signs in, and opens the folder.
    pub async fn new(rules: &Mailbox, outbound: &Outbound) -> Result<Self, String> {
        let (host, port) = rules.place()?;
        let tcp = outbound.connect(&host, port, PATIENCE).await?;
        let tls = TlsConnector::from(Arc::new(trust::by(&rules.authority)?));
        let name = ServerName::try_from(host.clone()).map_err(|_| format!("{host} is not a name."))?;
        let insecure = |e: std::io::Error| format!("{host} cannot be spoken with in secret: {}.", causes(&e));
        let client = if rules.start_tls {
            let mut plain = Client::new(tcp);
            greeting(&mut plain).await?;
            patiently(plain.run_command_and_check_ok("STARTTLS", None), words).await?;
            // It greets once.
            Client::new(patiently(tls.connect(name, plain.into_inner()), insecure).await?)
        } else {
            let mut client = Client::new(patiently(tls.connect(name, tcp), insecure).await?);
            greeting(&mut client).await?;
            client
        };
        let signed_in = timeout(PATIENCE, client.login(&rules.user, &rules.password)).await;
        let signed_in = signed_in.map_err(|_| "The mailbox does not answer in time.")?;
        let mut session = signed_in.map_err(|(e, _)| words(e))?;
        let can = patiently(session.capabilities(), words).await?;
        let idles = can.has_str("IDLE");
        let opened = timeout(PATIENCE, session.select(folder::encoded(&rules.folder))).await;
        opened.map_err(|_| "The mailbox does not answer in time.")?.map_err(|e| not_opened(&rules.folder, e))?;
        Ok(Self { session, idles })
    }

    /// The mails that nobody has seen, by their numbers.
    pub async fn unseen(&mut self) -> Result<Vec<u32>, String> {
        let found = patiently(self.session.uid_search("UNSEEN"), words).await?;
        let mut found: Vec<u32> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Reads a mail, and leaves it unseen; `None` when it is gone.
    pub async fn fetch(&mut self, uid: u32) -> Result<Option<Unseen>, String> {
        let one = uid.to_string();
        let size = patiently(self.items(&one, "(UID RFC822.SIZE)"), |e| e).await?;
        let Some(size) = size.iter().find_map(|f| f.size) else { return Ok(None) };
        let too_large = size > LARGEST;
        let what = if too_large { "(UID BODY.PEEK[HEADER])" } else { "(UID BODY.PEEK[])" };
        // 25 MiB over a thin line take their time.
        let got =
            timeout(PATIENCE * 20, self.items(&one, what)).await.map_err(|_| "A mail takes too long to come.")??;
        let raw = got.iter().find_map(|f| if too_large { f.header() } else { f.body() }).map(<[u8]>::to_vec);
        Ok(raw.map(|raw| Unseen { uid, raw, too_large }))
    }

    async fn items(&mut self, uid: &str, what: &str) -> Result<Vec<async_imap::types::Fetch>, String> {
        let stream = self.session.uid_fetch(uid, what).await.map_err(words)?;
        stream.try_collect().await.map_err(words)
    }

    /// It is done with: nobody reads it again.
    pub async fn seen(&mut self, uid: u32) -> Result<(), String> {
        let store = async {
            let answers = self.session.uid_store(uid.to_string(), "+FLAGS.SILENT (\\Seen)").await.map_err(words)?;
            answers.try_collect::<Vec<_>>().await.map_err(words)
        };
        patiently(store, |e| e).await.map(|_| ())
    }

    /// Waits until something may have come, at most so long.
    pub async fn wait(self, longest: Duration) -> Result<Self, String> {
        let Self { mut session, idles } = self;
        if !idles {
            tokio::time::sleep(longest.min(Duration::from_secs(60))).await;
            patiently(session.noop(), words).await?;
            return Ok(Self { session, idles });
        }
        let mut idle = session.idle();
        patiently(idle.init(), words).await?;
        let (woken, _stop) = idle.wait_with_timeout(longest);
        match woken.await.map_err(words)? {
            IdleResponse::NewData(_) | IdleResponse::Timeout | IdleResponse::ManualInterrupt => {}
        }
        let session = patiently(idle.done(), words).await?;
        Ok(Self { session, idles })
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        let _ = timeout(PATIENCE, self.session.logout()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mailbox_says_is_read_by_people() {
        let says = |said: &str, words: &str| assert_eq!(said_no(said), format!("The mailbox says: {words}."));
        says("code: None, info: Some(\"[AUTHENTICATIONFAILED] Authentication failed.\")", "Authentication failed");
        says("code: None, info: Some(\"Mailbox doesn't exist: Nowhere\")", "Mailbox doesn't exist: Nowhere");
        says("no", "no");
        says(r#"code: None, info: Some("Unknown folder \"Büro\": caf\u{e9}.")"#, "Unknown folder \"Büro\": café");
        says(
            r#"outcome: Outcome { code: Some(Alert), information: Some("[X] It is \"closed\".") }"#,
            "It is \"closed\"",
        );
        assert_eq!(said_no("code: Some(Alert), info: None"), "The mailbox refuses it, and does not say why.");
    }

    #[test]
    fn errors_are_sentences() {
        let all = [
            Error::ConnectionLost,
            Error::Append,
            Error::Validate(ValidateError('\u{7}')),
            Error::Parse(async_imap::error::ParseError::Invalid(vec![1, 2])),
            Error::Io(std::io::Error::other("broken")),
            Error::No("code: None, info: Some(\"[NONEXISTENT] Mailbox doesn't exist: St&APY-rungen\")".into()),
        ];
        for error in all {
            let said = not_opened("Störungen", error);
            assert!(said.starts_with("The folder “Störungen” cannot be opened. The mailbox"), "{said}");
            let inner = ["Some(", "None", "Error", "[1, 2]", "St&APY", "io:", "validate"];
            assert!(!inner.iter().any(|word| said.contains(word)), "{said}");
        }
    }
}
