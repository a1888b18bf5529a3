//! The backup was not made yet, as far as the status knows: it is looked for by its mark, and requested at most once.

use std::time::Duration;

use super::{
    follow,
    listed::{self, Unlisted},
};
use crate::{
    api::{Reason, instance::OperationStatus, time},
    dcs::model::{BackupFormat, InstanceFacts, InstanceStatus, Remark},
    plan::{
        backup::{
            action::{CloudAction, Lookup, Step},
            decision::Decision,
            input::{BackupList, Observed},
            limit,
        },
        conditions::JobSituation,
        instance::observed::{CredentialsSource, Detail, InstanceSnapshot},
        job::{self, FRESH, InstanceObject, InstanceView, JobRefusal, REFERENCE_GRACE, is_single, shape},
        operation::is_unresolved,
    },
};

pub(in crate::plan::backup) fn decide(o: &Observed) -> Decision {
    let decision = look(o);
    match until_expiry(o) {
        Some(rest) => Decision { wait: decision.wait.min(rest), ..decision },
        None => decision,
    }
}

/// How long the backup may still begin.
fn until_expiry(o: &Observed) -> Option<Duration> {
    let before = time::from_kube(o.spec.start_before.as_ref()?);
    before.signed_duration_since(o.now.wall).to_std().ok().filter(|rest| !rest.is_zero())
}

fn look(o: &Observed) -> Decision {
    let view = match &o.instance {
        InstanceObject::Unknown => {
            return Decision::new(o, JobSituation::NotObservedYet, "the operator has just started")
                .without_status_write();
        }
        InstanceObject::Found(view) => Some(view.as_ref()),
        InstanceObject::Missing => None,
    };
    let Some(instance) = o.instance_id() else { return without_instance(o, view) };
    if let Some(view) = view.filter(|_| o.unseen_until().is_none()) {
        if view.deleting {
            return deleting(o);
        }
        if is_single(view.cache_mode.as_ref()) {
            return unsupported(o, instance);
        }
    }
    let is_turn = view.is_some_and(|view| o.is_turn(view));
    let poll = o.settings.requeue.job_check_interval;
    let list = match listed::backups(o, instance, if is_turn { poll.min(FRESH) } else { poll }) {
        Ok(list) => list,
        Err(Unlisted::Read(step)) => {
            let message = "the backups of the instance are being listed";
            return Decision::in_progress(o, Reason::WaitingForInstance, message).step(step);
        }
        Err(Unlisted::Failed(blocker)) => return Decision::lookup_failed(o, &blocker),
        Err(Unlisted::InstanceNotFound) => return instance_not_found(o, instance, view),
    };
    if let Some(record) = list.marked(&o.mark(instance)) {
        return follow::from_record(o, record);
    }
    if let Some(end) = o.unseen_until().filter(|end| !list.proves_since(*end)) {
        let message = "the outcome of the last request is not known yet: the list of backups has to show it";
        return listed::until_proven(o, end, Decision::in_progress(o, Reason::Running, message));
    }
    if let Some(before) = o.spec.start_before.as_ref().filter(|at| time::from_kube(at) <= o.now.wall) {
        let message = format!(
            "the backup was not started before {}, and no backup of this manifest exists",
            job::timestamp(before)
        );
        return Decision::failed(o, Reason::Expired, message);
    }
    if o.has_lost_status() {
        let message = "the status of the object was lost, and no backup with its mark exists any more: it may have been made \
                       and removed, so it is not made again";
        return Decision::failed(o, Reason::OutcomeUnknown, message);
    }
    match view {
        Some(view) if view.id.as_deref() == Some(instance) => may_begin(o, view, instance, list),
        // The request was for an instance that the DcsInstance does not stand for any more.
        Some(_) => {
            let message =
                format!("DcsInstance {} has another instance than {instance} now", o.spec.instance_ref.name);
            Decision::failed(o, Reason::InstanceDeleted, message)
        }
        None => without_instance(o, None),
    }
}

fn deleting(o: &Observed) -> Decision {
    let message = format!("DcsInstance {} is being deleted", o.spec.instance_ref.name);
    Decision::failed(o, Reason::InstanceDeleted, message)
}

