//! On a real X display: what a terminal receives, and what is down afterwards.

use std::{
    io::{BufRead, BufReader},
    os::fd::AsRawFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::*;

/// A display with a terminal that writes every byte it receives into a file.
struct TestDesktop {
    display: String,
    processes: Vec<Child>,
    folder: tempfile::TempDir,
    x11: X11,
}

impl TestDesktop {
    fn open() -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).expect("the display's server inherits it");
        let number = writer.as_raw_fd().to_string();
        let server = ["-displayfd", number.as_str(), "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset"];
        let server = Command::new("Xvfb").args(server).stderr(Stdio::null()).spawn().expect("Xvfb is installed");
        drop(writer);
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).expect("the display's number");
        let display = format!(":{}", line.trim());
        let x11 = X11::open(Some(&display)).expect("the display");
        let folder = tempfile::tempdir().expect("a folder");
        let mut desktop = Self { display, processes: vec![server], folder, x11 };
        let script = format!("stty raw -echo; echo > {0}.there; exec cat >> {0}", desktop.file().display());
        let terminal = desktop.command("xterm").args(["-geometry", "80x24+0+0", "-e", "sh", "-c", &script]).spawn();
        desktop.processes.push(terminal.expect("xterm is installed"));
        until("the terminal is there", || desktop.file().with_extension("there").exists());
        // There is no window manager: the window under the pointer receives the keys.
        desktop.act(Act::Move { x: 100, y: 100 });
        until("the terminal has the pointer", || desktop.tool("xdotool", &["getmouselocation"]).contains("window:"));
        desktop
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("typed")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env("LC_ALL", "C.UTF-8").stderr(Stdio::null());
        command
    }

    fn tool(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program).args(args).output().expect("the tool is installed");
        assert!(output.status.success(), "{program} {args:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn act(&mut self, act: Act) {
        self.x11.act(&act, &|| true);
    }

    fn strike(&mut self, code: &str, key: &str) {
        self.act(Act::Strike { code: code.into(), key: key.into() });
    }

    fn hold(&mut self, modifier: Modifier, down: bool) {
        self.act(Act::Modifier { modifier, down });
    }

    fn text(&mut self, text: &str) {
        self.act(Act::Text { text: text.into() });
    }

    /// Waits until the terminal has received exactly this since it started, up to a line end.
    fn got(&mut self, expected: &str) {
        self.strike("Enter", "Enter");
        let typed = || std::fs::read_to_string(self.file()).unwrap_or_default();
        until("the line's end", || typed().ends_with('\r'));
        assert_eq!(typed().trim_end_matches('\r'), expected);
        assert_eq!(self.down(), Vec::<u8>::new(), "nothing is down");
        std::fs::File::options().write(true).open(self.file()).and_then(|f| f.set_len(0)).expect("an empty file");
    }

    /// The keycodes that are down.
    fn down(&self) -> Vec<u8> {
        let keys = self.x11.x.query_keymap().expect("a request").reply().expect("an answer").keys;
        (0..=u8::MAX).filter(|k| keys[usize::from(k / 8)] >> (k % 8) & 1 == 1).collect()
    }
}

impl Drop for TestDesktop {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn keys_produce_their_characters_under_any_lock_and_layout() {
    let mut desktop = TestDesktop::open();
    let secret = |desktop: &mut TestDesktop| {
        for c in ["s", "e", "c", "r", "e", "t"] {
            desktop.strike(&format!("Key{}", c.to_uppercase()), c);
        }
        desktop.hold(Modifier::ShiftLeft, true);
        desktop.strike("KeyA", "A");
        desktop.hold(Modifier::ShiftLeft, false);
    };
    secret(&mut desktop);
    desktop.got("secretA");
    desktop.tool("xdotool", &["key", "Caps_Lock"]);
    secret(&mut desktop);
    desktop.got("secretA");
    desktop.text("Grüße, ČŠ ě 打");
    desktop.got("Grüße, ČŠ ě 打");
    desktop.tool("xdotool", &["key", "Caps_Lock", "Num_Lock"]);
    for (code, key) in [("Numpad7", "Home"), ("Numpad4", "ArrowLeft"), ("NumpadDecimal", "Delete"), ("Numpad7", "7")] {
        desktop.strike(code, key);
    }
    desktop.got("\u{1b}[H\u{1b}[D\u{1b}[3~7");
    desktop.tool("setxkbmap", &["de"]);
    for (code, key) in [("KeyZ", "z"), ("KeyY", "y"), ("KeyX", "x"), ("Slash", "/"), ("Digit2", "@")] {
        desktop.strike(code, key);
    }
    desktop.got("zyx/@");
    desktop.tool("setxkbmap", &["us,ru"]);
    let (none, second) = (ModMask::from(0u16), xkb::Group::from(1u8));
    desktop.x11.x.xkb_latch_lock_state(CORE, none, none, true, second, none, false, 0).expect("the second group");
    assert_eq!(desktop.x11.refresh().expect("the state").group, 1);
    desktop.text("zyx Привет");
    desktop.got("zyx Привет");
}

#[test]
fn held_modifiers_do_not_affect_a_text_and_are_restored() {
    let mut desktop = TestDesktop::open();
    for modifier in [Modifier::ControlLeft, Modifier::AltLeft, Modifier::ShiftRight, Modifier::MetaLeft] {
        desktop.hold(modifier, true);
        let before = desktop.down();
        assert_eq!(before.len(), 1, "{modifier:?}");
        desktop.text("@{\\a");
        assert_eq!(desktop.down(), before, "{modifier:?}");
        desktop.hold(modifier, false);
    }
    desktop.got(&"@{\\a".repeat(4));
}

#[test]
fn a_letter_is_not_lost_while_the_customer_holds_shift() {
    let mut desktop = TestDesktop::open();
    desktop.tool("xdotool", &["keydown", "Shift_L"]);
    desktop.strike("KeyA", "a");
    desktop.strike("KeyB", "B");
    desktop.tool("xdotool", &["keyup", "Shift_L"]);
    desktop.got("AB");
}

#[test]
fn an_unknown_super_shortcut_types_nothing() {
    let mut desktop = TestDesktop::open();
    desktop.hold(Modifier::MetaLeft, true);
    desktop.strike("KeyC", "c");
    desktop.hold(Modifier::MetaLeft, false);
    desktop.hold(Modifier::ControlLeft, true);
    desktop.strike("KeyC", "C");
    desktop.hold(Modifier::ControlLeft, false);
    desktop.got("\u{3}");
}

#[test]
fn characters_without_a_key_arrive_in_any_number() {
    let mut desktop = TestDesktop::open();
    let text = "打印机不工作了请您帮忙看一下谢谢";
    desktop.text(text);
    desktop.got(text);
    let text = "Žluťoučký kůň pěl ďábelské ódy; größer, Übermut, weiß, „Ärger“ – 5 €.";
    desktop.text(text);
    desktop.got(text);
    let many: String = (0x4E00..0x4E00 + 90).filter_map(char::from_u32).collect();
    desktop.text(&many);
    desktop.got(&many);
}

#[test]
fn lent_keycodes_are_given_back() {
    let mut desktop = TestDesktop::open();
    let before = desktop.tool("xmodmap", &["-pke"]);
    desktop.text("打印");
    desktop.got("打印");
    assert_ne!(desktop.tool("xmodmap", &["-pke"]), before);
    desktop.x11 = X11::open(Some(&desktop.display)).expect("the display");
    assert_eq!(desktop.tool("xmodmap", &["-pke"]), before);
}
