//! Sends mails by SMTP if a mail server is configured; otherwise they go to the outbox.

use std::time::Duration;

use anyhow::Context;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::{
        client::{Certificate, TlsParameters},
        extension::ClientId,
    },
};
use platform::text::{self, address::ascii_domain};
use store::settings::Settings;

use crate::config::Config;

/// Timeout of the mail server.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Sends mails.
pub struct Mailer {
    from: Mailbox,
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
}

/// The outcome of sending a mail.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server accepted it.
    Sent,
    /// There is no mail server: the mail stays in the outbox, to be sent by hand.
    Unsent,
    /// The mail server refused it with this message.
    Refused(String),
}

/// A mail to send.
pub struct OutgoingMail<'a> {
    pub to: Mailbox,
    pub subject: &'a str,
    pub text: &'a str,
    pub html: &'a str,
    /// Its Message-ID without brackets.
    pub name: &'a str,
    /// The Message-ID of the mail to which it replies, without brackets.
    pub answers: Option<&'a str>,
}

impl Mailer {
    /// Reads the configuration. Connects to nothing yet.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let from: Mailbox = config
            .mail_from
            .parse()
            .with_context(|| format!("mail_from is not a mail address: {}", config.mail_from))?;
        let from = plain_domain(from).map_err(|e| anyhow::anyhow!("mail_from: {e}"))?;
        let transport = config.smtp_url.as_deref().map(|url| transport(url, config)).transpose()?;
        Ok(Self { from, transport })
    }

    /// Whether a mail server is configured.
    pub fn is_set(&self) -> bool {
        self.transport.is_some()
    }

    /// The sender of mails.
    pub fn from(&self) -> String {
        self.from.to_string()
    }

    /// The sender's address without the name.
    pub fn address(&self) -> &str {
        self.from.email.as_ref()
    }

    /// A new Message-ID, without brackets (RFC 5322, 3.6.4).
    pub fn name(&self) -> String {
        format!("{}@{}", platform::secret::token(), self.from.email.domain())
    }

    /// Sends a mail with its text and HTML parts.
    pub async fn send(&self, mail: OutgoingMail<'_>) -> Outcome {
        let Some(transport) = &self.transport else { return Outcome::Unsent };
        let to = match plain_domain(mail.to) {
            Ok(to) => to,
            Err(why) => return Outcome::Refused(why),
        };
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(to.clone())
            .subject(mail.subject)
            .message_id(Some(format!("<{}>", mail.name)));
        if let Some(answered) = mail.answers {
            let answered = format!("<{answered}>");
            message = message.in_reply_to(answered.clone()).references(answered);
        }
        let message = message.multipart(MultiPart::alternative_plain_html(mail.text.to_owned(), mail.html.to_owned()));
        let message = match message {
            Ok(message) => message,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        match transport.send(message).await {
            Ok(_) => Outcome::Sent,
            // A client error comes from the library: no request was sent.
            Err(error) if error.is_client() => {
                let non_ascii = [&self.from, &to].map(|a| &a.email).into_iter().find(|a| !a.user().is_ascii());
                Outcome::Refused(non_ascii.map_or_else(|| text::causes(&error), no_utf8))
            }
            Err(error) => Outcome::Refused(text::causes(&error)),
        }
    }
}

/// The mail address with its domain in ASCII (RFC 5890), which every mail server accepts.
fn plain_domain(mailbox: Mailbox) -> Result<Mailbox, String> {
    let bad = || format!("“{}” is not a valid domain.", mailbox.email.domain());
    let domain = ascii_domain(mailbox.email.domain()).ok_or_else(bad)?;
    // An ASCII domain stays as it is written.
    let domain = if mailbox.email.domain().is_ascii() { mailbox.email.domain().to_owned() } else { domain };
    let email = Address::new(mailbox.email.user(), domain).map_err(|_| bad())?;
    Ok(Mailbox::new(mailbox.name, email))
}

/// The message for an address whose local part the mail server does not support (RFC 6531).
fn no_utf8(address: &Address) -> String {
    format!(
        "your mail server does not support the letters before the @ of {address}. \
         Use an address with plain letters there, or a mail server with SMTPUTF8."
    )
}

/// The host name for the SMTP greeting, if it can be written in ASCII.
fn greeting() -> Option<ClientId> {
    match ClientId::default() {
        ClientId::Domain(name) => ascii_domain(&name).filter(|name| name.is_ascii()).map(ClientId::Domain),
        literal => Some(literal),
    }
}

/// A mail server's URL with its host in ASCII.
fn plain_url(url: &str) -> anyhow::Result<url::Url> {
    let mut url = url::Url::parse(url)?;
    let host = url.host_str().unwrap_or_default();
    let decoded = percent_decoded(host);
    if decoded != host || !host.is_ascii() {
        let host = ascii_domain(&decoded).with_context(|| format!("{decoded} is not a host name"))?;
        url.set_host(Some(&host))?;
    }
    Ok(url)
}

