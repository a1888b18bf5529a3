//! Taking over an instance that exists: our mark is put on it, and it is the object's from then on.

use super::{
    decision::Decision,
    desired::Desired,
    existing, intent,
    lookup::{self, Lookup},
    observed::{Detail, Lists, Observed},
    ownership::{Belongs, belongs, is_live},
    step::{Change, Look, Step},
};
use crate::{
    api::{Reason, words::OperationType},
    formats::{Mark, Origin},
    plan::{
        Follow,
        conditions::{Readiness, Situation},
    },
};

/// For an object without an instance, whose spec names one.
pub(super) fn decide(o: &Observed, desired: &Desired, lists: &Lists, id: &str) -> Decision {
    // An instance that was asked for and may still come would be a second one.
    if is_open_creation(o) {
        match lookup::lookup(o, lists) {
            Lookup::TooSoon(rest, why) => return adopting(o, id, why).wait(rest).follow(Follow::ALL_LISTS),
            Lookup::Pending(why) => return adopting(o, id, why).follow(Follow::ALL_LISTS),
            Lookup::Nothing => {}
        }
    }
    let closeup = match &o.looks.detail {
        None => return adopting(o, id, "").step(Step::Look(Look::Detail { id: id.to_owned() })),
        Some(Detail::NotFound) => return not_found(o, id),
        Some(Detail::Failed(obstacle)) => {
            let decision = Decision::new(o, Situation::Unreachable(obstacle.reason), &obstacle.message);
            return decision.wait(obstacle.pace().gap(o.memory.failures.max(1)));
        }
        Some(Detail::Found(closeup)) => closeup,
    };
    if !is_live(&closeup.facts) {
        return not_found(o, id);
    }
    match belongs(&closeup.facts, &o.subject) {
        Belongs::Us(_) => existing::decide(o, desired, lists, id),
        Belongs::Another => owned(o, id),
        Belongs::Nobody => mark(o, id, Origin::Adopted),
    }
}

/// Puts the mark on an instance that carries none, or a damaged one of ours.
pub(super) fn mark(o: &Observed, id: &str, origin: Origin) -> Decision {
    if let Some(rest) = pause(o, id) {
        return adopting(o, id, "").wait(rest).follow(Follow::NEXT_LIST);
    }
    let mark = Mark::new(&o.subject.uid, &o.subject.owner, origin);
    adopting(o, id, "").step(Step::Change(Change::Adopt { id: id.to_owned(), mark }))
}

/// How long an earlier attempt to mark it has to be waited for.
fn pause(o: &Observed, id: &str) -> Option<std::time::Duration> {
    let operation = o.status.operation.as_ref()?;
    if operation.type_ != OperationType::Adopt || operation.instance_id.as_deref() != Some(id) {
        return None;
    }
    if intent::is_open(operation) {
        return o.window_end().checked_sub(o.now.monotonic).filter(|rest| !rest.is_zero());
    }
    intent::hold(o, operation)
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
        .wait(std::time::Duration::from_secs(60))
}

fn is_open_creation(o: &Observed) -> bool {
    let creation = o.status.operation.as_ref().filter(|operation| operation.type_ == OperationType::Create);
    creation.is_some_and(intent::is_open)
}

pub(super) fn not_found(o: &Observed, id: &str) -> Decision {
    let message = format!(
        "there is no instance {id} to take over in this project and region: correct adopt.instanceId or the credentials"
    );
    let missing = Readiness::Missing(Reason::InstanceNotFound);
    let decision = Decision::blocked(o, Reason::InstanceNotFound, message);
    decision
        .ready(missing, format!("instance {id} does not exist"))
        .wait(crate::plan::schedule::Pace::Slow.gap(1))
}

pub(super) fn owned(o: &Observed, id: &str) -> Decision {
    let message = format!(
        "instance {id} carries the mark of another object: delete that object with deletionPolicy Retain first, or \
         remove the tags dcs-operator-* from the instance"
    );
    Decision::blocked(o, Reason::AlreadyOwned, message).wait(crate::plan::schedule::Pace::Slow.gap(1))
}
