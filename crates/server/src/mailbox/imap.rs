//! Reads the mailbox by IMAP (RFC 3501, IDLE by RFC 2177).

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

/// Timeout for each response of the mail server.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest mail that is read, in bytes. Of a larger one only the header is.
pub const LARGEST: u32 = 25 * 1024 * 1024;

/// An unread mail.
pub struct Unseen {
    pub uid: u32,
    pub raw: Vec<u8>,
    /// Only its header was read.
    pub too_large: bool,
}

/// An open mailbox.
pub struct Open {
    session: Session<TlsStream<TcpStream>>,
    idles: bool,
}

/// The message of an error for an administrator, without details of library and protocol.
fn words(error: Error) -> String {
    match error {
        Error::No(text) | Error::Bad(text) => refusal(&text),
        Error::ConnectionLost => "The mailbox closed the connection.".into(),
        Error::Io(error) => format!("The mailbox does not respond: {}.", causes(&error)),
        Error::Validate(ValidateError(c)) => format!("The mailbox does not accept the character “{}”.", shown(c)),
        Error::Parse(_) => "The mailbox sent an invalid response.".into(),
        // The enum of the library may grow.
        _ => "The mailbox did not execute a command.".into(),
    }
}

fn shown(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", u32::from(c)) } else { c.to_string() }
}

/// The mailbox's message without the formatting of library and protocol: `info: Some("[CODE] words")` or `information:
/// Some("[CODE] words")`.
fn refusal(text: &str) -> String {
    let quoted = ["information: Some(\"", "info: Some(\""].iter().find_map(|before| text.split_once(before));
    let words = match quoted {
        Some((_, rest)) => unescaped(rest),
        // Without a message, the library only describes its own state.
        None if text.contains("code: ") => return "The mailbox refused without giving a reason.".into(),
        None => text.to_owned(),
    };
    let words = words.strip_prefix('[').and_then(|w| w.split_once("] ")).map_or(words.as_str(), |(_, w)| w);
    format!("The mailbox says: {}.", line(words, 300).trim_end_matches('.'))
}

/// Undoes Rust's `Debug` escapes, up to the closing quote.
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

/// Why a folder cannot be opened. The message has its name as the administrator wrote it.
fn not_opened(folder: &str, error: Error) -> String {
    let why = words(error).replace(&folder::encoded(folder), folder);
    format!("The folder “{folder}” cannot be opened. {why}")
}

async fn with_timeout<T, E>(
    what: impl Future<Output = Result<T, E>>,
    words: impl Fn(E) -> String,
) -> Result<T, String> {
    match timeout(TIMEOUT, what).await {
        Ok(done) => done.map_err(words),
        Err(_) => Err("The mailbox does not respond in time.".into()),
    }
}

/// Reads the server's greeting.
async fn greeting<T>(client: &mut Client<T>) -> Result<(), String>
where
    T: AsyncRead + AsyncWrite + Unpin + std::fmt::Debug + Send,
{
    // Other greetings are not shown: they may be a page of some other server.
    let text = with_timeout(client.read_response(), |e| format!("This is not a mailbox: {}.", e.kind())).await?;
    text.map(|_| ()).ok_or_else(|| "This is not a mailbox: it closes the connection.".into())
}

impl Open {
    /// Connects, encrypts, signs in, and opens the folder.
    pub async fn new(rules: &Mailbox, outbound: &Outbound) -> Result<Self, String> {
        let (host, port) = rules.place()?;
        let tcp = outbound.connect(&host, port, TIMEOUT).await?;
        let tls = TlsConnector::from(Arc::new(trust::by(&rules.authority)?));
        let name = ServerName::try_from(host.clone()).map_err(|_| format!("{host} is not a valid host name."))?;
        let insecure = |e: std::io::Error| format!("An encrypted connection to {host} failed: {}.", causes(&e));
        let client = if rules.start_tls {
            let mut plain = Client::new(tcp);
            greeting(&mut plain).await?;
            with_timeout(plain.run_command_and_check_ok("STARTTLS", None), words).await?;
            // There is only one greeting.
            Client::new(with_timeout(tls.connect(name, plain.into_inner()), insecure).await?)
        } else {
            let mut client = Client::new(with_timeout(tls.connect(name, tcp), insecure).await?);
            greeting(&mut client).await?;
            client
        };
        let signed_in = timeout(TIMEOUT, client.login(&rules.user, &rules.password)).await;
        let signed_in = signed_in.map_err(|_| "The mailbox does not respond in time.")?;
        let mut session = signed_in.map_err(|(e, _)| words(e))?;
        let can = with_timeout(session.capabilities(), words).await?;
        let idles = can.has_str("IDLE");
        let opened = timeout(TIMEOUT, session.select(folder::encoded(&rules.folder))).await;
        opened.map_err(|_| "The mailbox does not respond in time.")?.map_err(|e| not_opened(&rules.folder, e))?;
        Ok(Self { session, idles })
    }

