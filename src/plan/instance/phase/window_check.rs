//! Checking that the site offers the declared maintenance window.

use crate::{
    api::Reason,
    plan::{
        conditions::Situation,
        instance::{
            action::{Lookup, Step},
            decision::Decision,
            input::{Desired, Observed},
        },
    },
};

/// What prevents the declared maintenance window from being set; `None` if it is offered, or none is declared.
pub(super) fn check(o: &Observed, desired: &Desired) -> Option<Decision> {
    let window = desired.window.as_ref()?;
    match &o.lookups.windows {
        None => {
            let message = "the maintenance windows on offer are being read";
            let decision = Decision::new(o, Situation::Changing(Reason::Applying), message);
            Some(decision.step(Step::Lookup(Lookup::Windows)))
        }
        Some(Err(blocker)) => Some(Decision::unreadable(o, blocker)),
        Some(Ok(windows)) => {
            let problem = window.offered(windows).err()?;
            Some(Decision::blocked(o, Reason::InvalidSpec, problem.to_string()))
        }
    }
}
