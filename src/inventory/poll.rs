//! One poll of an account: reads the topics that are due.
//!
//! Each list is recorded without an await in between, and the subscribers to wake are kept until a poll returns them.
//! A poll that is dropped halfway therefore loses time only.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Inventory,
    account::AccountKey,
    account_state::AccountState,
    budget::Work,
    snapshot::{Cause, Reading},
    state::Shared,
    topic::{Topic, TopicId},
};
use crate::dcs::{Class, Cloud, Error};

/// How often one poll reads a list until it is complete.
const MAX_READINGS: u32 = 3;

/// The result of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct PollResult<F> {
    /// The subscribers that the poll concerns.
    pub wake: BTreeSet<F>,
}

/// A running poll. Dropping it lets the next one start.
#[derive(Debug)]
pub(super) struct Poll<'a, C, F> {
    pub(super) inventory: &'a Inventory<C, F>,
    pub(super) running: Running<'a, C, F>,
    pub(super) cloud: Arc<C>,
    /// The topics to read, in order.
    pub(super) topics: Vec<TopicId>,
}

/// Marks the account as being polled.
#[derive(Debug)]
pub(super) struct Running<'a, C, F> {
    pub(super) shared: &'a Shared<C, F>,
    pub(super) account: AccountKey,
    pub(super) poll: u64,
}

// === impl Running ===

impl<C, F> Running<'_, C, F> {
    /// Works on the account, unless it was dropped (and perhaps joined again) since this poll began.
    fn with<T>(&self, work: impl FnOnce(&mut AccountState<C, F>) -> T) -> Option<T> {
        let mut state = self.shared.lock();
        state.accounts.get_mut(&self.account).filter(|account| account.runs(self.poll)).map(work)
    }
}

impl<C, F> Drop for Running<'_, C, F> {
    fn drop(&mut self) {
        self.with(AccountState::finish);
    }
}

// === impl Poll ===

impl<C: Cloud, F: Ord + Clone + Send> Poll<'_, C, F> {
    /// Reads the topics that are due. The grant that started the poll pays for the first page.
    pub(super) async fn run(self) -> PollResult<F> {
        let mut prepaid = true;
        for topic in &self.topics {
            // If one list cannot be read at all, the others of the same account cannot either.
            if !self.poll_topic(*topic, std::mem::take(&mut prepaid)).await {
                break;
            }
        }
        let wake = self.running.with(|account| {
            account.finish();
            account.take_wakes()
        });
        PollResult { wake: wake.unwrap_or_default() }
    }

    /// Reads and records one topic; `false` if it could not be read at all.
    pub(super) async fn update<T: Topic>(&self, prepaid: bool) -> bool {
        let outcome = self.read::<T>(prepaid).await;
        let failed = match &outcome {
            Err(Cause::Error(error)) => {
                self.inventory.apply_throttling(&self.running.account, error);
                true
            }
            Err(Cause::Incomplete) | Ok(_) => false,
        };
        let now = self.inventory.clock.monotonic();
        self.running.with(|account| account.record::<T>(outcome, &self.inventory.settings, now));
        !failed
    }

    /// Reads a list, again if it is incomplete. Further calls are not requested from the budget but charged to it.
    async fn read<T: Topic>(&self, mut prepaid: bool) -> Result<Reading<T::Item>, Cause> {
        for _ in 0..MAX_READINGS {
            if !std::mem::take(&mut prepaid) {
                self.charge(1);
            }
            let begun = self.inventory.clock.monotonic();
            let pages = T::read(&*self.cloud).await.map_err(Cause::Error)?;
            self.charge(pages.count.saturating_sub(1));
            if pages.complete {
                let finished = self.inventory.clock.monotonic();
                return Ok(Reading { begun, finished, items: pages.items });
            }
        }
        Err(Cause::Incomplete)
    }

    fn charge(&self, calls: u32) {
        let now = self.inventory.clock.monotonic();
        self.inventory
            .with_budget(&self.running.account, |budget| budget.queue(Work::Read).charge(calls, now));
    }
}

// === impl Inventory ===

impl<C: Cloud, F: Ord + Clone + Send> Inventory<C, F> {
    /// Pauses all calls of the account's site if the site answered with Retry-After.
    pub(super) fn apply_throttling(&self, account: &AccountKey, error: &Error) {
        if let (Class::Throttled, Some(pause)) = (error.class(), error.retry_after()) {
            self.pause_until(account, pause);
        }
    }
}
