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
            intent::{Attempted, Refusal, attempted},
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
    let record = match o.detail(id) {
        None => return pending.step(Step::Lookup(Lookup::Detail { id: id.clone() })),
        // The list is older than the read: the next list does not show the record.
        Some(Detail::NotFound) => return pending,
        Some(Detail::Failed(blocker)) => return Decision::lookup_failed(o, blocker),
        Some(Detail::Found(snapshot)) => &snapshot.facts,
    };
    match ownership_of(record, &o.subject) {
        Ownership::Ours(_) => {}
        Ownership::Released | Ownership::Orphaned | Ownership::Unowned | Ownership::Foreign => {
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
    let failed = Some(format!("DCS could not create instance {id} ({why})"));
    let step = Step::CloudAction(CloudAction::Delete { id: id.clone(), consent, failed });
    let refused = |refusal: Refusal| {
        let message = format!("the record of failed instance {id} cannot be removed: {}", refusal.message);
        Decision::blocked(o, refusal.reason, message)
    };
    match attempted(o, &OperationType::DeleteFailed, id) {
        Attempted::MayBegin(None) => pending.step(step),
        Attempted::MayBegin(Some(refusal)) => refused(refusal).step(step),
        Attempted::Waits(rest) => pending.wait(rest),
        Attempted::Refused(refusal, rest) => refused(refusal).wait(rest),
    }
}
