//! Composes the plan from a decision.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    action::{CloudAction, KubeAction, Plan, Step},
    decision::Decision,
    input::{Observed, open_request},
};
use crate::{
    api::{
        ConditionType, DcsBackupSpec, DcsBackupStatus, Reason,
        backup::{BackedUpInstance, ResolvedBackup},
        instance::{CloudAccount, Holder, OperationStatus},
        job::JobAccount,
        time,
    },
    dcs::model::{BackupRecord, BackupStatus, text},
    inventory::demand::Demand,
    plan::{
        conditions::job_conditions,
        instance::observed::CredentialsSource,
        job::progress,
        operation::{HasOperation, Intent, MutatingAction},
    },
};

impl HasOperation for DcsBackupStatus {
    fn operation(&self) -> Option<&OperationStatus> {
        self.operation.as_ref()
    }

    fn operation_mut(&mut self) -> Option<&mut OperationStatus> {
        self.operation.as_mut()
    }

    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn on_created(&mut self, backup_id: &str) {
        self.id = Some(backup_id.to_owned());
    }
}

/// Whether the object has to operate on the instance alone: it waits for its turn, or its backup was requested and has not
/// ended. An adopted backup is only looked at.
pub fn claims_instance(spec: &DcsBackupSpec, status: &DcsBackupStatus) -> bool {
    if spec.adopt.is_some() || status.outcome.is_some() {
        return false;
    }
    let is_running = |word: &str| match BackupStatus::from(word) {
        BackupStatus::Waiting | BackupStatus::Backuping | BackupStatus::Other(_) => true,
        BackupStatus::Succeed | BackupStatus::Failed | BackupStatus::Expired | BackupStatus::Deleted => false,
    };
    let waits = |condition: &Condition| {
        condition.type_ == ConditionType::Reconciling.as_str()
            && condition.status == "True"
            && condition.reason == Reason::WaitingForInstance.as_str()
    };
    (open_request(status).is_some() && status.cloud_status.as_deref().is_none_or(is_running))
        || status.conditions.iter().any(waits)
}

/// Composes the plan from a decision.
pub(super) fn compose(o: &Observed, decision: Decision) -> Plan {
    let decision = prepend_kube_action(o, decision);
    let status = status(o, &decision);
    let intent = match &decision.step {
        Step::CloudAction(action) => Some(Box::new(intent(o, action, &status))),
        Step::Nothing | Step::Lookup(_) | Step::AddFinalizer | Step::RemoveFinalizer | Step::Prepare(_) => {
            None
        }
    };
    Plan {
        step: decision.step,
        status,
        publish: decision.publish,
        intent,
        warnings: decision.warnings,
        wait: decision.wait,
        demand: Demand::IDLE,
    }
}

/// Puts what an object with a backup needs in Kubernetes before the step.
fn prepend_kube_action(o: &Observed, mut decision: Decision) -> Decision {
    let begins = matches!(decision.step, Step::CloudAction(CloudAction::Create { .. }));
    let rests = decision.step == Step::Nothing && decision.record.is_some() && !o.subject.deleting;
    if !(begins || rests || decision.step == Step::AddFinalizer) {
        return decision;
    }
    let in_use = match o.account.as_ref().map(|account| &account.source) {
        Ok(CredentialsSource::Namespace { in_use, deleting, .. }) => *in_use || *deleting,
        Ok(CredentialsSource::Operator { .. }) | Err(_) => true,
    };
    // An object with the finalizer needs its credentials until it is gone, and a deleted namespace takes the Secret first.
    if !in_use {
        decision.step = Step::Prepare(KubeAction::AddInUseFinalizer);
    } else if !o.subject.finalizer {
        decision.step = Step::AddFinalizer;
    }
    decision
}

fn status(o: &Observed, decision: &Decision) -> DcsBackupStatus {
    let mut status = o.status.clone();
    status.observed_generation = Some(o.subject.generation);
    status.outcome.clone_from(&decision.outcome);
    if let Some(record) = &decision.record {
        observe(o, record, &mut status);
    }
    let is_requested = matches!(decision.step, Step::CloudAction(CloudAction::Create { .. }));
    if let Some(instance) = decision.instance.as_ref().filter(|_| is_requested) {
        status.instance = Some(instance.clone());
    }
    // What a refused request noted does not hold any more.
    if !is_requested && status.id.is_none() && o.open_request().is_none() {
        (status.instance, status.account, status.started_at) = (None, None, None);
    }
    if decision.is_lost {
        (status.restorable, status.cloud_status) =
            (Some(false), Some(BackupStatus::Deleted.as_str().to_owned()));
    }
    if status.account.is_some() {
        note_account(o, &mut status);
    }
    resolve(o, decision, &mut status);
    let ready = decision.ready_message.as_deref().unwrap_or(&decision.message);
    status.conditions = job_conditions(
        decision.situation,
        (&decision.message, ready),
        &o.status.conditions,
        o.subject.generation,
        o.now.wall,
    );
    status
}

