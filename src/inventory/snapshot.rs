//! What was seen of an account's instances, and what is new about it. Pure.
//!
//! Only complete lists are kept: that an instance is missing in one means something. A list that could not be had
//! is [`Trouble`], and leaves the last one as it was.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::dcs::{Error, model::InstanceFacts};

/// What a complete list said, before it is compared with the one before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Monotonic time before its first page was asked for.
    pub begun: Duration,
    /// Monotonic time after its last page had come.
    pub finished: Duration,
    /// The instances, each once.
    pub instances: Vec<InstanceFacts>,
}

/// A complete list of an account's instances.
#[derive(Debug, Clone)]
pub struct List {
    /// Monotonic time before its first page was asked for: what was done before shows in it, as far as the service
    /// shows at once what was done.
    pub begun: Duration,
    /// Monotonic time after its last page had come.
    pub finished: Duration,
    contents: Arc<Contents>,
}

/// Shared by lists that say the same, which is most of them.
#[derive(Debug, Default)]
struct Contents {
    /// In the order of their ids.
    instances: Vec<Arc<InstanceFacts>>,
    /// By key and value, of the tags that are looked up.
    by_tag: HashMap<String, HashMap<String, Vec<Arc<InstanceFacts>>>>,
}

/// What a list says that the one before did not.
#[derive(Debug, Clone, PartialEq)]
pub enum InstanceChange {
    /// The instance was not there before.
    Appeared(Arc<InstanceFacts>),
    /// Something happened to it.
    Changed {
        /// As it was.
        old: Arc<InstanceFacts>,
        /// As it is.
        new: Arc<InstanceFacts>,
    },
    /// It is not there any more.
    Disappeared(Arc<InstanceFacts>),
}

/// Why there is no newer list.
#[derive(Debug, Clone)]
pub enum Cause {
    /// It could not be read.
    Error(Error),
    /// It was read, several times over, and never were as many instances in it as the service said there are.
    Incomplete,
}

/// That there is no newer list.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Why, as of the last attempt.
    pub cause: Cause,
    /// Monotonic time of the first failure in a row.
    pub since: Duration,
}

/// The last two complete lists of the same kind.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// The last one.
    pub latest: Option<Arc<List>>,
    /// The one before.
    pub previous: Option<Arc<List>>,
    /// Why there is no newer one, if the last attempt failed.
    pub trouble: Option<Trouble>,
}

/// What an attempt to read a list brought.
#[derive(Debug, Default)]
pub struct ListUpdate {
    /// A complete list, and the first one.
    pub first: bool,
    /// A complete list.
    pub complete: bool,
    /// Trouble began, became another, or ended.
    pub turned: bool,
    /// What is different from the list before.
    pub changes: Vec<InstanceChange>,
}

/// What a pass sees of an account. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccountSnapshot {
    /// The last complete list.
    pub latest: Option<Arc<List>>,
    /// The complete list before.
    pub previous: Option<Arc<List>>,
    /// Why there is no newer list, if the last attempt failed.
    pub trouble: Option<Trouble>,
    /// The last complete list of failed creations; absent while nobody wants it.
    pub failed_latest: Option<Arc<List>>,
    /// The complete list of failed creations before.
    pub failed_previous: Option<Arc<List>>,
    /// Why there is no newer list of failed creations, if the last attempt failed.
    pub failed_trouble: Option<Trouble>,
    /// Monotonic time when the account was joined: nothing was seen before.
    pub joined: Duration,
}

// === impl List ===

impl List {
    /// Takes from `old` all that has not changed, so that it is in memory once. Only tags whose keys begin with
    /// `tag_prefix` can be looked up.
    pub fn new(reading: Reading, tag_prefix: &str, old: Option<&Self>) -> Self {
        let Reading { begun, finished, instances } = reading;
        let reuse = |facts: InstanceFacts| {
            let kept = old.and_then(|old| old.get(&facts.id)).filter(|kept| ***kept == facts);
            kept.map_or_else(|| Arc::new(facts), Arc::clone)
        };
        let mut instances: Vec<_> = instances.into_iter().map(reuse).collect();
        instances.sort_by(|one, other| one.id.cmp(&other.id));
        instances.dedup_by(|one, other| one.id == other.id);
        let same = |old: &&Self| {
            let kept = &old.contents.instances;
            kept.len() == instances.len()
                && kept.iter().zip(&instances).all(|(old, new)| Arc::ptr_eq(old, new))
        };
        let contents = match old.filter(same) {
            Some(old) => Arc::clone(&old.contents),
            None => Arc::new(Contents::new(instances, tag_prefix)),
        };
        Self { begun, finished, contents }
    }

