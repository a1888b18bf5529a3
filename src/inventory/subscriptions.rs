//! Which subscribers a change wakes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    demand::Demand,
    schedule::PollInterval,
    snapshot::{Change, Item},
    topic::TopicId,
};

/// Names a subscriber. It is cloned a few times, so it should be small, or shared.
pub trait Subscriber: Ord + Clone + Send {
    /// Who shares the request budget with others: the namespace of an object.
    fn tenant(&self) -> &str;
}

/// What wakes a subscriber, and how often its topics are polled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Wakes on a change of an item with one of these ids.
    pub ids: Vec<String>,
    /// Wakes on a change of an item that has, or had, one of these tags: key and value.
    pub tags: Vec<(String, String)>,
    /// The demanded topics.
    pub demand: Demand,
}

/// The subscriptions of an account. `F` is cloned a few times for each: it should be small, or shared.
#[derive(Debug, Clone)]
pub struct Subscriptions<F> {
    by_subscriber: BTreeMap<F, Subscription>,
    by_id: Index<String, F>,
    by_tag: Index<(String, String), F>,
    every_list: BTreeSet<F>,
    counts: BTreeMap<TopicId, Count>,
}

type Index<K, F> = BTreeMap<K, BTreeSet<F>>;

/// How many subscribers demand a topic.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    idle: usize,
    active: usize,
}

// === impl Subscriptions ===

impl<F> Default for Subscriptions<F> {
    fn default() -> Self {
        Self {
            by_subscriber: BTreeMap::new(),
            by_id: Index::new(),
            by_tag: Index::new(),
            every_list: BTreeSet::new(),
            counts: BTreeMap::new(),
        }
    }
}

impl<F> Subscriptions<F> {
    /// Whether the account has no subscriber.
    pub fn is_empty(&self) -> bool {
        self.by_subscriber.is_empty()
    }

    /// The shortest interval at which `topic` is demanded; `None` if it is not.
    pub(super) fn interval(&self, topic: TopicId) -> Option<PollInterval> {
        match self.counts.get(&topic)? {
            Count { idle: 0, active: 0 } => None,
            Count { idle: _, active: 0 } => Some(PollInterval::Idle),
            Count { .. } => Some(PollInterval::Active),
        }
    }

    /// Changes the counts of the topics that `demand` names.
    fn count(&mut self, demand: Demand, change: impl Fn(usize) -> usize) {
        for topic in TopicId::ALL {
            let Some(interval) = demand.interval(*topic) else { continue };
            let count = self.counts.entry(*topic).or_default();
            let of_interval = match interval {
                PollInterval::Idle => &mut count.idle,
                PollInterval::Active => &mut count.active,
            };
            *of_interval = change(*of_interval);
        }
    }
}

impl<F: Ord + Clone> Subscriptions<F> {
    /// Replaces the subscription of `subscriber`.
    pub fn set(&mut self, subscriber: &F, subscription: Subscription) {
        if self.by_subscriber.get(subscriber) == Some(&subscription) {
            return;
        }
        self.remove(subscriber);
        for id in &subscription.ids {
            self.by_id.entry(id.clone()).or_default().insert(subscriber.clone());
        }
        for tag in &subscription.tags {
            self.by_tag.entry(tag.clone()).or_default().insert(subscriber.clone());
        }
        if subscription.demand.every_list {
            self.every_list.insert(subscriber.clone());
        }
        self.count(subscription.demand, |count| count.saturating_add(1));
        self.by_subscriber.insert(subscriber.clone(), subscription);
    }

    /// Removes `subscriber`.
    pub fn remove(&mut self, subscriber: &F) {
        let Some(Subscription { ids, tags, demand }) = self.by_subscriber.remove(subscriber) else { return };
        for id in &ids {
            remove_from(&mut self.by_id, id, subscriber);
        }
        for tag in &tags {
            remove_from(&mut self.by_tag, tag, subscriber);
        }
        self.every_list.remove(subscriber);
        self.count(demand, |count| count.saturating_sub(1));
    }

    /// The subscription of `subscriber`.
    pub fn get(&self, subscriber: &F) -> Option<&Subscription> {
        self.by_subscriber.get(subscriber)
    }

    /// The subscribers that these changes concern, by the items before and after them.
    pub fn affected_by<T: Item>(&self, changes: &[Change<T>]) -> BTreeSet<F> {
        let mut affected = BTreeSet::new();
        for item in changes.iter().flat_map(Change::items) {
            affected.extend(self.by_id.get(item.id()).into_iter().flatten().cloned());
            for (key, value) in item.tags() {
                let tag = (key.to_owned(), value.to_owned());
                affected.extend(self.by_tag.get(&tag).into_iter().flatten().cloned());
            }
        }
        affected
    }

    /// The subscribers that every complete list of `topic` wakes.
    pub(super) fn every_list(&self, topic: TopicId) -> impl Iterator<Item = &F> {
        self.every_list.iter().filter(move |subscriber| self.demands(subscriber, topic))
    }

