//! The visitor's operating system, by the User-Agent header.

use crate::programs::System;

/// A visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The name of their system.
    pub system: &'static str,
    /// The system's support program, if there is one.
    pub program: Option<System>,
    /// Whether it is a browser; otherwise a script, which wants the program alone.
    pub browser: bool,
}

impl Visitor {
    pub fn of(agent: &str) -> Self {
        // Phones also name the system that theirs derives from, so they come first.
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
        // Scripts that do not name a system get the program for Linux.
        let unsaid = if browser { ("", "this system", None) } else { ("", "Linux", Some(System::Linux)) };
        let (_, system, program) = found.unwrap_or(unsaid);
        Self { system, program, browser }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_agent_names_the_system() {
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
