//! The object is being deleted: its backup is deleted first, unless it stays.

use super::listed::{self, Unlisted};
use crate::{
    api::{
        Reason,
        instance::{DeletionPolicy, ManagementPolicy, OperationStatus},
        words::{OperationOutcome, OperationType},
    },
    dcs::model::{BackupRecord, BackupStatus},
    plan::{
        Consent, Definition,
        backup::{
            action::{CloudAction, Lookup, Step},
            decision::Decision,
            input::{InstanceObject, Observed},
        },
        blocker::retry_class,
        conditions::JobSituation,
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
    // What cannot be found without the DcsInstance has no id in the status: nothing can be called for it.
    let Some(instance) = o.instance_id() else {
        return match o.instance {
            InstanceObject::Unknown => Decision::deleting(o, "the operator has just started").without_status_write(),
            InstanceObject::Missing | InstanceObject::Found(_) => done(o),
        };
    };
    let list = match listed::backups(o, instance, o.settings.requeue.job_check_interval) {
        Ok(list) => list,
        Err(Unlisted::Read(step)) => return Decision::deleting(o, "the backup is being looked up").step(step),
        Err(Unlisted::Failed(blocker)) => return Decision::deletion_failed(o, &blocker),
        Err(Unlisted::InstanceNotFound) => {
            let message = format!("instance {instance} does not exist any more, and its backups with it");
            return done(o).warn("BackupGoneWithInstance", message);
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
        return match end.filter(|end| !listed::proves_since(list, *end)) {
            Some(end) => {
                let message = "the outcome of the last request is not known yet: the list of backups has to show it";
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
        ) => remove(o, instance, record),
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

/// Deletes the backup.
fn remove(o: &Observed, instance: &str, record: &BackupRecord) -> Decision {
    let id = &record.backup_id;
    let message = format!("backup {id} is being deleted");
    let definition = match &o.lookups.definition {
        None => return Decision::deleting(o, message).step(Step::Lookup(Lookup::Definition)),
        Some(Err(blocker)) => return Decision::deletion_failed(o, blocker),
        Some(Ok(definition)) => definition,
    };
    match definition {
        Definition::Complete => {}
        // That is no consent to delete data.
        Definition::BeingDeleted => return done(o),
        Definition::Lacks(fields) => {
            let message = format!(
                "the CustomResourceDefinition lacks {}, so the API server may have dropped a policy of this object: apply the \
                 CustomResourceDefinitions of this version of the operator",
                fields.join(", ")
            );
            return Decision::new(o, JobSituation::DeletionBlocked(Reason::DefinitionOutdated), message);
        }
    }
    let consent = Consent::by_deletion(
        o.subject.deleting,
        ManagementPolicy::Managed,
        o.deletion_policy(),
        definition,
    );
    let Some(consent) = consent else { return done(o) };
    let same = |operation: &&OperationStatus| {
        operation.type_ == OperationType::DeleteBackup && operation.instance_id.as_deref() == Some(id)
    };
    if let Some(operation) = o.status.operation.as_ref().filter(same) {
        let is_refused = operation.outcome == Some(OperationOutcome::Refused);
        // A record of a failure or of removed files is all that is left: it does not keep the object.
        let has_files = record.status == Some(BackupStatus::Succeed);
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
