//! One account: its subscribers, the state of its topics, and the subscribers to wake.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    catalogue::Catalogue,
    settings::InventorySettings,
    snapshot::{Cause, Change, ListUpdate, Lists},
    subscriptions::{Subscriber, Subscription, Subscriptions},
    topic::{AccountSnapshot, Instances, Topic, TopicId, Topics},
};
use crate::dcs::Class;

/// A joined account.
#[derive(Debug)]
pub(super) struct AccountState<C, F> {
    pub(super) cloud: Arc<C>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) joined: Duration,
    pub(super) subscriptions: Subscriptions<F>,
    topics: Topics,
    /// No poll starts earlier, whichever topic is due.
    not_before: Duration,
    running: Option<RunningPoll>,
    /// The list that was reported as overdue, by the time when it was read.
    overdue: Option<Duration>,
    /// The subscribers to wake that no poll has returned yet. Kept here, so that a dropped poll loses none.
    wakes: BTreeSet<F>,
    /// The number of subscribers of each tenant.
    tenants: BTreeMap<String, usize>,
    /// When its next poll is due, as the index of all accounts has it.
    pub(super) indexed: Option<Duration>,
}

/// The poll that is running.
#[derive(Debug)]
struct RunningPoll {
    /// Its number. A poll may outlive the account it began on; the number tells it from polls of a successor.
    number: u64,
    /// The topics it has not recorded yet.
    topics: Vec<TopicId>,
}

// === impl AccountState ===

impl<C, F> AccountState<C, F> {
    /// An account without lists.
    pub(super) fn new(cloud: Arc<C>, now: Duration) -> Self {
        Self {
            cloud,
            catalogue: Arc::default(),
            joined: now,
            subscriptions: Subscriptions::default(),
            topics: Topics::default(),
            not_before: Duration::ZERO,
            running: None,
            overdue: None,
            wakes: BTreeSet::new(),
            tenants: BTreeMap::new(),
            indexed: None,
        }
    }

    pub(super) fn snapshot(&self) -> AccountSnapshot {
        self.topics.snapshot(self.joined)
    }

    /// The tenants of its subscribers.
    pub(super) fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// Whether the poll with this number is running.
    pub(super) fn runs(&self, poll: u64) -> bool {
        self.running.as_ref().is_some_and(|running| running.number == poll)
    }

    /// Delays the next poll.
    pub(super) fn postpone(&mut self, until: Duration) {
        self.not_before = self.not_before.max(until);
    }

    /// Begins a poll. The lists of topics that no subscriber demands are dropped.
    pub(super) fn begin(
        &mut self,
        number: u64,
        topics: Vec<TopicId>,
        settings: &InventorySettings,
        now: Duration,
    ) {
        for topic in TopicId::ALL {
            if self.subscriptions.interval(*topic).is_none() {
                self.topics.reset(*topic);
            }
        }
        for topic in &topics {
            self.topics.schedule_mut(*topic).begin(now);
        }
        self.postpone(now.saturating_add(settings.poll_interval_active));
        self.running = Some(RunningPoll { number, topics });
    }

    /// Ends the running poll. The topics that it did not read are due again soon.
    pub(super) fn finish(&mut self) {
        for topic in self.running.take().into_iter().flat_map(|running| running.topics) {
            self.topics.schedule_mut(topic).interrupted();
        }
    }

    /// The subscribers to wake; each is returned once.
    pub(super) fn take_wakes(&mut self) -> BTreeSet<F> {
        std::mem::take(&mut self.wakes)
    }

    /// When each demanded topic is due. A topic is not polled while an earlier one waits after a failure: what keeps
    /// one list from being read concerns the account.
    fn schedule<'a>(
        &'a self,
        settings: &'a InventorySettings,
    ) -> impl Iterator<Item = (TopicId, Duration)> + 'a {
        let mut not_before = self.not_before;
        TopicId::ALL.iter().filter_map(move |topic| {
            let interval = self.subscriptions.interval(*topic)?;
            let schedule = self.topics.schedule(*topic);
            let due = schedule.due(interval, settings).max(not_before);
            not_before = not_before.max(schedule.not_before());
            Some((*topic, due))
        })
    }

    /// When the next poll is due or the list becomes overdue, whichever is sooner; `None` without subscribers.
    pub(super) fn due(&self, settings: &InventorySettings) -> Option<Duration> {
        let overdue = self.overdue_at(settings);
        if self.running.is_some() {
            return overdue;
        }
        self.schedule(settings).map(|(_, due)| due).chain(overdue).min()
    }

    /// When the newest complete list of instances arrived; without one, when the account was joined.
    pub(super) fn listed_at(&self) -> Duration {
        self.topics.instances().latest.as_ref().map_or(self.joined, |latest| latest.finished)
    }

    /// When the list becomes overdue; `None` if that, or why it does not come, was reported.
    fn overdue_at(&self, settings: &InventorySettings) -> Option<Duration> {
        let listed = self.listed_at();
        let reported = self.overdue == Some(listed) || self.topics.instances().trouble.is_some();
        (!reported && !self.subscriptions.is_empty()).then(|| listed.saturating_add(settings.overdue_after))
    }

    /// Ends the wait after failures of all topics.
    pub(super) fn retry_now(&mut self) {
        for topic in TopicId::ALL {
            self.topics.schedule_mut(*topic).retry_now();
        }
    }

    /// The topics to poll now.
    pub(super) fn due_topics(&self, settings: &InventorySettings, now: Duration) -> Vec<TopicId> {
        if self.running.is_some() {
            return Vec::new();
        }
        self.schedule(settings).filter(|(_, due)| *due <= now).map(|(topic, _)| topic).collect()
    }
}

