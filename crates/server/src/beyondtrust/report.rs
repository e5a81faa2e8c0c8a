//! A session in a report. Everything is derived from the timeline.

mod details;

pub use details::ReportEvent;

use std::collections::HashMap;

use protocol::{Client, Entry, Event, Participant, ParticipantId, Role, SessionId, Timestamp};
use session::Session;
use store::{tables::user, teams::TeamNames};

use super::{
    command::{iso, sessions},
    presence::PresenceChange,
    xml::{Element, element, text},
};

use crate::desk::session_start;

/// The data of a report.
pub struct Source<'a> {
    pub id: &'a SessionId,
    /// The session's number in this installation.
    pub lseq: i64,
    pub entries: &'a [Entry],
    /// The session after all events.
    pub session: &'a Session,
    pub users: &'a HashMap<i32, user::Model>,
    pub teams: &'a TeamNames,
    pub now: Timestamp,
    /// Returns the address of a download; the flag selects viewing.
    pub link: &'a dyn Fn(Downloadable, bool) -> String,
    /// Whether it is an `Access…` report, whose readers require a jump group and a jumpoint.
    pub access: bool,
}

/// A file of a session that can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downloadable {
    Chat,
    Recording,
    /// A command shell, counted from 0.
    Shell(u32),
}

/// A time as text and as a number.
fn time(name: &str, at: Timestamp) -> Element {
    text(name, iso(at.0)).with("timestamp", at.0 / 1_000)
}

/// `HH:MM:SS`
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// When the session began in the original's terms: when the customer joined. Before that there is only a key.
pub fn began(entries: &[Entry]) -> Option<Timestamp> {
    let joining = |e: &&Entry| matches!(e.event, Event::Joined { role: Role::Customer, .. });
    entries.iter().find(joining).map(|e| e.at)
}

/// When it ended, if it has.
pub fn ended(entries: &[Entry]) -> Option<Timestamp> {
    entries.iter().find(|e| matches!(e.event, Event::Ended { .. })).map(|e| e.at)
}

/// Whether its video is stored.
pub fn recorded(entries: &[Entry]) -> bool {
    entries.iter().any(|e| matches!(e.event, Event::Stored { recording_bytes: Some(_), .. }))
}

/// The numbers of the command shells with a recording, in order.
pub fn shells(entries: &[Entry]) -> Vec<u32> {
    let ended = |n: u32| {
        entries
            .iter()
            .any(|e| matches!(&e.event, Event::ShellEnded { number, sha256 } if *number == n && !sha256.is_empty()))
    };
    let started = entries.iter().filter_map(|e| {
        let Event::ShellStarted { number, .. } = e.event else { return None };
        Some(number)
    });
    started.filter(|n| ended(*n)).collect()
}

