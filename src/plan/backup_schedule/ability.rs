//! Whether the instance can be backed up.

use std::time::Duration;

use super::input::Observed;
use crate::{
    api::Reason,
    dcs::model::CacheMode,
    plan::{conditions::ScheduleSituation, job::InstanceObject},
};

/// How long a DcsInstance may take to appear: one `kubectl apply` creates objects in any order.
const REFERENCE_GRACE: Duration = Duration::from_secs(600);

/// Whether the instance can be backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ability {
    /// It can.
    Able,
    /// It cannot while the user or DCS holds it: runs are skipped, and the schedule itself is in order.
    Hindered(String),
    /// It cannot.
    Unable(ScheduleSituation, String),
}

/// Whether the instance can be backed up.
pub(super) fn assess(o: &Observed) -> Ability {
    use ScheduleSituation::{Blocked, Waiting};
    let name = &o.spec.instance_ref.name;
    let view = match &o.instance {
        InstanceObject::Unknown => {
            return Ability::Unable(
                ScheduleSituation::NotObservedYet,
                "the operator has just started".to_owned(),
            );
        }
        InstanceObject::Missing if o.age() < REFERENCE_GRACE => {
            let message = format!("DcsInstance {name} does not exist yet");
            return Ability::Unable(Waiting(Reason::WaitingForReference), message);
        }
        InstanceObject::Missing => {
            let message = format!(
                "DcsInstance {name} does not exist in namespace {}: create it, or delete the schedule",
                o.subject.namespace
            );
            return Ability::Unable(Blocked(Reason::ReferenceNotFound), message);
        }
        InstanceObject::Found(view) => view,
    };
    if view.deleting {
        let message = format!("DcsInstance {name} is being deleted");
        return Ability::Unable(Blocked(Reason::InstanceDeleted), message);
    }
    if view.cache_mode.as_deref() == Some(CacheMode::Single.as_str()) {
        let message = format!(
            "the instance of DcsInstance {name} is a single-node instance, which DCS does not back up"
        );
        return Ability::Unable(Blocked(Reason::UnsupportedMode), message);
    }
    if view.id.is_none() {
        let message = format!("DcsInstance {name} has no instance yet");
        return Ability::Unable(Waiting(Reason::WaitingForInstance), message);
    }
    if view.paused {
        return Ability::Hindered(format!("spec.paused of DcsInstance {name} is true"));
    }
    if o.is_frozen() {
        return Ability::Hindered(format!("the instance of DcsInstance {name} is FROZEN"));
    }
    Ability::Able
}

/// When the answer changes by itself, if it does.
pub(super) fn changes_after(o: &Observed) -> Option<Duration> {
    let rest = REFERENCE_GRACE.checked_sub(o.age()).filter(|rest| !rest.is_zero());
    rest.filter(|_| o.instance == InstanceObject::Missing)
}
