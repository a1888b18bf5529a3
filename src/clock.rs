//! Time, passed in wherever it matters, so that tests can hold it still or step it.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

/// Where time comes from. Production has [`SystemClock`]; tests step their own.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock: for signatures and for what people read, never for measuring how long something took.
    fn now(&self) -> DateTime<Utc>;

    /// Time since a fixed but unspecified start. It never goes back and does not follow corrections of the
    /// wall clock, so deadlines are kept on it.
    fn monotonic(&self) -> Duration;

    /// Completes once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's own clock. Sleeping needs a tokio runtime.
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
