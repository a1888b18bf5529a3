//! The object is being deleted: its backup is deleted first, unless it stays.

use super::{
    begin,
    listed::{self, Confirmation, Unlisted},
};
use crate::{
    api::{
        Reason,
        instance::{DeletionPolicy, ManagementPolicy, OperationStatus},
        words::{JobOutcome, OperationOutcome, OperationType},
    },
    dcs::model::{BackupRecord, BackupStatus},
    plan::{
        Blocker, Consent, Definition,
        backup::{
            action::{CloudAction, Lookup, Step},
            decision::Decision,
            input::Observed,
        },
        blocker::retry_class,
        conditions::JobSituation,
        instance::observed::Detail,
        job::InstanceObject,
        schedule::RetryClass,
    },
};

pub(in crate::plan::backup) fn decide(o: &Observed) -> Decision {
    if !o.subject.finalizer {
        return Decision::deleting(o, "the object is being deleted").without_status_write();
    }
    if o.deletion_policy() == DeletionPolicy::Retain || !(o.has_begun() || may_have_lost_trace(o)) {
        return done(o);
    }
    if let Some(restore) = &o.used_by {
        let message =
            format!("DcsRestore {restore} needs the backup until it has ended; to end it sooner, delete it");
        return Decision::deleting(o, message);
    }
    // The operator has seen that it is gone.
    if o.status.cloud_status.as_deref() == Some(BackupStatus::Deleted.as_str()) {
        return done(o);
    }
    let definition = match &o.lookups.definition {
        None => {
            let step = Step::Lookup(Lookup::Definition);
            return Decision::deleting(o, "the backup is being deleted").step(step);
        }
        Some(Err(blocker)) => return Decision::deletion_failed(o, blocker),
        Some(Ok(definition)) => definition,
    };
    // That is no consent to delete data.
    if *definition == Definition::BeingDeleted {
        return done(o);
    }
    let decision = look(o, definition);
    // What runs for too long does not keep the instance from others.
    let outcome = o.is_overdue().then_some(JobOutcome::Failed);
    Decision { outcome: decision.outcome.clone().or(outcome), ..decision }
}

/// Looks for the backup.
fn look(o: &Observed, definition: &Definition) -> Decision {
    // What cannot be found without the DcsInstance has no id in the status: nothing can be called for it.
    let Some(instance) = o.instance_id() else {
        return match o.instance {
            InstanceObject::Unknown => {
                Decision::deleting(o, "the operator has just started").without_status_write()
            }
            InstanceObject::Found(_) => {
                let message =
                    "whether the object has a backup is found out once its DcsInstance has an instance";
                Decision::deleting(o, message)
            }
            InstanceObject::Missing => {
                let message = "the status was lost and the DcsInstance does not exist: a backup of the object may be left";
                done(o).warn("BackupMayBeLeft", message.to_owned())
            }
        };
    };
    let list = match listed::backups(o, instance, o.settings.requeue.job_check_interval) {
        Ok(list) => list,
        Err(Unlisted::Read(step)) => {
            return Decision::deleting(o, "the backup is being looked up").step(step);
        }
        Err(Unlisted::Failed(blocker)) => return Decision::deletion_failed(o, &blocker),
        Err(Unlisted::InstanceNotFound) => {
            return match listed::is_gone(o, instance) {
                Ok(()) => done(o).warn("BackupGoneWithInstance", listed::gone_with(instance)),
                Err(Confirmation::Read(step)) => {
                    Decision::deleting(o, "the instance is being looked up").step(step)
                }
                Err(Confirmation::Failed(blocker)) => Decision::deletion_failed(o, &blocker),
            };
        }
    };
    let record = match &o.status.id {
        Some(id) => list.find(id),
        None => list.marked(&o.mark(instance)),
    };
    let Some(record) = record else {
        let end = match &o.status.id {
            // The cloud answered with the id a moment ago, and may not list it yet.
            Some(_) => o.open_request().map(|operation| o.attempts().window_end(Some(operation))),
            None => o.unseen_until(),
        };
        return match end.filter(|end| !list.proves_since(*end)) {
            Some(end) => {
                let message =
                    "the outcome of the last request is not known yet: the list of backups has to show it";
                listed::until_proven(o, end, Decision::deleting(o, message))
            }
            None => done(o),
        };
    };
    match &record.status {
        Some(BackupStatus::Deleted) => done(o),
        None | Some(BackupStatus::Waiting | BackupStatus::Backuping) => {
            let message = format!(
                "backup {} is being made, and cannot be stopped: it is deleted once it has ended",
                record.backup_id
            );
            Decision::deleting(o, message).with_record(record).wait(o.settings.requeue.job_check_interval)
        }
        Some(
            BackupStatus::Succeed | BackupStatus::Failed | BackupStatus::Expired | BackupStatus::Other(_),
        ) => match may_delete(o, instance, record) {
            Ok(()) => remove(o, definition, instance, record),
            Err(Confirmation::Read(step)) => {
                Decision::deleting(o, "the instance is being looked up").step(step)
            }
            Err(Confirmation::Failed(blocker)) => done(o)
                .warn("BackupNotDeleted", format!("backup {} stays: {}", record.backup_id, blocker.message)),
        },
    }
}

