//! What this process remembers of each object. All of it may be lost at any time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kube::ResourceExt;

use super::ports::{ManagedResource, NamespacedName};

/// What is remembered of the objects of one kind. `M` is what the kind adds.
#[derive(Debug)]
pub struct LocalStateStore<K, M> {
    objects: Mutex<HashMap<NamespacedName, LocalEntry<K, M>>>,
}

/// What is remembered of one object.
#[derive(Debug, Clone)]
pub struct LocalEntry<K, M> {
    /// metadata.uid of the object: one made later under the same name is another one.
    uid: String,
    /// The object as we last wrote it, until the watch shows that version or a later one.
    own: Option<Arc<K>>,
    /// Whether the watch cannot be relied on, since a write failed or its answer was lost.
    invalidated: bool,
    /// Passes that failed in a row.
    failures: u32,
    /// What the kind adds.
    pub more: M,
}

/// Which version of an object a pass works on.
#[derive(Debug)]
pub(super) enum Version<K> {
    /// This one.
    Is(Arc<K>),
    /// The API server has to be asked.
    Ask,
    /// There is none, as far as anybody here knows.
    None,
}

// === impl LocalStateStore ===

impl<K: ManagedResource, M: Default + Clone> LocalStateStore<K, M> {
    /// The newest version that is known: the watch's, but never older than our own last write.
    pub(super) fn newest(&self, key: &NamespacedName, cached: Option<Arc<K>>) -> Version<K> {
        let mut objects = self.lock();
        let Some(entry) = objects.get_mut(key) else {
            return cached.map_or(Version::None, Version::Is);
        };
        match (&entry.own, cached) {
            _ if entry.invalidated => Version::Ask,
            // It may be gone, or the watch may lag behind: both happen.
            (_, None) => Version::Ask,
            (None, Some(cached)) => Version::Is(cached),
            (Some(own), Some(cached)) => match (version(own.as_ref()), version(cached.as_ref())) {
                (Some(own), Some(seen)) if seen >= own => {
                    entry.own = None;
                    Version::Is(cached)
                }
                (Some(_), Some(_)) => Version::Is(Arc::clone(own)),
                // Versions that cannot be compared say nothing.
                (None, _) | (_, None) => Version::Ask,
            },
        }
    }

    /// Takes note of an object as the API server has it now.
    pub(super) fn wrote(&self, object: &Arc<K>) {
        self.with(object, |entry| {
            entry.own = Some(Arc::clone(object));
            entry.invalidated = false;
        });
    }

    /// The watch has shown a version: what we wrote up to that one need not be kept any more.
    pub(super) fn shown(&self, object: &K) {
        if let Some(entry) = self.lock().get_mut(&NamespacedName::of(object)) {
            entry.own.take_if(|own| version(own.as_ref()).is_some_and(|own| Some(own) <= version(object)));
        }
    }

    /// A write failed, or nobody knows whether it did: the next pass asks the API server.
    pub(super) fn invalidate(&self, object: &K) {
        self.with(object, |entry| entry.invalidated = true);
    }

    /// Counts a pass that failed; how many in a row.
    pub(super) fn failed(&self, key: &NamespacedName) -> u32 {
        let mut objects = self.lock();
        objects.get_mut(key).map_or(1, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        })
    }

    /// How many passes failed in a row.
    pub(super) fn failures(&self, key: &NamespacedName) -> u32 {
        self.lock().get(key).map_or(0, |entry| entry.failures)
    }

    /// A pass went well.
    pub(super) fn succeeded(&self, key: &NamespacedName) {
        if let Some(entry) = self.lock().get_mut(key) {
            entry.failures = 0;
        }
    }

    /// Reads or changes what the kind remembers of an object.
    pub(super) fn with<T>(&self, object: &K, change: impl FnOnce(&mut LocalEntry<K, M>) -> T) -> T {
        let uid = object.uid().unwrap_or_default();
        let mut objects = self.lock();
        let entry = objects.entry(NamespacedName::of(object)).or_insert_with(|| LocalEntry::new(uid.clone()));
        if entry.uid != uid {
            *entry = LocalEntry::new(uid);
        }
        change(entry)
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, key: &NamespacedName) {
        self.lock().remove(key);
    }

    /// How many objects are remembered.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nothing here can be left half done.
    fn lock(&self) -> MutexGuard<'_, HashMap<NamespacedName, LocalEntry<K, M>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, M> Default for LocalStateStore<K, M> {
    fn default() -> Self {
        Self { objects: Mutex::default() }
    }
}

// === impl LocalEntry ===

impl<K, M: Default> LocalEntry<K, M> {
    fn new(uid: String) -> Self {
        Self { uid, own: None, invalidated: false, failures: 0, more: M::default() }
    }

    /// Passes that failed in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

/// Versions of one resource can be compared as numbers (Kubernetes API concepts, since 1.35).
fn version<K: ManagedResource>(object: &K) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

/// When to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// At this time, by the monotonic clock, unless something wakes the object before.
    At(Duration),
    /// The same, after a pass that failed.
    Failed(Duration),
    /// Never: the object is gone.
    Gone,
}