/// What the cloud shows of the backup.
fn observe(o: &Observed, record: &BackupRecord, status: &mut DcsBackupStatus) {
    let word = |word: &str| text::bounded(word, 63);
    status.id = Some(record.backup_id.clone());
    status.cloud_status = record.status.as_ref().map(|status| word(status.as_str()));
    status.type_ = record.backup_type.as_ref().map(|type_| word(type_.as_str()));
    status.progress_percent = progress(record.progress);
    status.size_bytes = record.size.filter(|size| *size >= 0);
    status.size = status.size_bytes.map(readable);
    status.restorable = Some(record.is_restorable());
    // A clock that is ahead must not show times in the future.
    let shown = |at: DateTime<Utc>| time::to_kube(at.min(o.now.wall));
    // Only the first look tells: a time that lies in the future would move with each look.
    let is_first = o.status.cloud_status.is_none();
    let began = record.execution_at.or(record.created_at).filter(|_| is_first).map(shown);
    status.started_at = began.or(status.started_at.take());
    let has_ended = match &record.status {
        Some(BackupStatus::Succeed | BackupStatus::Failed) => true,
        Some(BackupStatus::Expired | BackupStatus::Deleted) => true,
        Some(BackupStatus::Waiting | BackupStatus::Backuping | BackupStatus::Other(_)) | None => false,
    };
    if has_ended && status.completed_at.is_none() {
        status.completed_at = record.updated_at.map(shown);
    }
    let id = o.instance_id().map(str::to_owned);
    status.instance.get_or_insert_with(|| BackedUpInstance { id, ..BackedUpInstance::default() });
    let format = record.backup_format.as_ref().map(|format| word(format.as_str()));
    status.resolved.get_or_insert_default().format = format;
    note_account(o, status);
}

/// Keeps where the backup is, and by which credentials: the DcsInstance may be gone when they are needed.
fn note_account(o: &Observed, status: &mut DcsBackupStatus) {
    let Ok(account) = &o.account else { return };
    let place = |account: &CloudAccount| (account.project_id.clone(), account.endpoint.clone());
    let recorded = status.account.as_ref().filter(|_| o.has_begun());
    if recorded.is_some_and(|recorded| place(&recorded.account) != place(&account.account)) {
        return;
    }
    let credentials = match &account.source {
        CredentialsSource::Namespace { secret, .. } => Some(secret.clone()),
        CredentialsSource::Operator { .. } => None,
    };
    status.account = Some(JobAccount { account: account.account.clone(), credentials });
}

fn resolve(o: &Observed, decision: &Decision, status: &mut DcsBackupStatus) {
    let origin = if o.spec.adopt.is_some() { "Adopted" } else { "Created" };
    let policy = match o.deletion_policy() {
        crate::api::instance::DeletionPolicy::Delete => "Delete",
        crate::api::instance::DeletionPolicy::Retain => "Retain",
    };
    let resolved: &mut ResolvedBackup = status.resolved.get_or_insert_default();
    resolved.deletion_policy = Some(policy.to_owned());
    resolved.origin = Some(origin.to_owned());
    if let Step::CloudAction(CloudAction::Create { format, .. }) = &decision.step {
        resolved.format = Some(format.as_str().to_owned());
    }
}

/// The status that is written before a request.
fn intent(o: &Observed, action: &CloudAction, status: &DcsBackupStatus) -> DcsBackupStatus {
    let intent = Intent {
        type_: action.operation_type(),
        holder: Holder {
            kind: "DcsBackup".to_owned(),
            name: o.subject.name.clone(),
            uid: o.subject.uid.clone(),
        },
        instance_id: action.instance_id(),
        failures: None,
        changes: Vec::new(),
        message: None,
    };
    let operation = intent.record(o.status.operation.as_ref(), &o.attempts());
    let mut status = status.clone();
    if let CloudAction::Create { .. } = action {
        status.started_at.clone_from(&operation.attempted_at);
        note_account(o, &mut status);
    }
    DcsBackupStatus { operation: Some(operation), ..status }
}

/// A size for people: `859Mi`.
fn readable(bytes: i64) -> String {
    const UNITS: [(&str, i64); 4] = [("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    // Ten of a unit or more are precise enough.
    match UNITS.iter().find(|(_, unit)| bytes >= 10 * unit) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{}Ki", (bytes + 1023) / 1024),
    }
}
