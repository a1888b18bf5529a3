//! The names of the DcsBackups of a schedule: a name stands for one run.

use chrono::{DateTime, NaiveDateTime, Utc};

/// The time in a name, in UTC.
const SLOT: &str = "%Y%m%d%H%M";
/// The digits of it.
const SLOT_DIGITS: usize = 12;
/// How much of the name of the schedule is in the name of its first backup, which has 63 characters at most.
const FIRST_PREFIX: usize = 48;

/// The name of the backup of one time of a schedule: `nightly-202611301900`.
pub fn scheduled_backup_name(schedule: &str, slot: DateTime<Utc>) -> String {
    format!("{schedule}-{}", slot.format(SLOT))
}

/// The name of the backup that is made when a schedule is created: `nightly-first-961a292c`, from its uid.
pub fn first_backup_name(schedule: &str, uid: &str) -> String {
    let id: String = uid.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!("{}{}", first_prefix(schedule), id.to_ascii_lowercase())
}

/// Whether it is the name of the backup that was made when a schedule of this name was created, whatever its uid.
pub fn is_first_backup_name(schedule: &str, name: &str) -> bool {
    let id = name.strip_prefix(&first_prefix(schedule));
    id.is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn first_prefix(schedule: &str) -> String {
    let prefix: String = schedule.chars().take(FIRST_PREFIX).collect();
    format!("{}-first-", prefix.trim_end_matches(['-', '.']))
}

/// The time that a name stands for; `None` if it is not the name of a backup of this schedule.
pub fn slot_of_backup(schedule: &str, name: &str) -> Option<DateTime<Utc>> {
    let digits = name.strip_prefix(schedule)?.strip_prefix('-')?;
    let is_time = digits.len() == SLOT_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then(|| NaiveDateTime::parse_from_str(digits, SLOT).ok())?.map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_backups_are_known_by_their_names() {
        for (name, expected) in [
            (first_backup_name("nightly", "961a292c-7592-4cf3-bb88-a695b53b2dc3"), true),
            ("nightly-first-00000000".to_owned(), true),
            ("nightly-first-000".to_owned(), false),
            ("weekly-first-00000000".to_owned(), false),
            ("before-the-sale".to_owned(), false),
        ] {
            assert_eq!(is_first_backup_name("nightly", &name), expected, "{name}");
        }
    }

    #[test]
    fn golden() {
        let slot = "2026-11-30T19:00:00Z".parse().unwrap();
        assert_eq!(scheduled_backup_name("nightly", slot), "nightly-202611301900");
        assert_eq!(slot_of_backup("nightly", "nightly-202611301900"), Some(slot));
        for other in [
            "night-202611301900",
            "nightly-20261130190",
            "nightly-first-961a292c",
            "nightly",
            "nightly-202613301900",
        ] {
            assert_eq!(slot_of_backup("nightly", other), None, "{other}");
        }
        let uid = "961A292C-7592-4cf3-bb88-a695b53b2dc3";
        assert_eq!(first_backup_name("nightly", uid), "nightly-first-961a292c");
        let long = format!("{}-.{}", "n".repeat(47), "n".repeat(3));
        assert_eq!(first_backup_name(&long, uid), format!("{}-first-961a292c", "n".repeat(47)));
        assert!(
            first_backup_name(&"n".repeat(50), uid).len() <= 63
                && scheduled_backup_name(&"n".repeat(50), slot).len() <= 63
        );
    }
}
