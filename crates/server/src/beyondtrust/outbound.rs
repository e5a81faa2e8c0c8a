//! Outbound events, posted as a form one after the other. Only the status 200 is a success.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use live_sessions::rules::DefaultPolicy;
use platform::{clock, http_client, identity::Identity, outbound::Outbound};
use protocol::{Entry, Event, Participant, ParticipantId, Presence, Role, SessionId};
use sea_orm::{DatabaseConnection, EntityTrait};
use session::Session;
use store::tables::{IncidentSource, receiver, user};

use super::{API_VERSION, appliance, command::sessions};

use crate::{
    deliveries::{OutgoingDelivery, Receiver},
    desk::session_start::{self, EXTERNAL_KEY},
};

const BEGIN: &str = "support_conference_begin";
const END: &str = "support_conference_end";
const OWNER: &str = "support_conference_owner_changed";
const ADDED: &str = "support_conference_member_added";
const DEPARTED: &str = "support_conference_member_departed";
const SURVEY: &str = "support_conference_customer_exit_survey_completed";

/// Every event that a receiver can choose.
pub const CATALOGUE: [(&str, &str); 6] = [
    (BEGIN, "A customer joined: the session begins."),
    (END, "The session has ended, and its report is complete."),
    (OWNER, "The session has another owner."),
    (ADDED, "Somebody joined."),
    (DEPARTED, "Somebody left."),
    (SURVEY, "The customer rated the session."),
];

fn about(event: &str, who: ParticipantId) -> String {
    format!("{event}#{}", who.0)
}

