//! State of the own lease, and the decision whether a candidate may acquire an observed one. Pure.
//!
//! Only the own clock counts: of what other processes write into the Lease, only changes are evaluated.

use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};

/// Annotation of a Lease: tells processes apart that have the same identity.
const NONCE_ANNOTATION: &str = "dcs.huaweicloud.com/holder-nonce";

/// Why this process no longer holds the lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LossReason {
    /// No renewal succeeded in time.
    #[error("the lease expired before it was renewed ({})", .failure.as_deref().unwrap_or("no request failed: the process was paused"))]
    Expired {
        /// Error of the last attempt to renew.
        failure: Option<String>,
    },
    /// The Lease names another holder, or none.
    #[error("the lease was taken: its holder is {}", .by.as_deref().unwrap_or("empty"))]
    Taken {
        /// The holder that the Lease names.
        by: Option<String>,
    },
    /// Another process with the same identity holds the lease.
    #[error(
        "another process with the same identity took the lease: give each running process an --identity of its own"
    )]
    SameIdentity,
    /// The Lease no longer exists, so any process may create it.
    #[error("the Lease was deleted")]
    Deleted,
    /// This process released the lease.
    #[error("the lease was released")]
    Released,
}

/// State of the own lease. A lease begins once and ends once.
#[derive(Debug, Default)]
pub(super) struct LeaseState {
    phase: Phase,
    /// Error since the last renewal.
    failure: Option<String>,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    NotAcquired,
    /// Valid before this time on the monotonic clock.
    Held { until: Duration },
    /// Final.
    Ended(LossReason),
}

/// A process, as it appears in a Lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimant<'a> {
    pub(super) identity: &'a str,
    /// Differs between processes that have the same identity.
    pub(super) nonce: &'a str,
    /// For how long a lease of the own identity, but not of this process, must not change before it is taken. Zero if
    /// no other running process can have the identity.
    pub(super) patience: Duration,
}

/// What a candidate has observed of the current holder.
#[derive(Debug, Default)]
pub(super) struct LeaseObserver(Option<ObservedHolder>);

#[derive(Debug)]
struct ObservedHolder {
    holder: String,
    /// The holder counts as gone after this time without a change.
    duration: Duration,
    /// The last observed Lease; `None` if it was deleted.
    lease: Option<Lease>,
    /// When `lease` was first observed in this form.
    unchanged_since: Duration,
}

/// What a candidate may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AcquireDecision {
    /// Write the own identity into the Lease.
    Acquire,
    /// Another process holds the lease, at least until this time.
    Wait { holder: String, until: Duration },
}

// === impl LeaseState ===

impl LeaseState {
    /// Records a successful write, which acquired or renewed the lease for `duration` from `sent`. Other processes
    /// observe the write later than `sent`, so the lease expires later for them. Returns false if the response came too
    /// late.
    pub(super) fn record_renewal(&mut self, sent: Duration, duration: Duration, now: Duration) -> bool {
        let renewed = sent.saturating_add(duration);
        let until = match self.phase {
            Phase::NotAcquired => renewed,
            Phase::Held { until } if now < until => renewed.max(until),
            Phase::Held { .. } | Phase::Ended(_) => return false,
        };
        if until <= now {
            return false;
        }
        self.phase = Phase::Held { until };
        self.failure = None;
        true
    }

    /// Records a failed attempt to renew.
    pub(super) fn record_failure(&mut self, failure: String) {
        self.failure = Some(failure);
    }

    /// When the lease expires without another renewal.
    pub(super) fn expiry(&mut self, now: Duration) -> Result<Duration, LossReason> {
        match &self.phase {
            Phase::Held { until } if now < *until => Ok(*until),
            Phase::Held { .. } | Phase::NotAcquired => {
                let failure = self.failure.take();
                Err(self.end(LossReason::Expired { failure }))
            }
            Phase::Ended(reason) => Err(reason.clone()),
        }
    }

    /// Ends the lease unless `found` names this process as its holder.
    pub(super) fn check_holder<'a>(
        &mut self,
        found: Option<&Lease>,
        own: impl Into<Claimant<'a>>,
    ) -> Result<(), LossReason> {
        let own = own.into();
        let reason = match found {
            None => LossReason::Deleted,
            Some(lease) if is_held_by(lease, own) => return Ok(()),
            Some(lease) => match holder(lease) {
                Some(holder) if holder == own.identity => LossReason::SameIdentity,
                by => LossReason::Taken { by: by.map(str::to_owned) },
            },
        };
        Err(self.end(reason))
    }

    /// Ends the lease, and returns the first reason for its end.
    pub(super) fn end(&mut self, reason: LossReason) -> LossReason {
        if let Phase::Ended(earlier) = &self.phase {
            return earlier.clone();
        }
        self.phase = Phase::Ended(reason.clone());
        reason
    }

    /// Whether the lease is held now and past `until`.
    pub(super) fn covers(&self, until: Duration, now: Duration) -> bool {
        match self.phase {
            Phase::Held { until: end } => now < end && until < end,
            Phase::NotAcquired | Phase::Ended(_) => false,
        }
    }
}

