//! What this process keeps per object. All of it may be lost at any time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kube::ResourceExt;

use super::{ids::ObjectId, ports::ManagedResource};
use crate::plan::operation::AttemptTracker;

/// The local state of the objects of one kind. `M` is what the kind adds.
#[derive(Debug)]
pub struct LocalStateStore<K, M> {
    objects: Mutex<HashMap<ObjectId, LocalEntry<K, M>>>,
}

/// The local state of one object.
#[derive(Debug, Clone)]
pub struct LocalEntry<K, M> {
    /// metadata.uid. An object created later under the same name has another one.
    uid: String,
    /// The object as last written by this process, until the watch shows that version or a later one.
    own: Option<Arc<K>>,
    /// Whether the watch cache may miss a write of this process, since the write failed or its answer was lost.
    invalidated: bool,
    /// Consecutive reconciles that failed.
    failures: u32,
    /// When this process first saw the object, by the monotonic clock.
    first_seen: Option<Duration>,
    /// The attempts in `status.operation`.
    pub(super) attempts: AttemptTracker,
    /// What the kind adds.
    pub more: M,
}

/// The version of an object to reconcile.
#[derive(Debug)]
pub(super) enum Version<K> {
    /// This one.
    Is(Arc<K>),
    /// Read it from the API server.
    Ask,
    /// The object does not exist, as far as this process knows.
    None,
}

// === impl LocalStateStore ===

impl<K: ManagedResource, M: Default + Clone> LocalStateStore<K, M> {
    /// The newest version known: the one in the watch cache, but never older than the last write of this process.
    pub(super) fn newest(&self, id: &ObjectId, cached: Option<Arc<K>>) -> Version<K> {
        let mut objects = self.lock();
        let Some(entry) = objects.get_mut(id) else {
            return cached.map_or(Version::None, Version::Is);
        };
        match (&entry.own, cached) {
            _ if entry.invalidated => Version::Ask,
            // The object is gone, or the watch lags.
            (_, None) => Version::Ask,
            (None, Some(cached)) => Version::Is(cached),
            (Some(own), Some(cached)) => match (version(own.as_ref()), version(cached.as_ref())) {
                (Some(own), Some(seen)) if seen >= own => {
                    entry.own = None;
                    Version::Is(cached)
                }
                (Some(_), Some(_)) => Version::Is(Arc::clone(own)),
                // Versions that are not numbers cannot be compared.
                (None, _) | (_, None) => Version::Ask,
            },
        }
    }

    /// Records an object that the API server returned.
    pub(super) fn wrote(&self, object: &Arc<K>) {
        self.with(object, |entry| {
            entry.own = Some(Arc::clone(object));
            entry.invalidated = false;
        });
    }

    /// The watch has shown a version: drops the own writes up to it.
    pub(super) fn shown(&self, object: &K) {
        if let Some(entry) = self.lock().get_mut(&object.object_id()) {
            entry.own.take_if(|own| version(own.as_ref()).is_some_and(|own| Some(own) <= version(object)));
        }
    }

    /// A write failed or its outcome is unknown: the next reconcile reads from the API server.
    pub(super) fn invalidate(&self, object: &K) {
        self.with(object, |entry| entry.invalidated = true);
    }

    /// Counts a failed reconcile. Returns how many failed in a row.
    pub(super) fn failed(&self, id: &ObjectId) -> u32 {
        let mut objects = self.lock();
        objects.get_mut(id).map_or(1, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        })
    }

    /// Consecutive reconciles that failed.
    pub(super) fn failures(&self, id: &ObjectId) -> u32 {
        self.lock().get(id).map_or(0, |entry| entry.failures)
    }

    /// Resets the count of failed reconciles.
    pub(super) fn succeeded(&self, id: &ObjectId) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.failures = 0;
        }
    }

    /// Reads or changes the local state of an object.
    pub(super) fn with<T>(&self, object: &K, change: impl FnOnce(&mut LocalEntry<K, M>) -> T) -> T {
        let uid = object.uid().unwrap_or_default();
        let mut objects = self.lock();
        let entry = objects.entry(object.object_id()).or_insert_with(|| LocalEntry::new(uid.clone()));
        if entry.uid != uid {
            *entry = LocalEntry::new(uid);
        }
        change(entry)
    }

    /// Removes an object.
    pub(super) fn forget(&self, id: &ObjectId) {
        self.lock().remove(id);
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No change here is left half done by a panic.
    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectId, LocalEntry<K, M>>> {
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
        Self {
            uid,
            own: None,
            invalidated: false,
            failures: 0,
            first_seen: None,
            attempts: AttemptTracker::default(),
            more: M::default(),
        }
    }

    /// Consecutive reconciles that failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// When this process first saw the object: now, if it has not before.
    pub(super) fn first_seen(&mut self, now: Duration) -> Duration {
        *self.first_seen.get_or_insert(now)
    }
}

/// Resource versions compare as numbers (Kubernetes API concepts, since 1.35).
fn version<K: ManagedResource>(object: &K) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

/// When to reconcile an object again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// At this time, by the monotonic clock, unless something wakes the object earlier.
    At(Duration),
    /// The same, after a failed reconcile.
    Failed(Duration),
    /// Never: the object does not exist.
    Gone,
}
