//! A bounded map that drops the entry that was not used for longest.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// At most `capacity` entries.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    capacity: usize,
    entries: HashMap<K, (u64, V)>,
    /// Keys by their last use.
    uses: BTreeMap<u64, K>,
    last_use: u64,
}

// === impl Lru ===

impl<K: Eq + Hash + Clone, V> Lru<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), entries: HashMap::new(), uses: BTreeMap::new(), last_use: 0 }
    }

    /// The value of a key, which counts as a use.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        let (at, value) = self.entries.get_mut(key)?;
        self.last_use += 1;
        self.uses.remove(at);
        self.uses.insert(self.last_use, key.clone());
        *at = self.last_use;
        Some(value)
    }

    /// Sets the value of a key.
    pub(crate) fn put(&mut self, key: K, value: V) {
        self.remove(&key);
        while self.entries.len() >= self.capacity
            && let Some((_, oldest)) = self.uses.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.last_use += 1;
        self.uses.insert(self.last_use, key.clone());
        self.entries.insert(key, (self.last_use, value));
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((at, _)) = self.entries.remove(key) {
            self.uses.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut map = Lru::new(3);
        (0..3).for_each(|n| map.put(n, n));
        for n in 3..100 {
            assert_eq!(map.get(&0), Some(&0), "used again and again");
            map.put(n, n);
        }
        assert_eq!((map.entries.len(), map.uses.len()), (3, 3));
        let found = [97, 98, 99].map(|key| map.get(&key).copied());
        assert_eq!(found, [None, Some(98), Some(99)]);
        map.remove(&99);
        map.put(98, 7);
        let found = [98, 99].map(|key| map.get(&key).copied());
        assert_eq!((found, map.uses.len()), ([Some(7), None], 2));
    }
}
