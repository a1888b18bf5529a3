//! Settings of leader election.

use std::time::Duration;

use super::lease_state::Claimant;

/// Upper bound of the timeout of one request.
const MAX_CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Upper bound of the delay after a failed attempt.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Name, holder and times of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Name of the Lease.
    pub name: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Identity of this process. It should be unique among running processes.
    pub identity: String,
    /// A random word, which tells this process from another one of the same identity.
    pub nonce: String,
    /// Whether no other running process can have the identity, as in a pod, whose containers follow each other. A lease
    /// of the own identity is then taken at once; otherwise it is observed for two renew intervals.
    pub unique_identity: bool,
    /// How long the lease lasts after each renewal, in whole seconds.
    pub duration: Duration,
    /// Interval between renewals, and between the attempts of a candidate.
    pub renew_interval: Duration,
}

/// Unsafe settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A name is empty.
    #[error("the lease needs a name, a namespace and an identity")]
    MissingName,
    /// `leaseDurationSeconds` of a Lease is an integer.
    #[error("the lease duration must be a whole number of seconds, at least one, not {0:?}")]
    NotWholeSeconds(Duration),
    /// The lease would expire after one failed renewal, or renewals would follow each other without a pause.
    #[error(
        "the lease duration {duration:?} must be more than three times the renew interval {renew_interval:?}, which must not be 0"
    )]
    TooShort {
        /// Duration of the lease.
        duration: Duration,
        /// Interval between renewals.
        renew_interval: Duration,
    },
}

// === impl LeaseSettings ===

impl LeaseSettings {
    /// A lease of 30 s, renewed every 5 s.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            nonce: String::new(),
            unique_identity: true,
            duration: Duration::from_secs(30),
            renew_interval: Duration::from_secs(5),
        }
    }

    /// Checks the settings, and returns the value of `leaseDurationSeconds`.
    pub(super) fn duration_seconds(&self) -> Result<i32, SettingsError> {
        let Self { name, namespace, identity, duration, renew_interval, .. } = self;
        if [name, namespace, identity].into_iter().any(String::is_empty) {
            return Err(SettingsError::MissingName);
        }
        let seconds = i32::try_from(duration.as_secs()).ok().filter(|seconds| *seconds > 0);
        let Some(seconds) = seconds.filter(|_| duration.subsec_nanos() == 0) else {
            return Err(SettingsError::NotWholeSeconds(*duration));
        };
        if renew_interval.is_zero() || *duration <= renew_interval.saturating_mul(3) {
            return Err(SettingsError::TooShort { duration: *duration, renew_interval: *renew_interval });
        }
        Ok(seconds)
    }

    /// This process, as it appears in the Lease.
    pub(super) fn claimant(&self) -> Claimant<'_> {
        let patience =
            if self.unique_identity { Duration::ZERO } else { self.renew_interval.saturating_mul(2) };
        Claimant { identity: &self.identity, nonce: &self.nonce, patience }
    }

    /// Timeout of one request. The lease outlasts several requests without a response.
    pub(super) fn call_timeout(&self) -> Duration {
        MAX_CALL_TIMEOUT.min(self.duration / 4)
    }

    /// Delay after a failed attempt.
    pub(super) fn retry_interval(&self) -> Duration {
        MAX_RETRY_INTERVAL.min(self.renew_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_settings_are_refused() {
        let default = LeaseSettings::new("system", "leader", "me");
        assert_eq!(default.duration_seconds(), Ok(30));
        assert_eq!(
            (default.call_timeout(), default.retry_interval()),
            (Duration::from_secs(5), Duration::from_secs(1))
        );
        for without_name in [
            LeaseSettings::new("", "leader", "me"),
            LeaseSettings::new("a", "", "me"),
            LeaseSettings::new("a", "b", ""),
        ] {
            assert_eq!(without_name.duration_seconds(), Err(SettingsError::MissingName));
        }
        for (duration, renew_interval, is_safe) in [
            (16_000, 5_000, true),
            (15_000, 5_000, false),
            (5_000, 15_000, false),
            (30_000, 0, false),
            (30_500, 5_000, false),
            (500, 100, false),
            (0, 0, false),
            (u64::MAX / 2, 5_000, false),
        ] {
            let millis = Duration::from_millis;
            let settings = LeaseSettings {
                duration: millis(duration),
                renew_interval: millis(renew_interval),
                ..default.clone()
            };
            assert_eq!(settings.duration_seconds().is_ok(), is_safe, "{settings:?}");
        }
    }

    #[test]
    fn the_call_timeout_shrinks_with_the_lease_duration() {
        let settings = LeaseSettings {
            duration: Duration::from_secs(4),
            renew_interval: Duration::from_millis(500),
            ..LeaseSettings::new("system", "leader", "me")
        };
        assert_eq!(
            (settings.call_timeout(), settings.retry_interval().as_millis()),
            (Duration::from_secs(1), 500)
        );
    }
}
