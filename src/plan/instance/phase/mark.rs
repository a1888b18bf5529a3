//! Putting the ownership tags on an instance.

use crate::{
    api::{Reason, words::OperationType},
    dcs::model::InstanceFacts,
    formats::{Origin, OwnershipTags},
    plan::{
        conditions::Readiness,
        instance::{
            action::{CloudAction, Step},
            decision::Decision,
            input::{
                Observed,
                ownership::{claims, ids},
            },
            intent::{Attempted, attempted},
            tagging::OwnershipChange,
        },
    },
};

/// Tags an instance that has no ownership tags, only a part of the object's, or the note of a release. `why` says what
/// permits it, if that is not `adopt.instanceId`.
pub(super) fn put_tags(o: &Observed, facts: &InstanceFacts, origin: Origin, why: &str) -> Decision {
    let id = facts.id.as_str();
    if let Some(decision) = has_another(o, id) {
        return decision;
    }
    let mark = OwnershipTags::new(&o.subject.uid, &o.subject.owner, origin);
    let change = OwnershipChange::towards_mark(facts, &o.subject, mark);
    let step = Step::CloudAction(CloudAction::Adopt { id: id.to_owned(), change });
    match attempted(o, &OperationType::Adopt, id) {
        Attempted::MayBegin(None) => Decision::adopting(o, id, why).step(step),
        Attempted::MayBegin(Some(refusal)) => Decision::adoption_refused(o, id, &refusal).step(step),
        Attempted::Waits(rest) => Decision::adopting(o, id, why).wait(rest),
        Attempted::Refused(refusal, rest) => Decision::adoption_refused(o, id, &refusal).wait(rest),
    }
}

/// Another instance carries the object's tags already.
fn has_another(o: &Observed, id: &str) -> Option<Decision> {
    let mut others = claims(o.lists.as_ref()?, &o.subject).ours;
    others.retain(|facts| facts.id != id);
    let message = format!(
        "instance {id} is not adopted, because this object has an instance already: {}; remove adopt.instanceId, or \
         remove the tags dcs-operator-* from that instance",
        ids(&others)
    );
    (!others.is_empty()).then(|| Decision::blocked(o, Reason::AmbiguousOwnership, message))
}

/// The instance carries another object's tags.
pub(super) fn already_owned(o: &Observed, id: &str) -> Decision {
    let message = format!(
        "instance {id} carries the ownership tags of another object: delete that object with deletionPolicy Retain \
         first, or remove the tags dcs-operator-* from the instance; if an earlier object of this name left it behind, set \
         reclaimPolicy to Orphaned instead of adopt"
    );
    Decision::blocked(o, Reason::AlreadyOwned, message)
        .ready(Readiness::Missing(Reason::AlreadyOwned), format!("instance {id} belongs to another object"))
        .wait(o.needs_user())
        .disowned()
}
