//! What follows from a Lease that was seen, and how long our own lasts. Pure.
//!
//! Nobody's clock is believed but our own: what others wrote into the Lease counts only by whether it changes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};

/// Why the lease is ours no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LossReason {
    /// It was not renewed in time.
    #[error("it ran out before it could be renewed ({})", .failure.as_deref().unwrap_or("nothing failed: the process itself stood still"))]
    Expired {
        /// What the last attempt to renew it failed with.
        failure: Option<String>,
    },
    /// The Lease names another holder, or none.
    #[error("it now belongs to {}", .by.as_deref().unwrap_or("nobody"))]
    Taken {
        /// Whom it names.
        by: Option<String>,
    },
    /// The Lease does not exist any more, so that anybody may make it anew.
    #[error("it was deleted")]
    Deleted,
    /// We gave it back.
    #[error("it was given back")]
    Released,
}

/// Our own time as the leader: it begins once and ends once.
#[derive(Debug, Default)]
pub(super) struct Term {
    state: State,
    /// What went wrong since it was last renewed.
    failure: Option<String>,
}

#[derive(Debug, Default)]
enum State {
    /// It has not begun.
    #[default]
    Waiting,
    /// The lease is ours, and valid before this time.
    LeaseGuard { until: Duration },
    /// It is over for good.
    Over(LossReason),
}

/// What a candidate remembers of whoever stands in its way.
#[derive(Debug, Default)]
pub(super) struct LeaseObserver(Option<ObservedHolder>);

#[derive(Debug)]
struct ObservedHolder {
    holder: String,
    /// How long nothing may change before it counts as gone.
    patience: Duration,
    /// The Lease as it was last seen; `None` once it was deleted.
    lease: Option<Lease>,
    /// Since when it is seen like that.
    since: Duration,
}

/// What a candidate may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AcquireDecision {
    /// Write itself into the Lease.
    Take,
    /// The lease belongs to another, at least until then.
    Wait { holder: String, until: Duration },
}

// === impl Term ===

impl Term {
    /// A write that was sent then made the lease ours for `duration`, or renewed it. Whoever saw the write saw it
    /// later than it was sent, so it is ours for longer to others than to us. False if that came too late.
    pub(super) fn granted(&mut self, sent: Duration, duration: Duration, now: Duration) -> bool {
        let granted = sent.saturating_add(duration);
        let until = match self.state {
            State::Waiting => granted,
            State::LeaseGuard { until } if now < until => granted.max(until),
            State::LeaseGuard { .. } | State::Over(_) => return false,
        };
        if until <= now {
            return false;
        }
        self.state = State::LeaseGuard { until };
        self.failure = None;
        true
    }

    /// An attempt to renew failed.
    pub(super) fn failed(&mut self, failure: String) {
        self.failure = Some(failure);
    }

    /// Until when the lease is ours unless it is renewed.
    pub(super) fn standing(&mut self, now: Duration) -> Result<Duration, LossReason> {
        match &self.state {
            State::LeaseGuard { until } if now < *until => Ok(*until),
            State::LeaseGuard { .. } | State::Waiting => {
                let failure = self.failure.take();
                Err(self.end(LossReason::Expired { failure }))
            }
            State::Over(lost) => Err(lost.clone()),
        }
    }

    /// Whether the lease that was found is still ours to renew.
    pub(super) fn confirm(&mut self, found: Option<&Lease>, identity: &str) -> Result<(), LossReason> {
        let lost = match found {
            None => LossReason::Deleted,
            Some(lease) => match holder(lease) {
                Some(holder) if holder == identity => return Ok(()),
                by => LossReason::Taken { by: by.map(str::to_owned) },
            },
        };
        Err(self.end(lost))
    }

    /// Ends it. What ended it first stays the reason.
    pub(super) fn end(&mut self, lost: LossReason) -> LossReason {
        if let State::Over(earlier) = &self.state {
            return earlier.clone();
        }
        self.state = State::Over(lost.clone());
        lost
    }

