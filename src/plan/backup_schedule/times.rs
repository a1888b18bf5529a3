//! The times of a schedule, in its time zone.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// Times are counted up to this many: a year of minutes must not hold up other objects.
const MAX_COUNTED: i64 = 10_000;

/// The fields of a schedule, each with the names that it may have.
const FIELDS: [(&str, &[&str]); 5] = [
    ("minute", &[]),
    ("hour", &[]),
    ("day of month", &[]),
    ("month", &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    ("day of week", &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
];

/// A valid schedule.
///
/// A time that the clocks skip counts as the first moment after it. One that they repeat counts once, except where minute or
/// hour is a list, a range or a step: such a schedule has times in both hours.
#[derive(Debug, Clone)]
pub(super) struct Times {
    cron: Cron,
    zone: Tz,
}

// === impl Times ===

impl Times {
    /// Parses a schedule and the name of a time zone. The error names the field and the correction.
    pub(super) fn parse(schedule: &str, zone: Option<&str>, now: DateTime<Utc>) -> Result<Self, String> {
        let zone = zone.unwrap_or("UTC");
        let unknown = |_| {
            format!(
                "timeZone: {zone} is no IANA time zone that this version knows: write one such as Asia/Shanghai"
            )
        };
        let zone = Tz::from_str(zone).map_err(unknown)?;
        check_fields(schedule)?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(schedule).map_err(|error| format!("schedule: {error}"))?;
        let times = Self { cron, zone };
        match times.next(now) {
            Some(_) => Ok(times),
            None => {
                Err(format!("schedule: {schedule} never comes, like 31 February: correct the days or months"))
            }
        }
    }

    /// The first time after `after`.
    pub(super) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&after.with_timezone(&self.zone), false).ok()?;
        // What the clocks repeat must never lead back.
        Some(next.with_timezone(&Utc)).filter(|next| *next > after)
    }

    /// The last time after `after` and not after `until`.
    pub(super) fn latest(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut back = TimeDelta::hours(1);
        loop {
            let begin = until.checked_sub_signed(back).unwrap_or(after).max(after);
            let within = |time: &DateTime<Utc>| *time <= until;
            if let Some(first) = self.next(begin).filter(within) {
                let later = std::iter::successors(Some(first), |time| self.next(*time).filter(within));
                return later.last();
            }
            if begin == after {
                return None;
            }
            back = back.checked_mul(2).unwrap_or(TimeDelta::MAX);
        }
    }

    /// How many times lie between the two, without them.
    pub(super) fn count_between(&self, after: DateTime<Utc>, before: DateTime<Utc>) -> i64 {
        let within = |time: &DateTime<Utc>| *time < before;
        let first = self.next(after).filter(within);
        let mut times = std::iter::successors(first, |time| self.next(*time).filter(within));
        (0..MAX_COUNTED).take_while(|_| times.next().is_some()).fold(0, |count, _| count + 1)
    }
}