    /// The instance with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<InstanceFacts>> {
        let instances = &self.contents.instances;
        let at = instances.binary_search_by(|facts| facts.id.as_str().cmp(id)).ok()?;
        instances.get(at)
    }

    /// The instances with this tag, in the order of their ids.
    pub fn tagged(&self, key: &str, value: &str) -> impl Iterator<Item = &Arc<InstanceFacts>> {
        self.contents.by_tag.get(key).and_then(|values| values.get(value)).into_iter().flatten()
    }

    /// All instances, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<InstanceFacts>> {
        self.contents.instances.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.contents.instances.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.contents.instances.is_empty()
    }
}

// === impl Contents ===

impl Contents {
    fn new(instances: Vec<Arc<InstanceFacts>>, tag_prefix: &str) -> Self {
        let mut by_tag: HashMap<String, HashMap<String, Vec<_>>> = HashMap::new();
        for facts in &instances {
            for (key, value) in facts.tags().filter(|(key, _)| key.starts_with(tag_prefix)) {
                let values = by_tag.entry(key.to_owned()).or_default();
                values.entry(value.to_owned()).or_default().push(Arc::clone(facts));
            }
        }
        Self { instances, by_tag }
    }
}

// === impl InstanceChange ===

impl InstanceChange {
    /// The instance as it was and as it is, as far as it was and is.
    pub fn facts(&self) -> impl Iterator<Item = &Arc<InstanceFacts>> {
        let (old, new) = match self {
            Self::Appeared(new) => (None, Some(new)),
            Self::Changed { old, new } => (Some(old), Some(new)),
            Self::Disappeared(old) => (Some(old), None),
        };
        old.into_iter().chain(new)
    }
}

/// What `new` says that `old` did not; without `old`, all instances have appeared.
pub fn changes(old: Option<&List>, new: &List) -> Vec<InstanceChange> {
    if old.is_some_and(|old| Arc::ptr_eq(&old.contents, &new.contents)) {
        return Vec::new();
    }
    let came = new.iter().filter_map(|facts| match old.and_then(|old| old.get(&facts.id)) {
        None => Some(InstanceChange::Appeared(Arc::clone(facts))),
        Some(old) if old == facts => None,
        Some(old) => Some(InstanceChange::Changed { old: Arc::clone(old), new: Arc::clone(facts) }),
    });
    let gone = old.into_iter().flat_map(List::iter).filter(|facts| new.get(&facts.id).is_none());
    came.chain(gone.map(|facts| InstanceChange::Disappeared(Arc::clone(facts)))).collect()
}

// === impl Cause ===

impl Cause {
    /// Whether the same is to be done about both.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Incomplete, Self::Incomplete) => true,
            (Self::Error(own), Self::Error(other)) => own.class() == other.class(),
            (Self::Incomplete, Self::Error(_)) | (Self::Error(_), Self::Incomplete) => false,
        }
    }
}

// === impl Lists ===

