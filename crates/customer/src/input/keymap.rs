//! The keyboard map of an X display: groups, levels and locks as XKB has them, and how to type a character with it.
//! Pure; [`super::x11`] reads map and state.

use protocol::Modifier;
use xkeysym::Keysym;

use super::keys;

/// The modifier of Caps Lock.
pub const LOCK: u8 = 2;
/// The numeric pad's own symbols.
const KEYPAD: std::ops::RangeInclusive<u32> = 0xFF80..=0xFFBD;
const SHIFT_L: u32 = 0xFFE1;
const LEVEL_3_SHIFT: u32 = 0xFE03;
const LEVEL_5_SHIFT: u32 = 0xFE11;

/// Which modifiers select which level of a key.
#[derive(Clone, Debug, Default)]
pub struct KeyType {
    /// The modifiers that matter.
    pub mask: u8,
    pub entries: Vec<Entry>,
}

/// Exactly these of the modifiers that matter select this level.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub modifiers: u8,
    pub level: usize,
    /// Modifiers that also act on the symbol of the level.
    pub preserve: u8,
}

/// The symbols of a key: `width` for each group.
#[derive(Clone, Debug, Default)]
pub struct Key {
    pub types: [u8; 4],
    /// The number of groups, and the rule for a group beyond them, packed as in the protocol.
    pub group_info: u8,
    pub width: usize,
    pub symbols: Vec<u32>,
}

/// A keyboard map.
#[derive(Clone, Debug, Default)]
pub struct Keymap {
    /// The keycode of the first of `keys`.
    pub first: u8,
    pub types: Vec<KeyType>,
    pub keys: Vec<Key>,
    /// The real modifiers of each keycode while it is down.
    pub modifiers: Vec<(u8, u8)>,
}

/// What a key produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Character(char),
    Symbol(u32),
    Nothing,
}

/// The state of a keyboard.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub group: usize,
    /// The modifiers that the technician does not hold: locks, and what the customer holds.
    pub fixed: u8,
    /// The modifiers that the technician holds, with the bits of each.
    pub ours: Vec<(Modifier, u8)>,
}

impl State {
    fn bits(&self, which: impl Fn(Modifier) -> bool) -> u8 {
        self.ours.iter().filter(|(modifier, _)| which(*modifier)).fold(0, |all, (_, bits)| all | bits)
    }

    /// All modifiers in effect.
    pub fn all(&self) -> u8 {
        self.fixed | self.bits(|_| true)
    }
}

/// How to strike a key: the keys to press around it, and the modifiers to lift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stroke {
    pub keycode: u8,
    pub add: Vec<u8>,
    pub lift: Vec<Modifier>,
}

impl Keymap {
    fn key(&self, keycode: u8) -> Option<&Key> {
        self.keys.get(usize::from(keycode.checked_sub(self.first)?))
    }

    fn keycodes(&self) -> impl Iterator<Item = u8> {
        (self.first..=u8::MAX).take(self.keys.len())
    }

    /// What a key produces in this group under these modifiers.
    pub fn meaning(&self, keycode: u8, group: usize, modifiers: u8) -> Meaning {
        let Some((key, group)) = self.key(keycode).and_then(|key| Some((key, in_range(key.group_info, group)?))) else {
            return Meaning::Nothing;
        };
        let kind = key.types.get(group).and_then(|kind| self.types.get(usize::from(*kind)));
        let mask = kind.map_or(0, |kind| kind.mask);
        let found = kind.and_then(|kind| kind.entries.iter().find(|e| e.modifiers == modifiers & mask));
        let (level, preserve) = found.map_or((0, 0), |entry| (entry.level, entry.preserve));
        let symbol = key.symbols.get(group * key.width + level.min(key.width.saturating_sub(1)));
        // A lock that selected no level capitalises.
        let capitals = modifiers & LOCK != 0 && (mask & LOCK == 0 || preserve & LOCK != 0);
        match (symbol, capitals) {
            (None | Some(0), _) => Meaning::Nothing,
            (Some(symbol), true) => match character_of(*symbol) {
                Some(c) => Meaning::Character(capital(c).unwrap_or(c)),
                None => Meaning::Symbol(*symbol),
            },
            (Some(symbol), false) => character_of(*symbol).map_or(Meaning::Symbol(*symbol), Meaning::Character),
        }
    }

