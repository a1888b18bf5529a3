//! What was decided, and how it becomes a plan: the whole status is put together here, for every decision alike.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    binding, intent,
    observed::{Blocker, CredentialsSource, Observed},
    says,
    step::{CloudAction, KubeAction, Plan, Step},
};
use crate::{
    api::{
        DcsInstanceStatus, Reason,
        instance::{OperationStatus, PendingChange, Resolved},
    },
    dcs::model::InstanceFacts,
    plan::{
        Follow,
        conditions::{Assessment, Readiness, Situation, binding_published, conditions},
        schedule,
    },
};

/// What was decided. Whatever a decision does not mention stays as it was said last.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) step: Step,
    pub(super) assessment: Assessment,
    /// Overrides what the last sight of the instance says.
    readiness: Option<(Readiness, String)>,
    /// What was seen of the instance, if anything new.
    facts: Option<InstanceFacts>,
    id: Option<String>,
    operation: Option<OperationStatus>,
    /// What a new instance is going to be.
    resolved: Option<Resolved>,
    pending: Vec<PendingChange>,
    wait: Duration,
    follow: Follow,
    without_status_write: bool,
}

// === impl Decision ===

impl Decision {
    /// A decision to do nothing, and to come back on the slow round.
    pub(super) fn new(o: &Observed, situation: Situation, message: impl Into<String>) -> Self {
        Self {
            step: Step::Nothing,
            assessment: Assessment { situation, message: message.into() },
            readiness: None,
            facts: None,
            id: o.status.id.clone(),
            operation: o.status.operation.clone(),
            resolved: None,
            pending: Vec::new(),
            wait: o.settings.requeue.resync_interval(&o.subject.uid),
            follow: Follow::STEADY,
            without_status_write: false,
        }
    }

    /// A person is needed; tried again at `wait` or when a cause changes.
    pub(super) fn blocked(o: &Observed, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(o, Situation::Blocked(reason), message)
    }