/// There is no instance to back up.
fn without_instance(o: &Observed, view: Option<&InstanceView>) -> Decision {
    let name = &o.spec.instance_ref.name;
    let poll = o.settings.requeue.resync_interval(&o.subject.uid);
    match view {
        Some(view) if view.deleting => deleting(o),
        Some(_) => {
            let message = format!("DcsInstance {name} has no instance yet");
            Decision::in_progress(o, Reason::WaitingForInstance, message).wait(poll)
        }
        None => match REFERENCE_GRACE.checked_sub(o.age()).filter(|rest| !rest.is_zero()) {
            Some(rest) => {
                let message = format!("DcsInstance {name} does not exist yet");
                Decision::in_progress(o, Reason::WaitingForReference, message).wait(rest.min(poll))
            }
            None => {
                let message = format!(
                    "DcsInstance {name} does not exist in namespace {}: create it, or correct instanceRef",
                    o.subject.namespace
                );
                Decision::blocked(o, Reason::ReferenceNotFound, message).wait(poll)
            }
        },
    }
}

/// The cloud says that the instance does not exist.
fn instance_not_found(o: &Observed, instance: &str, view: Option<&InstanceView>) -> Decision {
    if o.has_begun() || view.is_none_or(|view| view.deleting) {
        return follow::instance_not_found(o, instance);
    }
    let message = format!("DCS does not know instance {instance}; see the DcsInstance");
    Decision::in_progress(o, Reason::WaitingForInstance, message)
        .wait(o.settings.requeue.operation_check_interval)
}

/// Nothing was requested. Everything is checked before the queue, and again once it is the object's turn.
fn may_begin(o: &Observed, view: &InstanceView, instance: &str, list: &BackupList) -> Decision {
    let name = &o.spec.instance_ref.name;
    if view.deleting {
        return deleting(o);
    }
    if is_single(view.cache_mode.as_ref()) {
        return unsupported(o, instance);
    }
    let text = o.mark(instance).with_text(o.spec.description.as_deref());
    let Ok(remark) = Remark::try_from(text.as_str()) else {
        let message = "description: write one line of at most 80 bytes, without invisible characters";
        return Decision::blocked(o, Reason::InvalidSpec, message);
    };
    if let Ok(account) = &o.account
        && let CredentialsSource::Namespace { secret, deleting: true, .. } = &account.source
    {
        let message = format!("Secret {secret} with the credentials is being deleted");
        return Decision::blocked(o, Reason::CredentialsMissing, message);
    }
    if let Some(operation) = &o.status.operation
        && !is_unresolved(operation)
        && let Some(rest) = o.attempts().retry_after(operation)
    {
        return refused(o, operation, rest);
    }
    let pushed_out = match limit::check(o, list) {
        limit::Verdict::Room => None,
        limit::Verdict::PushesOut(message) => Some(message),
        limit::Verdict::Blocked(message) => {
            return Decision::blocked(o, Reason::BackupLimitReached, message);
        }
    };
    if view.paused {
        let message =
            format!("spec.paused of DcsInstance {name} is true: the operator changes nothing in the cloud");
        return Decision::in_progress(o, Reason::WaitingForInstance, message);
    }
    if !o.is_turn(view) {
        return still_blocked(o).unwrap_or_else(|| waits_for_turn(o, view));
    }
    if !o.subject.finalizer {
        let message = "it is the turn of this backup";
        return Decision::in_progress(o, Reason::WaitingForInstance, message).step(Step::AddFinalizer);
    }
    let decision = request(o, (view, instance), remark);
    match pushed_out {
        Some(message) if matches!(decision.step, Step::CloudAction(_)) => {
            decision.warn("BackupPushedOut", message)
        }
        Some(_) | None => decision,
    }
}

/// What blocked the request when it was the object's turn is looked at again after a while.
fn still_blocked(o: &Observed) -> Option<Decision> {
    const FOUND_LATE: [Reason; 4] =
        [Reason::Forbidden, Reason::CredentialsInvalid, Reason::NotAllowed, Reason::UnsupportedMode];
    let wait = o.settings.requeue.needs_user.first;
    let (reason, message, rest) =
        job::still_blocked(&o.status.conditions, &o.subject, (&FOUND_LATE, wait), o.now.wall)
            .filter(|_| !o.retry)?;
    Some(Decision::blocked(o, reason, message).wait(rest))
}

