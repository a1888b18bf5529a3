//! Changes that are requested again although the cloud accepted them: they have no effect, or something undoes them.
//! Each is asked for at growing intervals, and the count survives a restart.

use std::time::Duration;

use chrono::TimeDelta;

use super::{action::CloudAction, input::observed::Observed};
use crate::{
    api::{
        ConditionType, Reason,
        instance::{OperationStatus, PendingChange, RepeatedChange},
        time,
        words::{Impact, OperationOutcome, OperationType},
    },
    plan::schedule::RetryClass,
};

/// From this many requests on, a change that does not show is reported.
const INEFFECTIVE_FROM: i32 = 2;
/// The longest list that the status holds.
const MAX_CHANGES: usize = 64;

/// How long until the change of `field`, by an operation of this type, may be requested again; `None` if now.
pub(super) fn wait(o: &Observed, type_: &OperationType, field: &str) -> Option<Duration> {
    let Some(repeated) = find(o, field).filter(|_| o.retry_token().is_none()) else {
        let last = o.status.operation.as_ref().filter(|last| asked_before(last, type_, field))?;
        return o.attempts().retry_after(last);
    };
    let times = u32::try_from(repeated.times).unwrap_or(1);
    let delay = o.retry_delay(RetryClass::Ineffective, times);
    delay.checked_sub(elapsed(o, repeated)).filter(|rest| !rest.is_zero())
}

/// Whether the change of `field` was accepted several times, and still has to be made.
pub(super) fn is_ineffective(o: &Observed, field: &str) -> bool {
    find(o, field).is_some_and(|repeated| repeated.times >= INEFFECTIVE_FROM)
}

/// The counts that still matter.
pub(super) fn remembered(o: &Observed) -> Vec<RepeatedChange> {
    o.status.repeated_changes.iter().filter(|repeated| applies(o, repeated)).cloned().collect()
}

/// The counts once `action` is sent. The first request after an edit of the spec is not counted; a repair is.
pub(super) fn record(o: &Observed, action: &CloudAction) -> Vec<RepeatedChange> {
    let mut repeated = remembered(o);
    for field in fields(action) {
        let before = repeated.iter().find(|other| other.field == field).map(|other| other.times);
        let accepted =
            o.status.operation.as_ref().is_some_and(|last| asked_before(last, &action.type_(), &field));
        let Some(before) = before.or(accepted.then_some(1)).or(was_in_sync(o).then_some(0)) else { continue };
        repeated.retain(|other| other.field != field);
        repeated.push(RepeatedChange {
            field,
            times: before.saturating_add(1),
            generation: o.subject.generation,
            last_at: time::to_kube(o.now.wall),
        });
    }
    repeated.truncate(MAX_CHANGES);
    repeated
}

/// What `action` asks for, of all changes.
pub(super) fn asked_for(action: &CloudAction, all: &[PendingChange]) -> Vec<PendingChange> {
    let fields = fields(action);
    let is_asked =
        |change: &&PendingChange| change.impact == Impact::Online && fields.contains(&change.field);
    all.iter().filter(is_asked).cloned().collect()
}

/// The fields of the spec that `action` changes.
fn fields(action: &CloudAction) -> Vec<String> {
    match action {
        CloudAction::Update { request, .. } => {
            let set = [
                ("name", request.name.is_some()),
                ("description", request.description.is_some()),
                ("maintenanceWindow", request.maintain_begin.is_some()),
            ];
            set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field.to_owned()).collect()
        }
        CloudAction::SetTags { tags, .. } | CloudAction::RemoveTags { tags, .. } => {
            tags.keys().map(|key| format!("tags.{key}")).collect()
        }
        CloudAction::Create(_)
        | CloudAction::Adopt { .. }
        | CloudAction::Release { .. }
        | CloudAction::ResetPassword { .. }
        | CloudAction::Delete { .. } => Vec::new(),
    }
}

/// The last attempt asked for the same and was accepted.
fn asked_before(last: &OperationStatus, type_: &OperationType, field: &str) -> bool {
    last.type_ == *type_
        && last.outcome == Some(OperationOutcome::Accepted)
        && last.changes.iter().any(|change| change.field == field)
}

/// The present generation was in sync before: a difference was made in the cloud since.
fn was_in_sync(o: &Observed) -> bool {
    o.status.conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Synced.as_str()
            && condition.observed_generation == Some(o.subject.generation)
            && (condition.status == "True" || condition.reason == Reason::DriftDetected.as_str())
    })
}

fn find<'a>(o: &'a Observed, field: &str) -> Option<&'a RepeatedChange> {
    o.status.repeated_changes.iter().find(|repeated| repeated.field == field && applies(o, repeated))
}

/// The count is of the present generation, and not from long ago.
fn applies(o: &Observed, repeated: &RepeatedChange) -> bool {
    let longest = o.settings.requeue.ineffective.longest.saturating_mul(2);
    repeated.generation == o.subject.generation && elapsed(o, repeated) < longest
}

/// A time in the future was written before the clock was set back: its age is unknown, and the wait is over.
fn elapsed(o: &Observed, repeated: &RepeatedChange) -> Duration {
    let elapsed = o.now.wall.signed_duration_since(time::from_kube(&repeated.last_at));
    let future = elapsed < -TimeDelta::seconds(1);
    if future { o.settings.requeue.ineffective.longest } else { elapsed.to_std().unwrap_or_default() }
}
