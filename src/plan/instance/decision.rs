//! What was decided, and how it becomes a plan: the whole status is put together here, for every decision alike.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    binding, intent,
    observed::{CredentialsSource, Observed, Obstacle},
    says,
    step::{Change, Plan, Preparation, Step},
};
use crate::{
    api::{
        DcsInstanceStatus, Reason,
        instance::{Operation, PendingChange, Resolved},
    },
    dcs::model::InstanceFacts,
    plan::{
        Follow,
        conditions::{Finding, Readiness, Situation, binding_published, conditions},
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
            wait: o.settings.pacing.slow_round(&o.subject.uid),
            follow: Follow::STEADY,
            silent: false,
        }
    }

    /// A person is needed; tried again at `wait` or when a cause changes.
    pub(super) fn blocked(o: &Observed, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(o, Situation::Blocked(reason), message)
    }

    /// The cloud did not answer a question: it is asked again.
    pub(super) fn unanswered(o: &Observed, obstacle: &Obstacle) -> Self {
        Self::new(o, Situation::Unreachable(obstacle.reason), &obstacle.message).wait(o.gap_after(obstacle))
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

    /// The same, told otherwise: as something that happens to an instance that is seen as ever.
    pub(super) fn saying(self, finding: Finding) -> Self {
        Self { finding, readiness: None, ..self }
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
    pub(super) fn settled(self) -> Self {
        Self { operation: None, ..self }
    }

    /// Nothing is said: there is nothing new to say.
    pub(super) fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    /// Whether a new object need not say yet that it is being looked at, since in a moment it will say more; how long
    /// that lasts.
    fn is_too_early(&self, o: &Observed) -> Option<Duration> {
        let is_beginning = match self.finding.situation {
            Situation::NotLookedAt | Situation::Creating | Situation::Changing(_) => true,
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
        let age = o.now.monotonic.saturating_sub(o.memory.first_seen);
        schedule::MOMENT.checked_sub(age).filter(|rest| new && !rest.is_zero())
    }

    /// Puts before a change what it needs in Kubernetes, unless Kubernetes just refused that.
    fn prepare(mut self, o: &Observed) -> Self {
        if self.needs_hold(o) {
            self.step = Step::Prepare(Preparation::Hold);
        }
        let needed = matches!(self.step, Step::Prepare(Preparation::Hold | Preparation::Password));
        match o.refused().filter(|_| needed) {
            Some((message, rest)) => {
                let situation = Situation::Blocked(Reason::SecretRefused);
                let finding = Finding { situation, message: message.to_owned() };
                Self { step: Step::Nothing, finding, wait: rest, ..self }
            }
            None => self,
        }
    }

    /// Whether there is, or is about to be, an instance of the object's while the credentials could go before it.
    fn needs_hold(&self, o: &Observed) -> bool {
        let begins = matches!(self.step, Step::Change(Change::Create(_) | Change::Adopt { .. }));
        // Whoever let the credentials go may not have known of this object yet.
        let has = o.subject.finalizer && o.status.id.is_some() && self.step == Step::Nothing && !self.silent;
        match o.place.as_ref().map(|place| &place.source) {
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
        let verdict = binding::judge(o, status, readiness == Readiness::Serving);
        let told = (verdict.published, verdict.reason, verdict.message.as_str());
        let (before, generation) = (&o.status.conditions, o.subject.generation);
        status.conditions.push(binding_published(told, before, generation, o.now.wall));
        status.binding = verdict.binding;
        if self.silent {
            return;
        }
        self.wait = self.wait.min(verdict.wait.unwrap_or(self.wait));
        if let (Step::Nothing, Some(step)) = (&self.step, verdict.step) {
            self.step = step;
        }
    }

    /// The plan, with the whole status.
    pub(super) fn compose(mut self, o: &Observed) -> Plan {
        self = self.prepare(o);
        if let Some(rest) = self.is_too_early(o) {
            (self.silent, self.wait) = (true, self.wait.min(rest));
        }
        if o.lists.as_ref().is_some_and(|lists| lists.amended) {
            (self.follow.fast, self.follow.each_list) = (true, true);
        }
        // When the cloud has been out of reach for too long, that has to be said.
        let in_trouble =
            o.lists.as_ref().is_some_and(|lists| lists.trouble.is_some() && lists.latest.is_some());
        if let Some(rest) =
            o.settings.pacing.list_missed.checked_sub(o.age()).filter(|rest| in_trouble && !rest.is_zero())
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
            &self.finding,
            (readiness, &ready_message),
            &o.status.conditions,
            o.subject.generation,
            o.now.wall,
        );
        self.publish_binding(o, readiness, &mut status);
        let intent = match &self.step {
            Step::Change(change) => Some(Box::new(intent::intend(o, change, &status))),
            Step::Nothing | Step::Look(_) | Step::AddFinalizer | Step::RemoveFinalizer | Step::Prepare(_) => {
                None
            }
        };
        Plan { step: self.step, status, publish: !self.silent, intent, wait: self.wait, follow: self.follow }
    }
}
