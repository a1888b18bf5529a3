//! The restore was not requested yet, as far as the status knows: it is looked for by its mark, and requested at most once.

use std::time::Duration;

use super::{
    before, follow,
    idle::{NotIdle, idle, without_idle},
    listed,
    request::{self, Agreement},
};
use crate::{
    api::{Reason, restore::RestoredBackup, time},
    plan::{
        job::{self, InstanceObject, InstanceView, timestamp},
        restore::{
            action::{Lookup, Step},
            decision::Decision,
            input::{Observed, marked, source_text},
            source,
        },
        schedule::RetryClass,
    },
};

pub(in crate::plan::restore) fn decide(o: &Observed) -> Decision {
    let decision = look(o);
    match until_expiry(o) {
        Some(rest) => Decision { wait: decision.wait.min(rest), ..decision },
        None => decision,
    }
}

/// How long the restore may still begin.
fn until_expiry(o: &Observed) -> Option<Duration> {
    let end = time::from_kube(&o.spec.consent.as_ref()?.not_after);
    end.signed_duration_since(o.now.wall).to_std().ok().filter(|rest| !rest.is_zero())
}

fn look(o: &Observed) -> Decision {
    let view = match &o.instance {
        InstanceObject::Unknown => return Decision::not_observed_yet(o),
        InstanceObject::Found(view) => Some(view.as_ref()),
        InstanceObject::Missing => None,
    };
    let Some(instance) = o.instance_id() else { return without_instance(o, view) };
    let list = match listed::restores(o, instance, o.settings.requeue.job_check_interval) {
        Ok(list) => list,
        Err(why) => return listed::without_list(o, instance, why),
    };
    if let Some(record) = marked(list, &o.mark(instance)) {
        return follow::from_record(o, instance, record);
    }
    if let Some(end) = o.unresolved_until() {
        return unresolved(o, instance, list.proves_since(end), end);
    }
    if o.is_expired() {
        return expired(o);
    }
    match view {
        Some(view) => prepare(o, view, instance),
        None => without_instance(o, None),
    }
}

/// The outcome of the last request is unknown, and no list shows it: the restore is never asked for again.
fn unresolved(o: &Observed, instance: &str, is_absent: bool, end: Duration) -> Decision {
    let waiting = |message: &str| Decision::in_progress(o, Reason::Running, message);
    if !is_absent {
        let message = "the outcome of the request is not known yet: the list of restores has to show it";
        return listed::until_proven(o, end, waiting(message));
    }
    match idle(o, instance) {
        Err(NotIdle::Busy(why) | NotIdle::NotServing(why)) => {
            let message = format!("DCS lists no restore of this object, and {why}");
            waiting(&message).wait(o.settings.requeue.busy)
        }
        Err(why) => without_idle(o, instance, why),
        Ok(_) => {
            let message = format!(
                "the request for the restore was not answered, and there is no trace of it: it is not repeated. Check the data of \
                 instance {instance}, then make a new DcsRestore if it is still wanted"
            );
            Decision::failed(o, Reason::OutcomeUnknown, message)
        }
    }
}

fn expired(o: &Observed) -> Decision {
    let at = o.spec.consent.as_ref().map(|consent| timestamp(&consent.not_after)).unwrap_or_default();
    let message = format!("the restore was not begun before {at}, and DCS lists none of this manifest");
    Decision::failed(o, Reason::Expired, message)
}

/// There is no instance to restore.
fn without_instance(o: &Observed, view: Option<&InstanceView>) -> Decision {
    let name = &o.spec.instance_ref.name;
    if o.is_expired() {
        return expired(o);
    }
    match view {
        Some(view) if view.deleting => deleting(o),
        Some(_) => {
            let message = format!("DcsInstance {name} has no instance yet");
            Decision::in_progress(o, Reason::WaitingForReference, message)
        }
        None => Decision::missing(o, &format!("DcsInstance {name}"), "instanceRef"),
    }
}

fn deleting(o: &Observed) -> Decision {
    let message = format!("DcsInstance {} is being deleted", o.spec.instance_ref.name);
    Decision::failed(o, Reason::InstanceDeleted, message)
}

