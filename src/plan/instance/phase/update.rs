//! The object's instance exists: it is compared with the spec, and changed where it differs.

use std::time::Duration;

use super::{
    mark,
    rotation::{self, Rotation},
    tenancy, window_check,
};
use crate::{
    api::{
        Reason,
        instance::PendingChange,
        words::{Impact, OperationOutcome, OperationType},
    },
    dcs::model::{InstanceFacts, InstanceStatus},
    plan::{
        blocker::retry_class,
        conditions::Situation,
        instance::{
            action::{CloudAction, Lookup, Step},
            decision::{BEING_CREATED, Decision},
            diff::Differences,
            input::{
                Desired, Observed,
                observed::InstanceSnapshot,
                ownership::{Ownership, kept_origin, ownership_of},
            },
            intent,
            locate::Sighting,
            repeats,
            status::observation::serves,
        },
        schedule::RetryClass,
    },
};

/// Compares the instance with the spec, and takes the next step towards it.
pub(in crate::plan::instance) fn decide(o: &Observed, desired: &Desired, seen: Sighting<'_>) -> Decision {
    let Sighting { facts, snapshot } = seen;
    match ownership_of(facts, &o.subject) {
        Ownership::Ours(_) => {}
        // The list may be older than the tags.
        Ownership::Released | Ownership::Orphaned | Ownership::Unowned | Ownership::Foreign
            if snapshot.is_none() =>
        {
            return reread(o, facts);
        }
        Ownership::Foreign | Ownership::Orphaned => return mark::already_owned(o, &facts.id),
        Ownership::Released | Ownership::Unowned => return tags_missing(o, desired, facts),
    }
    match serves(facts.status.as_ref()) {
        Err(Reason::Creating) => return Decision::creating(o, BEING_CREATED).with_observation(facts),
        Err(why) => return not_serving(o, desired, seen, why),
        Ok(()) => {}
    }
    let differences = differences(o, desired, seen);
    if facts.status == Some(InstanceStatus::Extending) {
        let decision =
            Decision::new(o, Situation::Changing(Reason::Resizing), "DCS reports status EXTENDING");
        return decision.with_observation(facts).pending(differences.changes);
    }
    let rotation = match rotation::decide(o, desired, seen) {
        Rotation::Due(decision) => return decision,
        Rotation::Blocked(decision) => Some(decision),
        Rotation::Nothing => None,
    };
    if snapshot.is_none() && (!differences.is_empty() || is_new_shape(o, facts)) {
        return reread(o, facts);
    }
    if !differences.is_empty() {
        return change(o, desired, seen, differences);
    }
    if let Some(blocked) = rotation {
        return blocked;
    }
    if snapshot.is_none() && is_older_than_attempt(o) {
        let message = "the next list has to show the effect of the last request";
        let decision = Decision::new(o, Situation::Changing(Reason::Applying), message);
        return decision.with_observation(facts).wait(o.settings.requeue.busy);
    }
    Decision::new(o, Situation::InSync, "the instance matches the spec")
        .with_observation(facts)
        .clear_operation()
}

/// No list shows the instance: its detail is read by its id.
pub(in crate::plan::instance) fn read_detail(o: &Observed, id: String) -> Decision {
    let message = "no list shows the instance; the operator reads it by its ID";
    Decision::new(o, Situation::Changing(Reason::Applying), message).step(Step::Lookup(Lookup::Detail { id }))
}

fn reread(o: &Observed, facts: &InstanceFacts) -> Decision {
    let lookup = Lookup::Detail { id: facts.id.clone() };
    let message = "the operator reads the detail of the instance";
    let decision = Decision::new(o, Situation::Changing(Reason::Applying), message);
    decision.with_observation(facts).step(Step::Lookup(lookup))
}

/// The newest list was begun before a request with an unknown outcome: what it shows may still change.
fn is_older_than_attempt(o: &Observed) -> bool {
    let unresolved = o.status.operation.as_ref().is_some_and(intent::is_unresolved);
    let begun = o.lists.as_ref().and_then(|lists| lists.latest).map(|latest| latest.begun);
    unresolved && begun < o.local.intent_seen
}

