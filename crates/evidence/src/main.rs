//! Verifies a bundle: whether it is whole, what was changed and where, and whose key signed it.

use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use evidence::{Expected, Head, KeyName, Outcome, Verdict, fingerprint, judge, plain, transcript};
use protocol::SessionId;

/// Checks a bundle that a Deskside server has exported. It needs no server and no network.
///
/// Exit status: 0 when the bundle is whole and signed by the key that you expect; 1 when it is not, or cannot be read;
/// 2 for invalid options; 3 when it is whole in itself but you named no key: anybody may have made and signed it.
#[derive(Parser)]
#[command(name = "deskside-verify", version)]
struct Options {
    /// The bundle.
    bundle: PathBuf,
    /// The server's key or its fingerprint, from a source that you trust: the console's settings show it.
    #[arg(long, value_name = "KEY")]
    key: Option<KeyName>,
    /// The session whose evidence it must be.
    #[arg(long, value_name = "ID", value_parser = |id: &str| SessionId::try_from(id.to_owned()))]
    session: Option<SessionId>,
    /// The hash of the last entry, as an earlier check of this session showed it: that entry must still be there.
    #[arg(long, value_name = "HASH")]
    head: Option<Head>,
}

fn main() -> anyhow::Result<ExitCode> {
    let Options { bundle, key, session, head } = Options::parse();
    let expected = Expected { key, session, head };
    let file = File::open(&bundle).with_context(|| format!("cannot open {}", bundle.display()))?;
    let verdict = judge(BufReader::new(file), &expected);
    report(&verdict);
    Ok(match verdict.outcome() {
        Outcome::Whole => {
            println!("WHOLE: nothing was changed since it was signed.");
            if expected.session.is_none() {
                println!("Compare the session with the one that you expect, or pass it with --session.");
            }
            ExitCode::SUCCESS
        }
        Outcome::SignerUnknown => {
            println!("WHOLE IN ITSELF, SIGNER UNKNOWN: you named no key that you expect.");
            println!(
                "Whoever makes a bundle can sign it with a key of their own. Ask the server's administrator for the"
            );
            println!("fingerprint through a channel that you trust, and pass it with --key.");
            ExitCode::from(3)
        }
        Outcome::Rejected => ExitCode::FAILURE,
    })
}

/// Prints what is known of the bundle. Texts from the bundle are made safe to print.
fn report(verdict: &Verdict) {
    match (&verdict.session, verdict.about.is_empty()) {
        (Some(session), true) => println!("session {session}"),
        (None, true) => {}
        (_, false) => println!("{}", plain(&verdict.about)),
    }
    println!("{} entries of the timeline, {} segments of the video", verdict.entries, verdict.segments);
    if let Some(sealed) = verdict.sealed {
        println!("last sealed {}, the last entry's hash is {}", transcript::utc(sealed), verdict.head);
    }
    if let Some(key) = &verdict.key {
        println!("signed by the key {}", fingerprint(key));
    }
    for note in &verdict.notes {
        println!("NOTE: {}", plain(&note.to_string()));
    }
    for finding in &verdict.findings {
        let mark = if finding.is_about_what_is_expected() { "NOT EXPECTED" } else { "CHANGED" };
        println!("{mark}: {}", plain(&finding.to_string()));
    }
}
