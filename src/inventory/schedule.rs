//! When an account is looked at again. Pure.

use std::time::Duration;

use super::settings::InventorySettings;

/// When an account was looked at, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    /// When the last look began.
    begun: Option<Duration>,
    /// Failures in a row.
    failures: u32,
    /// Nothing is asked before, whoever waits for it.
    not_before: Duration,
    /// Somebody wants a list sooner than usual, once.
    request_soon: bool,
}

// === impl Schedule ===

impl Schedule {
    /// When the next look is due, on the monotonic clock; it may be in the past. While it fails nobody can hurry it:
    /// what is broken is not mended by asking, and wrong credentials get locked by it.
    pub(super) fn due(&self, any_fast: bool, settings: &InventorySettings) -> Duration {
        let brisk = any_fast || self.request_soon || self.failures > 0;
        let period = if brisk { settings.poll_interval_active } else { settings.poll_interval_idle };
        self.begun.map_or(Duration::ZERO, |begun| begun.saturating_add(period)).max(self.not_before)
    }

    /// Has the next look begin as soon as it may.
    pub(super) fn request_soon(&mut self) {
        self.request_soon = true;
    }

    /// There is no room for it before `until`.
    pub(super) fn postpone(&mut self, until: Duration) {
        self.not_before = self.not_before.max(until);
    }

    /// A look begins.
    pub(super) fn begin(&mut self, now: Duration) {
        self.begun = Some(now);
        self.request_soon = false;
    }

    /// It was given up halfway: what it was wanted for is still wanted.
    pub(super) fn interrupted(&mut self) {
        self.request_soon = true;
    }

    /// It brought what was wanted.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It did not; the service may have said how long to stay away.
    pub(super) fn failed(
        &mut self,
        now: Duration,
        retry_after: Option<Duration>,
        settings: &InventorySettings,
    ) {
        let doublings = 2_u32.saturating_pow(self.failures);
        let backoff =
            settings.poll_interval_active.saturating_mul(doublings).min(settings.poll_interval_idle);
        self.failures = self.failures.saturating_add(1);
        self.postpone(now.saturating_add(backoff.max(retry_after.unwrap_or_default())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn at_once_then_steady_or_fast() {
        let settings = InventorySettings::default();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.due(false, &settings), at(0));
        schedule.begin(at(100));
        schedule.succeeded();
        assert_eq!((schedule.due(false, &settings), schedule.due(true, &settings)), (at(160), at(105)));
        schedule.request_soon();
        assert_eq!(schedule.due(false, &settings), at(105));
        schedule.postpone(at(107));
        assert_eq!(schedule.due(false, &settings), at(107));
        schedule.begin(at(107));
        assert_eq!(schedule.due(false, &settings), at(167), "a hurry is over with the next look");
        schedule.interrupted();
        assert_eq!(schedule.due(false, &settings), at(112));
    }

    #[test]
    fn failures_wait_longer_and_longer_and_as_long_as_the_service_asks() {
        let settings = InventorySettings::default();
        let mut schedule = Schedule::default();
        for (now, wait) in [(0, 5), (100, 10), (200, 20), (300, 40), (400, 60), (500, 60)] {
            schedule.begin(at(now));
            schedule.failed(at(now), None, &settings);
            schedule.request_soon();
            assert_eq!(schedule.due(true, &settings), at(now + wait));
        }
        schedule.begin(at(600));
        schedule.failed(at(601), Some(at(300)), &settings);
        assert_eq!(schedule.due(true, &settings), at(901));
        schedule.begin(at(901));
        schedule.interrupted();
        assert_eq!(schedule.due(false, &settings), at(906), "giving up is no way to ask more often");
        schedule.begin(at(906));
        schedule.succeeded();
        assert_eq!(schedule.due(false, &settings), at(966));
    }
}
