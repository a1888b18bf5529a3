//! When a failed request is sent again, and after how long. Pure.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::{
    error::{Class, Failure},
    operation::{Idempotency, Operation},
};

/// How hard a call tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts, the first included.
    pub attempts: u32,
    /// Time for a whole call that reads, waits included. No attempt outlasts it. A mutating call has less: its
    /// operation's timeout.
    pub total: Duration,
    /// Time for a whole call that changes something, if its operation's timeout is not shorter.
    pub changes: Duration,
    /// The first wait; each later one is twice as long, and up to that much again is added at random.
    pub first_wait: Duration,
    /// No wait is longer, unless the service asks for it.
    pub longest_wait: Duration,
}

/// No attempt begins with less time than this: it would be cut off, and leave a change ambiguous for nothing.
pub(crate) const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);

/// Whether a call may be repeated at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// As the client's policy says.
    Allowed,
    /// One attempt, whatever comes.
    Never,
}

// === impl RetryPolicy ===

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            total: Duration::from_secs(60),
            changes: Duration::from_secs(15),
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// The time that a whole call of `operation` may take.
    pub fn budget(&self, operation: &Operation) -> Duration {
        let mutates = operation.idempotency.mutates();
        if mutates { self.total.min(self.changes).min(operation.timeout) } else { self.total }
    }

    /// How long to wait before the attempt after number `attempt` (from 1), when `left` is left of the call's time;
    /// `None` ends the call. The jitter is drawn from `seed`.
    pub(crate) fn next_wait(
        &self,
        idempotency: Idempotency,
        failure: &Failure,
        attempt: u32,
        left: Duration,
        seed: u64,
    ) -> Option<Duration> {
        if attempt >= self.attempts || !is_repeatable(failure, idempotency) {
            return None;
        }
        let asked = match failure {
            Failure::Refused(refusal) => refusal.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let wait = self.backoff(attempt, seed).max(asked);
        (wait.saturating_add(SHORTEST_ATTEMPT) <= left).then_some(wait)
    }

    fn backoff(&self, attempt: u32, seed: u64) -> Duration {
        let mut waits = ExponentialBuilder::new()
            .with_jitter()
            .with_jitter_seed(seed)
            .with_min_delay(self.first_wait)
            .with_max_delay(self.longest_wait)
            .without_max_times()
            .build();
        waits.nth(attempt.saturating_sub(1) as usize).unwrap_or(self.longest_wait).min(self.longest_wait)
    }
}

/// Whether the same request may be sent again after `failure`.
fn is_repeatable(failure: &Failure, idempotency: Idempotency) -> bool {
    let harmless = idempotency != Idempotency::Once;
    match failure {
        // Surely not received.
        Failure::NotSent(_) => true,
        Failure::TimedOut(_) | Failure::Broken(_) | Failure::Unreadable { .. } => harmless,
        // The same request brings the same answer.
        Failure::NotAttempted(_) | Failure::TooLarge(_) | Failure::Redirected { .. } => false,
        Failure::Refused(refusal) => match refusal.class() {
            // Turned away at the door.
            Class::Throttled => true,
            Class::Transient => harmless,
            // Busy takes minutes: the caller's schedule waits, not a call. Wrong credentials lock the key when
            // repeated.
            Class::Busy
            | Class::Ambiguous
            | Class::NotFound
            | Class::Invalid
            | Class::Quota
            | Class::Balance
            | Class::Credentials
            | Class::Forbidden
            | Class::Unsupported => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dcs::error::Refusal;

    fn refused(status: u16, code: &str, retry_after: Option<u64>) -> Failure {
        Failure::Refused(Refusal {
            status,
            code: (!code.is_empty()).then(|| code.to_owned()),
            retry_after: retry_after.map(Duration::from_secs),
            ..Refusal::default()
        })
    }

    #[test]
    fn what_is_repeated_by_class_of_operation() {
        use Idempotency::{Idempotent, Once, Read};
        let cases = [
            (Failure::NotSent(String::new()), [true, true, true]),
            (Failure::TimedOut(Duration::ZERO), [true, true, false]),
            (Failure::Broken(String::new()), [true, true, false]),
            (Failure::Unreadable { status: 200, reason: String::new() }, [true, true, false]),
            (Failure::TooLarge(1), [false; 3]),
            (Failure::Redirected { status: 302, host: None }, [false; 3]),
            (Failure::NotAttempted(String::new()), [false; 3]),
            (refused(429, "", None), [true, true, true]),
            (refused(503, "", None), [true, true, false]),
            (refused(500, "DCS.5000", None), [true, true, false]),
            (refused(500, "DCS.4069", None), [false; 3]),
            (refused(400, "DCS.4113", None), [false; 3]),
            (refused(401, "APIGW.0301", None), [false; 3]),
            (refused(400, "DCS.4927", None), [false; 3]),
        ];
        for (failure, expected) in cases {
            let actual = [Read, Idempotent, Once].map(|kind| is_repeatable(&failure, kind));
            assert_eq!(actual, expected, "{failure:?}");
        }
    }

    #[test]
    fn the_service_is_waited_for_when_it_asks_and_time_allows() {
        let policy = RetryPolicy::default();
        let wait = |asked| {
            policy.next_wait(Idempotency::Read, &refused(429, "", Some(asked)), 1, Duration::from_secs(60), 0)
        };
        assert_eq!(wait(7), Some(Duration::from_secs(7)));
        assert_eq!(wait(59), Some(Duration::from_secs(59)));
        assert_eq!(wait(60), None, "no time would be left");
        assert_eq!(wait(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn a_call_ends_within_its_attempts_and_its_time(seed: u64, slow in 0u64..40_000) {
            let policy = RetryPolicy::default();
            let failure = Failure::Broken(String::new());
            let mut left = policy.total.saturating_sub(Duration::from_millis(slow));
            let mut attempt = 1;
            while let Some(wait) = policy.next_wait(Idempotency::Read, &failure, attempt, left, seed) {
                prop_assert!(wait <= policy.longest_wait);
                prop_assert!(wait + SHORTEST_ATTEMPT <= left);
                left = left.saturating_sub(wait + Duration::from_millis(slow));
                attempt += 1;
            }
            prop_assert!(attempt <= policy.attempts);
        }
    }
}