    /// Whether the lease is ours now, and still after `until`.
    pub(super) fn covers(&self, until: Duration, now: Duration) -> bool {
        match self.state {
            State::LeaseGuard { until: end } => now < end && until < end,
            State::Waiting | State::Over(_) => false,
        }
    }
}

// === impl LeaseObserver ===

impl LeaseObserver {
    /// What the Lease that was found then lets a candidate do. Only an answer counts: while none comes nobody knows
    /// what changes.
    pub(super) fn decide_acquire(
        &mut self,
        found: Option<&Lease>,
        identity: &str,
        own_duration: Duration,
        now: Duration,
    ) -> AcquireDecision {
        self.0 = match (found, found.and_then(holder), self.0.take()) {
            // Whoever held a Lease that was deleted may not know that yet.
            (None, _, rival) => rival.map(|rival| rival.seen(None, now)),
            (Some(_), None, _) => None,
            (Some(_), Some(holder), _) if holder == identity => None,
            (Some(lease), Some(holder), rival) => {
                let before = rival.filter(|rival| rival.lease.as_ref() == Some(lease));
                Some(before.unwrap_or_else(|| ObservedHolder {
                    holder: holder.to_owned(),
                    patience: duration(lease).unwrap_or(own_duration),
                    lease: Some(lease.clone()),
                    since: now,
                }))
            }
        };
        match &self.0 {
            Some(rival) if now < rival.until() => {
                AcquireDecision::Wait { holder: rival.holder.clone(), until: rival.until() }
            }
            Some(_) | None => AcquireDecision::Take,
        }
    }
}

// === impl ObservedHolder ===

impl ObservedHolder {
    fn seen(self, lease: Option<Lease>, now: Duration) -> Self {
        let since = if self.lease == lease { self.since } else { now };
        Self { lease, since, ..self }
    }

    fn until(&self) -> Duration {
        self.since.saturating_add(self.patience)
    }
}

// === what is read and written ===

/// Whom a Lease names; a released one names nobody.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    let spec = lease.spec.as_ref()?;
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// How long it lasts after each renewal, if it says so sensibly.
fn duration(lease: &Lease) -> Option<Duration> {
    let seconds = u64::try_from(lease.spec.as_ref()?.lease_duration_seconds?).ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The Lease that says that it is ours. What else is found in it stays. The times in it are for people only.
pub(super) fn claimed(found: Lease, identity: &str, seconds: i32, wall: DateTime<Utc>) -> Lease {
    let spec = found.spec.clone().unwrap_or_default();
    let ours = holder(&found) == Some(identity);
    let is_new = found.metadata.resource_version.is_none();
    let transitions = spec.lease_transitions.unwrap_or_default().max(0);
    let acquired = spec.acquire_time.clone().filter(|_| ours);
    let spec = LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(seconds),
        acquire_time: acquired.or_else(|| Some(micro_time(wall))),
        renew_time: Some(micro_time(wall)),
        lease_transitions: Some(if ours || is_new { transitions } else { transitions.saturating_add(1) }),
        ..spec
    };
    Lease { spec: Some(spec), ..found }
}

