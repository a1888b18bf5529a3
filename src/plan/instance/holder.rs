//! Who may operate on the instance: the DcsInstance itself, or one object of another kind at a time.

use super::{
    action::Step,
    decision::Decision,
    input::{
        Observed,
        ownership::{Ownership, ownership_of},
    },
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
        Situation::InSync | Situation::Waiting(_) | Situation::Blocked(_) => true,
        Situation::NotObservedYet
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
    let is_own = decision.facts.as_ref().is_some_and(|facts| {
        !o.policies.manages() || matches!(ownership_of(facts, &o.subject), Ownership::Ours(_))
    });
    rests && is_own && decision.step == Step::Nothing && !decision.has_effective_operation()
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
    let message =
        format!("{what} once {kind} {name}, which operates on it, has ended; to end it sooner, delete it");
    let wait = o.settings.requeue.resync_interval(&o.subject.uid);
    Decision { step: Step::Nothing, assessment: Assessment { situation, message }, wait, ..decision }
}
