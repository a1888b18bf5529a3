//! `managementPolicy: Observe`: nothing is changed in the cloud, and the object can be deleted at any time. An object
//! that managed its instance before removes the ownership tags and its finalizer first.

use super::{adopt, create, release, rotation, tenancy, update::is_new_shape};
use crate::{
    api::Reason,
    dcs::model::{InstanceFacts, InstanceStatus},
    plan::{
        conditions::Situation,
        instance::{
            absence::{self, Absence},
            action::{Lookup, Step},
            decision::Decision,
            diff::Differences,
            input::{Desired, Observed, lists::AccountLists, observed::Detail, ownership::claims},
            status::observation::serves,
        },
    },
};

pub(in crate::plan::instance) fn decide(o: &Observed, desired: &Desired, lists: &AccountLists) -> Decision {
    let Some(named) = o.policies.adopt.as_deref() else {
        let message = "managementPolicy Observe needs an instance: set adopt.instanceId";
        return Decision::blocked(o, Reason::InvalidSpec, message);
    };
    if !o.subject.finalizer {
        // The spec permits to observe this one, whatever the status records.
        return observe(o, desired, lists, named);
    }
    let claims = claims(lists, &o.subject);
    if claims.is_ambiguous() {
        return create::ambiguous(o, &claims, None, None);
    }
    let own = claims.ours.first().map(|facts| facts.id.as_str());
    release(o, lists, own.or(o.status.id.as_deref()).unwrap_or(named))
}

const SWITCHING: Situation = Situation::Changing(Reason::Applying);

/// Managed → Observe: the instance is released, and only observed from then on.
fn release(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    let message = "the instance is being released: the operator only observes it from now on";
    let releasing = Decision::new(o, SWITCHING, message);
    // A request that is still on its way would tag the instance again.
    if absence::has_open_attempt(o)
        && let Absence::Unproven { wait, why: _ } = absence::assess(o, lists)
    {
        return releasing.until_proven(wait);
    }
    let released =
        |decision: Decision| decision.clear_operation().step(Step::RemoveFinalizer).without_status_write();
    match o.detail(id) {
        None => releasing.step(Step::Lookup(Lookup::Detail { id: id.to_owned() })),
        Some(Detail::NotFound) => released(releasing),
        Some(Detail::Failed(blocker)) => Decision::lookup_failed(o, blocker),
        Some(Detail::Found(snapshot)) => {
            let refused = |reason, message| Decision::blocked(o, reason, message);
            let released_by = |releasing| release::decide(o, &snapshot.facts, releasing, refused);
            released_by(releasing).unwrap_or_else(|| released(Decision::new(o, SWITCHING, message)))
        }
    }
}

fn observe(o: &Observed, desired: &Desired, lists: &AccountLists, id: &str) -> Decision {
    let listed = lists.known.as_deref().filter(|facts| facts.id == id);
    match (o.detail(id), listed) {
        (Some(Detail::Found(snapshot)), _) => report(o, desired, &snapshot.facts),
        (Some(Detail::NotFound), _) => adopt::not_found(o, id),
        (Some(Detail::Failed(blocker)), _) => Decision::unreadable(o, blocker),
        (None, Some(facts)) if !is_new_shape(o, facts) => report(o, desired, facts),
        (None, _) => {
            let message = "the operator reads the detail of the instance";
            let decision = Decision::new(o, Situation::NotObservedYet, message);
            decision.step(Step::Lookup(Lookup::Detail { id: id.to_owned() }))
        }
    }
}

fn report(o: &Observed, desired: &Desired, facts: &InstanceFacts) -> Decision {
    if facts.status == Some(InstanceStatus::Deleted) {
        return adopt::not_found(o, &facts.id);
    }
    if let Some(decision) = tenancy::foreign_instance(o, facts) {
        return decision;
    }
    if let Err(why) = serves(facts.status.as_ref()) {
        let word = facts.status.as_ref().map_or("nothing", InstanceStatus::as_str);
        let message = format!("DCS reports status {word}: {}", why.meaning());
        return Decision::new(o, Situation::NotServing { why, ours: false, waits: false }, message)
            .with_observation(facts)
            .clear_operation();
    }
    let resolved = o.status.resolved.as_ref();
    let mut differences =
        Differences::between(desired, facts, o.snapshot(), resolved, o.status.applied.as_ref());
    differences.changes.extend(desired.auth.as_ref().and_then(|_| rotation::drift(o, desired, facts)));
    let decision = if differences.is_empty() {
        Decision::new(o, Situation::InSync, "the instance matches the spec")
    } else {
        let fields: Vec<_> = differences.changes.iter().map(|change| change.field.as_str()).collect();
        let message = format!(
            "the instance differs from the spec in {}; with managementPolicy Observe the operator changes nothing",
            fields.join(", ")
        );
        Decision::new(o, Situation::Waiting(Reason::DriftDetected), message)
    };
    decision.with_observation(facts).clear_operation().pending(differences.changes)
}
