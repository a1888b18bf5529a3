//! Caches for lookups that many callers want at once: one caller reads, and the result is kept for a time that the
//! caller sets, failures included. A caller that gives up halfway leaves the read to the next one.

use std::{
    future::Future,
    hash::Hash,
    sync::{
        Arc, Mutex as SyncMutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex, MutexGuard};

use crate::{clock::Clock, lru::Lru};

/// One cached value. The lock is held by the caller that reads.
#[derive(Debug)]
pub(crate) struct SingleFlight<V, E> {
    latest: Mutex<Option<Latest<V, E>>>,
    /// Number of reads that have ended; tells a caller that waited that it shares the outcome.
    reads: AtomicU64,
}

/// Cached values by key, with the memory of failures in a row. The one that was not used for longest is dropped when
/// there are too many.
#[derive(Debug)]
pub(crate) struct SingleFlightMap<K, V, E> {
    entries: SyncMutex<Lru<K, Arc<SingleFlight<V, E>>>>,
}

#[derive(Debug)]
struct Latest<V, E> {
    result: Result<V, E>,
    /// Monotonic time at which it was read.
    at: Duration,
    /// Monotonic time at which the result expires.
    until: Duration,
    /// Failures in a row.
    failures: u32,
}

// === impl SingleFlight ===

impl<V, E> Default for SingleFlight<V, E> {
    fn default() -> Self {
        Self { latest: Mutex::default(), reads: AtomicU64::default() }
    }
}

impl<V: Clone, E: Clone> SingleFlight<V, E> {
    /// The cached result, or else that of `read`; `None` while another caller reads, so that a service that does not
    /// answer occupies one caller only.
    ///
    /// `ttl` gets the result and the number of failures in a row; with `None` the result is not kept.
    pub(crate) async fn try_get<R: Future<Output = Result<V, E>>>(
        &self,
        clock: &dyn Clock,
        ttl: impl FnOnce(&Result<V, E>, u32) -> Option<Duration>,
        read: impl FnOnce() -> R,
    ) -> Option<Result<V, E>> {
        let latest = self.latest.try_lock().ok()?;
        Some(self.get_locked(latest, false, clock, ttl, read).await)
    }

    /// As [`try_get`](Self::try_get), but waits for the caller that reads, and shares its outcome even if that is a
    /// failure that is not kept.
    pub(crate) async fn get<R: Future<Output = Result<V, E>>>(
        &self,
        clock: &dyn Clock,
        ttl: impl FnOnce(&Result<V, E>, u32) -> Option<Duration>,
        read: impl FnOnce() -> R,
    ) -> Result<V, E> {
        let reads = self.reads.load(Ordering::Relaxed);
        let latest = self.latest.lock().await;
        let shared = self.reads.load(Ordering::Relaxed) != reads;
        self.get_locked(latest, shared, clock, ttl, read).await
    }

    /// Drops the cached value if `is_stale`.
    pub(crate) async fn invalidate(&self, is_stale: impl FnOnce(&V) -> bool) {
        let mut latest = self.latest.lock().await;
        if latest.as_ref().and_then(|latest| latest.result.as_ref().ok()).is_some_and(is_stale) {
            *latest = None;
        }
    }

    /// Keeps a failure for `ttl` at most. Failures in a row still count.
    pub(crate) fn shorten_failure(&self, ttl: Duration) {
        if let Ok(mut latest) = self.latest.try_lock()
            && let Some(failure) = latest.as_mut().filter(|latest| latest.result.is_err())
        {
            failure.until = failure.until.min(failure.at.saturating_add(ttl));
        }
    }

    async fn get_locked<R: Future<Output = Result<V, E>>>(
        &self,
        mut latest: MutexGuard<'_, Option<Latest<V, E>>>,
        shared: bool,
        clock: &dyn Clock,
        ttl: impl FnOnce(&Result<V, E>, u32) -> Option<Duration>,
        read: impl FnOnce() -> R,
    ) -> Result<V, E> {
        if let Some(Latest { result, until, .. }) = &*latest
            && (clock.monotonic() < *until || (shared && result.is_err()))
        {
            return result.clone();
        }
        let result = read().await;
        let former = latest.as_ref().map_or(0, |former| former.failures);
        let failures = if result.is_ok() { 0 } else { former.saturating_add(1) };
        if let Some(ttl) = ttl(&result, failures) {
            let at = clock.monotonic();
            let until = at.saturating_add(ttl);
            *latest = Some(Latest { result: result.clone(), at, until, failures });
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        result
    }
}

// === impl SingleFlightMap ===

impl<K: Eq + Hash + Clone, V, E> SingleFlightMap<K, V, E> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: SyncMutex::new(Lru::new(capacity)) }
    }

    /// The entry of `key`.
    pub(crate) fn entry(&self, key: K) -> Arc<SingleFlight<V, E>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&key) {
            return Arc::clone(entry);
        }
        let entry = Arc::<SingleFlight<V, E>>::default();
        entries.put(key, Arc::clone(&entry));
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future,
        task::{Context, Waker},
    };

    use chrono::{DateTime, Utc};
    use futures::{FutureExt, future::BoxFuture};

    use super::*;

    #[derive(Debug, Default)]
    struct SteppedClock(SyncMutex<Duration>);

    impl SteppedClock {
        fn step(&self, seconds: u64) {
            *self.0.lock().unwrap() += Duration::from_secs(seconds);
        }
    }

    impl Clock for SteppedClock {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH + self.monotonic()
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(future::pending())
        }
    }

    type Cached = SingleFlight<u32, u32>;

    /// Values are kept for 10 s, failures for as many seconds as there were in a row, errors above 100 not at all.
    fn ttl(result: &Result<u32, u32>, failures: u32) -> Option<Duration> {
        match result {
            Ok(_) => Some(Duration::from_secs(10)),
            Err(error) => (*error <= 100).then(|| Duration::from_secs(failures.into())),
        }
    }

    async fn get(cached: &Cached, clock: &SteppedClock, answer: Result<u32, u32>) -> Result<u32, u32> {
        cached.try_get(clock, ttl, || future::ready(answer)).await.expect("no other caller reads")
    }

    #[tokio::test]
    async fn results_are_kept_for_their_ttl() {
        let (cached, clock) = (Cached::default(), SteppedClock::default());
        assert_eq!(get(&cached, &clock, Err(1)).await, Err(1));
        assert_eq!(get(&cached, &clock, Ok(2)).await, Err(1));
        clock.step(1);
        assert_eq!(get(&cached, &clock, Err(3)).await, Err(3));
        clock.step(1);
        assert_eq!(get(&cached, &clock, Ok(4)).await, Err(3), "the second failure in a row is kept longer");
        clock.step(1);
        assert_eq!(get(&cached, &clock, Err(101)).await, Err(101), "not kept");
        assert_eq!(get(&cached, &clock, Ok(5)).await, Ok(5));
        assert_eq!(get(&cached, &clock, Ok(6)).await, Ok(5));
        cached.invalidate(|value| *value == 4).await;
        assert_eq!(get(&cached, &clock, Ok(7)).await, Ok(5));
        cached.invalidate(|value| *value == 5).await;
        assert_eq!(get(&cached, &clock, Ok(8)).await, Ok(8));
    }

    #[tokio::test]
    async fn a_failure_can_be_tried_again_sooner() {
        let (cached, clock) = (Cached::default(), SteppedClock::default());
        assert_eq!(get(&cached, &clock, Ok(1)).await, Ok(1));
        cached.shorten_failure(Duration::ZERO);
        assert_eq!(get(&cached, &clock, Ok(2)).await, Ok(1), "a value is kept");
        clock.step(10);
        for _ in 0..5 {
            assert_eq!(get(&cached, &clock, Err(3)).await, Err(3));
            clock.step(5);
        }
        cached.shorten_failure(Duration::from_secs(2));
        assert_eq!(get(&cached, &clock, Err(4)).await, Err(4), "five seconds old");
        cached.shorten_failure(Duration::from_secs(2));
        assert_eq!(get(&cached, &clock, Ok(5)).await, Err(4), "it was tried just now");
        clock.step(2);
        assert_eq!(get(&cached, &clock, Ok(5)).await, Ok(5));
    }

    #[tokio::test]
    async fn one_caller_reads_and_the_others_wait_or_are_refused() {
        let (cached, clock) = (Cached::default(), SteppedClock::default());
        let (send, receive) = futures::channel::oneshot::channel();
        let answer = || receive.map(|sent| sent.unwrap_or(Err(0)));
        let mut first = Box::pin(cached.try_get(&clock, ttl, answer));
        let mut waiting = Box::pin(cached.get(&clock, ttl, || future::ready(Ok(9))));
        let mut context = Context::from_waker(Waker::noop());
        assert!(first.poll_unpin(&mut context).is_pending());
        assert!(waiting.poll_unpin(&mut context).is_pending());
        assert_eq!(cached.try_get(&clock, ttl, || future::ready(Ok(8))).await, None);
        clock.step(5);
        send.send(Err(7)).unwrap();
        assert_eq!(first.await, Some(Err(7)));
        clock.step(5);
        assert_eq!(waiting.await, Err(7), "the outcome is shared although it has expired");
        assert_eq!(cached.get(&clock, ttl, || future::ready(Ok(9))).await, Ok(9));
    }

    #[tokio::test]
    async fn a_dropped_read_leaves_it_to_the_next_caller() {
        let (cached, clock) = (Cached::default(), SteppedClock::default());
        let mut first = Box::pin(cached.try_get(&clock, ttl, future::pending));
        assert!(first.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(first);
        assert_eq!(get(&cached, &clock, Ok(1)).await, Ok(1));
    }

    #[test]
    fn a_map_is_bounded() {
        let map: SingleFlightMap<u32, u32, u32> = SingleFlightMap::new(2);
        let first = map.entry(1);
        assert!(Arc::ptr_eq(&first, &map.entry(1)));
        map.entry(2);
        assert!(Arc::ptr_eq(&first, &map.entry(1)));
        map.entry(3);
        assert!(Arc::ptr_eq(&first, &map.entry(1)), "the one used last stays");
        map.entry(4);
        map.entry(5);
        assert!(!Arc::ptr_eq(&first, &map.entry(1)), "it was not used for longest");
    }
}
