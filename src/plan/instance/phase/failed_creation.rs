//! The cloud could not create the instance: its record is removed before the next attempt.

use crate::{
    api::{Reason, words::OperationType},
    dcs::model::{InstanceFacts, InstanceStatus},
    plan::{
        Consent,
        instance::{
            action::{CloudAction, Lookup, Step},
            decision::Decision,
            input::{
                Observed,
                observed::Detail,
                ownership::{Ownership, ownership_of},
            },
            intent,
        },
    },
};

/// Removes the record `facts`, as a list shows it.
pub(in crate::plan::instance) fn decide(o: &Observed, facts: &InstanceFacts) -> Decision {
    let id = &facts.id;
    let why = facts.sub_status.as_deref().filter(|why| !why.is_empty()).unwrap_or("no reason given");
    let message =
        format!("DCS could not create instance {id} ({why}); its record is removed before the next attempt");
    let pending = Decision::creating(o, &message).until_proven(None);
    let record = match &o.lookups.detail {
        None => return pending.step(Step::Lookup(Lookup::Detail { id: id.clone() })),
        // The list is older than the read: the next list does not show the record.
        Some(Detail::NotFound) => return pending,
        Some(Detail::Failed(blocker)) => return pending.wait(o.retry_delay_for(blocker)),
        Some(Detail::Found(snapshot)) => &snapshot.facts,
    };
    match ownership_of(record, &o.subject) {
        Ownership::Ours(_) => {}
        Ownership::Unowned | Ownership::Foreign => {
            let message = format!(
                "instance {id} does not carry this object's tags any more: the operator leaves it alone"
            );
            return Decision::blocked(o, Reason::MarkMissing, message);
        }
    }
    if record.status == Some(InstanceStatus::Deleting) {
        return pending;
    }
    let Some(consent) = Consent::never_created(record.status.as_ref()) else { return pending };
    let removal = o.status.operation.as_ref().filter(|operation| {
        operation.type_ == OperationType::DeleteFailed && operation.instance_id.as_ref() == Some(id)
    });
    if let Some(rest) = removal.and_then(|operation| intent::retry_after(o, operation)) {
        return pending.wait(rest);
    }
    let failed = Some(format!("DCS could not create instance {id} ({why})"));
    pending.step(Step::CloudAction(CloudAction::Delete { id: id.clone(), consent, failed }))
}
