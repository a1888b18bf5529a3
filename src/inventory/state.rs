//! All accounts, and the budgets of their sites.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    account::{AccountKey, Site},
    account_state::AccountState,
    budget::{Admission, Budget, Caller, Priority, Work},
    catalogue::Interner,
    settings::InventorySettings,
    subscriptions::Subscriber,
};
use crate::{
    clock::Clock,
    dcs::{Class, Error, model::Flavor},
};

/// Running polls of a site, at most: a site that does not answer must not take all connections.
const MAX_POLLS_OF_SITE: usize = 4;

/// What polls and callers share. The lock is never held across an await.
#[derive(Debug)]
pub(super) struct Shared<C, F> {
    pub(super) settings: InventorySettings,
    pub(super) clock: Arc<dyn Clock>,
    state: Mutex<State<C, F>>,
}

/// All accounts, and the budgets of their sites.
#[derive(Debug)]
pub(super) struct State<C, F> {
    pub(super) accounts: BTreeMap<Arc<AccountKey>, AccountState<C, F>>,
    /// The account of each subscriber.
    pub(super) account_by_subscriber: BTreeMap<F, Arc<AccountKey>>,
    pub(super) sites: BTreeMap<Site, Budget>,
    /// The accounts by when their next poll is due.
    pub(super) by_due: BTreeSet<(Duration, Arc<AccountKey>)>,
    /// Running polls of each site.
    pub(super) polls: BTreeMap<Site, usize>,
    pub(super) flavors: Interner<Flavor>,
    pub(super) last_poll: u64,
}

// === impl Shared ===

impl<C, F> Shared<C, F> {
    /// No accounts.
    pub(super) fn new(settings: InventorySettings, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            accounts: BTreeMap::new(),
            account_by_subscriber: BTreeMap::new(),
            sites: BTreeMap::new(),
            by_due: BTreeSet::new(),
            polls: BTreeMap::new(),
            flavors: Interner::default(),
            last_poll: 0,
        };
        Self { settings, clock, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<C, F>> {
        // Every change completes before anything can panic, so the state is sound after one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C, F> Shared<C, F> {
    /// Works on the budget of the account's site.
    pub(super) fn with_budget<T>(&self, account: &AccountKey, work: impl FnOnce(&mut Budget) -> T) -> T {
        work(self.lock().budget(account, &self.settings))
    }

    /// Charges calls that were not requested from the budget.
    pub(super) fn charge_reads(&self, account: &AccountKey, calls: u32) {
        let now = self.clock.monotonic();
        self.with_budget(account, |budget| budget.queue(Work::Read).charge(calls, now));
    }

    /// Grants no call at the account's site for `pause`.
    pub(super) fn pause(&self, account: &AccountKey, pause: Duration) {
        let until = self.clock.monotonic().saturating_add(pause);
        self.with_budget(account, |budget| budget.pause_until(until));
    }

    /// Pauses all calls of the account's site if the site answered with Retry-After.
    pub(super) fn apply_throttling(&self, account: &AccountKey, error: &Error) {
        if let (Class::Throttled, Some(pause)) = (error.class(), error.retry_after()) {
            self.pause(account, pause);
        }
    }
}

// === impl State ===

impl<C, F> State<C, F> {
    /// The budget of the account's site.
    pub(super) fn budget(&mut self, account: &AccountKey, settings: &InventorySettings) -> &mut Budget {
        let InventorySettings { reads_per_second, writes_per_second, intent_ttl, .. } = *settings;
        let new = || Budget::new(reads_per_second, writes_per_second, intent_ttl);
        self.sites.entry(account.site()).or_insert_with(new)
    }

    /// Requests the first page of a poll. The list is on the account of the subscribers' tenant whose turn comes first,
    /// so that one tenant's many accounts share one tenant's part of the budget.
    pub(super) fn admit_poll(
        &mut self,
        key: &AccountKey,
        settings: &InventorySettings,
        now: Duration,
    ) -> Admission {
        if self.polls.get(&key.site()).is_some_and(|running| *running >= MAX_POLLS_OF_SITE) {
            return Admission::NotBefore(now.saturating_add(settings.poll_interval_active));
        }
        self.budget(key, settings);
        let Self { accounts, sites, .. } = self;
        let Some((account, budget)) = accounts.get(key).zip(sites.get_mut(&key.site())) else {
            return Admission::NotBefore(now.saturating_add(settings.poll_interval_active));
        };
        let queue = budget.queue(Work::Read);
        let tenant = queue.first_of(account.tenants()).unwrap_or_default();
        // One place for all lists of these credentials. An object's name has no space, so the keys never collide.
        let name = format!("list {}", key.credentials);
        queue.request(Priority::Shared, Caller { tenant, key: &name }, now)
    }

    /// Brings the index up to date after a change of the account.
    pub(super) fn reindex(&mut self, key: &Arc<AccountKey>, settings: &InventorySettings) {
        let Some(account) = self.accounts.get_mut(key) else { return };
        let due = account.due(settings);
        let former = std::mem::replace(&mut account.indexed, due);
        if former != due {
            former.map(|former| self.by_due.remove(&(former, Arc::clone(key))));
            self.by_due.extend(due.map(|due| (due, Arc::clone(key))));
        }
    }

    /// Drops accounts that were joined a while ago and have no subscriber, and budgets that equal a new one.
    pub(super) fn prune(&mut self, now: Duration, settings: &InventorySettings) {
        let grace = settings.poll_interval_idle;
        let by_due = &mut self.by_due;
        self.accounts.retain(|key, account| {
            let keep = !account.subscriptions.is_empty() || account.joined.saturating_add(grace) > now;
            if let Some(due) = account.indexed.filter(|_| !keep) {
                by_due.remove(&(due, Arc::clone(key)));
            }
            keep
        });
        self.sites.retain(|_, budget| !budget.is_at_rest(now));
    }
}

impl<C, F: Subscriber> State<C, F> {
    /// Removes `subscriber` from its account; an account without subscribers is dropped.
    pub(super) fn unsubscribe(&mut self, subscriber: &F, settings: &InventorySettings) {
        let Some(key) = self.account_by_subscriber.remove(subscriber) else { return };
        if let Some(account) = self.accounts.get_mut(&key) {
            account.unsubscribe(subscriber);
            if account.subscriptions.is_empty() {
                let due = account.indexed;
                self.accounts.remove(&key);
                due.map(|due| self.by_due.remove(&(due, key)));
            } else {
                self.reindex(&key, settings);
            }
        }
    }
}
