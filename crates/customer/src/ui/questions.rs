//! Questions to the customer, and the panel that shows what is allowed.

use protocol::{ClientMessage, Entry, Event, Pause, Phase, Right, file_name::shown};
use slint::ComponentHandle;
use tokio::sync::oneshot;

use super::{
    Asked, ConsentWindow, FileWindow, LAID_OUT, PanelWindow, Place, UiCommand, Windows, helpers, local_time, place,
    watchers, with_windows,
};
use crate::{messages::FileQuestion, util::lock, window};

/// The customer's answer to a question for rights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reply {
    No,
    ViewOnly,
    EachFile,
    All,
}

/// A question about one file, with the sender for its answer.
pub struct OpenFileQuestion {
    question: FileQuestion,
    reply: Option<oneshot::Sender<bool>>,
    window: Option<FileWindow>,
}

fn asked(rights: &[Right]) -> Asked {
    let has = |right| rights.contains(&right);
    Asked {
        view: has(Right::View),
        control: has(Right::Control),
        files: has(Right::Files),
        clipboard: has(Right::Clipboard),
        shell: has(Right::Shell),
        system: has(Right::SystemInfo),
        restart: has(Right::Restart),
        elevate: has(Right::Elevate),
    }
}

impl Windows {
    pub(super) fn ask(&mut self, rights: &[Right]) {
        let (Ok(question), Some(state)) = (ConsentWindow::new(), &self.state) else { return };
        let asker = state.asked_by.and_then(|id| state.participants.iter().find(|p| p.id == id));
        let asker = asker.map_or(state.owner.name.as_str(), |p| p.name.as_str());
        question.set_organisation(self.chat.get_organisation());
        question.set_domain(self.chat.get_domain());
        question.set_technician(asker.into());
        question.set_incident(self.chat.get_incident());
        question.set_asked(asked(rights));
        question.set_recorded(state.recorded);
        question.set_asked_for_it(self.asked_for_it);
        question.on_deny(|| reply(Reply::No));
        question.on_allow_view(|| reply(Reply::ViewOnly));
        question.on_allow_each_file(|| reply(Reply::EachFile));
        question.on_allow_all(|| reply(Reply::All));
        // Closing the question is a no.
        question.window().on_close_requested(|| {
            reply(Reply::No);
            slint::CloseRequestResponse::HideWindow
        });
        if let Err(error) = question.show() {
            tracing::error!(%error, "question window cannot be shown");
        }
        place(question.as_weak(), Place::Middle);
        self.question = Some(question);
    }

    /// A visible window stays alive until it is hidden.
    pub(super) fn close_question(&mut self) {
        if let Some(question) = self.question.take() {
            let _ = question.hide();
        }
        if !self.connected || self.state.as_ref().is_none_or(|s| s.phase != Phase::Active) {
            for open in self.file_questions.drain(..) {
                open.window.map(|w| w.hide());
            }
        }
    }

    fn answered(&mut self, reply: Reply) {
        let Some(question) = self.question.take() else { return };
        self.asked_for_it |= reply != Reply::No;
        let asked = self.state.as_ref().map(|s| s.asked.clone()).unwrap_or_default();
        let rights: Vec<Right> = match reply {
            Reply::No => vec![],
            Reply::ViewOnly => asked.iter().copied().filter(|r| *r != Right::Control).collect(),
            Reply::EachFile | Reply::All => asked.clone(),
        };
        {
            let mut consent = lock(&self.consent);
            consent.answer(&rights, &asked);
            if rights.contains(&Right::Files) {
                consent.ask_for_each_file(reply == Reply::EachFile);
            }
        }
        let _ = question.hide();
        self.send_to_server(ClientMessage::Answer { rights });
    }

    pub(super) fn ask_about_file(&mut self, question: FileQuestion, reply: oneshot::Sender<bool>) {
        self.file_questions.push(OpenFileQuestion { question, reply: Some(reply), window: None });
        self.show_file_question();
    }

    /// Shows the oldest question; questions without a receiver are skipped.
    fn show_file_question(&mut self) {
        self.file_questions.retain(|q| q.reply.as_ref().is_some_and(|r| !r.is_closed()) || q.window.is_some());
        let name = self.state.as_ref().map(helpers).unwrap_or_default();
        let Some(first) = self.file_questions.first_mut().filter(|q| q.window.is_none()) else { return };
        let Ok(window) = FileWindow::new() else { return };
        window.set_technician(name.into());
        match &first.question {
            FileQuestion::Fetch { path } => {
                window.set_kind("fetch".into());
                window.set_name(shown(path).into());
            }
            FileQuestion::Bring { name, bytes, folder } => {
                window.set_kind("bring".into());
                window.set_name(shown(name).into());
                window.set_place(shown(folder).into());
                window.set_size(size(*bytes).into());
            }
            FileQuestion::Change { path } => {
                window.set_kind("change".into());
                window.set_name(shown(path).into());
            }
        }
        window.on_deny(|| with_windows(|windows| windows.answer_about_file(false)));
        window.on_allow(|| with_windows(|windows| windows.answer_about_file(true)));
        window.window().on_close_requested(|| {
            with_windows(|windows| windows.answer_about_file(false));
            slint::CloseRequestResponse::HideWindow
        });
        let _ = window.show();
        place(window.as_weak(), Place::Middle);
        first.window = Some(window);
    }

