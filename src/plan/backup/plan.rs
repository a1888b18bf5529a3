//! The decision table.

use super::{
    action::Plan,
    input::Observed,
    phase::{begin, delete, ended, follow},
    status::compose,
};

/// Decides about a DcsBackup. Pure.
pub fn plan(o: &Observed) -> Plan {
    let decision = if o.subject.deleting {
        delete::decide(o)
    } else if o.status.outcome.is_some() {
        ended::decide(o)
    } else {
        match o.known_id() {
            Some(id) => follow::decide(o, id),
            None => begin::decide(o),
        }
    };
    compose(o, decision)
}