/// Another object operates on the instance, or the instance has to be idle first. The object is woken when that changes.
fn waits_for_turn(o: &Observed, view: &InstanceView) -> Decision {
    let name = &o.spec.instance_ref.name;
    let message = match &view.holder {
        Some(holder) => {
            format!("{} {} operates on instance {name}; this backup follows", holder.kind, holder.name)
        }
        None => format!(
            "DcsInstance {name} has to be in sync, and its instance has to serve, before the backup begins"
        ),
    };
    Decision::in_progress(o, Reason::WaitingForInstance, message)
}

/// DCS refused the request.
fn refused(o: &Observed, operation: &OperationStatus, rest: Duration) -> Decision {
    let decision = match job::refusal(operation) {
        JobRefusal::NeedsPerson(reason, message) => Decision::blocked(o, reason, message),
        JobRefusal::Repeated(situation, message) => Decision::new(o, situation, message),
    };
    decision.wait(rest)
}

fn unsupported(o: &Observed, instance: &str) -> Decision {
    let message = format!("instance {instance} is a single-node instance, which DCS does not back up");
    Decision::blocked(o, Reason::UnsupportedMode, message)
}

/// It is the object's turn: requests the backup from an idle instance.
fn request(o: &Observed, (view, instance): (&InstanceView, &str), remark: Remark) -> Decision {
    let busy = |message: String| {
        Decision::in_progress(o, Reason::WaitingForInstance, message).wait(o.settings.requeue.busy)
    };
    let snapshot = match o.detail(instance) {
        None => {
            let step = Step::Lookup(Lookup::Instance { id: instance.to_owned() });
            return busy("the instance is being read".to_owned()).step(step);
        }
        Some(Detail::NotFound) => return busy(format!("DCS does not know instance {instance}")),
        Some(Detail::Failed(blocker)) => return Decision::lookup_failed(o, blocker),
        Some(Detail::Found(snapshot)) => snapshot,
    };
    if let Some(message) = not_allowed(o, view, &snapshot.facts) {
        return Decision::blocked(o, Reason::NotAllowed, message);
    }
    if is_single(snapshot.cache_mode.as_ref()) {
        return unsupported(o, instance);
    }
    if let Some(task) = &snapshot.task {
        return busy(format!("instance {instance} has to finish {task}"));
    }
    if snapshot.facts.status != Some(InstanceStatus::Running) {
        let status = snapshot.facts.status.as_ref().map_or("none", InstanceStatus::as_str);
        let message = format!("instance {instance} has to be RUNNING; its status is {status}");
        // The turn is given back once the DcsInstance knows it too, which would grant it again at once: this may last. The
        // DcsInstance wakes the object when the instance serves again.
        return if view.ready {
            busy(message)
        } else {
            Decision::in_progress(o, Reason::NotServing, message)
        };
    }
    let action = CloudAction::Create { instance: instance.to_owned(), remark, format: format(o, snapshot) };
    let message = "the backup is being requested";
    let decision = Decision::in_progress(o, Reason::Running, message).step(Step::CloudAction(action));
    Decision { instance: Some(shape(instance, snapshot)), ..decision }
}

/// Why the object may not use the instance.
pub(super) fn not_allowed(o: &Observed, view: &InstanceView, facts: &InstanceFacts) -> Option<String> {
    job::not_allowed(&o.account, (&o.subject.namespace, &o.spec.instance_ref.name), view, facts)
}

/// Redis 3.0 backs up as aof only; DCS has no documented default for others.
fn format(o: &Observed, snapshot: &InstanceSnapshot) -> BackupFormat {
    use crate::api::backup::BackupFormat::{Aof, Rdb};
    let is_3 = snapshot.facts.engine_version.as_deref().is_some_and(|version| version.starts_with("3."));
    match o.spec.format {
        Some(Aof) => BackupFormat::Aof,
        Some(Rdb) => BackupFormat::Rdb,
        None if is_3 => BackupFormat::Aof,
        None => BackupFormat::Rdb,
    }
}
