//! The events of a session in a report.

use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::{Direction, Entry, Event, ParticipantId, Phase, Queue, Right, Role, Timestamp};
use session::Session;

use super::{Downloadable, Source, os, shells};
use crate::{
    beyondtrust::{
        command::sessions,
        xml::{Element, element, fits, text},
    },
    desk::session_start,
};

/// The owner before somebody takes the session, and the performer of events that nobody performs.
const NOBODY: &str = "Pre-start Conference";

/// An event of a report.
#[derive(Clone, Debug)]
pub struct ReportEvent {
    pub at: Timestamp,
    /// Who performed it.
    pub by: Option<ParticipantId>,
    /// The team whose queue it concerns.
    pub team: Option<String>,
    pub element: Element,
}

impl ReportEvent {
    fn child(self, child: Element) -> Self {
        Self { element: self.element.child(child), ..self }
    }
}

impl Source<'_> {
    /// A participant as `performed_by` or `destination`.
    fn party(&self, name: &str, id: Option<ParticipantId>) -> Element {
        match id.and_then(|id| self.session.participant(id)) {
            Some(who) => text(name, &who.name).with("type", kind(who.role)).with("gsnumber", who.id.0),
            None => text(name, NOBODY).with("type", "system").with("gsnumber", 0),
        }
    }

    fn customer_id(&self) -> Option<ParticipantId> {
        self.people(Role::Customer).next().map(|c| c.id)
    }

    fn of_user(&self, user: i32) -> Option<ParticipantId> {
        self.session.participants().iter().find(|p| p.user == Some(user)).map(|p| p.id)
    }

    /// An event without a performer.
    fn bare(at: Timestamp, kind: &str, by: Option<ParticipantId>) -> ReportEvent {
        let element = element("event").with("timestamp", at.0 / 1_000).with("event_type", kind);
        ReportEvent { at, by, team: None, element }
    }

    fn event(&self, at: Timestamp, kind: &str, by: Option<ParticipantId>) -> ReportEvent {
        Self::bare(at, kind, by).child(self.party("performed_by", by))
    }

    /// The addressee of a message: the customer, or for the customer's own messages the owner.
    fn addressee(&self, from: ParticipantId) -> Option<ParticipantId> {
        match self.customer_id() {
            Some(customer) if customer == from => self.owner().map(|owner| owner.id),
            customer => customer,
        }
    }

    /// The system and addresses of a participant, as far as they are known.
    fn place(&self, who: ParticipantId) -> [(&'static str, String); 3] {
        let client = self.session.participant(who).map(|p| os(p.client));
        let unknown = || "Unknown".to_owned();
        [("os", client.map_or_else(unknown, str::to_owned)), ("private_ip", unknown()), ("public_ip", unknown())]
    }

    fn state_changed(&self, at: Timestamp, who: ParticipantId, state: &str) -> ReportEvent {
        let [os, private, public] = self.place(who);
        let values = [os, private, public, ("state", state.to_owned())];
        self.event(at, "Conference Member State Changed", Some(who)).child(data(&values))
    }

    /// `<session_details>`
    pub fn details(&self) -> Vec<ReportEvent> {
        let mut shell = 0;
        self.entries.iter().flat_map(|entry| self.detail(entry, &mut shell)).collect()
    }

    fn supervises(&self, id: ParticipantId) -> bool {
        self.session.participant(id).is_some_and(|p| p.role == Role::Supervisor)
    }

    fn detail(&self, Entry { at, event, .. }: &Entry, shell: &mut u32) -> Vec<ReportEvent> {
        let say = |kind: &str, by: Option<ParticipantId>| self.event(*at, kind, by);
        let customer = self.customer_id();
        match event {
            Event::Created { .. } => vec![
                Self::bare(*at, "Session Start", None),
                Self::bare(*at, "Conference Owner Changed", None)
                    .child(self.party("destination", None))
                    .child(data(&[("owner", NOBODY.into())])),
            ],
            Event::Joined { id, role: Role::Supervisor, .. } => {
                vec![say("Representative Monitoring Started", Some(*id))]
            }
            Event::Left { id } if self.supervises(*id) => vec![say("Representative Monitoring Stopped", Some(*id))],
            Event::Dropped { id } | Event::Returned { id, .. } if self.supervises(*id) => vec![],
            Event::Joined { id, .. } => self.joining(*at, *id),
            Event::Dropped { id } => vec![self.state_changed(*at, *id, "disconnected")],
            Event::Returned { id, .. } => vec![self.state_changed(*at, *id, "connected")],
            Event::Left { id } => vec![say("Conference Member Departed", Some(*id))],
            Event::Chat { from, text, .. } => {
                let to = self.party("destination", self.addressee(*from));
                vec![say("Chat Message", Some(*from)).child(to).child(body(text))]
            }
            Event::Granted { by, rights } => {
                let to = self.owner().map(|o| o.name.clone()).unwrap_or_default();
                let allowed = rights.iter().map(|right| {
                    let values = [
                        ("granted_to", to.clone()),
                        ("level", "allow".to_owned()),
                        ("service", service(*right).to_owned()),
                    ];
                    say("Service Access Allowed", Some(*by)).child(data(&values))
                });
                allowed.collect()
            }
            Event::SharingStarted { recorded: true, .. } => vec![say("Screen Recording", customer)],
            Event::ShellStarted { by, number } if shells(self.entries).contains(number) => {
                let kept = Downloadable::Shell(*shell);
                let values = [
                    ("instance", shell.to_string()),
                    ("download_url", (self.link)(kept, false)),
                    ("view_url", (self.link)(kept, true)),
                ];
                *shell += 1;
                vec![say("Command Shell Session Started", Some(*by)).child(data(&values))]
            }
            Event::ShellStarted { by, .. } => vec![say("Command Shell Session Started", Some(*by))],
            Event::SystemInfoRead { by, .. } => vec![say("System Information Retrieved", Some(*by))],
            Event::ScreenshotTaken { by, .. } => vec![say("Screenshot Captured", Some(*by))],
            Event::Transferred { to, .. } | Event::Inherited { to, .. } => vec![self.owned(*at, to)],
            Event::Taken { by } => {
                vec![say("Session Transferred Away from Queue", self.of_user(by.id)), self.owned(*at, by)]
            }
            Event::Queued { queue, .. } => {
                let (name, team) = match queue {
                    Queue::Team { team } => (team.clone(), Some(team.clone())),
                    Queue::General => ("General".into(), None),
                    Queue::Own => (self.session.owner().name.clone(), None),
                };
                let priority = self.session.attributes().iter().find(|(n, _)| n == sessions::PRIORITY);
                let priority = priority.map_or("2".to_owned(), |(_, v)| v.clone());
                let event = say("Session Transferred to Queue", None).child(body(&name));
                vec![ReportEvent { team, ..event.child(data(&[("priority", priority)])) }]
            }
            Event::Noted { by, text } => {
                vec![say("Session Note Added", self.of_user(by.id)).child(body(text))]
            }
            Event::Attributed { name, value, .. } if name == session_start::EXTERNAL_KEY => {
                vec![say("External Key", None).child(body(value))]
            }
            Event::Rated { stars, .. } => {
                vec![say("Customer Exit Survey", customer).child(data(&[("rating", stars.to_string())]))]
            }
            Event::Ended { .. } => self.over(*at),
            event => self.file(*at, event).into_iter().collect(),
        }
    }

    /// Events about files.
    fn file(&self, at: Timestamp, event: &Event) -> Option<ReportEvent> {
        let customer = self.customer_id();
        let say = |kind: &str, by: Option<ParticipantId>| self.event(at, kind, by);
        Some(match event {
            Event::FileCarried { by, way, path, bytes, .. } => {
                let (kind, from, to) = direction(*way, *by, customer, "File Upload", "File Download");
                let (name, values) = (last(path), [("path", path.clone())]);
                let event = ReportEvent { by: Some(*by), ..say(kind, from).child(self.party("destination", to)) };
                event.child(text("filename", name)).child(text("filesize", bytes)).child(data(&values))
            }
            Event::FileFailed { by, way, path, reason } => {
                let (kind, from, to) = direction(*way, *by, customer, "File Upload Failed", "File Download Failed");
                let event = say(kind, from).child(self.party("destination", to)).child(body(reason));
                let event = ReportEvent { by: Some(*by), ..event };
                event.child(text("filename", last(path))).child(data(&[("path", path.clone())]))
            }
            Event::FolderMade { by, path } => {
                say("Directory Created", Some(*by)).child(data(&[("path", path.clone())]))
            }
            Event::FileRenamed { by, from, to } => {
                let values = [("old_path", from.clone()), ("new_path", to.clone())];
                say("File Moved", Some(*by)).child(data(&values))
            }
            Event::FileDeleted { by, path } => {
                let event = say("File Deleted", Some(*by)).child(text("filename", last(path)));
                event.child(data(&[("path", path.clone())]))
            }
            Event::FilePosted { from, name, bytes, .. } => {
                let file = element("file").child(text("filename", name)).child(text("filesize", bytes));
                say("Files Shared", Some(*from)).child(element("files").child(file))
            }
            Event::Created { .. }
            | Event::KeyIssued { .. }
            | Event::KeyRevoked { .. }
            | Event::LinkRevoked { .. }
            | Event::Joined { .. }
            | Event::Dropped { .. }
            | Event::Returned { .. }
            | Event::Left { .. }
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
            | Event::Held { .. }
            | Event::Reopened { .. }
            | Event::Transferred { .. }
            | Event::Queued { .. }
            | Event::QueueMoved { .. }
            | Event::Taken { .. }
            | Event::Inherited { .. }
            | Event::RoleChanged { .. }
            | Event::SharedWith { .. }
            | Event::ExpertInvited { .. }
            | Event::ControlWanted { .. }
            | Event::ControlPassed { .. }
            | Event::Noted { .. }
            | Event::Attributed { .. }
            | Event::ClipboardCarried { .. }
            | Event::ShellStarted { .. }
            | Event::ShellEnded { .. }
            | Event::SystemInfoRead { .. }
            | Event::ProcessEnded { .. }
            | Event::Restarting { .. }
            | Event::ScreenshotTaken { .. }
            | Event::Rated { .. }
            | Event::Ended { .. }
            | Event::Recorded { .. }
            | Event::Stored { .. }
            | Event::Watched { .. }
            | Event::Exported { .. }
            | Event::LegalHold { .. } => return None,
        })
    }

    fn joining(&self, at: Timestamp, id: ParticipantId) -> Vec<ReportEvent> {
        let Some(who) = self.session.participant(id) else { return vec![] };
        let user = who.user.and_then(|id| self.users.get(&id));
        let values = [
            ("private_name", who.name.clone()),
            ("public_name", who.name.clone()),
            ("username", user.map_or(String::new(), |u| u.login.clone())),
            ("private_ip", "Unknown".into()),
            ("public_ip", "Unknown".into()),
            ("hostname", "Unknown".into()),
            ("os", os(who.client).into()),
            ("support_teams", user.map_or(String::new(), |u| self.teams.of(u.team).to_owned())),
            ("user_id", who.user.map_or(String::new(), |id| id.to_string())),
        ];
        let added = self.event(at, "Conference Member Added", Some(id)).child(data(&values));
        let connected = self.state_changed(at, id, "connected");
        let first = who.role == Role::Technician && self.people(Role::Technician).next().is_some_and(|p| p.id == id);
        if first {
            let owner = protocol::UserRef { id: who.user.unwrap_or_default(), name: who.name.clone() };
            vec![added, connected, self.owned(at, &owner)]
        } else {
            vec![added, connected]
        }
    }

    fn owned(&self, at: Timestamp, to: &protocol::UserRef) -> ReportEvent {
        let who = self.of_user(to.id);
        let owner = who.map_or_else(|| to.name.clone(), |id| id.0.to_string());
        let destination = match who {
            Some(_) => self.party("destination", who),
            // The owner has not joined yet.
            None => text("destination", &to.name).with("type", "representative"),
        };
        Self::bare(at, "Conference Owner Changed", who).child(destination).child(data(&[("owner", owner)]))
    }

    /// Everybody who is still present departs, and then the session ends.
    fn over(&self, at: Timestamp) -> Vec<ReportEvent> {
        let mut before = Session::new(self.id.clone(), session::Policy::default());
        for entry in self.entries.iter().take_while(|e| !matches!(e.event, Event::Ended { .. })) {
            before.apply(entry.at, &entry.event);
        }
        let there = before
            .participants()
            .iter()
            .filter(|p| p.presence != protocol::Presence::Gone && !matches!(before.phase(), Phase::Ended { .. }));
        let how = |p: &protocol::Participant| match p.role {
            Role::Supervisor => "Representative Monitoring Stopped",
            Role::Technician | Role::Expert | Role::Customer => "Conference Member Departed",
        };
        let departed = there.map(|p| self.event(at, how(p), Some(p.id)));
        departed.chain([self.event(at, "Session End", None)]).collect()
    }
}

