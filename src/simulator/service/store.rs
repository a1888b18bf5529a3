//! The instances, found by id, in order of creation, and by when something happens to them next.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::instance::Instance;

/// All instances that exist.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Instance>", into = "Vec<Instance>")]
pub(super) struct Store {
    /// By order of creation.
    instances: BTreeMap<u64, Instance>,
    numbers: BTreeMap<String, u64>,
    /// When something happens to whom.
    agenda: BTreeSet<(DateTime<Utc>, u64)>,
}

// === impl Store ===

impl Store {
    pub(super) fn insert(&mut self, instance: Instance) {
        let number = self.instances.last_key_value().map_or(0, |(number, _)| number + 1);
        self.agenda.extend(instance.due().map(|due| (due, number)));
        self.numbers.insert(instance.id.clone(), number);
        self.instances.insert(number, instance);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Instance> {
        self.instances.get(self.numbers.get(id)?)
    }

    /// Changes an instance. There is no other way, so that the agenda stays right.
    pub(super) fn update<T>(&mut self, id: &str, change: impl FnOnce(&mut Instance) -> T) -> Option<T> {
        let number = *self.numbers.get(id)?;
        let instance = self.instances.get_mut(&number)?;
        let before = instance.due();
        let result = change(instance);
        let after = instance.due();
        if before != after {
            before.and_then(|due| self.agenda.take(&(due, number)));
            self.agenda.extend(after.map(|due| (due, number)));
        }
        Some(result)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Instance> {
        let number = self.numbers.remove(id)?;
        let instance = self.instances.remove(&number)?;
        instance.due().and_then(|due| self.agenda.take(&(due, number)));
        Some(instance)
    }

    /// When something happens next, and the instance it happens to.
    pub(super) fn next(&self) -> Option<(DateTime<Utc>, &Instance)> {
        let (due, number) = self.agenda.first()?;
        Some((*due, self.instances.get(number)?))
    }

    /// All of them, the newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().rev()
    }
}

/// The numbers only tell the order, so they do not count.
impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.instances.values().eq(other.instances.values())
    }
}

impl From<Vec<Instance>> for Store {
    fn from(instances: Vec<Instance>) -> Self {
        let mut store = Self::default();
        instances.into_iter().for_each(|instance| store.insert(instance));
        store
    }
}

impl From<Store> for Vec<Instance> {
    fn from(store: Store) -> Self {
        store.instances.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::service::{
        fixtures,
        instance::{Change, Pending},
    };

    fn named(id: &str) -> Instance {
        Instance { id: id.to_owned(), ..fixtures::instance() }
    }

    #[test]
    fn the_agenda_follows_every_change() {
        let mut store = Store::from(vec![named("a"), named("b")]);
        assert!(store.next().is_none());
        let until = |seconds| fixtures::time(seconds);
        let pend =
            |at| move |i: &mut Instance| i.pending = Some(Pending { until: at, change: Change::Password });
        store.update("a", pend(until(20)));
        store.update("b", pend(until(10)));
        assert_eq!(store.next().map(|(due, i)| (due, i.id.as_str())), Some((until(10), "b")));
        store.update("b", |instance| instance.pending = None);
        assert_eq!(store.next().map(|(due, i)| (due, i.id.as_str())), Some((until(20), "a")));
        assert_eq!(Store::from(Vec::from(store.clone())).next(), store.next());
        store.remove("a");
        assert!(store.next().is_none());
        assert_eq!(store.update("a", |_| ()), None);
    }

    #[test]
    fn newest_first() {
        let mut store = Store::from(vec![named("a"), named("b")]);
        store.remove("a");
        store.insert(named("c"));
        assert_eq!(store.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["c", "b"]);
    }
}
