//! Lists of a topic, and how they differ. Pure.
//!
//! An item missing from a complete list does not exist. What an incomplete reading shows exists; what it lacks may
//! exist. A failed attempt is recorded as [`Trouble`] and keeps the last list.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use crate::dcs::Error;

/// An item of a list.
pub trait Item: PartialEq {
    /// Unique within the list.
    fn id(&self) -> &str;

    /// Its name, which need not be unique; `None` if it has none.
    fn name(&self) -> Option<&str>;

    /// Tags, keys and values; none for items that the service does not tag.
    fn tags(&self) -> impl Iterator<Item = (&str, &str)>;
}

/// A list as it was read, not yet compared with the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<T> {
    /// Monotonic time before the first page was requested.
    pub begun: Duration,
    /// Monotonic time after the last page arrived.
    pub finished: Duration,
    /// The items; duplicates are dropped later.
    pub items: Vec<T>,
}

/// A list.
#[derive(Debug, Clone)]
pub struct List<T> {
    /// Monotonic time before the first page was requested: earlier changes show in the list, subject to the
    /// service's own delay.
    pub begun: Duration,
    /// Monotonic time after the last page arrived.
    pub finished: Duration,
    contents: Arc<Contents<T>>,
}

/// Shared by lists with equal items, which most are.
#[derive(Debug)]
struct Contents<T> {
    /// Sorted by id.
    items: Vec<Arc<T>>,
    /// Positions of the items, sorted by name.
    by_name: Vec<u32>,
    /// By key and value, for the indexed tags.
    by_tag: HashMap<String, HashMap<String, Vec<Arc<T>>>>,
}

/// A difference between two lists.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<T> {
    /// Only the newer list has the item.
    Appeared(Arc<T>),
    /// The item differs.
    Changed {
        /// The item in the older list.
        old: Arc<T>,
        /// The item in the newer list.
        new: Arc<T>,
    },
    /// Only the older list has the item.
    Disappeared(Arc<T>),
}

/// Why there is no newer list.
#[derive(Debug, Clone)]
pub enum Cause {
    /// A page could not be read.
    Error(Error),
    /// Several readings in a row had fewer or more items than the service announced.
    Incomplete,
    /// No list was requested: the site asked for a pause, which ends at this monotonic time.
    Paused(Duration),
}

/// A row of failed attempts.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// The cause of the last failure.
    pub cause: Cause,
    /// Monotonic time of the first failure in a row.
    pub since: Duration,
}

/// The last two complete lists of a topic.
#[derive(Debug, Clone)]
pub struct Lists<T> {
    /// The last complete list.
    pub latest: Option<Arc<List<T>>>,
    /// The complete list before.
    pub previous: Option<Arc<List<T>>>,
    /// What incomplete readings after the last complete list showed.
    pub partial: Option<Arc<Partial<T>>>,
    /// Why there is no newer list, if the last attempt failed.
    pub trouble: Option<Trouble>,
}

/// What incomplete readings showed since the last complete list.
#[derive(Debug, Clone)]
pub struct Partial<T> {
    /// The newest version of each item.
    list: List<T>,
    /// When items were last seen that the newest reading lacked.
    carried: HashMap<String, Duration>,
}

/// What an attempt to read a list changed.
#[derive(Debug)]
pub struct ListUpdate<T> {
    /// The first complete list arrived.
    pub first: bool,
    /// A complete list arrived.
    pub complete: bool,
    /// Trouble began, changed its cause, or ended.
    pub trouble_changed: bool,
    /// Differences from the list before.
    pub changes: Vec<Change<T>>,
}

// === impl List ===

impl<T: Item> List<T> {
    /// Shares with `old` everything that is equal. Only tags whose keys begin with `tag_prefix` are indexed.
    pub fn new(reading: Reading<T>, tag_prefix: &str, old: Option<&Self>) -> Self {
        let Reading { begun, finished, items } = reading;
        let reuse = |item: T| {
            let kept = old.and_then(|old| old.get(item.id())).filter(|kept| ***kept == item);
            kept.map_or_else(|| Arc::new(item), Arc::clone)
        };
        let mut items: Vec<_> = items.into_iter().map(reuse).collect();
        items.sort_by(|one, other| one.id().cmp(other.id()));
        items.dedup_by(|one, other| one.id() == other.id());
        let same = |old: &&Self| {
            let kept = &old.contents.items;
            kept.len() == items.len() && kept.iter().zip(&items).all(|(old, new)| Arc::ptr_eq(old, new))
        };
        let contents = match old.filter(same) {
            Some(old) => Arc::clone(&old.contents),
            None => Arc::new(Contents::new(items, tag_prefix)),
        };
        Self { begun, finished, contents }
    }

