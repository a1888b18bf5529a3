//! What an account can choose from. It hardly ever changes, so it is read on demand and cached.

use std::{
    future::Future,
    sync::{Arc, Weak},
};

use super::{Inventory, account::AccountKey, budget::Work};
use crate::{
    dcs::{
        Cloud, Error,
        model::{Flavor, FlavorQuery, MaintenanceWindow},
    },
    single_flight::SingleFlight,
};

/// What an account can choose from.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    flavors: SingleFlight<Arc<[Flavor]>, Error>,
    windows: SingleFlight<Arc<[MaintenanceWindow]>, Error>,
}

/// The result of reading a part of the catalogue.
#[derive(Debug, Clone)]
pub enum CatalogueRead<T> {
    /// The list, or why it could not be read.
    Read(Result<Arc<[T]>, Error>),
    /// Another caller is reading it.
    InProgress,
    /// The account is not joined.
    NotJoined,
}

/// Lists of which equal ones share their memory: a region offers most accounts the same flavors.
#[derive(Debug)]
pub(super) struct Interner<T>(Vec<Weak<[T]>>);

// === impl Inventory ===

impl<C: Cloud, F: Ord + Clone + Send> Inventory<C, F> {
    /// The flavors on offer, read once for all callers and cached for a while. A failure is cached for one active poll
    /// interval.
    pub async fn flavors(&self, account: &AccountKey) -> CatalogueRead<Flavor> {
        let Some((cloud, catalogue)) = self.catalogue(account) else { return CatalogueRead::NotJoined };
        let read = || async {
            let flavors = self.charged(account, cloud.list_flavors(&FlavorQuery::default())).await?;
            Ok(self.shared.lock().flavors.intern(flavors))
        };
        self.cached(&catalogue.flavors, read).await
    }

    /// The hours on offer as a maintenance window; otherwise as [`flavors`](Self::flavors).
    pub async fn windows(&self, account: &AccountKey) -> CatalogueRead<MaintenanceWindow> {
        let Some((cloud, catalogue)) = self.catalogue(account) else { return CatalogueRead::NotJoined };
        let read = || async { self.charged(account, cloud.list_maintenance_windows()).await.map(Arc::from) };
        self.cached(&catalogue.windows, read).await
    }

    fn catalogue(&self, account: &AccountKey) -> Option<(Arc<C>, Arc<Catalogue>)> {
        let state = self.shared.lock();
        let known = state.accounts.get(account)?;
        Some((Arc::clone(&known.cloud), Arc::clone(&known.catalogue)))
    }

    async fn cached<T, R: Future<Output = Result<Arc<[T]>, Error>>>(
        &self,
        part: &SingleFlight<Arc<[T]>, Error>,
        read: impl FnOnce() -> R,
    ) -> CatalogueRead<T> {
        // A failure is kept too, so that not every object that waits for the list repeats the call.
        let (success, failure) = (self.settings.catalogue_ttl, self.settings.poll_interval_active);
        let ttl = |result: &Result<_, _>, _| Some(if result.is_ok() { success } else { failure });
        let known = part.try_get(&*self.clock, ttl, read).await;
        known.map_or(CatalogueRead::InProgress, CatalogueRead::Read)
    }

    /// Makes a call that was not requested from the budget.
    async fn charged<T>(
        &self,
        account: &AccountKey,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let now = self.clock.monotonic();
        self.with_budget(account, |budget| budget.queue(Work::Read).charge(1, now));
        call.await.inspect_err(|error| self.apply_throttling(account, error))
    }
}

// === impl Interner ===

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Interner<T> {
    /// The list in use that equals `items`, or a new one.
    fn intern(&mut self, items: Vec<T>) -> Arc<[T]> {
        self.0.retain(|list| list.strong_count() > 0);
        let equal = self.0.iter().filter_map(Weak::upgrade).find(|list| **list == *items);
        equal.unwrap_or_else(|| {
            let list = Arc::from(items);
            self.0.push(Arc::downgrade(&list));
            list
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_share_memory_until_they_are_dropped() {
        let mut interner = Interner::default();
        let (one, other, equal) =
            (interner.intern(vec![1]), interner.intern(vec![2]), interner.intern(vec![1]));
        assert!(Arc::ptr_eq(&one, &equal) && !Arc::ptr_eq(&one, &other));
        drop((one, other, equal));
        interner.intern(vec![3]);
        assert_eq!(interner.0.len(), 1);
    }
}