impl Lists {
    /// Takes in what an attempt that ended at `now` brought. See [`List::new`] about `tag_prefix`.
    pub fn record(&mut self, outcome: Result<Reading, Cause>, tag_prefix: &str, now: Duration) -> ListUpdate {
        match outcome {
            Ok(reading) => {
                let old = self.latest.take();
                let list = List::new(reading, tag_prefix, old.as_deref());
                let changes = changes(old.as_deref(), &list);
                let turned = self.trouble.take().is_some();
                let first = old.is_none();
                self.previous = old;
                self.latest = Some(Arc::new(list));
                ListUpdate { first, complete: true, turned, changes }
            }
            Err(cause) => {
                let former = self.trouble.as_ref();
                let turned = former.is_none_or(|former| !former.cause.is_like(&cause));
                let since = former.map_or(now, |former| former.since);
                self.trouble = Some(Trouble { cause, since });
                ListUpdate { turned, ..ListUpdate::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcs::{
        error::{Failure, Refusal},
        model::Tag,
        operation::LIST_INSTANCES,
    };

    fn facts(id: &str, name: &str) -> InstanceFacts {
        let tag = |key: &str| Tag { key: key.to_owned(), value: Some(id.to_owned()) };
        let tags = vec![tag("ours-uid"), tag("team")];
        InstanceFacts { id: id.to_owned(), name: Some(name.to_owned()), tags, ..InstanceFacts::default() }
    }

    fn list(instances: &[(&str, &str)], old: Option<&List>) -> List {
        let instances = instances.iter().map(|(id, name)| facts(id, name)).collect();
        List::new(Reading { instances, ..Reading::default() }, "ours-", old)
    }

    fn refused(status: u16) -> Cause {
        let refusal = Refusal { status, ..Refusal::default() };
        Cause::Error(Error::new(&LIST_INSTANCES, Failure::Refused(refusal), 1))
    }

    #[test]
    fn looked_up_by_id_and_by_our_tags() {
        let list = list(&[("b", "2"), ("a", "1"), ("b", "again")], None);
        assert_eq!(list.iter().map(|facts| facts.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(list.get("b").map(|facts| facts.name.as_deref()), Some(Some("2")));
        assert!(list.get("c").is_none() && list.len() == 2 && !list.is_empty());
        assert_eq!(list.tagged("ours-uid", "a").map(|facts| facts.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(list.tagged("ours-uid", "c").count(), 0);
        assert_eq!(list.tagged("team", "a").count(), 0, "not ours, so not kept");
    }

    #[test]
    fn what_did_not_change_is_in_memory_once() {
        let old = list(&[("a", "1"), ("b", "2")], None);
        let same = list(&[("b", "2"), ("a", "1")], Some(&old));
        assert!(Arc::ptr_eq(&old.contents, &same.contents));
        assert_eq!(changes(Some(&old), &same), []);
        let other = list(&[("a", "1"), ("b", "3")], Some(&same));
        assert!(Arc::ptr_eq(old.get("a").unwrap(), other.get("a").unwrap()));
        assert!(!Arc::ptr_eq(old.get("b").unwrap(), other.get("b").unwrap()));
        assert!(Arc::ptr_eq(other.get("b").unwrap(), other.tagged("ours-uid", "b").next().unwrap()));
    }

    #[test]
    fn appeared_changed_disappeared() {
        let old = list(&[("a", "1"), ("b", "2"), ("c", "3")], None);
        let new = list(&[("a", "1"), ("c", "4"), ("d", "5")], Some(&old));
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|id| [old.get(id).cloned(), new.get(id).cloned()]);
        assert!(Arc::ptr_eq(a[0].as_ref().unwrap(), a[1].as_ref().unwrap()));
        let [Some(was), Some(is)] = c else { panic!("c is in both") };
        let (Some(gone), Some(came)) = (b[0].clone(), d[1].clone()) else { panic!("b was, d is") };
        let expected = [
            InstanceChange::Changed { old: was, new: is },
            InstanceChange::Appeared(came),
            InstanceChange::Disappeared(gone),
        ];
        assert_eq!(changes(Some(&old), &new), expected);
        assert_eq!(changes(None, &new).len(), 3);
    }

    #[test]
    fn two_lists_are_kept_and_trouble_leaves_them_alone() {
        let mut lists = Lists::default();
        let reading = |begun| {
            Ok(Reading {
                begun: Duration::from_secs(begun),
                instances: vec![facts("a", "1")],
                ..Reading::default()
            })
        };
        let at = Duration::from_secs;
        let news = lists.record(reading(1), "", at(1));
        assert!(news.first && news.complete && !news.turned && news.changes.len() == 1);
        lists.record(reading(2), "", at(2));
        let news = lists.record(reading(3), "", at(3));
        assert!(!news.first && news.complete && news.changes.is_empty());
        let begun = |list: &Option<Arc<List>>| list.as_ref().map(|list| list.begun);
        for (time, cause, turned) in [
            (4, refused(500), true),
            (5, refused(503), false),
            (6, refused(401), true),
            (7, Cause::Incomplete, true),
            (8, Cause::Incomplete, false),
        ] {
            let news = lists.record(Err(cause), "", at(time));
            assert_eq!((news.turned, news.complete, news.first), (turned, false, false), "{time}");
            assert_eq!(lists.trouble.as_ref().map(|trouble| trouble.since), Some(at(4)));
            assert_eq!((begun(&lists.latest), begun(&lists.previous)), (Some(at(3)), Some(at(2))));
        }
        let news = lists.record(reading(9), "", at(9));
        assert!(news.turned && news.complete && lists.trouble.is_none());
        assert_eq!((begun(&lists.latest), begun(&lists.previous)), (Some(at(9)), Some(at(3))));
    }
}
