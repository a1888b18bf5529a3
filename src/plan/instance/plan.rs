//! The decision table.

use super::{
    action::Plan,
    decision::Decision,
    input::Observed,
    locate::{Location, locate},
    phase::{
        adopt, create, delete, external_deletion, failed_creation, observe, preconditions, reclaim, update,
    },
    status::compose,
};
use crate::api::instance::ManagementPolicy;

/// Plans the next step and the whole status. Total and deterministic.
pub fn plan(o: &Observed) -> Plan {
    compose(o, decide(o))
}

fn decide(o: &Observed) -> Decision {
    if o.subject.deleting {
        return delete::decide(o);
    }
    let (desired, lists) = match preconditions::check(o) {
        Ok(met) => met,
        Err(decision) => return *decision,
    };
    if o.policies.management == ManagementPolicy::Observe {
        return observe::decide(o, desired, lists);
    }
    match locate(o, lists) {
        Location::Ambiguous { claims, recorded, lost } => create::ambiguous(o, &claims, recorded, lost),
        Location::Instance(sighting) => update::decide(o, desired, sighting),
        Location::NeedsDetail(id) => update::read_detail(o, id),
        Location::NeedsTags(id) => create::read_tags(o, id),
        // Without a recorded instance, the read decides whether one has to be created.
        Location::Unreadable(blocker) if o.status.id.is_none() => Decision::lookup_failed(o, blocker),
        Location::Unreadable(blocker) => Decision::unreadable(o, blocker),
        Location::Adopt(id) => adopt::decide(o, id),
        Location::FailedRecord(record) => failed_creation::decide(o, record),
        Location::Vanishing(id) => create::wait_for_deletion(o, &id),
        Location::Lost(id) => external_deletion::decide(o, desired, lists, &id),
        Location::Unknown { wait, why } => {
            reclaim::keep_blocked(o, desired, lists).unwrap_or_else(|| create::wait_for_lists(o, wait, why))
        }
        Location::Reclaiming(id) => reclaim::go_on(o, desired, &id),
        Location::None => reclaim::decide(o, desired, lists),
    }
}