    /// The symbol of a key alone, in this group.
    pub fn plain(&self, keycode: u8, group: usize) -> Option<u32> {
        let key = self.key(keycode)?;
        key.symbols.get(in_range(key.group_info, group)? * key.width).copied()
    }

    /// The modifiers of a key while it is down.
    pub fn bits(&self, keycode: u8) -> u8 {
        self.modifiers.iter().filter(|(key, _)| *key == keycode).fold(0, |all, (_, bits)| all | bits)
    }

    /// A key that alone has one of these symbols: preferably the key at `place`, preferably in the current group.
    pub fn named(&self, symbols: &[u32], place: Option<u8>, group: usize) -> Option<u8> {
        let groups = std::iter::once(group).chain((0..4).filter(|g| *g != group));
        let at = |group: usize, symbol: u32| {
            let mut all = place.into_iter().chain(self.keycodes());
            all.find(|keycode| self.plain(*keycode, group) == Some(symbol))
        };
        groups.flat_map(|group| symbols.iter().map(move |s| (group, *s))).find_map(|(group, symbol)| at(group, symbol))
    }

    /// The key of this modifier, and its bits.
    pub fn modifier(&self, modifier: Modifier, group: usize) -> Option<(u8, u8)> {
        let (code, symbols) = keys::modifier(modifier);
        let place = keys::keycode(code);
        let gives = |keycode: u8| Some((keycode, self.bits(keycode))).filter(|(_, bits)| *bits != 0);
        let found = symbols.iter().find_map(|symbol| gives(self.named(&[*symbol], place, group)?));
        found.or_else(|| gives(place?))
    }

    /// The modifiers that select levels of a key: bits and keys.
    fn shifts(&self, group: usize) -> Vec<(u8, u8)> {
        let key = |symbol| {
            let keycode = self.named(&[symbol], None, group)?;
            Some((self.bits(keycode), keycode)).filter(|(bits, _)| bits.count_ones() == 1)
        };
        [SHIFT_L, LEVEL_3_SHIFT, LEVEL_5_SHIFT].into_iter().filter_map(key).collect()
    }

    /// How to strike a character in the current state: with few changes, and preferably at its place.
    pub fn character(&self, c: char, place: Option<u8>, state: &State) -> Option<Stroke> {
        let shifts = self.shifts(state.group);
        let ways = ways(&shifts, state);
        let mut best: Option<(usize, bool, Stroke)> = None;
        for keycode in self.keycodes() {
            let here = place == Some(keycode);
            // On a numeric pad, a program may use the keys for something else.
            if !here && self.plain(keycode, state.group).is_some_and(|symbol| KEYPAD.contains(&symbol)) {
                continue;
            }
            for (modifiers, stroke) in &ways {
                let cost = (stroke.add.len() + stroke.lift.len(), !here);
                let better = best.as_ref().is_none_or(|(changes, elsewhere, _)| cost < (*changes, *elsewhere));
                if better && self.meaning(keycode, state.group, *modifiers) == Meaning::Character(c) {
                    best = Some((cost.0, cost.1, Stroke { keycode, ..stroke.clone() }));
                }
            }
        }
        best.map(|(_, _, stroke)| stroke)
    }

