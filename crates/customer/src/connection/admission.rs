//! Joining for the first time, after a restart of the computer, and after a lost connection.

use std::time::Duration;

use protocol::Binding;
use tokio::sync::mpsc;

use crate::{
    http::{Http, Pass},
    messages::{Notify, UiCommand, UiEvent},
};

/// How long reconnecting is tried; the server's grace time ends it earlier or later.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Joins with the pass of the program, or with the keys that the customer types; `None` when the window was closed.
pub(super) async fn join(
    binding: &Binding,
    http: &Http,
    commands: &mut mpsc::Receiver<UiCommand>,
    notify: &Notify,
) -> Option<(String, String)> {
    let handover = binding.pass.handover.clone().map(|token| Pass::Handover { token });
    let link = binding.pass.link.clone().map(|token| Pass::Link { token });
    let key = binding.pass.key.clone().map(|key| Pass::Key { key });
    let mut pass = handover.or(link).or(key);
    loop {
        if let Some(pass) = pass.take() {
            notify(UiEvent::Connecting);
            match http.enter(pass).await {
                Ok(entered) => return Some(entered),
                Err(problem) => {
                    tracing::info!(problem, "the server did not admit this program");
                    notify(UiEvent::EnterKey);
                    notify(UiEvent::Problem(problem));
                }
            }
        } else {
            notify(UiEvent::EnterKey);
        }
        pass = loop {
            match commands.recv().await? {
                UiCommand::EnterKey(key) => break Some(Pass::Key { key }),
                UiCommand::Message(_)
                | UiCommand::ConsentChanged
                | UiCommand::Resume
                | UiCommand::Attach { .. }
                | UiCommand::Save { .. }
                | UiCommand::Rate { .. } => {}
            }
        };
    }
}

/// Resumes the session from before the restart when the customer agrees; `None` when the window was closed or the
/// session has ended.
pub(super) async fn resume_after_restart(
    http: &Http,
    resume: &str,
    commands: &mut mpsc::Receiver<UiCommand>,
    notify: &Notify,
) -> anyhow::Result<Option<(String, String)>> {
    notify(UiEvent::AskToResume);
    loop {
        match commands.recv().await {
            Some(UiCommand::Resume) => break,
            Some(_) => {}
            None => return Ok(None),
        }
    }
    self::resume(http, resume, notify).await
}

/// Resumes the session that this program was in before it ran as administrator; `None` when the session has ended.
pub(super) async fn resume(http: &Http, resume: &str, notify: &Notify) -> anyhow::Result<Option<(String, String)>> {
    notify(UiEvent::Connecting);
    let ticket = reconnect(http, resume).await?;
    if ticket.is_none() {
        notify(UiEvent::Failed(String::new()));
    }
    Ok(ticket.map(|ticket| (ticket, resume.to_owned())))
}

/// A new ticket after a lost connection; `None` when the server says that the session has ended.
pub(super) async fn reconnect(http: &Http, resume: &str) -> anyhow::Result<Option<String>> {
    let started = tokio::time::Instant::now();
    let mut wait = Duration::from_millis(300);
    loop {
        match http.resume(resume).await {
            Ok(ticket) => return Ok(ticket),
            Err(error) if started.elapsed() > PATIENCE => return Err(anyhow::anyhow!(error)),
            Err(_) => {}
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}
