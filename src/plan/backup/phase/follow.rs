//! The backup exists, or existed: it is followed to its end.

use std::time::Duration;

use super::{
    ended,
    listed::{self, Confirmation, Unlisted},
};
use crate::{
    api::{Reason, words::JobOutcome},
    dcs::model::{BackupRecord, BackupStatus, failure_meaning},
    plan::{
        backup::{decision::Decision, input::Observed},
        conditions::JobSituation,
        job::{InstanceObject, progress},
    },
};

pub(in crate::plan::backup) fn decide(o: &Observed, id: &str) -> Decision {
    let Some(instance) = o.instance_id() else { return without_instance(o) };
    if o.is_overdue() {
        return overdue(o);
    }
    let list = match listed::backups(o, instance, poll(o)) {
        Ok(list) => list,
        Err(Unlisted::Read(step)) => {
            return Decision::in_progress(o, Reason::Running, "the backup is being looked up").step(step);
        }
        Err(Unlisted::Failed(blocker)) => return Decision::lookup_failed(o, &blocker),
        Err(Unlisted::InstanceNotFound) => return instance_not_found(o, instance),
    };
    if let Some(record) = list.find(id) {
        return from_record(o, record);
    }
    if o.status.id.is_none() {
        let message = format!(
            "instance {instance} has no backup {id}: correct adopt.backupId; the DCS console lists the backups"
        );
        return Decision::blocked(o, Reason::ReferenceNotFound, message);
    }
    let requested = o.open_request().map(|operation| o.attempts().window_end(Some(operation)));
    let end = requested.unwrap_or(o.first_seen);
    if list.proves_since(end) {
        let message = format!("DCS does not list backup {id} of instance {instance}");
        return Decision::failed(o, Reason::OperationFailed, message);
    }
    let message = format!("DCS does not list backup {id} yet");
    listed::until_proven(o, end, Decision::in_progress(o, Reason::Running, message))
}

/// The cloud says that the instance does not exist.
pub(super) fn instance_not_found(o: &Observed, instance: &str) -> Decision {
    match listed::is_gone(o, instance) {
        Ok(()) => Decision::failed(o, Reason::InstanceDeleted, listed::gone_with(instance)),
        Err(Confirmation::Read(step)) => {
            Decision::in_progress(o, Reason::Running, "the instance is being looked up").step(step)
        }
        Err(Confirmation::Failed(blocker)) => Decision::lookup_failed(o, &blocker),
    }
}

/// How often a running backup is looked at.
fn poll(o: &Observed) -> Duration {
    o.settings.requeue.job_check_interval
}

/// An adopted backup whose DcsInstance does not exist, or has no instance.
fn without_instance(o: &Observed) -> Decision {
    let name = &o.spec.instance_ref.name;
    match o.instance {
        InstanceObject::Unknown => {
            Decision::new(o, JobSituation::NotObservedYet, "the operator has just started")
                .without_status_write()
        }
        InstanceObject::Missing => {
            let message = format!("DcsInstance {name} does not exist: create it, or correct instanceRef");
            Decision::in_progress(o, Reason::WaitingForReference, message)
        }
        InstanceObject::Found(_) => {
            let message = format!("DcsInstance {name} has no instance yet");
            Decision::in_progress(o, Reason::WaitingForInstance, message)
        }
    }
}

/// What the cloud shows of the backup.
pub(super) fn from_record(o: &Observed, record: &BackupRecord) -> Decision {
    let decision = match &record.status {
        None | Some(BackupStatus::Waiting | BackupStatus::Backuping | BackupStatus::Other(_)) => {
            running(o, record)
        }
        Some(BackupStatus::Expired | BackupStatus::Deleted) if record.error_code.is_none() => {
            succeeded(o, record)
        }
        Some(BackupStatus::Succeed) => succeeded(o, record),
        Some(BackupStatus::Failed | BackupStatus::Expired | BackupStatus::Deleted) => {
            let code = record.error_code.as_deref();
            let why = code.and_then(failure_meaning).or(code).unwrap_or("DCS gives no reason");
            Decision::failed(o, Reason::OperationFailed, format!("DCS could not make the backup: {why}"))
        }
    };
    decision.with_record(record)
}

fn succeeded(o: &Observed, record: &BackupRecord) -> Decision {
    // The manifest stands for one backup, and this object did not ask for it: an earlier one did.
    let again = o.spec.start_before.is_some() && o.open_request().is_none() && o.status.id.is_none();
    let decision = ended::of_record(o, record, again);
    Decision { outcome: Some(JobOutcome::Succeeded), ..decision }
}

fn running(o: &Observed, record: &BackupRecord) -> Decision {
    if o.is_overdue() {
        return overdue(o);
    }
    let done =
        progress(record.progress).map_or_else(String::new, |percent| format!("; {percent} % are done"));
    let message = format!("DCS is making backup {}{done}", record.backup_id);
    let rest = o.running_for().map(|elapsed| o.running_limit().saturating_sub(elapsed));
    let rest = rest.filter(|rest| !rest.is_zero()).unwrap_or(Duration::MAX);
    Decision::in_progress(o, Reason::Running, message).wait(poll(o).min(rest))
}

fn overdue(o: &Observed) -> Decision {
    let message = format!(
        "the backup did not end within {} s. DCS may still make it: a backup cannot be stopped",
        o.running_limit().as_secs()
    );
    Decision::failed(o, Reason::DeadlineExceeded, message)
}
