//! One account: who follows it, what was seen of it, and who has to be woken for that.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    catalogue::Catalogue,
    followers::{Followers, Interest},
    schedule::Schedule,
    settings::Settings,
    snapshot::{Cause, Lists, Reading, Sight},
};

/// An account that was joined.
#[derive(Debug)]
pub(super) struct Account<C, F> {
    pub(super) cloud: Arc<C>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) joined: Duration,
    pub(super) followers: Followers<F>,
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
pub(super) enum Kind {
    /// Of all instances.
    Existing,
    /// Of those that could not be made.
    Failed,
}

// === impl Account ===

impl<C, F> Account<C, F> {
    /// An account of which nothing is known yet.
    pub(super) fn new(cloud: Arc<C>, now: Duration) -> Self {
        Self {
            cloud,
            catalogue: Arc::default(),
            joined: now,
            followers: Followers::default(),
            schedule: Schedule::default(),
            running: None,
            existing: Lists::default(),
            failed: Lists::default(),
            wakes: BTreeSet::new(),
        }
    }

    /// What is known of it.
    pub(super) fn sight(&self) -> Sight {
        let (existing, failed) = (self.existing.clone(), self.failed.clone());
        Sight {
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
    pub(super) fn runs(&self, tick: u64) -> bool {
        self.running == Some(tick)
    }

    /// Ends a tick that was given up halfway; nothing if it ended otherwise, or is another one's.
    pub(super) fn interrupt(&mut self, tick: u64) {
        if self.runs(tick) {
            self.running = None;
            self.schedule.interrupted();
        }
    }

    /// There is no room for a tick before `until`.
    pub(super) fn postpone(&mut self, until: Duration) {
        self.schedule.postpone(until);
    }

    /// Begins a tick.
    pub(super) fn begin(&mut self, tick: u64, now: Duration) {
        self.running = Some(tick);
        self.schedule.begin(now);
    }
}

impl<C, F: Ord + Clone> Account<C, F> {
    /// Sets what `follower` wants. If it is more than before, the next tick comes sooner.
    pub(super) fn follow(&mut self, follower: &F, interest: Interest) {
        if interest.wants_more_than(self.followers.interest(follower)) {
            self.schedule.hurry();
        }
        self.followers.set(follower, interest);
    }

    /// Forgets `follower`.
    pub(super) fn unfollow(&mut self, follower: &F) {
        self.followers.remove(follower);
        self.wakes.remove(follower);
    }

    /// When the next tick is due; never without followers, nor while one is on its way.
    pub(super) fn due(&self, settings: &Settings) -> Option<Duration> {
        let idle = self.followers.is_empty() || self.running.is_some();
        (!idle).then(|| self.schedule.due(self.followers.any_fast(), settings))
    }

    /// Takes in a list, or why there is none, and notes who has to be woken.
    pub(super) fn record(
        &mut self,
        kind: Kind,
        outcome: Result<Reading, Cause>,
        tag_prefix: &str,
        now: Duration,
    ) {
        let lists = match kind {
            Kind::Existing => &mut self.existing,
            Kind::Failed => &mut self.failed,
        };
        let news = lists.record(outcome, tag_prefix, now);
        self.wakes.extend(self.followers.woken_by(&news.changes));
        if news.complete {
            self.wakes.extend(self.followers.each_list().iter().cloned());
        }
        // Before the first list nobody could tell anything, and with trouble everybody has something to say.
        if news.first || news.turned {
            match kind {
                Kind::Existing => self.wakes.extend(self.followers.all().cloned()),
                Kind::Failed => self.wakes.extend(self.followers.failed_creations().iter().cloned()),
            }
        }
    }

    /// Whether the failed creations are wanted. If not, those seen before are forgotten: they grow old.
    pub(super) fn wants_failed(&mut self) -> bool {
        let wanted = !self.followers.failed_creations().is_empty();
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
        settings: &Settings,
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