/// Nothing was requested: source, consent, turn and the backup first, in this order.
fn prepare(o: &Observed, view: &InstanceView, instance: &str) -> Decision {
    let name = &o.spec.instance_ref.name;
    if view.deleting {
        return deleting(o);
    }
    if view.observes {
        let message = format!(
            "managementPolicy of DcsInstance {name} is Observe: the operator does not change the data of its instance"
        );
        return Decision::blocked(o, Reason::PreconditionFailed, message);
    }
    if let Some(decision) = request::refused(o) {
        return decision;
    }
    let Some(backup) = chosen(o, instance) else { return source::choose(o, view, instance) };
    let agreement = match request::agreement(o, backup) {
        Ok(agreement) => agreement,
        Err(decision) => return *decision,
    };
    before::has_ended_badly(o)
        .or_else(|| wait_for_turn(o, view))
        .unwrap_or_else(|| operate(o, (view, instance), backup, &agreement))
}

/// The backup that was chosen, unless the spec names another source or instance by now.
fn chosen<'a>(o: &'a Observed, instance: &str) -> Option<&'a RestoredBackup> {
    let source = source_text(&o.spec.source);
    let of = o.status.instance.as_ref().and_then(|instance| instance.id.as_deref());
    let backup = o.status.backup.as_ref().filter(|backup| backup.source.as_ref() == Some(&source));
    backup.filter(|_| of == Some(instance))
}

fn wait_for_turn(o: &Observed, view: &InstanceView) -> Option<Decision> {
    let name = &o.spec.instance_ref.name;
    let waiting = |message| Some(Decision::in_progress(o, Reason::WaitingForInstance, message));
    if view.paused {
        return waiting(format!(
            "spec.paused of DcsInstance {name} is true: the operator changes nothing in the cloud"
        ));
    }
    if view.holder.as_ref().is_none_or(|holder| holder.uid != o.subject.uid)
        && let Some(decision) = still_blocked(o)
    {
        return Some(decision);
    }
    match &view.holder {
        Some(holder) if holder.uid == o.subject.uid => None,
        Some(holder) => waiting(format!(
            "{} {} operates on instance {name}; this restore follows",
            holder.kind, holder.name
        )),
        None => waiting(format!(
            "DcsInstance {name} has to be in sync, and its instance has to serve, before the restore begins"
        )),
    }
}

/// What blocked the request when it was the object's turn is looked at again after a while. What shows before the turn was mended,
/// or there would be no request for the turn.
fn still_blocked(o: &Observed) -> Option<Decision> {
    const FOUND_EARLY: [Reason; 7] = [
        Reason::ApprovalRequired,
        Reason::PreconditionFailed,
        Reason::ReferenceNotFound,
        Reason::CredentialsMissing,
        Reason::CredentialsInvalid,
        Reason::EndpointNotAllowed,
        Reason::AccountChanged,
    ];
    // A backup that goes on was what blocked the restore.
    if o.retry || o.before().is_some_and(|backup| backup.outcome.is_none()) {
        return None;
    }
    let late: Vec<_> = Reason::ALL.iter().copied().filter(|reason| !FOUND_EARLY.contains(reason)).collect();
    let wait = o.settings.requeue.needs_user.first;
    let (reason, message, rest) =
        job::still_blocked(&o.status.conditions, &o.subject, (&late, wait), o.now.wall)?;
    Some(Decision::blocked(o, reason, message).wait(rest))
}

/// It is the object's turn.
fn operate(
    o: &Observed,
    (view, instance): (&InstanceView, &str),
    backup: &RestoredBackup,
    agreement: &Agreement,
) -> Decision {
    if let Some(decision) = before::until_made(o, instance, backup) {
        return decision;
    }
    let definition = match &o.lookups.definition {
        None => return listed::reading(o).step(Step::Lookup(Lookup::Definition)),
        Some(Err(blocker)) => {
            let situation = Decision::lookup_failed(o, blocker);
            return situation.wait(o.settings.requeue.retry_delay(RetryClass::Kube, o.failures));
        }
        Some(Ok(definition)) => definition,
    };
    request::send(o, (view, instance), backup, (agreement, definition))
}
