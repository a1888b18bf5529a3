//! All accounts, and what the sites allow.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    account::{AccountKey, Site},
    account_state::AccountState,
    budget::Budget,
    settings::InventorySettings,
};

/// The state, for one at a time. Never held across an await.
#[derive(Debug)]
pub(super) struct Shared<C, F>(Mutex<State<C, F>>);

/// All accounts, and what the sites allow.
#[derive(Debug)]
pub(super) struct State<C, F> {
    pub(super) accounts: BTreeMap<Arc<AccountKey>, AccountState<C, F>>,
    /// The account each follower follows.
    pub(super) account_by_follower: BTreeMap<F, Arc<AccountKey>>,
    pub(super) sites: BTreeMap<Site, Budget>,
    pub(super) last_poll: u64,
}

// === impl Shared ===

impl<C, F> Default for Shared<C, F> {
    fn default() -> Self {
        Self(Mutex::new(State {
            accounts: BTreeMap::new(),
            account_by_follower: BTreeMap::new(),
            sites: BTreeMap::new(),
            last_poll: 0,
        }))
    }
}

impl<C, F> Shared<C, F> {
    /// The state, as long as the guard lives.
    pub(super) fn lock(&self) -> MutexGuard<'_, State<C, F>> {
        // Every change is whole before something could panic, and a fleet that sees nothing more helps nobody.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Drops accounts that nobody came to follow, and budgets that a new one would replace without a difference.
    pub(super) fn prune(&mut self, now: Duration, settings: &InventorySettings) {
        let patience = settings.poll_interval_idle;
        self.accounts.retain(|_, account| {
            !account.subscriptions.is_empty() || account.joined.saturating_add(patience) > now
        });
        self.sites.retain(|_, budget| !budget.is_at_rest(now));
    }
}

impl<C, F: Ord + Clone> State<C, F> {
    /// Takes `subscriber` from the account it follows; an account without followers is dropped.
    pub(super) fn unsubscribe(&mut self, subscriber: &F) {
        let Some(key) = self.account_by_follower.remove(subscriber) else { return };
        if let Some(account) = self.accounts.get_mut(&key) {
            account.unsubscribe(subscriber);
            if account.subscriptions.is_empty() {
                self.accounts.remove(&key);
            }
        }
    }
}
