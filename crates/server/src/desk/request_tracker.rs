//! Request Tracker 5 through its REST 2 API.

use futures::{FutureExt, future::BoxFuture};
use platform::{
    http_client::{self, Answer},
    outbound::Outbound,
};
use serde_json::{Value, json};
use session::Voice;
use store::tables::receiver;
use ureq::http::Method;

use super::{Desk, Entry, Status, Ticket};

use crate::mail::escape;

/// How many pages of a ticket's history are searched for a mark.
const MOST_PAGES: u32 = 50;

/// A Request Tracker server.
pub struct RequestTracker {
    url: String,
    token: String,
    authority: String,
    outbound: Outbound,
}

impl RequestTracker {
    /// The server that an administrator has configured as a receiver.
    pub fn new(outbound: &Outbound, receiver: &receiver::Model) -> Self {
        let url = receiver.url.trim_end_matches('/').to_owned();
        let (authority, outbound) = (receiver.authority.clone(), outbound.clone());
        Self { url, token: receiver.secret.clone(), authority, outbound }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, String> {
        let answer = http_client::ask(http_client::Request {
            method,
            url: format!("{}/REST/2.0/{path}", self.url),
            headers: vec![
                ("authorization", format!("token {}", self.token)),
                ("content-type", "application/json".into()),
                ("accept", "application/json".into()),
            ],
            body: body.map(|b| b.to_string().into_bytes()).unwrap_or_default(),
            authority: self.authority.clone(),
            outbound: self.outbound.clone(),
        })
        .await?;
        match answer.status {
            200..=299 => Ok(answer),
            401 | 403 => Err(format!("Request Tracker does not let this token do that ({}).", answer.status)),
            404 => Err("Request Tracker has no such ticket.".into()),
            300..=399 => Err("Request Tracker is at another address: it redirects.".into()),
            _ => Err(format!("Request Tracker answered {}.", answer.words())),
        }
    }

    async fn json(&self, path: &str) -> Result<Value, String> {
        let answer = self.send(Method::GET, path, None).await?;
        serde_json::from_str(&answer.text).map_err(|_| "This is not Request Tracker's REST 2 API.".into())
    }

    /// Whether the ticket's history has an entry with this mark in its subject.
    async fn has(&self, ticket: &str, mark: &str) -> Result<bool, String> {
        for page in 1..=MOST_PAGES {
            let found = self.json(&format!("ticket/{ticket}/history?fields=Data&per_page=100&page={page}")).await?;
            let items = found["items"].as_array().cloned().unwrap_or_default();
            if items.iter().any(|i| i["Data"].as_str().is_some_and(|subject| subject.contains(mark))) {
                return Ok(true);
            }
            if found["pages"].as_u64().is_none_or(|pages| u64::from(page) >= pages) {
                break;
            }
        }
        Ok(false)
    }

    async fn post(
        &self,
        ticket: &str,
        how: &str,
        subject: &str,
        kind: &str,
        content: String,
    ) -> Result<String, String> {
        let body = json!({ "Subject": subject, "ContentType": kind, "Content": content });
        Ok(self.send(Method::POST, &format!("ticket/{ticket}/{how}"), Some(body)).await?.words())
    }
}

/// How many tickets are queried at a time.
const PAGE: usize = 50;

/// Maps the statuses of RT's default life cycle; custom statuses have no equivalent.
fn status(word: &str) -> Option<Status> {
    Some(match word {
        "new" => Status::New,
        "open" => Status::InProgress,
        "stalled" => Status::Waiting,
        "resolved" | "rejected" | "deleted" => Status::Resolved,
        _ => return None,
    })
}

/// Checks that a ticket is a number, because it becomes part of a URL.
fn number(ticket: &str) -> Result<&str, String> {
    let good = !ticket.is_empty() && ticket.len() <= 12 && ticket.bytes().all(|b| b.is_ascii_digit());
    if good { Ok(ticket) } else { Err("A ticket of Request Tracker is a number.".into()) }
}

impl Desk for RequestTracker {
    fn find<'a>(&'a self, ticket: &'a str) -> BoxFuture<'a, Result<Ticket, String>> {
        async move {
            let found = self.json(&format!("ticket/{}", number(ticket)?)).await?;
            let requestor = found["Requestor"][0]["id"].as_str().unwrap_or_default().to_owned();
            let (mut customer, mut email) = (requestor.clone(), requestor.clone());
            if !requestor.is_empty() {
                let path: String = url::form_urlencoded::byte_serialize(requestor.as_bytes()).collect();
                let user = self.json(&format!("user/{path}")).await?;
                let text = |field: &str| user[field].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
                email = text("EmailAddress").unwrap_or(email);
                customer = text("RealName").unwrap_or(customer);
            }
            let subject = found["Subject"].as_str().unwrap_or_default().to_owned();
            let status = status(found["Status"].as_str().unwrap_or_default());
            Ok(Ticket { subject, description: String::new(), customer, email, status })
        }
        .boxed()
    }

