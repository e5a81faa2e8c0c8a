//! The conversation as the customer reads it: entries of the timeline become lines.

use protocol::{Entry, Event, Participant, ParticipantId, Right, Role};

/// One line; `kind` is `chat` or names what happened, for the windows to say in the customer's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: &'static str,
    pub who: String,
    pub text: String,
    pub at: protocol::Timestamp,
    pub mine: bool,
}

/// The line of an entry; `None` for what a customer need not read.
pub fn line(entry: &Entry, people: &[Participant], me: ParticipantId) -> Option<Line> {
    let name = |id: &ParticipantId| people.iter().find(|p| p.id == *id).map(|p| p.name.clone()).unwrap_or_default();
    let technician =
        || people.iter().rev().find(|p| p.role == Role::Technician).map(|p| p.name.clone()).unwrap_or_default();
    let (kind, who) = match &entry.event {
        Event::Chat { from, text, .. } => {
            let (who, text, mine) = (name(from), text.clone(), *from == me);
            return Some(Line { kind: "chat", who, text, at: entry.at, mine });
        }
        Event::Joined { id, name, .. } if *id != me => ("joined", name.clone()),
        Event::Left { id } if *id != me => ("left", name(id)),
        Event::Dropped { id } if *id != me => ("dropped", name(id)),
        Event::Returned { id, .. } if *id != me => ("returned", name(id)),
        Event::Granted { rights, .. } if rights.contains(&Right::Control) => ("granted-control", technician()),
        Event::Granted { .. } => ("granted-view", technician()),
        Event::Denied { .. } => ("denied", String::new()),
        Event::Withdrawn { right: Right::View, .. } => ("withdrawn-view", String::new()),
        Event::Withdrawn { right: Right::Control, .. } => ("withdrawn-control", String::new()),
        Event::Paused { .. } => ("paused", String::new()),
        Event::Resumed { .. } => ("resumed", String::new()),
        Event::Held { .. } => ("held", String::new()),
        Event::Reopened { by } => ("reopened", by.name.clone()),
        Event::Transferred { to, .. } => ("transferred", to.name.clone()),
        Event::Ended { .. } => ("ended", String::new()),
        _ => return None,
    };
    Some(Line { kind, who, text: String::new(), at: entry.at, mine: false })
}

/// The first web address in a message, if it is one that may be opened.
pub fn web_address(text: &str) -> Option<&str> {
    let word = text.split_whitespace().find(|w| w.starts_with("https://") || w.starts_with("http://"))?;
    let word = word.trim_end_matches(['.', ',', ')', '!', '?', ';', ':', '"', '\'']);
    let plain = word.len() > 10 && word.len() < 2_000 && !word.contains(['\\', '`', '"', '\'', '<', '>']);
    plain.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_are_found_and_nothing_else() {
        let table = [
            ("see https://example.org/a?b=c.", Some("https://example.org/a?b=c")),
            ("(http://example.org)", None),
            ("http://example.org), then", Some("http://example.org")),
            ("javascript:alert(1) file:///etc/passwd", None),
            ("https://a\"b.example", None),
        ];
        for (text, expected) in table {
            assert_eq!(web_address(text), expected, "{text}");
        }
    }
}