    /// How to strike a character together with Control, Alt or Meta: a letter by its key, whatever Shift and locks do;
    /// another character with the Shift that it needs.
    pub fn chord(&self, c: char, place: Option<u8>, state: &State) -> Option<Stroke> {
        let letter = c.to_lowercase().next().filter(|_| c.is_alphabetic());
        let Some(letter) = letter else { return self.character(c, place, state) };
        let groups = std::iter::once(state.group).chain((0..4).filter(|g| *g != state.group));
        let on = |group: usize| {
            let mut all = place.into_iter().chain(self.keycodes());
            all.find(|keycode| self.meaning(*keycode, group, 0) == Meaning::Character(letter))
        };
        groups.into_iter().find_map(on).map(|keycode| Stroke { keycode, ..Stroke::default() })
    }

    /// The keycodes without a symbol.
    pub fn free(&self) -> Vec<u8> {
        let empty = |keycode: &u8| {
            self.key(*keycode).is_some_and(|key| key.symbols.iter().all(|s| *s == 0)) && self.bits(*keycode) == 0
        };
        self.keycodes().filter(empty).collect()
    }
}

/// Every combination of modifiers that select levels: the resulting modifiers, and what to press and lift for them.
fn ways(shifts: &[(u8, u8)], state: &State) -> Vec<(u8, Stroke)> {
    let is_shift = |modifier: Modifier| matches!(modifier, Modifier::ShiftLeft | Modifier::ShiftRight);
    let others = state.fixed | state.bits(|modifier| !is_shift(modifier));
    let (held, lifted): (u8, Vec<Modifier>) =
        (state.bits(is_shift), state.ours.iter().map(|(m, _)| *m).filter(|m| is_shift(*m)).collect());
    let choices = 0..1usize << shifts.len();
    let way = |choice: usize| {
        let chosen = shifts.iter().enumerate().filter(|(n, _)| choice >> n & 1 == 1).map(|(_, shift)| *shift);
        let wanted = chosen.clone().fold(0, |all, (bits, _)| all | bits);
        let lift = if held & !wanted == 0 { vec![] } else { lifted.clone() };
        let kept = others | if lift.is_empty() { held } else { 0 };
        let add = chosen.filter(|(bits, _)| kept & bits == 0).map(|(_, keycode)| keycode).collect();
        (kept | wanted, Stroke { keycode: 0, add, lift })
    };
    choices.map(way).collect()
}

/// The current group of a key; `None` for a key without groups.
fn in_range(group_info: u8, group: usize) -> Option<usize> {
    let groups = usize::from(group_info & 0x0F);
    match (groups, group_info & 0xC0) {
        (0, _) => None,
        (groups, _) if group < groups => Some(group),
        (groups, 0x40) => Some(groups - 1),
        (groups, 0x80) => Some(usize::from(group_info >> 4 & 3)).map(|other| if other < groups { other } else { 0 }),
        (groups, _) => Some(group % groups),
    }
}

fn character_of(symbol: u32) -> Option<char> {
    Keysym::new(symbol).key_char().filter(|c| !c.is_control())
}

