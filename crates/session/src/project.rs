//! Derives texts from a timeline: the transcript and the journal's history.

use protocol::{
    Client, ClipboardKind, Direction, Ending, Entry, Event, ParticipantId, Pause, Queue, Right, Role, Timestamp,
    WhyInherited, WhyWithdrawn,
    file_name::{shown, shown_text},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Policy;

/// Who speaks in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Voice {
    /// A technician.
    Technician,
    /// The customer.
    Customer,
    /// Nobody: something happened.
    System,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TranscriptLine {
    /// The timeline entry that it was derived from.
    pub seq: u32,
    /// When.
    pub at: Timestamp,
    /// Who speaks.
    pub voice: Voice,
    /// The speaker's name; empty for what happened.
    pub who: String,
    /// The text.
    pub text: String,
}

/// A session in numbers, for the journal of its incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct History {
    /// Everybody who helped.
    pub technicians: Vec<String>,
    /// Who was helped.
    pub customer: String,
    /// When the session was created.
    pub started: Timestamp,
    /// When it ended; `None` before.
    pub ended: Option<Timestamp>,
    /// How it ended, in words.
    pub ending: String,
    /// Chat messages.
    pub messages: u32,
    /// How often the customer allowed something.
    pub grants: u32,
    /// How often the customer refused.
    pub denials: u32,
    /// How often the session was put on hold.
    pub holds: u32,
    /// Files transferred in either direction or posted in the chat.
    pub files: u32,
    /// Command shells that were opened.
    pub shells: u32,
    /// The customer's rating, 1 to 5 stars.
    pub rating: Option<u8>,
    /// The customer's comment on it.
    pub comment: String,
    /// Milliseconds during which a screen was shared.
    pub shared_ms: u32,
    /// Whether transcript and recording are complete and stored.
    pub stored: bool,
    /// The size of the stored recording in bytes; `None` without sharing.
    #[ts(type = "number | null")]
    pub recording_bytes: Option<u64>,
}

/// How a session ended, in words.
pub fn ending_words(how: Ending) -> &'static str {
    match how {
        Ending::Closed => "closed by the technician",
        Ending::CustomerLeft => "the customer left",
        Ending::CustomerLost => "the customer's connection was lost",
        Ending::NeverJoined => "nobody joined before key and link ran out",
        Ending::HoldExpired => "on hold for longer than the limit",
        Ending::NotRecorded => "it could not be recorded",
    }
}

/// The transcript of a timeline, one line for each entry that people care about.
pub fn transcript(entries: &[Entry]) -> Vec<TranscriptLine> {
    let mut names: Vec<(ParticipantId, Role, String)> = Vec::new();
    entries
        .iter()
        .filter_map(|entry| {
            if let Event::Joined { id, role, name, .. } = &entry.event {
                names.push((*id, *role, shown(name)));
            }
            let (voice, who, text) = line(&names, &entry.event)?;
            Some(TranscriptLine { seq: entry.seq, at: entry.at, voice, who, text })
        })
        .collect()
}

