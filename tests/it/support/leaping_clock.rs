//! The former names of [`TestClock`] and its methods, for callers that still use them.

use std::time::Duration;

use super::test_clock::TestClock;
pub(crate) use super::test_clock::TestClock as LeapingClock;

impl TestClock {
    /// See [`advances`](Self::advances).
    pub(crate) fn leaps(&self) -> Vec<Duration> {
        self.advances()
    }

    /// See [`advance`](Self::advance).
    pub(crate) fn leap(&self, duration: Duration) {
        self.advance(duration);
    }
}
