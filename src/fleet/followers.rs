//! Who wants to be woken, and by what. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::Change;

/// How soon news is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Nothing is expected to happen.
    #[default]
    Steady,
    /// Something is on its way.
    Fast,
}

/// What a follower wants to be woken by, and how soon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// A change of one of these instances.
    pub ids: Vec<String>,
    /// A change of an instance that has, or had, one of these tags: key and value.
    pub tags: Vec<(String, String)>,
    /// How soon.
    pub pace: Pace,
    /// Every complete list, whatever it says.
    pub each_list: bool,
    /// Whether the failed creations are to be listed as well.
    pub failed_creations: bool,
}

/// The followers of an account. `F` is cloned a few times for each: it should be small, or shared.
#[derive(Debug, Clone)]
pub struct Followers<F> {
    interests: BTreeMap<F, Interest>,
    by_id: Index<String, F>,
    by_tag: Index<(String, String), F>,
    fast: BTreeSet<F>,
    each_list: BTreeSet<F>,
    failed_creations: BTreeSet<F>,
}

type Index<K, F> = BTreeMap<K, BTreeSet<F>>;

// === impl Interest ===

impl Interest {
    /// Whether it asks for something that `former` did not: the next list sooner, or more than it held.
    pub fn wants_more_than(&self, former: Option<&Self>) -> bool {
        let was = |wanted: fn(&Self) -> bool| former.is_some_and(wanted);
        (self.pace == Pace::Fast && !was(|former| former.pace == Pace::Fast))
            || (self.each_list && !was(|former| former.each_list))
            || (self.failed_creations && !was(|former| former.failed_creations))
    }
}

// === impl Followers ===

impl<F> Default for Followers<F> {
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

impl<F> Followers<F> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.interests.is_empty()
    }
}

impl<F: Ord + Clone> Followers<F> {
    /// Sets what `follower` wants, in place of what it wanted before.
    pub fn set(&mut self, follower: &F, interest: Interest) {
        if self.interests.get(follower) == Some(&interest) {
            return;
        }
        self.remove(follower);
        for id in &interest.ids {
            self.by_id.entry(id.clone()).or_default().insert(follower.clone());
        }
        for tag in &interest.tags {
            self.by_tag.entry(tag.clone()).or_default().insert(follower.clone());
        }
        let Interest { pace, each_list, failed_creations, .. } = interest;
        let sets = [
            (pace == Pace::Fast, &mut self.fast),
            (each_list, &mut self.each_list),
            (failed_creations, &mut self.failed_creations),
        ];
        for (_, set) in sets.into_iter().filter(|(wanted, _)| *wanted) {
            set.insert(follower.clone());
        }
        self.interests.insert(follower.clone(), interest);
    }

    /// Forgets `follower`.
    pub fn remove(&mut self, follower: &F) {
        let Some(Interest { ids, tags, .. }) = self.interests.remove(follower) else { return };
        for id in &ids {
            take_out(&mut self.by_id, id, follower);
        }
        for tag in &tags {
            take_out(&mut self.by_tag, tag, follower);
        }
        for set in [&mut self.fast, &mut self.each_list, &mut self.failed_creations] {
            set.remove(follower);
        }
    }

    /// What `follower` wants.
    pub fn interest(&self, follower: &F) -> Option<&Interest> {
        self.interests.get(follower)
    }

    /// Whom these changes concern: by what an instance was before, and by what it is now.
    pub fn woken_by(&self, changes: &[Change]) -> BTreeSet<F> {
        let mut woken = BTreeSet::new();
        for facts in changes.iter().flat_map(Change::facts) {
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

fn take_out<K: Ord, F: Ord>(index: &mut Index<K, F>, key: &K, follower: &F) {
    if let Some(followers) = index.get_mut(key) {
        followers.remove(follower);
        if followers.is_empty() {
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

    fn by_id(id: &str) -> Interest {
        Interest { ids: vec![id.to_owned()], ..Interest::default() }
    }

    fn by_uid(uid: &str) -> Interest {
        Interest { tags: vec![("uid".to_owned(), uid.to_owned())], ..Interest::default() }
    }

    #[test]
    fn woken_by_id_and_by_tag_before_and_after() {
        let mut followers = Followers::default();
        followers.set(&"id", by_id("i-1"));
        followers.set(&"was", by_uid("u-1"));
        followers.set(&"is", by_uid("u-2"));
        followers.set(&"other", by_id("i-2"));
        let moved = Change::Changed { old: facts("i-1", "u-1"), new: facts("i-1", "u-2") };
        assert_eq!(followers.woken_by(&[moved]), BTreeSet::from(["id", "was", "is"]));
        assert_eq!(followers.woken_by(&[Change::Appeared(facts("i-9", "u-2"))]), BTreeSet::from(["is"]));
        assert_eq!(followers.woken_by(&[Change::Disappeared(facts("i-2", ""))]), BTreeSet::from(["other"]));
        assert_eq!(followers.woken_by(&[]), BTreeSet::new());
    }

    #[test]
    fn a_new_interest_replaces_the_old_one_and_nothing_is_left_behind() {
        let mut followers = Followers::default();
        let all = Interest {
            tags: by_uid("u").tags,
            pace: Pace::Fast,
            each_list: true,
            failed_creations: true,
            ..by_id("i-1")
        };
        followers.set(&"a", all.clone());
        assert!(followers.any_fast() && followers.each_list().contains("a"));
        assert_eq!(followers.failed_creations(), &BTreeSet::from(["a"]));
        followers.set(&"a", by_id("i-2"));
        assert!(!followers.any_fast() && followers.each_list().is_empty());
        assert!(followers.failed_creations().is_empty());
        let change = [Change::Appeared(facts("i-1", "u"))];
        assert_eq!(followers.woken_by(&change), BTreeSet::new());
        followers.set(&"a", all);
        assert_eq!(followers.woken_by(&change), BTreeSet::from(["a"]));
        followers.remove(&"a");
        assert!(followers.is_empty() && followers.by_id.is_empty() && followers.by_tag.is_empty());
        assert!(followers.fast.is_empty() && followers.each_list.is_empty());
    }

    #[test]
    fn more_is_wanted_only_once() {
        let fast = Interest { pace: Pace::Fast, ..by_id("i") };
        let lists = Interest { each_list: true, ..by_id("i") };
        assert!(fast.wants_more_than(None) && fast.wants_more_than(Some(&lists)));
        assert!(lists.wants_more_than(Some(&fast)));
        assert!(!fast.wants_more_than(Some(&fast)));
        assert!(!by_id("i").wants_more_than(None) && !by_id("j").wants_more_than(Some(&fast)));
    }
}
