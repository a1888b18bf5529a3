//! Decides about a Probe. Pure.

use std::time::Duration;

use dcs_operator::{
    api::{
        ConditionType, Reason,
        instance::{Holder, OperationStatus},
        time,
        words::OperationType,
    },
    controller::{ManagedResource, Time},
    inventory::demand::Demand,
    plan::{
        self, Blocker, Step,
        instance::observed::{CredentialsSource, PlannerSettings, ResolvedAccount},
        operation::{AttemptContext, Intent, MutatingAction},
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::api::{Probe, ProbeStatus};

/// What is decided from.
pub(crate) struct Observed {
    pub(super) probe: Probe,
    pub(super) status: ProbeStatus,
    /// Who operates on the DcsInstance.
    pub(super) holder: Option<Holder>,
    pub(super) account: Result<ResolvedAccount, Blocker>,
    /// The tag on the instance, once it was read.
    pub(super) tag: Option<Result<Option<String>, Blocker>>,
    pub(super) intent_seen: Option<Duration>,
    pub(super) now: Time,
    pub(super) settings: PlannerSettings,
}

/// Read the instance.
#[derive(Debug)]
pub(crate) struct ReadTag;

/// Add the in-use finalizer to the credentials.
#[derive(Debug)]
pub(crate) struct AddInUseFinalizer;

/// Tag the instance.
#[derive(Debug)]
pub(crate) struct SetTag {
    pub(super) id: String,
    pub(super) value: String,
}

pub(crate) type Plan = plan::Plan<ProbeStatus, ReadTag, AddInUseFinalizer, SetTag>;

impl MutatingAction for SetTag {
    fn operation_type(&self) -> OperationType {
        OperationType::UpdateTags
    }

    fn instance_id(&self) -> Option<&str> {
        Some(&self.id)
    }
}

impl Observed {
    /// It was complete before: what a change outside asks for is no operation of its own.
    fn is_done(&self) -> bool {
        self.probe.claim().is_none()
    }

    fn attempts(&self) -> AttemptContext<'_> {
        let account = self.account.as_ref().ok();
        AttemptContext {
            process: &self.settings.process,
            generation: self.probe.metadata.generation.unwrap_or_default(),
            account: account.map(|account| &account.account),
            credentials_hash: account.map(|account| account.credentials_hash.as_str()),
            retry_token: None,
            window: self.settings.window(),
            list_lag: self.settings.list_lag(),
            first_seen: self.intent_seen,
            wall: self.now.wall,
            monotonic: self.now.monotonic,
            requeue: &self.settings.requeue,
        }
    }

    fn intent(&self, action: &SetTag) -> OperationStatus {
        let metadata = &self.probe.metadata;
        let intent = Intent {
            type_: action.operation_type(),
            holder: Holder {
                kind: "Probe".to_owned(),
                name: metadata.name.clone().unwrap_or_default(),
                uid: metadata.uid.clone().unwrap_or_default(),
            },
            instance_id: action.instance_id(),
            failures: None,
            changes: Vec::new(),
            message: None,
        };
        intent.record(self.status.operation.as_ref(), &self.attempts())
    }

    /// A plan that says whether the job is complete, or why not.
    fn with(&self, step: Step<ReadTag, AddInUseFinalizer, SetTag>, wait: Duration, reason: Reason) -> Plan {
        let word = if reason == Reason::InSync { "True" } else { "False" };
        let before = self.status.conditions.iter().find(|before| before.status == word);
        let since = before.map_or_else(|| time::to_kube(self.now.wall), |b| b.last_transition_time.clone());
        let complete = Condition {
            type_: ConditionType::Complete.as_str().to_owned(),
            status: word.to_owned(),
            reason: reason.as_str().to_owned(),
            message: reason.meaning().to_owned(),
            last_transition_time: since,
            observed_generation: self.probe.metadata.generation,
        };
        let status = ProbeStatus { conditions: vec![complete], ..self.status.clone() };
        let intent = match &step {
            Step::CloudAction(action) => {
                Some(Box::new(ProbeStatus { operation: Some(self.intent(action)), ..status.clone() }))
            }
            _ => None,
        };
        Plan { step, status, publish: true, intent, warnings: Vec::new(), wait, demand: Demand::IDLE }
    }
}

pub(crate) fn plan(o: &Observed) -> Plan {
    let resync = o.settings.requeue.resync_interval("probe");
    let blocked = |blocker: &Blocker| {
        let wait = o.settings.requeue.retry_delay(blocker.retry_class(), 1);
        o.with(Step::Nothing, wait, blocker.reason)
    };
    let account = match &o.account {
        Err(blocker) => return blocked(blocker),
        Ok(account) => account,
    };
    if matches!(account.source, CredentialsSource::Namespace { in_use: false, deleting: false, .. }) {
        return o.with(Step::Prepare(AddInUseFinalizer), resync, Reason::Applying);
    }
    let is_granted = o.holder.as_ref().map(|holder| &holder.uid) == o.probe.metadata.uid.as_ref();
    if o.probe.spec.instance.is_some() && !is_granted && !o.is_done() {
        return o.with(Step::Nothing, resync, Reason::WaitingForInstance);
    }
    let tag = match &o.tag {
        None => return o.with(Step::Lookup(ReadTag), resync, Reason::Applying),
        Some(Err(blocker)) => return blocked(blocker),
        Some(Ok(tag)) => tag,
    };
    if tag.as_ref() == Some(&o.probe.spec.value) {
        let mut done = o.with(Step::Nothing, resync, Reason::InSync);
        done.status.operation = None;
        return done;
    }
    let operation = o.status.operation.as_ref();
    if let Some(wait) = operation.and_then(|operation| o.attempts().blocked_for(operation)) {
        return o.with(Step::Nothing, wait, Reason::Applying);
    }
    let action = SetTag { id: o.probe.spec.probed_instance_id.clone(), value: o.probe.spec.value.clone() };
    o.with(Step::CloudAction(action), resync, Reason::Applying)
}
