//! Says of a bundle whether it is whole, what was changed and where, and whose key signed it.

use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use evidence::{fingerprint, judge};

/// Checks a bundle that a Deskside server has exported. It needs no server and no network.
///
/// Exit status: 0 when the bundle is whole and signed by the expected key (or none was named), 1 when it is not.
#[derive(Parser)]
#[command(name = "deskside-verify", version)]
struct Options {
    /// The bundle.
    bundle: PathBuf,
    /// The server's key or its fingerprint, from somewhere that you trust: the console's settings show it.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let Options { bundle, key } = Options::parse();
    let file = File::open(&bundle).with_context(|| format!("cannot open {}", bundle.display()))?;
    let verdict = judge(BufReader::new(file));
    if !verdict.about.is_empty() {
        println!("{}", verdict.about);
    }
    println!("{} entries of the timeline, {} segments of the video", verdict.entries, verdict.segments);
    if let Some(key) = &verdict.key {
        println!("signed by the key {}", fingerprint(key));
    }
    let expected = key.as_ref().is_none_or(|key| verdict.signed_by(key));
    if !expected {
        println!("NOT SIGNED by the key that you expect.");
    }
    for finding in &verdict.findings {
        println!("CHANGED: {finding}");
    }
    if verdict.whole() && expected {
        println!("WHOLE: nothing was changed since it was signed.");
        if key.is_none() {
            println!("Compare the key with the one that the server's administrator tells you, or name it by --key.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
