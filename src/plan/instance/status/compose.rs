//! Composing the plan: the step with what it needs in Kubernetes before it, the whole status, and the next visit.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{binding, demand::demand, observation};
use crate::{
    api::{ConditionType, DcsInstanceStatus, Reason},
    formats::{auth_secret_name, binding_secret_name},
    plan::{
        Warning,
        conditions::{Assessment, Readiness, Situation, binding_published, conditions},
        instance::{
            absence,
            action::{CloudAction, KubeAction, Plan, Step},
            backups,
            decision::Decision,
            holder,
            input::{
                Observed,
                lists::{AccountLimit, AccountLists},
                local::WritePurpose,
                observed::CredentialsSource,
            },
            intent,
            phase::preconditions::account_mismatch,
            repeats,
        },
        schedule::INITIAL_STATUS_GRACE,
    },
};

/// Reason of the Event about credentials that are being deleted.
const CREDENTIALS_BEING_DELETED: &str = "CredentialsBeingDeleted";
/// Reason of the Event about a record of the password that is put back.
const PASSWORD_RECORD_RESTORED: &str = "PasswordRecordRestored";

/// Composes the plan from a decision.
pub(in crate::plan::instance) fn compose(o: &Observed, decision: Decision) -> Plan {
    let decision = mention(credentials_being_deleted(o).as_ref(), decision);
    let decision = hold_back_creation(o, report_only_own(o, decision));
    let holder = holder::next(o, &decision);
    let mut decision = prepend_kube_action(o, holder::wait_for(o, holder.as_ref(), decision));
    if let Some(rest) = initial_grace_left(o, &decision) {
        (decision.without_status_write, decision.wait) = (true, decision.wait.min(rest));
    }
    if let Some(rest) = o.notes.unshown {
        decision.wait = decision.wait.min(rest);
    }
    let (readiness, ready_message) =
        decision.readiness.clone().unwrap_or_else(|| observation::readiness(o, decision.facts.as_ref()));
    for rest in [until_unreachable(o), until_too_old(o, &decision, readiness)].into_iter().flatten() {
        decision.wait = decision.wait.min(rest + Duration::from_secs(1));
    }
    let demand = demand(o, &decision);
    let mut status = status_without_binding(o, &decision, (readiness, &ready_message));
    status.holder = holder;
    set_binding(o, &mut decision, (readiness, &ready_message), &mut status);
    if let Some(step) = backups::lookup(o, &decision, &status) {
        decision.step = step;
    }
    let intent = match &decision.step {
        Step::CloudAction(action) => Some(Box::new(intent::record_intent(o, action, &status))),
        Step::Nothing | Step::Lookup(_) | Step::AddFinalizer | Step::RemoveFinalizer | Step::Prepare(_) => {
            None
        }
    };
    let publish = !decision.without_status_write;
    let warnings =
        credentials_being_deleted(o).into_iter().chain(record_restored(o, &decision.step)).collect();
    Plan { step: decision.step, status, publish, intent, warnings, wait: decision.wait, demand }
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
    status.repeated_changes = repeats::remembered(o);
    if let Some(resolved) = &decision.resolved {
        status.resolved = Some(resolved.clone());
    }
    if decision.id.is_none() || decision.disowned || gone_reason(o, readiness.0).is_some() {
        (status.cloud_status, status.endpoints, status.backups) = (None, None, None);
    }
    status.id.clone_from(&decision.id);
    if let Some(facts) = &decision.facts {
        observation::facts(o, facts, &mut status);
    }
    observation::policies(o, &mut status);
    status.backups = backups::report(o, decision, status.backups.take());
    set_conditions(o, &decision.assessment, readiness, &mut status);
    status
}

fn set_conditions(
    o: &Observed,
    assessment: &Assessment,
    readiness: (Readiness, &str),
    status: &mut DcsInstanceStatus,
) {
    status.conditions =
        conditions(assessment, readiness, &o.status.conditions, o.subject.generation, o.now.wall);
}

/// Drops what was observed of an instance that the object may not report.
fn report_only_own(o: &Observed, mut decision: Decision) -> Decision {
    if decision.facts.as_ref().is_some_and(|facts| !observation::may_report(o, facts)) {
        (decision.facts, decision.id) = (None, o.status.id.clone());
    }
    // The spec names an instance of another object. It may be corrected to name a third.
    if decision.disowned && decision.id == o.policies.adopt {
        decision.id = None;
    }
    decision
}

