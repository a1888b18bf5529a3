//! The simulated clock: real time, accelerated, or stepped.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// A monotonic simulated clock that is computed from a monotonic clock reading.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CloudClock {
    /// Simulated time at the reading `since`.
    base: DateTime<Utc>,
    since: Duration,
    speed: f64,
}

/// The value is not a valid clock speed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("invalid speed {0}: 1 is real time, 60 runs a simulated minute per second, 0 stops the clock")]
pub struct InvalidSpeed(pub f64);

// === impl CloudClock ===

impl CloudClock {
    /// A real-time clock that reads `time` at the monotonic reading `monotonic`.
    pub(crate) fn new(time: DateTime<Utc>, monotonic: Duration) -> Self {
        Self { base: time, since: monotonic, speed: 1.0 }
    }

    /// Simulated time.
    pub(crate) fn now(&self, monotonic: Duration) -> DateTime<Utc> {
        let elapsed = monotonic.saturating_sub(self.since).as_secs_f64() * self.speed;
        let elapsed = Duration::try_from_secs_f64(elapsed).unwrap_or(Duration::MAX);
        later(self.base, elapsed)
    }

    /// Simulated seconds per real second; 0 if the clock is stopped.
    pub(crate) fn speed(&self) -> f64 {
        self.speed
    }

    /// Changes the speed from now on. 0 stops the clock, so that only [`step`](Self::step) advances it.
    ///
    /// # Errors
    /// [`InvalidSpeed`] if `speed` is negative, infinite or not a number.
    pub(crate) fn set_speed(&mut self, monotonic: Duration, speed: f64) -> Result<(), InvalidSpeed> {
        if !speed.is_finite() || speed < 0.0 {
            return Err(InvalidSpeed(speed));
        }
        *self = Self { base: self.now(monotonic), since: monotonic.max(self.since), speed };
        Ok(())
    }

    /// Advances the clock by `duration`.
    pub(crate) fn step(&mut self, duration: Duration) {
        self.base = later(self.base, duration);
    }

    /// Resumes a stored clock: a stopped clock is set to `time`, a running one is only moved forward.
    pub(crate) fn resume_from(&mut self, monotonic: Duration, time: DateTime<Utc>) {
        if self.speed == 0.0 {
            self.base = time;
            return;
        }
        let now = self.now(monotonic);
        if time > now {
            self.step((time - now).to_std().unwrap_or_default());
        }
    }
}

/// Adds a duration; saturates at the maximum time.
pub(super) fn later(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let delta = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    time.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn real_time_accelerated_stopped_stepped() {
        let mut clock = CloudClock::new(at(0), seconds(100));
        assert_eq!(clock.now(seconds(110)), at(10));
        clock.set_speed(seconds(110), 60.0).expect("a speed");
        assert_eq!(clock.now(seconds(111)), at(70), "accelerated from the current time");
        clock.set_speed(seconds(111), 0.0).expect("a speed");
        assert_eq!(clock.now(seconds(999)), at(70), "stopped");
        clock.step(seconds(5));
        assert_eq!(clock.now(seconds(999)), at(75));
    }

    #[test]
    fn time_is_monotonic() {
        let mut clock = CloudClock::new(at(0), seconds(100));
        assert_eq!(clock.now(seconds(1)), at(0), "a reading before the start");
        clock.set_speed(seconds(150), 1.0).expect("a speed");
        clock.set_speed(seconds(120), 2.0).expect("a speed");
        assert!(clock.now(seconds(150)) >= at(50));
        clock.resume_from(seconds(150), at(10));
        assert!(clock.now(seconds(150)) >= at(50), "resuming in the past has no effect");
        clock.resume_from(seconds(150), at(1000));
        assert_eq!(clock.now(seconds(150)), at(1000));
    }

    #[test]
    fn extreme_speeds_and_steps_saturate() {
        let mut clock = CloudClock::new(at(0), seconds(0));
        for speed in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(clock.set_speed(seconds(0), speed).is_err());
        }
        clock.set_speed(seconds(0), f64::MAX).expect("a speed");
        assert_eq!(clock.now(seconds(9)), DateTime::<Utc>::MAX_UTC);
        clock.step(Duration::MAX);
        assert_eq!(clock.now(seconds(9)), DateTime::<Utc>::MAX_UTC);
    }
}
