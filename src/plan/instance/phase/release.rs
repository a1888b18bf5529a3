//! Releasing an instance: it stays, without the object's tags, and notes which owner released it.

use std::time::Duration;

use crate::{
    api::words::OperationType,
    dcs::model::InstanceFacts,
    plan::instance::{
        action::{CloudAction, Step},
        decision::Decision,
        input::Observed,
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
