//! Composes the plan from a decision.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{action::Plan, decision::Decision, input::Observed, retention::Kept, times::Times};
use crate::{
    api::{DcsBackupScheduleStatus, instance::OperationStatus, time},
    inventory::demand::Demand,
    plan::{conditions::schedule_conditions, operation::HasOperation},
};

impl HasOperation for DcsBackupScheduleStatus {
    /// A schedule calls nothing in the cloud.
    fn operation(&self) -> Option<&OperationStatus> {
        None
    }

    fn operation_mut(&mut self) -> Option<&mut OperationStatus> {
        None
    }

    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// Composes the plan from a decision. Without times, the schedule is invalid.
pub(super) fn compose(o: &Observed, known: Option<(&Times, &Kept<'_>)>, mut decision: Decision) -> Plan {
    let next = known
        .map(|(times, _)| times)
        .filter(|_| o.spec.suspend != Some(true))
        .and_then(|times| times.next(decision.floor().map_or(o.now.wall, |floor| floor.max(o.now.wall))));
    if let Some(next) = next {
        decision.wait_until(o, next);
    }
    let status = &mut decision.status;
    status.observed_generation = Some(o.subject.generation);
    status.next_schedule_time = next.map(time::to_kube);
    status.missed_runs.get_or_insert_default();
    if let Some((_, kept)) = known {
        status.backups = Some(kept.counts());
        // After the status was lost.
        let newest = kept.newest_completed().map(time::to_kube);
        status.last_successful_time = status.last_successful_time.take().or(newest);
    }
    status.conditions = schedule_conditions(
        decision.situation,
        &decision.message,
        decision.result.as_ref(),
        &o.status.conditions,
        (o.subject.generation, o.now.wall),
    );
    Plan {
        step: decision.step,
        status: decision.status,
        publish: decision.publish,
        intent: None,
        warnings: decision.warnings,
        wait: decision.wait,
        demand: Demand::IDLE,
    }
}