fn line(names: &[(ParticipantId, Role, String)], event: &Event) -> Option<(Voice, String, String)> {
    let name = |id: &ParticipantId| names.iter().find(|(n, ..)| n == id).map_or("somebody", |(_, _, n)| n.as_str());
    let watches = |id: &ParticipantId| names.iter().any(|(n, role, _)| n == id && *role == Role::Supervisor);
    let rights = |rights: &[Right]| rights_text(rights);
    let text = match event {
        Event::Chat { from, text, .. } => {
            let voice = match names.iter().find(|(n, ..)| n == from) {
                Some((_, Role::Technician | Role::Expert | Role::Supervisor, _)) => Voice::Technician,
                Some((_, Role::Customer, _)) | None => Voice::Customer,
            };
            return Some((voice, name(from).to_owned(), shown_text(text)));
        }
        Event::Created { incident, owner, rules, .. } => {
            let began = format!("{} started a session for {} ({})", owner.name, incident.number, incident.subject);
            match rules.as_ref().filter(|r| r.name != Policy::DEFAULT) {
                Some(rules) => format!("{began} by the policy {}", rules.name),
                None => began,
            }
        }
        Event::KeyIssued { by, .. } => format!("{} generated a session key and a link", by.name),
        Event::KeyRevoked { .. } => "The session key no longer works".into(),
        Event::LinkRevoked { .. } => "The session link no longer works".into(),
        Event::Joined { role: Role::Supervisor, name, .. } => {
            format!("{} watches the session as a supervisor", shown(name))
        }
        Event::Left { id } if watches(id) => format!("{} no longer watches", name(id)),
        Event::Returned { id, .. } if watches(id) => format!("{} watches again", name(id)),
        Event::Joined { name, client, .. } => format!("{} has joined{}", shown(name), by_means(*client)),
        Event::Dropped { id } => format!("{} has lost the connection, reconnecting …", name(id)),
        Event::Returned { id, client } => format!("{} is back{}", name(id), by_means(*client)),
        Event::Left { id } => format!("{} has left the conversation", name(id)),
        Event::Asked { by, rights: r } => format!("{} asks to {}", name(by), rights(r)),
        Event::Granted { by, rights: r } => format!("{} allows to {}", name(by), rights(r)),
        Event::Denied { by } => format!("{} does not allow it", name(by)),
        Event::Withdrawn { right, why } => {
            let right = match right {
                Right::View => "viewing the screen",
                Right::Control => "controlling the screen",
                Right::Files => "files",
                Right::Clipboard => "the clipboard",
                Right::Shell => "the command shell",
                Right::SystemInfo => "system information",
                Right::Restart => "restarting the computer",
                Right::Elevate => "running as administrator",
            };
            let why = match why {
                WhyWithdrawn::Customer => "the customer took it back",
                WhyWithdrawn::Technician => "the technician gave it back",
                WhyWithdrawn::Session => "nothing is shared any more",
                WhyWithdrawn::Recording => "it cannot be recorded",
            };
            format!("The permission for {right} ended: {why}")
        }
        Event::Paused { by, why: Pause::Customer } => format!("{} has paused the screen", name(by)),
        Event::Paused { why: Pause::System, .. } => {
            "The system hides the screen: it asks for a password, or is locked".into()
        }
        Event::Resumed { by } => format!("{} shows the screen again", name(by)),
        Event::SharingStarted { recorded: true, .. } => "The screen is shared and recorded".into(),
        Event::SharingStarted { recorded: false, .. } => "The screen is shared".into(),
        Event::ScreenResized { width, height } => format!("The screen is now {width} × {height}"),
        Event::MonitorsChanged { monitors } if monitors.len() < 2 => return None,
        Event::MonitorsChanged { monitors } => format!("The screen has {} monitors", monitors.len()),
        Event::InputBlocked { blocked: true } => {
            "Keys and clicks do not reach the window in front: its program runs as administrator".into()
        }
        Event::InputBlocked { blocked: false } => "Keys and clicks reach the window in front again".into(),
        Event::SharingStopped {} => "The screen is no longer shared".into(),
        Event::SharingFailed { reason } => format!("The screen cannot be shared: {}", shown(reason)),
        Event::RecordingFailed { reason } => format!("The recording cannot go on: {}", shown(reason)),
        Event::Held { by: Some(by) } => format!("{} has put the session on hold", by.name),
        Event::Held { by: None } => "No technician is here: the session is on hold".into(),
        Event::Reopened { by } => format!("{} has opened the session again", by.name),
        Event::Transferred { by, to } => format!("{} has transferred the session to {}", by.name, to.name),
        Event::Ended { how, .. } => format!("The session has ended: {}", ending_words(*how)),
        Event::Queued { by: Some(by), queue } => format!("{} has put the session into {}", by.name, place(queue)),
        Event::Queued { by: None, queue } => format!("The session is back in {}", place(queue)),
        Event::QueueMoved { from, to } => format!("Sessions of {} are in {} now", place(from), place(to)),
        Event::Taken { by } => format!("{} has taken the session", by.name),
        Event::Inherited { from, to, why: WhyInherited::Lost } => {
            format!("{} did not come back: {} takes over", from.name, to.name)
        }
        Event::Inherited { from, to, why: WhyInherited::Removed } => {
            format!("{} may not go on: {} takes over", from.name, to.name)
        }
        Event::RoleChanged { id, by_role } => match by_role {
            Some(role) => format!("{} has the role {} now", name(id), role.name),
            None => format!("{} has no role any more", name(id)),
        },
        Event::SharedWith { by, with } => format!("{} asks {} to join", by.name, with.name),
        Event::ExpertInvited { by, invitation } => {
            let may = if invitation.rights.is_empty() { "only chat".into() } else { rights_text(&invitation.rights) };
            format!("{} has invited {} (may {may})", by.name, invitation.name)
        }
        Event::ControlWanted { by } => format!("{} would like to control the screen", name(by)),
        Event::ControlPassed { by, to } if by == to => format!("{} has taken the control", name(to)),
        Event::ControlPassed { by, to } => format!("{} has given the control to {}", name(by), name(to)),
        Event::Noted { by, text } => format!("Note by {}: {}", by.name, shown_text(text)),
        Event::FileCarried { by, way: Direction::ToCustomer, path, bytes, .. } => {
            format!("{} has sent the file {} ({})", name(by), shown(path), size(*bytes))
        }
        Event::FileCarried { by, way: Direction::FromCustomer, path, bytes, .. } => {
            format!("{} has fetched the file {} ({})", name(by), shown(path), size(*bytes))
        }
        Event::FileFailed { by, way: Direction::ToCustomer, path, reason } => {
            format!("{} could not send the file {}: {}", name(by), shown(path), shown(reason))
        }
        Event::FileFailed { by, way: Direction::FromCustomer, path, reason } => {
            format!("{} could not fetch the file {}: {}", name(by), shown(path), shown(reason))
        }
        Event::FolderMade { by, path } => format!("{} has made the folder {}", name(by), shown(path)),
        Event::FileRenamed { by, from, to } => format!("{} has renamed {} to {}", name(by), shown(from), shown(to)),
        Event::FileDeleted { by, path } => format!("{} has deleted {}", name(by), shown(path)),
        Event::FilePosted { from, name: file, bytes, .. } => {
            format!("{} has put the file {} ({}) into the chat", name(from), shown(file), size(*bytes))
        }
        Event::ClipboardCarried { by, way, kind, .. } => {
            let what = match kind {
                ClipboardKind::Text => "text",
                ClipboardKind::Image => "a picture",
            };
            match way {
                Direction::ToCustomer => format!("{} has put {what} into the customer's clipboard", name(by)),
                Direction::FromCustomer => format!("{} has read {what} from the customer's clipboard", name(by)),
            }
        }
        Event::ShellStarted { by, .. } => format!("{} has opened a command shell", name(by)),
        Event::ShellEnded { .. } => "The command shell is closed".into(),
        Event::SystemInfoRead { by, .. } => format!("{} has read the system information", name(by)),
        Event::ProcessEnded { by, pid, name: process } => {
            format!("{} has ended the process {} ({pid})", name(by), shown(process))
        }
        Event::Restarting { by } => format!("{} restarts the computer; the session waits for it", name(by)),
        Event::ScreenshotTaken { by, .. } => format!("{} has put a picture of the screen into the journal", name(by)),
        // The transcript is stored when the session ends: later events are part of the history alone. Segments of the
        // recording are for verification.
        Event::Stored { .. }
        | Event::Attributed { .. }
        | Event::Rated { .. }
        | Event::Recorded { .. }
        | Event::Watched { .. }
        | Event::Exported { .. }
        | Event::LegalHold { .. } => return None,
    };
    Some((Voice::System, String::new(), text))
}

