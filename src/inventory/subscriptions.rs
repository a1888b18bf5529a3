//! Who wants to be woken, and by what. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::InstanceChange;

/// How soon news is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Urgency {
    /// Nothing is expected to happen.
    #[default]
    Idle,
    /// Something is on its way.
    Active,
}

/// What a follower wants to be woken by, and how soon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// A change of one of these instances.
    pub ids: Vec<String>,
    /// A change of an instance that has, or had, one of these tags: key and value.
    pub tags: Vec<(String, String)>,
    /// How soon.
    pub urgency: Urgency,
    /// Every complete list, whatever it says.
    pub each_list: bool,
    /// Whether the failed creations are to be listed as well.
    pub failed_creations: bool,
}

/// The followers of an account. `F` is cloned a few times for each: it should be small, or shared.
#[derive(Debug, Clone)]
pub struct Subscriptions<F> {
    interests: BTreeMap<F, Subscription>,
    by_id: Index<String, F>,
    by_tag: Index<(String, String), F>,
    fast: BTreeSet<F>,
    each_list: BTreeSet<F>,
    failed_creations: BTreeSet<F>,
}

type Index<K, F> = BTreeMap<K, BTreeSet<F>>;

// === impl Subscription ===

impl Subscription {
    /// Whether it asks for something that `former` did not: the next list sooner, or more than it held.
    pub fn wants_more_than(&self, former: Option<&Self>) -> bool {
        let was = |wanted: fn(&Self) -> bool| former.is_some_and(wanted);
        (self.urgency == Urgency::Active && !was(|former| former.urgency == Urgency::Active))
            || (self.each_list && !was(|former| former.each_list))
            || (self.failed_creations && !was(|former| former.failed_creations))
    }
}

// === impl Subscriptions ===

impl<F> Default for Subscriptions<F> {
    fn default() -> Self {
        Self {
            interests: BTreeMap::new(),
            by_id: Index::new(),
            by_tag: Index::new(),
            fast: BTreeSet::new(),
            each_list: BTreeSet::new(),
            failed_creations: BTreeSet::new(),
        }
    }
}

impl<F> Subscriptions<F> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.interests.is_empty()
    }
}

impl<F: Ord + Clone> Subscriptions<F> {
    /// Sets what `subscriber` wants, in place of what it wanted before.
    pub fn set(&mut self, subscriber: &F, subscription: Subscription) {
        if self.interests.get(subscriber) == Some(&subscription) {
            return;
        }
        self.remove(subscriber);
        for id in &subscription.ids {
            self.by_id.entry(id.clone()).or_default().insert(subscriber.clone());
        }
        for tag in &subscription.tags {
            self.by_tag.entry(tag.clone()).or_default().insert(subscriber.clone());
        }
        let Subscription { urgency, each_list, failed_creations, .. } = subscription;
        let sets = [
            (urgency == Urgency::Active, &mut self.fast),
            (each_list, &mut self.each_list),
            (failed_creations, &mut self.failed_creations),
        ];
        for (_, set) in sets.into_iter().filter(|(wanted, _)| *wanted) {
            set.insert(subscriber.clone());
        }
        self.interests.insert(subscriber.clone(), subscription);
    }

    /// Forgets `subscriber`.
    pub fn remove(&mut self, subscriber: &F) {
        let Some(Subscription { ids, tags, .. }) = self.interests.remove(subscriber) else { return };
        for id in &ids {
            take_out(&mut self.by_id, id, subscriber);
        }
        for tag in &tags {
            take_out(&mut self.by_tag, tag, subscriber);
        }
        for set in [&mut self.fast, &mut self.each_list, &mut self.failed_creations] {
            set.remove(subscriber);
        }
    }

    /// What `subscriber` wants.
    pub fn subscription(&self, subscriber: &F) -> Option<&Subscription> {
        self.interests.get(subscriber)
    }

