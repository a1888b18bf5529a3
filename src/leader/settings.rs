//! How long a lease lasts, and who asks for it.

use std::time::Duration;

/// No healthy answer takes this long.
const LONGEST_CALL: Duration = Duration::from_secs(5);
/// From a failed attempt to the next.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// Which lease, for whom, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// The name of the Lease.
    pub name: String,
    /// The namespace that it is in.
    pub namespace: String,
    /// Who asks for it. No two processes that run at the same time may share one: whoever has it takes its own lease
    /// again at once.
    pub identity: String,
    /// How long the lease lasts after each renewal: whole seconds.
    pub duration: Duration,
    /// From one renewal to the next; a candidate looks as often.
    pub renew_every: Duration,
}

/// Settings with which nobody could lead safely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Something has no name.
    #[error("the lease needs a name, a namespace and an identity")]
    Nameless,
    /// The Lease can say whole seconds only.
    #[error("a lease lasts whole seconds, at least one, not {0:?}")]
    Fraction(Duration),
    /// A single failure would cost the lease, or it is renewed without a pause.
    #[error(
        "a lease of {duration:?} has to last more than three times as long as from one renewal to the next, {renew_every:?}, which cannot be 0"
    )]
    TooShort {
        /// How long it would last.
        duration: Duration,
        /// How often it would be renewed.
        renew_every: Duration,
    },
}

// === impl LeaseSettings ===

impl LeaseSettings {
    /// With the usual times.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            duration: Duration::from_secs(30),
            renew_every: Duration::from_secs(5),
        }
    }

    /// Checks them, and returns the duration as the Lease says it.
    pub(super) fn seconds(&self) -> Result<i32, SettingsError> {
        let Self { name, namespace, identity, duration, renew_every } = self;
        if [name, namespace, identity].into_iter().any(String::is_empty) {
            return Err(SettingsError::Nameless);
        }
        let seconds = i32::try_from(duration.as_secs()).ok().filter(|seconds| *seconds > 0);
        let Some(seconds) = seconds.filter(|_| duration.subsec_nanos() == 0) else {
            return Err(SettingsError::Fraction(*duration));
        };
        if renew_every.is_zero() || *duration <= renew_every.saturating_mul(3) {
            return Err(SettingsError::TooShort { duration: *duration, renew_every: *renew_every });
        }
        Ok(seconds)
    }

    /// How long an answer is waited for: a lease outlives more than one that does not come.
    pub(super) fn call_limit(&self) -> Duration {
        LONGEST_CALL.min(self.duration / 4)
    }

    /// From a failed attempt to the next.
    pub(super) fn gap(&self) -> Duration {
        LONGEST_GAP.min(self.renew_every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_settings_pass() {
        let usual = LeaseSettings::new("system", "leader", "me");
        assert_eq!(usual.seconds(), Ok(30));
        assert_eq!((usual.call_limit(), usual.gap()), (Duration::from_secs(5), Duration::from_secs(1)));
        for nameless in [
            LeaseSettings::new("", "leader", "me"),
            LeaseSettings::new("a", "", "me"),
            LeaseSettings::new("a", "b", ""),
        ] {
            assert_eq!(nameless.seconds(), Err(SettingsError::Nameless));
        }
        for (duration, renew_every, is_safe) in [
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
                renew_every: millis(renew_every),
                ..usual.clone()
            };
            assert_eq!(settings.seconds().is_ok(), is_safe, "{settings:?}");
        }
    }

    #[test]
    fn a_short_lease_waits_less_for_an_answer() {
        let settings = LeaseSettings {
            duration: Duration::from_secs(4),
            renew_every: Duration::from_millis(500),
            ..LeaseSettings::new("system", "leader", "me")
        };
        assert_eq!((settings.call_limit(), settings.gap().as_millis()), (Duration::from_secs(1), 500));
    }
}
