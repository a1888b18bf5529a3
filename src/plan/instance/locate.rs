//! Where the object's instance is: asked once in each plan, from the status, the spec and the tags in the lists.

use std::{sync::Arc, time::Duration};

use super::{
    absence::{self, Absence},
    decision::BEING_CREATED,
    input::{
        lists::AccountLists,
        observed::{Blocker, Detail, InstanceSnapshot, Observed},
        ownership::{Claims, Ownership, claims, is_live, ownership_of, tag},
    },
    intent,
};
use crate::{
    api::words::OperationType,
    dcs::model::{InstanceFacts, InstanceStatus},
    formats::OWNER_TAG,
};

/// The instance was created a moment ago: the cloud need not show it yet. A status is written when something happens,
/// so the message is the one of an instance that the list shows as being created.
const NOT_VISIBLE_YET: Location<'static> = Location::Unknown { wait: None, why: BEING_CREATED };

/// Where the object's instance is.
#[derive(Debug)]
pub(super) enum Location<'a> {
    /// Several instances carry the object's tags.
    Ambiguous {
        /// The instances in question.
        claims: Claims,
        /// The object's instance, where the list shows it.
        recorded: Option<&'a InstanceFacts>,
        /// The recorded instance, if the cloud says that it does not exist.
        lost: Option<String>,
    },
    /// The object has this instance.
    Instance(Sighting<'a>),
    /// The object has this instance, which only a read of its detail can show.
    NeedsDetail(String),
    /// The list shows an instance of the object's name without tags: its detail may show that it is the object's.
    NeedsTags(&'a str),
    /// The read of the instance's detail failed.
    Unreadable(&'a Blocker),
    /// The spec names this instance, which is not the object's yet.
    Adopt(&'a str),
    /// The operator has begun to take back this instance, which an earlier object of the name left behind.
    Reclaiming(String),
    /// The cloud could not create the instance and keeps a record of it.
    FailedRecord(&'a InstanceFacts),
    /// An instance of an earlier attempt is being deleted.
    Vanishing(String),
    /// The instance does not exist any more, and the operator did not delete it.
    Lost(String),
    /// The lists do not prove yet that the object has no instance.
    Unknown {
        /// How long lists begun now prove nothing.
        wait: Option<Duration>,
        /// What has to be shown first, for a condition.
        why: &'static str,
    },
    /// The object has no instance.
    None,
}

/// An instance as it was last seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting<'a> {
    /// The newest facts.
    pub(super) facts: &'a InstanceFacts,
    /// The detail, if this reconcile read it.
    pub(super) snapshot: Option<&'a InstanceSnapshot>,
}

/// Locates the instance of an object that is not being deleted.
pub(super) fn locate<'a>(o: &'a Observed, lists: &'a AccountLists) -> Location<'a> {
    match (o.status.id.as_deref(), o.policies.adopt.as_deref()) {
        (Some(id), _) => owned(o, lists, id),
        (None, Some(id)) => named(o, lists, id),
        (None, None) => unrecorded(o, lists),
    }
}

/// The status records no instance, and the spec names none.
fn unrecorded<'a>(o: &'a Observed, lists: &'a AccountLists) -> Location<'a> {
    let claims = claims(lists, &o.subject);
    if claims.is_ambiguous() {
        return Location::Ambiguous { claims, recorded: None, lost: None };
    }
    if let [found] = claims.ours.as_slice() {
        return owned(o, lists, &found.id);
    }
    if let Some(id) = unread(o, lists) {
        return id;
    }
    if let Some(location) = reclaiming(o, lists, &claims) {
        return location;
    }
    if let Some(record) = lists.failed.first() {
        return Location::FailedRecord(record);
    }
    unless_absent(o, lists)
}

/// An instance of the object's name that the list shows without tags has to be read first.
fn unread<'a>(o: &'a Observed, lists: &'a AccountLists) -> Option<Location<'a>> {
    let id = o.unread(lists)?;
    Some(match o.candidate(id) {
        Some(Detail::Failed(blocker)) => Location::Unreadable(blocker),
        Some(Detail::Found(_) | Detail::NotFound) | None => Location::NeedsTags(id),
    })
}

/// The operator has begun to take an instance back. That it had no other was proven before; the detail shows how far it
/// got, before the list does.
fn reclaiming<'a>(o: &'a Observed, lists: &'a AccountLists, claims: &Claims) -> Option<Location<'a>> {
    let operation =
        o.status.operation.as_ref().filter(|operation| operation.type_ == OperationType::Adopt)?;
    let id = operation.instance_id.as_deref()?;
    let left = claims.released.iter().chain(&claims.orphaned);
    let [_] = left.filter(|facts| facts.id == id).collect::<Vec<_>>()[..] else { return None };
    match o.candidate(id) {
        Some(Detail::Found(snapshot))
            if matches!(ownership_of(&snapshot.facts, &o.subject), Ownership::Ours(_)) =>
        {
            Some(exists(o, lists, &snapshot.facts, Some(snapshot)))
        }
        Some(_) | None => Some(Location::Reclaiming(id.to_owned())),
    }
}

fn unless_absent<'a>(o: &Observed, lists: &AccountLists) -> Location<'a> {
    match absence::assess(o, lists) {
        Absence::Proven => Location::None,
        Absence::Unproven { wait, why } => Location::Unknown { wait, why },
    }
}

/// The spec names an instance, and the status records none.
fn named<'a>(o: &'a Observed, lists: &'a AccountLists, id: &'a str) -> Location<'a> {
    // An instance that was requested and may still arrive would be a second one.
    let creation = o.status.operation.as_ref().filter(|operation| operation.type_ == OperationType::Create);
    if creation.is_some_and(intent::is_unresolved)
        && let Absence::Unproven { wait, why } = absence::assess(o, lists)
    {
        return Location::Unknown { wait, why };
    }
    match o.snapshot() {
        Some(snapshot)
            if is_live(&snapshot.facts)
                && matches!(ownership_of(&snapshot.facts, &o.subject), Ownership::Ours(_)) =>
        {
            owned(o, lists, id)
        }
        Some(_) | None => Location::Adopt(id),
    }
}

/// The instance `id` is the object's, by its tags, or by its status until its tags are read.
fn owned<'a>(o: &'a Observed, lists: &'a AccountLists, id: &str) -> Location<'a> {
    let listed = lists.listed(id).map(Arc::as_ref);
    let claims = claims(lists, &o.subject);
    let is_one_of_several = claims.is_ambiguous() && claims.ours.iter().any(|facts| facts.id == id);
    if is_one_of_several && o.policies.adopt.as_deref() != Some(id) {
        return Location::Ambiguous { claims, recorded: listed, lost: None };
    }
    // A read of another one, to which the tags led, counts if it found that one.
    let counts = |(read, detail): &&(String, Detail)| read == id || !matches!(detail, Detail::NotFound);
    let candidate = o.candidate(id).filter(|detail| matches!(detail, Detail::Found(_)));
    let read = o.lookups.detail.as_ref().filter(counts).map(|(_, detail)| detail).or(candidate);
    match (read, listed) {
        (Some(Detail::Found(snapshot)), _) => exists(o, lists, &snapshot.facts, Some(snapshot)),
        (Some(Detail::NotFound), _) if absence::may_be_invisible(o, id) => NOT_VISIBLE_YET,
        (Some(Detail::NotFound), _) if o.status.id.is_none() => Location::Vanishing(id.to_owned()),
        (Some(Detail::NotFound), _) => lost(o, lists, id),
        (Some(Detail::Failed(blocker)), _) => Location::Unreadable(blocker),
        (None, Some(facts)) => exists(o, lists, facts, None),
        (None, None) => unlisted(o, lists, id),
    }
}

fn exists<'a>(
    o: &Observed,
    lists: &'a AccountLists,
    facts: &'a InstanceFacts,
    snapshot: Option<&'a InstanceSnapshot>,
) -> Location<'a> {
    // The id in the status is only a hint. The one with the object's tags is the object's, and is read by its own id.
    if let ([other], Some(_)) = (claims(lists, &o.subject).ours.as_slice(), snapshot)
        && other.id != facts.id
        && o.policies.adopt.as_deref() != Some(facts.id.as_str())
        && !matches!(ownership_of(facts, &o.subject), Ownership::Ours(_))
        && let Some(facts) = lists.claimed(&other.id)
    {
        return Location::Instance(Sighting { facts, snapshot: None });
    }
    if facts.status == Some(InstanceStatus::CreateFailed) {
        return Location::FailedRecord(facts);
    }
    if o.status.id.is_none() && !is_live(facts) {
        return Location::Vanishing(facts.id.clone());
    }
    Location::Instance(Sighting { facts, snapshot })
}

