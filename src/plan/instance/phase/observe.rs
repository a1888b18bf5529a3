//! Looking only: nothing is changed in the cloud, and the object can go at any time. An object that managed its
//! instance before takes its mark and its finalizer off first.

use super::{
    absence, adopt,
    decision::Decision,
    delete,
    desired::Desired,
    diff::Differences,
    existing,
    observed::{AccountLists, Detail, Observed},
    ownership::is_live,
    plan::reach,
    says::serves,
    step::{Lookup, Step},
    tenancy,
};
use crate::{
    api::Reason,
    dcs::model::{InstanceFacts, InstanceStatus},
    plan::conditions::Situation,
};

pub(super) fn decide(o: &Observed, desired: &Desired) -> Decision {
    let lists = match reach(o) {
        Ok(lists) => lists,
        Err(decision) => return *decision,
    };
    let Some(id) = o.known_id() else {
        let message = "managementPolicy Observe needs an instance to look at: set adopt.instanceId";
        return Decision::blocked(o, Reason::InvalidSpec, message);
    };
    if o.subject.finalizer { let_go(o, lists, id) } else { look(o, desired, lists, id) }
}

fn let_go(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    let message = "the instance is being let go: from now on it is only looked at";
    // What was asked for may still come, with our mark.
    let letting_go = || Decision::new(o, Situation::Changing(Reason::Applying), message);
    if absence::has_open_attempt(o)
        && let Some(decision) = absence::await_lists(o, lists, |_| letting_go())
    {
        return decision;
    }
    let decision = letting_go();
    match &o.lookups.detail {
        None => decision.step(Step::Lookup(Lookup::Detail { id: id.to_owned() })),
        Some(Detail::NotFound) => {
            decision.clear_operation().step(Step::RemoveFinalizer).without_status_write()
        }
        Some(Detail::Failed(blocker)) => decision.wait(o.retry_delay_for(blocker)),
        Some(Detail::Found(snapshot)) => match delete::release(o, snapshot) {
            Some(release) => release.with_assessment(decision.assessment),
            None => decision.clear_operation().step(Step::RemoveFinalizer).without_status_write(),
        },
    }
}

fn look(o: &Observed, desired: &Desired, lists: &AccountLists, id: &str) -> Decision {
    let listed = lists.known.as_deref().filter(|facts| facts.id == id);
    match (&o.lookups.detail, listed) {
        (Some(Detail::Found(snapshot)), _) => {
            report(o, desired, &snapshot.facts).until_listed(o, &snapshot.facts)
        }
        (Some(Detail::NotFound), _) => adopt::not_found(o, id),
        (Some(Detail::Failed(blocker)), _) => Decision::unanswered(o, blocker),
        (None, Some(facts)) if !existing::is_new_shape(o, facts) => report(o, desired, facts),
        (None, _) => {
            let decision = Decision::new(o, Situation::NotObservedYet, "the instance is looked at closely");
            decision.step(Step::Lookup(Lookup::Detail { id: id.to_owned() }))
        }
    }
}

fn report(o: &Observed, desired: &Desired, facts: &InstanceFacts) -> Decision {
    if !is_live(facts) {
        return adopt::not_found(o, &facts.id);
    }
    if let Some(decision) = tenancy::foreign_instance(o, facts) {
        return decision;
    }
    if let Err(why) = serves(facts.status.as_ref()) {
        let word = facts.status.as_ref().map_or("nothing", InstanceStatus::as_str);
        let message = format!("the cloud says {word}: {}", why.meaning());
        return Decision::new(o, Situation::NotServing { why, ours: false }, message)
            .with_observation(facts)
            .clear_operation();
    }
    let resolved = o.status.resolved.as_ref();
    let differences = Differences::between(desired, facts, o.snapshot(), resolved, o.status.applied.as_ref());
    let decision = if differences.is_empty() {
        Decision::new(o, Situation::InSync, "the cloud matches the spec")
    } else {
        let fields: Vec<_> = differences.changes.iter().map(|change| change.field.as_str()).collect();
        let message =
            format!("{} differ; with managementPolicy Observe nothing is changed", fields.join(", "));
        Decision::new(o, Situation::Waiting(Reason::DriftDetected), message)
    };
    decision.with_observation(facts).clear_operation().pending(differences.changes)
}