    /// The item with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<T>> {
        let items = &self.contents.items;
        let at = items.binary_search_by(|item| item.id().cmp(id)).ok()?;
        items.get(at)
    }

    /// The items with this name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Arc<T>> {
        let Contents { items, by_name, .. } = self.contents.as_ref();
        let name_at = |at: &u32| name_of(items, *at);
        let first = by_name.partition_point(|at| name_at(at) < Some(name));
        let found = by_name.get(first..).unwrap_or_default().iter();
        found
            .take_while(move |at| name_of(items, **at) == Some(name))
            .filter_map(|at| items.get(*at as usize))
    }
}

fn name_of<T: Item>(items: &[Arc<T>], at: u32) -> Option<&str> {
    items.get(at as usize).and_then(|item| item.name())
}

impl<T> List<T> {
    /// The items with this tag, sorted by id.
    pub fn tagged(&self, key: &str, value: &str) -> impl Iterator<Item = &Arc<T>> {
        self.contents.by_tag.get(key).and_then(|values| values.get(value)).into_iter().flatten()
    }

    /// All items, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.contents.items.iter()
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.contents.items.len()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.contents.items.is_empty()
    }
}

// === impl Contents ===

impl<T: Item> Contents<T> {
    fn new(items: Vec<Arc<T>>, tag_prefix: &str) -> Self {
        let mut by_tag: HashMap<String, HashMap<String, Vec<_>>> = HashMap::new();
        for item in &items {
            for (key, value) in item.tags().filter(|(key, _)| key.starts_with(tag_prefix)) {
                let values = by_tag.entry(key.to_owned()).or_default();
                values.entry(value.to_owned()).or_default().push(Arc::clone(item));
            }
        }
        let mut by_name: Vec<u32> = (0..u32::try_from(items.len()).unwrap_or(u32::MAX)).collect();
        by_name.sort_by(|one, other| name_of(&items, *one).cmp(&name_of(&items, *other)));
        Self { items, by_name, by_tag }
    }
}

// === impl Change ===

impl<T> Change<T> {
    /// The item before and after the change, where it exists.
    pub fn items(&self) -> impl Iterator<Item = &Arc<T>> {
        let (old, new) = match self {
            Self::Appeared(new) => (None, Some(new)),
            Self::Changed { old, new } => (Some(old), Some(new)),
            Self::Disappeared(old) => (Some(old), None),
        };
        old.into_iter().chain(new)
    }
}

/// The differences of `new` from `old`; without `old`, all items have appeared.
pub fn changes<T: Item>(old: Option<&List<T>>, new: &List<T>) -> Vec<Change<T>> {
    if old.is_some_and(|old| Arc::ptr_eq(&old.contents, &new.contents)) {
        return Vec::new();
    }
    let mut changes = arrivals(|id| old?.get(id), new);
    changes.extend(departures(old.into_iter().flat_map(List::iter), new));
    changes
}

/// The items of `new` that differ from what `known` returns, or that it does not know.
fn arrivals<'a, T: Item + 'a>(known: impl Fn(&str) -> Option<&'a Arc<T>>, new: &List<T>) -> Vec<Change<T>> {
    let arrival = |item: &Arc<T>| match known(item.id()) {
        None => Some(Change::Appeared(Arc::clone(item))),
        Some(old) if old == item => None,
        Some(old) => Some(Change::Changed { old: Arc::clone(old), new: Arc::clone(item) }),
    };
    new.iter().filter_map(arrival).collect()
}

/// The items of `old` that `new` lacks.
fn departures<'a, T: Item + 'a>(
    old: impl Iterator<Item = &'a Arc<T>>,
    new: &List<T>,
) -> impl Iterator<Item = Change<T>> {
    old.filter(|item| new.get(item.id()).is_none()).map(|item| Change::Disappeared(Arc::clone(item)))
}

// === impl Cause ===

impl Cause {
    /// Whether both call for the same reaction.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Incomplete, Self::Incomplete) | (Self::Paused(_), Self::Paused(_)) => true,
            (Self::Error(own), Self::Error(other)) => own.class() == other.class(),
            (Self::Incomplete | Self::Error(_) | Self::Paused(_), _) => false,
        }
    }
}

// === impl Lists ===

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { latest: None, previous: None, partial: None, trouble: None }
    }
}

