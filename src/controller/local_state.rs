//! What this process keeps per object. All of it may be lost at any time.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kube::ResourceExt;

use super::{ids::ObjectId, ports::ManagedResource};
use crate::plan::{Warning, operation::AttemptTracker};

/// The local state of the objects of one kind. `M` is what the kind adds.
#[derive(Debug)]
pub struct LocalStateStore<K, M> {
    objects: Mutex<HashMap<ObjectId, LocalEntry<K, M>>>,
    /// Objects whose status the API server does not accept.
    refused: Mutex<BTreeSet<ObjectId>>,
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
    /// A hash of the status as last written or shown, by which a change by somebody else is noticed.
    status: Option<u64>,
    /// The retry token that was served.
    retry_token: Option<String>,
    /// The warnings that were told.
    warnings: Vec<Warning>,
    /// This process put its finalizer on the object.
    pub(super) finalizer_added: bool,
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
            entry.status = Some(status_hash(object.as_ref()));
            entry.invalidated = false;
        });
    }

    /// The watch has shown a version: drops the own writes up to it.
    pub(super) fn shown(&self, object: &K) {
        if let Some(entry) = self.lock().get_mut(&object.object_id()) {
            entry.own.take_if(|own| version(own.as_ref()).is_some_and(|own| Some(own) <= version(object)));
        }
    }

    /// Whether somebody else changed the status of an object that a watch shows.
    pub(super) fn is_foreign_status(&self, object: &K) -> bool {
        let mut objects = self.lock();
        let Some(entry) = objects.get_mut(&object.object_id()) else { return false };
        let own = entry.own.as_deref().and_then(version);
        if own.is_some_and(|own| version(object).is_none_or(|seen| seen < own)) {
            return false;
        }
        let hash = status_hash(object);
        entry.status.replace(hash).is_some_and(|known| known != hash)
    }

    /// Records whether the API server accepts the status of an object. Returns the number of refused ones if it changed.
    pub(super) fn status_accepted(&self, id: &ObjectId, accepted: bool) -> Option<usize> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if accepted { refused.remove(id) } else { refused.insert(id.clone()) };
        changed.then(|| refused.len())
    }

    /// Whether the API server does not accept the status of an object.
    pub(super) fn is_refused(&self, id: &ObjectId) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
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
        Self { objects: Mutex::default(), refused: Mutex::default() }
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
            status: None,
            retry_token: None,
            warnings: Vec::new(),
            finalizer_added: false,
            attempts: AttemptTracker::default(),
            more: M::default(),
        }
    }

    /// Consecutive reconciles that failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure within a reconcile that succeeds.
    pub(super) fn count_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Whether `token` asks for a retry that was not served yet.
    pub(super) fn asks_retry(&self, token: Option<&String>) -> bool {
        token.is_some() && token != self.retry_token.as_ref()
    }

    /// The same, and it is served from then on.
    pub(super) fn serve_retry(&mut self, token: Option<String>) -> bool {
        let is_new = self.asks_retry(token.as_ref());
        self.retry_token = token;
        if is_new {
            self.failures = 0;
        }
        is_new
    }

    /// The warnings that were not told yet. Those that no longer apply are told again when they return.
    pub(super) fn new_warnings(&mut self, warnings: &[Warning]) -> Vec<Warning> {
        let known = std::mem::replace(&mut self.warnings, warnings.to_vec());
        warnings.iter().filter(|warning| !known.contains(warning)).cloned().collect()
    }

    /// When this process first saw the object: now, if it has not before.
    pub(super) fn first_seen(&mut self, now: Duration) -> Duration {
        *self.first_seen.get_or_insert(now)
    }
}

impl<K: ManagedResource, M> LocalEntry<K, M> {
    /// The object was read to be reconciled.
    pub(super) fn read(&mut self, object: &K) {
        self.status.get_or_insert_with(|| status_hash(object));
    }
}

/// A hash of the status.
fn status_hash<K: ManagedResource>(object: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    // A status that cannot be written counts as an empty one.
    serde_json::to_vec(&object.status()).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_retry_token_is_served_once() {
        let mut entry = LocalEntry::<(), ()>::new("u".to_owned());
        let token = |text: &str| Some(text.to_owned());
        for (asked, is_new) in [
            (None, false),
            (token("1"), true),
            (token("1"), false),
            (token("2"), true),
            (None, false),
            (token("2"), true),
        ] {
            entry.failures = 3;
            assert_eq!(entry.asks_retry(asked.as_ref()), is_new, "{asked:?}");
            assert_eq!(entry.serve_retry(asked.clone()), is_new, "{asked:?}");
            assert_eq!(entry.failures(), if is_new { 0 } else { 3 }, "{asked:?}");
        }
    }
}
