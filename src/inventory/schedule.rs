//! When a topic is polled next. Pure.

use std::time::Duration;

use super::settings::InventorySettings;

/// How often a topic is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollInterval {
    Idle,
    Active,
}

/// When a topic was polled, and with what success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    /// When the last poll began.
    begun: Option<Duration>,
    /// Failures in a row.
    failures: u32,
    /// No poll begins earlier, whatever the demand.
    not_before: Duration,
    /// The next poll, and only that, is due at the active interval.
    soon: bool,
}

// === impl Schedule ===

impl Schedule {
    /// When the next poll is due, on the monotonic clock; it may be in the past. Demand does not shorten the wait
    /// after a failure: repeated calls with wrong credentials lock them.
    pub(super) fn due(&self, interval: PollInterval, settings: &InventorySettings) -> Duration {
        let interval = match interval {
            PollInterval::Idle if !self.soon && self.failures == 0 => settings.poll_interval_idle,
            PollInterval::Idle | PollInterval::Active => settings.poll_interval_active,
        };
        self.begun.map_or(Duration::ZERO, |begun| begun.saturating_add(interval)).max(self.not_before)
    }

    /// The end of the wait after the last failure.
    pub(super) fn not_before(&self) -> Duration {
        self.not_before
    }

    /// Makes the next poll due at the active interval.
    pub(super) fn request_soon(&mut self) {
        self.soon = true;
    }

    /// Ends the wait after failures.
    pub(super) fn retry_now(&mut self) {
        self.not_before = Duration::ZERO;
        self.soon = true;
    }

    /// A poll begins.
    pub(super) fn begin(&mut self, now: Duration) {
        self.begun = Some(now);
        self.soon = false;
    }

    /// The poll was given up before it read the topic.
    pub(super) fn interrupted(&mut self) {
        self.soon = true;
    }

    /// The poll brought a complete list.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The poll failed; `pause` is the shortest wait.
    pub(super) fn failed(&mut self, now: Duration, pause: Option<Duration>, settings: &InventorySettings) {
        let doublings = 2_u32.saturating_pow(self.failures);
        let backoff =
            settings.poll_interval_active.saturating_mul(doublings).min(settings.poll_interval_idle);
        self.failures = self.failures.saturating_add(1);
        self.not_before = self.not_before.max(now.saturating_add(backoff.max(pause.unwrap_or_default())));
    }
}

#[cfg(test)]
mod tests {
    use PollInterval::{Active, Idle};

    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn first_poll_at_once_then_at_the_interval() {
        let settings = InventorySettings::default();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.due(Idle, &settings), at(0));
        schedule.begin(at(100));
        schedule.succeeded();
        assert_eq!((schedule.due(Idle, &settings), schedule.due(Active, &settings)), (at(160), at(105)));
        schedule.request_soon();
        assert_eq!(schedule.due(Idle, &settings), at(105));
        assert_eq!(schedule.due(Active, &settings), at(105));
        schedule.begin(at(107));
        assert_eq!(schedule.due(Idle, &settings), at(167), "only the next poll is sooner");
        schedule.interrupted();
        assert_eq!(schedule.due(Idle, &settings), at(112));
    }

    #[test]
    fn failures_back_off_and_respect_retry_after() {
        let settings = InventorySettings::default();
        let mut schedule = Schedule::default();
        for (now, wait) in [(0, 5), (100, 10), (200, 20), (300, 40), (400, 60), (500, 60)] {
            schedule.begin(at(now));
            schedule.failed(at(now), None, &settings);
            schedule.request_soon();
            assert_eq!(schedule.due(Active, &settings), at(now + wait));
        }
        schedule.begin(at(600));
        schedule.failed(at(601), Some(at(300)), &settings);
        assert_eq!(schedule.due(Active, &settings), at(901));
        schedule.begin(at(901));
        schedule.interrupted();
        assert_eq!(schedule.due(Idle, &settings), at(906), "an interruption does not shorten the interval");
        schedule.begin(at(906));
        schedule.succeeded();
        assert_eq!(schedule.due(Idle, &settings), at(966));
    }
}
