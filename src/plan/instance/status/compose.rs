//! Composing the plan: the step with what it needs in Kubernetes before it, the whole status, and the next visit.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{binding, demand::demand, observation};
use crate::{
    api::{DcsInstanceStatus, Reason},
    plan::{
        conditions::{Assessment, Readiness, Situation, binding_published, conditions},
        instance::{
            action::{CloudAction, KubeAction, Plan, Step},
            decision::Decision,
            input::{Observed, observed::CredentialsSource},
            intent,
        },
        schedule::INITIAL_STATUS_GRACE,
    },
};

/// Composes the plan from a decision.
pub(in crate::plan::instance) fn compose(o: &Observed, decision: Decision) -> Plan {
    let mut decision = prepend_kube_action(o, decision);
    if let Some(rest) = initial_grace_left(o, &decision) {
        (decision.without_status_write, decision.wait) = (true, decision.wait.min(rest));
    }
    if let Some(rest) = o.notes.unshown {
        decision.wait = decision.wait.min(rest);
    }
    if let Some(rest) = until_unreachable(o) {
        decision.wait = decision.wait.min(rest + Duration::from_secs(1));
    }
    let demand = demand(o, &decision);
    let (readiness, ready_message) =
        decision.readiness.clone().unwrap_or_else(|| observation::readiness(o, decision.facts.as_ref()));
    let mut status = status_without_binding(o, &decision, (readiness, &ready_message));
    set_binding(o, &mut decision, readiness, &mut status);
    let intent = match &decision.step {
        Step::CloudAction(action) => Some(Box::new(intent::record_intent(o, action, &status))),
        Step::Nothing | Step::Lookup(_) | Step::AddFinalizer | Step::RemoveFinalizer | Step::Prepare(_) => {
            None
        }
    };
    let publish = !decision.without_status_write;
    Plan { step: decision.step, status, publish, intent, wait: decision.wait, demand }
}

fn status_without_binding(
    o: &Observed,
    decision: &Decision,
    readiness: (Readiness, &str),
) -> DcsInstanceStatus {
    let mut status = o.status.clone();
    status.observed_generation = Some(o.subject.generation);
    status.operation.clone_from(&decision.operation);
    status.pending_changes.clone_from(&decision.pending);
    if let Some(resolved) = &decision.resolved {
        status.resolved = Some(resolved.clone());
    }
    if decision.id.is_none() {
        (status.cloud_status, status.endpoints) = (None, None);
    }
    status.id.clone_from(&decision.id);
    if let Some(facts) = &decision.facts {
        observation::facts(o, facts, &mut status);
    }
    observation::policies(o, &mut status);
    status.conditions =
        conditions(&decision.assessment, readiness, &o.status.conditions, o.subject.generation, o.now.wall);
    status
}

/// Puts what a cloud action needs in Kubernetes before it, unless Kubernetes just refused that.
fn prepend_kube_action(o: &Observed, mut decision: Decision) -> Decision {
    if needs_in_use_finalizer(o, &decision) {
        decision.step = Step::Prepare(KubeAction::AddInUseFinalizer);
    }
    let needed = matches!(
        decision.step,
        Step::Prepare(
            KubeAction::AddInUseFinalizer | KubeAction::WriteRecord(_) | KubeAction::MoveRecord { .. }
        )
    );
    match o.refused().filter(|_| needed) {
        Some((message, rest)) => {
            let situation = Situation::Blocked(Reason::SecretRefused);
            let assessment = Assessment { situation, message: message.to_owned() };
            Decision { step: Step::Nothing, assessment, wait: rest, ..decision }
        }
        None => decision,
    }
}

/// The object has an instance, or is about to, while the Secret with its credentials could be deleted.
fn needs_in_use_finalizer(o: &Observed, decision: &Decision) -> bool {
    let begins =
        matches!(decision.step, Step::CloudAction(CloudAction::Create(_) | CloudAction::Adopt { .. }));
    // The finalizer may have been removed before this object was known to use the Secret.
    let has_instance = o.subject.finalizer
        && o.status.id.is_some()
        && decision.step == Step::Nothing
        && !decision.without_status_write;
    match o.account.as_ref().map(|account| &account.source) {
        Ok(CredentialsSource::Namespace { in_use, deleting, .. }) => {
            !in_use && (begins || (has_instance && !deleting && !o.subject.deleting))
        }
        Ok(CredentialsSource::Operator { .. }) | Err(_) => false,
    }
}

/// How long a new object may stay without conditions: the next visit has more to report.
fn initial_grace_left(o: &Observed, decision: &Decision) -> Option<Duration> {
    let is_beginning = match decision.assessment.situation {
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
    let new = o.status.conditions.is_empty() && is_beginning && decision.step == Step::Nothing;
    let age = o.now.monotonic.saturating_sub(o.local.first_seen);
    INITIAL_STATUS_GRACE.checked_sub(age).filter(|rest| new && !rest.is_zero())
}

/// How long until the status has to report that the cloud is unreachable.
fn until_unreachable(o: &Observed) -> Option<Duration> {
    let in_trouble = o.lists.as_ref().is_some_and(|lists| lists.trouble.is_some() && lists.latest.is_some());
    let rest = o.settings.requeue.unreachable_after.checked_sub(o.age());
    rest.filter(|rest| in_trouble && !rest.is_zero())
}

/// Adds the binding Secret to the status, and its step once no other step is due. The deletion of the object decides about
/// its Secrets itself.
fn set_binding(o: &Observed, decision: &mut Decision, readiness: Readiness, status: &mut DcsInstanceStatus) {
    if o.subject.deleting {
        let observed_generation = Some(o.subject.generation);
        let kept = binding::last_condition(o).map(|last| Condition { observed_generation, ..last.clone() });
        status.conditions.extend(kept);
        return;
    }
    let assessment = binding::assess(o, status, readiness == Readiness::Serving);
    let published = (assessment.published, assessment.reason, assessment.message.as_str());
    let (before, generation) = (&o.status.conditions, o.subject.generation);
    status.conditions.push(binding_published(published, before, generation, o.now.wall));
    status.binding = assessment.binding;
    if decision.without_status_write {
        return;
    }
    decision.wait = decision.wait.min(assessment.wait.unwrap_or(decision.wait));
    if let (Step::Nothing, Some(step)) = (&decision.step, assessment.step) {
        decision.step = step;
    }
}