fn kind(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Technician | Role::Expert | Role::Supervisor => "representative",
    }
}

fn service(right: Right) -> &'static str {
    match right {
        Right::View => "Screen Sharing",
        Right::Control => "Remote Control",
        Right::Files => "File Transfer",
        Right::Clipboard => "Clipboard",
        Right::Shell => "Command Shell",
        Right::SystemInfo => "System Information",
        Right::Restart => "Reboot",
        Right::Elevate => "Elevation",
    }
}

/// An upload is performed by the technician, a download by the customer.
fn direction(
    way: Direction,
    by: ParticipantId,
    customer: Option<ParticipantId>,
    up: &'static str,
    down: &'static str,
) -> (&'static str, Option<ParticipantId>, Option<ParticipantId>) {
    match way {
        Direction::ToCustomer => (up, Some(by), customer),
        Direction::FromCustomer => (down, customer, Some(by)),
    }
}

fn last(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// A text that somebody wrote; base64 if XML cannot represent it.
fn body(message: &str) -> Element {
    if fits(message) { text("body", message) } else { text("encoded_body", STANDARD.encode(message)) }
}

fn data(values: &[(&str, String)]) -> Element {
    let value = |(name, value): &(&str, String)| element("value").with("name", name).with("value", value);
    element("data").children(values.iter().map(value))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use protocol::SessionId;
    use store::teams::TeamNames;

    use super::*;

    #[test]
    fn a_file_in_the_chat_is_reported_as_shared() {
        let id = SessionId::try_from("0123456789abcdef0123456789abcdef".to_owned()).unwrap();
        let session = Session::new(id.clone(), session::Policy::default());
        let (users, teams, link) = (HashMap::new(), TeamNames::default(), |_, _| String::new());
        let now = Timestamp(0);
        let source = Source {
            id: &id,
            lseq: 1,
            entries: &[],
            session: &session,
            users: &users,
            teams: &teams,
            now,
            link: &link,
            access: false,
        };
        let event = Event::FilePosted {
            from: ParticipantId(1),
            number: 1,
            name: "a.txt".into(),
            bytes: 5,
            sha256: String::new(),
        };
        let document = source.file(now, &event).unwrap().element.document("n");
        assert!(document.contains(r#"event_type="Files Shared""#), "{document}");
    }
}
