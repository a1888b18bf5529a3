//! The lists of backups and of restores, by instance: the objects about one instance share them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    inventory::AccountKey,
    plan::job::{RecordList, Records},
};

/// A list that is older than this is of no use to any object.
const MAX_AGE: Duration = Duration::from_secs(7200);
/// The least time between the beginnings of two lists that count as two.
const APART: Duration = Duration::from_secs(5);

/// The newest answer about the records of each instance.
#[derive(Debug)]
pub struct RecordLists<R>(Mutex<HashMap<(AccountKey, String), Entry<R>>>);

/// What is kept of an instance.
#[derive(Debug)]
struct Entry<R> {
    /// When the newest answer was asked for.
    begun: Duration,
    /// Its records; `None` if the cloud says that it does not exist.
    records: Option<Arc<[R]>>,
    /// When complete lists began, in order: the newest, those less than [`APART`] before it, and one more.
    times: Vec<Duration>,
}

// === impl RecordLists ===

impl<R> RecordLists<R> {
    /// The newest answer about an instance, if it was asked for at `since` or later.
    pub fn get(&self, account: &AccountKey, instance: &str, since: Duration) -> Option<Records<R>> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&(account.clone(), instance.to_owned()))?;
        (entry.begun >= since).then(|| entry.answer())
    }

    /// Keeps an answer that was asked for at `begun`: the records, or `None` if the instance does not exist.
    pub fn put(
        &self,
        account: &AccountKey,
        instance: &str,
        begun: Duration,
        records: Option<Vec<R>>,
    ) -> Records<R> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| begun.saturating_sub(entry.begun) < MAX_AGE);
        let key = (account.clone(), instance.to_owned());
        let entry = entries.entry(key).or_insert_with(|| Entry { begun, records: None, times: Vec::new() });
        // A slower request may have been answered by less.
        if begun >= entry.begun {
            entry.renew(begun, records.map(Arc::from));
        }
        entry.answer()
    }
}

impl<R> Default for RecordLists<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

// === impl Entry ===

impl<R> Entry<R> {
    fn renew(&mut self, begun: Duration, records: Option<Arc<[R]>>) {
        (self.begun, self.records) = (begun, records);
        if self.records.is_none() {
            self.times.clear();
            return;
        }
        self.times.push(begun);
        let is_apart = |time: &Duration| begun.saturating_sub(*time) >= APART;
        let last = self.times.iter().rposition(is_apart).unwrap_or_default();
        self.times.drain(..last);
    }

    fn answer(&self) -> Records<R> {
        let Some(records) = &self.records else { return Records::InstanceNotFound };
        let is_apart = |time: &Duration| self.begun.saturating_sub(*time) >= APART;
        let before = self.times.first().copied().filter(is_apart);
        Records::Listed(RecordList { begun: self.begun, before, records: Arc::clone(records) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(project: &str) -> AccountKey {
        AccountKey {
            endpoint: "https://dcs.example.com/".to_owned(),
            project_id: project.to_owned(),
            credentials: "hash".to_owned(),
        }
    }

    fn before(answer: &Records<u32>) -> Option<u64> {
        match answer {
            Records::Listed(list) => list.before.map(|before| before.as_secs()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_serves_all_that_need_none_newer() {
        let lists = RecordLists::<u32>::default();
        let (a, at) = (account("a"), Duration::from_secs);
        assert!(lists.get(&a, "i", at(0)).is_none());
        lists.put(&a, "i", at(10), Some(Vec::new()));
        assert!(lists.get(&a, "i", at(10)).is_some() && lists.get(&a, "i", at(11)).is_none());
        assert!(lists.get(&account("b"), "i", at(0)).is_none() && lists.get(&a, "j", at(0)).is_none());
        lists.put(&a, "j", at(10) + MAX_AGE, Some(Vec::new()));
        assert!(lists.get(&a, "i", at(0)).is_none(), "it is dropped");
    }

    /// However often lists are read, there is an earlier one that proves as much as the newest.
    #[test]
    fn the_list_before_is_some_seconds_older() {
        for step in [1, 2, 4, 5, 15] {
            let lists = RecordLists::<u32>::default();
            for n in 0..20 {
                let now = n * step;
                let answer = lists.put(&account("a"), "i", Duration::from_secs(now), Some(Vec::new()));
                let expected = (now >= 5).then(|| now - 5_u64.div_ceil(step) * step);
                assert_eq!(before(&answer), expected, "each {step} s, at {now} s");
            }
        }
    }

    #[test]
    fn an_instance_that_does_not_exist_is_kept_too() {
        let (lists, a, at) = (RecordLists::<u32>::default(), account("a"), Duration::from_secs);
        lists.put(&a, "i", at(0), Some(Vec::new()));
        lists.put(&a, "i", at(10), None);
        assert!(matches!(lists.get(&a, "i", at(10)), Some(Records::InstanceNotFound)));
        let slower = lists.put(&a, "i", at(9), Some(Vec::new()));
        assert!(matches!(slower, Records::InstanceNotFound));
        assert_eq!(before(&lists.put(&a, "i", at(20), Some(Vec::new()))), None);
    }
}
