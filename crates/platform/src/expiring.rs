//! A bounded map whose entries expire. In memory only.

use std::{cmp::Reverse, collections::HashMap, hash::Hash, sync::Mutex};

use protocol::Timestamp;

/// Values by key, each for a limited time. A full map is somebody's attack: then the oldest value goes of the source (a
/// network or a person) that has the most, so that nobody displaces the values of others.
pub struct Expiring<K, V, O> {
    life_ms: u64,
    most: usize,
    all: Mutex<HashMap<K, Kept<V, O>>>,
}

struct Kept<V, O> {
    value: V,
    owner: O,
    until: Timestamp,
}

impl<K: Eq + Hash + Clone, V, O: Eq + Hash> Expiring<K, V, O> {
    /// An empty map.
    pub fn new(life_ms: u64, most: usize) -> Self {
        Self { life_ms, most, all: Mutex::default() }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<K, Kept<V, O>>> {
        self.all.lock().expect("no holder of the lock panics")
    }

    /// Stores a value of this source, replacing the one of the same key.
    pub fn put(&self, now: Timestamp, owner: O, key: K, value: V) {
        let mut all = self.all();
        all.retain(|_, kept| kept.until > now);
        while all.len() >= self.most && !all.contains_key(&key) {
            let falls = oldest_of_most(&all);
            falls.map(|key| all.remove(&key));
        }
        all.insert(key, Kept { value, owner, until: now.plus(self.life_ms) });
    }

    /// Removes and returns a value.
    pub fn take(&self, now: Timestamp, key: &K) -> Option<V> {
        self.all().remove(key).filter(|kept| kept.until > now).map(|kept| kept.value)
    }

    /// Removes and returns a value if it is this one: somebody may have replaced it.
    pub fn take_if(&self, now: Timestamp, key: &K, wanted: impl FnOnce(&V) -> bool) -> Option<V> {
        let mut all = self.all();
        let fits = all.get(key).is_some_and(|kept| kept.until > now && wanted(&kept.value));
        if fits { all.remove(key).map(|kept| kept.value) } else { None }
    }

    /// Returns a value without removing it.
    pub fn get(&self, now: Timestamp, key: &K) -> Option<V>
    where
        V: Clone,
    {
        self.all().get(key).filter(|kept| kept.until > now).map(|kept| kept.value.clone())
    }
}

fn oldest_of_most<K: Clone, V, O: Eq + Hash>(all: &HashMap<K, Kept<V, O>>) -> Option<K> {
    let mut counts = HashMap::<&O, usize>::new();
    for kept in all.values() {
        *counts.entry(&kept.owner).or_default() += 1;
    }
    let order = |kept: &Kept<V, O>| (Reverse(counts.get(&kept.owner).copied()), kept.until);
    all.iter().min_by_key(|(_, kept)| order(kept)).map(|(key, _)| key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_expires_and_is_taken_once() {
        let kept = Expiring::new(100, 2);
        let at = Timestamp;
        kept.put(at(0), (), "a", 1);
        assert_eq!([kept.get(at(99), &"a"), kept.get(at(100), &"a"), kept.get(at(1), &"b")], [Some(1), None, None]);
        let taken = [2, 1, 1].map(|wanted| kept.take_if(at(99), &"a", |value| *value == wanted));
        assert_eq!(taken, [None, Some(1), None]);
        kept.put(at(0), (), "a", 1);
        assert_eq!([kept.take(at(99), &"a"), kept.take(at(99), &"a")], [Some(1), None]);
        // The oldest value goes for the third; replacing a key displaces nobody.
        kept.put(at(1), (), "a", 1);
        kept.put(at(2), (), "b", 2);
        kept.put(at(3), (), "b", 3);
        kept.put(at(4), (), "c", 4);
        assert_eq!(["a", "b", "c"].map(|key| kept.get(at(5), &key)), [None, Some(3), Some(4)]);
    }

    #[test]
    fn the_source_with_the_most_values_displaces_its_own() {
        let kept = Expiring::new(100, 10);
        kept.put(Timestamp(0), "office", 0, "theirs");
        kept.put(Timestamp(0), "home", 1, "theirs");
        for n in 2..1_000 {
            kept.put(Timestamp(1), "flood", n, "flood");
        }
        assert_eq!([0, 1].map(|key| kept.get(Timestamp(2), &key)), [Some("theirs"); 2]);
        assert!(kept.get(Timestamp(2), &999).is_some());
        assert_eq!(kept.all().len(), 10);
    }
}