/// No list shows the instance, and its detail was not read.
fn unlisted<'a>(o: &'a Observed, lists: &'a AccountLists, id: &str) -> Location<'a> {
    if let Some(record) = lists.failed.iter().find(|facts| facts.id == id) {
        return Location::FailedRecord(record);
    }
    if absence::may_be_invisible(o, id) {
        return NOT_VISIBLE_YET;
    }
    let confirmed = o.local.gone.as_ref().is_some_and(|(gone, at)| {
        gone == id && o.now.monotonic.saturating_sub(*at) < o.settings.requeue.resync_interval
    });
    if confirmed { lost(o, lists, id) } else { Location::NeedsDetail(id.to_owned()) }
}

/// The cloud says that the instance does not exist. The id in the status is only a hint: an instance with the
/// object's tags is the object's.
fn lost<'a>(o: &'a Observed, lists: &'a AccountLists, id: &str) -> Location<'a> {
    let mut claims = claims(lists, &o.subject);
    claims.ours.retain(|other| other.id != id && !o.is_gone(&other.id));
    if claims.is_ambiguous() {
        return Location::Ambiguous { claims, recorded: None, lost: Some(id.to_owned()) };
    }
    let other = claims.ours.first().map(|other| other.id.clone());
    match other.and_then(|other| lists.claimed(&other)) {
        Some(facts) => exists(o, lists, facts, None),
        None => unread(o, lists).unwrap_or_else(|| Location::Lost(id.to_owned())),
    }
}

