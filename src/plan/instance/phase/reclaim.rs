//! Taking back the instance that an earlier object of the same namespace and name left behind, before a new one is
//! created.

use super::{create, mark};
use crate::{
    api::{Reason, instance::ReclaimPolicy, words::Impact},
    formats::{RELEASED_TAG, auth_secret_name},
    plan::{
        conditions::{Readiness, Situation},
        instance::{
            action::{Lookup, Step},
            decision::Decision,
            diff::Differences,
            input::{
                Desired, Observed,
                lists::AccountLists,
                observed::{Detail, InstanceSnapshot},
                ownership::{Claims, Ownership, claims, ids, is_live, kept_origin, ownership_of, tag},
            },
        },
    },
};

/// Takes an instance back, or creates one. The lists prove that the object has none.
pub(in crate::plan::instance) fn decide(o: &Observed, desired: &Desired, lists: &AccountLists) -> Decision {
    before_creation(o, desired, lists).unwrap_or_else(|| create::decide(o, desired))
}

/// What an earlier object left behind is taken back, or prevents a new instance; `None` if it left nothing that counts.
pub(super) fn before_creation(o: &Observed, desired: &Desired, lists: &AccountLists) -> Option<Decision> {
    let Claims { orphaned, released, ours: _, deleting: _ } = claims(lists, &o.subject);
    let counts = match o.reclaim_policy() {
        ReclaimPolicy::Released | ReclaimPolicy::Orphaned => released,
        ReclaimPolicy::None => Vec::new(),
    };
    match orphaned.iter().chain(&counts).collect::<Vec<_>>()[..] {
        [] => None,
        [one] => take_back(o, desired, &one.id),
        [..] => {
            let all = ids(&[orphaned, counts].concat());
            let message = format!(
                "earlier objects of this name left several instances behind: {all}; set adopt.instanceId to the ID of a \
                 released one to take it over, or reclaimPolicy to None for a new instance, or delete what nobody needs"
            );
            Some(Decision::blocked(o, Reason::ReclaimBlocked, message))
        }
    }
}

/// The blocker of the last visit, while the lists show the instance of an earlier object that causes it. It needs no proof
/// that the object has no instance of its own: at each visit, that would take several lists.
pub(in crate::plan::instance) fn keep_blocked(
    o: &Observed,
    desired: &Desired,
    lists: &AccountLists,
) -> Option<Decision> {
    match (create::last_blocker(o)?.0, claims(lists, &o.subject).orphaned.as_slice()) {
        (Reason::AmbiguousOwnership, [one]) if o.reclaim_policy() != ReclaimPolicy::Orphaned => {
            Some(left_behind(o, &one.id))
        }
        (Reason::ReclaimBlocked, _) => before_creation(o, desired, lists).filter(|decision| {
            let is_blocked = matches!(decision.assessment.situation, Situation::Blocked(_));
            is_blocked || matches!(decision.step, Step::Lookup(_))
        }),
        _ => None,
    }
}

/// Goes on to take back the instance `id`.
pub(in crate::plan::instance) fn go_on(o: &Observed, desired: &Desired, id: &str) -> Decision {
    // It was taken by somebody else meanwhile, or does not exist any more: the next list shows it.
    take_back(o, desired, id).unwrap_or_else(|| create::wait_for_lists(o, None, LEFT))
}

const LEFT: &str = "an earlier object of this name left an instance behind, which the operator reads";

/// Takes back the instance `id`, as its detail is now; `None` if there is nothing to take back.
fn take_back(o: &Observed, desired: &Desired, id: &str) -> Option<Decision> {
    let snapshot = match o.candidate(id) {
        None => {
            let lookup = Step::Lookup(Lookup::Candidate { id: id.to_owned() });
            return Some(Decision::creating(o, LEFT).step(lookup));
        }
        Some(Detail::Failed(blocker)) => return Some(Decision::lookup_failed(o, blocker)),
        // The list is older than the read.
        Some(Detail::NotFound) => return Some(Decision::creating(o, LEFT).until_proven(None)),
        Some(Detail::Found(snapshot)) => snapshot,
    };
    let facts = &snapshot.facts;
    if !is_live(facts) {
        return Some(Decision::creating(o, LEFT).until_proven(None));
    }
    let needs_record = match (ownership_of(facts, &o.subject), o.reclaim_policy()) {
        (Ownership::Orphaned, ReclaimPolicy::Released | ReclaimPolicy::None) => {
            return Some(left_behind(o, id));
        }
        (Ownership::Released, ReclaimPolicy::None) => return None,
        (Ownership::Released, ReclaimPolicy::Released) => true,
        (Ownership::Released | Ownership::Orphaned, ReclaimPolicy::Orphaned) => false,
        // An early version released it, and no tag names the owner.
        (Ownership::Unowned, ReclaimPolicy::Released | ReclaimPolicy::Orphaned)
            if tag(facts, RELEASED_TAG).is_some() =>
        {
            return Some(blocked(
                o,
                id,
                "an earlier version of the operator released it, without noting its owner",
            ));
        }
        (Ownership::Ours(_) | Ownership::Unowned | Ownership::Foreign, _) => {
            return Some(Decision::creating(o, LEFT).until_proven(None));
        }
    };
    Some(check(o, desired, snapshot, needs_record).unwrap_or_else(|| {
        let why = "an earlier object of this name left it behind";
        let decision = mark::put_tags(o, facts, kept_origin(facts, &o.subject), why);
        match decision.readiness {
            Some(_) => decision,
            None => {
                let missing = Readiness::Missing(Reason::Adopting);
                decision.ready(missing, format!("instance {id} is not taken back yet"))
            }
        }
    }))
}

/// What keeps an instance from being taken back: the record of this namespace, or a field that it keeps for life.
fn check(
    o: &Observed,
    desired: &Desired,
    snapshot: &InstanceSnapshot,
    needs_record: bool,
) -> Option<Decision> {
    let id = snapshot.facts.id.as_str();
    if needs_record && o.notes.recorded_instance() != Some(id) {
        let record = auth_secret_name(&o.subject.name);
        let why = format!(
            "Secret {record}, which would show that it belongs to this namespace, does not note its ID"
        );
        return Some(blocked(o, id, &why));
    }
    let differences = Differences::between(desired, &snapshot.facts, Some(snapshot), None, None);
    let immutable = differences.changes.iter().filter(|change| change.impact == Impact::Immutable);
    let fields: Vec<_> = immutable.map(|change| change.field.as_str()).collect();
    (!fields.is_empty()).then(|| {
        let why = format!("it differs from the spec in {}, which cannot change", fields.join(", "));
        blocked(o, id, &why)
    })
}

fn blocked(o: &Observed, id: &str, why: &str) -> Decision {
    let message = format!(
        "an earlier object of this name released instance {id}, but {why}: set adopt.instanceId to {id} to take it over, \
         or reclaimPolicy to None for a new instance"
    );
    Decision::blocked(o, Reason::ReclaimBlocked, message)
}

/// An earlier object vanished without releasing its instance.
fn left_behind(o: &Observed, id: &str) -> Decision {
    let message = format!(
        "an earlier object of this name left instance {id} behind: set reclaimPolicy to Orphaned to take it over, provided \
         that no other cluster runs with this cluster ID; or remove its tags dcs-operator-*; or delete it"
    );
    Decision::blocked(o, Reason::AmbiguousOwnership, message)
}
