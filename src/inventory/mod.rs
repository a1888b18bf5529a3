//! The eyes: sees the instances of each account, and keeps to its site's budget.
//!
//! One list per account and tick serves all objects that follow it; who follows what has changed is woken. A pass
//! never waits for anything here but the catalogue: it takes what was seen, and is told when to ask again.
//!
//! Whoever runs the fleet asks for [`Inventory::next_poll`], waits until then, and runs [`Inventory::poll`].

pub mod account;
mod account_state;
pub mod budget;
mod catalogue;
pub mod demand;
mod poll;
mod schedule;
mod settings;
pub mod snapshot;
mod state;
pub mod subscriptions;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration};

pub use self::{
    account::{AccountKey, Site},
    budget::{Admission, Priority, Work},
    catalogue::CatalogueRead,
    poll::PollResult,
    settings::InventorySettings,
    snapshot::{AccountSnapshot, Cause, InstanceChange, List, Trouble},
    subscriptions::{Subscription, Urgency},
};
use self::{
    account_state::AccountState,
    budget::Budget,
    catalogue::{Catalogue, Ttl},
    poll::{Poll, Running},
    state::Shared,
};
use crate::{
    clock::Clock,
    dcs::{
        Cloud,
        model::{Flavor, FlavorQuery, MaintenanceWindow},
    },
};

/// All accounts. `C` is the way to the cloud, `F` names a follower; it is cloned a few times for each, so it should
/// be small, or shared.
#[derive(Debug)]
pub struct Inventory<C, F> {
    settings: InventorySettings,
    clock: Arc<dyn Clock>,
    shared: Shared<C, F>,
}

// === impl Inventory ===

