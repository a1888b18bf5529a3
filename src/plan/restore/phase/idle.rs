//! Whether the instance is that of the DcsInstance, serves, and does nothing else.

use super::listed;
use crate::{
    api::Reason,
    dcs::model::InstanceStatus,
    plan::{
        Blocker,
        instance::observed::{Detail, InstanceSnapshot},
        job::{InstanceObject, InstanceView, is_own, not_allowed},
        restore::{
            action::{Lookup, Step},
            decision::Decision,
            input::Observed,
        },
    },
};

/// Why the instance is not known to be idle.
pub(super) enum NotIdle {
    /// It has to be read.
    Read(Step),
    /// It does not exist.
    NotFound,
    /// The read failed.
    Failed(Blocker),
    /// It does something else.
    Busy(String),
    /// It does not serve, and that may last.
    NotServing(String),
}

/// The instance, if it serves and has no task.
pub(super) fn idle<'a>(o: &'a Observed, instance: &str) -> Result<&'a InstanceSnapshot, NotIdle> {
    let snapshot = match o.detail(instance) {
        None => {
            return Err(NotIdle::Read(Step::Lookup(Lookup::Instance { id: instance.to_owned() })));
        }
        Some(Detail::NotFound) => return Err(NotIdle::NotFound),
        Some(Detail::Failed(blocker)) => return Err(NotIdle::Failed(blocker.clone())),
        Some(Detail::Found(snapshot)) => snapshot,
    };
    if let Some(task) = &snapshot.task {
        return Err(NotIdle::Busy(format!("instance {instance} has to finish {task}")));
    }
    if snapshot.facts.status != Some(InstanceStatus::Running) {
        let status = snapshot.facts.status.as_ref().map_or("none", InstanceStatus::as_str);
        let message = format!("instance {instance} has to be RUNNING; its status is {status}");
        let is_known = matches!(&o.instance, InstanceObject::Found(view) if !view.ready);
        // The turn is given back only once the DcsInstance knows it too: it would grant the turn again at once.
        return Err(if is_known { NotIdle::NotServing(message) } else { NotIdle::Busy(message) });
    }
    Ok(snapshot)
}

/// What is decided before the instance is idle.
pub(super) fn without_idle(o: &Observed, instance: &str, why: NotIdle) -> Decision {
    match why {
        NotIdle::Read(step) => listed::reading(o).step(step),
        NotIdle::NotFound => listed::gone(o, instance),
        NotIdle::Failed(blocker) => Decision::lookup_failed(o, &blocker),
        NotIdle::Busy(message) => {
            Decision::in_progress(o, Reason::WaitingForInstance, message).wait(o.settings.requeue.busy)
        }
        NotIdle::NotServing(message) => Decision::in_progress(o, Reason::NotServing, message),
    }
}

/// Whether the instance is that of the DcsInstance: the id in its status is no proof.
pub(in crate::plan::restore) fn is_own_instance(
    o: &Observed,
    (view, instance): (&InstanceView, &str),
    snapshot: &InstanceSnapshot,
) -> Result<(), Box<Decision>> {
    let names = (o.subject.namespace.as_str(), o.spec.instance_ref.name.as_str());
    if let Some(message) = not_allowed(&o.account, names, view, &snapshot.facts) {
        return Err(Box::new(Decision::blocked(o, Reason::NotAllowed, message)));
    }
    if !is_own(view, &snapshot.facts) {
        let message = format!("the tags of instance {instance} do not name DcsInstance {}", names.1);
        return Err(Box::new(Decision::blocked(o, Reason::MarkMissing, message)));
    }
    Ok(())
}
