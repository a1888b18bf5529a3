//! Clocks. Code takes its clock as a parameter, so that tests can step time.

#[cfg(test)]
pub(crate) mod testing;

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

/// A source of time: [`SystemClock`] in production, manual clocks in tests.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock, for signatures and for display. Durations are measured with [`monotonic`](Self::monotonic).
    fn now(&self) -> DateTime<Utc>;

    /// Time since a fixed, unspecified start. It never goes back and ignores corrections of the wall clock, so
    /// deadlines use it.
    fn monotonic(&self) -> Duration;

    /// Completes after `duration` on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The clock of the machine. [`Clock::sleep`] needs a tokio runtime.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

// === impl SystemClock ===

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
