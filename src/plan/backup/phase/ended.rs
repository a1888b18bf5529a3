//! The job has ended. Whether its backup can still be restored is looked at from time to time.

use super::listed::{self, Confirmation, Unlisted};
use crate::{
    api::{ConditionType, Reason, words::JobOutcome},
    dcs::model::{BackupRecord, BackupStatus},
    plan::{
        Blocker,
        backup::{
            action::{Lookup, Step},
            decision::Decision,
            input::Observed,
            limit,
        },
        conditions::{JobResult, JobSituation},
        instance::observed::Detail,
        job::InstanceObject,
    },
};

/// Failed looks in a row after which Ready says so, where the cause may pass.
const TOLERATED_FAILURES: u32 = 6;

pub(in crate::plan::backup) fn decide(o: &Observed) -> Decision {
    let (Some(id), Some(instance)) = (o.status.id.as_deref(), o.instance_id()) else {
        return unchanged(o, JobResult::Unchanged);
    };
    // A failed record does not change any more.
    if o.status.cloud_status.as_deref() == Some(BackupStatus::Failed.as_str()) {
        return unchanged(o, JobResult::Unchanged);
    }
    let list = match listed::backups(o, instance, o.settings.requeue.resync_interval) {
        Ok(list) => list,
        Err(Unlisted::Read(step)) => return unchanged(o, JobResult::Unchanged).step(step),
        Err(Unlisted::Failed(blocker)) => return unobserved(o, &blocker),
        Err(Unlisted::InstanceNotFound) => {
            return match listed::is_gone(o, instance) {
                Ok(()) => lost(o, Reason::InstanceDeleted, listed::gone_with(instance)),
                Err(Confirmation::Read(step)) => unchanged(o, JobResult::Unchanged).step(step),
                Err(Confirmation::Failed(blocker)) => unobserved(o, &blocker),
            };
        }
    };
    // The object is woken when its DcsInstance is gone: mostly the instance went with it. The list may be older.
    if !is_stood_for(o, instance) {
        match o.detail(instance) {
            None => {
                let step = Step::Lookup(Lookup::Instance { id: instance.to_owned() });
                return unchanged(o, JobResult::Unchanged).step(step);
            }
            Some(Detail::NotFound) => {
                return lost(o, Reason::InstanceDeleted, listed::gone_with(instance));
            }
            Some(Detail::Found(_) | Detail::Failed(_)) => {}
        }
    }
    match list.find(id) {
        // It ended after the object gave up: the end stays what it was.
        Some(record) if o.status.outcome != Some(JobOutcome::Succeeded) => {
            unchanged(o, JobResult::Unchanged).with_record(record)
        }
        Some(record) => of_record(o, record, was_made_before(o)).with_record(record),
        None => lost(o, Reason::ExternallyDeleted, format!("DCS does not list backup {id} any more")),
    }
}

/// The DcsInstance stands for the instance of the backup.
fn is_stood_for(o: &Observed, instance: &str) -> bool {
    match &o.instance {
        InstanceObject::Found(view) => view.id.as_deref() == Some(instance),
        // It may be there.
        InstanceObject::Unknown => true,
        InstanceObject::Missing => false,
    }
}

/// The conditions of a backup that was made.
pub(super) fn of_record(o: &Observed, record: &BackupRecord, again: bool) -> Decision {
    let id = &record.backup_id;
    let (result, ready) = match &record.status {
        Some(BackupStatus::Deleted) => {
            (JobResult::Unusable(Reason::ExternallyDeleted), format!("backup {id} was deleted"))
        }
        Some(BackupStatus::Expired) => {
            let message =
                format!("DCS removed backup {id}: its time was over, or newer backups took its place");
            (JobResult::Unusable(Reason::Expired), message)
        }
        Some(BackupStatus::Succeed) if record.is_restorable() => {
            (JobResult::Usable(Reason::Restorable), format!("backup {id} can be restored"))
        }
        Some(BackupStatus::Succeed) => {
            let message =
                format!("DCS says that backup {id} cannot be restored to its instance as that is now");
            (JobResult::Unusable(Reason::NotRestorable), message)
        }
        other => {
            let word = other.as_ref().map_or("none", BackupStatus::as_str);
            (JobResult::Unusable(Reason::NotRestorable), format!("the status of backup {id} is {word}"))
        }
    };
    let message = match &o.spec.adopt {
        Some(_) => format!("backup {id} is adopted"),
        None if again => format!("backup {id} was made for an earlier object with this manifest"),
        None => format!("backup {id} was made"),
    };
    let decision = Decision::new(o, JobSituation::Succeeded { again, result }, message);
    match limit::threat(o).filter(|_| record.is_restorable()) {
        Some(threat) => Decision { ready_message: Some(format!("{ready}; {threat}")), ..decision }
            .warn("PinnedBackupAtRisk", threat),
        None => Decision { ready_message: Some(ready), ..decision },
    }
}

/// The backup is gone.
fn lost(o: &Observed, reason: Reason, message: String) -> Decision {
    let decision = unchanged(o, JobResult::Unusable(reason));
    Decision { ready_message: Some(message), is_lost: true, ..decision }
}

/// A look failed.
fn unobserved(o: &Observed, blocker: &Blocker) -> Decision {
    let wait = o.retry_delay(blocker);
    if !blocker.needs_person() && o.failures < TOLERATED_FAILURES {
        return unchanged(o, JobResult::Unchanged).wait(wait);
    }
    let decision = unchanged(o, JobResult::Unknown(blocker.reason));
    Decision { ready_message: Some(blocker.message.clone()), ..decision }.wait(wait)
}

/// The end stays what it was.
fn unchanged(o: &Observed, result: JobResult) -> Decision {
    if o.status.outcome == Some(JobOutcome::Succeeded) {
        let (again, message) = (was_made_before(o), last(o, ConditionType::Complete).1);
        return Decision::new(o, JobSituation::Succeeded { again, result }, message);
    }
    let (word, message) = last(o, ConditionType::Failed);
    let reason = Reason::from_word(&word).unwrap_or(Reason::OperationFailed);
    Decision::new(o, JobSituation::Failed(reason), message)
}

/// The object took over the backup of an earlier one.
fn was_made_before(o: &Observed) -> bool {
    last(o, ConditionType::Complete).0 == Reason::AlreadyCompleted.as_str()
}

/// Reason and message of a condition.
fn last(o: &Observed, type_: ConditionType) -> (String, String) {
    let found = o.status.conditions.iter().find(|condition| condition.type_ == type_.as_str());
    found.map(|condition| (condition.reason.clone(), condition.message.clone())).unwrap_or_default()
}
