//! What a visitor's computer runs, as its browser or script says.

use crate::programs::System;

/// A visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// What people call their system.
    pub system: &'static str,
    /// The program that runs there, where there can be one.
    pub program: Option<System>,
    /// A browser, with somebody before it; else a script, which wants the program alone.
    pub browser: bool,
}

impl Visitor {
    pub fn of(agent: &str) -> Self {
        // Phones name the system they grew from: they come first.
        let known = [
            ("Android", "Android", None),
            ("iPhone", "iPhone and iPad", None),
            ("iPad", "iPhone and iPad", None),
            ("CrOS", "ChromeOS", None),
            ("Windows", "Windows", Some(System::Windows)),
            ("Mac OS", "macOS", None),
            ("Macintosh", "macOS", None),
            ("Darwin", "macOS", None),
            ("FreeBSD", "FreeBSD", None),
            ("OpenBSD", "OpenBSD", None),
            ("Linux", "Linux", Some(System::Linux)),
        ];
        let browser = agent.contains("Mozilla/");
        let found = known.into_iter().find(|(word, ..)| agent.contains(word));
        // Scripts that say nothing of their system have always got the program for Linux.
        let unsaid = if browser { ("", "this system", None) } else { ("", "Linux", Some(System::Linux)) };
        let (_, system, program) = found.unwrap_or(unsaid);
        Self { system, program, browser }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_says_what_they_have() {
        let table = [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Windows", Some(System::Windows), true),
            ("Mozilla/5.0 (X11; Linux x86_64)", "Linux", Some(System::Linux), true),
            ("Mozilla/5.0 (Linux; Android 15; Pixel 9)", "Android", None, true),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", "iPhone and iPad", None, true),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "macOS", None, true),
            ("Mozilla/5.0 (compatible)", "this system", None, true),
            ("curl/8.14.1", "Linux", Some(System::Linux), false),
            ("", "Linux", Some(System::Linux), false),
            ("Bomgar script (Windows)", "Windows", Some(System::Windows), false),
        ];
        for (agent, system, program, browser) in table {
            assert_eq!(Visitor::of(agent), Visitor { system, program, browser }, "{agent}");
        }
    }
}
