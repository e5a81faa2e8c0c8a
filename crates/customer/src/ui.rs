//! The windows: what the customer sees and does. They run on the main thread; the connection has its own.

mod questions;

use std::{
    cell::RefCell,
    process::ExitCode,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use protocol::{Binding, ClientMessage, Entry, ParticipantId, Phase, Presence, Role, SessionState};
use session::Consent;
use slint::{ComponentHandle, Model, ModelRc, SharedString, VecModel};
use tokio::sync::mpsc;

use crate::{
    binding::domain,
    connection, conversation, elevation,
    messages::{Notify, PriorSession, UiCommand, UiEvent},
    util::{self, lock},
    window::{Marks, Overlay},
};

slint::include_modules!();

thread_local! {
    /// The windows, for events from the connection's thread.
    static WINDOWS: RefCell<Option<Rc<RefCell<Windows>>>> = const { RefCell::new(None) };
}

/// What the program starts with.
pub struct Start {
    /// The session that it was in before, if any.
    pub before: Option<PriorSession>,
    /// What the customer has allowed in it.
    pub consent: Consent,
    /// Whether the program's file is removed when the session has ended.
    pub removes_itself: bool,
}

/// Shows the windows and runs until the last one closes; returns the exit code.
pub fn run(binding: Binding, start: Start) -> anyhow::Result<ExitCode> {
    let Start { before, consent, removes_itself } = start;
    let elevated = consent.is_elevated();
    let consent = Arc::new(Mutex::new(consent));
    let (commands, receiver) = mpsc::channel(256);
    let windows = Windows::open(&binding, consent.clone(), commands, removes_itself)?;
    WINDOWS.with(|cell| cell.replace(Some(windows.clone())));
    let notify: Notify = Arc::new(|event| {
        let sent = slint::invoke_from_event_loop(move || {
            let windows = WINDOWS.with(|cell| cell.borrow().clone());
            if let Some(windows) = windows {
                windows.borrow_mut().on_event(event);
            }
        });
        if sent.is_err() {
            tracing::debug!("windows closed before an event");
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let task = runtime.spawn(connection::run(binding, before, consent.clone(), receiver, notify));
    runtime.spawn(async {
        crate::machine::wait_for_termination().await;
        // As when the windows are closed: release everything that a technician holds down.
        slint::quit_event_loop().ok();
    });
    windows.borrow().chat.show()?;
    slint::run_event_loop_until_quit()?;
    lock(&consent).end();
    let (ended, elevation_withdrawn) = (windows.borrow().ended, windows.borrow().elevation_withdrawn);
    WINDOWS.with(|cell| cell.replace(None));
    drop(windows);
    // The command channel is closed now; the connection sends its last messages and ends.
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(2), task).await.ok() });
    if ended && removes_itself {
        remove_this_program();
    }
    Ok(if elevated && !elevation_withdrawn { ExitCode::from(elevation::EXIT_FINISHED) } else { ExitCode::SUCCESS })
}

/// The program was one downloaded file, and leaves nothing behind.
fn remove_this_program() {
    if let Err(error) = crate::machine::remove_own_program() {
        tracing::warn!(%error, "program file not removed");
    }
}

struct Windows {
    chat: ChatWindow,
    question: Option<ConsentWindow>,
    /// Questions about single files, oldest first.
    file_questions: Vec<questions::OpenFileQuestion>,
    panel: Option<PanelWindow>,
    /// Since when something is allowed.
    allowed_since: Option<String>,
    marks: Marks,
    border: Option<(u32, (u16, u16), Overlay)>,
    lines: Rc<VecModel<Line>>,
    entries: Vec<Entry>,
    state: Option<SessionState>,
    me: ParticipantId,
    consent: Arc<Mutex<Consent>>,
    commands: mpsc::Sender<UiCommand>,
    asked_for_it: bool,
    connected: bool,
    ended: bool,
    /// Whether the waiting process resumes.
    elevation_withdrawn: bool,
    typing: slint::Timer,
    typed_at: std::time::Instant,
}

type Shared = Rc<RefCell<Windows>>;

impl Windows {
    fn open(
        binding: &Binding,
        consent: Arc<Mutex<Consent>>,
        commands: mpsc::Sender<UiCommand>,
        removes_itself: bool,
    ) -> anyhow::Result<Shared> {
        let chat = ChatWindow::new()?;
        let lines = Rc::new(VecModel::default());
        chat.set_lines(ModelRc::from(lines.clone()));
        chat.set_organisation(binding.organisation.as_str().into());
        chat.set_domain(domain(binding).into());
        chat.set_removes_itself(removes_itself);
        let windows = Rc::new(RefCell::new(Self {
            chat,
            question: None,
            file_questions: vec![],
            panel: None,
            allowed_since: None,
            marks: Marks::default(),
            border: None,
            lines,
            entries: vec![],
            state: None,
            me: ParticipantId(0),
            consent,
            commands,
            asked_for_it: false,
            connected: false,
            ended: false,
            elevation_withdrawn: false,
            typing: slint::Timer::default(),
            typed_at: std::time::Instant::now(),
        }));
        Self::connect_chat(&windows);
        Ok(windows)
    }

    fn connect_chat(windows: &Shared) {
        let chat = windows.borrow().chat.clone_strong();
        let with = |act: fn(&mut Self, &str)| {
            let windows = Rc::downgrade(windows);
            move |text: SharedString| {
                if let Some(windows) = windows.upgrade() {
                    act(&mut windows.borrow_mut(), &text);
                }
            }
        };
        let plainly = |act: fn(&mut Self)| {
            let windows = Rc::downgrade(windows);
            move || {
                if let Some(windows) = windows.upgrade() {
                    act(&mut windows.borrow_mut());
                }
            }
        };
        chat.on_send(with(Self::send_chat));
        chat.on_enter_key(with(|windows, key| {
            windows.chat.set_problem("".into());
            windows.send(UiCommand::EnterKey(key.to_owned()));
        }));
        chat.on_open_link(with(|_, link| open_in_browser(link)));
        let save = Rc::downgrade(windows);
        chat.on_save(move |number, name| {
            if let (Some(windows), Ok(number)) = (save.upgrade(), u32::try_from(number)) {
                windows.borrow().send(UiCommand::Save { number, name: name.into() });
            }
        });
        let rate = Rc::downgrade(windows);
        chat.on_rate(move |stars, comment| {
            if let (Some(windows), Ok(stars)) = (rate.upgrade(), u8::try_from(stars)) {
                windows.borrow().send(UiCommand::Rate { stars, comment: comment.into() });
            }
        });
        chat.on_typed(plainly(Self::typed));
        chat.on_leave(plainly(Self::leave));
        chat.on_attach(with(|windows, title| windows.send(UiCommand::Attach { title: title.to_owned() })));
        chat.on_go_on(plainly(|windows| windows.send(UiCommand::Resume)));
        chat.on_end_after_return(plainly(Self::end_instead_of_resuming));
        chat.on_quit(plainly(|_| drop(slint::quit_event_loop())));
        let close = Rc::downgrade(windows);
        chat.window().on_close_requested(move || {
            let Some(windows) = close.upgrade() else { return slint::CloseRequestResponse::HideWindow };
            let mut windows = windows.borrow_mut();
            if windows.chat.get_stage() == Stage::Returned {
                windows.end_instead_of_resuming();
            }
            let in_session = matches!(windows.chat.get_stage(), Stage::Chat | Stage::Reconnecting);
            // Closing asks once, then leaves.
            if in_session && !windows.chat.get_asks_to_leave() {
                windows.chat.set_asks_to_leave(true);
            } else {
                if in_session {
                    windows.leave();
                }
                let _ = slint::quit_event_loop();
            }
            slint::CloseRequestResponse::KeepWindowShown
        });
    }

    fn send(&self, command: UiCommand) {
        if self.commands.try_send(command).is_err() {
            tracing::debug!("command dropped after the end of the connection");
        }
    }

    fn send_to_server(&self, message: ClientMessage) {
        self.send(UiCommand::Message(message));
    }

    fn send_chat(&mut self, text: &str) {
        if text.trim().is_empty() || !self.connected {
            return;
        }
        if !ClientMessage::chat_fits(text) {
            let count = text.chars().count();
            self.chat.set_problem(format!("{count} / {}", protocol::MAX_CHAT_CHARS).into());
            return;
        }
        // Random, so that no earlier run of the program has used it.
        let nonce = util::random_nonce();
        self.send_to_server(ClientMessage::Chat { text: text.trim_end().to_owned(), nonce });
        self.chat.set_draft("".into());
        self.chat.set_problem("".into());
    }

    fn typed(&mut self) {
        if self.connected && self.typed_at.elapsed() > Duration::from_secs(2) {
            self.typed_at = std::time::Instant::now();
            self.send_to_server(ClientMessage::Typing {});
        }
    }

    /// The end takes effect here first, even without a connection.
    fn leave(&mut self) {
        lock(&self.consent).end();
        self.send_to_server(ClientMessage::Leave {});
        self.finish(Stage::Ended);
    }

    /// To tell the server, the program resumes the session for a moment.
    fn end_instead_of_resuming(&mut self) {
        self.send(UiCommand::Resume);
        self.leave();
    }

    fn finish(&mut self, stage: Stage) {
        self.ended = matches!(stage, Stage::Ended);
        if self.ended {
            crate::restart_resume::forget();
        }
        self.chat.set_stage(stage);
        self.chat.set_asks_to_leave(false);
        self.close_question();
        self.follow_consent();
        let _ = self.chat.show();
    }

    fn on_event(&mut self, event: UiEvent) {
        match event {
            UiEvent::EnterKey => self.chat.set_stage(Stage::EnterKey),
            UiEvent::AskToResume => self.chat.set_stage(Stage::Returned),
            UiEvent::Connecting if self.ended => {}
            UiEvent::Connecting => self.chat.set_stage(Stage::Connecting),
            UiEvent::Connected { you } => {
                self.me = you;
                self.connected = true;
                self.chat.set_problem("".into());
            }
            UiEvent::Happened(entry) => self.happened(entry),
            UiEvent::State(state) => self.follow(*state),
            UiEvent::Typing => self.technician_types(),
            UiEvent::Problem(text) => self.chat.set_problem(text.into()),
            UiEvent::Approve(question, reply) => self.ask_about_file(question, reply),
            UiEvent::Saved(path) => self.chat.set_notice(path.into()),
            UiEvent::Attaching(name) => self.chat.set_attaching(name.unwrap_or_default().into()),
            UiEvent::Rated => self.chat.set_rated(true),
            UiEvent::Draw(mark) => self.marks.draw(&mark, fade_marks),
            UiEvent::Reconnecting if self.ended => {}
            UiEvent::Reconnecting => {
                self.connected = false;
                self.close_question();
                self.chat.set_stage(Stage::Reconnecting);
                self.follow_consent();
                if !self.chat.window().is_visible() {
                    let _ = self.chat.show();
                }
            }
            UiEvent::HandedOver => {
                self.connected = false;
                self.close_question();
                self.follow_consent();
                // The chat so far comes again with the session.
                self.entries.clear();
                self.lines.clear();
                let _ = self.chat.hide();
            }
            UiEvent::Finished => {
                self.ended = true;
                let _ = slint::quit_event_loop();
            }
            UiEvent::ElevationWithdrawn => {
                self.elevation_withdrawn = true;
                let _ = slint::quit_event_loop();
            }
            UiEvent::Failed(_) if self.ended => {}
            UiEvent::Failed(reason) if reason.is_empty() => self.finish(Stage::Ended),
            UiEvent::Failed(reason) => {
                self.chat.set_problem(reason.into());
                self.finish(Stage::Failed);
            }
        }
    }

    fn happened(&mut self, entry: Entry) {
        if let protocol::Event::Joined { id, name, role, client, user, rights, .. } = &entry.event {
            let known = self.state.as_ref().is_some_and(|s| s.participants.iter().any(|p| p.id == *id));
            if !known && let Some(state) = &mut self.state {
                let (name, presence) = (name.clone(), Presence::Here);
                state.participants.push(protocol::Participant {
                    id: *id,
                    role: *role,
                    name,
                    client: *client,
                    user: *user,
                    rights: rights.clone(),
                    presence,
                });
            }
        }
        let people = self.state.as_ref().map(|s| s.participants.as_slice()).unwrap_or_default();
        if let Some(line) = conversation::line(&entry, &self.entries, people, self.me) {
            let link = protocol::links::first(&line.text).unwrap_or_default();
            // Many transfers in a row are one line that is updated.
            let row = self.lines.row_count().saturating_sub(1);
            let grows = |last: &Line| {
                matches!(line.kind, "file-sent" | "file-fetched") && last.kind == line.kind && last.who == line.who
            };
            let last = self.lines.row_data(row).filter(grows);
            let new = Line {
                count: last.as_ref().map_or(1, |last| last.count + 1),
                kind: line.kind.into(),
                who: line.who.as_str().into(),
                text: line.text.as_str().into(),
                time: local_time(line.at).into(),
                mine: line.mine,
                link: link.into(),
                file: line.file.and_then(|number| i32::try_from(number).ok()).unwrap_or(-1),
            };
            match last {
                Some(_) => self.lines.set_row_data(row, new),
                None => self.lines.push(new),
            }
            if line.kind == "chat" && !line.mine {
                self.chat.set_typing(false);
                let _ = self.chat.show();
            }
            let chat = self.chat.as_weak();
            slint::Timer::single_shot(Duration::from_millis(30), move || {
                if let Some(chat) = chat.upgrade() {
                    chat.invoke_scroll_down();
                }
            });
        }
        let granted = matches!(entry.event, protocol::Event::Granted { .. });
        self.entries.push(entry);
        if granted && self.panel.is_some() {
            self.follow_consent();
        }
        debug_assert!(self.lines.row_count() <= self.entries.len(), "a line without its entry");
    }

    fn technician_types(&mut self) {
        self.chat.set_typing(true);
        let chat = self.chat.as_weak();
        self.typing.start(slint::TimerMode::SingleShot, Duration::from_secs(4), move || {
            if let Some(chat) = chat.upgrade() {
                chat.set_typing(false);
            }
        });
    }

    fn follow(&mut self, state: SessionState) {
        self.chat.set_organisation(state.organisation.as_str().into());
        self.chat.set_technician(helpers(&state).into());
        self.chat.set_incident(format!("{} {}", state.incident.number, state.incident.subject).into());
        let asked = state.asked.clone();
        let phase = state.phase;
        self.state = Some(state);
        match phase {
            Phase::Ended { .. } => return self.finish(Stage::Ended),
            Phase::Held => {
                self.close_question();
                self.asked_for_it = false;
                self.chat.set_stage(Stage::Held);
            }
            Phase::Active | Phase::Waiting if self.connected => self.chat.set_stage(Stage::Chat),
            Phase::Active | Phase::Waiting => {}
        }
        if asked.is_empty() {
            self.close_question();
        } else if self.question.is_none() && phase == Phase::Active {
            self.ask(&asked);
        }
        self.follow_consent();
    }
}

fn with_windows(act: impl FnOnce(&mut Windows) + 'static) {
    // Deferred, so that a window is not dropped while one of its own callbacks runs.
    slint::Timer::single_shot(Duration::ZERO, move || {
        let windows = WINDOWS.with(|cell| cell.borrow().clone());
        if let Some(windows) = windows {
            act(&mut windows.borrow_mut());
        }
    });
}

/// The drawings of technicians have been shown for long enough.
fn fade_marks() {
    with_windows(|windows| windows.marks.fade());
}

/// The names of everybody who helps; the owner while nobody is present.
fn helpers(state: &SessionState) -> String {
    let names = names(state, |role| matches!(role, Role::Technician | Role::Expert));
    if names.is_empty() { state.owner.name.clone() } else { names }
}

/// The names of everybody who only watches.
fn watchers(state: &SessionState) -> String {
    names(state, |role| role == Role::Supervisor)
}

fn names(state: &SessionState, fits: impl Fn(Role) -> bool) -> String {
    let here = |p: &&protocol::Participant| fits(p.role) && p.presence != Presence::Gone;
    state.participants.iter().filter(here).map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The longest that a window takes until it is laid out.
const LAID_OUT: Duration = Duration::from_millis(50);

/// The position of a window.
#[derive(Clone, Copy)]
enum Place {
    /// At the top of the screen, centred: the panel.
    Top,
    /// In the centre of the screen: a question.
    Middle,
}

/// Moves a window to its position once it is laid out and its size is known.
fn place<W: ComponentHandle + 'static>(window: slint::Weak<W>, place: Place) {
    slint::Timer::single_shot(LAID_OUT, move || {
        let (Some(window), Ok((width, height))) = (window.upgrade(), crate::window::screen_size()) else { return };
        let own = window.window().size();
        let left = u32::from(width).saturating_sub(own.width) / 2;
        let top = match place {
            Place::Top => 6,
            Place::Middle => u32::from(height).saturating_sub(own.height) / 3,
        };
        window.window().set_position(slint::PhysicalPosition::new(left.cast_signed(), top.cast_signed()));
    });
}

/// Opens a web address in the customer's browser.
fn open_in_browser(address: &str) {
    if protocol::links::first(address) == Some(address)
        && let Err(error) = open::that_detached(address)
    {
        tracing::warn!(%error, "browser cannot be opened");
    }
}

/// Hours and minutes in this machine's local time.
fn local_time(at: protocol::Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0.cast_signed()).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_zones_are_known_on_every_system() {
        for zone in ["Europe/Berlin", "America/New_York", "Asia/Kolkata"] {
            assert!(jiff::tz::db().get(zone).is_ok(), "{zone}");
        }
    }
}
