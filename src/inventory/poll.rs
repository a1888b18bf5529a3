//! One poll of an account: reads the topics that are due.
//!
//! Each list is recorded without an await in between, and the subscribers to wake are kept until a poll returns them.
//! A poll that is dropped halfway therefore loses time only.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    account::AccountKey,
    account_state::AccountState,
    snapshot::{Cause, Reading},
    state::Shared,
    subscriptions::Subscriber,
    topic::{Topic, TopicId, TopicPoller},
};
use crate::dcs::Cloud;

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
    pub(super) running: Running<'a, C, F>,
    pub(super) cloud: Arc<C>,
    /// The topics to read, in order.
    pub(super) topics: Vec<TopicId>,
}

/// Marks the account as being polled.
#[derive(Debug)]
pub(super) struct Running<'a, C, F> {
    pub(super) shared: &'a Shared<C, F>,
    pub(super) account: Arc<AccountKey>,
    pub(super) poll: u64,
}

// === impl Running ===

impl<C, F> Running<'_, C, F> {
    /// Works on the account, unless it was dropped (and perhaps joined again) since this poll began.
    fn with<T>(&self, work: impl FnOnce(&mut AccountState<C, F>) -> T) -> Option<T> {
        let mut state = self.shared.lock();
        let account = state.accounts.get_mut(&self.account);
        let done = account.filter(|account| account.runs(self.poll)).map(work);
        state.reindex(&self.account, &self.shared.settings);
        done
    }
}

impl<C, F> Drop for Running<'_, C, F> {
    fn drop(&mut self) {
        self.with(AccountState::finish);
        let mut state = self.shared.lock();
        let site = self.account.site();
        if let Some(count) = state.polls.get_mut(&site) {
            *count -= 1;
            if *count == 0 {
                state.polls.remove(&site);
            }
        }
    }
}

// === impl Poll ===

impl<C: Cloud, F: Subscriber> Poll<'_, C, F> {
    /// Reads the topics that are due. The grant that started the poll pays for the first page.
    pub(super) async fn run(self) -> PollResult<F> {
        let mut prepaid = true;
        for topic in &self.topics {
            // If one list cannot be read at all, the others of the same account cannot either.
            if !topic.poll(&self, std::mem::take(&mut prepaid)).await {
                break;
            }
        }
        let wake = self.running.with(|account| {
            account.finish();
            account.take_wakes()
        });
        PollResult { wake: wake.unwrap_or_default() }
    }

    /// Reads a list, again if it is incomplete. Further calls are not requested from the budget but charged to it.
    async fn read<T: Topic>(&self, mut prepaid: bool) -> Result<Reading<T::Item>, Cause> {
        let shared = self.running.shared;
        for _ in 0..MAX_READINGS {
            if !std::mem::take(&mut prepaid) {
                shared.charge_reads(&self.running.account, 1);
            }
            let begun = shared.clock.monotonic();
            let pages = T::read(&*self.cloud).await.map_err(Cause::Error)?;
            shared.charge_reads(&self.running.account, pages.count.saturating_sub(1));
            let reading = Reading { begun, finished: shared.clock.monotonic(), items: pages.items };
            if pages.complete {
                return Ok(reading);
            }
            // As for a complete list, the lock is not held.
            if let Some(mut lists) = self.running.with(|account| account.lists::<T>()) {
                let changes = lists.record_partial(reading, &shared.settings.indexed_tag_prefix);
                self.running.with(|account| account.record_partial::<T>(lists, &changes));
            }
        }
        Err(Cause::Incomplete)
    }
}

impl<C: Cloud, F: Subscriber> TopicPoller for Poll<'_, C, F> {
    async fn poll<T: Topic>(&self, prepaid: bool) -> bool {
        let outcome = self.read::<T>(prepaid).await;
        let shared = self.running.shared;
        let failed = match &outcome {
            Err(Cause::Error(error)) => {
                shared.apply_throttling(&self.running.account, error);
                true
            }
            Err(Cause::Incomplete | Cause::Paused(_)) | Ok(_) => false,
        };
        let now = shared.clock.monotonic();
        // Sorting, indexing and comparing a long list takes long, so the lock is not held: only this poll changes it.
        if let Some(mut lists) = self.running.with(|account| account.lists::<T>()) {
            let update = lists.record(outcome, &shared.settings.indexed_tag_prefix, now);
            self.running.with(|account| account.record::<T>(lists, update, &shared.settings, now));
        }
        !failed
    }
}
