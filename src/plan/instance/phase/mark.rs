//! Putting the ownership tags on an instance.

use std::time::Duration;

use crate::{
    api::{Reason, words::OperationType},
    formats::{Origin, OwnershipTags},
    plan::instance::{
        action::{CloudAction, Step},
        decision::Decision,
        input::Observed,
        intent,
    },
};

/// Tags an instance that has no ownership tags, or only a part of the object's.
pub(super) fn put_tags(o: &Observed, id: &str, origin: Origin) -> Decision {
    let adopting = Decision::adopting(o, id, "");
    if let Some(rest) = blocked_by_attempt(o, id) {
        return adopting.wait(rest);
    }
    let mark = OwnershipTags::new(&o.subject.uid, &o.subject.owner, origin);
    adopting.step(Step::CloudAction(CloudAction::Adopt { id: id.to_owned(), mark }))
}

/// How long an earlier attempt to tag the instance blocks the next.
fn blocked_by_attempt(o: &Observed, id: &str) -> Option<Duration> {
    let operation = o.status.operation.as_ref()?;
    let same = operation.type_ == OperationType::Adopt && operation.instance_id.as_deref() == Some(id);
    if same { intent::blocked_for(o, operation) } else { None }
}

/// The instance carries another object's tags.
pub(super) fn already_owned(o: &Observed, id: &str) -> Decision {
    let message = format!(
        "instance {id} carries the ownership tags of another object: delete that object with deletionPolicy Retain \
         first, or remove the tags dcs-operator-* from the instance"
    );
    Decision::blocked(o, Reason::AlreadyOwned, message).wait(o.needs_user())
}
