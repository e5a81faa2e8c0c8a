//! Unused keycodes, lent to characters that the customer's keyboard lacks.
//!
//! Programs read the keyboard map late: when they get the first key after a change, and then in its current form. So
//! everything that a text needs is bound at once, before its first key, and a struck keycode keeps its meaning until
//! the receiver must have read it.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use super::{keymap::capital, keys::keysym};

/// How long a struck keycode keeps its meaning. A program that is busy for longer may read the wrong one.
pub const SETTLE: Duration = Duration::from_millis(1_000);

/// A keycode and its symbols: plain, and with Shift.
pub type Binding = (u8, [u32; 2]);

#[derive(Debug)]
struct Slot {
    keycode: u8,
    bound: Option<[u32; 2]>,
    struck: Option<Instant>,
}

/// All spare keycodes.
#[derive(Debug, Default)]
pub struct Spares(Vec<Slot>);

impl Spares {
    /// The map was read: these keycodes are free, and `plain` tells the symbols of the others.
    pub fn follow(&mut self, free: &[u8], plain: impl Fn(u8) -> Option<u32>) {
        self.0.retain(|slot| slot.bound.is_some_and(|[symbol, _]| plain(slot.keycode) == Some(symbol)));
        let new = free.iter().filter(|keycode| self.0.iter().all(|slot| slot.keycode != **keycode));
        let new: Vec<Slot> = new.map(|keycode| Slot { keycode: *keycode, bound: None, struck: None }).collect();
        self.0.extend(new);
    }

    /// The bindings that give keys to as many of these characters as possible, from the first on. Each character comes
    /// with its position in the text, and so does each keycode that the text needs unchanged. None when all keycodes
    /// were struck a moment ago.
    pub fn bind(&mut self, now: Instant, wanted: &[(usize, char)], needed: &[(usize, u8)]) -> Vec<Binding> {
        let settled = |slot: &&mut Slot| slot.struck.is_none_or(|at| now.saturating_duration_since(at) >= SETTLE);
        let need = |slot: &Slot| needed.iter().find(|(_, keycode)| *keycode == slot.keycode).map(|(at, _)| *at);
        let mut free: Vec<(Option<usize>, &mut Slot)> =
            self.0.iter_mut().filter(settled).map(|slot| (need(slot), slot)).collect();
        // First the keycodes that the text does not need, least recently used first; then those that it needs last.
        free.sort_by_key(|(need, slot)| (need.map(Reverse), slot.struck));
        let mut bindings = vec![];
        for ((need, slot), (at, pair)) in free.into_iter().zip(pairs(wanted)) {
            if need.is_some_and(|need| need <= at) {
                break;
            }
            (slot.bound, slot.struck) = (Some(pair), None);
            bindings.push((slot.keycode, pair));
        }
        bindings
    }

    /// A keycode was struck.
    pub fn struck(&mut self, keycode: u8, now: Instant) {
        if let Some(slot) = self.0.iter_mut().find(|slot| slot.keycode == keycode) {
            slot.struck = Some(now);
        }
    }

    /// Whether there is any spare keycode.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lent keycodes, to be given back.
    pub fn lent(&self) -> Vec<u8> {
        self.0.iter().filter(|slot| slot.bound.is_some()).map(|slot| slot.keycode).collect()
    }

    /// When all struck keycodes have been read.
    pub fn settled(&self) -> Option<Instant> {
        self.0.iter().filter_map(|slot| slot.struck).max().map(|at| at + SETTLE)
    }
}

