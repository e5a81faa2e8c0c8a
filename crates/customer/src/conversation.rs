//! The conversation for the customer: timeline entries as lines.

use protocol::{
    Direction, Entry, Event, Participant, ParticipantId, Pause, Right, Role,
    file_name::{shown, shown_text},
};

/// One line. `kind` is `chat` or the name of what happened, which the windows translate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: &'static str,
    pub who: String,
    pub text: String,
    pub at: protocol::Timestamp,
    pub mine: bool,
    /// The number of a file in the chat.
    pub file: Option<u32>,
}

/// The line of an entry, given the entries before it; `None` for what the customer need not read.
pub fn line(entry: &Entry, before: &[Entry], people: &[Participant], me: ParticipantId) -> Option<Line> {
    let name = |id: &ParticipantId| people.iter().find(|p| p.id == *id).map(|p| p.name.clone()).unwrap_or_default();
    let technician =
        || people.iter().rev().find(|p| p.role == Role::Technician).map(|p| p.name.clone()).unwrap_or_default();
    let plain = |kind, who| (kind, who, String::new());
    let (kind, who, text) = match &entry.event {
        Event::Chat { from, text, .. } => {
            let (who, text, mine) = (name(from), shown_text(text), *from == me);
            return Some(Line { kind: "chat", who, text, at: entry.at, mine, file: None });
        }
        Event::FilePosted { from, number, name: file, .. } => {
            let (who, text, mine) = (name(from), shown(file), *from == me);
            return Some(Line { kind: "chat", who, text, at: entry.at, mine, file: Some(*number) });
        }
        Event::Joined { role: Role::Supervisor, name, .. } => plain("supervises", name.clone()),
        Event::Joined { id, name, .. } if *id != me => plain("joined", name.clone()),
        Event::Left { id } if *id != me => plain("left", name(id)),
        Event::Dropped { id } if *id != me => plain("dropped", name(id)),
        Event::Returned { id, .. } if *id != me => plain("returned", name(id)),
        Event::Granted { rights, .. } => {
            let known = grants(before);
            let newest = rights.iter().rev().find(|r| !known.contains(r)).or(rights.last());
            let newest = newest.copied().unwrap_or(Right::View);
            plain(granted(newest), technician())
        }
        Event::Denied { .. } => plain("denied", String::new()),
        Event::Withdrawn { right, .. } => plain(
            match right {
                Right::View => "withdrawn-view",
                Right::Control => "withdrawn-control",
                Right::Files => "withdrawn-files",
                Right::Clipboard => "withdrawn-clipboard",
                Right::Shell => "withdrawn-shell",
                Right::SystemInfo => "withdrawn-system",
                Right::Restart => "withdrawn-restart",
                Right::Elevate => "withdrawn-elevate",
            },
            String::new(),
        ),
        Event::Paused { why: Pause::Customer, .. } => plain("paused", String::new()),
        // The customer sees the system's prompt anyway.
        Event::Paused { why: Pause::System, .. } => return None,
        Event::Resumed { .. } => plain("resumed", String::new()),
        Event::Held { .. } => plain("held", String::new()),
        Event::Reopened { by } => plain("reopened", by.name.clone()),
        Event::Transferred { to, .. } | Event::Inherited { to, .. } => plain("transferred", to.name.clone()),
        Event::Taken { by } => plain("transferred", by.name.clone()),
        Event::ControlPassed { to, .. } => plain("controls", name(to)),
        Event::FileCarried { by, way: Direction::ToCustomer, path, .. } => ("file-sent", name(by), shown(path)),
        Event::FileCarried { by, way: Direction::FromCustomer, path, .. } => ("file-fetched", name(by), shown(path)),
        Event::FileFailed { by, path, .. } => ("file-failed", name(by), shown(path)),
        Event::FolderMade { by, path } => ("folder-made", name(by), shown(path)),
        Event::FileRenamed { by, from, to } => ("file-renamed", name(by), format!("{} → {}", shown(from), shown(to))),
        Event::FileDeleted { by, path } => ("file-deleted", name(by), shown(path)),
        Event::ClipboardCarried { by, way: Direction::ToCustomer, .. } => plain("clipboard-written", name(by)),
        Event::ClipboardCarried { by, way: Direction::FromCustomer, .. } => plain("clipboard-read", name(by)),
        Event::ShellStarted { by, .. } => plain("shell-started", name(by)),
        Event::ShellEnded { .. } => plain("shell-ended", String::new()),
        Event::SystemInfoRead { by, .. } => plain("system-read", name(by)),
        Event::ProcessEnded { by, name: process, .. } => ("process-ended", name(by), shown(process)),
        Event::Restarting { by } => plain("restarting", name(by)),
        Event::ScreenshotTaken { by, .. } => plain("screenshot", name(by)),
        Event::Ended { .. } => plain("ended", String::new()),
        // Their own coming and going, what the panel shows anyway, and what concerns only technicians.
        Event::Created { .. }
        | Event::KeyIssued { .. }
        | Event::KeyRevoked { .. }
        | Event::LinkRevoked { .. }
        | Event::Joined { .. }
        | Event::Left { .. }
        | Event::Dropped { .. }
        | Event::Returned { .. }
        | Event::RoleChanged { .. }
        | Event::Asked { .. }
        | Event::SharingStarted { .. }
        | Event::SharingStopped {}
        | Event::SharingFailed { .. }
        | Event::ScreenResized { .. }
        | Event::MonitorsChanged { .. }
        | Event::InputBlocked { .. }
        | Event::RecordingFailed { .. }
        | Event::Queued { .. }
        | Event::QueueMoved { .. }
        | Event::SharedWith { .. }
        | Event::ExpertInvited { .. }
        | Event::ControlWanted { .. }
        | Event::Noted { .. }
        | Event::Attributed { .. }
        | Event::Rated { .. }
        | Event::Recorded { .. }
        | Event::Stored { .. }
        | Event::Watched { .. }
        | Event::Exported { .. }
        | Event::LegalHold { .. } => return None,
    };
    Some(Line { kind, who, text, at: entry.at, mine: false, file: None })
}

/// The grants after these entries.
fn grants(entries: &[Entry]) -> Vec<Right> {
    entries.iter().fold(Vec::new(), |mut rights, entry| {
        match &entry.event {
            Event::Granted { rights: all, .. } => rights.clone_from(all),
            Event::Withdrawn { right, .. } => rights.retain(|r| r != right),
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
            | Event::Denied { .. }
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
            | Event::Rated { .. }
            | Event::Ended { .. }
            | Event::Recorded { .. }
            | Event::Stored { .. }
            | Event::Watched { .. }
            | Event::Exported { .. }
            | Event::LegalHold { .. } => {}
        }
        rights
    })
}

fn granted(newest: Right) -> &'static str {
    match newest {
        Right::View => "granted-view",
        Right::Control => "granted-control",
        Right::Files => "granted-files",
        Right::Clipboard => "granted-clipboard",
        Right::Shell => "granted-shell",
        Right::SystemInfo => "granted-system",
        Right::Restart => "granted-restart",
        Right::Elevate => "granted-elevate",
    }
}
