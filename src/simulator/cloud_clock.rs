//! The cloud's own time: it runs with the machine's, faster, or only when it is told to.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// A clock that is read by saying how far the machine's monotonic clock has come. Never goes back.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudClock {
    /// The cloud's time when the monotonic clock stood at `since`.
    base: DateTime<Utc>,
    since: Duration,
    speed: f64,
}

/// Not a speed a clock can run at.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "{0} is not a speed: 1 is real time, 60 makes a minute of the cloud last a second, 0 holds its clock"
)]
pub struct InvalidSpeed(pub f64);

// === impl CloudClock ===

impl CloudClock {
    /// A clock that shows `time` when the monotonic clock shows `monotonic`, and runs in real time.
    pub fn new(time: DateTime<Utc>, monotonic: Duration) -> Self {
        Self { base: time, since: monotonic, speed: 1.0 }
    }

    /// The cloud's time.
    pub fn now(&self, monotonic: Duration) -> DateTime<Utc> {
        let elapsed = monotonic.saturating_sub(self.since).as_secs_f64() * self.speed;
        let elapsed = Duration::try_from_secs_f64(elapsed).unwrap_or(Duration::MAX);
        later(self.base, elapsed)
    }

    /// How many of the cloud's seconds pass in one; 0 if it is only stepped.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Lets time pass at another speed from here on. 0 holds the clock, so that only [`step`](Self::step) moves it.
    ///
    /// # Errors
    /// [`InvalidSpeed`] if `speed` is negative, infinite or not a number.
    pub fn set_speed(&mut self, monotonic: Duration, speed: f64) -> Result<(), InvalidSpeed> {
        if !speed.is_finite() || speed < 0.0 {
            return Err(InvalidSpeed(speed));
        }
        *self = Self { base: self.now(monotonic), since: monotonic.max(self.since), speed };
        Ok(())
    }

    /// Lets `duration` pass at once.
    pub fn step(&mut self, duration: Duration) {
        self.base = later(self.base, duration);
    }

    /// Goes on where a clock that was stored stood: at `time`, or where it is if that is later and it runs.
    pub fn resume_from(&mut self, monotonic: Duration, time: DateTime<Utc>) {
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

fn later(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
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
    fn real_time_accelerated_held_stepped() {
        let mut clock = CloudClock::new(at(0), seconds(100));
        assert_eq!(clock.now(seconds(110)), at(10));
        clock.set_speed(seconds(110), 60.0).expect("a speed");
        assert_eq!(clock.now(seconds(111)), at(70), "sixty times as fast, from where it was");
        clock.set_speed(seconds(111), 0.0).expect("a speed");
        assert_eq!(clock.now(seconds(999)), at(70), "held");
        clock.step(seconds(5));
        assert_eq!(clock.now(seconds(999)), at(75));
    }

    #[test]
    fn it_never_goes_back() {
        let mut clock = CloudClock::new(at(0), seconds(100));
        assert_eq!(clock.now(seconds(1)), at(0), "a monotonic clock behind the start");
        clock.set_speed(seconds(150), 1.0).expect("a speed");
        clock.set_speed(seconds(120), 2.0).expect("a speed");
        assert!(clock.now(seconds(150)) >= at(50));
        clock.resume_from(seconds(150), at(10));
        assert!(clock.now(seconds(150)) >= at(50), "catching up with the past does nothing");
        clock.resume_from(seconds(150), at(1000));
        assert_eq!(clock.now(seconds(150)), at(1000));
    }

    #[test]
    fn no_speed_and_no_step_overflows() {
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
