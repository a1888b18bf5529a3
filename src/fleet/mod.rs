//! The eyes: sees the instances of each account, and keeps to its site's budget.
//!
//! One list per account and tick serves all objects that follow it; who follows what has changed is woken. A pass
//! never waits for anything here but the catalogue: it takes what was seen, and is told when to ask again.
//!
//! Whoever runs the fleet asks for [`Fleet::next_tick`], waits until then, and runs [`Fleet::tick`].

pub mod account;
pub mod budget;
mod catalogue;
pub mod followers;
mod schedule;
mod settings;
pub mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod tick;
mod watch;

use std::{future::Future, sync::Arc, time::Duration};

pub use self::{
    account::{AccountKey, Site},
    budget::{Admission, Lane, Work},
    catalogue::Catalogued,
    followers::{Interest, Pace},
    settings::Settings,
    snapshot::{Cause, Change, List, Sight, Trouble},
    tick::Ticked,
};
use self::{
    budget::Budget,
    catalogue::{Catalogue, Life},
    state::Shared,
    tick::{Running, Tick},
    watch::Account,
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
pub struct Fleet<C, F> {
    settings: Settings,
    clock: Arc<dyn Clock>,
    shared: Shared<C, F>,
}

// === impl Fleet ===

impl<C: Cloud, F: Ord + Clone + Send> Fleet<C, F> {
    /// A fleet without accounts.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
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
        state.accounts.insert(Arc::new(account.clone()), Account::new(Arc::clone(&cloud), now));
        cloud
    }

    /// The way to the cloud for an account; none if it is not joined.
    pub fn cloud(&self, account: &AccountKey) -> Option<Arc<C>> {
        self.shared.lock().accounts.get(account).map(|account| Arc::clone(&account.cloud))
    }

    /// What is known of an account; nothing if it is not joined.
    pub fn sight(&self, account: &AccountKey) -> Option<Sight> {
        self.shared.lock().accounts.get(account).map(Account::sight)
    }

    /// Has `follower` follow `account` and no other, and be woken by `interest` and nothing else. What is seen from
    /// now on wakes it, so it should follow first and look then.
    ///
    /// Returns when the account's next tick is due (see [`next_tick`](Self::next_tick)), which may be sooner than
    /// before; none while one is on its way, or if the account is not joined and so cannot be followed.
    pub fn follow(&self, follower: F, account: &AccountKey, interest: Interest) -> Option<Duration> {
        let mut state = self.shared.lock();
        if state.homes.get(&follower).is_some_and(|home| **home != *account) {
            state.unfollow(&follower);
        }
        let (key, _) = state.accounts.get_key_value(account)?;
        let key = Arc::clone(key);
        let followed = state.accounts.get_mut(account)?;
        followed.follow(&follower, interest);
        let due = followed.due(&self.settings);
        state.homes.insert(follower, key);
        due
    }

    /// Forgets `follower`. With its last follower an account is dropped: client, lists, catalogue.
    pub fn unfollow(&self, follower: &F) {
        let now = self.clock.monotonic();
        let mut state = self.shared.lock();
        state.unfollow(follower);
        state.prune(now, &self.settings);
    }

    /// Asks for one call at the account's site. `who` has one place in each queue; it keeps it as long as it asks
    /// when it was told to.
    pub fn request(&self, account: &AccountKey, work: Work, lane: Lane, who: &str) -> Admission {
        let now = self.clock.monotonic();
        self.with_budget(account, |budget| budget.queue(work).request(lane, who, now))
    }

    /// Gives up the places of `who`: it has nothing to call for any more.
    pub fn withdraw(&self, account: &AccountKey, who: &str) {
        self.with_budget(account, |budget| budget.forget(who));
    }

    /// The site answered that it was too much: nobody calls it for `rest`.
    pub fn penalise(&self, account: &AccountKey, rest: Duration) {
        let until = self.clock.monotonic().saturating_add(rest);
        self.with_budget(account, |budget| budget.penalise(until));
    }

    /// How old the newest complete list of each account is; of one without, how long it has been missing.
    pub fn ages(&self) -> Vec<Duration> {
        let now = self.clock.monotonic();
        let state = self.shared.lock();
        let age = |account: &Account<C, F>| {
            let sight = account.sight();
            let since = sight.latest.map_or(sight.joined, |latest| latest.finished);
            now.saturating_sub(since)
        };
        state.accounts.values().map(age).collect()
    }

    /// The account to look at next, and when on the monotonic clock; that may be in the past. It can come sooner by
    /// [`follow`](Self::follow), and changes when a tick ends.
    pub fn next_tick(&self) -> Option<(Duration, AccountKey)> {
        let state = self.shared.lock();
        let due = |(key, account): (&Arc<AccountKey>, &Account<C, F>)| {
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
    pub fn tick<'a>(
        &'a self,
        account: &AccountKey,
    ) -> impl Future<Output = Ticked<F>> + Send + use<'a, C, F> {
        let begun = self.begin(account);
        async move {
            match begun {
                Ok(tick) => tick.run().await,
                Err(ticked) => ticked,
            }
        }
    }

    /// Begins a tick, or says what there is without one.
    fn begin(&self, account: &AccountKey) -> Result<Tick<'_, C, F>, Ticked<F>> {
        let now = self.clock.monotonic();
        let mut state = self.shared.lock();
        let is_due = |account: &Account<C, F>| account.due(&self.settings).is_some_and(|due| due <= now);
        if state.accounts.get(account).is_some_and(is_due) {
            let queue = state.budget(account, &self.settings).queue(Work::Read);
            // One place for all lists of these credentials; no object's name has a space.
            let admission = queue.request(Lane::Shared, &format!("list {}", account.credentials), now);
            state.last_tick += 1;
            let tick = state.last_tick;
            match (admission, state.accounts.get_mut(account)) {
                (Admission::Granted { .. }, Some(known)) => {
                    known.begin(tick, now);
                    let cloud = Arc::clone(&known.cloud);
                    let running = Running { shared: &self.shared, account: account.clone(), tick };
                    return Ok(Tick { fleet: self, running, cloud });
                }
                (Admission::NotBefore(until), Some(known)) => known.postpone(until),
                (_, None) => {}
            }
        }
        let wake = state.accounts.get_mut(account).map(Account::take_wakes);
        Err(Ticked { wake: wake.unwrap_or_default() })
    }

    /// What can be bought: read once for all who ask, and again after a while.
    ///
    /// # Errors
    /// Within the result: why it could not be read. That too is believed, for the length of a fast tick.
    pub async fn flavors(&self, account: &AccountKey) -> Catalogued<Flavor> {
        let Some((cloud, catalogue)) = self.catalogue(account) else { return Catalogued::NotJoined };
        let read = || async move {
            self.charge_one(account);
            let flavors = cloud.list_flavors(&FlavorQuery::default()).await;
            flavors.inspect_err(|error| self.heed(account, error))
        };
        let known = catalogue.flavors.get(&*self.clock, self.catalogue_life(), read).await;
        known.map_or(Catalogued::UnderWay, Catalogued::Read)
    }

    /// The hours that can be a maintenance window; otherwise as [`flavors`](Self::flavors).
    ///
    /// # Errors
    /// Within the result: why they could not be read. That too is believed, for the length of a fast tick.
    pub async fn windows(&self, account: &AccountKey) -> Catalogued<MaintenanceWindow> {
        let Some((cloud, catalogue)) = self.catalogue(account) else { return Catalogued::NotJoined };
        let read = || async move {
            self.charge_one(account);
            let windows = cloud.list_maintenance_windows().await;
            windows.inspect_err(|error| self.heed(account, error))
        };
        let known = catalogue.windows.get(&*self.clock, self.catalogue_life(), read).await;
        known.map_or(Catalogued::UnderWay, Catalogued::Read)
    }

    fn catalogue(&self, account: &AccountKey) -> Option<(Arc<C>, Arc<Catalogue>)> {
        let state = self.shared.lock();
        let known = state.accounts.get(account)?;
        Some((Arc::clone(&known.cloud), Arc::clone(&known.catalogue)))
    }

    fn catalogue_life(&self) -> Life {
        Life { success: self.settings.catalogue_life, failure: self.settings.fast_tick }
    }

    fn charge_one(&self, account: &AccountKey) {
        let now = self.clock.monotonic();
        self.with_budget(account, |budget| budget.queue(Work::Read).charge(1, now));
    }

    fn with_budget<T>(&self, account: &AccountKey, work: impl FnOnce(&mut Budget) -> T) -> T {
        work(self.shared.lock().budget(account, &self.settings))
    }
}