/// The status may have lost the trace of a request.
fn may_have_lost_trace(o: &Observed) -> bool {
    o.unseen_until().is_some()
}

/// Nothing of the object is left in the cloud, or it stays there.
fn done(o: &Observed) -> Decision {
    Decision::deleting(o, "nothing is left to delete").without_status_write().step(Step::RemoveFinalizer)
}

/// The status alone is no permission to delete: it may have been edited, or come from elsewhere. The mark in the remark
/// names the object, or the spec the backup.
fn may_delete(o: &Observed, instance: &str, record: &BackupRecord) -> Result<(), Confirmation> {
    let refused =
        |message: String| Err(Confirmation::Failed(Blocker { reason: Reason::NotAllowed, message }));
    let Some(adopt) = &o.spec.adopt else {
        let is_own = record.remark.as_deref().is_some_and(|remark| o.mark(instance).is_in(remark));
        return if is_own { Ok(()) } else { refused("its remark does not name this object".to_owned()) };
    };
    let InstanceObject::Found(view) = &o.instance else {
        return refused("it was adopted, and its DcsInstance does not exist".to_owned());
    };
    if adopt.backup_id != record.backup_id || view.id.as_deref() != Some(instance) {
        return refused("it is not the backup that adopt.backupId and instanceRef name".to_owned());
    }
    match o.detail(instance) {
        None => Err(Confirmation::Read(Step::Lookup(Lookup::Instance { id: instance.to_owned() }))),
        Some(Detail::Found(snapshot)) => match begin::not_allowed(o, view, &snapshot.facts) {
            None => Ok(()),
            Some(message) => refused(message),
        },
        Some(Detail::NotFound | Detail::Failed(_)) => refused("its instance cannot be read".to_owned()),
    }
}

/// Deletes the backup.
fn remove(o: &Observed, definition: &Definition, instance: &str, record: &BackupRecord) -> Decision {
    let id = &record.backup_id;
    let message = format!("backup {id} is being deleted");
    if let Definition::Lacks(fields) = definition {
        let message = Definition::outdated(fields);
        return Decision::new(o, JobSituation::DeletionBlocked(Reason::DefinitionOutdated), message)
            .wait(o.settings.requeue.needs_user.first);
    }
    let consent =
        Consent::by_deletion(o.subject.deleting, ManagementPolicy::Managed, o.deletion_policy(), definition);
    let Some(consent) = consent else { return done(o) };
    let same = |operation: &&OperationStatus| {
        operation.type_ == OperationType::DeleteBackup && operation.instance_id.as_deref() == Some(id)
    };
    if let Some(operation) = o.status.operation.as_ref().filter(same) {
        let is_refused = operation.outcome == Some(OperationOutcome::Refused);
        // A record of a failure or of removed files is all that is left: it does not keep the object.
        let has_files = !matches!(record.status, Some(BackupStatus::Failed | BackupStatus::Expired));
        if is_refused && !has_files {
            let why = operation.message.as_deref().unwrap_or("DCS refused the request");
            return done(o).warn("BackupRecordLeft", format!("the record of backup {id} is left: {why}"));
        }
        if let Some(rest) = o.attempts().blocked_for(operation) {
            let why = operation.message.as_deref().unwrap_or(&message);
            let reason = operation.reason.as_deref().and_then(Reason::from_word);
            let person = reason.filter(|reason| is_refused && retry_class(*reason) == RetryClass::NeedsUser);
            return match person {
                Some(reason) => {
                    let why = format!(
                        "backup {id} cannot be deleted: {why}; retried slowly. To leave it, set deletionPolicy to Retain"
                    );
                    Decision::new(o, JobSituation::DeletionBlocked(reason), why)
                }
                None => Decision::deleting(o, why),
            }
            .with_record(record)
            .wait(rest.min(o.settings.requeue.needs_user.first));
        }
    }
    let action = CloudAction::Delete { instance: instance.to_owned(), id: id.clone(), consent };
    Decision::deleting(o, message)
        .with_record(record)
        .step(Step::CloudAction(action))
        .wait(o.settings.requeue.job_check_interval)
}