/// The parser also takes L and W, which other cron programs read in other ways.
fn check_fields(schedule: &str) -> Result<(), String> {
    let fields: Vec<_> = schedule.split(' ').collect();
    if fields.len() != FIELDS.len() {
        return Err("schedule: write five fields with one space between them, such as 0 3 * * *".to_owned());
    }
    for (field, (what, names)) in fields.into_iter().zip(FIELDS) {
        let is_known = |part: &str| {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number || part == "*" || names.iter().any(|name| name.eq_ignore_ascii_case(part))
        };
        if let Some(part) = field.split([',', '-', '/']).find(|part| !is_known(part)) {
            let names = if names.is_empty() {
                String::new()
            } else {
                format!(", names such as {}", names.join(", "))
            };
            return Err(format!(
                "schedule: {what} has {part:?}: write numbers{names} or * with , - and / between them, without L, W, # and ?"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn times(schedule: &str, zone: &str) -> Times {
        Times::parse(schedule, Some(zone), at("2026-03-01T00:00:00Z")).unwrap()
    }

    /// The times from `from` on, without the date where that is clear.
    fn listed(schedule: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let times = times(schedule, zone);
        let all = std::iter::successors(times.next(at(from)), |time| times.next(*time));
        all.take(count).map(|time| time.format("%m-%dT%H:%M").to_string()).collect()
    }

    #[test]
    fn clocks_that_go_forward_skip_no_fixed_time() {
        let new_york = "America/New_York";
        let from = "2026-03-07T12:00:00Z";
        assert_eq!(listed("30 2 * * *", new_york, from, 2), ["03-08T07:00", "03-09T06:30"]);
        assert_eq!(listed("30 1 * * *", new_york, from, 2), ["03-08T06:30", "03-09T05:30"]);
        assert_eq!(listed("*/30 2 * * *", new_york, from, 1), ["03-09T06:00"], "the hour does not exist");
        assert_eq!(
            listed("0 * * * *", new_york, "2026-03-08T05:30:00Z", 3),
            ["03-08T06:00", "03-08T07:00", "03-08T08:00"]
        );
    }

    #[test]
    fn clocks_that_go_back_repeat_no_fixed_time() {
        let sydney = "Australia/Sydney";
        let from = "2026-04-04T13:30:00Z";
        assert_eq!(listed("30 2 * * *", sydney, from, 2), ["04-04T15:30", "04-05T16:30"]);
        assert_eq!(
            listed("*/30 2 * * *", sydney, from, 4),
            ["04-04T15:00", "04-04T15:30", "04-04T16:00", "04-04T16:30"]
        );
        assert_eq!(
            listed("0 * * * *", sydney, from, 4),
            ["04-04T14:00", "04-04T15:00", "04-04T16:00", "04-04T17:00"]
        );
        let new_york = "America/New_York";
        let autumn = "2026-10-31T12:00:00Z";
        assert_eq!(listed("30 1 * * *", new_york, autumn, 2), ["11-01T05:30", "11-02T06:30"]);
        assert_eq!(
            listed("*/30 1 * * *", new_york, autumn, 4),
            ["11-01T05:00", "11-01T05:30", "11-01T06:00", "11-01T06:30"]
        );
    }

    #[test]
    fn both_days_and_names_are_understood() {
        let from = "2026-03-01T12:00:00Z";
        assert_eq!(
            listed("0 3 15 * mon", "UTC", from, 3),
            ["03-02T03:00", "03-09T03:00", "03-15T03:00"],
            "either day"
        );
        assert_eq!(listed("0 3 29 2 *", "UTC", from, 1), ["02-29T03:00"]);
        assert_eq!(
            listed("15,45 0-2/2 * APR *", "Asia/Shanghai", from, 3),
            ["03-31T16:15", "03-31T16:45", "03-31T18:15"]
        );
        assert_eq!(listed("0 0 * * 7", "UTC", from, 1), ["03-08T00:00"]);
    }

    #[test]
    fn what_is_invalid_is_told() {
        let now = at("2026-03-01T00:00:00Z");
        for (schedule, zone, message) in [
            ("0 3 31 2 *", None, "never comes"),
            ("0 3 * *", None, "five fields"),
            ("0 0 3 * * *", None, "five fields"),
            ("@daily", None, "five fields"),
            ("0 3 L * *", None, "day of month has \"L\""),
            ("0 3 15W * *", None, "day of month has \"15W\""),
            ("0 3 * * 5L", None, "day of week has \"5L\""),
            ("0 3 * * 5#2", None, "day of week has \"5#2\""),
            ("? 3 * * *", None, "minute has \"?\""),
            ("0 3 * * JAN", None, "day of week has \"JAN\""),
            ("0 24 * * *", None, "out of bounds"),
            ("0 3, * * *", None, "hour has \"\""),
            ("*/0 3 * * *", None, "zero"),
            ("0 3 * * *", Some("Asia/Nowhere"), "timeZone: Asia/Nowhere"),
            ("0 3 * * *", Some("asia/shanghai"), "timeZone: asia/shanghai"),
        ] {
            let error = Times::parse(schedule, zone, now).unwrap_err();
            assert!(error.contains(message), "{schedule}: {error}");
        }
    }

    #[test]
    fn the_latest_time_is_found_from_any_distance() {
        for (schedule, zone) in [
            ("*/7 * * * *", "UTC"),
            ("30 2 * * *", "America/New_York"),
            ("*/30 1-3 * * *", "Australia/Sydney"),
            ("0 3 1 * *", "UTC"),
            ("* 3 29 2 *", "UTC"),
        ] {
            let times = times(schedule, zone);
            let begin = at("2026-03-01T00:00:30Z");
            let all: Vec<_> =
                std::iter::successors(times.next(begin), |time| times.next(*time)).take(400).collect();
            for (n, time) in all.iter().enumerate().step_by(37) {
                assert_eq!(times.latest(begin, *time), Some(*time), "{schedule}");
                let before = *time - TimeDelta::seconds(1);
                assert_eq!(times.latest(begin, before), n.checked_sub(1).map(|n| all[n]), "{schedule}");
                assert_eq!(times.count_between(begin, *time), i64::try_from(n).unwrap(), "{schedule}");
            }
        }
        assert_eq!(
            times("* * * * *", "UTC").count_between(at("2000-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")),
            10_000
        );
    }
}
