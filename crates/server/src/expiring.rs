//! What is expected back within a while: kept in memory, bounded, gone with the process.

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use protocol::Timestamp;

/// Values by their keys, each for so long, and so many at most: more are somebody's attack, and the oldest fall.
pub struct Expiring<K, V> {
    life_ms: u64,
    most: usize,
    all: Mutex<HashMap<K, (V, Timestamp)>>,
}

impl<K: Eq + Hash + Clone, V> Expiring<K, V> {
    /// Nothing yet.
    pub fn new(life_ms: u64, most: usize) -> Self {
        Self { life_ms, most, all: Mutex::default() }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<K, (V, Timestamp)>> {
        self.all.lock().expect("nobody panics while holding what is expected back")
    }

    /// Keeps a value, in place of one that the key had.
    pub fn put(&self, now: Timestamp, key: K, value: V) {
        let mut all = self.all();
        all.retain(|_, (_, until)| *until > now);
        while all.len() >= self.most && !all.contains_key(&key) {
            let oldest = all.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| key.clone());
            oldest.map(|key| all.remove(&key));
        }
        all.insert(key, (value, now.plus(self.life_ms)));
    }

    /// Gives a value back, once.
    pub fn take(&self, now: Timestamp, key: &K) -> Option<V> {
        self.all().remove(key).filter(|(_, until)| *until > now).map(|(value, _)| value)
    }

    /// Gives a value back, once, if it is this one: somebody may have put another in its place.
    pub fn take_if(&self, now: Timestamp, key: &K, wanted: impl FnOnce(&V) -> bool) -> Option<V> {
        let mut all = self.all();
        let fits = all.get(key).is_some_and(|(value, until)| *until > now && wanted(value));
        if fits { all.remove(key).map(|(value, _)| value) } else { None }
    }

    /// A value, which stays.
    pub fn get(&self, now: Timestamp, key: &K) -> Option<V>
    where
        V: Clone,
    {
        self.all().get(key).filter(|(_, until)| *until > now).map(|(value, _)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_there_for_a_while_and_taken_once() {
        let kept = Expiring::new(100, 2);
        let at = Timestamp;
        kept.put(at(0), "a", 1);
        assert_eq!([kept.get(at(99), &"a"), kept.get(at(100), &"a"), kept.get(at(1), &"b")], [Some(1), None, None]);
        let taken = [2, 1, 1].map(|wanted| kept.take_if(at(99), &"a", |value| *value == wanted));
        assert_eq!(taken, [None, Some(1), None]);
        kept.put(at(0), "a", 1);
        assert_eq!([kept.take(at(99), &"a"), kept.take(at(99), &"a")], [Some(1), None]);
        // The oldest falls for the third; a key that is there takes nobody's place.
        kept.put(at(1), "a", 1);
        kept.put(at(2), "b", 2);
        kept.put(at(3), "b", 3);
        kept.put(at(4), "c", 4);
        assert_eq!(["a", "b", "c"].map(|key| kept.get(at(5), &key)), [None, Some(3), Some(4)]);
    }
}
