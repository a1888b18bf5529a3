//! Composes the plan from a decision.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    action::{CloudAction, Plan, Step},
    decision::Decision,
    input::{Observed, open_request},
};
use crate::{
    api::{
        ConditionType, DcsRestoreStatus, Reason,
        instance::{Holder, OperationStatus},
        job::JobAccount,
        restore::RestoredInstance,
    },
    inventory::demand::Demand,
    plan::{
        conditions::job_conditions,
        instance::observed::CredentialsSource,
        operation::{HasOperation, Intent, MutatingAction},
    },
};

impl HasOperation for DcsRestoreStatus {
    fn operation(&self) -> Option<&OperationStatus> {
        self.operation.as_ref()
    }

    fn operation_mut(&mut self) -> Option<&mut OperationStatus> {
        self.operation.as_mut()
    }

    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn on_created(&mut self, restore_id: &str) {
        self.restore_id = Some(restore_id.to_owned());
        // The approval has served.
        self.pending_approval = None;
    }
}

/// Whether the object has to operate on the instance alone: it waits for its turn or for the backup first, or was requested
/// and has not ended. A source that is still being made needs the instance itself.
pub fn claims_instance(status: &DcsRestoreStatus) -> bool {
    if status.outcome.is_some() {
        return false;
    }
    let reconciling = |reason: Reason| {
        status.conditions.iter().any(|condition| {
            condition.type_ == ConditionType::Reconciling.as_str()
                && condition.status == "True"
                && condition.reason == reason.as_str()
        })
    };
    status.restore_id.is_some()
        || open_request(status).is_some()
        || reconciling(Reason::WaitingForInstance)
        || (status.started_at.is_some() && reconciling(Reason::WaitingForBackup))
}

/// Composes the plan from a decision.
pub(super) fn compose(o: &Observed, decision: Decision) -> Plan {
    let mut status = decision.status;
    status.observed_generation = Some(o.subject.generation);
    if o.spec.consent.is_some() {
        status.pending_approval = None;
    }
    if status.account.is_some() || status.backup.is_some() {
        note_account(o, &mut status);
    }
    status.conditions = job_conditions(
        decision.situation,
        (&decision.message, &decision.message),
        &o.status.conditions,
        o.subject.generation,
        o.now.wall,
    );
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

/// Keeps where the instance is, and by which credentials.
fn note_account(o: &Observed, status: &mut DcsRestoreStatus) {
    let Ok(account) = &o.account else { return };
    if status.account.is_some() && o.has_begun() {
        return;
    }
    let credentials = match &account.source {
        CredentialsSource::Namespace { secret, .. } => Some(secret.clone()),
        CredentialsSource::Operator { .. } => None,
    };
    status.account = Some(JobAccount { account: account.account.clone(), credentials });
}

/// The status that is written before the request.
fn intent(o: &Observed, action: &CloudAction, status: &DcsRestoreStatus) -> DcsRestoreStatus {
    let CloudAction::Restore { instance, .. } = action;
    let intent = Intent {
        type_: action.operation_type(),
        holder: Holder {
            kind: "DcsRestore".to_owned(),
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
    status.instance = Some(RestoredInstance { id: Some(instance.clone()) });
    DcsRestoreStatus { operation: Some(operation), ..status }
}
