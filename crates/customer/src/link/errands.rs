//! What goes by plain HTTPS beside the conversation: files of the chat, and the rating.

use super::{Notice, Notify, Say, http::Http};

/// What goes by plain HTTPS, during the session and after it.
pub(super) async fn run(http: &Http, resume: &str, notify: &Notify, wish: Say) {
    match wish {
        Say::Save { number, name } => match http.save(resume, number, &name).await {
            Ok(path) => notify(Notice::Saved(path)),
            Err(problem) => notify(Notice::Problem(problem)),
        },
        Say::Attach { title } => attach(http, resume, notify, &title).await,
        Say::Rate { stars, comment } => match http.rate(resume, stars, &comment).await {
            Ok(()) => notify(Notice::Rated),
            Err(problem) => notify(Notice::Problem(problem)),
        },
        Say::Message(_) | Say::EnterKey(_) | Say::GoOn | Say::ConsentChanged => {}
    }
}

/// The customer chooses a file in their system's own window, and the server gets it for the chat.
async fn attach(http: &Http, resume: &str, notify: &Notify, title: &str) {
    let Some(chosen) = rfd::AsyncFileDialog::new().set_title(title).pick_file().await else { return };
    let name = chosen.file_name();
    notify(Notice::Attaching(Some(name.clone())));
    let sent = http.attach(resume, &name, chosen.path()).await;
    notify(Notice::Attaching(None));
    if let Err(problem) = sent {
        notify(Notice::Problem(format!("{name}: {problem}")));
    }
}
