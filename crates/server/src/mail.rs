//! Mails: sent by SMTP when a mail server is configured, else left for the outbox.

use std::time::Duration;

use anyhow::Context;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::client::{Certificate, TlsParameters},
};

use crate::{app::Settings, config::Config, text};

/// How long a mail server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where mails go.
pub struct Mailer {
    from: Mailbox,
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
}

/// What became of a mail.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A mail server took it.
    Sent,
    /// There is no mail server: it lies in the outbox.
    Outbox,
    /// The mail server refused it, in its words.
    Refused(String),
}

/// A mail to be sent.
pub struct Letter<'a> {
    pub to: Mailbox,
    pub subject: &'a str,
    pub text: &'a str,
    pub html: &'a str,
    /// Its Message-ID without brackets.
    pub name: &'a str,
    /// The mail that it answers, by the same.
    pub answers: Option<&'a str>,
}

impl Mailer {
    /// Reads the configuration; connects to nothing yet.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let from =
            config.mail_from.parse().with_context(|| format!("mail_from is not an address: {}", config.mail_from))?;
        let transport = config.smtp_url.as_deref().map(|url| transport(url, config)).transpose()?;
        Ok(Self { from, transport })
    }

    /// The sender that mails carry.
    pub fn from(&self) -> String {
        self.from.to_string()
    }

    /// The sender's address alone.
    pub fn address(&self) -> &str {
        self.from.email.as_ref()
    }

    /// A new mail's Message-ID, without brackets (RFC 5322, 3.6.4).
    pub fn name(&self) -> String {
        format!("{}@{}", crate::secret::token(), self.from.email.domain())
    }

    /// Sends a mail with its text and HTML parts.
    pub async fn send(&self, letter: Letter<'_>) -> Outcome {
        let Some(transport) = &self.transport else { return Outcome::Outbox };
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(letter.to)
            .subject(letter.subject)
            .message_id(Some(format!("<{}>", letter.name)));
        if let Some(answered) = letter.answers {
            let answered = format!("<{answered}>");
            message = message.in_reply_to(answered.clone()).references(answered);
        }
        let message =
            message.multipart(MultiPart::alternative_plain_html(letter.text.to_owned(), letter.html.to_owned()));
        let message = match message {
            Ok(message) => message,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        match transport.send(message).await {
            Ok(_) => Outcome::Sent,
            Err(error) => Outcome::Refused(text::causes(&error)),
        }
    }
}

fn transport(url: &str, config: &Config) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
        .map_err(|e| anyhow::anyhow!("smtp_url has a mistake: {e}"))?
        .timeout(Some(PATIENCE));
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

/// What a template may name.
pub struct Fields<'a> {
    pub number: &'a str,
    pub subject: &'a str,
    pub customer: &'a str,
    pub technician: &'a str,
    pub link: &'a str,
    pub key: &'a str,
}

/// Fills a template in. What is filled in is never read as a template again.
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
        let words = line.split(' ').map(|word| {
            let escaped = escape(word);
            if word.starts_with("https://") || word.starts_with("http://") {
                format!(r#"<a href="{escaped}" style="color:#0b57d0;word-break:break-all">{escaped}</a>"#)
            } else {
                escaped
            }
        });
        words.collect::<Vec<_>>().join(" ")
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

/// Text that is safe between tags and in quoted attributes.
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
    fn a_template_is_filled_once_and_unknown_names_stay() {
        let fields =
            Fields { number: "INC-1", subject: "{{key}}", customer: "Ada", technician: "Tom", link: "L", key: "K" };
        let filled = fill("[{{number}}] {{ subject }} {{what}} {{", &Settings::default(), &fields);
        assert_eq!(filled, "[INC-1] {{key}} {{what}} {{");
    }

    #[test]
    fn what_a_person_wrote_cannot_become_markup() {
        let html = html("Hello <script>\n\nhttps://a.example/\"><b>", "A & B");
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(html.contains("A &amp; B"));
    }
}
