//! Looking only: nothing is changed in the cloud, and the object can go at any time. An object that managed its
//! instance before takes its mark and its finalizer off first.

use super::{
    adopt,
    decision::Decision,
    delete,
    desired::Desired,
    diff::Differences,
    existing, lookup,
    observed::{Detail, Lists, Observed},
    ownership::is_live,
    plan::reach,
    says::serves,
    step::{Look, Step},
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

fn let_go(o: &Observed, lists: &Lists, id: &str) -> Decision {
    let message = "the instance is being let go: from now on it is only looked at";
    // What was asked for may still come, with our mark.
    let letting_go = || Decision::new(o, Situation::Changing(Reason::Applying), message);
    if lookup::has_open_attempt(o)
        && let Some(decision) = lookup::await_lists(o, lists, |_| letting_go())
    {
        return decision;
    }
    let decision = letting_go();
    match &o.looks.detail {
        None => decision.step(Step::Look(Look::Detail { id: id.to_owned() })),
        Some(Detail::NotFound) => decision.settled().step(Step::RemoveFinalizer).silent(),
        Some(Detail::Failed(obstacle)) => decision.wait(o.gap_after(obstacle)),
        Some(Detail::Found(closeup)) => match delete::release(o, closeup) {
            Some(release) => release.saying(decision.finding),
            None => decision.settled().step(Step::RemoveFinalizer).silent(),
        },
    }
}

fn look(o: &Observed, desired: &Desired, lists: &Lists, id: &str) -> Decision {
    let listed = lists.known.as_deref().filter(|facts| facts.id == id);
    match (&o.looks.detail, listed) {
        (Some(Detail::Found(closeup)), _) => {
            report(o, desired, &closeup.facts).until_listed(o, &closeup.facts)
        }
        (Some(Detail::NotFound), _) => adopt::not_found(o, id),
        (Some(Detail::Failed(obstacle)), _) => Decision::unanswered(o, obstacle),
        (None, Some(facts)) if !existing::is_new_shape(o, facts) => report(o, desired, facts),
        (None, _) => {
            let decision = Decision::new(o, Situation::NotLookedAt, "the instance is looked at closely");
            decision.step(Step::Look(Look::Detail { id: id.to_owned() }))
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
        return Decision::new(o, Situation::NotServing { why, ours: false }, message).seen(facts).settled();
    }
    let resolved = o.status.resolved.as_ref();
    let differences = Differences::between(desired, facts, o.closeup(), resolved, o.status.applied.as_ref());
    let decision = if differences.is_empty() {
        Decision::new(o, Situation::InSync, "the cloud matches the spec")
    } else {
        let fields: Vec<_> = differences.changes.iter().map(|change| change.field.as_str()).collect();
        let message =
            format!("{} differ; with managementPolicy Observe nothing is changed", fields.join(", "));
        Decision::new(o, Situation::Waiting(Reason::DriftDetected), message)
    };
    decision.seen(facts).settled().pending(differences.changes)
}
