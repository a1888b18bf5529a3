//! All accounts, and the budgets of their sites.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    account::{AccountKey, Site},
    account_state::AccountState,
    budget::{Budget, Work},
    catalogue::Interner,
    settings::InventorySettings,
};
use crate::{
    clock::Clock,
    dcs::{Class, Error, model::Flavor},
};

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

    /// Drops accounts that were joined a while ago and have no subscriber, and budgets that equal a new one.
    pub(super) fn prune(&mut self, now: Duration, settings: &InventorySettings) {
        let grace = settings.poll_interval_idle;
        self.accounts.retain(|_, account| {
            !account.subscriptions.is_empty() || account.joined.saturating_add(grace) > now
        });
        self.sites.retain(|_, budget| !budget.is_at_rest(now));
    }
}

impl<C, F: Ord + Clone> State<C, F> {
    /// Removes `subscriber` from its account; an account without subscribers is dropped.
    pub(super) fn unsubscribe(&mut self, subscriber: &F) {
        let Some(key) = self.account_by_subscriber.remove(subscriber) else { return };
        if let Some(account) = self.accounts.get_mut(&key) {
            account.unsubscribe(subscriber);
            if account.subscriptions.is_empty() {
                self.accounts.remove(&key);
            }
        }
    }
}
