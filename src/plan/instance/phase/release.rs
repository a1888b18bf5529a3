//! Releasing an instance: it stays, without the object's tags, and notes which owner released it.

use std::time::Duration;

use crate::{
    api::words::OperationType,
    dcs::model::InstanceFacts,
    plan::instance::{
        action::{CloudAction, KubeAction, Step},
        decision::Decision,
        input::{Observed, local::WritePurpose, secrets::SecretNotes},
        intent::{Attempted, attempted},
        tagging::OwnershipChange,
    },
};

/// Takes the ownership tags off the instance, one part after the other; `None` once that is done. `releasing` reports the
/// release, `refused` one that DCS refuses.
pub(super) fn decide(
    o: &Observed,
    facts: &InstanceFacts,
    releasing: Decision,
    refused: impl Fn(crate::api::Reason, String) -> Decision,
) -> Option<Decision> {
    let id = facts.id.as_str();
    let change = OwnershipChange::towards_release(facts, &o.subject)?;
    if has_unmarked_secrets(o, id) {
        return Some(releasing.step(Step::Prepare(KubeAction::KeepSecrets { id: id.to_owned() })));
    }
    let step = Step::CloudAction(CloudAction::Release { id: id.to_owned(), change });
    let cannot = |message: &str| format!("instance {id} cannot be released: {message}");
    Some(match attempted(o, &OperationType::Release, id) {
        Attempted::MayBegin(None) => releasing.step(step).wait(Duration::ZERO),
        Attempted::MayBegin(Some(refusal)) => {
            refused(refusal.reason, cannot(&refusal.message)).step(step).wait(Duration::ZERO)
        }
        Attempted::Waits(rest) => releasing.wait(rest),
        Attempted::Refused(refusal, rest) => refused(refusal.reason, cannot(&refusal.message)).wait(rest),
    })
}

/// The Secrets do not name the instance that stays: whoever takes it back could not tell whose they are. Secrets of an
/// earlier version would be deleted with the object.
fn has_unmarked_secrets(o: &Observed, id: &str) -> bool {
    let is_unmarked = |notes: &SecretNotes| {
        notes.instance.as_ref() != Some(&o.subject.name) || notes.instance_id.as_deref() != Some(id)
    };
    let mut secrets = o.notes.record.iter().chain(&o.notes.binding);
    !o.local.kept
        && o.refused(WritePurpose::Release).is_none()
        && (o.notes.legacy || secrets.any(is_unmarked))
}