fn place(queue: &Queue) -> String {
    match queue {
        Queue::Own => "a queue".into(),
        Queue::Team { team } => format!("the queue of {team}"),
        Queue::General => "the general queue".into(),
    }
}

/// The rights as words that follow "may" or "asks to".
pub fn rights_text(rights: &[Right]) -> String {
    let mut words = Vec::new();
    if rights.contains(&Right::Control) {
        words.push("view and control the screen");
    } else if rights.contains(&Right::View) {
        words.push("view the screen");
    }
    for right in rights {
        match right {
            Right::View | Right::Control => {}
            Right::Files => words.push("see and exchange files"),
            Right::Clipboard => words.push("use the clipboard"),
            Right::Shell => words.push("run commands"),
            Right::SystemInfo => words.push("read system information"),
            Right::Restart => words.push("restart the computer"),
            Right::Elevate => words.push("run as administrator"),
        }
    }
    words.join(", ")
}

/// A size for people: 1.5 MB.
pub fn size(bytes: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let power = units.iter().enumerate().rev().find(|(i, _)| bytes >= 1_000u64.pow(*i as u32)).map_or(0, |(i, _)| i);
    let whole = 1_000u64.pow(power as u32);
    if power == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{}.{} {}", bytes / whole, bytes % whole * 10 / whole, units[power])
    }
}

