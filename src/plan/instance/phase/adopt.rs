//! Taking over an instance that exists: our mark is put on it, and it is the object's from then on.

use std::time::Duration;

use super::{
    absence,
    decision::Decision,
    desired::Desired,
    existing, intent,
    observed::{AccountLists, Detail, Observed},
    ownership::{Ownership, is_live, ownership_of},
    step::{CloudAction, Lookup, Step},
    tenancy,
};
use crate::{
    api::{Reason, words::OperationType},
    formats::{Origin, OwnershipTags},
    plan::{
        Follow,
        conditions::{Readiness, Situation},
    },
};

/// For an object without an instance, whose spec names one.
pub(super) fn decide(o: &Observed, desired: &Desired, lists: &AccountLists, id: &str) -> Decision {
    // An instance that was asked for and may still come would be a second one.
    if is_open_creation(o)
        && let Some(decision) = absence::await_lists(o, lists, |why| adopting(o, id, why))
    {
        return decision;
    }
    let snapshot = match &o.lookups.detail {
        None => return adopting(o, id, "").step(Step::Lookup(Lookup::Detail { id: id.to_owned() })),
        Some(Detail::NotFound) => return not_found(o, id),
        Some(Detail::Failed(blocker)) => return Decision::unanswered(o, blocker),
        Some(Detail::Found(snapshot)) => snapshot,
    };
    if !is_live(&snapshot.facts) {
        return not_found(o, id);
    }
    match ownership_of(&snapshot.facts, &o.subject) {
        Ownership::Ours(_) => existing::decide(o, desired, lists, id),
        Ownership::Foreign => owned(o, id),
        Ownership::Unowned => {
            tenancy::foreign_instance(o, &snapshot.facts).unwrap_or_else(|| mark(o, id, Origin::Adopted))
        }
    }
}

/// Puts the mark on an instance that carries none, or a damaged one of ours.
pub(super) fn mark(o: &Observed, id: &str, origin: Origin) -> Decision {
    if let Some(rest) = pause(o, id) {
        return adopting(o, id, "").wait(rest).follow(Follow::NEXT_LIST);
    }
    let mark = OwnershipTags::new(&o.subject.uid, &o.subject.owner, origin);
    adopting(o, id, "").step(Step::CloudAction(CloudAction::Adopt { id: id.to_owned(), mark }))
}

/// How long an earlier attempt to mark it has to be waited for.
fn pause(o: &Observed, id: &str) -> Option<Duration> {
    let operation = o.status.operation.as_ref()?;
    let same = operation.type_ == OperationType::Adopt && operation.instance_id.as_deref() == Some(id);
    if same { intent::blocked_for(o, operation) } else { None }
}

fn adopting(o: &Observed, id: &str, why: &str) -> Decision {
    let separator = if why.is_empty() { "" } else { ": " };
    let message = format!("instance {id} is being taken over{separator}{why}");
    let refused = o.status.operation.as_ref().filter(|operation| operation.type_ == OperationType::Adopt);
    let message = match refused.and_then(|operation| operation.message.as_ref()) {
        Some(problem) => format!("{message}; the last try: {problem}"),
        None => message,
    };
    Decision::new(o, Situation::Changing(Reason::Adopting), message)
        .follow(Follow::NEXT_LIST)
        .wait(o.settings.requeue.operation_check_interval)
}

fn is_open_creation(o: &Observed) -> bool {
    let creation = o.status.operation.as_ref().filter(|operation| operation.type_ == OperationType::Create);
    creation.is_some_and(intent::is_unresolved)
}

pub(super) fn not_found(o: &Observed, id: &str) -> Decision {
    let message = format!(
        "there is no instance {id} to take over in this project and region: correct adopt.instanceId or the credentials"
    );
    let missing = Readiness::Missing(Reason::InstanceNotFound);
    let decision = Decision::blocked(o, Reason::InstanceNotFound, message);
    decision.ready(missing, format!("instance {id} does not exist")).wait(o.needs_user())
}

pub(super) fn owned(o: &Observed, id: &str) -> Decision {
    let message = format!(
        "instance {id} carries the mark of another object: delete that object with deletionPolicy Retain first, or \
         remove the tags dcs-operator-* from the instance"
    );
    Decision::blocked(o, Reason::AlreadyOwned, message).wait(o.needs_user())
}