    /// The cloud did not answer a question: it is asked again.
    pub(super) fn unanswered(o: &Observed, blocker: &Blocker) -> Self {
        Self::new(o, Situation::Unreachable(blocker.reason), &blocker.message)
            .wait(o.retry_delay_for(blocker))
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
    pub(super) fn with_observation(self, facts: &InstanceFacts) -> Self {
        Self { id: Some(facts.id.clone()), facts: Some(facts.clone()), ..self }
    }

    pub(super) fn resolved(self, resolved: Resolved) -> Self {
        Self { resolved: Some(resolved), ..self }
    }

    pub(super) fn pending(self, pending: Vec<PendingChange>) -> Self {
        Self { pending, ..self }
    }

    /// The same, told otherwise: as something that happens to an instance that is seen as ever.
    pub(super) fn with_assessment(self, assessment: Assessment) -> Self {
        Self { assessment, readiness: None, ..self }
    }

    /// To be looked at again with the next list, if the newest does not show what was just seen closely: were it
    /// undone before that, the next list would be like the newest, and wake nobody.
    pub(super) fn until_listed(mut self, o: &Observed, seen: &InstanceFacts) -> Self {
        let listed = o.lists.as_ref().and_then(|lists| lists.listed(&seen.id));
        if listed.is_none_or(|listed| **listed != *seen) {
            (self.follow.fast, self.follow.each_list) = (true, true);
        }
        self
    }

    /// Nothing is being done to the instance any more.
    pub(super) fn clear_operation(self) -> Self {
        Self { operation: None, ..self }
    }

    /// Nothing is said: there is nothing new to say.
    pub(super) fn without_status_write(self) -> Self {
        Self { without_status_write: true, ..self }
    }

    /// Whether a new object need not say yet that it is being looked at, since in a moment it will say more; how long
    /// that lasts.
    fn initial_grace_left(&self, o: &Observed) -> Option<Duration> {
        let is_beginning = match self.assessment.situation {
            Situation::NotObservedYet | Situation::Creating | Situation::Changing(_) => true,
            Situation::InSync
            | Situation::NotServing { .. }
            | Situation::Waiting(_)
            | Situation::Paused
            | Situation::Unreachable(_)
            | Situation::TooOld
            | Situation::Blocked(_)
            | Situation::Deleting
            | Situation::DeletionPaused
            | Situation::DeletionBlocked(_) => false,
        };
        let new = o.status.conditions.is_empty() && is_beginning && self.step == Step::Nothing;
        let age = o.now.monotonic.saturating_sub(o.local.first_seen);
        schedule::INITIAL_STATUS_GRACE.checked_sub(age).filter(|rest| new && !rest.is_zero())
    }

    /// Puts before a change what it needs in Kubernetes, unless Kubernetes just refused that.
    fn prepend_kube_action(mut self, o: &Observed) -> Self {
        if self.needs_in_use_finalizer(o) {
            self.step = Step::Prepare(KubeAction::AddInUseFinalizer);
        }
        let needed = matches!(
            self.step,
            Step::Prepare(KubeAction::AddInUseFinalizer | KubeAction::CreatePasswordSecret)
        );
        match o.refused().filter(|_| needed) {
            Some((message, rest)) => {
                let situation = Situation::Blocked(Reason::SecretRefused);
                let assessment = Assessment { situation, message: message.to_owned() };
                Self { step: Step::Nothing, assessment, wait: rest, ..self }
            }
            None => self,
        }
    }

    /// Whether there is, or is about to be, an instance of the object's while the credentials could go before it.
    fn needs_in_use_finalizer(&self, o: &Observed) -> bool {
        let begins =
            matches!(self.step, Step::CloudAction(CloudAction::Create(_) | CloudAction::Adopt { .. }));
        // Whoever let the credentials go may not have known of this object yet.
        let has = o.subject.finalizer
            && o.status.id.is_some()
            && self.step == Step::Nothing
            && !self.without_status_write;
        match o.account.as_ref().map(|account| &account.source) {
            Ok(CredentialsSource::Namespace { held, leaving, .. }) => {
                !held && (begins || (has && !leaving && !o.subject.deleting))
            }
            Ok(CredentialsSource::Operator { .. }) | Err(_) => false,
        }
    }

    /// Sees to the binding Secret, once nothing else is to be done. Of an object on its way out it goes by itself.
    fn publish_binding(&mut self, o: &Observed, readiness: Readiness, status: &mut DcsInstanceStatus) {
        if o.subject.deleting {
            let observed_generation = Some(o.subject.generation);
            let kept = binding::said(o).map(|said| Condition { observed_generation, ..said.clone() });
            status.conditions.extend(kept);
            return;
        }
        let assessment = binding::judge(o, status, readiness == Readiness::Serving);
        let told = (assessment.published, assessment.reason, assessment.message.as_str());
        let (before, generation) = (&o.status.conditions, o.subject.generation);
        status.conditions.push(binding_published(told, before, generation, o.now.wall));
        status.binding = assessment.binding;
        if self.without_status_write {
            return;
        }
        self.wait = self.wait.min(assessment.wait.unwrap_or(self.wait));
        if let (Step::Nothing, Some(step)) = (&self.step, assessment.step) {
            self.step = step;
        }
    }

    /// The plan, with the whole status.
    pub(super) fn compose(mut self, o: &Observed) -> Plan {
        self = self.prepend_kube_action(o);
        if let Some(rest) = self.initial_grace_left(o) {
            (self.without_status_write, self.wait) = (true, self.wait.min(rest));
        }
        if o.lists.as_ref().is_some_and(|lists| lists.overlaid) {
            (self.follow.fast, self.follow.each_list) = (true, true);
        }
        // When the cloud has been out of reach for too long, that has to be said.
        let in_trouble =
            o.lists.as_ref().is_some_and(|lists| lists.trouble.is_some() && lists.latest.is_some());
        if let Some(rest) = o
            .settings
            .requeue
            .unreachable_after
            .checked_sub(o.age())
            .filter(|rest| in_trouble && !rest.is_zero())
        {
            self.wait = self.wait.min(rest + Duration::from_secs(1));
        }
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
            &self.assessment,
            (readiness, &ready_message),
            &o.status.conditions,
            o.subject.generation,
            o.now.wall,
        );
        self.publish_binding(o, readiness, &mut status);
        let intent = match &self.step {
            Step::CloudAction(change) => Some(Box::new(intent::record_intent(o, change, &status))),
            Step::Nothing
            | Step::Lookup(_)
            | Step::AddFinalizer
            | Step::RemoveFinalizer
            | Step::Prepare(_) => None,
        };
        Plan {
            step: self.step,
            status,
            publish: !self.without_status_write,
            intent,
            wait: self.wait,
            follow: self.follow,
        }
    }
}
