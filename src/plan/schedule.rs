//! How long to wait before the next try, or the next look.

use std::time::Duration;

use crate::dcs::error::Class;

/// How long a new object may say nothing: in a moment it will say more.
pub const MOMENT: Duration = Duration::from_secs(10);

/// Every wait that a plan asks for, and how long what was seen counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pacing {
    /// See [`Pace::Brisk`].
    pub brisk: Gaps,
    /// See [`Pace::Soon`].
    pub soon: Gaps,
    /// See [`Pace::Unhurried`].
    pub unhurried: Gaps,
    /// See [`Pace::Slow`].
    pub slow: Gaps,
    /// How long to leave an instance alone that is busy with something that lists do not show.
    pub busy: Duration,
    /// When to look again at something that is on its way, if no list says anything new about it.
    pub backstop: Duration,
    /// The longest time without a visit. Everything that can be told from lists is told earlier.
    pub slow_round: Duration,
    /// A list that is missing for no longer than this is not worth a word: the tries that follow a failed one may all
    /// fall within it.
    pub list_missed: Duration,
    /// An observation older than this says nothing about the present.
    pub observation_life: Duration,
}

/// How long to wait before something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// After the first failure; each later wait is twice as long.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

/// How fast something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Kubernetes did not take it, or did not answer. It is near, and everything waits for it.
    Brisk,
    /// It may pass by itself.
    Soon,
    /// The cloud took it and failed to carry it out.
    Unhurried,
    /// A person is needed.
    Slow,
}

// === impl Pace ===

impl Pace {
    /// For a failed call.
    pub fn after(class: Class) -> Self {
        match class {
            Class::Transient | Class::Busy | Class::Throttled | Class::Ambiguous => Self::Soon,
            Class::NotFound
            | Class::Invalid
            | Class::Quota
            | Class::Balance
            | Class::Credentials
            | Class::Forbidden
            | Class::Unsupported => Self::Slow,
        }
    }
}

// === impl Gaps ===

impl Gaps {
    /// From `first` to `longest` seconds.
    pub const fn seconds(first: u64, longest: u64) -> Self {
        Self { first: Duration::from_secs(first), longest: Duration::from_secs(longest) }
    }

    fn after(self, attempt: u32) -> Duration {
        let doubled = 2_u32.checked_pow(attempt.saturating_sub(1)).and_then(|by| self.first.checked_mul(by));
        doubled.unwrap_or(self.longest).min(self.longest)
    }
}

// === impl Pacing ===

impl Pacing {
    /// The wait after the `attempt`th failure in a row (1 for the first).
    pub fn gap(&self, pace: Pace, attempt: u32) -> Duration {
        let gaps = match pace {
            Pace::Brisk => self.brisk,
            Pace::Soon => self.soon,
            Pace::Unhurried => self.unhurried,
            Pace::Slow => self.slow,
        };
        gaps.after(attempt)
    }

    /// A slow round that differs from object to object, by a sixth at most, so that not all come at once.
    pub fn slow_round(&self, uid: &str) -> Duration {
        let spread = uid.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        self.slow_round + self.slow_round / 6 * (spread % 600) / 600
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            brisk: Gaps::seconds(1, 10),
            soon: Gaps::seconds(5, 120),
            unhurried: Gaps::seconds(60, 600),
            slow: Gaps::seconds(600, 3600),
            busy: Duration::from_secs(30),
            backstop: Duration::from_secs(120),
            slow_round: Duration::from_secs(3600),
            list_missed: Duration::from_secs(90),
            observation_life: Duration::from_secs(600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_grow_to_a_cap() {
        let pacing = Pacing::default();
        let gaps =
            |pace: Pace| [0, 1, 2, 3, 5, 6, 100, u32::MAX].map(|attempt| pacing.gap(pace, attempt).as_secs());
        assert_eq!(gaps(Pace::Brisk), [1, 1, 2, 4, 10, 10, 10, 10]);
        assert_eq!(gaps(Pace::Soon), [5, 5, 10, 20, 80, 120, 120, 120]);
        assert_eq!(gaps(Pace::Unhurried), [60, 60, 120, 240, 600, 600, 600, 600]);
        assert_eq!(gaps(Pace::Slow), [600, 600, 1200, 2400, 3600, 3600, 3600, 3600]);
    }

    #[test]
    fn rounds_are_spread() {
        let pacing = Pacing::default();
        let round = |n| pacing.slow_round(&format!("961a292c-7592-4cf3-bb88-a695b53b2d{n:02}"));
        let rounds: std::collections::BTreeSet<_> = (0..100).map(round).collect();
        assert!(rounds.len() > 50, "{rounds:?}");
        assert!(rounds.iter().all(|round| (3600..4200).contains(&round.as_secs())));
    }
}
