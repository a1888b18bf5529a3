//! What was decided, and how it becomes a plan: the whole status is put together here, for every decision alike.

use std::time::Duration;

use super::{
    intent,
    observed::Observed,
    says,
    step::{Plan, Step},
};
use crate::{
    api::{
        Reason,
        instance::{Operation, PendingChange, Resolved},
    },
    dcs::model::InstanceFacts,
    plan::{
        Follow,
        conditions::{Finding, Readiness, Situation, conditions},
        schedule,
    },
};

/// What was decided. Whatever a decision does not mention stays as it was said last.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) step: Step,
    pub(super) finding: Finding,
    /// Overrides what the last sight of the instance says.
    readiness: Option<(Readiness, String)>,
    /// What was seen of the instance, if anything new.
    facts: Option<InstanceFacts>,
    id: Option<String>,
    operation: Option<Operation>,
    /// What a new instance is going to be.
    resolved: Option<Resolved>,
    pending: Vec<PendingChange>,
    wait: Duration,
    follow: Follow,
    silent: bool,
}

// === impl Decision ===

impl Decision {
    /// A decision to do nothing, and to come back on the slow round.
    pub(super) fn new(o: &Observed, situation: Situation, message: impl Into<String>) -> Self {
        Self {
            step: Step::Nothing,
            finding: Finding { situation, message: message.into() },
            readiness: None,
            facts: None,
            id: o.status.id.clone(),
            operation: o.status.operation.clone(),
            resolved: None,
            pending: Vec::new(),
            wait: schedule::slow_round(&o.subject.uid),
            follow: Follow::STEADY,
            silent: false,
        }
    }

    /// A person is needed; tried again at `wait` or when a cause changes.
    pub(super) fn blocked(o: &Observed, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(o, Situation::Blocked(reason), message)
    }

    pub(super) fn step(self, step: Step) -> Self {
        Self { step, ..self }
    }

    pub(super) fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    pub(super) fn follow(self, follow: Follow) -> Self {
        Self { follow, ..self }
    }

    pub(super) fn ready(self, readiness: Readiness, message: impl Into<String>) -> Self {
        Self { readiness: Some((readiness, message.into())), ..self }
    }

    /// What was seen of the instance `facts.id`, which is the object's.
    pub(super) fn seen(self, facts: &InstanceFacts) -> Self {
        Self { id: Some(facts.id.clone()), facts: Some(facts.clone()), ..self }
    }

    pub(super) fn resolved(self, resolved: Resolved) -> Self {
        Self { resolved: Some(resolved), ..self }
    }

    pub(super) fn pending(self, pending: Vec<PendingChange>) -> Self {
        Self { pending, ..self }
    }

    /// The same, told otherwise.
    pub(super) fn saying(self, finding: Finding) -> Self {
        Self { finding, ..self }
    }

    /// Nothing is being done to the instance any more.
    pub(super) fn settled(self) -> Self {
        Self { operation: None, ..self }
    }

    /// Nothing is said: there is nothing new to say.
    pub(super) fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    /// The plan, with the whole status.
    pub(super) fn compose(self, o: &Observed) -> Plan {
        let (readiness, ready_message) =
            self.readiness.clone().unwrap_or_else(|| says::readiness(o, self.facts.as_ref()));
        let mut status = o.status.clone();
        let Self { id, operation, resolved, pending, .. } = &self;
        status.observed_generation = Some(o.subject.generation);
        status.operation.clone_from(operation);
        status.pending_changes.clone_from(pending);
        if let Some(resolved) = resolved {
            status.resolved = Some(resolved.clone());
        }
        if id.is_none() {
            (status.cloud_status, status.endpoints) = (None, None);
        }
        status.id.clone_from(id);
        if let Some(facts) = &self.facts {
            says::facts(o, facts, &mut status);
        }
        says::policies(o, &mut status);
        status.conditions = conditions(
            &self.finding,
            (readiness, &ready_message),
            &o.status.conditions,
            o.subject.generation,
            o.now.wall,
        );
        let intent = match &self.step {
            Step::Change(change) => Some(Box::new(intent::intend(o, change, &status))),
            Step::Nothing | Step::Look(_) | Step::AddFinalizer | Step::RemoveFinalizer | Step::Prepare(_) => {
                None
            }
        };
        Plan { step: self.step, status, publish: !self.silent, intent, wait: self.wait, follow: self.follow }
    }
}