/// Locates the instance of an object that is being deleted: the recorded one, else the only one with the object's
/// tags, else the one that the spec names of several.
pub(super) fn locate_for_deletion<'a>(o: &'a Observed, lists: &'a AccountLists) -> Deletable<'a> {
    let claims = claims(lists, &o.subject);
    let is_named = |id: &str| o.policies.adopt.as_deref() == Some(id);
    if let Some(recorded) = o.status.id.as_deref() {
        let has_others = claims.ours.iter().any(|facts| facts.id != recorded);
        if !has_others || is_named(recorded) {
            return Deletable::Instance(recorded.to_owned());
        }
        if !is_disproved(o, lists, recorded) {
            return Deletable::Ambiguous(claims);
        }
    }
    let found = match claims.ours.as_slice() {
        [] => None,
        [one] => Some(one),
        several => match several.iter().find(|facts| is_named(&facts.id)) {
            Some(one) => Some(one),
            None => return Deletable::Ambiguous(claims),
        },
    };
    if let Some(facts) = found.or(claims.deleting.first()) {
        return Deletable::Instance(facts.id.clone());
    }
    if let Some(id) = o.unread(lists) {
        return match o.candidate(id) {
            Some(Detail::Failed(blocker)) => Deletable::Unreadable(blocker),
            Some(Detail::Found(_) | Detail::NotFound) | None => Deletable::NeedsTags(id),
        };
    }
    // A release that was begun, of which the status has lost the id.
    let begun = claims.released.iter().find(|facts| tag(facts, OWNER_TAG).is_some());
    if let Some(facts) = begun {
        return Deletable::Instance(facts.id.clone());
    }
    match lists.failed.first() {
        Some(record) if o.policies.manages() => Deletable::FailedRecord(record),
        Some(_) | None => match absence::assess(o, lists) {
            Absence::Proven => Deletable::None,
            Absence::Unproven { wait, why } => Deletable::Unknown { wait, why },
        },
    }
}

/// The instance that the status records is not the object's, as the list shows, or does not exist.
fn is_disproved(o: &Observed, lists: &AccountLists, id: &str) -> bool {
    let shown = lists.listed(id).filter(|facts| !facts.tags.is_empty());
    o.is_gone(id) || shown.is_some_and(|facts| !matches!(ownership_of(facts, &o.subject), Ownership::Ours(_)))
}

/// What the deletion of an object has to remove.
#[derive(Debug)]
pub(super) enum Deletable<'a> {
    /// Several instances carry the object's tags.
    Ambiguous(Claims),
    /// This instance.
    Instance(String),
    /// The list shows an instance of the object's name without tags: its detail may show that it is the object's.
    NeedsTags(&'a str),
    /// The read of that detail failed.
    Unreadable(&'a Blocker),
    /// The record of an instance that the cloud could not create.
    FailedRecord(&'a InstanceFacts),
    /// The lists do not prove yet that nothing is left.
    Unknown {
        /// How long lists begun now prove nothing.
        wait: Option<Duration>,
        /// What has to be shown first, for a condition.
        why: &'static str,
    },
    /// Nothing.
    None,
}
