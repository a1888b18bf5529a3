//! Observes the instances of each account and limits the calls to its site.
//!
//! One list per account and poll serves all subscribed objects; a poll returns the subscribers that a change
//! concerns. A reconcile never waits for a list: it takes the snapshot, and is woken by the next change.
//!
//! The owner of an [`Inventory`] asks for [`Inventory::next_poll`], waits until then, and runs [`Inventory::poll`].

pub mod account;
mod account_state;
pub mod budget;
mod catalogue;
pub mod demand;
mod line;
mod poll;
mod schedule;
mod settings;
pub mod snapshot;
mod state;
pub mod subscriptions;
#[cfg(test)]
mod tests;
mod topic;

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

pub use self::{
    account::{AccountKey, Site},
    budget::{Admission, Caller, Priority, Work},
    catalogue::CatalogueRead,
    demand::Demand,
    poll::PollResult,
    settings::InventorySettings,
    snapshot::{Cause, Change, List, Lists, Trouble},
    subscriptions::{Subscriber, Subscription},
    topic::AccountSnapshot,
};
use self::{
    account_state::AccountState,
    catalogue::Catalogue,
    poll::{Poll, Running},
    state::Shared,
};
use crate::{
    clock::Clock,
    dcs::{
        Cloud, Error,
        model::{Flavor, FlavorQuery, MaintenanceWindow},
    },
    single_flight::SingleFlight,
};

/// All accounts. `C` is the client of an account, `F` names a subscriber.
#[derive(Debug)]
pub struct Inventory<C, F> {
    shared: Shared<C, F>,
}

// === impl Inventory ===