/// Puts what a cloud action needs in Kubernetes before it, unless Kubernetes just refused that. The finalizer comes last
/// of all that an object without an instance does, so that one that never worked can be deleted at any time.
fn prepend_kube_action(o: &Observed, mut decision: Decision) -> Decision {
    let needs_finalizer = needs_finalizer(o, &decision);
    // An object with the finalizer needs its credentials until it is gone, and a deleted namespace takes the Secret first.
    if needs_in_use_finalizer(o, &decision, needs_finalizer) {
        decision.step = Step::Prepare(KubeAction::AddInUseFinalizer);
    } else if needs_finalizer {
        return Decision { step: Step::AddFinalizer, ..decision }.without_status_write();
    }
    let needed = matches!(
        decision.step,
        Step::Prepare(
            KubeAction::AddInUseFinalizer | KubeAction::WriteRecord(_) | KubeAction::MoveRecord { .. }
        )
    );
    match o.refused(WritePurpose::Use).filter(|_| needed) {
        Some((message, rest)) => {
            let situation = Situation::Blocked(Reason::SecretRefused);
            let assessment = Assessment { situation, message: message.to_owned() };
            Decision { step: Step::Nothing, assessment, wait: rest, ..decision }
        }
        None => decision,
    }
}

/// The Secret with the credentials of an existing instance is being deleted, which the in-use finalizer holds up.
fn credentials_being_deleted(o: &Observed) -> Option<Warning> {
    match &o.account.as_ref().ok()?.source {
        CredentialsSource::Namespace { secret, deleting: true, .. } if o.status.id.is_some() => {
            let message = format!(
                "Secret {secret} with the credentials is being deleted: it is kept while objects use it, and goes then; to \
                 keep the instances, name another Secret in credentialsRef"
            );
            Some(Warning { reason: CREDENTIALS_BEING_DELETED, message })
        }
        CredentialsSource::Namespace { .. } | CredentialsSource::Operator { .. } => None,
    }
}

/// The password in the record is not the one that the operator put there.
fn record_restored(o: &Observed, step: &Step) -> Option<Warning> {
    let Step::Prepare(KubeAction::RestoreRecord { .. }) = step else { return None };
    let name = &o.subject.name;
    let message = format!(
        "the password in Secret {} was removed or edited outside the operator, which does not change the password in \
         DCS: it is put back from Secret {}; to change the password, set the annotation \
         dcs.huaweicloud.com/rotate-password on the object to a new value, or name a Secret of yours by auth.secretRef",
        auth_secret_name(name),
        binding_secret_name(name)
    );
    Some(Warning { reason: PASSWORD_RECORD_RESTORED, message })
}

/// Adds a warning to the message of the conditions.
fn mention(warning: Option<&Warning>, mut decision: Decision) -> Decision {
    if let Some(Warning { message, .. }) = warning {
        decision.assessment.message = format!("{}; {message}", decision.assessment.message);
    }
    decision
}

/// A limit of the account keeps it from another instance: one object at a time finds out whether it still does.
fn hold_back_creation(o: &Observed, decision: Decision) -> Decision {
    // An edit may ask for less than what was refused.
    let last = o.status.operation.as_ref();
    let is_edited = last.is_some_and(|last| !o.attempts().is_unchanged_since(last));
    let creates = matches!(decision.step, Step::CloudAction(CloudAction::Create(_)))
        && o.retry_token().is_none()
        && !is_edited;
    let limit = o.lists.as_ref().and_then(|lists| lists.limit.as_ref()).filter(|_| creates);
    let Some(AccountLimit { blocker, until }) = limit.filter(|limit| limit.until > o.now.monotonic) else {
        return decision;
    };
    let new = || format!("{}; one object of the account tries again within minutes", blocker.message);
    // What the object has said of it stays.
    let is_said = |condition: &&Condition| {
        condition.type_ == ConditionType::Stalled.as_str() && condition.reason == blocker.reason.as_str()
    };
    let said = o.status.conditions.iter().find(is_said).map(|condition| condition.message.clone());
    let message = said.unwrap_or_else(new);
    let assessment = Assessment { situation: Situation::Blocked(blocker.reason), message };
    let wait = until.saturating_sub(o.now.monotonic);
    Decision { step: Step::Nothing, assessment, readiness: None, resolved: None, wait, ..decision }
}

/// The object has an instance, or is about to, and could be deleted without the operator.
fn needs_finalizer(o: &Observed, decision: &Decision) -> bool {
    let begins = match decision.step {
        Step::CloudAction(_) | Step::Prepare(_) => true,
        Step::Nothing => decision.id.is_some() || decision.operation.is_some(),
        Step::Lookup(_) | Step::AddFinalizer | Step::RemoveFinalizer => false,
    };
    let is_listed = o.account.is_ok() && o.lists.as_ref().is_some_and(|lists| lists.latest.is_some());
    begins && is_listed && o.policies.manages() && !o.subject.deleting && !o.subject.finalizer
}