    /// The subscribers that demand `topic`.
    pub(super) fn demanding(&self, topic: TopicId) -> impl Iterator<Item = &F> {
        self.by_subscriber.keys().filter(move |subscriber| self.demands(subscriber, topic))
    }

    fn demands(&self, subscriber: &F, topic: TopicId) -> bool {
        self.get(subscriber).is_some_and(|subscription| subscription.demand.interval(topic).is_some())
    }
}

fn remove_from<K: Ord, F: Ord>(index: &mut Index<K, F>, key: &K, subscriber: &F) {
    if let Some(subscribers) = index.get_mut(key) {
        subscribers.remove(subscriber);
        if subscribers.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
impl Subscriber for &'static str {
    fn tenant(&self) -> &str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dcs::model::{InstanceFacts, Tag};

    fn facts(id: &str, uid: &str) -> Arc<InstanceFacts> {
        let tag = Tag { key: "uid".to_owned(), value: Some(uid.to_owned()) };
        Arc::new(InstanceFacts { id: id.to_owned(), tags: vec![tag], ..InstanceFacts::default() })
    }

    fn by_id(id: &str) -> Subscription {
        Subscription { ids: vec![id.to_owned()], ..Subscription::default() }
    }

    fn by_uid(uid: &str) -> Subscription {
        Subscription { tags: vec![("uid".to_owned(), uid.to_owned())], ..Subscription::default() }
    }

    #[test]
    fn changes_wake_by_id_and_by_tag_before_and_after() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.set(&"id", by_id("i-1"));
        subscriptions.set(&"was", by_uid("u-1"));
        subscriptions.set(&"is", by_uid("u-2"));
        subscriptions.set(&"other", by_id("i-2"));
        let moved = Change::Changed { old: facts("i-1", "u-1"), new: facts("i-1", "u-2") };
        assert_eq!(subscriptions.affected_by(&[moved]), BTreeSet::from(["id", "was", "is"]));
        assert_eq!(
            subscriptions.affected_by(&[Change::Appeared(facts("i-9", "u-2"))]),
            BTreeSet::from(["is"])
        );
        assert_eq!(
            subscriptions.affected_by(&[Change::Disappeared(facts("i-2", ""))]),
            BTreeSet::from(["other"])
        );
        assert_eq!(subscriptions.affected_by::<InstanceFacts>(&[]), BTreeSet::new());
    }

    #[test]
    fn a_new_subscription_replaces_the_old_one_completely() {
        let mut subscriptions = Subscriptions::default();
        let all = Subscription { tags: by_uid("u").tags, demand: Demand::ALL_LISTS, ..by_id("i-1") };
        let failed = |subscriptions: &Subscriptions<_>| {
            subscriptions.demanding(TopicId::FailedCreations).copied().collect::<Vec<&str>>()
        };
        subscriptions.set(&"a", all.clone());
        assert_eq!(subscriptions.interval(TopicId::Instances), Some(PollInterval::Active));
        assert_eq!(subscriptions.interval(TopicId::FailedCreations), Some(PollInterval::Active));
        assert_eq!(subscriptions.every_list(TopicId::Instances).count(), 1);
        assert_eq!(failed(&subscriptions), ["a"]);
        subscriptions.set(&"a", by_id("i-2"));
        assert_eq!(subscriptions.interval(TopicId::Instances), Some(PollInterval::Idle));
        assert_eq!(subscriptions.interval(TopicId::FailedCreations), None);
        assert_eq!(subscriptions.every_list(TopicId::Instances).count(), 0);
        assert!(failed(&subscriptions).is_empty());
        let change = [Change::Appeared(facts("i-1", "u"))];
        assert_eq!(subscriptions.affected_by(&change), BTreeSet::new());
        subscriptions.set(&"a", all);
        assert_eq!(subscriptions.affected_by(&change), BTreeSet::from(["a"]));
        subscriptions.remove(&"a");
        assert!(
            subscriptions.is_empty() && subscriptions.by_id.is_empty() && subscriptions.by_tag.is_empty()
        );
        assert!(subscriptions.interval(TopicId::Instances).is_none() && subscriptions.every_list.is_empty());
    }

    #[test]
    fn a_demand_exceeds_another_by_any_flag() {
        assert!(Demand::CHANGES.exceeds(Demand::IDLE) && Demand::CHANGES.exceeds(Demand::EVERY_LIST));
        assert!(Demand::EVERY_LIST.exceeds(Demand::CHANGES));
        assert!(Demand::ALL_LISTS.exceeds(Demand::NEXT_LIST));
        assert!(!Demand::CHANGES.exceeds(Demand::CHANGES) && !Demand::IDLE.exceeds(Demand::IDLE));
        assert!(!Demand::IDLE.exceeds(Demand::CHANGES));
    }
}