    /// The UIDs of unread mails.
    pub async fn unseen(&mut self) -> Result<Vec<u32>, String> {
        let found = with_timeout(self.session.uid_search("UNSEEN"), words).await?;
        let mut found: Vec<u32> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Reads a mail without marking it as read; `None` if it is gone.
    pub async fn fetch(&mut self, uid: u32) -> Result<Option<Unseen>, String> {
        let one = uid.to_string();
        let size = with_timeout(self.items(&one, "(UID RFC822.SIZE)"), |e| e).await?;
        let Some(size) = size.iter().find_map(|f| f.size) else { return Ok(None) };
        let too_large = size > LARGEST;
        let what = if too_large { "(UID BODY.PEEK[HEADER])" } else { "(UID BODY.PEEK[])" };
        // 25 MiB take a while over a slow connection.
        let got =
            timeout(TIMEOUT * 20, self.items(&one, what)).await.map_err(|_| "Downloading a mail takes too long.")??;
        let raw = got.iter().find_map(|f| if too_large { f.header() } else { f.body() }).map(<[u8]>::to_vec);
        Ok(raw.map(|raw| Unseen { uid, raw, too_large }))
    }

    async fn items(&mut self, uid: &str, what: &str) -> Result<Vec<async_imap::types::Fetch>, String> {
        let stream = self.session.uid_fetch(uid, what).await.map_err(words)?;
        stream.try_collect().await.map_err(words)
    }

    /// Marks a mail as read.
    pub async fn mark_read(&mut self, uid: u32) -> Result<(), String> {
        let store = async {
            let answers = self.session.uid_store(uid.to_string(), "+FLAGS.SILENT (\\Seen)").await.map_err(words)?;
            answers.try_collect::<Vec<_>>().await.map_err(words)
        };
        with_timeout(store, |e| e).await.map(|_| ())
    }

    /// Waits for new mail, at most for this long.
    pub async fn wait(self, longest: Duration) -> Result<Self, String> {
        let Self { mut session, idles } = self;
        if !idles {
            tokio::time::sleep(longest.min(Duration::from_secs(60))).await;
            with_timeout(session.noop(), words).await?;
            return Ok(Self { session, idles });
        }
        let mut idle = session.idle();
        with_timeout(idle.init(), words).await?;
        let (woken, _stop) = idle.wait_with_timeout(longest);
        match woken.await.map_err(words)? {
            IdleResponse::NewData(_) | IdleResponse::Timeout | IdleResponse::ManualInterrupt => {}
        }
        let session = with_timeout(idle.done(), words).await?;
        Ok(Self { session, idles })
    }

    /// Logs out.
    pub async fn close(mut self) {
        let _ = timeout(TIMEOUT, self.session.logout()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_mailbox_are_shown_without_formatting() {
        let says = |text: &str, words: &str| assert_eq!(refusal(text), format!("The mailbox says: {words}."));
        says("code: None, info: Some(\"[AUTHENTICATIONFAILED] Authentication failed.\")", "Authentication failed");
        says("code: None, info: Some(\"Mailbox doesn't exist: Nowhere\")", "Mailbox doesn't exist: Nowhere");
        says("no", "no");
        says(r#"code: None, info: Some("Unknown folder \"Büro\": caf\u{e9}.")"#, "Unknown folder \"Büro\": café");
        says(
            r#"outcome: Outcome { code: Some(Alert), information: Some("[X] It is \"closed\".") }"#,
            "It is \"closed\"",
        );
        assert_eq!(refusal("code: Some(Alert), info: None"), "The mailbox refused without giving a reason.");
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
            let text = not_opened("Störungen", error);
            assert!(text.starts_with("The folder “Störungen” cannot be opened. The mailbox"), "{text}");
            let inner = ["Some(", "None", "Error", "[1, 2]", "St&APY", "io:", "validate"];
            assert!(!inner.iter().any(|word| text.contains(word)), "{text}");
        }
    }
}
