//! What a technician's hand does. Travels on a stream of its own, so that nothing large is ever in front of it.

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

/// A combination that the technician's own system would swallow.
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

/// A key that changes what other keys mean while it is down.
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

/// One act of a technician's hand. Positions are pixels of the shared screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[ts(export)]
#[expect(missing_docs, reason = "the fields repeat the variant's words")]
pub enum Input {
    /// The pointer is here now.
    Move { x: u16, y: u16 },
    /// A button went down or up, here.
    Press { button: Button, down: bool, x: u16, y: u16 },
    /// The wheel turned: pixels as the browser counts them, 100 a notch; down and right are positive.
    Wheel { dx: i32, dy: i32, x: u16, y: u16 },
    /// A key went down or up: `code` is the physical key (`KeyboardEvent.code`), `key` what it produces
    /// (`KeyboardEvent.key`).
    Key { code: String, key: String, down: bool },
    /// Type this text, whatever the layouts are.
    Text { text: String },
    /// Exactly these are down now. Said every [`crate::HELD_EVERY`] while any is: what is not renewed is let go, what is not
    /// named too, and a modifier that was let go meanwhile is pressed again.
    Held { modifiers: Vec<Modifier>, buttons: Vec<Button> },
    /// Let go of everything: the page lost the focus, or whose hand it was may no longer act.
    ReleaseAll {},
    /// Press and release a combination.
    Special { combination: Special },
}