    fn changed<'a>(&'a self, tickets: &'a [String]) -> BoxFuture<'a, Result<Vec<(String, String)>, String>> {
        async move {
            let mut all = Vec::new();
            for some in tickets.chunks(PAGE) {
                // Only numbers become part of the TicketSQL query.
                let some: Vec<String> =
                    some.iter().filter_map(|t| number(t).ok()).map(|n| format!("id = {n}")).collect();
                let query: String = url::form_urlencoded::byte_serialize(some.join(" OR ").as_bytes()).collect();
                let path = format!("tickets?query={query}&fields=LastUpdated&per_page={PAGE}");
                let found = self.json(&path).await?;
                let items = found["items"].as_array().cloned().unwrap_or_default();
                all.extend(items.iter().filter_map(|i| {
                    let id = i["id"].as_str().map(str::to_owned).or_else(|| i["id"].as_u64().map(|n| n.to_string()));
                    Some((id?, i["LastUpdated"].as_str()?.to_owned()))
                }));
            }
            Ok(all)
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        ticket: &'a str,
        entry: &'a Entry,
        mark: &'a str,
        again: bool,
    ) -> BoxFuture<'a, Result<String, String>> {
        async move {
            let ticket = number(ticket)?;
            if again && self.has(ticket, mark).await? {
                return Ok("It was written before.".into());
            }
            let subject = format!("Remote support {mark}");
            self.post(ticket, "comment", &subject, "text/html", html(entry)).await
        }
        .boxed()
    }

    fn mail<'a>(
        &'a self,
        ticket: &'a str,
        subject: &'a str,
        text: &'a str,
    ) -> Option<BoxFuture<'a, Result<String, String>>> {
        let send = async move {
            let text = text.to_owned();
            self.post(number(ticket)?, "correspond", subject, "text/plain", text).await
        };
        Some(send.boxed())
    }

    fn test(&self) -> BoxFuture<'_, Result<String, String>> {
        async move {
            let about = self.json("rt").await?;
            let version = about["Version"].as_str().ok_or("This is not Request Tracker's REST 2 API.")?;
            let queues = self.json("queues/all").await?;
            let count = queues["total"].as_u64().unwrap_or_default();
            let queues = if count == 1 { "queue" } else { "queues" };
            Ok(format!("Request Tracker {version} answers; this token sees {count} {queues}."))
        }
        .boxed()
    }
}

/// The HTML of a journal entry.
fn html(entry: &Entry) -> String {
    let line = |text: &str| format!("<p>{}</p>", escape(text));
    match entry {
        Entry::Started { by, .. } => line(&format!("Remote support: {by} has created a support session.")),
        Entry::Happened { title, lines, .. } => {
            let said = lines.iter().map(|l| {
                let who = match l.voice {
                    Voice::System => String::new(),
                    Voice::Technician | Voice::Customer => format!("<b>{}:</b> ", escape(&l.who)),
                };
                format!("<li>{who}{}</li>", escape(&l.text))
            });
            let said: String = said.collect();
            let list = if said.is_empty() { said } else { format!("<ul>{said}</ul>") };
            format!("{list}<p><b>Remote support:</b> {}</p>", escape(title))
        }
        Entry::History { history, transcript, video, .. } => {
            let utc = |at| escape(&evidence::transcript::utc(at));
            let minutes = |ms: u64| format!("{} min {} s", ms / 60_000, ms / 1_000 % 60);
            let rows = [
                ("Technician", escape(&history.technicians.join(", "))),
                ("Customer", escape(&history.customer)),
                ("Start", utc(history.started)),
                ("End", history.ended.map(utc).unwrap_or_default()),
                ("Duration", history.ended.map(|end| minutes(end.since(history.started))).unwrap_or_default()),
                ("How it ended", escape(&history.ending)),
                ("Messages", history.messages.to_string()),
                ("Permissions given", history.grants.to_string()),
                ("Files", history.files.to_string()),
            ];
            let rows: String = rows
                .into_iter()
                .map(|(name, text)| format!("<tr><td><b>{name}</b></td><td>{text}</td></tr>"))
                .collect();
            let video = match video {
                Some(link) => format!("<a href=\"{}\">Video</a>", escape(link)),
                None => "no screen was shared: there is no video".into(),
            };
            format!(
                "<h3>Remote support history: <span style=\"color:#d97706\">linked</span></h3><table>{rows}</table>\
                 <p><a href=\"{}\">Transcript</a> · {video}</p>",
                escape(transcript)
            )
        }
        Entry::Mail { to, subject, text, by, .. } => {
            let lines: Vec<String> = text.lines().map(escape).collect();
            format!(
                "<p>{} sent a mail to {}: <b>{}</b></p><p>{}</p>",
                escape(by),
                escape(to),
                escape(subject),
                lines.join("<br>")
            )
        }
        Entry::Screenshot { by, .. } => line(&format!("{by} took a screenshot of the customer's screen.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_becomes_part_of_a_url() {
        assert_eq!(number("17"), Ok("17"));
        for bad in ["", "1/../../user", "1?x", "abc", "1234567890123", "１"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn user_text_is_escaped() {
        let line = session::TranscriptLine {
            seq: 2,
            at: protocol::Timestamp(0),
            voice: Voice::Customer,
            who: "<b>Ada".into(),
            text: "<script>".into(),
        };
        let html = html(&Entry::Happened { title: "<i>".into(), lines: vec![line] });
        let expected = "<ul><li><b>&lt;b&gt;Ada:</b> &lt;script&gt;</li></ul><p><b>Remote support:</b> &lt;i&gt;</p>";
        assert_eq!(html, expected);
    }
}
