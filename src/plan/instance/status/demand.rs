//! Which lists an object demands, derived from its situation: the only place that chooses.

use crate::{
    api::Reason,
    inventory::demand::Demand,
    plan::{
        conditions::Situation,
        instance::{
            decision::Decision,
            input::{Observed, observed::Detail},
        },
    },
};

/// The lists that wake the object, and how soon they are needed.
pub(super) fn demand(o: &Observed, decision: &Decision) -> Demand {
    if decision.needs_lists {
        return Demand::ALL_LISTS;
    }
    let demand = by_situation(o, decision);
    // A read that is newer than the list may be undone before the next list, which then looks like the present one and
    // wakes nothing.
    if has_read_ahead_of_list(o, decision) || o.lists.as_ref().is_some_and(|lists| lists.overlaid) {
        return Demand { active: true, every_list: true, ..demand };
    }
    demand
}

fn by_situation(o: &Observed, decision: &Decision) -> Demand {
    let account_trouble = o.lists.as_ref().is_some_and(|lists| lists.trouble.is_some());
    match decision.assessment.situation {
        Situation::NotObservedYet => Demand::NEXT_LIST,
        Situation::Creating if decision.facts.is_none() && decision.has_effective_operation() => {
            Demand::ALL_LISTS
        }
        Situation::Creating | Situation::Changing(Reason::Resizing) => Demand::CHANGES,
        // A failed read is repeated after its own delay, not with each list.
        Situation::Changing(_) if matches!(o.lookups.detail, Some(Detail::Failed(_))) => Demand::IDLE,
        Situation::Changing(_) if o.policies.manages() => Demand::NEXT_LIST,
        Situation::Changing(_) => Demand::CHANGES,
        Situation::NotServing { .. } if o.policies.manages() => Demand::CHANGES,
        Situation::Deleting if o.lists.as_ref().is_none_or(|lists| lists.latest.is_none()) => {
            Demand::NEXT_LIST
        }
        Situation::Deleting => Demand::CHANGES,
        Situation::Blocked(Reason::AmbiguousOwnership)
        | Situation::DeletionBlocked(Reason::AmbiguousOwnership) => Demand::EVERY_LIST,
        Situation::Unreachable(_) | Situation::TooOld | Situation::Blocked(_) if account_trouble => {
            Demand::EVERY_LIST
        }
        Situation::TooOld => Demand::NEXT_LIST,
        Situation::InSync
        | Situation::NotServing { .. }
        | Situation::Waiting(_)
        | Situation::Paused
        | Situation::Unreachable(_)
        | Situation::Blocked(_)
        | Situation::DeletionPaused
        | Situation::DeletionBlocked(_) => Demand::IDLE,
    }
}

/// This reconcile read the object's instance, and the newest list does not show what it found.
fn has_read_ahead_of_list(o: &Observed, decision: &Decision) -> bool {
    let is_deletion = matches!(
        decision.assessment.situation,
        Situation::Deleting | Situation::DeletionPaused | Situation::DeletionBlocked(_)
    );
    let (Some(snapshot), Some(facts), false) = (o.snapshot(), &decision.facts, is_deletion) else {
        return false;
    };
    let listed = o.lists.as_ref().and_then(|lists| lists.listed(&snapshot.facts.id));
    snapshot.facts.id == facts.id && listed.is_none_or(|listed| **listed != snapshot.facts)
}
