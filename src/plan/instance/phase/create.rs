//! Creating an instance exactly once: the planner locates it before every attempt, the first included.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{tenancy, window_check};
use crate::{
    api::{ConditionType, Reason, instance::OperationStatus},
    dcs::model::InstanceFacts,
    formats::{Origin, OwnershipTags, cloud_name},
    plan::{
        blocker::retry_class,
        conditions::Readiness,
        instance::{
            absence,
            action::{CloudAction, KubeAction, Lookup, Step},
            create_spec::CreateSpec,
            decision::Decision,
            flavor,
            input::{
                Desired, Observed,
                observed::PasswordState,
                ownership::{Claims, ids},
            },
            intent,
        },
        schedule::RetryClass,
    },
};

/// Several instances could be the object's: none is touched.
pub(in crate::plan::instance) fn ambiguous(
    o: &Observed,
    claims: &Claims,
    recorded: Option<&InstanceFacts>,
    lost: Option<String>,
) -> Decision {
    // An object that has an instance may name no other.
    let remedy = match &o.status.id {
        Some(id) => format!(
            "remove the tags dcs-operator-* from the wrong ones, or set adopt.instanceId to {id} if that is the right one"
        ),
        None => "set adopt.instanceId to the right one, or remove the tags dcs-operator-* from the others"
            .to_owned(),
    };
    let message = format!("several instances carry this object's tags: {}; {remedy}", ids(&claims.ours));
    let mut decision = Decision::blocked(o, Reason::AmbiguousOwnership, message);
    if let Some(id) = lost {
        let missing = Readiness::Missing(Reason::ExternallyDeleted);
        decision = decision.ready(missing, format!("instance {id} does not exist any more"));
    }
    match recorded {
        Some(facts) => decision.with_observation(facts),
        None => decision,
    }
}

/// The reason and message of the condition Stalled, if it is True for the present generation.
pub(super) fn last_blocker(o: &Observed) -> Option<(Reason, &str)> {
    let is_stalled = |condition: &&Condition| {
        condition.type_ == ConditionType::Stalled.as_str()
            && condition.status == "True"
            && condition.observed_generation == Some(o.subject.generation)
    };
    let stalled = o.status.conditions.iter().find(is_stalled)?;
    Some((Reason::from_word(&stalled.reason)?, &stalled.message))
}

/// The last blocker, which was found when the lists proved that no instance exists. It stays until they prove that again,
/// since tools that wait for the object react to each change between Stalled and Reconciling.
fn keep_blocked(o: &Observed) -> Option<Decision> {
    let (reason, message) = last_blocker(o)?;
    let is_changed = |last: &OperationStatus| !o.attempts().is_unchanged_since(last);
    // Of the account and its lists: they work again, or the lists would not be asked.
    let is_past = matches!(
        reason,
        Reason::CredentialsMissing
            | Reason::CredentialsInvalid
            | Reason::EndpointNotAllowed
            | Reason::AccountChanged
            | Reason::TooManyInstances
    );
    let is_retried = o.status.operation.as_ref().is_some_and(is_changed);
    (!is_past && !is_retried && !absence::has_open_attempt(o)).then(|| Decision::blocked(o, reason, message))
}

/// The lists do not prove yet that no instance exists.
pub(in crate::plan::instance) fn wait_for_lists(
    o: &Observed,
    wait: Option<Duration>,
    why: &'static str,
) -> Decision {
    let adopts = o.policies.adopt.as_deref().filter(|_| o.status.id.is_none());
    let decision = match (adopts, wait) {
        (Some(id), _) => Decision::adopting(o, id, why),
        (None, Some(_)) => keep_blocked(o).unwrap_or_else(|| Decision::creating(o, why)),
        // A refused request explains more than the wait for the next list.
        (None, None) => refusal(o).or_else(|| keep_blocked(o)).unwrap_or_else(|| Decision::creating(o, why)),
    };
    decision.until_proven(wait)
}

