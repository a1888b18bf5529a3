//! Maintenance windows.

use std::collections::BTreeSet;

use super::Problem;
use crate::{api::instance, dcs::model};

/// A maintenance window: whole hours in UTC, 0 to 23 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first hour.
    pub begin: u8,
    /// The hour of the end; less than `begin` if that is on the next day.
    pub end: u8,
}

/// The hour of `18`, `18:00` and `18:00:00`: instances and the list of windows spell it differently. 24 is hour 0 of
/// the next day.
fn hour(text: &str) -> Option<u8> {
    let mut parts = text.trim().split(':');
    let digits = parts.next().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let hour: u8 = digits.parse().ok()?;
    let rest: Vec<&str> = parts.collect();
    let is_whole = rest.len() <= 2 && rest.iter().all(|part| *part == "00");
    (is_whole && hour <= 24).then_some(hour % 24)
}

// === impl Window ===

impl Window {
    /// From the spec; `None` unless both ends are whole hours spelled `18:00`, and differ.
    pub(in crate::plan::instance) fn parse(window: &instance::MaintenanceWindow) -> Option<Self> {
        let begin = Self::strict_hour(&window.begin)?;
        let end = Self::strict_hour(&window.end)?;
        (begin != end).then_some(Self { begin, end })
    }

    /// The hour of `18:00`, the only spelling that a spec allows.
    pub(in crate::plan::instance) fn strict_hour(text: &str) -> Option<u8> {
        hour(text).filter(|hour| text == format!("{hour:02}:00"))
    }

    /// From an answer of the cloud, in any of its spellings.
    fn read(begin: Option<&str>, end: Option<&str>) -> Option<Self> {
        Some(Self { begin: hour(begin?)?, end: hour(end?)? })
    }

    /// Whether the cloud's begin and end are this window, in any spelling (`18`, `18:00`, `18:00:00`).
    pub fn matches(&self, begin: Option<&str>, end: Option<&str>) -> bool {
        Self::read(begin, end) == Some(*self)
    }

    /// Begin and end as requests spell them: `18:00:00` (API reference 4.1.1).
    pub fn request(&self) -> (String, String) {
        (format!("{:02}:00:00", self.begin), format!("{:02}:00:00", self.end))
    }

    /// Checks that DCS offers this window. If no listed window can be parsed, the check passes: DCS then validates the
    /// request.
    ///
    /// # Errors
    /// DCS does not offer it: the problem lists the windows that it offers.
    pub fn offered(&self, windows: &[model::MaintenanceWindow]) -> Result<(), Problem> {
        let read =
            |window: &model::MaintenanceWindow| Self::read(window.begin.as_deref(), window.end.as_deref());
        let offered: BTreeSet<Self> = windows.iter().filter_map(read).collect();
        if offered.is_empty() || offered.contains(self) {
            return Ok(());
        }
        let names: Vec<String> = offered.iter().map(Self::to_string).collect();
        let names = names.join(", ");
        Err(Problem::new(
            "maintenanceWindow",
            format!("DCS does not offer {self} in this region: write one of {names}"),
        ))
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:00-{:02}:00", self.begin, self.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LATE: Window = Window { begin: 23, end: 0 };

    #[test]
    fn every_spelling_of_the_cloud_matches() {
        for (begin, end, same) in [
            ("23:00:00", "00:00:00", true),
            ("23", "00", true),
            ("23", "0", true),
            ("23:00", "24:00", true),
            (" 23 ", "24", true),
            ("22", "0", false),
            ("23:30:00", "00:00:00", false),
            ("23:00:00:00", "00", false),
            ("+23", "0", false),
            ("25", "0", false),
            ("", "", false),
            ("late", "0", false),
        ] {
            assert_eq!(LATE.matches(Some(begin), Some(end)), same, "{begin} {end}");
        }
        assert!(!LATE.matches(Some("23"), None) && !LATE.matches(None, None));
        assert_eq!(LATE.request(), ("23:00:00".to_owned(), "00:00:00".to_owned()));
    }

    #[test]
    fn a_window_that_is_not_offered_is_a_problem() {
        let window = |begin: &str, end: &str| model::MaintenanceWindow {
            begin: Some(begin.to_owned()),
            end: Some(end.to_owned()),
            ..model::MaintenanceWindow::default()
        };
        let listed = [window("22", "02"), window("02", "06"), window("?", "06")];
        let problem = LATE.offered(&listed).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "maintenanceWindow: DCS does not offer 23:00-00:00 in this region: write one of 02:00-06:00, 22:00-02:00"
        );
        assert_eq!(Window { begin: 22, end: 2 }.offered(&listed), Ok(()));
        assert_eq!(LATE.offered(&[]), Ok(()));
    }

    proptest! {
        #[test]
        fn a_requested_window_matches(begin in 0_u8..24, end in 0_u8..24) {
            let window = Window { begin, end };
            let (begin, end) = window.request();
            prop_assert!(window.matches(Some(&begin), Some(&end)));
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = hour(&text);
        }
    }
}
