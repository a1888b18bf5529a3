//! The backup of the last run is followed to its end.

use super::{
    action::{Lookup, Step},
    decision::Decision,
    input::{Child, ChildLookup, Observed},
    times::Times,
};
use crate::api::{Reason, time, words::JobOutcome};

/// Records how the last run ended, and a run that the status does not know yet. Asks for a lookup where only the API server
/// knows.
pub(super) fn record(o: &Observed, times: Option<&Times>, decision: &mut Decision) {
    settle(o, decision);
    if decision.status.active.is_none()
        && let Some((slot, child)) = unrecorded(o, decision)
    {
        let seen = decision.status.schedule_seen_at.is_some();
        let floor = decision.floor().filter(|_| seen && slot > o.subject.created);
        let missed = floor.zip(times).map_or(0, |(floor, times)| times.count_between(floor, slot));
        decision.began(slot, missed, &child.name);
        settle(o, decision);
    }
}

/// The newest child of a later run than the last one that the status knows: its creation was not recorded, or the status was
/// lost. What lies in the future is none: the clock was set back.
fn unrecorded<'a>(
    o: &'a Observed,
    decision: &Decision,
) -> Option<(chrono::DateTime<chrono::Utc>, &'a Child)> {
    let last = decision.status.last_schedule_time.as_ref().map(time::from_kube);
    let runs = o.children.iter().filter_map(|child| Some((o.slot_of(&child.name)?, child)));
    let latest = o.now.wall.max(o.subject.created);
    let later = runs.filter(|(slot, _)| last.is_none_or(|last| *slot > last) && *slot <= latest);
    later.max_by_key(|(slot, child)| (*slot, child.created))
}

fn settle(o: &Observed, decision: &mut Decision) {
    let Some(active) = decision.status.active.clone() else { return };
    let name = &active.name;
    let Some(child) = o.child(name) else {
        match o.looked_up(name) {
            None => decision.step = Step::Lookup(Lookup::Child { name: name.clone() }),
            Some(ChildLookup::Failed(blocker)) => decision.wait(o.retry_delay(blocker.retry_class())),
            Some(ChildLookup::Absent | ChildLookup::Foreign | ChildLookup::Own(_)) => {
                decision.status.active = None;
                decision
                    .unsuccessful(Reason::Failed, format!("DcsBackup {name} was deleted before it ended"));
            }
        }
        return;
    };
    match &child.outcome {
        None => {}
        Some(JobOutcome::Succeeded | JobOutcome::Other(_)) => {
            decision.status.active = None;
            let at = child.completed.unwrap_or(o.now.wall);
            decision.succeeded(at, format!("DcsBackup {name} was made"));
        }
        Some(JobOutcome::Failed) => {
            decision.status.active = None;
            let why = match &child.failure {
                Some((reason, message)) => format!("{reason}: {message}"),
                None => "see its conditions".to_owned(),
            };
            decision.unsuccessful(Reason::Failed, format!("DcsBackup {name} failed: {why}"));
        }
    }
}
