//! Adopting an existing instance: the ownership tags are put on it, and it is the object's from then on.

use super::{mark, tenancy};
use crate::{
    api::Reason,
    dcs::model::InstanceStatus,
    formats::Origin,
    plan::{
        conditions::Readiness,
        instance::{
            action::{Lookup, Step},
            decision::Decision,
            input::{
                Observed,
                observed::Detail,
                ownership::{Ownership, is_live, ownership_of},
            },
        },
    },
};

/// Adopts the instance `id`, which the spec names and which does not carry the object's tags.
pub(in crate::plan::instance) fn decide(o: &Observed, id: &str) -> Decision {
    let facts = match o.detail(id) {
        None => {
            let lookup = Lookup::Detail { id: id.to_owned() };
            return Decision::adopting(o, id, "").step(Step::Lookup(lookup));
        }
        Some(Detail::NotFound) => return not_found(o, id),
        Some(Detail::Failed(blocker)) => return Decision::lookup_failed(o, blocker),
        Some(Detail::Found(snapshot)) => &snapshot.facts,
    };
    if !is_live(facts) {
        let word = facts.status.as_ref().map_or("nothing", InstanceStatus::as_str);
        return missing(o, &format!("instance {id} cannot be adopted, since DCS reports status {word}"));
    }
    match ownership_of(facts, &o.subject) {
        Ownership::Foreign | Ownership::Orphaned => mark::already_owned(o, id),
        Ownership::Ours(_) | Ownership::Released | Ownership::Unowned => tenancy::foreign_instance(o, facts)
            .unwrap_or_else(|| mark::put_tags(o, facts, Origin::Adopted, "")),
    }
}

/// The instance to adopt, or to observe, does not exist.
pub(super) fn not_found(o: &Observed, id: &str) -> Decision {
    missing(o, &format!("instance {id} does not exist in this project and region"))
}

fn missing(o: &Observed, what: &str) -> Decision {
    let message = format!("{what}: correct adopt.instanceId or the credentials, unless it was deleted");
    let readiness = Readiness::Missing(Reason::InstanceNotFound);
    let decision = Decision::blocked(o, Reason::InstanceNotFound, message);
    decision.ready(readiness, what).wait(o.needs_user())
}
