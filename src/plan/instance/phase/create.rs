//! Making an instance, exactly once: it is looked for before every attempt, the first included.

use std::sync::Arc;

use super::{
    absence::{self, Absence},
    create_spec::{CreateSpec, PasswordSource},
    decision::Decision,
    desired::Desired,
    diff, existing, failed, flavor, intent,
    observed::{AccountLists, Blocker, Observed, PasswordState, retry_class},
    ownership::{claims, ids},
    says,
    step::{CloudAction, KubeAction, Lookup, Step},
    tenancy,
};
use crate::{
    api::{Reason, instance::Resolved, words::OperationOutcome},
    dcs::model::InstanceFacts,
    formats::{Origin, OwnershipTags, cloud_name},
    plan::{
        Follow,
        conditions::{Readiness, Situation},
        schedule::RetryClass,
    },
};

/// For an object without an instance.
pub(super) fn decide(o: &Observed, desired: &Desired, lists: &AccountLists) -> Decision {
    let claims = claims(lists, &o.subject);
    if let Some(decision) = ambiguous(o, &claims.ours, &claims.stale_owner) {
        return decision;
    }
    if let [found] = claims.ours.as_slice() {
        return existing::decide(o, desired, lists, &found.id);
    }
    if let Some(facts) = lists.failed.first() {
        return failed::decide(o, facts);
    }
    match absence::assess(o, lists) {
        Absence::TooSoon(rest, why) => creating(o, why).wait(rest).follow(Follow::ALL_LISTS),
        // Of a request that was refused, that is still the thing to say.
        Absence::Pending(why) => refusal(o).unwrap_or_else(|| creating(o, why)).follow(Follow::ALL_LISTS),
        Absence::Nothing => attempt(o, desired),
    }
}

/// Several instances could be the object's: none is touched.
pub(super) fn ambiguous(
    o: &Observed,
    ours: &[Arc<InstanceFacts>],
    stale_owner: &[Arc<InstanceFacts>],
) -> Option<Decision> {
    let message = if ours.len() > 1 {
        format!(
            "several instances carry this object's mark: {}; name the right one by adopt.instanceId, or remove the \
             tags dcs-operator-* from the others",
            ids(ours)
        )
    } else if !stale_owner.is_empty() {
        format!(
            "an earlier object of this name left an instance behind: {}; name it by adopt.instanceId once its tags \
             dcs-operator-* are removed, or delete it",
            ids(stale_owner)
        )
    } else {
        return None;
    };
    Some(Decision::blocked(o, Reason::AmbiguousOwnership, message).follow(Follow::EACH_LIST))
}

/// Nothing stands in the way but what the last attempt came to.
fn attempt(o: &Observed, desired: &Desired) -> Decision {
    let Some(operation) = &o.status.operation else { return make(o, desired) };
    let failures = operation.failures.unwrap_or(0);
    let same_spec = operation.generation == Some(o.subject.generation);
    if same_spec && u32::try_from(failures).is_ok_and(|failures| failures >= o.settings.max_creation_failures)
    {
        let last = operation.message.as_deref().unwrap_or("no reason given");
        let message = format!(
            "the cloud took the request {failures} times and could not make the instance; change the spec to have it \
             tried again; the last time: {last}"
        );
        return Decision::blocked(o, Reason::CreateFailed, message);
    }
    let Some(rest) = intent::retry_after(o, operation) else { return make(o, desired) };
    let last = operation.message.as_deref().unwrap_or("the last try failed");
    let waiting = || creating(o, &format!("{last}; it is tried again"));
    refusal(o).unwrap_or_else(waiting).wait(rest)
}

