//! Whether and when a failed request is repeated. Pure.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::{
    error::{Class, Failure},
    operation::{Idempotency, Operation},
};

/// Limits of a call's attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts, including the first.
    pub attempts: u32,
    /// Time for a whole reading call, waits included. A mutating call is also limited by its operation's timeout.
    pub total: Duration,
    /// Time for a whole mutating call, unless its operation's timeout is shorter.
    pub changes: Duration,
    /// The first wait. Each later one is twice as long, plus a random addition of up to the same length.
    pub first_wait: Duration,
    /// The longest wait, unless the service asks for a longer one.
    pub longest_wait: Duration,
}

/// The least time for an attempt: a shorter one would be cut off and leave a change ambiguous.
pub(crate) const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);

/// Whether a call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// By the client's policy.
    Allowed,
    /// One attempt only.
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
    /// The time limit of a whole call of `operation`.
    pub fn budget(&self, operation: &Operation) -> Duration {
        let mutates = operation.idempotency.mutates();
        if mutates { self.total.min(self.changes).min(operation.timeout) } else { self.total }
    }

    /// The wait after attempt number `attempt` (from 1), with `left` of the call's time remaining; `None` ends the call.
    /// `seed` determines the jitter.
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
        // The service did not receive it.
        Failure::NotSent(_) => true,
        Failure::TimedOut(_) | Failure::Broken(_) | Failure::Unreadable { .. } => harmless,
        // A repeated request brings the same answer.
        Failure::NotAttempted(_)
        | Failure::TooLarge(_)
        | Failure::TooMany(_)
        | Failure::Redirected { .. } => false,
        Failure::Refused(refusal) => match refusal.class() {
            // Refused before processing.
            Class::Throttled => true,
            Class::Transient => harmless,
            // Busy lasts minutes, so the caller's schedule waits instead of the call. Repeated calls with wrong
            // credentials lock the key.
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
    fn repeats_depend_on_failure_and_idempotency() {
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
    fn retry_after_is_honoured_within_the_deadline() {
        let policy = RetryPolicy::default();
        let wait = |asked| {
            policy.next_wait(Idempotency::Read, &refused(429, "", Some(asked)), 1, Duration::from_secs(60), 0)
        };
        assert_eq!(wait(7), Some(Duration::from_secs(7)));
        assert_eq!(wait(59), Some(Duration::from_secs(59)));
        assert_eq!(wait(60), None, "past the deadline");
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
