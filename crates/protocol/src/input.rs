//! A technician's input. It has a stream of its own, so that it never waits behind large data.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A pointer button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Button {
    Left,
    Middle,
    Right,
    Back,
    Forward,
}

/// A key combination that the technician's own system would intercept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Special {
    /// Ctrl+Alt+Del.
    CtrlAltDel,
    /// Alt+Tab.
    AltTab,
    /// Alt+F4.
    AltF4,
    /// The Windows or Super key.
    Super,
    /// Ctrl+Esc.
    CtrlEsc,
    /// Print Screen.
    PrintScreen,
}

/// A key that changes the meaning of other keys while it is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Modifier {
    ShiftLeft,
    ShiftRight,
    ControlLeft,
    ControlRight,
    AltLeft,
    AltRight,
    MetaLeft,
    MetaRight,
}

/// One input event of a technician. Positions are pixels of the shared screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[ts(export)]
#[expect(missing_docs, reason = "the variants explain the fields")]
pub enum Input {
    /// The pointer moved here.
    Move { x: u16, y: u16 },
    /// A button went down or up here.
    Press { button: Button, down: bool, x: u16, y: u16 },
    /// The wheel turned: pixels as the browser counts them, 100 a notch; down and right are positive.
    Wheel { dx: i32, dy: i32, x: u16, y: u16 },
    /// A key went down or up: `code` is the physical key (`KeyboardEvent.code`), `key` what it produces
    /// (`KeyboardEvent.key`).
    Key { code: String, key: String, down: bool },
    /// Type this text, whatever the keyboard layouts are.
    Text { text: String },
    /// Exactly these are down now. Sent every [`crate::HELD_EVERY`] while anything is down. Whatever is not named or
    /// not renewed is released, and a modifier that was released in the meantime is pressed again.
    Held { modifiers: Vec<Modifier>, buttons: Vec<Button> },
    /// Release everything: the page lost the focus, or its user may no longer control.
    ReleaseAll {},
    /// Press and release a combination.
    Special { combination: Special },
}