impl Source<'_> {
    fn people(&self, role: Role) -> impl Iterator<Item = &Participant> {
        self.session.participants().iter().filter(move |p| p.role == role)
    }

    /// The representatives: technicians, and experts as invited ones.
    fn reps(&self) -> impl Iterator<Item = &Participant> {
        self.session.participants().iter().filter(|p| !matches!(p.role, Role::Customer | Role::Supervisor))
    }

    fn owner(&self) -> Option<&Participant> {
        let owner = self.session.owner().id;
        self.people(Role::Technician).find(|p| p.user == Some(owner)).or_else(|| self.people(Role::Technician).next())
    }

    fn start(&self) -> Timestamp {
        began(self.entries).or(self.entries.first().map(|e| e.at)).unwrap_or_default()
    }

    fn count(&self, fits: impl Fn(&Event) -> bool) -> usize {
        self.entries.iter().filter(|e| fits(&e.event)).count()
    }

    /// `<session>`
    pub fn session(&self) -> Element {
        let start = self.start();
        let end = ended(self.entries);
        let attributes = sessions::custom_of(self.entries);
        let both = |view: &str, download: &str, kept: Downloadable| {
            [text(view, (self.link)(kept, true)), text(download, (self.link)(kept, false))]
        };
        let mut session = element("session")
            .with("lsid", self.id)
            .child(text("session_type", "support"))
            .child(text("lseq", self.lseq))
            .child(time("start_time", start))
            .children(end.map(|end| time("end_time", end)))
            .child(text("duration", duration(end.unwrap_or(self.now).since(start))))
            .child(text("public_site", "Default").with("id", 1))
            .children(self.access.then(|| text("jumpoint", "").with("id", -1)))
            // For a session of the built-in service desk this is the incident's number.
            .child(text("external_key", session_start::external_key(self.session)))
            .child(element("custom_attributes").children(attributes))
            .children(both("session_chat_view_url", "session_chat_download_url", Downloadable::Chat));
        if recorded(self.entries) {
            session = session.children(both(
                "session_recording_view_url",
                "session_recording_download_url",
                Downloadable::Recording,
            ));
        }
        let shells = shells(self.entries);
        if !shells.is_empty() {
            let shell = |n: usize| {
                let kept = Downloadable::Shell(u32::try_from(n).unwrap_or(u32::MAX));
                element("command_shell_recording")
                    .with("instance", n)
                    .child(text("download_url", (self.link)(kept, false)))
                    .child(text("view_url", (self.link)(kept, true)))
            };
            session = session.child(element("command_shell_recordings").children((0..shells.len()).map(shell)));
        }
        let carried = |e: &Event| matches!(e, Event::FileCarried { .. } | Event::FilePosted { .. });
        session = session
            .child(text("file_transfer_count", self.count(carried)))
            .child(text("file_move_count", self.count(|e| matches!(e, Event::FileRenamed { .. }))))
            .child(text("file_delete_count", self.count(|e| matches!(e, Event::FileDeleted { .. }))))
            .children(
                self.people(Role::Customer).next().map(|c| text("primary_customer", &c.name).with("gsnumber", c.id.0)),
            );
        if self.access {
            session = session.child(text("jump_group", "Support").with("type", "shared").with("id", 1));
        }
        if let Some(owner) = self.owner() {
            let joined = self.joined(owner.id).unwrap_or(start);
            session = session
                .child(
                    text("primary_rep", &owner.name)
                        .with("gsnumber", owner.id.0)
                        .with("id", owner.user.unwrap_or_default()),
                )
                .child(time("rep_join_time", joined));
        }
        session
            .children(self.teams())
            .child(element("customer_list").children(self.people(Role::Customer).map(|c| self.customer(c))))
            .child(element("rep_list").children(self.reps().map(|r| self.rep(r, end))))
            .children(self.survey_list())
            .child(element("session_details").children(self.details().into_iter().map(|reported| reported.element)))
    }

    fn joined(&self, who: ParticipantId) -> Option<Timestamp> {
        let joining = |e: &&Entry| matches!(&e.event, Event::Joined { id, .. } if *id == who);
        self.entries.iter().find(joining).map(|e| e.at)
    }

    fn teams(&self) -> Option<Element> {
        let mut teams: Vec<&str> = self
            .people(Role::Technician)
            .filter_map(|p| self.users.get(&p.user?).map(|u| self.teams.of(u.team)))
            .filter(|t| !t.is_empty())
            .collect();
        teams.sort_unstable();
        teams.dedup();
        (!teams.is_empty()).then(|| element("team_list").children(teams.into_iter().map(|t| text("team", t))))
    }

    fn customer(&self, who: &Participant) -> Element {
        let incident = self.session.incident();
        let attribute = |name: &str| {
            let known = self.session.attributes().iter().find(|(n, _)| n == name);
            known.map_or(String::new(), |(_, v)| v.clone())
        };
        // Older sessions have these among the custom attributes.
        let standard = |name: &str, before: &str| {
            Some(attribute(name)).filter(|v| !v.is_empty()).unwrap_or_else(|| attribute(before))
        };
        let info = element("info")
            .child(text("name", &who.name))
            .child(text("company", standard(sessions::COMPANY, "company")))
            .child(text("company_code", standard(sessions::COMPANY_CODE, "company_code")))
            .child(text("issue", incident.map(|i| i.subject.clone()).unwrap_or_default()))
            .child(text("details", standard(sessions::DETAILS, "details")));
        element("customer")
            .with("gsnumber", who.id.0)
            .child(text("username", &who.name))
            .child(text("public_ip", "Unknown"))
            .child(text("private_ip", "Unknown"))
            .child(text("hostname", "Unknown"))
            .child(text("os", os(who.client)))
            .child(text("primary_cust", 1))
            .child(info)
    }

    fn rep(&self, who: &Participant, end: Option<Timestamp>) -> Element {
        let user = who.user.and_then(|id| self.users.get(&id));
        let owner = self.owner().is_some_and(|o| o.id == who.id);
        let rep = element("representative").with("gsnumber", who.id.0).with("id", who.user.unwrap_or_default());
        let rep = rep
            .child(text("username", user.map_or(who.name.as_str(), |u| u.login.as_str())))
            .child(text("display_name", &who.name))
            .child(text("public_display_name", &who.name))
            .child(text("private_display_name", &who.name))
            .child(text("public_ip", "Unknown"))
            .child(text("private_ip", "Unknown"))
            .child(text("os", os(who.client)))
            .child(text("session_owner", u8::from(owner)))
            .child(text("seconds_involved", self.seconds(who.id, end)));
        let rep = if owner { rep.child(text("primary_rep", 1)) } else { rep };
        if who.role == Role::Expert { rep.child(text("invited", 1)) } else { rep }
    }

    /// How long somebody was connected, without interruptions and holds.
    fn seconds(&self, who: ParticipantId, end: Option<Timestamp>) -> u64 {
        let (mut total, mut since) = (0, None);
        for entry in self.entries {
            match PresenceChange::of(&entry.event) {
                Some(PresenceChange::Joined(id) | PresenceChange::Returned(id)) if id == who => {
                    since = since.or(Some(entry.at));
                }
                Some(PresenceChange::Left(id) | PresenceChange::Dropped(id)) if id == who => {
                    total += since.take().map_or(0, |s| entry.at.since(s));
                }
                Some(PresenceChange::Interrupted) => total += since.take().map_or(0, |s| entry.at.since(s)),
                // Somebody else, or an event about something else.
                Some(_) | None => {}
            }
        }
        let now = end.unwrap_or(self.now);
        (total + since.map_or(0, |s| now.since(s))) / 1_000
    }

    fn survey_list(&self) -> Option<Element> {
        self.entries.iter().any(|e| matches!(e.event, Event::Rated { .. })).then(|| {
            let customer = self.people(Role::Customer).next().map_or(0, |c| c.id.0);
            element("cust_survey_list").child(element("cust_exit_survey").with("gsnumber", customer))
        })
    }
}

