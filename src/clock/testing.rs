//! The test clock. Time passes only when a test or a sleep advances it. Unit tests and integration tests compile this
//! file alike (`tests/it/support/mod.rs`).

use std::{
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;

use super::Clock;

/// Clones share one timeline.
#[derive(Debug, Clone)]
pub(crate) struct TestClock {
    timeline: Arc<Mutex<Timeline>>,
    /// Wall clock at the start of the timeline.
    start: DateTime<Utc>,
    /// What this clock adds to the timeline.
    offset: Duration,
    /// How many times faster than the timeline the wall clock runs.
    wall_rate: u32,
    on_sleep: OnSleep,
}

/// What a sleep does.
#[derive(Debug, Clone, Copy)]
enum OnSleep {
    /// Yields once and advances the timeline.
    Advance,
    /// Waits until the test advances the timeline. The test polls the sleeper: no waker is registered.
    Wait,
    /// Fails the test.
    Panic,
}

#[derive(Debug, Default)]
struct Timeline {
    now: Duration,
    advances: Vec<Duration>,
    timers: Vec<Duration>,
}

// === impl TestClock ===

impl Default for TestClock {
    /// A sleep advances the timeline.
    fn default() -> Self {
        Self {
            timeline: Arc::default(),
            start: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            offset: Duration::ZERO,
            wall_rate: 1,
            on_sleep: OnSleep::Advance,
        }
    }
}

// Each of the two crates uses a part.
#[allow(dead_code)]
impl TestClock {
    /// A sleep waits until the test advances the timeline.
    pub(crate) fn manual() -> Self {
        Self { on_sleep: OnSleep::Wait, ..Self::default() }
    }

    /// A sleep fails the test.
    pub(crate) fn without_sleep() -> Self {
        Self { on_sleep: OnSleep::Panic, ..Self::default() }
    }

    /// A wall clock that is ahead of the default one.
    pub(crate) fn ahead_by(difference: TimeDelta) -> Self {
        let clock = Self::default();
        Self { start: clock.start + difference, ..clock }
    }

    /// The clock of another machine on the same timeline: its monotonic clock is ahead by `offset`, and its wall clock
    /// is wrong.
    pub(crate) fn skewed(&self, offset: Duration) -> Self {
        Self { start: DateTime::UNIX_EPOCH, offset, wall_rate: 1000, ..self.clone() }
    }

    pub(crate) fn advance(&self, duration: Duration) {
        let mut timeline = self.lock();
        timeline.now += duration;
        timeline.advances.push(duration);
    }

    /// Does nothing if `time` is past.
    pub(crate) fn advance_to(&self, time: Duration) {
        self.advance(time.saturating_sub(self.monotonic()));
    }

    /// Advances to the next timer, by `limit` at most.
    pub(crate) fn advance_to_next_timer(&self, limit: Duration) {
        let now = self.lock().now;
        self.lock().timers.retain(|timer| *timer > now);
        let next = self.lock().timers.iter().min().copied().unwrap_or(Duration::MAX);
        self.advance(next.saturating_sub(now).min(limit));
    }

    /// Every advance so far, those by sleeps included.
    pub(crate) fn advances(&self) -> Vec<Duration> {
        self.lock().advances.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap()
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.start + self.monotonic() * self.wall_rate
    }

    fn monotonic(&self) -> Duration {
        self.lock().now + self.offset
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        match self.on_sleep {
            OnSleep::Advance => Box::pin(async move {
                tokio::task::yield_now().await;
                clock.advance(duration);
            }),
            OnSleep::Wait => {
                let end = self.lock().now + duration;
                self.lock().timers.push(end);
                Box::pin(std::future::poll_fn(move |_| {
                    if clock.lock().now >= end { Poll::Ready(()) } else { Poll::Pending }
                }))
            }
            OnSleep::Panic => panic!("this code must not sleep"),
        }
    }
}
