//! A set of what is to be looked at, each at most once, for one reader. It cannot be full: what is in it already is not
//! put in again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{Stream, stream};
use tokio::sync::Notify;

/// A set of what is to be looked at. Clones share it.
#[derive(Debug)]
pub struct WorkQueue<T>(Arc<Inner<T>>);

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
    /// Puts one in.
    pub fn wake(&self, one: T) {
        self.wake_all([one]);
    }

    /// Puts some in.
    pub fn wake_all(&self, some: impl IntoIterator<Item = T>) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.len();
        waiting.extend(some);
        if waiting.len() > before {
            self.0.notify.notify_one();
        }
    }

    /// Takes one out, once there is one.
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

    /// Takes all out, as they come. For one reader.
    pub fn stream(&self) -> impl Stream<Item = T> + Send + use<T>
    where
        T: Send,
    {
        stream::unfold(self.clone(), |queue| async move { Some((queue.next().await, queue)) })
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn each_is_taken_once_however_often_it_was_put_in() {
        let queue = WorkQueue::default();
        let mut stream = Box::pin(queue.stream());
        assert_eq!(stream.next().now_or_never(), None);
        queue.wake_all([2, 1, 2]);
        queue.wake(1);
        let taken: Vec<_> = std::iter::from_fn(|| stream.next().now_or_never().flatten()).collect();
        assert_eq!(taken, [1, 2]);
        queue.wake(1);
        assert_eq!(stream.next().now_or_never(), Some(Some(1)));
        assert_eq!(stream.next().now_or_never(), None);
    }
}