    fn answer_about_file(&mut self, yes: bool) {
        if !self.file_questions.is_empty() {
            let mut answered = self.file_questions.remove(0);
            answered.window.map(|w| w.hide());
            answered.reply.take().map(|reply| reply.send(yes));
        }
        self.show_file_question();
    }

    fn pause(&mut self, paused: bool) {
        lock(&self.consent).pause(paused);
        self.send_to_server(if paused {
            ClientMessage::Pause { why: Pause::Customer }
        } else {
            ClientMessage::Resume {}
        });
        self.follow_consent();
    }

    fn withdraw(&mut self, right: Right) {
        lock(&self.consent).withdraw(right);
        self.send_to_server(ClientMessage::Withdraw { right });
        self.follow_consent();
    }

    /// Shows or hides panel and border as the consent requires.
    pub(super) fn follow_consent(&mut self) {
        self.send(UiCommand::ConsentChanged);
        let consent = lock(&self.consent).clone();
        let allowed = consent.allowed();
        if allowed.is_empty() {
            if let Some(panel) = self.panel.take() {
                let _ = panel.hide();
            }
            self.allowed_since = None;
            self.border = None;
            self.marks.clear();
            return;
        }
        self.follow_border(consent.is_shared(), consent.is_paused());
        let hidden = self.panel.is_none();
        if hidden {
            self.panel = new_panel();
        }
        // A process that takes over a session learns later when it was allowed.
        if self.allowed_since.is_none() {
            let granted = |e: &&Entry| matches!(e.event, Event::Granted { .. });
            self.allowed_since = self.entries.iter().rev().find(granted).map(|e| local_time(e.at));
        }
        if let (Some(panel), Some(state)) = (&self.panel, &self.state) {
            panel.set_technician(helpers(state).into());
            panel.set_watchers(watchers(state).into());
            panel.set_allowed(asked(&allowed));
            panel.set_since(self.allowed_since.clone().unwrap_or_default().into());
            panel.set_paused(consent.is_paused());
            panel.set_recorded(state.recorded);
            panel.set_reconnecting(!self.connected);
            if hidden && let Err(error) = panel.show() {
                tracing::error!(%error, "panel cannot be shown");
            }
            fit(panel);
        }
    }

    fn follow_border(&mut self, shared: bool, paused: bool) {
        if !shared {
            self.border = None;
            self.marks.clear();
            return;
        }
        let colour = if paused || !self.connected { 0x00E0_A100 } else { 0x00D8_2020 };
        let size = self.state.as_ref().and_then(|s| s.screen).unwrap_or_default();
        if self.border.as_ref().is_none_or(|(c, s, _)| (*c, *s) != (colour, size)) {
            self.border = None;
            self.border = window::border(colour)
                .inspect_err(|e| tracing::warn!(%e, "border cannot be shown"))
                .ok()
                .map(|b| (colour, size, b));
        }
    }
}

fn reply(reply: Reply) {
    with_windows(move |windows| windows.answered(reply));
}

fn new_panel() -> Option<PanelWindow> {
    let panel = PanelWindow::new().ok()?;
    panel.on_pause(|| with_windows(|windows| windows.pause(true)));
    panel.on_resume(|| with_windows(|windows| windows.pause(false)));
    panel.on_take_back(|right| {
        let right = match right.as_str() {
            "files" => Right::Files,
            "clipboard" => Right::Clipboard,
            "shell" => Right::Shell,
            "system" => Right::SystemInfo,
            "restart" => Right::Restart,
            "elevate" => Right::Elevate,
            _ => Right::Control,
        };
        with_windows(move |windows| windows.withdraw(right));
    });
    panel.on_end(|| with_windows(Windows::leave));
    panel.window().on_close_requested(|| slint::CloseRequestResponse::KeepWindowShown);
    Some(panel)
}

/// Resizes the panel to its current text and centres it at the top of the screen.
fn fit(panel: &PanelWindow) {
    let panel = panel.as_weak();
    slint::Timer::single_shot(LAID_OUT, move || {
        let Some(panel) = panel.upgrade() else { return };
        let wanted = slint::LogicalSize::new(panel.get_wanted_width(), panel.get_wanted_height());
        panel.window().set_size(wanted);
        place(panel.as_weak(), Place::Top);
    });
}

/// A size for people.
#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