impl<C, F: Subscriber> AccountState<C, F> {
    /// Sets the subscription of `subscriber`. If it demands more than before, its topics are polled sooner.
    pub(super) fn subscribe(&mut self, subscriber: &F, subscription: Subscription) {
        let demand = subscription.demand;
        let former = self.subscriptions.get(subscriber).map(|former| former.demand);
        if demand.exceeds(former.unwrap_or_default()) {
            for topic in TopicId::ALL.iter().filter(|topic| demand.interval(**topic).is_some()) {
                self.topics.schedule_mut(*topic).request_soon();
            }
        }
        if former.is_none() {
            *self.tenants.entry(subscriber.tenant().to_owned()).or_default() += 1;
        }
        self.subscriptions.set(subscriber, subscription);
    }

    /// Removes `subscriber`.
    pub(super) fn unsubscribe(&mut self, subscriber: &F) {
        if self.subscriptions.get(subscriber).is_some()
            && let Some(count) = self.tenants.get_mut(subscriber.tenant())
        {
            *count -= 1;
            if *count == 0 {
                self.tenants.remove(subscriber.tenant());
            }
        }
        self.subscriptions.remove(subscriber);
        self.wakes.remove(subscriber);
    }

    /// Wakes all subscribers once if the list is overdue.
    pub(super) fn report_overdue(&mut self, settings: &InventorySettings, now: Duration) {
        if self.overdue_at(settings).is_some_and(|at| at <= now) {
            self.overdue = Some(self.listed_at());
            self.wakes.extend(self.subscriptions.demanding(TopicId::Instances).cloned());
        }
    }

    /// Records that the site asked for a pause until `until`, which delays the list.
    pub(super) fn record_pause(&mut self, until: Duration, settings: &InventorySettings, now: Duration) {
        let lists = Instances::state(&mut self.topics);
        let paused = Err(Cause::Paused(until));
        if lists.lists.record(paused, &settings.indexed_tag_prefix, now).trouble_changed {
            self.wakes.extend(self.subscriptions.demanding(TopicId::Instances).cloned());
        }
    }

    /// Takes the lists with an incomplete reading, and the subscribers to wake.
    pub(super) fn record_partial<T: Topic>(&mut self, lists: Lists<T::Item>, changes: &[Change<T::Item>]) {
        T::state(&mut self.topics).lists = lists;
        self.wakes.extend(self.subscriptions.affected_by(changes));
    }

    /// The lists of a topic. Cheap.
    pub(super) fn lists<T: Topic>(&mut self) -> Lists<T::Item> {
        T::state(&mut self.topics).lists.clone()
    }

    /// Takes the lists with what an attempt changed in them, and the subscribers to wake.
    pub(super) fn record<T: Topic>(
        &mut self,
        lists: Lists<T::Item>,
        update: ListUpdate<T::Item>,
        settings: &InventorySettings,
        now: Duration,
    ) {
        if let Some(running) = &mut self.running {
            running.topics.retain(|topic| *topic != T::ID);
        }
        let state = T::state(&mut self.topics);
        match &lists.trouble {
            None => state.schedule.succeeded(),
            Some(trouble) => {
                state.schedule.failed(now, pause_after(&trouble.cause, settings), settings);
            }
        }
        state.lists = lists;
        let ListUpdate { first, complete, trouble_changed, changes } = update;
        self.wakes.extend(self.subscriptions.affected_by(&changes));
        if complete {
            self.wakes.extend(self.subscriptions.every_list(T::ID).cloned());
        }
        let was_overdue = complete && T::ID == TopicId::Instances && self.overdue.take().is_some();
        // The first list is what all subscribers wait for, and trouble changes what all of them report.
        if first || trouble_changed || was_overdue {
            self.wakes.extend(self.subscriptions.demanding(T::ID).cloned());
        }
    }
}

/// The shortest pause after a failed list.
fn pause_after(cause: &Cause, settings: &InventorySettings) -> Option<Duration> {
    match cause {
        Cause::Error(error) if error.class() == Class::Credentials => Some(settings.refused_pause),
        Cause::Error(error) => error.retry_after(),
        Cause::Incomplete | Cause::Paused(_) => None,
    }
}
