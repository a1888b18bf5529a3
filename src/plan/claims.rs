//! One operation at a time on an instance, across all kinds: which object may operate on it, and which ones wait. Pure.
//!
//! The reconcile of the DcsInstance alone grants the right, by `status.holder`. Other kinds claim it, and give it up when
//! their work has ended or they are gone.

use chrono::{DateTime, Utc};

use crate::api::instance::Holder;

/// The claim of an object to operate on an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The object.
    pub holder: Holder,
    /// Who goes first.
    pub urgency: Urgency,
    /// When the object was created.
    pub since: DateTime<Utc>,
}

/// Whether a person waits for the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// A user asked for it.
    Requested,
    /// A schedule made the object: it goes behind all others.
    Scheduled,
}

/// The object that may operate on the instance from now on. `current` keeps the right while it claims it. Another one gets
/// it only if the instance is `idle`: first come, first served. Nothing changes while `claims` are not completely known.
pub fn next_holder(current: Option<&Holder>, claims: Option<&[Claim]>, idle: bool) -> Option<Holder> {
    let Some(claims) = claims else { return current.cloned() };
    let is_current = |claim: &&Claim| Some(&claim.holder.uid) == current.map(|holder| &holder.uid);
    let order = |claim: &&Claim| {
        let Claim { holder: Holder { kind, name, uid }, urgency, since } = claim;
        (*urgency, *since, kind.clone(), name.clone(), uid.clone())
    };
    let first = || claims.iter().filter(|_| idle).min_by_key(order);
    claims.iter().find(is_current).or_else(first).map(|claim| claim.holder.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str) -> Holder {
        Holder { kind: "DcsBackup".to_owned(), name: name.to_owned(), uid: format!("uid-{name}") }
    }

    fn claim(name: &str, urgency: Urgency, second: i64) -> Claim {
        Claim { holder: holder(name), urgency, since: DateTime::from_timestamp(second, 0).unwrap() }
    }

    #[test]
    fn the_first_claim_is_granted_and_scheduled_ones_come_last() {
        use Urgency::{Requested, Scheduled};
        let claims = [
            claim("nightly", Scheduled, 1),
            claim("b", Requested, 7),
            claim("a", Requested, 7),
            claim("late", Requested, 9),
        ];
        let mut left = claims.to_vec();
        for expected in ["a", "b", "late", "nightly"] {
            let next = next_holder(None, Some(&left), true).unwrap();
            assert_eq!(next, holder(expected));
            left.retain(|claim| claim.holder != next);
        }
        assert_eq!(next_holder(None, Some(&left), true), None);
        assert_eq!(next_holder(None, Some(&claims), false), None, "the instance is busy");
    }

    #[test]
    fn a_holder_keeps_the_right_until_its_claim_ends() {
        let (nightly, first) = (claim("nightly", Urgency::Scheduled, 9), claim("a", Urgency::Requested, 1));
        let current = Some(&nightly.holder);
        for idle in [true, false] {
            let both = [first.clone(), nightly.clone()];
            assert_eq!(next_holder(current, Some(&both), idle), current.cloned());
            assert_eq!(next_holder(current, None, idle), current.cloned(), "not every claim is known");
            assert_eq!(next_holder(None, None, idle), None);
        }
        let others = [first.clone()];
        assert_eq!(next_holder(current, Some(&others), true), Some(first.holder));
        assert_eq!(next_holder(current, Some(&others), false), None);
        // Another object of the same name.
        let mut namesake = nightly.clone();
        namesake.holder.uid = "another".to_owned();
        assert_eq!(next_holder(current, Some(&[namesake]), false), None);
    }
}
