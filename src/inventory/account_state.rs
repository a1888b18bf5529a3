//! One account: who follows it, what was seen of it, and who has to be woken for that.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    catalogue::Catalogue,
    schedule::Schedule,
    settings::InventorySettings,
    snapshot::{AccountSnapshot, Cause, Lists, Reading},
    subscriptions::{Subscription, Subscriptions},
};

/// An account that was joined.
#[derive(Debug)]
pub(super) struct AccountState<C, F> {
    pub(super) cloud: Arc<C>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) joined: Duration,
    pub(super) subscriptions: Subscriptions<F>,
    schedule: Schedule,
    /// The number of the tick that is on its way. It may have begun before the account was dropped and joined anew,
    /// so it is told apart from others.
    running: Option<u64>,
    existing: Lists,
    failed: Lists,
    /// Who has to be woken and was not yet handed out. Kept here, so that no tick that is given up loses them.
    wakes: BTreeSet<F>,
}

/// Which list of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListKind {
    /// Of all instances.
    Existing,
    /// Of those that could not be made.
    Failed,
}

// === impl AccountState ===

impl<C, F> AccountState<C, F> {
    /// An account of which nothing is known yet.
    pub(super) fn new(cloud: Arc<C>, now: Duration) -> Self {
        Self {
            cloud,
            catalogue: Arc::default(),
            joined: now,
            subscriptions: Subscriptions::default(),
            schedule: Schedule::default(),
            running: None,
            existing: Lists::default(),
            failed: Lists::default(),
            wakes: BTreeSet::new(),
        }
    }

    /// What is known of it.
    pub(super) fn snapshot(&self) -> AccountSnapshot {
        let (existing, failed) = (self.existing.clone(), self.failed.clone());
        AccountSnapshot {
            latest: existing.latest,
            previous: existing.previous,
            trouble: existing.trouble,
            failed_latest: failed.latest,
            failed_previous: failed.previous,
            failed_trouble: failed.trouble,
            joined: self.joined,
        }
    }

    /// Whether this tick is on its way.
    pub(super) fn runs(&self, poll: u64) -> bool {
        self.running == Some(poll)
    }

    /// Ends a tick that was given up halfway; nothing if it ended otherwise, or is another one's.
    pub(super) fn interrupt(&mut self, poll: u64) {
        if self.runs(poll) {
            self.running = None;
            self.schedule.interrupted();
        }
    }

    /// There is no room for a tick before `until`.
    pub(super) fn postpone(&mut self, until: Duration) {
        self.schedule.postpone(until);
    }

    /// Begins a tick.
    pub(super) fn begin(&mut self, poll: u64, now: Duration) {
        self.running = Some(poll);
        self.schedule.begin(now);
    }
}

impl<C, F: Ord + Clone> AccountState<C, F> {
    /// Sets what `subscriber` wants. If it is more than before, the next tick comes sooner.
    pub(super) fn subscribe(&mut self, subscriber: &F, subscription: Subscription) {
        if subscription.wants_more_than(self.subscriptions.subscription(subscriber)) {
            self.schedule.request_soon();
        }
        self.subscriptions.set(subscriber, subscription);
    }

    /// Forgets `subscriber`.
    pub(super) fn unsubscribe(&mut self, subscriber: &F) {
        self.subscriptions.remove(subscriber);
        self.wakes.remove(subscriber);
    }

    /// When the next tick is due; never without followers, nor while one is on its way.
    pub(super) fn due(&self, settings: &InventorySettings) -> Option<Duration> {
        let idle = self.subscriptions.is_empty() || self.running.is_some();
        (!idle).then(|| self.schedule.due(self.subscriptions.any_fast(), settings))
    }

    /// Takes in a list, or why there is none, and notes who has to be woken.
    pub(super) fn record(
        &mut self,
        kind: ListKind,
        outcome: Result<Reading, Cause>,
        tag_prefix: &str,
        now: Duration,
    ) {
        let lists = match kind {
            ListKind::Existing => &mut self.existing,
            ListKind::Failed => &mut self.failed,
        };
        let news = lists.record(outcome, tag_prefix, now);
        self.wakes.extend(self.subscriptions.affected_by(&news.changes));
        if news.complete {
            self.wakes.extend(self.subscriptions.each_list().iter().cloned());
        }
        // Before the first list nobody could tell anything, and with trouble everybody has something to say.
        if news.first || news.turned {
            match kind {
                ListKind::Existing => self.wakes.extend(self.subscriptions.all().cloned()),
                ListKind::Failed => self.wakes.extend(self.subscriptions.failed_creations().iter().cloned()),
            }
        }
    }

    /// Whether the failed creations are wanted. If not, those seen before are forgotten: they grow old.
    pub(super) fn wants_failed(&mut self) -> bool {
        let wanted = !self.subscriptions.failed_creations().is_empty();
        if !wanted {
            self.failed = Lists::default();
        }
        wanted
    }

    /// Ends a tick.
    pub(super) fn end(
        &mut self,
        now: Duration,
        failed: bool,
        retry_after: Option<Duration>,
        settings: &InventorySettings,
    ) {
        self.running = None;
        if failed {
            self.schedule.failed(now, retry_after, settings);
        } else {
            self.schedule.succeeded();
        }
    }

    /// Who has to be woken; each is handed out once.
    pub(super) fn take_wakes(&mut self) -> BTreeSet<F> {
        std::mem::take(&mut self.wakes)
    }
}
