//! Times and durations as people write them in an incident.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};

/// The longest validity of a consent: an older manifest in Git must not restore.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// The shortest: less is not enough to apply the manifest.
const SHORTEST: Duration = Duration::from_secs(60);

/// A time in the past: RFC 3339, or `HH:MM` of today in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PastTime {
    /// With a date and a zone.
    Full(DateTime<Utc>),
    /// Of today.
    Today(NaiveTime),
}

// === impl PastTime ===

impl PastTime {
    /// The time, if it has passed.
    ///
    /// # Errors
    /// What to write instead.
    pub(super) fn resolve(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
        match self {
            Self::Full(time) if time <= now => Ok(time),
            Self::Full(time) => Err(format!("{} is in the future: it is {} now", shown(time), shown(now))),
            Self::Today(time) => {
                let today = now.date_naive().and_time(time).and_utc();
                if today <= now {
                    return Ok(today);
                }
                let yesterday = today - TimeDelta::days(1);
                Err(format!(
                    "{} UTC of today is in the future: it is {} now; for yesterday, write {}",
                    time.format("%H:%M"),
                    shown(now),
                    shown(yesterday)
                ))
            }
        }
    }
}

impl FromStr for PastTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Full(time.to_utc()));
        }
        let time = NaiveTime::parse_from_str(text, "%H:%M");
        time.map(Self::Today)
            .map_err(|_| "write a time such as 2026-12-01T02:40:00Z, or 02:40 for today in UTC".to_owned())
    }
}

/// A duration such as `30m` or `2h30m`, from a minute to seven days.
///
/// # Errors
/// What to write instead.
pub(super) fn validity(text: &str) -> Result<Duration, String> {
    let usage = || "write a duration such as 30m, 1h or 2h30m, from 1m to 7days".to_owned();
    let duration = humantime::parse_duration(text.trim()).map_err(|_| usage())?;
    if (SHORTEST..=LONGEST).contains(&duration) { Ok(duration) } else { Err(usage()) }
}

/// A time in whole seconds, as objects have it.
pub(super) fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn past_times_are_read() {
        let now = at("2026-12-01T03:00:30Z");
        for (text, expected) in [
            ("2026-12-01T02:40:00Z", "2026-12-01T02:40:00Z"),
            ("2026-12-01T10:40:00+08:00", "2026-12-01T02:40:00Z"),
            ("02:40", "2026-12-01T02:40:00Z"),
            ("03:00", "2026-12-01T03:00:00Z"),
        ] {
            let resolved = text.parse::<PastTime>().unwrap().resolve(now);
            assert_eq!(resolved.map(shown), Ok(expected.to_owned()), "{text}");
        }
        for text in ["", "2:4x", "24:00", "2026-12-01", "2026-12-01T02:40:00", "yesterday"] {
            assert!(text.parse::<PastTime>().unwrap_err().contains("02:40"), "{text}");
        }
    }

    #[test]
    fn a_future_time_is_refused_with_a_way_out() {
        let now = at("2026-12-01T03:00:30Z");
        let error = |text: &str| text.parse::<PastTime>().unwrap().resolve(now).unwrap_err();
        assert!(error("03:01").ends_with("for yesterday, write 2026-11-30T03:01:00Z"), "{}", error("03:01"));
        assert!(error("2026-12-01T03:00:31Z").contains("in the future"));
    }

    #[test]
    fn validities_are_bounded() {
        for (text, seconds) in
            [("30m", 1800), ("1h", 3600), ("2h30m", 9000), ("7days", 604_800), (" 1m ", 60)]
        {
            assert_eq!(validity(text).map(|validity| validity.as_secs()), Ok(seconds), "{text}");
        }
        for text in ["", "0", "59s", "7days 1s", "1month", "60", "-1h", "soon", "99999999999999999999h"] {
            assert!(validity(text).unwrap_err().contains("from 1m to 7days"), "{text}");
        }
    }
}