/// Two symbols for each keycode, and the position of the first: a letter with its capital, or two signs.
fn pairs(wanted: &[(usize, char)]) -> Vec<(usize, [u32; 2])> {
    let mut pairs: Vec<(usize, [u32; 2])> = vec![];
    let mut open: Option<usize> = None;
    for (at, c) in wanted {
        let lower = Some(c.to_lowercase()).filter(|l| l.len() == 1).and_then(|mut l| l.next()).unwrap_or(*c);
        match (capital(lower), open) {
            (Some(upper), _) => {
                let pair = [keysym(lower), keysym(upper)];
                if !pairs.iter().any(|(_, known)| *known == pair) {
                    pairs.push((*at, pair));
                }
            }
            (None, Some(half)) => {
                pairs[half].1[1] = keysym(*c);
                open = None;
            }
            (None, None) => {
                open = Some(pairs.len());
                pairs.push((*at, [keysym(*c); 2]));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spares(keycodes: &[u8]) -> Spares {
        let mut spares = Spares::default();
        spares.follow(keycodes, |_| None);
        spares
    }

    fn placed(text: &str) -> Vec<(usize, char)> {
        text.chars().enumerate().collect()
    }

    fn keycodes(bindings: &[Binding]) -> Vec<u8> {
        bindings.iter().map(|(keycode, _)| *keycode).collect()
    }

    #[test]
    fn letters_take_their_capital_along_and_signs_share_a_key() {
        let [s, big, print, mark, machine] = ['š', 'Š', '打', '印', '机'].map(keysym);
        let expected = [(0, [s, big]), (2, [print, mark]), (4, [machine, machine])];
        assert_eq!(pairs(&placed("šŠ打印机")), expected);
        assert_eq!(pairs(&placed("Š")), [(0, [s, big])]);
        assert_eq!(pairs(&placed("ß")), [(0, [0xDF, 0xDF])], "its capital is two letters");
    }

    #[test]
    fn a_struck_keycode_keeps_its_symbols_until_read() {
        let (mut spares, start) = (spares(&[8, 93]), Instant::now());
        assert_eq!(spares.bind(start, &placed("打印机不工"), &[]).len(), 2, "as many as there are keycodes");
        assert_eq!(spares.bind(start, &placed("作"), &[]).len(), 1, "nothing was struck yet");
        spares.struck(8, start);
        spares.struck(93, start + Duration::from_millis(10));
        assert_eq!(spares.bind(start + SETTLE / 2, &placed("工"), &[]), [], "both may still be on their way");
        assert_eq!(spares.settled(), Some(start + Duration::from_millis(10) + SETTLE));
        assert_eq!(keycodes(&spares.bind(start + SETTLE, &placed("工作了"), &[])), [8]);
    }

    #[test]
    fn the_least_recently_used_keycode_is_lent_first() {
        let (mut spares, start) = (spares(&[8, 93, 97]), Instant::now());
        spares.bind(start, &placed("打印机不工作"), &[]);
        for (n, keycode) in [93, 8, 97].into_iter().enumerate() {
            spares.struck(keycode, start + Duration::from_millis(n as u64));
        }
        assert_eq!(keycodes(&spares.bind(start + 2 * SETTLE, &placed("abc"), &[])), [93, 8, 97]);
    }

    #[test]
    fn keycodes_that_the_text_needs_sooner_stay_unchanged() {
        let (mut spares, start) = (spares(&[8, 93, 97]), Instant::now());
        spares.bind(start, &placed("打印机不工作"), &[]);
        let needed = [(0, 8), (2, 93), (9, 97)];
        assert_eq!(keycodes(&spares.bind(start, &[(1, '了'), (3, '请'), (4, '您')], &needed)), [97]);
        assert_eq!(
            keycodes(&spares.bind(start, &[(0, '看')], &[(1, 8), (2, 93), (3, 97)])),
            [97],
            "one is always found"
        );
    }

    #[test]
    fn a_new_map_takes_lent_keycodes_back() {
        let (mut spares, start) = (spares(&[8, 93]), Instant::now());
        let bound = spares.bind(start, &placed("打"), &[]);
        assert_eq!(spares.lent(), [8]);
        spares.follow(&[93], |keycode| (keycode == 8).then_some(bound[0].1[0]));
        assert_eq!(spares.lent(), [8], "still lent");
        spares.follow(&[8, 97], |_| None);
        assert_eq!((spares.lent(), spares.is_empty()), (vec![], false));
    }
}
