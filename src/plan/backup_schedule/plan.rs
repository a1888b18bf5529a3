//! The decision table.

use super::{
    ability::{self, Ability},
    action::{KubeAction, Plan, Step},
    decision::Decision,
    due, follow,
    input::Observed,
    retention::{self, Kept},
    status::compose,
    times::Times,
};
use crate::{
    api::{Reason, time},
    plan::{conditions::ScheduleSituation, job::InstanceObject, schedule::RetryClass},
};

/// Decides about a DcsBackupSchedule. Pure.
pub fn plan(o: &Observed) -> Plan {
    let mut decision = Decision::new(o);
    // Before the first lists, every other object seems to be gone.
    if o.subject.deleting || o.instance == InstanceObject::Unknown {
        decision.publish = false;
        return compose(o, None, decision);
    }
    let kept = Kept::of(o);
    let times = Times::parse(&o.spec.schedule, o.spec.time_zone.as_deref(), o.now.wall);
    follow::record(o, times.as_ref().ok(), &mut decision);
    let ability = ability::assess(o);
    match &times {
        Err(message) => {
            forget_schedule(&mut decision);
            decision.situation(ScheduleSituation::Blocked(Reason::InvalidSpec), message);
        }
        Ok(_) if o.spec.suspend == Some(true) => {
            forget_schedule(&mut decision);
            decision.situation(ScheduleSituation::Suspended, "spec.suspend is true: no backups are made");
        }
        Ok(times) => {
            see(o, &mut decision);
            tell(o, &ability, &kept, &mut decision);
            act(o, (times, &ability, &kept), &mut decision);
        }
    }
    // What a run that has ended allows to remove is looked at once the status shows its end.
    if decision.result.is_some() {
        decision.wait(o.settings.requeue.kube.first);
    }
    tell_first(o, compose(o, times.as_ref().ok().map(|times| (times, &kept)), decision))
}

/// A backup is removed only once the status shows what that follows from: a refused deletion must not keep it back.
fn tell_first(o: &Observed, mut plan: Plan) -> Plan {
    if matches!(plan.step, Step::Prepare(KubeAction::Delete { .. })) && plan.status != o.status {
        plan.step = Step::Nothing;
        plan.wait = plan.wait.min(o.settings.requeue.kube.first);
    }
    plan
}

/// One step, in the order of urgency.
fn act(o: &Observed, found: (&Times, &Ability, &Kept<'_>), decision: &mut Decision) {
    if decision.step != Step::Nothing {
        return;
    }
    // What the API server has refused is told before it is tried again.
    if let Some(refusal) = &o.refusal {
        let message = format!(
            "the API server refuses the DcsBackup that is due: {}; it is tried again",
            refusal.message
        );
        decision.situation(ScheduleSituation::Blocked(Reason::BackupRefused), message);
        return decision.wait(o.settings.requeue.retry_delay(RetryClass::Rejected, refusal.attempts));
    }
    let kept = found.2;
    if *found.1 == Ability::Able {
        make_room(o, kept, decision);
    }
    if decision.step == Step::Nothing {
        due::decide(o, found, decision);
    }
    // While the operator is to change nothing, or DCS does not, nothing is deleted either.
    if decision.step == Step::Nothing
        && !matches!(found.1, Ability::Hindered(_))
        && let Some(child) = kept.expired()
    {
        decision.step = retention::delete(child, "the retention says so");
    }
}

/// The backup that is due would push out one that has to stay. Its own schedule gives up its oldest one: one for each run, and
/// only once the status says which.
fn make_room(o: &Observed, kept: &Kept<'_>, decision: &mut Decision) {
    let limit = Reason::BackupLimitReached.as_str();
    let Some(active) = &mut decision.status.active else { return };
    if o.child(&active.name).is_none_or(|child| child.stalled.as_deref() != Some(limit)) {
        return;
    }
    let Some(chosen) = active.makes_room.clone() else {
        active.makes_room = kept.oldest().map(|child| child.name.clone());
        if active.makes_room.is_some() {
            decision.wait(o.settings.requeue.kube.first);
        }
        return;
    };
    let is_recorded = o.status.active.as_ref() == Some(active);
    if let Some(child) = o.child(&chosen).filter(|child| is_recorded && kept.may_go(child)) {
        decision.step = retention::delete(child, "it makes room for the backup that is due");
    }
}

/// The times of a schedule that was suspended, or was another one, are not owed.
fn see(o: &Observed, decision: &mut Decision) {
    let zone = o.spec.time_zone.as_deref().unwrap_or("UTC");
    let schedule = format!("{} {zone}", o.spec.schedule);
    let status = &mut decision.status;
    let is_seen = status.schedule.as_ref() == Some(&schedule);
    // The clock was set back.
    let is_future = |at: &_| time::from_kube(at) > o.now.wall;
    if !is_seen || status.schedule_seen_at.as_ref().is_none_or(is_future) {
        (status.schedule, status.schedule_seen_at) = (Some(schedule), Some(time::to_kube(o.now.wall)));
    }
}

fn forget_schedule(decision: &mut Decision) {
    (decision.status.schedule, decision.status.schedule_seen_at) = (None, None);
}

/// Whether the schedule can run, for the conditions.
fn tell(o: &Observed, ability: &Ability, kept: &Kept<'_>, decision: &mut Decision) {
    if let Some(wait) = ability::changes_after(o) {
        decision.wait(wait);
    }
    match ability {
        Ability::Able => {}
        Ability::Hindered(why) => {
            let message = format!("{why}: runs are skipped meanwhile");
            return decision.situation(ScheduleSituation::Armed, message);
        }
        Ability::Unable(situation, why) => return decision.situation(*situation, why),
    }
    let limit = o.settings.backup_limit.map(|limit| usize::try_from(limit.get()).unwrap_or(usize::MAX));
    let keep_last = o.spec.retention.keep_last.and_then(|keep| usize::try_from(keep).ok());
    let automatic = o.instance_backups.as_ref().map(|backups| backups.automatic);
    if let (Some(limit), Some(keep), Some(automatic)) = (limit, keep_last, automatic)
        && keep.saturating_add(kept.pinned()).saturating_add(automatic as usize) >= limit
    {
        let message = format!(
            "keepLast {keep}, {} pinned and {automatic} automatic backups reach the limit of {limit} that DCS keeps of an \
             instance: lower keepLast, or the days of the backup policy",
            kept.pinned()
        );
        decision.warn("BackupLimitNear", message.clone());
        decision.situation(ScheduleSituation::Armed, message);
    }
}
