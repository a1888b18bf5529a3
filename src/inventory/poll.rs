//! One look at an account.
//!
//! What it finds is taken in without an await in between, and whom it concerns is kept until a tick hands it out:
//! whoever drops a tick halfway loses time, and nothing else.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Inventory,
    account::AccountKey,
    account_state::{AccountState, ListKind},
    budget::Work,
    settings::InventorySettings,
    snapshot::{Cause, Reading},
    state::Shared,
};
use crate::dcs::{
    Class, Cloud, Error, list_all,
    model::{InstanceFacts, InstanceQuery, InstanceStatus},
};

/// How often a list is read in one tick until it is complete.
const MOST_READINGS: u32 = 3;

/// What came of a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct PollResult<F> {
    /// Who has to look at what it follows.
    pub wake: BTreeSet<F>,
}

/// A tick on its way. Dropped, it makes room for the next one.
#[derive(Debug)]
pub(super) struct Poll<'a, C, F> {
    pub(super) inventory: &'a Inventory<C, F>,
    pub(super) running: Running<'a, C, F>,
    pub(super) cloud: Arc<C>,
}

/// That a tick is on its way.
#[derive(Debug)]
pub(super) struct Running<'a, C, F> {
    pub(super) shared: &'a Shared<C, F>,
    pub(super) account: AccountKey,
    pub(super) poll: u64,
}

// === impl Running ===

impl<C, F> Running<'_, C, F> {
    /// Works on the account, if it is still the one that this tick began on.
    fn with<T>(&self, work: impl FnOnce(&mut AccountState<C, F>) -> T) -> Option<T> {
        let mut state = self.shared.lock();
        state.accounts.get_mut(&self.account).filter(|account| account.runs(self.poll)).map(work)
    }
}

impl<C, F> Drop for Running<'_, C, F> {
    fn drop(&mut self) {
        self.with(|account| account.interrupt(self.poll));
    }
}

// === impl Poll ===

impl<C: Cloud, F: Ord + Clone + Send> Poll<'_, C, F> {
    /// Reads the list, and that of the failed creations if somebody wants it. The first page of the first is paid
    /// for already.
    pub(super) async fn run(self) -> PollResult<F> {
        let outcome = self.read(InstanceQuery::default(), true).await;
        let (failed, stay_away) = (outcome.is_err(), stay_away(&outcome, &self.inventory.settings));
        // What could not be read at all cannot be read in part either.
        let readable = !matches!(outcome, Err(Cause::Error(_)));
        self.record(ListKind::Existing, outcome);
        if self.running.with(|account| account.wants_failed()) == Some(true) && readable {
            let status = Some(InstanceStatus::CreateFailed);
            let outcome = self.read(InstanceQuery { status, ..InstanceQuery::default() }, false).await;
            self.record(ListKind::Failed, outcome);
        }
        let now = self.inventory.clock.monotonic();
        let ended = self.running.with(|account| {
            account.end(now, failed, stay_away, &self.inventory.settings);
            account.take_wakes()
        });
        PollResult { wake: ended.unwrap_or_default() }
    }

    /// Reads all pages, again if they are not complete. A second reading is not asked for: it is charged, and paid
    /// back before the next grant.
    async fn read(&self, query: InstanceQuery, mut paid: bool) -> Result<Reading, Cause> {
        for _ in 0..MOST_READINGS {
            if !std::mem::take(&mut paid) {
                self.charge(1);
            }
            let begun = self.inventory.clock.monotonic();
            let listing = list_all(&*self.cloud, query.clone()).await.map_err(Cause::Error)?;
            self.charge(listing.pages.saturating_sub(1));
            if listing.complete {
                let instances = listing.instances.iter().map(InstanceFacts::from).collect();
                return Ok(Reading { begun, finished: self.inventory.clock.monotonic(), instances });
            }
        }
        Err(Cause::Incomplete)
    }

    fn charge(&self, calls: u32) {
        let now = self.inventory.clock.monotonic();
        self.inventory
            .with_budget(&self.running.account, |budget| budget.queue(Work::Read).charge(calls, now));
    }

    fn record(&self, kind: ListKind, outcome: Result<Reading, Cause>) {
        if let Err(Cause::Error(error)) = &outcome {
            self.inventory.heed(&self.running.account, error);
        }
        let now = self.inventory.clock.monotonic();
        let prefix = &self.inventory.settings.indexed_tag_prefix;
        self.running.with(|account| account.record(kind, outcome, prefix, now));
    }
}

/// How long the account is to be left alone at least.
fn stay_away(outcome: &Result<Reading, Cause>, settings: &InventorySettings) -> Option<Duration> {
    match outcome {
        Err(Cause::Error(error)) if error.class() == Class::Credentials => Some(settings.refused_pause),
        Err(Cause::Error(error)) => error.retry_after(),
        Err(Cause::Incomplete) | Ok(_) => None,
    }
}

// === impl Inventory ===

impl<C: Cloud, F: Ord + Clone + Send> Inventory<C, F> {
    /// Where the site says that it was too much, gives it the rest that it asks for.
    pub(super) fn heed(&self, account: &AccountKey, error: &Error) {
        if let (Class::Throttled, Some(rest)) = (error.class(), error.retry_after()) {
            self.pause_until(account, rest);
        }
    }
}