fn differences(o: &Observed, desired: &Desired, seen: Sighting<'_>) -> Differences {
    let (resolved, applied) = (o.status.resolved.as_ref(), o.status.applied.as_ref());
    Differences::between(desired, seen.facts, seen.snapshot, resolved, applied)
}

fn not_serving(o: &Observed, desired: &Desired, seen: Sighting<'_>, why: Reason) -> Decision {
    let Sighting { facts, snapshot } = seen;
    if snapshot.is_none() && is_new_shape(o, facts) {
        return reread(o, facts);
    }
    let word = facts.status.as_ref().map_or("nothing", InstanceStatus::as_str);
    let mut message = format!("DCS reports status {word}: {} {}", why.meaning(), why.remedy());
    let changes = differences(o, desired, seen).changes;
    let mut waiting: Vec<_> = changes.iter().map(|change| change.field.as_str()).collect();
    waiting.extend(rotation::is_due(o, desired, seen).then_some("the password"));
    if !waiting.is_empty() {
        message = format!("{message} Changes wait until it serves: {}", waiting.join(", "));
    }
    // No action of this version of the operator stops an instance from serving.
    Decision::new(o, Situation::NotServing { why, ours: false, waits: !waiting.is_empty() }, message)
        .with_observation(facts)
        .pending(changes)
        .wait(o.settings.requeue.operation_check_interval)
}

/// The ownership tags were removed: they are put back only if the spec names the instance, and the namespace may name it.
fn tags_missing(o: &Observed, desired: &Desired, facts: &InstanceFacts) -> Decision {
    let is_named = desired.adopt.as_deref() == Some(facts.id.as_str());
    let is_foreign = tenancy::foreign_instance(o, facts).is_some();
    if is_named && !is_foreign {
        return mark::put_tags(o, facts, kept_origin(facts, &o.subject), "");
    }
    let more = if is_foreign { format!(" and {}", tenancy::permission(o)) } else { String::new() };
    let message = format!(
        "instance {} lacks the ownership tags dcs-operator-*: the operator changes nothing until adopt.instanceId is set \
         to its ID{more}",
        facts.id
    );
    Decision::blocked(o, Reason::MarkMissing, message)
}

/// The instance was resized since its detail was last read.
pub(super) fn is_new_shape(o: &Observed, facts: &InstanceFacts) -> bool {
    let known = o.status.resolved.as_ref().filter(|resolved| resolved.cache_mode.is_some());
    known.is_none_or(|resolved| resolved.spec_code != facts.spec_code)
}

/// Reports an edit that the operator cannot carry out; otherwise takes the first step: settings, then tags. What was
/// changed in the cloud and cannot be put back is reported once nothing else is to be done.
fn change(o: &Observed, desired: &Desired, seen: Sighting<'_>, differences: Differences) -> Decision {
    let Sighting { facts, snapshot } = seen;
    let report = |decision: Decision| decision.with_observation(facts).pending(differences.changes.clone());
    let (edits, drift) = differences.unsupported(o.applied_fields());
    if !edits.is_empty() {
        let fields = list(edits);
        let message = format!("this version of the operator cannot change {fields}; put the field back");
        return report(Decision::blocked(o, Reason::UnsupportedChange, message));
    }
    let online: Vec<_> =
        differences.changes.iter().filter(|change| change.impact == Impact::Online).collect();
    if online.is_empty() {
        return report(drifted(o, &list(drift)).clear_operation());
    }
    let message = format!("changing {}", list(online.iter().copied()));
    let changing = |message: String| {
        let decision = Decision::new(o, Situation::Changing(Reason::Applying), message);
        report(decision).wait(o.settings.requeue.busy)
    };
    if let Some(task) = snapshot.and_then(|snapshot: &InstanceSnapshot| snapshot.task.as_ref()) {
        return changing(format!("{message} waits for the instance to finish {task}"));
    }
    let held = |type_: &OperationType, field: &str| repeats::wait(o, type_, field).is_some();
    let due = differences.clone().without(held);
    if due.update.maintain_begin.is_some()
        && let Some(decision) = window_check::check(o, desired)
    {
        return report(decision);
    }
    let Some(action) = next_action(facts.id.clone(), &due) else {
        return report(waits_for_effect(o, &online, &message));
    };
    match postponed(o, &action.type_()) {
        None => changing(message).step(Step::CloudAction(action)),
        Some((rest, None)) => changing(with_last_failure(o, message)).wait(rest),
        Some((rest, Some((reason, problem)))) => {
            report(Decision::blocked(o, reason, format!("{message} failed: {problem}"))).wait(rest)
        }
    }
}