fn os(client: Client) -> &'static str {
    match client {
        Client::Program => "Linux® (x64)",
        Client::WindowsProgram | Client::WindowsAdministrator => "Windows® (x64)",
        Client::Browser | Client::Console => "Web",
    }
}

/// `<exit_survey>` of the customer.
pub fn customer_survey(source: &Source<'_>) -> Option<Element> {
    let rated = source.entries.iter().find(|e| matches!(e.event, Event::Rated { .. }))?;
    let Event::Rated { stars, comment } = &rated.event else { return None };
    let question = |id: u32, kind: &str, name: &str, label: &str, answer: String| {
        element("question")
            .with("id", id)
            .child(text("type", kind))
            .child(text("name", name))
            .child(text("label", label))
            .child(text("report_header", label))
            .child(element("answer_list").child(text("answer", answer)))
    };
    let customer = source.people(Role::Customer).next();
    let primary = |name: &str, who: Option<&Participant>| who.map(|w| text(name, &w.name).with("gsnumber", w.id.0));
    Some(
        element("exit_survey")
            .with("lsid", source.id)
            .with("ts", rated.at.0 / 1_000)
            .child(text("submitted_by", customer.map_or("", |c| c.name.as_str())).with("type", "customer"))
            .children(primary("primary_rep", source.owner()))
            .children(primary("primary_customer", customer))
            .child(element("rep_list").children(source.reps().map(|r| {
                text("representative", &r.name).with("gsnumber", r.id.0).with("id", r.user.unwrap_or_default())
            })))
            .child(
                element("question_list")
                    .child(question(1, "radio", "rating", "Rating", stars.to_string()))
                    .child(question(2, "textarea", "comments", "Comments", comment.clone())),
            ),
    )
}
