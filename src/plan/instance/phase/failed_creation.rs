//! An instance of ours that the cloud could not make: its record is removed before the next attempt.

use super::{
    create,
    decision::Decision,
    intent,
    observed::{Detail, Observed},
    ownership::{Ownership, ownership_of},
    step::{CloudAction, Lookup, Step},
};
use crate::{
    api::{Reason, words::OperationType},
    dcs::model::{InstanceFacts, InstanceStatus},
    plan::{Consent, Follow},
};

/// `facts` is what a list shows of it.
pub(super) fn decide(o: &Observed, facts: &InstanceFacts) -> Decision {
    let id = &facts.id;
    let why = facts.sub_status.as_deref().filter(|why| !why.is_empty()).unwrap_or("no reason given");
    let message =
        format!("the cloud could not make instance {id} ({why}); its record is removed before the next try");
    let pending = create::creating(o, &message).follow(Follow::ALL_LISTS);
    let record = match &o.lookups.detail {
        None => return pending.step(Step::Lookup(Lookup::Detail { id: id.clone() })),
        // The list is older than that: the next one will not show it.
        Some(Detail::NotFound) => return pending,
        Some(Detail::Failed(blocker)) => return pending.wait(o.retry_delay_for(blocker)),
        Some(Detail::Found(snapshot)) => &snapshot.facts,
    };
    match ownership_of(record, &o.subject) {
        Ownership::Ours(_) => {}
        Ownership::Unowned | Ownership::Foreign => {
            let message = format!("instance {id} no longer carries this object's mark: it is left alone");
            return Decision::blocked(o, Reason::MarkMissing, message);
        }
    }
    if record.status == Some(InstanceStatus::Deleting) {
        return pending;
    }
    let Some(consent) = Consent::never_made(record.status.as_ref()) else { return pending };
    let removal = o.status.operation.as_ref().filter(|operation| {
        operation.type_ == OperationType::DeleteFailed && operation.instance_id.as_ref() == Some(id)
    });
    if let Some(rest) = removal.and_then(|operation| intent::retry_after(o, operation)) {
        return pending.wait(rest);
    }
    let failed = Some(format!("the cloud could not make instance {id} ({why})"));
    pending.step(Step::CloudAction(CloudAction::Delete { id: id.clone(), consent, failed }))
}
