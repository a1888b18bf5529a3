//! The order in which things are looked at: deletion, invalid spec, paused, credentials, ownership, the cloud out of
//! reach, then creation, or the instance that exists.

use std::time::Duration;

use super::{
    adopt, create,
    decision::Decision,
    delete,
    desired::Desired,
    existing, observe,
    observed::{AccountLists, Observed, ResolvedAccount},
    step::{Plan, Step},
    tenancy,
};
use crate::{
    api::{
        Reason,
        instance::{ManagementPolicy, OperationStatus},
        words::OperationOutcome,
    },
    plan::{
        Follow,
        conditions::{Readiness, Situation},
        schedule::RetryClass,
    },
};

/// What to do next, and what to say. Total and deterministic.
pub fn plan(o: &Observed) -> Plan {
    decide(o).compose(o)
}

fn decide(o: &Observed) -> Decision {
    if o.subject.deleting {
        return delete::decide(o);
    }
    if is_before_first_look(o) && !o.status.conditions.is_empty() {
        return not_observed_yet(o).without_status_write();
    }
    let desired = match &o.desired {
        Ok(desired) => desired,
        Err(invalid) => return Decision::blocked(o, Reason::InvalidSpec, invalid.to_string()),
    };
    if o.policies.paused {
        let message = "spec.paused is true: nothing is changed in the cloud until it is false or removed";
        return with_sight(o, Decision::new(o, Situation::Paused, message));
    }
    let account = match &o.account {
        Ok(account) => account,
        Err(blocker) => {
            return Decision::blocked(o, blocker.reason, &blocker.message)
                .wait(o.retry_delay(blocker.retry_class(), 1));
        }
    };
    if let Some(message) = account_mismatch(o, account) {
        return Decision::blocked(o, Reason::AccountChanged, message);
    }
    match o.policies.management {
        ManagementPolicy::Observe => observe::decide(o, desired),
        ManagementPolicy::Managed if !o.subject.finalizer => {
            not_observed_yet(o).step(Step::AddFinalizer).without_status_write()
        }
        ManagementPolicy::Managed => managed(o, desired),
    }
}

fn managed(o: &Observed, desired: &Desired) -> Decision {
    if let Some(decision) = tenancy::nothing_new(o) {
        return decision;
    }
    match reach(o) {
        Err(decision) => *decision,
        Ok(lists) => match (&o.status.id, &desired.adopt) {
            (Some(id), _) => existing::decide(o, desired, lists, id),
            (None, Some(id)) => adopt::decide(o, desired, lists, id),
            (None, None) => create::decide(o, desired, lists),
        },
    }
}

/// The account's lists, if they can be relied on; else what to say about that.
pub(super) fn reach(o: &Observed) -> Result<&AccountLists, Box<Decision>> {
    let Some(lists) = &o.lists else { return Err(Box::new(not_observed_yet(o))) };
    let age = o.age();
    let life = o.settings.requeue.observation_max_age;
    let rest = life.checked_sub(age);
    let Some(trouble) = &lists.trouble else {
        return match (lists.latest, rest) {
            (Some(_), Some(_)) => Ok(lists),
            // Nobody refused to answer, and yet nobody looked: that says as little.
            (Some(_), None) => {
                let message = "the account has not been listed for too long";
                let decision = Decision::new(o, Situation::TooOld, message);
                Err(Box::new(with_sight(o, decision).follow(Follow::NEXT_LIST).wait(life)))
            }
            (None, _) => Err(Box::new(not_observed_yet(o))),
        };
    };
    if trouble.retry_class() == RetryClass::NeedsUser {
        // It does not pass by itself, and says nothing of what was seen before.
        let message =
            format!("{}; tried again now and then, and at once when the Secret changes", trouble.message);
        let decision = with_sight(o, Decision::blocked(o, trouble.reason, message));
        let wait = rest.filter(|rest| !rest.is_zero()).map_or(life, |rest| rest + Duration::from_secs(1));
        return Err(Box::new(decision.wait(wait).follow(Follow::EACH_LIST)));
    }
    if lists.latest.is_some() && age < o.settings.requeue.unreachable_after {
        return Ok(lists);
    }
    let message = format!("{}; the operator keeps trying", trouble.message);
    let situation = if rest.is_some() { Situation::Unreachable(trouble.reason) } else { Situation::TooOld };
    let decision = with_sight(o, Decision::new(o, situation, message));
    // When the last sight becomes too old, that has to be said, whatever happens until then.
    let wait = rest.map_or(life, |rest| rest + Duration::from_secs(1));
    Err(Box::new(decision.wait(wait).follow(Follow::EACH_LIST)))
}

/// Nobody has listed the account since this process began.
fn is_before_first_look(o: &Observed) -> bool {
    o.account.is_ok()
        && o.lists.as_ref().is_none_or(|lists| lists.latest.is_none() && lists.trouble.is_none())
}

pub(super) fn not_observed_yet(o: &Observed) -> Decision {
    let message = "the operator has not looked at the cloud yet";
    let decision = Decision::new(o, Situation::NotObservedYet, message).ready(Readiness::Unchanged, message);
    decision.follow(Follow::NEXT_LIST).wait(o.settings.requeue.operation_check_interval)
}

/// Tells what the list shows of the instance, whatever else is the matter.
fn with_sight(o: &Observed, decision: Decision) -> Decision {
    let known = o.lists.as_ref().and_then(|lists| lists.known.as_deref());
    match known.filter(|known| o.status.id.as_deref() == Some(known.id.as_str())) {
        Some(known) => decision.with_observation(known),
        None => decision,
    }
}

/// Why the credentials are not those of the place where the instance is, if they are not.
pub(super) fn account_mismatch(o: &Observed, account: &ResolvedAccount) -> Option<String> {
    // What was refused left nothing behind: with other credentials it may go elsewhere.
    let asked = |operation: &OperationStatus| operation.outcome != Some(OperationOutcome::Refused);
    let begun = o.status.id.is_some() || o.status.operation.as_ref().is_some_and(asked);
    let recorded = o.status.account.as_ref().filter(|_| begun)?;
    let same =
        recorded.project_id == account.account.project_id && recorded.endpoint == account.account.endpoint;
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    (!same).then(|| {
        format!(
            "the instance is in project {} at {}, but the credentials lead to project {} at {}",
            shown(&recorded.project_id),
            shown(&recorded.endpoint),
            shown(&account.account.project_id),
            shown(&account.account.endpoint),
        )
    })
}