/// The outbound events for an event of a timeline. `before` is the session before it.
pub fn names(before: &Session, event: &Event) -> Vec<String> {
    let there = || before.participants().iter().filter(|p| p.presence != Presence::Gone);
    let watches = |p: &Participant| p.role == Role::Supervisor;
    let helping = || there().filter(|p| p.role != Role::Customer && !watches(p));
    // In the original a supervisor is not a member of the conference.
    let watcher = |id: &ParticipantId| before.participant(*id).is_some_and(watches);
    let owner = |user: i32| before.participants().iter().find(|p| p.user == Some(user)).map(|p| p.id);
    let departed = |who: &Participant| about(DEPARTED, who.id);
    let begun = before.customer().is_some();
    match event {
        Event::Joined { id, role: Role::Customer, .. } if !begun => {
            let mut names = vec![BEGIN.into(), about(ADDED, *id)];
            names.extend(helping().map(|p| about(ADDED, p.id)));
            names.extend(owner(before.owner().id).map(|id| about(OWNER, id)));
            names
        }
        _ if !begun => vec![],
        Event::Joined { role: Role::Supervisor, .. } => vec![],
        Event::Returned { id, .. } | Event::Left { id } if watcher(id) => vec![],
        Event::Joined { id, user, .. } if *user == Some(before.owner().id) => {
            vec![about(ADDED, *id), about(OWNER, *id)]
        }
        Event::Joined { id, .. } => vec![about(ADDED, *id)],
        Event::Returned { id, .. } => {
            let gone = before.participant(*id).is_some_and(|p| p.presence == Presence::Gone);
            gone.then(|| about(ADDED, *id)).into_iter().collect()
        }
        Event::Left { id } => vec![about(DEPARTED, *id)],
        Event::Held { .. } => helping().map(departed).collect(),
        Event::Ended { .. } => there().filter(|p| !watches(p)).map(departed).collect(),
        Event::Transferred { to, .. } | Event::Inherited { to, .. } => {
            vec![owner(to.id).map_or(OWNER.into(), |id| about(OWNER, id))]
        }
        Event::Taken { by } => vec![owner(by.id).map_or(OWNER.into(), |id| about(OWNER, id))],
        // Now everything that a report contains is stored.
        Event::Stored { .. } => vec![END.into()],
        Event::Rated { .. } => vec![SURVEY.into()],
        Event::Created { .. }
        | Event::KeyIssued { .. }
        | Event::KeyRevoked { .. }
        | Event::LinkRevoked { .. }
        | Event::Dropped { .. }
        | Event::Chat { .. }
        | Event::Asked { .. }
        | Event::Granted { .. }
        | Event::Denied { .. }
        | Event::Withdrawn { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::SharingStarted { .. }
        | Event::ScreenResized { .. }
        | Event::MonitorsChanged { .. }
        | Event::InputBlocked { .. }
        | Event::SharingStopped { .. }
        | Event::SharingFailed { .. }
        | Event::RecordingFailed { .. }
        | Event::Reopened { .. }
        | Event::Queued { .. }
        | Event::QueueMoved { .. }
        | Event::RoleChanged { .. }
        | Event::SharedWith { .. }
        | Event::ExpertInvited { .. }
        | Event::ControlWanted { .. }
        | Event::ControlPassed { .. }
        | Event::Noted { .. }
        | Event::Attributed { .. }
        | Event::FileCarried { .. }
        | Event::FileFailed { .. }
        | Event::FolderMade { .. }
        | Event::FileRenamed { .. }
        | Event::FileDeleted { .. }
        | Event::FilePosted { .. }
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
        | Event::LegalHold { .. } => vec![],
    }
}

/// Receivers of the original's outbound events.
pub struct OutboundEvents {
    pub db: DatabaseConnection,
    pub policy: Arc<DefaultPolicy>,
    pub identity: Arc<Identity>,
    /// The networks that receivers may be in.
    pub outbound: Outbound,
}

impl OutboundEvents {
    /// The fields of an event.
    fn fields(&self, name: &str, id: &SessionId, entries: &[Entry], seq: u32) -> Option<Vec<(String, String)>> {
        let until = entries.iter().position(|e| e.seq == seq)? + 1;
        let session = Session::after(id.clone(), self.policy.policy(), &entries[..until]);
        let (event, who) = name.split_once('#').map_or((name, None), |(event, who)| (event, who.parse().ok()));
        let seconds = entries[until - 1].at.0 / 1_000;
        let mut fields = vec![
            ("event".to_owned(), event.to_owned()),
            ("version".into(), API_VERSION.into()),
            ("timestamp".into(), seconds.to_string()),
            ("appliance_id".into(), appliance(&self.identity)),
            ("lsid".into(), id.to_string()),
            ("external_key".into(), session_start::external_key(&session)),
        ];
        let mut say = |name: &str, value: String| fields.push((name.to_owned(), value));
        let member = who.map(ParticipantId).and_then(|who| session.participant(who));
        if let Some(member) = member {
            say("name", member.name.clone());
            say("display_name", member.name.clone());
            let customer = member.role == Role::Customer;
            say("type", if customer { "customer" } else { "representative" }.into());
            say("user_id", member.user.map_or(String::new(), |id| id.to_string()));
        } else if event == OWNER {
            say("name", session.owner().name.clone());
            say("display_name", session.owner().name.clone());
            say("user_id", session.owner().id.to_string());
        }
        if matches!(event, OWNER | ADDED | DEPARTED) {
            say("conference_name", session.incident().map(|i| i.subject.clone()).unwrap_or_default());
            say("conference_id", id.to_string());
        }
        for (name, value) in sessions::known(&entries[..until]) {
            if name != EXTERNAL_KEY {
                say(&format!("session.custom.{name}"), value.to_owned());
            }
        }
        Some(fields)
    }

    async fn post(&self, receiver: &receiver::Model, fields: &[(String, String)]) -> Result<String, String> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let answer = http_client::ask(http_client::Request {
            method: ureq::http::Method::POST,
            url: receiver.url.clone(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".into())],
            body: body.into_bytes(),
            authority: receiver.authority.clone(),
            outbound: self.outbound.clone(),
        })
        .await?;
        if answer.status == 200 { Ok(answer.words()) } else { Err(answer.words()) }
    }
}

impl Receiver for OutboundEvents {
    fn catalogue(&self) -> &'static [(&'static str, &'static str)] {
        &CATALOGUE
    }

    fn names(&self, _: &receiver::Model, before: &Session, _: IncidentSource, event: &Event) -> Vec<String> {
        names(before, event)
    }

    fn send<'a>(&'a self, what: &'a OutgoingDelivery) -> BoxFuture<'a, Result<String, String>> {
        async move {
            let fields = self.fields(&what.delivery.event, &what.session, &what.entries, what.seq());
            let mut fields = fields.ok_or("The timeline has no such entry.")?;
            // The person is also identified by user name.
            if let Some((_, user)) = fields.iter().find(|(n, _)| n == "user_id").cloned() {
                let account = user::Entity::find_by_id(user.parse::<i32>().unwrap_or_default());
                let account = account.one(&self.db).await.map_err(|e| e.to_string())?;
                fields.push(("username".into(), account.map(|u| u.login).unwrap_or_default()));
            }
            self.post(&what.receiver, &fields).await
        }
        .boxed()
    }

    fn test<'a>(&'a self, receiver: &'a receiver::Model) -> BoxFuture<'a, Result<String, String>> {
        async move {
            let fields = [
                ("event", "test".to_owned()),
                ("version", API_VERSION.into()),
                ("timestamp", (clock::now().0 / 1_000).to_string()),
                ("appliance_id", appliance(&self.identity)),
                ("lsid", String::new()),
                ("external_key", String::new()),
            ];
            self.post(receiver, &fields.map(|(n, v)| (n.to_owned(), v))).await
        }
        .boxed()
    }

    /// The original retries at a fixed interval.
    fn backs_off(&self) -> bool {
        false
    }
}