    /// Whom these changes concern: by what an instance was before, and by what it is now.
    pub fn affected_by(&self, changes: &[InstanceChange]) -> BTreeSet<F> {
        let mut woken = BTreeSet::new();
        for facts in changes.iter().flat_map(InstanceChange::facts) {
            woken.extend(self.by_id.get(&facts.id).into_iter().flatten().cloned());
            for (key, value) in facts.tags() {
                let tag = (key.to_owned(), value.to_owned());
                woken.extend(self.by_tag.get(&tag).into_iter().flatten().cloned());
            }
        }
        woken
    }

    /// Whether anybody expects something to happen.
    pub fn any_fast(&self) -> bool {
        !self.fast.is_empty()
    }

    /// Those who are woken by every complete list.
    pub fn each_list(&self) -> &BTreeSet<F> {
        &self.each_list
    }

    /// Those who want the failed creations.
    pub fn failed_creations(&self) -> &BTreeSet<F> {
        &self.failed_creations
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &F> {
        self.interests.keys()
    }
}

fn take_out<K: Ord, F: Ord>(index: &mut Index<K, F>, key: &K, subscriber: &F) {
    if let Some(subscriptions) = index.get_mut(key) {
        subscriptions.remove(subscriber);
        if subscriptions.is_empty() {
            index.remove(key);
        }
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
    fn woken_by_id_and_by_tag_before_and_after() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.set(&"id", by_id("i-1"));
        subscriptions.set(&"was", by_uid("u-1"));
        subscriptions.set(&"is", by_uid("u-2"));
        subscriptions.set(&"other", by_id("i-2"));
        let moved = InstanceChange::Changed { old: facts("i-1", "u-1"), new: facts("i-1", "u-2") };
        assert_eq!(subscriptions.affected_by(&[moved]), BTreeSet::from(["id", "was", "is"]));
        assert_eq!(
            subscriptions.affected_by(&[InstanceChange::Appeared(facts("i-9", "u-2"))]),
            BTreeSet::from(["is"])
        );
        assert_eq!(
            subscriptions.affected_by(&[InstanceChange::Disappeared(facts("i-2", ""))]),
            BTreeSet::from(["other"])
        );
        assert_eq!(subscriptions.affected_by(&[]), BTreeSet::new());
    }

    #[test]
    fn a_new_interest_replaces_the_old_one_and_nothing_is_left_behind() {
        let mut subscriptions = Subscriptions::default();
        let all = Subscription {
            tags: by_uid("u").tags,
            urgency: Urgency::Active,
            each_list: true,
            failed_creations: true,
            ..by_id("i-1")
        };
        subscriptions.set(&"a", all.clone());
        assert!(subscriptions.any_fast() && subscriptions.each_list().contains("a"));
        assert_eq!(subscriptions.failed_creations(), &BTreeSet::from(["a"]));
        subscriptions.set(&"a", by_id("i-2"));
        assert!(!subscriptions.any_fast() && subscriptions.each_list().is_empty());
        assert!(subscriptions.failed_creations().is_empty());
        let change = [InstanceChange::Appeared(facts("i-1", "u"))];
        assert_eq!(subscriptions.affected_by(&change), BTreeSet::new());
        subscriptions.set(&"a", all);
        assert_eq!(subscriptions.affected_by(&change), BTreeSet::from(["a"]));
        subscriptions.remove(&"a");
        assert!(
            subscriptions.is_empty() && subscriptions.by_id.is_empty() && subscriptions.by_tag.is_empty()
        );
        assert!(subscriptions.fast.is_empty() && subscriptions.each_list.is_empty());
    }

    #[test]
    fn more_is_wanted_only_once() {
        let fast = Subscription { urgency: Urgency::Active, ..by_id("i") };
        let lists = Subscription { each_list: true, ..by_id("i") };
        assert!(fast.wants_more_than(None) && fast.wants_more_than(Some(&lists)));
        assert!(lists.wants_more_than(Some(&fast)));
        assert!(!fast.wants_more_than(Some(&fast)));
        assert!(!by_id("i").wants_more_than(None) && !by_id("j").wants_more_than(Some(&fast)));
    }
}
