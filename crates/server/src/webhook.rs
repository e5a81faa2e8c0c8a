//! Webhooks: Deskside's own events as JSON, signed according to Standard Webhooks 1.0.0.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{FutureExt, future::BoxFuture};
use hmac::{Hmac, Mac};
use live_sessions::rules::DefaultPolicy;
use platform::{clock, http_client, outbound::Outbound, secret};
use protocol::{Event, Timestamp};
use serde_json::{Value, json};
use session::Session;
use sha2::Sha256;
use store::tables::{IncidentSource, receiver};

use crate::{
    deliveries::{OutgoingDelivery, Receiver},
    session_view,
};

/// Every event that a webhook can subscribe to, with a description.
pub const CATALOGUE: [(&str, &str); 20] = [
    ("session.created", "A session was created for an incident."),
    ("session.key_issued", "A session key and link were issued. They are not in the event."),
    ("session.joined", "A participant joined for the first time."),
    ("session.dropped", "A participant's connection broke."),
    ("session.returned", "A participant reconnected."),
    ("session.left", "A participant left."),
    ("session.chat", "A participant sent a chat message."),
    ("session.granted", "The customer granted a right."),
    ("session.denied", "The customer denied a request."),
    ("session.withdrawn", "A right was withdrawn."),
    ("session.file", "A file was transferred or posted in the chat."),
    ("session.held", "The session was put on hold."),
    ("session.reopened", "A held session was reopened."),
    ("session.transferred", "The session has another owner."),
    ("session.queued", "The session waits for a team or for anybody."),
    ("session.attributed", "An attribute of the session was set by another system."),
    ("session.noted", "A technician added a note."),
    ("session.ended", "The session ended."),
    ("session.stored", "Transcript and recording are complete and stored."),
    ("session.rated", "The customer rated the session."),
];

/// The name of a timeline's event in webhooks, if it is sent.
pub fn name(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Created { .. } => "session.created",
        Event::KeyIssued { .. } => "session.key_issued",
        Event::Joined { .. } => "session.joined",
        Event::Dropped { .. } => "session.dropped",
        Event::Returned { .. } => "session.returned",
        Event::Left { .. } => "session.left",
        Event::Chat { .. } => "session.chat",
        Event::Granted { .. } => "session.granted",
        Event::Denied { .. } => "session.denied",
        Event::Withdrawn { .. } => "session.withdrawn",
        Event::FileCarried { .. } | Event::FilePosted { .. } => "session.file",
        Event::Held { .. } => "session.held",
        Event::Reopened { .. } => "session.reopened",
        Event::Transferred { .. } | Event::Inherited { .. } | Event::Taken { .. } => "session.transferred",
        Event::Queued { .. } => "session.queued",
        Event::Attributed { .. } => "session.attributed",
        Event::Noted { .. } => "session.noted",
        Event::Ended { .. } => "session.ended",
        Event::Stored { .. } => "session.stored",
        Event::Rated { .. } => "session.rated",
        Event::KeyRevoked { .. }
        | Event::LinkRevoked { .. }
        | Event::Asked { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::SharingStarted { .. }
        | Event::ScreenResized { .. }
        | Event::MonitorsChanged { .. }
        | Event::InputBlocked { .. }
        | Event::SharingStopped { .. }
        | Event::SharingFailed { .. }
        | Event::RecordingFailed { .. }
        | Event::QueueMoved { .. }
        | Event::RoleChanged { .. }
        | Event::SharedWith { .. }
        | Event::ExpertInvited { .. }
        | Event::ControlWanted { .. }
        | Event::ControlPassed { .. }
        | Event::FileFailed { .. }
        | Event::FolderMade { .. }
        | Event::FileRenamed { .. }
        | Event::FileDeleted { .. }
        | Event::ClipboardCarried { .. }
        | Event::ShellStarted { .. }
        | Event::ShellEnded { .. }
        | Event::SystemInfoRead { .. }
        | Event::ProcessEnded { .. }
        | Event::Restarting { .. }
        | Event::ScreenshotTaken { .. }
        | Event::Recorded { .. }
        | Event::Watched { .. }
        | Event::Exported { .. }
        | Event::LegalHold { .. } => return None,
    })
}

/// A new signing secret in the specification's format.
pub fn new_secret() -> String {
    format!("whsec_{}", STANDARD.encode(secret::random::<32>()))
}

/// The headers of a delivery.
fn headers(key: &str, id: &str, now: Timestamp, body: &str) -> Vec<(&'static str, String)> {
    let seconds = now.0 / 1_000;
    let key = STANDARD.decode(key.trim_start_matches("whsec_")).unwrap_or_else(|_| key.as_bytes().to_vec());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC accepts any key length");
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    vec![
        ("content-type", "application/json".into()),
        ("webhook-id", id.into()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))),
    ]
}

/// Receivers of Deskside's own events.
pub struct Webhooks {
    pub policy: Arc<DefaultPolicy>,
    pub public_url: String,
    /// The addresses that receivers may have.
    pub outbound: Outbound,
}

impl Webhooks {
    /// The body of a delivery: the event, and the session after it.
    fn body(&self, what: &OutgoingDelivery) -> Option<Value> {
        let until = what.entries.iter().position(|e| e.seq == what.seq())? + 1;
        let (entries, entry) = (&what.entries[..until], &what.entries[until - 1]);
        let session = session_view::shown(self.policy.policy(), &self.public_url, &what.session, entries)?;
        Some(json!({
            "type": what.delivery.event,
            "timestamp": clock::rfc3339(entry.at),
            "data": { "seq": entry.seq, "event": entry.event, "session": session },
        }))
    }

    async fn post(&self, receiver: &receiver::Model, id: &str, body: String) -> Result<String, String> {
        let answer = http_client::ask(http_client::Request {
            method: ureq::http::Method::POST,
            url: receiver.url.clone(),
            headers: headers(&receiver.secret, id, clock::now(), &body),
            body: body.into_bytes(),
            authority: receiver.authority.clone(),
            outbound: self.outbound.clone(),
        })
        .await?;
        if (200..300).contains(&answer.status) { Ok(answer.words()) } else { Err(answer.words()) }
    }
}

impl Receiver for Webhooks {
    fn catalogue(&self) -> &'static [(&'static str, &'static str)] {
        &CATALOGUE
    }

    fn names(&self, _: &receiver::Model, _: &Session, _: IncidentSource, event: &Event) -> Vec<String> {
        name(event).map(str::to_owned).into_iter().collect()
    }

    fn send<'a>(&'a self, what: &'a OutgoingDelivery) -> BoxFuture<'a, Result<String, String>> {
        async move {
            let body = self.body(what).ok_or("The timeline has no such entry.")?;
            // The same id for every attempt, so that a receiver can detect duplicates.
            self.post(&what.receiver, &format!("del_{}", what.delivery.id), body.to_string()).await
        }
        .boxed()
    }

    fn test<'a>(&'a self, receiver: &'a receiver::Model) -> BoxFuture<'a, Result<String, String>> {
        async move {
            let body = json!({ "type": "ping", "timestamp": clock::rfc3339(clock::now()), "data": {} });
            self.post(receiver, &format!("ping_{}", secret::token()), body.to_string()).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_match_the_specification() {
        // The example of the specification's reference libraries.
        let headers = headers(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp(1_614_265_330_000),
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(headers[3].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