/// The Lease that says that anybody may have it at once.
pub(super) fn released(found: Lease, wall: DateTime<Utc>) -> Lease {
    let spec = LeaseSpec {
        holder_identity: None,
        // The shortest there is, for those who look at nothing else.
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
mod tests {
    use super::*;

    const OWN: Duration = at(30);

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A Lease as it is found; `(holder, duration, version)`.
    fn lease((holder, seconds, version): (&str, i32, &str)) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(seconds),
            ..LeaseSpec::default()
        };
        let mut lease = Lease { spec: Some(spec), ..Lease::default() };
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    fn wait(holder: &str, until: u64) -> AcquireDecision {
        AcquireDecision::Wait { holder: holder.to_owned(), until: at(until) }
    }

    fn wall(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_candidate_waits_until_nothing_changed_for_the_holders_own_duration() {
        type Look = (u64, Option<(&'static str, i32, &'static str)>, AcquireDecision);
        let cases: &[(&str, &[Look])] = &[
            ("nobody ever had it", &[(0, None, AcquireDecision::Take)]),
            ("it was released", &[(0, Some(("", 1, "5")), AcquireDecision::Take)]),
            ("it is our own", &[(0, Some(("me", 30, "5")), AcquireDecision::Take)]),
            (
                "the holder renews it",
                &[
                    (100, Some(("you", 15, "5")), wait("you", 115)),
                    (114, Some(("you", 15, "6")), wait("you", 129)),
                    (128, Some(("you", 15, "7")), wait("you", 143)),
                ],
            ),
            (
                "the holder is silent",
                &[
                    (100, Some(("you", 15, "5")), wait("you", 115)),
                    (114, Some(("you", 15, "5")), wait("you", 115)),
                    (115, Some(("you", 15, "5")), AcquireDecision::Take),
                    (116, Some(("them", 15, "6")), wait("them", 131)),
                ],
            ),
            (
                "there was no answer for long, but a renewal",
                &[
                    (100, Some(("you", 15, "5")), wait("you", 115)),
                    (900, Some(("you", 15, "6")), wait("you", 915)),
                ],
            ),
            (
                "it is released after a while",
                &[
                    (100, Some(("you", 15, "5")), wait("you", 115)),
                    (101, Some(("", 1, "6")), AcquireDecision::Take),
                ],
            ),
            (
                "it is deleted under its holder",
                &[
                    (100, Some(("you", 15, "5")), wait("you", 115)),
                    (110, None, wait("you", 125)),
                    (120, None, wait("you", 125)),
                    (125, None, AcquireDecision::Take),
                ],
            ),
            (
                "it is deleted after it was released",
                &[
                    (100, Some(("you", 15, "5")), wait("you", 115)),
                    (110, Some(("", 1, "6")), AcquireDecision::Take),
                    (111, None, AcquireDecision::Take),
                ],
            ),
            (
                "it says no sensible duration",
                &[
                    (100, Some(("you", 0, "5")), wait("you", 130)),
                    (129, Some(("you", -1, "6")), wait("you", 159)),
                ],
            ),
        ];
        for (name, looks) in cases {
            let mut onlooker = LeaseObserver::default();
            for (now, found, expected) in *looks {
                let found = found.map(lease);
                let decide_acquire = onlooker.decide_acquire(found.as_ref(), "me", OWN, at(*now));
                assert_eq!(decide_acquire, *expected, "{name}, at {now}");
            }
        }
    }

    #[test]
    fn whatever_changes_counts_even_without_a_version() {
        let mut onlooker = LeaseObserver::default();
        let mut found = lease(("you", 15, "5"));
        found.metadata.resource_version = None;
        assert_eq!(onlooker.decide_acquire(Some(&found), "me", OWN, at(0)), wait("you", 15));
        found.spec.as_mut().unwrap().renew_time = Some(micro_time(wall(0)));
        assert_eq!(onlooker.decide_acquire(Some(&found), "me", OWN, at(14)), wait("you", 29));
    }

    #[test]
    fn absent_fields_are_read_as_nothing() {
        let mut onlooker = LeaseObserver::default();
        let empty = Lease::default();
        assert_eq!(onlooker.decide_acquire(Some(&empty), "me", OWN, at(0)), AcquireDecision::Take);
        let spec = LeaseSpec { holder_identity: Some("you".to_owned()), ..LeaseSpec::default() };
        let bare = Lease { spec: Some(spec), ..Lease::default() };
        assert_eq!(
            onlooker.decide_acquire(Some(&bare), "me", OWN, at(0)),
            wait("you", 30),
            "as long as our own"
        );
        let spec = claimed(empty, "me", 30, wall(0)).spec.unwrap();
        assert_eq!((spec.lease_transitions, spec.acquire_time), (Some(0), Some(micro_time(wall(0)))));
    }

    #[test]
    fn the_term_counts_from_when_the_write_was_sent() {
        let mut term = Term::default();
        assert!(!term.covers(at(0), at(0)), "it has not begun");
        assert!(term.granted(at(10), OWN, at(14)));
        for (until, now, expected) in
            [(39, 14, true), (40, 14, false), (14, 39, true), (14, 40, false), (50, 14, false)]
        {
            assert_eq!(term.covers(at(until), at(now)), expected, "{until} at {now}");
        }
        assert!(term.granted(at(15), OWN, at(39)));
        assert_eq!(term.standing(at(44)), Ok(at(45)));
    }

    #[test]
    fn a_grant_that_comes_too_late_is_none() {
        let mut term = Term::default();
        assert!(!term.granted(at(10), OWN, at(40)));
        assert!(!term.covers(at(0), at(40)));
        assert!(term.granted(at(40), OWN, at(41)), "a candidate may try again");
        assert!(!term.granted(at(69), OWN, at(70)), "a leader may not");
        let lost = LossReason::Expired { failure: None };
        assert_eq!(term.standing(at(70)), Err(lost));
    }

    #[test]
    fn a_renewal_is_lost_to_whoever_is_found() {
        let named = |by: Option<&str>| Err(LossReason::Taken { by: by.map(str::to_owned) });
        for (found, expected) in [
            (Some(lease(("me", 30, "9"))), Ok(())),
            (Some(lease(("you", 30, "9"))), named(Some("you"))),
            (Some(lease(("", 1, "9"))), named(None)),
            (Some(Lease::default()), named(None)),
            (None, Err(LossReason::Deleted)),
        ] {
            let mut term = Term::default();
            assert!(term.granted(at(0), OWN, at(1)));
            assert_eq!(term.confirm(found.as_ref(), "me"), expected);
            assert_eq!(term.covers(at(2), at(2)), expected.is_ok());
        }
    }

    #[test]
    fn it_never_begins_again() {
        for lost in [
            LossReason::Expired { failure: None },
            LossReason::Taken { by: Some("you".to_owned()) },
            LossReason::Deleted,
            LossReason::Released,
        ] {
            let mut term = Term::default();
            assert!(term.granted(at(0), OWN, at(1)));
            assert_eq!(term.end(lost.clone()), lost);
            assert!(!term.granted(at(2), OWN, at(3)), "{lost:?}");
            assert!(!term.covers(at(4), at(4)), "{lost:?}");
            assert_eq!(term.end(LossReason::Deleted), lost, "the first reason stays");
            assert_eq!(term.standing(at(4)), Err(lost));
        }
    }

    #[test]
    fn it_says_why_it_ran_out() {
        let mut term = Term::default();
        assert!(term.granted(at(0), OWN, at(1)));
        term.failed("no answer within 5 s".to_owned());
        let lost = term.standing(at(30)).unwrap_err();
        assert_eq!(lost.to_string(), "it ran out before it could be renewed (no answer within 5 s)");
        let mut term = Term::default();
        assert!(term.granted(at(0), OWN, at(1)));
        term.failed("no answer within 5 s".to_owned());
        assert!(term.granted(at(9), OWN, at(10)));
        assert_eq!(
            term.standing(at(39)),
            Err(LossReason::Expired { failure: None }),
            "that one was overcome"
        );
    }

    #[test]
    fn a_claim_counts_changes_of_holder_and_keeps_the_rest() {
        let mut found = lease(("you", 15, "5"));
        found.metadata.labels = Some([("kept".to_owned(), "yes".to_owned())].into());
        let taken = claimed(found.clone(), "me", 30, wall(0));
        assert_eq!(taken.metadata, found.metadata);
        let renewed = claimed(taken.clone(), "me", 30, wall(5));
        let free = released(renewed.clone(), wall(6));
        assert_eq!(holder(&free), None);
        let next = claimed(free.clone(), "you", 30, wall(7));
        let facts = |lease: &Lease| {
            let spec = lease.spec.clone().unwrap();
            let time = |time: Option<MicroTime>| time.unwrap().0.as_second() - 1_800_000_000;
            let times = (time(spec.acquire_time), time(spec.renew_time));
            (times, spec.lease_transitions.unwrap(), spec.lease_duration_seconds.unwrap())
        };
        assert_eq!(facts(&taken), ((0, 0), 1, 30));
        assert_eq!(facts(&renewed), ((0, 5), 1, 30));
        assert_eq!(facts(&free), ((0, 6), 1, 1));
        assert_eq!(facts(&next), ((7, 7), 2, 30));
    }
}