/// The object has an instance, or is about to, while the Secret with its credentials could be deleted.
fn needs_in_use_finalizer(o: &Observed, decision: &Decision, needs_finalizer: bool) -> bool {
    let begins = needs_finalizer
        || matches!(decision.step, Step::CloudAction(CloudAction::Create(_) | CloudAction::Adopt { .. }));
    // The finalizer may have been removed before this object was known to use the Secret.
    let has_instance = o.subject.finalizer
        && o.status.id.is_some()
        && decision.step == Step::Nothing
        && !decision.without_status_write;
    let Ok(account) = &o.account else { return false };
    match &account.source {
        CredentialsSource::Namespace { in_use, deleting, .. } => {
            let uses = has_instance && !deleting && !o.subject.deleting;
            // A Secret that leads elsewhere is of no use to the object, and may be deleted.
            !in_use && (begins || uses) && account_mismatch(o, account).is_none()
        }
        CredentialsSource::Operator { .. } => false,
    }
}

/// How long a new object may stay without conditions: the next visit has more to report.
fn initial_grace_left(o: &Observed, decision: &Decision) -> Option<Duration> {
    let situation = decision.assessment.situation;
    let is_beginning = situation == Situation::NotObservedYet || situation.is_in_progress();
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

/// How long until the status has to report that the instance was not seen for too long. While lists show it, the object
/// is woken when they fail to come.
fn until_too_old(o: &Observed, decision: &Decision, readiness: Readiness) -> Option<Duration> {
    let requeue = &o.settings.requeue;
    let id = decision.id.as_deref()?;
    let listed = |lists: &AccountLists| lists.listed(id).is_some() && lists.trouble.is_none();
    let is_listed = o.lists.as_ref().is_some_and(listed) && o.age() < requeue.unreachable_after;
    let rest = requeue.observation_max_age.checked_sub(o.observation_age(id))?;
    let rests_on_sight = match readiness {
        Readiness::Serving | Readiness::NotServing(_) | Readiness::Unchanged => {
            gone_reason(o, readiness).is_none()
        }
        Readiness::Missing(_) | Readiness::TooOld => false,
    };
    (rests_on_sight && !is_listed && !o.subject.deleting).then_some(rest)
}

/// The instance does not exist, or not any more: what the binding Secret holds leads nowhere.
fn gone_reason(o: &Observed, readiness: Readiness) -> Option<Reason> {
    // A list may have shown it after the read that did not find it.
    let is_seen = |id: &String| {
        let gone = o.local.gone.as_ref().map(|(_, at)| *at);
        o.local.last_seen.as_ref().is_some_and(|(seen, at)| seen == id && Some(*at) > gone)
    };
    let is_gone = |id: &String| o.is_gone(id) && !is_seen(id) && !absence::may_be_invisible(o, id);
    match readiness {
        Readiness::Missing(reason @ (Reason::ExternallyDeleted | Reason::InstanceNotFound))
        | Readiness::NotServing(reason @ (Reason::ExternallyDeleted | Reason::InstanceNotFound)) => {
            Some(reason)
        }
        Readiness::Serving | Readiness::TooOld => None,
        Readiness::Missing(_) | Readiness::NotServing(_) | Readiness::Unchanged => {
            let why = if o.subject.deleting { Reason::Deleting } else { Reason::ExternallyDeleted };
            o.status.id.as_ref().is_some_and(is_gone).then_some(why)
        }
    }
}

/// Adds the binding Secret to the status, and its step once no other step is due. The deletion of the object decides about
/// its Secrets itself.
fn set_binding(
    o: &Observed,
    decision: &mut Decision,
    (readiness, ready_message): (Readiness, &str),
    status: &mut DcsInstanceStatus,
) {
    let gone =
        gone_reason(o, readiness).filter(|_| binding::last_condition(o).is_some() || !o.subject.deleting);
    if o.subject.deleting && gone.is_none() {
        let observed_generation = Some(o.subject.generation);
        let kept = binding::last_condition(o).map(|last| Condition { observed_generation, ..last.clone() });
        status.conditions.extend(kept);
        return;
    }
    if let Some(reason) = gone {
        let message = "the instance does not exist, so the Secret leads nowhere";
        let published = (false, reason, message);
        let (before, generation) = (&o.status.conditions, o.subject.generation);
        status.conditions.push(binding_published(published, before, generation, o.now.wall));
        return;
    }
    let assessment = binding::assess(o, status, readiness == Readiness::Serving);
    let message = match observation::unusable_addresses(o, decision.facts.as_ref()) {
        Some(unusable) => format!("{}; ignored in the answer of DCS: {unusable}", assessment.message),
        None => assessment.message,
    };
    // Clients wait for a Secret that only the user can make possible.
    if assessment.needs_user && decision.assessment.situation == Situation::InSync {
        let situation = Situation::Blocked(assessment.reason);
        decision.assessment = Assessment { situation, message: message.clone() };
        set_conditions(o, &decision.assessment, (readiness, ready_message), status);
    }
    let published = (assessment.published, assessment.reason, message.as_str());
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
