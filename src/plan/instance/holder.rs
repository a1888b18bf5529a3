//! Who may operate on the instance: the DcsInstance itself, or one object of another kind at a time.

use super::{
    action::Step,
    decision::Decision,
    input::{
        Observed,
        ownership::{Ownership, ownership_of},
    },
    intent::is_unresolved,
    status::observation,
};
use crate::{
    api::{Reason, instance::Holder},
    plan::{
        claims::next_holder,
        conditions::{Assessment, Situation},
    },
};

/// The object that operates on the instance from now on.
pub(super) fn next(o: &Observed, decision: &Decision) -> Option<Holder> {
    next_holder(o.status.holder.as_ref(), o.claims.as_deref(), is_idle(o, decision))
}

/// The instance serves, and the operator has no change of its own under way.
fn is_idle(o: &Observed, decision: &Decision) -> bool {
    let rests = match decision.assessment.situation {
        Situation::InSync
        | Situation::Waiting(_)
        | Situation::Blocked(Reason::UnsupportedChange | Reason::InvalidSpec) => true,
        Situation::Blocked(_)
        | Situation::NotObservedYet
        | Situation::Creating
        | Situation::Changing(_)
        | Situation::NotServing { .. }
        | Situation::Paused
        | Situation::Unreachable(_)
        | Situation::TooOld
        | Situation::Deleting
        | Situation::DeletionPaused
        | Situation::DeletionBlocked(_) => false,
    };
    let is_usable = decision.facts.as_ref().is_some_and(|facts| {
        let is_allowed = match ownership_of(facts, &o.subject) {
            Ownership::Ours(_) => true,
            // An object that only observes makes no change of its own. Another object may manage the instance: DCS does not
            // begin two tasks at once.
            Ownership::Foreign | Ownership::Unowned | Ownership::Released | Ownership::Orphaned => {
                !o.policies.manages()
            }
        };
        is_allowed && observation::serves(facts.status.as_ref()).is_ok()
    });
    let is_open = decision.operation.as_ref().is_some_and(is_unresolved);
    rests && is_usable && decision.step == Step::Nothing && !is_open
}

/// Makes no change while another object operates on the instance: it is woken when that has ended.
pub(super) fn wait_for(o: &Observed, holder: Option<&Holder>, decision: Decision) -> Decision {
    let (Some(Holder { kind, name, .. }), Step::CloudAction(_)) = (holder, &decision.step) else {
        return decision;
    };
    let (situation, what) = if o.subject.deleting {
        (Situation::Deleting, "the instance is deleted or released")
    } else {
        (Situation::Changing(Reason::WaitingForInstance), "the instance is changed")
    };
    let message = format!(
        "{what} once {kind} {name}, which operates on it, has ended; deleting it ends it sooner, unless DCS has begun"
    );
    // While not every claim is known, nothing wakes the object.
    let wait = match &o.claims {
        Some(_) => o.settings.requeue.resync_interval(&o.subject.uid),
        None => o.settings.requeue.operation_check_interval,
    };
    Decision { step: Step::Nothing, assessment: Assessment { situation, message }, wait, ..decision }
}
