//! The backup exists, or existed: it is followed to its end.

use std::time::Duration;

use super::{
    ended,
    listed::{self, Unlisted},
};
use crate::{
    api::{Reason, time, words::JobOutcome},
    dcs::model::{BackupRecord, BackupStatus, failure_meaning},
    plan::{
        backup::{
            decision::Decision,
            input::{InstanceObject, Observed},
            status::{has_mark, progress},
        },
        conditions::JobSituation,
    },
};

pub(in crate::plan::backup) fn decide(o: &Observed, id: &str) -> Decision {
    let Some(instance) = o.instance_id() else { return without_instance(o) };
    let list = match listed::backups(o, instance, poll(o)) {
        Ok(list) => list,
        Err(Unlisted::Read(step)) => {
            return Decision::in_progress(o, Reason::Running, "the backup is being looked up").step(step);
        }
        Err(Unlisted::Failed(blocker)) => return Decision::lookup_failed(o, &blocker),
        Err(Unlisted::InstanceNotFound) => {
            let message = format!("instance {instance} does not exist any more, and its backups with it");
            return Decision::failed(o, Reason::InstanceDeleted, message);
        }
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
    let end = o.attempts().window_end(o.status.operation.as_ref());
    if listed::proves_since(list, end) {
        let message = format!("DCS does not list backup {id} of instance {instance}");
        return Decision::failed(o, Reason::OperationFailed, message);
    }
    let message = format!("DCS does not list backup {id} yet");
    listed::until_proven(o, end, Decision::in_progress(o, Reason::Running, message))
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
            Decision::new(o, JobSituation::NotObservedYet, "the operator has just started").without_status_write()
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
        Some(BackupStatus::Succeed | BackupStatus::Expired | BackupStatus::Deleted) => succeeded(o, record),
        Some(BackupStatus::Failed) => {
            let code = record.error_code.as_deref();
            let why = code.and_then(failure_meaning).or(code).unwrap_or("DCS gives no reason");
            Decision::failed(o, Reason::OperationFailed, format!("DCS could not make the backup: {why}"))
        }
    };
    decision.with_record(record)
}

fn succeeded(o: &Observed, record: &BackupRecord) -> Decision {
    // The object did not ask for it: an earlier one did, or it is adopted.
    let again = o.open_request().is_none() && o.status.id.is_none() && o.spec.adopt.is_none() && has_mark(record);
    let decision = ended::of_record(o, record, again);
    Decision { outcome: Some(JobOutcome::Succeeded), ..decision }
}

fn running(o: &Observed, record: &BackupRecord) -> Decision {
    let limit = u64::try_from(o.spec.running_deadline_seconds.unwrap_or(14_400)).unwrap_or_default();
    let limit = Duration::from_secs(limit);
    let began = o.status.started_at.as_ref().map(time::from_kube).or(record.execution_at).or(record.created_at);
    let elapsed = began.and_then(|began| o.now.wall.signed_duration_since(began).to_std().ok());
    if elapsed.is_some_and(|elapsed| elapsed >= limit) && o.spec.adopt.is_none() {
        let message = format!(
            "the backup did not end within {} s. DCS may still make it: a backup cannot be stopped",
            limit.as_secs()
        );
        return Decision::failed(o, Reason::DeadlineExceeded, message);
    }
    let done = progress(record).map_or_else(String::new, |percent| format!("; {percent} % are done"));
    let message = format!("DCS is making backup {}{done}", record.backup_id);
    let rest = elapsed.map_or(limit, |elapsed| limit.saturating_sub(elapsed));
    Decision::in_progress(o, Reason::Running, message).wait(poll(o).min(rest))
}
