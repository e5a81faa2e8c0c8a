//! Plain HTTPS requests beside the connection: files of the chat, and the rating.

use crate::{
    http::Http,
    jobs,
    messages::{Notify, UiCommand, UiEvent},
};

/// A plain HTTPS request, during the session or after it.
pub(super) async fn run(http: &Http, resume: &str, notify: &Notify, command: UiCommand) {
    match command {
        UiCommand::Save { number, name } => {
            let saved = http.save(resume, number, move |content| jobs::save_download(&name, content)).await;
            notify(saved.map_or_else(UiEvent::Problem, UiEvent::Saved));
        }
        UiCommand::Attach { title } => attach(http, resume, notify, &title).await,
        UiCommand::Rate { stars, comment } => match http.rate(resume, stars, &comment).await {
            Ok(()) => notify(UiEvent::Rated),
            Err(problem) => notify(UiEvent::Problem(problem)),
        },
        UiCommand::Message(_) | UiCommand::EnterKey(_) | UiCommand::Resume | UiCommand::ConsentChanged => {}
    }
}

/// The customer chooses a file in their system's dialog, and it is posted in the chat.
async fn attach(http: &Http, resume: &str, notify: &Notify, title: &str) {
    let Some(chosen) = rfd::AsyncFileDialog::new().set_title(title).pick_file().await else { return };
    let name = chosen.file_name();
    notify(UiEvent::Attaching(Some(name.clone())));
    let sent = http.attach(resume, &name, chosen.path()).await;
    notify(UiEvent::Attaching(None));
    if let Err(problem) = sent {
        notify(UiEvent::Problem(format!("{name}: {problem}")));
    }
}
