//! How long to wait before the next try, or the next look.

use std::time::Duration;

use crate::dcs::error::Class;

/// How long a new object may say nothing: in a moment it will say more.
pub const INITIAL_STATUS_GRACE: Duration = Duration::from_secs(10);

/// Every wait that a plan asks for, and how long what was seen counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequeuePolicy {
    /// See [`RetryClass::Kube`].
    pub kube: Backoff,
    /// See [`RetryClass::Transient`].
    pub transient: Backoff,
    /// See [`RetryClass::CreateFailed`].
    pub create_failed: Backoff,
    /// See [`RetryClass::NeedsUser`].
    pub needs_user: Backoff,
    /// How long to leave an instance alone that is busy with something that lists do not show.
    pub busy: Duration,
    /// When to look again at something that is on its way, if no list says anything new about it.
    pub operation_check_interval: Duration,
    /// The longest time without a visit. Everything that can be told from lists is told earlier.
    pub resync_interval: Duration,
    /// A list that is missing for no longer than this is not worth a word: the tries that follow a failed one may all
    /// fall within it.
    pub unreachable_after: Duration,
    /// An observation older than this says nothing about the present.
    pub observation_max_age: Duration,
}

/// How long to wait before something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; each later wait is twice as long.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

/// How fast something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// Kubernetes did not take it, or did not answer. It is near, and everything waits for it.
    Kube,
    /// It may pass by itself.
    Transient,
    /// The cloud took it and failed to carry it out.
    CreateFailed,
    /// A person is needed.
    NeedsUser,
}

// === impl RetryClass ===

impl RetryClass {
    /// For a failed call.
    pub fn after(class: Class) -> Self {
        match class {
            Class::Transient | Class::Busy | Class::Throttled | Class::Ambiguous => Self::Transient,
            Class::NotFound
            | Class::Invalid
            | Class::Quota
            | Class::Balance
            | Class::Credentials
            | Class::Forbidden
            | Class::Unsupported => Self::NeedsUser,
        }
    }
}

// === impl Backoff ===

impl Backoff {
    /// From `first` to `longest` seconds.
    pub const fn seconds(first: u64, longest: u64) -> Self {
        Self { first: Duration::from_secs(first), longest: Duration::from_secs(longest) }
    }

    fn after(self, attempt: u32) -> Duration {
        let doubled = 2_u32.checked_pow(attempt.saturating_sub(1)).and_then(|by| self.first.checked_mul(by));
        doubled.unwrap_or(self.longest).min(self.longest)
    }
}

// === impl RequeuePolicy ===

impl RequeuePolicy {
    /// The wait after the `attempt`th failure in a row (1 for the first).
    pub fn retry_delay(&self, retry_class: RetryClass, attempt: u32) -> Duration {
        let backoff = match retry_class {
            RetryClass::Kube => self.kube,
            RetryClass::Transient => self.transient,
            RetryClass::CreateFailed => self.create_failed,
            RetryClass::NeedsUser => self.needs_user,
        };
        backoff.after(attempt)
    }

    /// A slow round that differs from object to object, by a sixth at most, so that not all come at once.
    pub fn resync_interval(&self, uid: &str) -> Duration {
        let spread = uid.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        self.resync_interval + self.resync_interval / 6 * (spread % 600) / 600
    }
}

impl Default for RequeuePolicy {
    fn default() -> Self {
        Self {
            kube: Backoff::seconds(1, 10),
            transient: Backoff::seconds(5, 120),
            create_failed: Backoff::seconds(60, 600),
            needs_user: Backoff::seconds(600, 3600),
            busy: Duration::from_secs(30),
            operation_check_interval: Duration::from_secs(120),
            resync_interval: Duration::from_secs(3600),
            unreachable_after: Duration::from_secs(90),
            observation_max_age: Duration::from_secs(600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_grow_to_a_cap() {
        let requeue = RequeuePolicy::default();
        let backoff = |retry_class: RetryClass| {
            [0, 1, 2, 3, 5, 6, 100, u32::MAX]
                .map(|attempt| requeue.retry_delay(retry_class, attempt).as_secs())
        };
        assert_eq!(backoff(RetryClass::Kube), [1, 1, 2, 4, 10, 10, 10, 10]);
        assert_eq!(backoff(RetryClass::Transient), [5, 5, 10, 20, 80, 120, 120, 120]);
        assert_eq!(backoff(RetryClass::CreateFailed), [60, 60, 120, 240, 600, 600, 600, 600]);
        assert_eq!(backoff(RetryClass::NeedsUser), [600, 600, 1200, 2400, 3600, 3600, 3600, 3600]);
    }

    #[test]
    fn rounds_are_spread() {
        let requeue = RequeuePolicy::default();
        let round = |n| requeue.resync_interval(&format!("961a292c-7592-4cf3-bb88-a695b53b2d{n:02}"));
        let rounds: std::collections::BTreeSet<_> = (0..100).map(round).collect();
        assert!(rounds.len() > 50, "{rounds:?}");
        assert!(rounds.iter().all(|round| (3600..4200).contains(&round.as_secs())));
    }
}