// === impl LeaseObserver ===

impl LeaseObserver {
    /// Decides by a Lease that was read at `now`. Only successful reads count: without a response, changes stay
    /// unknown.
    pub(super) fn decide_acquire<'a>(
        &mut self,
        found: Option<&Lease>,
        own: impl Into<Claimant<'a>>,
        own_duration: Duration,
        now: Duration,
    ) -> AcquireDecision {
        let own = own.into();
        self.0 = match (found, found.and_then(holder), self.0.take()) {
            // The holder of a deleted Lease may not have noticed yet.
            (None, _, observed) => observed.map(|observed| observed.deleted(now)),
            (Some(_), None, _) => None,
            (Some(lease), Some(holder), _)
                if holder == own.identity && (own.patience.is_zero() || is_held_by(lease, own)) =>
            {
                None
            }
            (Some(lease), Some(holder), observed) => {
                let is_namesake = holder == own.identity;
                let unchanged = observed.filter(|observed| observed.lease.as_ref() == Some(lease));
                Some(unchanged.unwrap_or_else(|| ObservedHolder {
                    holder: holder.to_owned(),
                    duration: if is_namesake {
                        own.patience
                    } else {
                        lease_duration(lease).unwrap_or(own_duration)
                    },
                    lease: Some(lease.clone()),
                    unchanged_since: now,
                }))
            }
        };
        match &self.0 {
            Some(observed) if now < observed.expiry() => {
                AcquireDecision::Wait { holder: observed.holder.clone(), until: observed.expiry() }
            }
            Some(_) | None => AcquireDecision::Acquire,
        }
    }
}

// === impl ObservedHolder ===

impl ObservedHolder {
    fn deleted(self, now: Duration) -> Self {
        let unchanged_since = if self.lease.is_none() { self.unchanged_since } else { now };
        Self { lease: None, unchanged_since, ..self }
    }

    fn expiry(&self) -> Duration {
        self.unchanged_since.saturating_add(self.duration)
    }
}

// === content of a Lease ===

/// Holder of a Lease; `None` if it was released.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    let spec = lease.spec.as_ref()?;
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// Whether this process, not only one of its identity, wrote the Lease.
pub(super) fn is_held_by(lease: &Lease, own: Claimant<'_>) -> bool {
    let annotations = lease.metadata.annotations.as_ref();
    let nonce = annotations.and_then(|annotations| annotations.get(NONCE_ANNOTATION)).map(String::as_str);
    holder(lease) == Some(own.identity) && nonce.unwrap_or_default() == own.nonce
}

/// `leaseDurationSeconds` if it is positive.
fn lease_duration(lease: &Lease) -> Option<Duration> {
    let seconds = u64::try_from(lease.spec.as_ref()?.lease_duration_seconds?).ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The Lease with this holder; other fields stay. Its times are informative only.
pub(super) fn with_holder<'a>(
    mut found: Lease,
    own: impl Into<Claimant<'a>>,
    seconds: i32,
    wall: DateTime<Utc>,
) -> Lease {
    let Claimant { identity, nonce, .. } = own.into();
    if !nonce.is_empty() {
        let annotations = found.metadata.annotations.get_or_insert_default();
        annotations.insert(NONCE_ANNOTATION.to_owned(), nonce.to_owned());
    }
    let spec = found.spec.clone().unwrap_or_default();
    let is_own = holder(&found) == Some(identity);
    let is_new = found.metadata.resource_version.is_none();
    let transitions = spec.lease_transitions.unwrap_or_default().max(0);
    let acquired = spec.acquire_time.clone().filter(|_| is_own);
    let spec = LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(seconds),
        acquire_time: acquired.or_else(|| Some(micro_time(wall))),
        renew_time: Some(micro_time(wall)),
        lease_transitions: Some(if is_own || is_new { transitions } else { transitions.saturating_add(1) }),
        ..spec
    };
    Lease { spec: Some(spec), ..found }
}

/// The Lease without a holder, so that any process may acquire it at once.
pub(super) fn without_holder(found: Lease, wall: DateTime<Utc>) -> Lease {
    let spec = LeaseSpec {
        holder_identity: None,
        // The minimum, for clients that ignore an empty holder.
        lease_duration_seconds: Some(1),
        renew_time: Some(micro_time(wall)),
        ..found.spec.clone().unwrap_or_default()
    };
    Lease { spec: Some(spec), ..found }
}

fn micro_time(time: DateTime<Utc>) -> MicroTime {
    MicroTime(Timestamp::from_microsecond(time.timestamp_micros()).unwrap_or_default())
}

#[cfg(test)]
impl<'a> From<&'a str> for Claimant<'a> {
    fn from(identity: &'a str) -> Self {
        Self { identity, nonce: "", patience: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests;