fn percent_decoded(text: &str) -> String {
    // Uses the parser for forms, which differs only in the meaning of `+`.
    let pair = format!("x={}", text.replace('+', "%2B").replace(['&', ';'], "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn transport(url: &str, config: &Config) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let url = plain_url(url).map_err(|e| anyhow::anyhow!("smtp_url is invalid: {e}"))?;
    let names_itself = url.path().len() > 1;
    let url = url.as_str();
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
        .map_err(|e| anyhow::anyhow!("smtp_url is invalid: {e}"))?
        .timeout(Some(TIMEOUT));
    if !names_itself {
        builder = builder.hello_name(greeting().unwrap_or(ClientId::Ipv4(std::net::Ipv4Addr::LOCALHOST)));
    }
    if let Some(path) = &config.smtp_ca {
        use lettre::transport::smtp::client::Tls;
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
        let host = host.rsplit("//").next().unwrap_or(host).split([':', '/', '?']).next().unwrap_or_default();
        let tls = TlsParameters::builder(host.to_owned()).add_root_certificate(Certificate::from_pem(&pem)?).build()?;
        builder = builder.tls(if url.starts_with("smtps") { Tls::Wrapper(tls) } else { Tls::Required(tls) });
    }
    Ok(builder.build())
}

/// The fields that a template may use.
pub struct Fields<'a> {
    pub number: &'a str,
    pub subject: &'a str,
    pub customer: &'a str,
    pub technician: &'a str,
    pub link: &'a str,
    pub key: &'a str,
}

/// Fills in a template. The inserted values are not expanded again.
pub fn fill(template: &str, settings: &Settings, fields: &Fields<'_>) -> String {
    let value = |name: &str| match name.trim() {
        "number" => Some(fields.number),
        "subject" => Some(fields.subject),
        "customer" => Some(fields.customer),
        "technician" => Some(fields.technician),
        "organisation" => Some(settings.organisation.as_str()),
        "link" => Some(fields.link),
        "key" => Some(fields.key),
        _ => None,
    };
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        match after.split_once("}}").and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after)) => {
                text.push_str(value);
                rest = after;
            }
            None => {
                text.push_str("{{");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

/// A session key in groups of three digits.
pub fn grouped(key: &str) -> String {
    let digits: Vec<char> = key.chars().collect();
    digits.chunks(3).map(|c| c.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// The HTML part of a text: paragraphs, and links that can be clicked.
pub fn html(text: &str, organisation: &str) -> String {
    let line = |line: &str| {
        let (mut out, mut rest) = (String::new(), line);
        for link in protocol::links::all(line) {
            let Some((before, after)) = rest.split_once(link) else { break };
            let link = escape(link);
            out.push_str(&escape(before));
            out.push_str(&format!(r#"<a href="{link}" style="color:#0b57d0;word-break:break-all">{link}</a>"#));
            rest = after;
        }
        out + &escape(rest)
    };
    let paragraph = |p: &str| {
        let lines: Vec<_> = p.lines().map(line).collect();
        format!("<p style=\"margin:0 0 1em\">{}</p>\n", lines.join("<br>\n"))
    };
    let paragraphs: String = text.split("\n\n").filter(|p| !p.trim().is_empty()).map(paragraph).collect();
    format!(
        "<!doctype html>\n<html><body style=\"margin:0;padding:24px;background:#f3f5f9\">\n\
        <div style=\"max-width:560px;margin:auto;padding:32px;background:#fff;border-radius:12px;\
        font:16px/1.5 system-ui,sans-serif;color:#1b1f27\">\n\
        <div style=\"font-weight:600;margin-bottom:1.5em\">{}</div>\n{paragraphs}</div>\n</body></html>\n",
        escape(organisation)
    )
}

/// Escapes text for use between HTML tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_expanded_once_and_unknown_names_stay() {
        let fields =
            Fields { number: "INC-1", subject: "{{key}}", customer: "Ada", technician: "Tom", link: "L", key: "K" };
        let filled = fill("[{{number}}] {{ subject }} {{what}} {{", &Settings::default(), &fields);
        assert_eq!(filled, "[INC-1] {{key}} {{what}} {{");
    }

    #[test]
    fn domains_are_sent_in_ascii() {
        for (address, sent) in [
            ("anna@bücher.example", "anna@xn--bcher-kva.example"),
            ("Anna <anna@BÜCHER.example>", "Anna <anna@xn--bcher-kva.example>"),
            ("anna@例え.テスト", "anna@xn--r8jz45g.xn--zckzah"),
            ("Anna@Example.org", "Anna@Example.org"),
            ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ] {
            let mailbox = plain_domain(address.parse().unwrap()).unwrap();
            assert_eq!(mailbox.to_string(), sent.parse::<Mailbox>().unwrap().to_string(), "{address}");
        }
        let host = |url: &str| plain_url(url).unwrap().host_str().unwrap().to_owned();
        assert_eq!(host("smtp://user:p%40ss@mail.bücher.example:587?tls=required"), "mail.xn--bcher-kva.example");
        assert_eq!(host("smtps://mail.example.org"), "mail.example.org");
        assert_eq!(host("smtp://[::1]:25"), "[::1]");
    }

    #[test]
    fn user_text_is_escaped() {
        let html = html("Hello <script>\n\nhttps://a.example/\"><b>", "A & B");
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(html.contains("A &amp; B"));
    }

    #[test]
    fn a_link_ends_before_the_punctuation_of_its_sentence() {
        let html = html("Open https://a.example/join#x7.\n(https://b.example/a_(b)?c&d)", "A");
        assert!(html.contains(r#"href="https://a.example/join#x7""#), "{html}");
        assert!(html.contains(r#"href="https://b.example/a_(b)?c&amp;d""#), "{html}");
        assert!(html.contains("</a>.<br>") && html.contains("(<a "), "{html}");
    }
}
