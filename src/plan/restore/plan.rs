//! The decision table.

use super::{
    action::Plan,
    decision::Decision,
    input::Observed,
    phase::{begin, follow},
    status::compose,
};

/// Decides about a DcsRestore. Pure.
pub fn plan(o: &Observed) -> Plan {
    let decision = if o.subject.deleting {
        // Before the request this cancels the restore. Afterwards DCS goes on, and nothing in the cloud belongs to the object.
        Decision::deleting(o)
    } else if o.status.outcome.is_some() {
        Decision::ended(o)
    } else if o.status.restore_id.is_some() {
        follow::decide(o)
    } else {
        begin::decide(o)
    };
    compose(o, decision)
}
