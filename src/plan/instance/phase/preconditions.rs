//! What must hold before a phase may act: the order is invalid spec, paused, credentials, account, lists.

use std::time::Duration;

use super::tenancy;
use crate::{
    api::{
        Reason,
        instance::{ManagementPolicy, OperationStatus},
        words::OperationOutcome,
    },
    formats::{auth_secret_name, binding_secret_name},
    plan::{
        Blocker,
        conditions::{Readiness, Situation},
        instance::{
            decision::Decision,
            input::{AuthSpec, Desired, Observed, lists::AccountLists, observed::ResolvedAccount},
        },
        schedule::RetryClass,
    },
};

/// Checks the preconditions of an object that is not being deleted.
pub(in crate::plan::instance) fn check(o: &Observed) -> Result<(&Desired, &AccountLists), Box<Decision>> {
    if is_before_first_list(o) && !o.status.conditions.is_empty() {
        return Err(Box::new(not_observed_yet(o).without_status_write()));
    }
    let desired = match &o.desired {
        Ok(desired) => desired,
        Err(invalid) => return Err(Box::new(Decision::blocked(o, Reason::InvalidSpec, invalid.to_string()))),
    };
    if let Some(AuthSpec::SecretRef { name, .. }) = &desired.auth
        && [auth_secret_name(&o.subject.name), binding_secret_name(&o.subject.name)].contains(name)
    {
        let message = format!(
            "auth.secretRef: the operator writes Secret {name} itself: put your password into a Secret of another name"
        );
        return Err(Box::new(Decision::blocked(o, Reason::InvalidSpec, message)));
    }
    if o.policies.paused {
        let message =
            "spec.paused is true: the operator changes nothing in the cloud until it is false or removed";
        return Err(Box::new(with_listed_instance(o, Decision::new(o, Situation::Paused, message))));
    }
    match &o.account {
        Ok(account) => {
            if let Some(message) = account_mismatch(o, account) {
                return Err(Box::new(Decision::blocked(o, Reason::AccountChanged, message)));
            }
        }
        Err(blocker) => return Err(Box::new(Decision::lookup_failed(o, blocker))),
    }
    if o.policies.management == ManagementPolicy::Managed
        && let Some(decision) = tenancy::credentials_being_deleted(o)
    {
        return Err(Box::new(decision));
    }
    usable_lists(o).map(|lists| (desired, lists))
}

/// The account's lists, if they are recent enough to act on.
fn usable_lists(o: &Observed) -> Result<&AccountLists, Box<Decision>> {
    let Some(lists) = &o.lists else { return Err(Box::new(not_observed_yet(o))) };
    let max_age = o.settings.requeue.observation_max_age;
    let age = evidence_age(o);
    let age_left = max_age.checked_sub(age);
    let Some(trouble) = &lists.trouble else {
        return match (lists.latest, age_left) {
            (Some(_), Some(_)) => Ok(lists),
            (Some(_), None) => {
                let message = "the account was last listed too long ago";
                let decision = Decision::new(o, Situation::TooOld, message);
                Err(Box::new(with_listed_instance(o, decision).wait(max_age)))
            }
            (None, _) => Err(Box::new(not_observed_yet(o))),
        };
    };
    if trouble.retry_class() != RetryClass::NeedsUser
        && lists.latest.is_some()
        && age < o.settings.requeue.unreachable_after
    {
        return Ok(lists);
    }
    Err(Box::new(lists_failed(o, trouble, age_left)))
}

/// The age of what a plan can rest on: the newest complete list, or a newer incomplete one that shows the instance.
fn evidence_age(o: &Observed) -> Duration {
    let seen = o.lists.as_ref().and_then(|lists| lists.known.as_ref().and(lists.known_at));
    seen.map_or(o.age(), |at| o.age().min(o.now.monotonic.saturating_sub(at)))
}

/// The account cannot be listed. When the last observation gets too old, the status has to show it.
fn lists_failed(o: &Observed, trouble: &Blocker, age_left: Option<Duration>) -> Decision {
    let max_age = o.settings.requeue.observation_max_age;
    let until_too_old = |left: Duration| left + Duration::from_secs(1);
    if trouble.retry_class() == RetryClass::NeedsUser {
        let message = format!("{}; retried slowly, and at once when the Secret changes", trouble.message);
        let wait = age_left.filter(|left| !left.is_zero()).map_or(max_age, until_too_old);
        return with_listed_instance(o, Decision::blocked(o, trouble.reason, message)).wait(wait);
    }
    let message = format!("{}; the operator keeps retrying", trouble.message);
    let situation =
        if age_left.is_some() { Situation::Unreachable(trouble.reason) } else { Situation::TooOld };
    let decision = Decision::new(o, situation, message);
    with_listed_instance(o, decision).wait(age_left.map_or(max_age, until_too_old))
}

/// This process has not listed the account yet.
fn is_before_first_list(o: &Observed) -> bool {
    o.account.is_ok()
        && o.lists.as_ref().is_none_or(|lists| lists.latest.is_none() && lists.trouble.is_none())
}

fn not_observed_yet(o: &Observed) -> Decision {
    let message = "the operator has not observed the cloud yet";
    Decision::new(o, Situation::NotObservedYet, message)
        .ready(Readiness::Unchanged, message)
        .wait(o.settings.requeue.operation_check_interval)
}

/// Adds what the list shows of the instance.
fn with_listed_instance(o: &Observed, decision: Decision) -> Decision {
    match o.status.id.as_deref().and_then(|id| o.lists.as_ref()?.listed(id)) {
        Some(listed) => decision.with_observation(listed),
        None => decision,
    }
}

/// Describes where the credentials lead, if that is not where the instance was created or adopted.
pub(in crate::plan::instance) fn account_mismatch(o: &Observed, account: &ResolvedAccount) -> Option<String> {
    // A refused request left nothing behind: with other credentials it may go elsewhere.
    let was_sent = |operation: &OperationStatus| operation.outcome != Some(OperationOutcome::Refused);
    let begun = o.status.id.is_some() || o.status.operation.as_ref().is_some_and(was_sent);
    let recorded = o.status.account.as_ref().filter(|_| begun)?;
    let present = &account.account;
    let same = recorded.project_id == present.project_id && recorded.endpoint == present.endpoint;
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    (!same).then(|| {
        let credentials = account.source.describe();
        format!(
            "the instance is in project {} at {}, but {credentials} leads to project {} at {}: put the former project and \
             endpoint back there, or name another Secret in credentialsRef, or delete the Secret if the instance was made \
             with the operator's own credentials",
            shown(&recorded.project_id),
            shown(&recorded.endpoint),
            shown(&present.project_id),
            shown(&present.endpoint),
        )
    })
}