impl<C: Cloud, F: Subscriber> Inventory<C, F> {
    /// An inventory without accounts.
    pub fn new(settings: InventorySettings, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Shared::new(settings, clock) }
    }

    /// The client of an account, made by `connect` if the account is new. Subscribe right after: an account without
    /// subscribers is dropped in the end. `connect` runs under the inventory's lock and must not use the inventory.
    pub fn join(&self, account: &AccountKey, connect: impl FnOnce() -> C) -> Arc<C> {
        let now = self.shared.clock.monotonic();
        let mut state = self.shared.lock();
        if let Some(known) = state.accounts.get(account) {
            return Arc::clone(&known.cloud);
        }
        state.prune(now, &self.shared.settings);
        let cloud = Arc::new(connect());
        state.accounts.insert(Arc::new(account.clone()), AccountState::new(Arc::clone(&cloud), now));
        cloud
    }

    /// The client of an account; `None` if it is not joined.
    pub fn cloud(&self, account: &AccountKey) -> Option<Arc<C>> {
        self.shared.lock().accounts.get(account).map(|account| Arc::clone(&account.cloud))
    }

    /// The lists of an account; `None` if it is not joined.
    pub fn snapshot(&self, account: &AccountKey) -> Option<AccountSnapshot> {
        self.shared.lock().accounts.get(account).map(AccountState::snapshot)
    }

    /// Subscribes `subscriber` to `account` and to no other, in place of its former subscription. Later lists wake it,
    /// so it should subscribe first and take the snapshot then.
    ///
    /// Returns when the account's next poll is due (see [`next_poll`](Self::next_poll)), which may be sooner than
    /// before; `None` while one is running, or if the account is not joined.
    pub fn subscribe(
        &self,
        subscriber: F,
        account: &AccountKey,
        subscription: Subscription,
    ) -> Option<Duration> {
        let mut state = self.shared.lock();
        if state.account_by_subscriber.get(&subscriber).is_some_and(|former| **former != *account) {
            state.unsubscribe(&subscriber, &self.shared.settings);
        }
        let (key, _) = state.accounts.get_key_value(account)?;
        let key = Arc::clone(key);
        let joined = state.accounts.get_mut(account)?;
        joined.subscribe(&subscriber, subscription);
        let due = joined.due(&self.shared.settings);
        state.reindex(&key, &self.shared.settings);
        state.account_by_subscriber.insert(subscriber, key);
        due
    }

    /// Removes `subscriber`. With its last subscriber an account is dropped: client, lists, catalogue.
    pub fn unsubscribe(&self, subscriber: &F) {
        let now = self.shared.clock.monotonic();
        let mut state = self.shared.lock();
        state.unsubscribe(subscriber, &self.shared.settings);
        state.prune(now, &self.shared.settings);
    }

    /// Ends the wait of an account's lists after failures. The lists are still polled at the active interval at most.
    pub fn retry_now(&self, account: &AccountKey) {
        let mut state = self.shared.lock();
        let key = state.accounts.get_key_value(account).map(|(key, _)| Arc::clone(key));
        let Some(key) = key else { return };
        if let Some(known) = state.accounts.get_mut(&key) {
            known.retry_now();
        }
        state.reindex(&key, &self.shared.settings);
    }

    /// Requests one call at the account's site. Each caller has one place in each queue; it keeps the place as long as
    /// it asks again at the time of the answer.
    pub fn request<'a>(
        &self,
        account: &AccountKey,
        work: Work,
        priority: Priority,
        caller: impl Into<Caller<'a>>,
    ) -> Admission {
        let now = self.shared.clock.monotonic();
        self.shared.with_budget(account, |budget| budget.queue(work).request(priority, caller, now))
    }

    /// Gives up the places of `caller`.
    pub fn withdraw(&self, account: &AccountKey, caller: &str) {
        self.shared.with_budget(account, |budget| budget.forget(caller));
    }

    /// Grants no call at the account's site for `pause`: the site answered that there were too many.
    pub fn pause_until(&self, account: &AccountKey, pause: Duration) {
        self.shared.pause(account, pause);
    }

    /// The age of the newest complete list of instances of each account, counted from the join if there is none.
    pub fn ages(&self) -> Vec<Duration> {
        let now = self.shared.clock.monotonic();
        let state = self.shared.lock();
        let age = |account: &AccountState<C, F>| now.saturating_sub(account.listed_at());
        state.accounts.values().map(age).collect()
    }

    /// The account to poll next, and when on the monotonic clock; that may be in the past. The time can become earlier
    /// by [`subscribe`](Self::subscribe), and changes when a poll ends.
    pub fn next_poll(&self) -> Option<(Duration, AccountKey)> {
        self.shared.lock().by_due.first().map(|(due, key)| (*due, AccountKey::clone(key)))
    }

    /// The site of a subscriber's account.
    pub fn site(&self, subscriber: &F) -> Option<Site> {
        self.shared.lock().account_by_subscriber.get(subscriber).map(|account| account.site())
    }

    /// Reads the topics of an account that are due, and returns the subscribers to wake, each once.
    ///
    /// The poll begins with this call, before the future is polled, so polls of an account never overlap. The future
    /// may be dropped at any time: the account is then polled again soon, and a later poll returns the subscribers.
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

    /// Begins a poll; without one, returns the subscribers that an earlier poll left.
    fn begin(&self, account: &AccountKey) -> Result<Poll<'_, C, F>, PollResult<F>> {
        let (now, settings) = (self.shared.clock.monotonic(), &self.shared.settings);
        let mut state = self.shared.lock();
        let Some((key, known)) = state.accounts.get_key_value(account) else {
            return Err(PollResult { wake: BTreeSet::new() });
        };
        let (key, topics) = (Arc::clone(key), known.due_topics(settings, now));
        let admission = (!topics.is_empty()).then(|| state.admit_poll(&key, settings, now));
        let poll = state.last_poll + 1;
        let Some(known) = state.accounts.get_mut(&key) else {
            return Err(PollResult { wake: BTreeSet::new() });
        };
        let begun = match admission {
            Some(Admission::Granted { .. }) => {
                let cloud = Arc::clone(&known.cloud);
                known.begin(poll, topics.clone(), settings, now);
                state.last_poll = poll;
                *state.polls.entry(key.site()).or_default() += 1;
                let running = Running { shared: &self.shared, account: Arc::clone(&key), poll };
                Ok(Poll { running, cloud, topics })
            }
            Some(Admission::NotBefore(until)) => {
                known.postpone(until);
                // The budget alone never delays a list for long.
                if until.saturating_sub(now) > settings.poll_interval_active {
                    known.record_pause(until, settings, now);
                }
                known.report_overdue(settings, now);
                Err(PollResult { wake: known.take_wakes() })
            }
            None => {
                known.report_overdue(settings, now);
                Err(PollResult { wake: known.take_wakes() })
            }
        };
        state.reindex(&key, settings);
        begun
    }

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
        let (success, failure) =
            (self.shared.settings.catalogue_ttl, self.shared.settings.poll_interval_active);
        let ttl = |result: &Result<_, _>, _| Some(if result.is_ok() { success } else { failure });
        let known = part.try_get(&*self.shared.clock, ttl, read).await;
        known.map_or(CatalogueRead::InProgress, CatalogueRead::Read)
    }

    /// Makes a call that was not requested from the budget.
    async fn charged<T>(
        &self,
        account: &AccountKey,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.shared.charge_reads(account, 1);
        call.await.inspect_err(|error| self.shared.apply_throttling(account, error))
    }
}