impl<T: Item> Lists<T> {
    /// The newest version of an item, and when it was seen.
    pub fn newest(&self, id: &str) -> Option<(&Arc<T>, Duration)> {
        let partial = self.partial.as_ref().and_then(|partial| {
            let item = partial.list.get(id)?;
            Some((item, partial.carried.get(id).copied().unwrap_or(partial.list.finished)))
        });
        partial.or_else(|| {
            let latest = self.latest.as_ref()?;
            Some((latest.get(id)?, latest.finished))
        })
    }

    /// The newest versions of the items with this tag.
    pub fn tagged<'a>(&'a self, key: &'a str, value: &'a str) -> impl Iterator<Item = &'a Arc<T>> {
        let partial = self.partial.as_ref().map(|partial| &partial.list);
        let is_older = move |item: &&Arc<T>| partial.is_some_and(|partial| partial.get(item.id()).is_some());
        let latest = self.latest.iter().flat_map(move |latest| latest.tagged(key, value));
        let newer = partial.into_iter().flat_map(move |partial| partial.tagged(key, value));
        newer.chain(latest.filter(move |item| !is_older(item)))
    }

    /// Records an incomplete reading. Returns the items that differ from what was known.
    pub fn record_partial(&mut self, reading: Reading<T>, tag_prefix: &str) -> Vec<Change<T>>
    where
        T: Clone,
    {
        let Reading { begun, finished, items } = reading;
        let mut carried = HashMap::new();
        let shown: HashSet<_> = items.iter().map(|item| item.id().to_owned()).collect();
        let mut all = items;
        if let Some(former) = &self.partial {
            for item in former.list.iter().filter(|item| !shown.contains(item.id())) {
                let seen = former.carried.get(item.id()).copied().unwrap_or(former.list.finished);
                carried.insert(item.id().to_owned(), seen);
                all.push(T::clone(item));
            }
        }
        let reading = Reading { begun, finished, items: all };
        let former = self.partial.as_ref().map(|former| &former.list).or(self.latest.as_deref());
        let list = List::new(reading, tag_prefix, former);
        let changes = arrivals(|id| self.newest(id).map(|(item, _)| item), &list);
        self.partial = Some(Arc::new(Partial { list, carried }));
        changes
    }

    /// The differences of a complete list from what was known.
    fn changes_to(&self, list: &List<T>) -> Vec<Change<T>> {
        let Some(partial) = &self.partial else { return changes(self.latest.as_deref(), list) };
        let mut changes = arrivals(|id| self.newest(id).map(|(item, _)| item), list);
        let older = self.latest.iter().flat_map(|latest| latest.iter());
        let older = older.filter(|item| partial.list.get(item.id()).is_none());
        changes.extend(departures(partial.list.iter().chain(older), list));
        changes
    }

    /// Records an attempt that ended at `now`. See [`List::new`] about `tag_prefix`.
    pub fn record(
        &mut self,
        outcome: Result<Reading<T>, Cause>,
        tag_prefix: &str,
        now: Duration,
    ) -> ListUpdate<T> {
        match outcome {
            Ok(reading) => {
                let list = List::new(reading, tag_prefix, self.latest.as_deref());
                let changes = self.changes_to(&list);
                let old = self.latest.take();
                self.partial = None;
                let trouble_changed = self.trouble.take().is_some();
                let first = old.is_none();
                self.previous = old;
                self.latest = Some(Arc::new(list));
                ListUpdate { first, complete: true, trouble_changed, changes }
            }
            Err(cause) => {
                let former = self.trouble.as_ref();
                let trouble_changed = former.is_none_or(|former| !former.cause.is_like(&cause));
                let since = former.map_or(now, |former| former.since);
                self.trouble = Some(Trouble { cause, since });
                ListUpdate { first: false, complete: false, trouble_changed, changes: Vec::new() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcs::{
        error::{Failure, Refusal},
        model::{InstanceFacts, Tag},
        operation::LIST_INSTANCES,
    };

    fn facts(id: &str, name: &str) -> InstanceFacts {
        let tag = |key: &str| Tag { key: key.to_owned(), value: Some(id.to_owned()) };
        let tags = vec![tag("ours-uid"), tag("team")];
        InstanceFacts { id: id.to_owned(), name: Some(name.to_owned()), tags, ..InstanceFacts::default() }
    }

    fn list(instances: &[(&str, &str)], old: Option<&List<InstanceFacts>>) -> List<InstanceFacts> {
        let items = instances.iter().map(|(id, name)| facts(id, name)).collect();
        List::new(Reading { items, begun: Duration::ZERO, finished: Duration::ZERO }, "ours-", old)
    }

    fn refused(status: u16) -> Cause {
        let refusal = Refusal { status, ..Refusal::default() };
        Cause::Error(Error::new(&LIST_INSTANCES, Failure::Refused(refusal), 1))
    }

    /// What an incomplete reading shows exists, and is newer than the complete list.
    #[test]
    fn the_newest_version_is_found_by_its_tags() {
        let mut lists =
            Lists { latest: Some(Arc::new(list(&[("a", "1"), ("b", "1")], None))), ..Lists::default() };
        let items = vec![facts("b", "2"), facts("c", "2")];
        let reading = Reading { items, begun: Duration::ZERO, finished: Duration::ZERO };
        lists.record_partial(reading, "ours-");
        let named = |id: &'static str| -> Vec<_> {
            lists.tagged("ours-uid", id).map(|facts| facts.name.clone().unwrap()).collect()
        };
        assert_eq!(
            (named("a"), named("b"), named("c")),
            (vec!["1".to_owned()], vec!["2".to_owned()], vec!["2".to_owned()])
        );
    }

    #[test]
    fn items_are_found_by_id_and_by_indexed_tags() {
        let list = list(&[("b", "2"), ("a", "1"), ("b", "again")], None);
        assert_eq!(list.iter().map(|facts| facts.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(list.get("b").map(|facts| facts.name.as_deref()), Some(Some("2")));
        assert!(list.get("c").is_none() && list.len() == 2 && !list.is_empty());
        assert_eq!(list.tagged("ours-uid", "a").map(|facts| facts.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(list.tagged("ours-uid", "c").count(), 0);
        assert_eq!(list.tagged("team", "a").count(), 0, "not indexed");
    }

    #[test]
    fn equal_items_are_in_memory_once() {
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
    fn changes_are_appeared_changed_and_disappeared() {
        let old = list(&[("a", "1"), ("b", "2"), ("c", "3")], None);
        let new = list(&[("a", "1"), ("c", "4"), ("d", "5")], Some(&old));
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|id| [old.get(id).cloned(), new.get(id).cloned()]);
        assert!(Arc::ptr_eq(a[0].as_ref().unwrap(), a[1].as_ref().unwrap()));
        let [Some(was), Some(is)] = c else { panic!("c is in both") };
        let (Some(gone), Some(came)) = (b[0].clone(), d[1].clone()) else { panic!("b was, d is") };
        let expected =
            [Change::Changed { old: was, new: is }, Change::Appeared(came), Change::Disappeared(gone)];
        assert_eq!(changes(Some(&old), &new), expected);
        assert_eq!(changes(None, &new).len(), 3);
    }

    #[test]
    fn trouble_keeps_the_last_two_lists() {
        let mut lists = Lists::default();
        let reading = |begun| {
            let (begun, finished) = (Duration::from_secs(begun), Duration::ZERO);
            Ok(Reading { begun, finished, items: vec![facts("a", "1")] })
        };
        let at = Duration::from_secs;
        let update = lists.record(reading(1), "", at(1));
        assert!(update.first && update.complete && !update.trouble_changed && update.changes.len() == 1);
        lists.record(reading(2), "", at(2));
        let update = lists.record(reading(3), "", at(3));
        assert!(!update.first && update.complete && update.changes.is_empty());
        let begun = |list: &Option<Arc<List<InstanceFacts>>>| list.as_ref().map(|list| list.begun);
        for (time, cause, changed) in [
            (4, refused(500), true),
            (5, refused(503), false),
            (6, refused(401), true),
            (7, Cause::Incomplete, true),
            (8, Cause::Incomplete, false),
        ] {
            let update = lists.record(Err(cause), "", at(time));
            assert_eq!(
                (update.trouble_changed, update.complete, update.first),
                (changed, false, false),
                "{time}"
            );
            assert_eq!(lists.trouble.as_ref().map(|trouble| trouble.since), Some(at(4)));
            assert_eq!((begun(&lists.latest), begun(&lists.previous)), (Some(at(3)), Some(at(2))));
        }
        let update = lists.record(reading(9), "", at(9));
        assert!(update.trouble_changed && update.complete && lists.trouble.is_none());
        assert_eq!((begun(&lists.latest), begun(&lists.previous)), (Some(at(9)), Some(at(3))));
    }
}
