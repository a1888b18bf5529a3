//! Requeue delays: retries, and visits without a failure.

use std::time::Duration;

use crate::dcs::error::Class;

/// How long a new object may be without a status: its first lists take a moment.
pub const INITIAL_STATUS_GRACE: Duration = Duration::from_secs(10);

/// The requeue delays of a plan, and the maximum age of an observation.
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
    /// See [`RetryClass::AccountLimit`].
    pub account_limit: Backoff,
    /// See [`RetryClass::Ineffective`].
    pub ineffective: Backoff,
    /// See [`RetryClass::Rejected`].
    pub rejected: Backoff,
    /// The delay while an instance is busy with a task that lists do not show.
    pub busy: Duration,
    /// The delay while an operation is in progress; a list that shows a change wakes the object earlier.
    pub operation_check_interval: Duration,
    /// How often a job that runs in the cloud is looked at.
    pub job_check_interval: Duration,
    /// The longest time between two visits. A list that shows a change wakes the object earlier.
    pub resync_interval: Duration,
    /// How long lists may be missing before the object reports it: the retries after a failed list may all fall within
    /// it.
    pub unreachable_after: Duration,
    /// The age from which an observation does not describe the present.
    pub observation_max_age: Duration,
}

/// Delays between retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure; each later one is twice as long.
    pub first: Duration,
    /// The longest delay.
    pub longest: Duration,
}

/// The class of a failure, which selects its backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// The API server rejected a request, or did not answer. Retried fast: everything else waits for it.
    Kube,
    /// The failure may pass without action.
    Transient,
    /// The cloud accepted a create request and failed to carry it out.
    CreateFailed,
    /// The user has to act.
    NeedsUser,
    /// A limit of the account is reached. One object of the account tries again, so the wait may be short.
    AccountLimit,
    /// The cloud accepted a change, and it does not show or was undone. Not asked for more often than a list is read.
    Ineffective,
    /// The API server rejects the same request each time.
    Rejected,
}

// === impl RetryClass ===

impl RetryClass {
    /// The class of a failed call to the cloud.
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
    /// A backoff from `first` to `longest` seconds.
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
    /// The delay after the `attempt`th failure in a row (1 for the first).
    pub fn retry_delay(&self, retry_class: RetryClass, attempt: u32) -> Duration {
        let needs_user = self.needs_user.after(attempt);
        match retry_class {
            RetryClass::Kube => self.kube.after(attempt),
            RetryClass::Transient => self.transient.after(attempt),
            RetryClass::CreateFailed => self.create_failed.after(attempt),
            RetryClass::NeedsUser => needs_user,
            RetryClass::AccountLimit => self.account_limit.after(attempt).min(needs_user),
            RetryClass::Ineffective => self.ineffective.after(attempt),
            RetryClass::Rejected => self.rejected.after(attempt),
        }
    }

    /// The resync interval of the object `uid`: up to a sixth longer, so that objects do not resync all at once.
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
            account_limit: Backoff::seconds(60, 300),
            ineffective: Backoff::seconds(60, 3600),
            rejected: Backoff::seconds(1, 600),
            busy: Duration::from_secs(30),
            operation_check_interval: Duration::from_secs(120),
            job_check_interval: Duration::from_secs(15),
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
    fn retry_delays_grow_to_a_cap() {
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
    fn resync_intervals_are_spread() {
        let requeue = RequeuePolicy::default();
        let interval = |n| requeue.resync_interval(&format!("961a292c-7592-4cf3-bb88-a695b53b2d{n:02}"));
        let intervals: std::collections::BTreeSet<_> = (0..100).map(interval).collect();
        assert!(intervals.len() > 50, "{intervals:?}");
        assert!(intervals.iter().all(|interval| (3600..4200).contains(&interval.as_secs())));
    }
}
