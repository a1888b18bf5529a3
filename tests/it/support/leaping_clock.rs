//! A clock that advances at once when code sleeps on it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use dcs_operator::clock::Clock;
use futures::future::BoxFuture;

/// Time advances only by sleeps and by [`leap`](Self::leap). Clones share the time.
#[derive(Debug, Clone)]
pub(crate) struct LeapingClock {
    leaps: Arc<Mutex<Vec<Duration>>>,
    start: DateTime<Utc>,
}

// === impl LeapingClock ===

impl LeapingClock {
    /// A clock whose wall clock is ahead of the default by `difference`.
    pub(crate) fn ahead_by(difference: TimeDelta) -> Self {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap() + difference;
        Self { leaps: Arc::default(), start }
    }

    /// Durations of all sleeps and leaps.
    pub(crate) fn leaps(&self) -> Vec<Duration> {
        self.leaps.lock().unwrap().clone()
    }

    /// Advances the time.
    pub(crate) fn leap(&self, duration: Duration) {
        self.leaps.lock().unwrap().push(duration);
    }
}

impl Default for LeapingClock {
    fn default() -> Self {
        Self::ahead_by(TimeDelta::zero())
    }
}

impl Clock for LeapingClock {
    fn now(&self) -> DateTime<Utc> {
        self.start + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.leaps.lock().unwrap().iter().sum()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            clock.leap(duration);
        })
    }
}
