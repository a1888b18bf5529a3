//! Details of instances that were read a moment ago: a reconcile that the budget ends after its first read goes on with it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{inventory::AccountKey, plan::instance::observed::Detail};

/// A detail that is older than this is of no use to any object.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The last answer about each instance, and when it was asked for.
#[derive(Debug, Default)]
pub struct DetailCache(Mutex<HashMap<(AccountKey, String), (Duration, Detail)>>);

// === impl DetailCache ===

impl DetailCache {
    /// The last answer about an instance, if it was asked for at `since` or later.
    pub(super) fn get(&self, account: &AccountKey, instance: &str, since: Duration) -> Option<Detail> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, detail) = entries.get(&(account.clone(), instance.to_owned()))?;
        (*begun >= since).then(|| detail.clone())
    }

    /// Keeps an answer that was asked for at `begun`.
    pub(super) fn put(&self, account: &AccountKey, instance: &str, begun: Duration, detail: &Detail) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, (at, _)| begun.saturating_sub(*at) < MAX_AGE);
        entries.insert((account.clone(), instance.to_owned()), (begun, detail.clone()));
    }

    /// Something in an account was changed: what was read before does not hold any more.
    pub(super) fn forget(&self, account: &AccountKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| of != account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_serves_for_a_moment_and_until_a_change() {
        let account = |project: &str| AccountKey {
            endpoint: "https://dcs.example.com/".to_owned(),
            project_id: project.to_owned(),
            credentials: "hash".to_owned(),
        };
        let (cache, a, at) = (DetailCache::default(), account("a"), Duration::from_secs);
        cache.put(&a, "i", at(10), &Detail::NotFound);
        assert!(cache.get(&a, "i", at(10)).is_some() && cache.get(&a, "i", at(11)).is_none());
        assert!(cache.get(&a, "j", at(0)).is_none() && cache.get(&account("b"), "i", at(0)).is_none());
        cache.forget(&account("b"));
        assert!(cache.get(&a, "i", at(10)).is_some());
        cache.forget(&a);
        assert!(cache.get(&a, "i", at(0)).is_none());
        cache.put(&a, "i", at(10), &Detail::NotFound);
        cache.put(&a, "j", at(10) + MAX_AGE, &Detail::NotFound);
        assert!(cache.get(&a, "i", at(0)).is_none(), "it is dropped");
    }
}