/// The list shows an instance of the object's name without tags: it is read before anything is created.
pub(in crate::plan::instance) fn read_tags(o: &Observed, id: &str) -> Decision {
    let message = format!("the operator reads instance {id}, which has the name of this object's instance");
    Decision::creating(o, &message).step(Step::Lookup(Lookup::Candidate { id: id.to_owned() }))
}

/// The instance of an earlier attempt is being deleted: there is nothing to take over.
pub(in crate::plan::instance) fn wait_for_deletion(o: &Observed, id: &str) -> Decision {
    Decision::creating(o, &format!("instance {id} of an earlier attempt is being deleted")).until_proven(None)
}

/// Creates the instance, unless the outcome of the last attempt delays or prevents it.
pub(super) fn decide(o: &Observed, desired: &Desired) -> Decision {
    let Some(operation) = &o.status.operation else { return request(o, desired) };
    let failures = operation.failures.unwrap_or(0);
    let same_request = o.attempts().is_unchanged_since(operation);
    if same_request
        && u32::try_from(failures).is_ok_and(|failures| failures >= o.settings.max_creation_failures)
    {
        let last = operation.message.as_deref().unwrap_or("no reason given");
        let message = format!(
            "DCS accepted the request {failures} times and could not create the instance; change the spec to retry; the \
             last failure: {last}"
        );
        return Decision::blocked(o, Reason::CreateFailed, message);
    }
    let Some(rest) = intent::retry_after(o, operation) else { return request(o, desired) };
    let last = operation.message.as_deref().unwrap_or("the last attempt failed");
    let retrying = || Decision::creating(o, &format!("{last}; the operator retries"));
    refusal(o).unwrap_or_else(retrying).wait(rest)
}

/// The refusal of the last attempt, if a person has to act.
fn refusal(o: &Observed) -> Option<Decision> {
    let operation = o.status.operation.as_ref()?;
    let reason = operation.reason.as_deref().and_then(Reason::from_word)?;
    let message = operation.message.clone().unwrap_or_default();
    let message = format!("{message}; retried slowly, and at once when the spec changes");
    (retry_class(reason) == RetryClass::NeedsUser)
        .then(|| Decision::blocked(o, reason, message).wait(o.needs_user()))
}

/// Requests a new instance, once everything that the request needs was looked up.
pub(super) fn request(o: &Observed, desired: &Desired) -> Decision {
    let preparing = |step| Decision::creating(o, "the create request is being prepared").step(step);
    let account = match &o.account {
        Ok(account) => account,
        Err(blocker) => return Decision::lookup_failed(o, blocker),
    };
    if let Some(decision) = tenancy::foreign_network(o, desired) {
        return decision;
    }
    let flavors = match &o.lookups.flavors {
        None => return preparing(Step::Lookup(Lookup::Flavors)),
        Some(Err(blocker)) => return Decision::lookup_failed(o, blocker),
        Some(Ok(flavors)) => flavors,
    };
    if let Some(decision) = window_check::check(o, desired) {
        return decision;
    }
    let flavor = match flavor::select(desired, &account.defaults, flavors) {
        Ok(flavor) => flavor,
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
    let tags = OwnershipTags::new(&subject.uid, &subject.owner, Origin::Created);
    let create_spec = match CreateSpec::build(desired, &account.defaults, flavor, name, &tags) {
        Ok(create_spec) => create_spec,
        Err(invalid) => return Decision::blocked(o, Reason::InvalidSpec, invalid.to_string()),
    };
    let resolved = create_spec.resolved();
    let step = match &o.lookups.password {
        None => Step::Lookup(Lookup::Password(create_spec.password)),
        Some(Ok(PasswordState::Ready)) => Step::CloudAction(CloudAction::Create(Box::new(create_spec))),
        Some(Ok(PasswordState::Missing)) => Step::Prepare(KubeAction::WriteRecord(create_spec.password)),
        Some(Ok(PasswordState::Former { id })) => Step::Prepare(KubeAction::MoveRecord { id: id.clone() }),
        Some(Err(blocker)) => return Decision::lookup_failed(o, blocker),
    };
    Decision::creating(o, "the instance is being created").step(step).resolved(resolved)
}