/// What stands in the way since the last attempt, if a person is needed.
fn refusal(o: &Observed) -> Option<Decision> {
    let operation = o.status.operation.as_ref()?;
    let reason = operation.reason.as_deref().and_then(Reason::from_word)?;
    let message = operation.message.clone().unwrap_or_default();
    let message = format!("{message}; tried again by itself now and then, and at once when the spec changes");
    (retry_class(reason) == RetryClass::NeedsUser)
        .then(|| Decision::blocked(o, reason, message).wait(o.needs_user()))
}

/// The request for a new instance, once everything that it needs was looked up.
pub(super) fn make(o: &Observed, desired: &Desired) -> Decision {
    let look = |look| creating(o, "the instance is about to be made").step(Step::Lookup(look));
    let account = match &o.account {
        Ok(account) => account,
        Err(blocker) => return blocked_by(o, blocker),
    };
    if let Some(decision) = tenancy::foreign_network(o, desired) {
        return decision;
    }
    let flavors = match &o.lookups.flavors {
        None => return look(Lookup::Flavors),
        Some(Err(blocker)) => return blocked_by(o, blocker),
        Some(Ok(flavors)) => flavors,
    };
    if let Some(decision) = existing::window_problem(o, desired) {
        return decision;
    }
    let flavor_choice = match flavor::select(desired, &account.defaults, flavors) {
        Ok(flavor_choice) => flavor_choice,
        Err(flavor::Unavailable::NoSuch { message }) => {
            return Decision::blocked(o, Reason::InvalidSpec, message);
        }
        Err(flavor::Unavailable::SoldOut { message }) => {
            return Decision::blocked(o, Reason::SoldOut, message).wait(o.needs_user());
        }
    };
    let subject = &o.subject;
    let name =
        desired.name.clone().unwrap_or_else(|| cloud_name(&subject.namespace, &subject.name, &subject.owner));
    let mark = OwnershipTags::new(&subject.uid, &subject.owner, Origin::Created);
    let create_spec = match CreateSpec::build(desired, &account.defaults, flavor_choice, name, &mark) {
        Ok(create_spec) => create_spec,
        Err(invalid) => return Decision::blocked(o, Reason::InvalidSpec, invalid.to_string()),
    };
    let resolved = Resolved {
        origin: Some(says::spelled(Origin::Created)),
        auth_type: Some(desired.auth.as_ref().map_or_else(|| "Generated".to_owned(), diff::auth)),
        ..create_spec.resolved()
    };
    let step = match (&create_spec.password, &o.lookups.password) {
        (PasswordSource::Open, _) | (_, Some(Ok(PasswordState::Ready { .. }))) => {
            Step::CloudAction(CloudAction::Create(Box::new(create_spec)))
        }
        (source, None) => Step::Lookup(Lookup::Password(source.clone())),
        (_, Some(Ok(PasswordState::Missing))) => Step::Prepare(KubeAction::CreatePasswordSecret),
        (_, Some(Err(blocker))) => return blocked_by(o, blocker),
    };
    creating(o, "the instance is being made").step(step).resolved(resolved)
}

/// Something has to be mended, or has to pass, before the request can be made.
fn blocked_by(o: &Observed, blocker: &Blocker) -> Decision {
    let situation = match blocker.retry_class() {
        RetryClass::Kube | RetryClass::Transient | RetryClass::CreateFailed => {
            Situation::Unreachable(blocker.reason)
        }
        RetryClass::NeedsUser => Situation::Blocked(blocker.reason),
    };
    Decision::new(o, situation, &blocker.message).wait(o.retry_delay_for(blocker))
}

/// On the way to an instance.
pub(super) fn creating(o: &Observed, message: &str) -> Decision {
    let open = o
        .status
        .operation
        .as_ref()
        .is_some_and(|operation| operation.outcome != Some(OperationOutcome::Refused));
    let follow = if open { Follow::ALL_LISTS } else { Follow::CHANGES };
    Decision::new(o, Situation::Creating, message)
        .ready(Readiness::Missing(Reason::Creating), message)
        .follow(follow)
        .wait(o.settings.requeue.operation_check_interval)
}