/// The capital of a letter, if that is one character.
pub fn capital(c: char) -> Option<char> {
    let mut upper = c.to_uppercase();
    let first = upper.next()?;
    (upper.next().is_none() && first != c).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIFT: u8 = 1;
    const MOD_2: u8 = 16;
    const MOD_5: u8 = 128;
    const SHIFT_KEY: u8 = 50;
    const LEVEL_3_KEY: u8 = 92;

    fn entry(modifiers: u8, level: usize) -> Entry {
        Entry { modifiers, level, preserve: 0 }
    }

    fn key(kind: u8, groups: &[&[u32]]) -> Key {
        let width = groups.iter().map(|g| g.len()).max().unwrap_or(0);
        let padded = |g: &&[u32]| g.iter().copied().chain(std::iter::repeat(0)).take(width).collect::<Vec<_>>();
        let symbols = groups.iter().flat_map(padded).collect();
        Key { types: [kind; 4], group_info: groups.len() as u8, width, symbols }
    }

    /// A small keyboard: a letter, a digit, a key with four levels, a numeric pad and modifiers; two groups.
    fn keymap() -> Keymap {
        let mut keys = vec![Key::default(); 248];
        let mut put = |keycode: u8, key: Key| keys[usize::from(keycode - 8)] = key;
        let latin = |c: char| u32::from(c);
        put(38, key(2, &[&[latin('a'), latin('A')], &[0x6C6, 0x6E6]]));
        put(24, key(3, &[&[latin('q'), latin('Q'), latin('@'), 0]]));
        put(11, key(1, &[&[latin('2'), latin('"')]]));
        put(16, key(1, &[&[latin('7'), latin('/')]]));
        put(79, key(4, &[&[0xFF95, 0xFFB7]]));
        put(110, key(0, &[&[0xFF50]]));
        put(SHIFT_KEY, key(0, &[&[0xFFE1]]));
        put(LEVEL_3_KEY, key(0, &[&[0xFE03]]));
        put(37, key(0, &[&[0xFFE3]]));
        put(66, key(0, &[&[0xFFE5]]));
        let types = vec![
            KeyType::default(),
            KeyType { mask: SHIFT, entries: vec![entry(SHIFT, 1)] },
            KeyType { mask: SHIFT | LOCK, entries: vec![entry(SHIFT, 1), entry(LOCK, 1)] },
            KeyType {
                mask: SHIFT | LOCK | MOD_5,
                entries: vec![
                    entry(SHIFT, 1),
                    entry(LOCK, 1),
                    entry(MOD_5, 2),
                    entry(MOD_5 | SHIFT, 3),
                    Entry { modifiers: MOD_5 | LOCK, level: 2, preserve: LOCK },
                ],
            },
            KeyType { mask: SHIFT | MOD_2, entries: vec![entry(SHIFT, 1), entry(MOD_2, 1)] },
        ];
        let modifiers = vec![(SHIFT_KEY, SHIFT), (LEVEL_3_KEY, MOD_5), (37, 4), (66, LOCK)];
        Keymap { first: 8, types, keys, modifiers }
    }

    fn state(fixed: u8, ours: &[(Modifier, u8)]) -> State {
        State { group: 0, fixed, ours: ours.to_vec() }
    }

    const HELD_SHIFT: (Modifier, u8) = (Modifier::ShiftLeft, SHIFT);

    fn stroke(keycode: u8, add: &[u8], lift: &[Modifier]) -> Stroke {
        Stroke { keycode, add: add.to_vec(), lift: lift.to_vec() }
    }

    #[test]
    fn a_character_is_struck_with_the_modifiers_it_needs_now() {
        let shift = Modifier::ShiftLeft;
        let table = [
            ("plain", 'a', state(0, &[]), stroke(38, &[], &[])),
            ("a capital", 'A', state(0, &[]), stroke(38, &[SHIFT_KEY], &[])),
            ("a capital under the technician's Shift", 'A', state(0, &[HELD_SHIFT]), stroke(38, &[], &[])),
            ("small although Shift is held", 'a', state(0, &[HELD_SHIFT]), stroke(38, &[], &[shift])),
            ("small under Caps Lock", 'a', state(LOCK, &[]), stroke(38, &[SHIFT_KEY], &[])),
            ("a capital under Caps Lock and Shift", 'A', state(LOCK, &[HELD_SHIFT]), stroke(38, &[], &[shift])),
            ("a digit under Caps Lock", '2', state(LOCK, &[]), stroke(11, &[], &[])),
            ("level 3", '@', state(0, &[]), stroke(24, &[LEVEL_3_KEY], &[])),
            ("level 3 under Caps Lock", '@', state(LOCK, &[]), stroke(24, &[LEVEL_3_KEY], &[])),
            ("small under Caps Lock, on a key of four levels", 'q', state(LOCK, &[]), stroke(24, &[SHIFT_KEY], &[])),
            ("not the numeric pad", '7', state(MOD_2, &[]), stroke(16, &[], &[])),
        ];
        for (name, c, state, expected) in table {
            assert_eq!(keymap().character(c, None, &state), Some(expected), "{name}");
        }
        assert_eq!(keymap().character('7', Some(79), &state(MOD_2, &[])), Some(stroke(79, &[], &[])), "at its place");
        assert_eq!(keymap().character('7', Some(79), &state(0, &[])), Some(stroke(16, &[], &[])), "no Num Lock there");
        assert_eq!(keymap().character('a', None, &state(SHIFT, &[])), None, "the customer holds Shift");
        assert_eq!(keymap().character('打', None, &state(0, &[])), None);
    }

    #[test]
    fn the_group_counts() {
        let mut there = state(0, &[]);
        there.group = 1;
        assert_eq!(keymap().character('ф', None, &there), Some(stroke(38, &[], &[])));
        assert_eq!(keymap().character('a', None, &there), None);
        assert_eq!(keymap().character('2', None, &there), Some(stroke(11, &[], &[])), "one group applies to all");
        assert_eq!(keymap().chord('a', None, &there), Some(stroke(38, &[], &[])), "a shortcut's key is in any group");
    }

    #[test]
    fn with_control_a_letter_needs_its_key_and_a_sign_its_shift() {
        let control = (Modifier::ControlLeft, 4);
        let both = state(0, &[control, HELD_SHIFT]);
        assert_eq!(keymap().chord('A', None, &both), Some(stroke(38, &[], &[])));
        assert_eq!(keymap().chord('2', None, &both), Some(stroke(11, &[], &[Modifier::ShiftLeft])));
        assert_eq!(keymap().chord('/', None, &state(0, &[control])), Some(stroke(16, &[SHIFT_KEY], &[])));
    }

    #[test]
    fn keys_are_found_by_name_and_modifiers_by_their_bits() {
        let map = keymap();
        assert_eq!(map.named(&[0xFF50], Some(79), 0), Some(110), "not the Home key of the numeric pad");
        assert_eq!(map.named(&[0xFF51], None, 0), None);
        assert_eq!(map.modifier(Modifier::ShiftRight, 0), Some((SHIFT_KEY, SHIFT)), "there is only one");
        assert_eq!(map.modifier(Modifier::MetaLeft, 0), None);
        let mut swapped = keymap();
        swapped.keys.swap(usize::from(37u8 - 8), usize::from(66u8 - 8));
        swapped.modifiers = vec![(66, 4), (37, LOCK)];
        assert_eq!(swapped.modifier(Modifier::ControlLeft, 0), Some((66, 4)), "Control has replaced Caps Lock");
    }

    #[test]
    fn groups_beyond_a_keys_own_are_brought_into_range() {
        let table =
            [(0x02, 3, Some(1)), (0x42, 3, Some(1)), (0x42, 2, Some(1)), (0x12 | 0x80, 3, Some(1)), (0, 0, None)];
        for (info, group, expected) in table {
            assert_eq!(in_range(info, group), expected, "{info:#x} {group}");
        }
    }

    /// With any modifiers held and locked, a stroke produces its character.
    #[test]
    fn a_stroke_produces_its_character() {
        let map = keymap();
        for fixed in 0..=u8::MAX {
            for ours in [vec![], vec![HELD_SHIFT], vec![HELD_SHIFT, (Modifier::ShiftRight, SHIFT)]] {
                let state = state(fixed, &ours);
                for c in "aAqQ@2\"7/".chars() {
                    let Some(stroke) = map.character(c, None, &state) else { continue };
                    let lifted = |m: &Modifier| !stroke.lift.contains(m);
                    let kept = ours.iter().filter(|(m, _)| lifted(m)).fold(fixed, |all, (_, bits)| all | bits);
                    let all = stroke.add.iter().fold(kept, |all, keycode| all | map.bits(*keycode));
                    assert_eq!(map.meaning(stroke.keycode, 0, all), Meaning::Character(c), "{c} {state:?}");
                }
            }
        }
    }
}
