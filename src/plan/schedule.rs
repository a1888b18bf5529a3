//! How long to wait before the next try, or the next look.

use std::time::Duration;

use crate::dcs::error::Class;

/// The longest time without a visit. Everything that can be told from lists is told earlier.
pub const SLOW_ROUND: Duration = Duration::from_secs(3600);
/// How long to leave an instance alone that is busy with something that lists do not show.
pub const BUSY: Duration = Duration::from_secs(30);
/// How long a new object may say nothing: in a moment it will say more.
pub const MOMENT: Duration = Duration::from_secs(10);
/// A list that is missing for no longer than this is not worth a word: the tries that follow a failed one may all fall
/// within it.
pub const LIST_MISSED: Duration = Duration::from_secs(90);
/// An observation older than this says nothing about the present.
pub const OBSERVATION_LIFE: Duration = Duration::from_secs(600);

/// How fast something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Kubernetes did not take it, or did not answer: 1 s, doubling to 10 s. It is near, and everything waits for it.
    Brisk,
    /// It may pass by itself: 5 s, doubling to 2 min.
    Soon,
    /// The cloud took it and failed to carry it out: 1 min, doubling to 10 min.
    Unhurried,
    /// A person is needed: 10 min, doubling to 1 h.
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

    /// The gap after the `attempt`th failure in a row (1 for the first).
    pub fn gap(self, attempt: u32) -> Duration {
        let (first, longest) = match self {
            Self::Brisk => (1, 10),
            Self::Soon => (5, 120),
            Self::Unhurried => (60, 600),
            Self::Slow => (600, 3600),
        };
        let doubled =
            2_u64.checked_pow(attempt.saturating_sub(1)).and_then(|factor| factor.checked_mul(first));
        Duration::from_secs(doubled.unwrap_or(longest).min(longest))
    }
}

/// A slow round that differs from object to object, so that not all come at once: 60 to 70 minutes.
pub fn slow_round(uid: &str) -> Duration {
    let spread = uid.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    SLOW_ROUND + Duration::from_secs(spread % 600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_grow_to_a_cap() {
        let gaps = |pace: Pace| [0, 1, 2, 3, 5, 6, 100, u32::MAX].map(|attempt| pace.gap(attempt).as_secs());
        assert_eq!(gaps(Pace::Brisk), [1, 1, 2, 4, 10, 10, 10, 10]);
        assert_eq!(gaps(Pace::Soon), [5, 5, 10, 20, 80, 120, 120, 120]);
        assert_eq!(gaps(Pace::Unhurried), [60, 60, 120, 240, 600, 600, 600, 600]);
        assert_eq!(gaps(Pace::Slow), [600, 600, 1200, 2400, 3600, 3600, 3600, 3600]);
    }

    #[test]
    fn rounds_are_spread() {
        let rounds: std::collections::BTreeSet<_> =
            (0..100).map(|n| slow_round(&format!("961a292c-7592-4cf3-bb88-a695b53b2d{n:02}"))).collect();
        assert!(rounds.len() > 50, "{rounds:?}");
        assert!(rounds.iter().all(|round| (3600..4200).contains(&round.as_secs())));
    }
}
