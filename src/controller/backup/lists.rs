//! The lists of backups, by instance: the objects about one instance share them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{dcs::model::BackupRecord, inventory::AccountKey, plan::backup::BackupList};

/// A list that is older than this is of no use to any object.
const MAX_AGE: Duration = Duration::from_secs(7200);
/// The least time between the beginnings of two lists that count as two.
const APART: Duration = Duration::from_secs(5);

/// The newest complete list of each instance.
#[derive(Debug, Default)]
pub struct BackupLists(Mutex<HashMap<(AccountKey, String), BackupList>>);

// === impl BackupLists ===

impl BackupLists {
    /// The list of an instance, if it began at `since` or later.
    pub fn get(&self, account: &AccountKey, instance: &str, since: Duration) -> Option<BackupList> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&(account.clone(), instance.to_owned())).filter(|list| list.begun >= since).cloned()
    }

    /// Keeps a complete list that began at `begun`.
    pub fn put(
        &self,
        account: &AccountKey,
        instance: &str,
        begun: Duration,
        records: Vec<BackupRecord>,
    ) -> BackupList {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, list| begun.saturating_sub(list.begun) < MAX_AGE);
        let key = (account.clone(), instance.to_owned());
        let known = lists.get(&key);
        // Two lists that began together prove no more than one.
        let apart = |list: &&BackupList| begun.saturating_sub(list.begun) >= APART;
        let before = match known.filter(apart) {
            Some(list) => Some(list.begun),
            None => known.and_then(|list| list.before).filter(|before| *before < begun),
        };
        let list = BackupList { begun, before, records: Arc::from(records) };
        if known.is_none_or(|known| known.begun < begun) {
            lists.insert(key, list.clone());
        }
        list
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

    #[test]
    fn a_list_serves_all_that_need_none_newer() {
        let lists = BackupLists::default();
        let (a, at) = (account("a"), Duration::from_secs);
        assert!(lists.get(&a, "i", at(0)).is_none());
        assert_eq!(lists.put(&a, "i", at(10), Vec::new()).before, None);
        assert!(lists.get(&a, "i", at(10)).is_some() && lists.get(&a, "i", at(11)).is_none());
        assert!(lists.get(&account("b"), "i", at(0)).is_none() && lists.get(&a, "j", at(0)).is_none());
        assert_eq!(lists.put(&a, "i", at(20), Vec::new()).before, Some(at(10)));
        lists.put(&a, "j", at(20) + MAX_AGE, Vec::new());
        assert!(lists.get(&a, "i", at(0)).is_none(), "it is dropped");
    }
}