impl<C: Cloud, F: Ord + Clone + Send> Inventory<C, F> {
    /// A fleet without accounts.
    pub fn new(settings: InventorySettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, shared: Shared::default() }
    }

    /// The way to the cloud for an account, made by `connect` if the account is new. Follow it right after: an
    /// account that nobody follows is dropped in the end. All others wait for `connect`: it must not use the fleet.
    pub fn join(&self, account: &AccountKey, connect: impl FnOnce() -> C) -> Arc<C> {
        let now = self.clock.monotonic();
        let mut state = self.shared.lock();
        if let Some(known) = state.accounts.get(account) {
            return Arc::clone(&known.cloud);
        }
        state.prune(now, &self.settings);
        let cloud = Arc::new(connect());
        state.accounts.insert(Arc::new(account.clone()), AccountState::new(Arc::clone(&cloud), now));
        cloud
    }

    /// The way to the cloud for an account; none if it is not joined.
    pub fn cloud(&self, account: &AccountKey) -> Option<Arc<C>> {
        self.shared.lock().accounts.get(account).map(|account| Arc::clone(&account.cloud))
    }

    /// What is known of an account; nothing if it is not joined.
    pub fn snapshot(&self, account: &AccountKey) -> Option<AccountSnapshot> {
        self.shared.lock().accounts.get(account).map(AccountState::snapshot)
    }

    /// Has `subscriber` follow `account` and no other, and be woken by `subscription` and nothing else. What is seen from
    /// now on wakes it, so it should follow first and look then.
    ///
    /// Returns when the account's next tick is due (see [`next_poll`](Self::next_tick)), which may be sooner than
    /// before; none while one is on its way, or if the account is not joined and so cannot be followed.
    pub fn subscribe(
        &self,
        subscriber: F,
        account: &AccountKey,
        subscription: Subscription,
    ) -> Option<Duration> {
        let mut state = self.shared.lock();
        if state.account_by_follower.get(&subscriber).is_some_and(|home| **home != *account) {
            state.unsubscribe(&subscriber);
        }
        let (key, _) = state.accounts.get_key_value(account)?;
        let key = Arc::clone(key);
        let followed = state.accounts.get_mut(account)?;
        followed.subscribe(&subscriber, subscription);
        let due = followed.due(&self.settings);
        state.account_by_follower.insert(subscriber, key);
        due
    }

    /// Forgets `subscriber`. With its last follower an account is dropped: client, lists, catalogue.
    pub fn unsubscribe(&self, subscriber: &F) {
        let now = self.clock.monotonic();
        let mut state = self.shared.lock();
        state.unsubscribe(subscriber);
        state.prune(now, &self.settings);
    }

    /// Asks for one call at the account's site. `who` has one place in each queue; it keeps it as long as it asks
    /// when it was told to.
    pub fn request(&self, account: &AccountKey, work: Work, priority: Priority, who: &str) -> Admission {
        let now = self.clock.monotonic();
        self.with_budget(account, |budget| budget.queue(work).request(priority, who, now))
    }

    /// Gives up the places of `who`: it has nothing to call for any more.
    pub fn withdraw(&self, account: &AccountKey, who: &str) {
        self.with_budget(account, |budget| budget.forget(who));
    }

    /// The site answered that it was too much: nobody calls it for `rest`.
    pub fn pause_until(&self, account: &AccountKey, rest: Duration) {
        let until = self.clock.monotonic().saturating_add(rest);
        self.with_budget(account, |budget| budget.pause_until(until));
    }

    /// How old the newest complete list of each account is; of one without, how long it has been missing.
    pub fn ages(&self) -> Vec<Duration> {
        let now = self.clock.monotonic();
        let state = self.shared.lock();
        let age = |account: &AccountState<C, F>| {
            let snapshot = account.snapshot();
            let since = snapshot.latest.map_or(snapshot.joined, |latest| latest.finished);
            now.saturating_sub(since)
        };
        state.accounts.values().map(age).collect()
    }

    /// The account to look at next, and when on the monotonic clock; that may be in the past. It can come sooner by
    /// [`subscribe`](Self::follow), and changes when a tick ends.
    pub fn next_poll(&self) -> Option<(Duration, AccountKey)> {
        let state = self.shared.lock();
        let due = |(key, account): (&Arc<AccountKey>, &AccountState<C, F>)| {
            account.due(&self.settings).map(|due| (due, Arc::clone(key)))
        };
        let (due, key) = state.accounts.iter().filter_map(due).min()?;
        Some((due, AccountKey::clone(&key)))
    }

    /// Looks at an account, if that is due and nobody is at it, and hands out who has to be woken; nobody is handed
    /// out twice.
    ///
    /// The account is taken at once, before the future is polled, so two ticks of an account never run together.
    /// The future may be dropped at any time: the account is then looked at again soon, and whoever was to be woken
    /// is handed out by a later tick.
    pub fn poll<'a>(
        &'a self,
        account: &AccountKey,
    ) -> impl Future<Output = PollResult<F>> + Send + use<'a, C, F> {
        let begun = self.begin(account);
        async move {
            match begun {
                Ok(poll) => poll.run().await,
                Err(polled) => polled,
            }
        }
    }

    /// Begins a tick, or says what there is without one.
    fn begin(&self, account: &AccountKey) -> Result<Poll<'_, C, F>, PollResult<F>> {
        let now = self.clock.monotonic();
        let mut state = self.shared.lock();
        let is_due = |account: &AccountState<C, F>| account.due(&self.settings).is_some_and(|due| due <= now);
        if state.accounts.get(account).is_some_and(is_due) {
            let queue = state.budget(account, &self.settings).queue(Work::Read);
            // One place for all lists of these credentials; no object's name has a space.
            let admission = queue.request(Priority::Shared, &format!("list {}", account.credentials), now);
            state.last_poll += 1;
            let poll = state.last_poll;
            match (admission, state.accounts.get_mut(account)) {
                (Admission::Granted { .. }, Some(known)) => {
                    known.begin(poll, now);
                    let cloud = Arc::clone(&known.cloud);
                    let running = Running { shared: &self.shared, account: account.clone(), poll };
                    return Ok(Poll { inventory: self, running, cloud });
                }
                (Admission::NotBefore(until), Some(known)) => known.postpone(until),
                (_, None) => {}
            }
        }
        let wake = state.accounts.get_mut(account).map(AccountState::take_wakes);
        Err(PollResult { wake: wake.unwrap_or_default() })
    }

    /// What can be bought: read once for all who ask, and again after a while.
    ///
    /// # Errors
    /// Within the result: why it could not be read. That too is believed, for the length of a fast tick.
    pub async fn flavors(&self, account: &AccountKey) -> CatalogueRead<Flavor> {
        let Some((cloud, catalogue)) = self.catalogue(account) else { return CatalogueRead::NotJoined };
        let read = || async move {
            self.charge_one(account);
            let flavors = cloud.list_flavors(&FlavorQuery::default()).await;
            flavors.inspect_err(|error| self.heed(account, error))
        };
        let known = catalogue.flavors.get(&*self.clock, self.catalogue_ttl(), read).await;
        known.map_or(CatalogueRead::InProgress, CatalogueRead::Read)
    }

    /// The hours that can be a maintenance window; otherwise as [`flavors`](Self::flavors).
    ///
    /// # Errors
    /// Within the result: why they could not be read. That too is believed, for the length of a fast tick.
    pub async fn windows(&self, account: &AccountKey) -> CatalogueRead<MaintenanceWindow> {
        let Some((cloud, catalogue)) = self.catalogue(account) else { return CatalogueRead::NotJoined };
        let read = || async move {
            self.charge_one(account);
            let windows = cloud.list_maintenance_windows().await;
            windows.inspect_err(|error| self.heed(account, error))
        };
        let known = catalogue.windows.get(&*self.clock, self.catalogue_ttl(), read).await;
        known.map_or(CatalogueRead::InProgress, CatalogueRead::Read)
    }

    fn catalogue(&self, account: &AccountKey) -> Option<(Arc<C>, Arc<Catalogue>)> {
        let state = self.shared.lock();
        let known = state.accounts.get(account)?;
        Some((Arc::clone(&known.cloud), Arc::clone(&known.catalogue)))
    }

    fn catalogue_ttl(&self) -> Ttl {
        Ttl { success: self.settings.catalogue_ttl, failure: self.settings.poll_interval_active }
    }

    fn charge_one(&self, account: &AccountKey) {
        let now = self.clock.monotonic();
        self.with_budget(account, |budget| budget.queue(Work::Read).charge(1, now));
    }

    fn with_budget<T>(&self, account: &AccountKey, work: impl FnOnce(&mut Budget) -> T) -> T {
        work(self.shared.lock().budget(account, &self.settings))
    }
}