/// Adds what is known of the last attempt, if it failed more than once.
fn with_last_failure(o: &Observed, message: String) -> String {
    let last = o.status.operation.as_ref().filter(|operation| operation.attempt > 1);
    match last.and_then(|operation| operation.message.as_deref()) {
        Some(problem) => format!("{message}; it is tried again, since the last request failed: {problem}"),
        None => message,
    }
}

/// The instance was changed in the cloud in fields that the operator does not put back.
fn drifted(o: &Observed, fields: &str) -> Decision {
    let message = format!(
        "the instance has values that the operator did not set, and the spec asks for others: {fields}; write the present \
         values into the spec, or change the instance in the DCS console"
    );
    Decision::new(o, Situation::Waiting(Reason::DriftDetected), message)
}

/// The cloud accepted every change that is still to be made.
fn waits_for_effect(o: &Observed, online: &[&PendingChange], message: &str) -> Decision {
    let rests = online.iter().filter_map(|change| repeats::wait(o, &type_of(change), &change.field));
    let rest = rests.min().unwrap_or(o.settings.requeue.busy);
    let lasting = online.iter().copied().filter(|change| repeats::is_ineffective(o, &change.field));
    let fields = list(lasting);
    if fields.is_empty() {
        let message =
            format!("{message}: DCS accepted the request, and the instance does not show its effect yet");
        return Decision::new(o, Situation::Changing(Reason::Applying), message).wait(rest);
    }
    let message = format!(
        "DCS accepted the change of {fields} several times, and the instance does not keep it: the request has no effect, \
         or something else changes the instance; it is requested again at growing intervals"
    );
    Decision::new(o, Situation::Waiting(Reason::ChangeIneffective), message).wait(rest)
}

/// The operation that makes an online change.
fn type_of(change: &PendingChange) -> OperationType {
    if change.field.starts_with("tags.") { OperationType::UpdateTags } else { OperationType::Update }
}

fn next_action(id: String, differences: &Differences) -> Option<CloudAction> {
    let Differences { update, set_tags, remove_tags, .. } = differences.clone();
    if update != Default::default() {
        Some(CloudAction::Update { id, request: Box::new(update) })
    } else if !set_tags.is_empty() {
        Some(CloudAction::SetTags { id, tags: set_tags })
    } else {
        (!remove_tags.is_empty()).then_some(CloudAction::RemoveTags { id, tags: remove_tags })
    }
}

/// How long the outcome of the last attempt delays an action of this type, and its refusal if a person has to act.
fn postponed(o: &Observed, type_: &OperationType) -> Option<(Duration, Option<(Reason, String)>)> {
    let operation = o.status.operation.as_ref()?;
    if intent::is_unresolved(operation) {
        let backoff = intent::retry_after(o, operation).filter(|_| operation.type_ == *type_);
        return o.window_rest().max(backoff).map(|rest| (rest, None));
    }
    // The wait after an accepted request is that of its fields.
    let refused = operation.type_ == *type_ && operation.outcome != Some(OperationOutcome::Accepted);
    let rest = intent::retry_after(o, operation).filter(|_| refused)?;
    let reason = operation.reason.as_deref().and_then(Reason::from_word);
    let refusal = reason.filter(|reason| retry_class(*reason) == RetryClass::NeedsUser);
    Some((rest, refusal.zip(operation.message.clone())))
}

/// `capacity (4Gi to 8Gi), port (6379 to 6380)`.
fn list<'a>(changes: impl IntoIterator<Item = &'a PendingChange>) -> String {
    changes.into_iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// `capacity (4Gi to 8Gi)`.
fn describe(change: &PendingChange) -> String {
    let shown = |value: &Option<String>| {
        let value = value.clone().filter(|value| !value.is_empty());
        value.unwrap_or_else(|| "nothing".to_owned())
    };
    format!("{} ({} to {})", change.field, shown(&change.from), shown(&change.to))
}
