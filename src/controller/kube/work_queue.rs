//! Deduplicated sets of keys to process. They are never full: a key that is in already is not added again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::controller::ids::ObjectId;

/// A set of keys for one reader. Clones share it.
#[derive(Debug)]
pub struct WorkQueue<T>(Arc<Inner<T>>);

/// One queue per kind, for one reader each.
#[derive(Debug, Default)]
pub struct WorkQueues {
    by_kind: Mutex<BTreeMap<&'static str, WorkQueue<ObjectId>>>,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: Mutex<BTreeSet<T>>,
    notify: Notify,
}

// === impl WorkQueue ===

impl<T> Clone for WorkQueue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for WorkQueue<T> {
    fn default() -> Self {
        Self(Arc::new(Inner { waiting: Mutex::new(BTreeSet::new()), notify: Notify::new() }))
    }
}

impl<T: Ord> WorkQueue<T> {
    /// Adds a key.
    pub fn wake(&self, one: T) {
        self.wake_all([one]);
    }

    /// Adds keys.
    pub fn wake_all(&self, some: impl IntoIterator<Item = T>) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.len();
        waiting.extend(some);
        if waiting.len() > before {
            self.0.notify.notify_one();
        }
    }

    /// Removes a key, waiting for one.
    pub async fn next(&self) -> T {
        loop {
            let notified = self.0.notify.notified();
            if let Some(one) = self.take() {
                return one;
            }
            notified.await;
        }
    }

    fn take(&self) -> Option<T> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }
}

// === impl WorkQueues ===

impl WorkQueues {
    /// The queue of a kind.
    pub fn of(&self, kind: &'static str) -> WorkQueue<ObjectId> {
        self.by_kind.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default().clone()
    }

    /// Adds objects, each to the queue of its kind. A kind without a reader is ignored.
    pub fn wake_all(&self, objects: impl IntoIterator<Item = ObjectId>) {
        let mut grouped: BTreeMap<&'static str, Vec<ObjectId>> = BTreeMap::new();
        for object in objects {
            grouped.entry(object.kind).or_default().push(object);
        }
        let by_kind = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, objects) in grouped {
            if let Some(queue) = by_kind.get(kind) {
                queue.wake_all(objects);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_key_is_taken_once_however_often_it_was_added() {
        let queue = WorkQueue::default();
        assert_eq!(queue.next().now_or_never(), None);
        queue.wake_all([2, 1, 2]);
        queue.wake(1);
        let taken: Vec<_> = std::iter::from_fn(|| queue.next().now_or_never()).collect();
        assert_eq!(taken, [1, 2]);
        queue.wake(1);
        assert_eq!(queue.next().now_or_never(), Some(1));
        assert_eq!(queue.next().now_or_never(), None);
    }

    #[test]
    fn objects_go_to_the_queue_of_their_kind() {
        let queues = WorkQueues::default();
        let id = |kind| ObjectId::new(kind, "shop", "a");
        let instances = queues.of("DcsInstance");
        queues.wake_all([id("DcsBackup"), id("DcsInstance")]);
        assert_eq!(instances.next().now_or_never(), Some(id("DcsInstance")));
        assert_eq!(instances.next().now_or_never(), None);
    }
}