fn by_means(client: Client) -> &'static str {
    match client {
        Client::Console => "",
        Client::Browser => " (in the browser)",
        Client::Program => " (with the support program)",
        Client::WindowsProgram => " (with the support program for Windows)",
        Client::WindowsAdministrator => " (with the support program for Windows, run as administrator)",
    }
}

/// The history of a timeline; `None` when it does not begin with a session's creation.
pub fn history(entries: &[Entry]) -> Option<History> {
    let first = entries.first()?;
    let Event::Created { incident, owner, .. } = &first.event else { return None };
    let mut history = History {
        technicians: vec![],
        customer: incident.customer.clone(),
        started: first.at,
        ended: None,
        ending: "in progress".into(),
        messages: 0,
        grants: 0,
        denials: 0,
        holds: 0,
        files: 0,
        shells: 0,
        rating: None,
        comment: String::new(),
        shared_ms: 0,
        stored: false,
        recording_bytes: None,
    };
    let mut sharing: Option<Timestamp> = None;
    let shared = |sharing: &mut Option<Timestamp>, at: Timestamp| {
        sharing.take().map_or(0, |since| u32::try_from(at.since(since)).unwrap_or(u32::MAX))
    };
    for Entry { at, event, .. } in entries {
        match event {
            Event::Joined { role: Role::Technician | Role::Expert, name, .. }
                if !history.technicians.contains(name) =>
            {
                history.technicians.push(name.clone());
            }
            Event::Joined { role: Role::Customer, name, .. } => history.customer.clone_from(name),
            Event::Chat { .. } => history.messages += 1,
            Event::Granted { .. } => history.grants += 1,
            Event::Denied { .. } => history.denials += 1,
            Event::Held { .. } => history.holds += 1,
            Event::FileCarried { .. } | Event::FilePosted { .. } => history.files += 1,
            Event::ShellStarted { .. } => history.shells += 1,
            Event::Rated { stars, comment } => {
                history.rating = Some(*stars);
                history.comment.clone_from(comment);
            }
            Event::SharingStarted { .. } => sharing = Some(*at),
            Event::SharingStopped {} | Event::SharingFailed { .. } => history.shared_ms += shared(&mut sharing, *at),
            Event::Ended { how, .. } => {
                history.shared_ms += shared(&mut sharing, *at);
                history.ended = Some(*at);
                history.ending = ending_words(*how).into();
            }
            Event::Stored { recording_bytes, .. } => {
                history.stored = true;
                history.recording_bytes = *recording_bytes;
            }
            Event::Created { .. }
            | Event::KeyIssued { .. }
            | Event::KeyRevoked { .. }
            | Event::LinkRevoked { .. }
            | Event::Joined { .. }
            | Event::Dropped { .. }
            | Event::Returned { .. }
            | Event::Left { .. }
            | Event::Asked { .. }
            | Event::Withdrawn { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::ScreenResized { .. }
            | Event::MonitorsChanged { .. }
            | Event::InputBlocked { .. }
            | Event::RecordingFailed { .. }
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
            | Event::FileFailed { .. }
            | Event::FolderMade { .. }
            | Event::FileRenamed { .. }
            | Event::FileDeleted { .. }
            | Event::ClipboardCarried { .. }
            | Event::ShellEnded { .. }
            | Event::SystemInfoRead { .. }
            | Event::ProcessEnded { .. }
            | Event::Restarting { .. }
            | Event::ScreenshotTaken { .. }
            | Event::Recorded { .. }
            | Event::Watched { .. }
            | Event::Exported { .. }
            | Event::LegalHold { .. } => {}
        }
    }
    if history.technicians.is_empty() {
        history.technicians.push(owner.name.clone());
    }
    Some(history)
}
