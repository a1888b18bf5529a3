//! Instance storage, indexed by id, creation order and next transition.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::instance::Instance;

/// All instances.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Instance>", into = "Vec<Instance>")]
pub(super) struct Store {
    /// By creation number.
    instances: BTreeMap<u64, Instance>,
    positions: BTreeMap<String, u64>,
    /// Due times of automatic transitions.
    schedule: BTreeSet<(DateTime<Utc>, u64)>,
}

// === impl Store ===

impl Store {
    pub(super) fn insert(&mut self, instance: Instance) {
        let number = self.instances.last_key_value().map_or(0, |(number, _)| number + 1);
        self.schedule.extend(instance.next_due().map(|due| (due, number)));
        self.positions.insert(instance.id.clone(), number);
        self.instances.insert(number, instance);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Instance> {
        self.instances.get(self.positions.get(id)?)
    }

    /// Changes an instance. All changes go through this method, which keeps the schedule consistent.
    pub(super) fn update<T>(&mut self, id: &str, change: impl FnOnce(&mut Instance) -> T) -> Option<T> {
        let number = *self.positions.get(id)?;
        let instance = self.instances.get_mut(&number)?;
        let before = instance.next_due();
        let result = change(instance);
        let after = instance.next_due();
        if before != after {
            before.and_then(|due| self.schedule.take(&(due, number)));
            self.schedule.extend(after.map(|due| (due, number)));
        }
        Some(result)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Instance> {
        let number = self.positions.remove(id)?;
        let instance = self.instances.remove(&number)?;
        instance.next_due().and_then(|due| self.schedule.take(&(due, number)));
        Some(instance)
    }

    /// The next automatic transition and its instance.
    pub(super) fn next_due(&self) -> Option<(DateTime<Utc>, &Instance)> {
        let (due, number) = self.schedule.first()?;
        Some((*due, self.instances.get(number)?))
    }

    /// All instances, newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().rev()
    }
}

/// Only the order of the instances matters, not their numbers.
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
        instance::{PendingTransition, Transition},
    };

    fn named(id: &str) -> Instance {
        Instance { id: id.to_owned(), ..fixtures::instance() }
    }

    #[test]
    fn the_schedule_follows_every_change() {
        let mut store = Store::from(vec![named("a"), named("b")]);
        assert!(store.next_due().is_none());
        let until = |seconds| fixtures::time(seconds);
        let pend = |at| {
            move |i: &mut Instance| {
                i.pending = Some(PendingTransition { until: at, transition: Transition::Password })
            }
        };
        store.update("a", pend(until(20)));
        store.update("b", pend(until(10)));
        assert_eq!(store.next_due().map(|(due, i)| (due, i.id.as_str())), Some((until(10), "b")));
        store.update("b", |instance| instance.pending = None);
        assert_eq!(store.next_due().map(|(due, i)| (due, i.id.as_str())), Some((until(20), "a")));
        assert_eq!(Store::from(Vec::from(store.clone())).next_due(), store.next_due());
        store.remove("a");
        assert!(store.next_due().is_none());
        assert_eq!(store.update("a", |_| ()), None);
    }

    #[test]
    fn iteration_is_newest_first() {
        let mut store = Store::from(vec![named("a"), named("b")]);
        store.remove("a");
        store.insert(named("c"));
        assert_eq!(store.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["c", "b"]);
    }
}
