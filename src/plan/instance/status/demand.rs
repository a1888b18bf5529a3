//! Which lists an object demands, derived from its situation: the only place that chooses.

use chrono::TimeDelta;

use crate::{
    api::{ConditionType, Reason, instance::OperationStatus, time, words::OperationType},
    inventory::demand::Demand,
    plan::{
        conditions::Situation,
        instance::{
            action::Step,
            decision::Decision,
            input::{Observed, observed::Detail},
            intent::is_unresolved,
        },
    },
};

/// After this time, a change that is expected is noticed at the idle poll interval.
const LONG: TimeDelta = TimeDelta::hours(1);

/// The lists that wake the object, and how soon they are needed.
pub(super) fn demand(o: &Observed, decision: &Decision) -> Demand {
    if decision.needs_lists {
        return Demand::ALL_LISTS;
    }
    let demand = if waits_after_refusal(decision) { Demand::IDLE } else { by_situation(o, decision) };
    let demand = Demand { active: demand.active && !lasts(o, decision), ..demand };
    // A read that is newer than the list may be undone before the next list, which then looks like the present one and
    // wakes nothing.
    if has_read_ahead_of_list(o, decision) || o.lists.as_ref().is_some_and(|lists| lists.overlaid) {
        return Demand { active: demand.active || !differs_for_long(o), every_list: true, ..demand };
    }
    demand
}

/// The last request was refused, and nothing is asked for now: no list shows a change.
fn waits_after_refusal(decision: &Decision) -> bool {
    let situation = decision.assessment.situation;
    // An instance that is being created was found in spite of the refusal.
    let is_found = situation == Situation::Creating && decision.facts.is_some();
    let works = situation.is_in_progress() && !is_found;
    let refused = decision.operation.is_some() && !decision.has_effective_operation();
    let fails = decision.operation.as_ref().is_some_and(fails_repeatedly);
    works && (refused || fails) && decision.step == Step::Nothing
}

/// The outcome of an update is unknown once more: a list that shows its effect wakes the object at any interval.
fn fails_repeatedly(operation: &OperationStatus) -> bool {
    let updates = matches!(operation.type_, OperationType::Update | OperationType::UpdateTags);
    updates && is_unresolved(operation) && operation.attempt > 2
}

/// What a list has to show did not happen for so long that it need not be noticed within seconds.
fn lasts(o: &Observed, decision: &Decision) -> bool {
    let type_ = match decision.assessment.situation {
        Situation::NotServing { .. } => ConditionType::Ready,
        Situation::Creating | Situation::Changing(_) | Situation::Deleting => ConditionType::Reconciling,
        Situation::NotObservedYet
        | Situation::InSync
        | Situation::Waiting(_)
        | Situation::Paused
        | Situation::Unreachable(_)
        | Situation::TooOld
        | Situation::Blocked(_)
        | Situation::DeletionPaused
        | Situation::DeletionBlocked(_) => return false,
    };
    let condition = o.status.conditions.iter().find(|condition| condition.type_ == type_.as_str());
    let since = condition.map(|condition| time::from_kube(&condition.last_transition_time));
    since.is_some_and(|since| o.now.wall.signed_duration_since(since) > LONG)
}

/// Reads of the detail differ from the lists for longer than lists lag.
fn differs_for_long(o: &Observed) -> bool {
    let since = o.local.differs_since.unwrap_or(o.now.monotonic);
    o.now.monotonic.saturating_sub(since) > o.settings.list_consistency_window.saturating_mul(2)
}

/// Whether DCS ends this state by itself, within minutes.
fn passes(why: Reason) -> bool {
    matches!(
        why,
        Reason::Creating
            | Reason::Restarting
            | Reason::Starting
            | Reason::Restoring
            | Reason::Flushing
            | Reason::Migrating
            | Reason::Upgrading
            | Reason::Deleting
    )
}

fn by_situation(o: &Observed, decision: &Decision) -> Demand {
    let account_trouble = o.lists.as_ref().is_some_and(|lists| lists.trouble.is_some());
    match decision.assessment.situation {
        Situation::NotObservedYet => Demand::NEXT_LIST,
        Situation::Creating if decision.facts.is_none() && decision.has_effective_operation() => {
            Demand::ALL_LISTS
        }
        Situation::Creating | Situation::Changing(Reason::Resizing) => Demand::CHANGES,
        // The end of the other operation wakes the object.
        Situation::Changing(Reason::WaitingForInstance) => Demand::IDLE,
        // A failed read is repeated after its own delay, not with each list.
        Situation::Changing(_) if matches!(o.lookups.detail, Some((_, Detail::Failed(_)))) => Demand::IDLE,
        Situation::Changing(_) if o.policies.manages() => Demand::NEXT_LIST,
        Situation::Changing(_) => Demand::CHANGES,
        Situation::NotServing { why, .. } if o.policies.manages() && passes(why) => Demand::CHANGES,
        Situation::Deleting if o.lists.as_ref().is_none_or(|lists| lists.latest.is_none()) => {
            Demand::NEXT_LIST
        }
        Situation::Deleting => Demand::CHANGES,
        Situation::Blocked(Reason::AmbiguousOwnership)
        | Situation::DeletionBlocked(Reason::AmbiguousOwnership) => Demand::EVERY_LIST,
        Situation::Unreachable(_) | Situation::TooOld | Situation::Blocked(_) if account_trouble => {
            Demand::EVERY_LIST
        }
        Situation::TooOld => Demand::EVERY_LIST,
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
    let Some(facts) = decision.facts.as_ref().filter(|_| !is_deletion) else { return false };
    let Some(snapshot) = o.snapshot_of(&facts.id) else { return false };
    let listed = o.lists.as_ref().and_then(|lists| lists.listed(&facts.id));
    listed.is_none_or(|listed| **listed != snapshot.facts)
}
