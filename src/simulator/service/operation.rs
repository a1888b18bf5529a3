//! Start, cancellation and removal: state changes that API operations, automatic transitions and out-of-band changes
//! share.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    instance::{PendingTransition, Transition},
    state::Service,
    task, topology,
};
use crate::dcs::model::InstanceStatus;

/// Status of an instance during an operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum BusyState {
    /// RUNNING with a task.
    Task(&'static str),
    /// RESTARTING.
    Restarting,
    /// EXTENDING.
    Extending,
    /// RESTORING with a task.
    Restoring,
}

// === impl Service ===

impl Service {
    /// Starts an operation that takes the configured time.
    pub(super) fn start_operation(
        &mut self,
        id: &str,
        busy: BusyState,
        task: (&str, Value),
        transition: Transition,
    ) {
        let until = self.after(self.options.operation);
        self.start_operation_until(id, until, busy, task, transition);
    }

    /// Starts an operation that ends at `until`.
    pub(super) fn start_operation_until(
        &mut self,
        id: &str,
        until: DateTime<Utc>,
        busy: BusyState,
        task: (&str, Value),
        transition: Transition,
    ) {
        let task = self.new_task(task.0, task.1, until);
        let now = self.now;
        let stale_reads = self.rules().stale_reads;
        self.store.update(id, |instance| {
            match busy {
                BusyState::Task(word) => instance.task = Some(word.to_owned()),
                BusyState::Restarting => instance.status = InstanceStatus::Restarting,
                BusyState::Extending => instance.status = InstanceStatus::Extending,
                BusyState::Restoring => {
                    instance.status = InstanceStatus::Restoring;
                    instance.task = Some("RESTORING".to_owned());
                }
            }
            task::push(&mut instance.tasks, task);
            instance.pending = Some(PendingTransition { until, transition });
            instance.stale_reads = stale_reads;
            instance.updated_at = now;
        });
    }

    /// Makes the task that was started last fail for this reason.
    pub(super) fn fail_latest_task(&mut self, id: &str, reason: Option<String>) {
        self.store.update(id, |instance| {
            if let Some(task) = instance.tasks.last_mut() {
                task.failure = reason;
            }
        });
    }

    /// Cancels resizes and releases the addresses that they reserved.
    pub(super) fn cancel_resizes(&mut self, id: &str) {
        let Some(instance) = self.store.get(id) else { return };
        let subnet_id = instance.subnet_id.clone();
        let all = topology::held_addresses(instance);
        let own = self.store.update(id, |instance| {
            instance.scheduled = None;
            instance.pending.take_if(|pending| matches!(pending.transition, Transition::Resize(_)));
            topology::held_addresses(instance)
        });
        let own = own.unwrap_or_default();
        self.networks.release(&subnet_id, all.difference(&own).copied());
    }

    /// Removes an instance immediately. Returns false if it does not exist.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(instance) = self.store.remove(id) else { return false };
        self.networks.release(&instance.subnet_id, topology::held_addresses(&instance));
        self.retire_tasks(instance.tasks);
        true
    }
}
