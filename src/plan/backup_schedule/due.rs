//! A time of the schedule is due: its backup is made, or the run is skipped or missed.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ability::Ability,
    action::{KubeAction, Lookup, Step},
    decision::{Decision, shown},
    input::{Child, ChildLookup, Observed},
    retention::{self, Kept},
    times::Times,
};
use crate::{
    api::{DcsBackup, DcsBackupSpec, Reason, time},
    formats::SCHEDULE_LABEL,
};

/// A run that may begin now.
struct Due {
    /// The time of the schedule.
    slot: DateTime<Utc>,
    /// The name of its backup.
    name: String,
    /// It must not begin at this time or later.
    before: DateTime<Utc>,
    /// Times of the schedule before it that no run has dealt with.
    missed: i64,
}

/// Deals with the last time of the schedule that is due, if there is one. Without one, with the backup that is made when the
/// schedule is created.
pub(super) fn decide(
    o: &Observed,
    (times, ability, kept): (&Times, &Ability, &Kept<'_>),
    decision: &mut Decision,
) {
    let Some(floor) = decision.floor() else { return };
    let Some(slot) = times.latest(floor, o.now.wall) else {
        if let Some(due) = first(o, times, decision) {
            decision.wait_until(o, due.before);
            // Mostly the instance is created with the schedule.
            if *ability == Ability::Able && active(o, decision).is_none() {
                begin(o, due, kept, decision);
            }
        }
        return;
    };
    let before = deadline(o, times, slot).unwrap_or(slot);
    let due = Due { slot, name: o.child_name(slot), before, missed: times.count_between(floor, slot) };
    if o.now.wall >= due.before {
        decision.dealt_with(due.slot, due.missed);
        let message = format!("no backup was started between {} and {}", shown(due.slot), shown(due.before));
        decision.unsuccessful(Reason::Missed, message);
        return;
    }
    decision.wait_until(o, due.before);
    match ability {
        Ability::Able => match active(o, decision) {
            Some(name) => blocked_by(o, &due, name, decision),
            None => begin(o, due, kept, decision),
        },
        Ability::Hindered(why) | Ability::Unable(_, why) => skip(&due, why, decision),
    }
}

/// The backup that is made when the schedule is created: its time is that of the object, so it is made once.
fn first(o: &Observed, times: &Times, decision: &Decision) -> Option<Due> {
    let last = decision.status.last_schedule_time.as_ref().map(time::from_kube);
    // An earlier object of the name may have run.
    let is_asked = o.spec.immediate == Some(true) && last.is_none_or(|last| last < o.subject.created);
    let before = deadline(o, times, o.subject.created)?;
    (is_asked && o.now.wall < before).then(|| Due {
        slot: o.subject.created,
        name: o.first_child_name(),
        before,
        missed: 0,
    })
}

/// When it is too late for a run: the next one is due, unless the spec says when.
fn deadline(o: &Observed, times: &Times, slot: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match o.spec.starting_deadline_seconds {
        Some(seconds) => slot.checked_add_signed(TimeDelta::seconds(seconds.into())),
        None => times.next(slot),
    }
}

/// A backup of the schedule that has not ended.
fn active(o: &Observed, decision: &Decision) -> Option<String> {
    let recorded = decision.status.active.as_ref().map(|active| active.name.clone());
    let is_run = |child: &&Child| child.is_active() && o.slot_of(&child.name).is_some();
    recorded.or_else(|| o.children.iter().find(is_run).map(|child| child.name.clone()))
}

/// A backup of an earlier run has not ended, as far as the watch shows: that may be old.
fn blocked_by(o: &Observed, due: &Due, name: String, decision: &mut Decision) {
    match o.looked_up(&name) {
        None => decision.step = Step::Lookup(Lookup::Child { name }),
        Some(ChildLookup::Failed(blocker)) => decision.wait(o.retry_delay(blocker.retry_class())),
        Some(ChildLookup::Absent | ChildLookup::Foreign | ChildLookup::Own(_)) => {
            skip(due, &format!("DcsBackup {name} of an earlier run has not ended"), decision);
        }
    }
}

fn skip(due: &Due, why: &str, decision: &mut Decision) {
    decision.dealt_with(due.slot, due.missed);
    decision.unsuccessful(Reason::Skipped, format!("the run of {} was skipped: {why}", shown(due.slot)));
}

/// Makes room where the retention allows it, and the backup. That looks itself whether DCS would remove another one for it, and
/// waits until there is room.
fn begin(o: &Observed, due: Due, kept: &Kept<'_>, decision: &mut Decision) {
    // Its name stands for the run: another attempt has made it.
    if o.child(&due.name).is_some() {
        return decision.began(due.slot, due.missed, &due.name);
    }
    let is_making_room = o.children.iter().any(|child| child.deleting);
    if let Some(child) = kept.in_the_way().filter(|_| o.is_full() && !is_making_room) {
        decision.step = retention::delete(child, "it makes room for the next backup");
        return;
    }
    match o.looked_up(&due.name) {
        None => decision.step = Step::Lookup(Lookup::Child { name: due.name }),
        Some(ChildLookup::Absent) => {
            decision.step = Step::Prepare(KubeAction::Create(Box::new(backup(o, &due))));
        }
        Some(ChildLookup::Own(_)) => decision.began(due.slot, due.missed, &due.name),
        Some(ChildLookup::Foreign) => {
            let why = format!("a DcsBackup {} exists that is not of this schedule", due.name);
            decision.warn("NameTaken", format!("{why}; the next run has another name"));
            skip(&due, &why, decision);
        }
        Some(ChildLookup::Failed(blocker)) => decision.wait(o.retry_delay(blocker.retry_class())),
    }
}

/// Nothing of the schedule is copied but the template: a label of a tool that deploys it would make the tool delete the
/// backups, and an owner reference would delete them with the schedule.
fn backup(o: &Observed, due: &Due) -> DcsBackup {
    let template = o.spec.template.clone().unwrap_or_default();
    let spec = DcsBackupSpec {
        instance_ref: o.spec.instance_ref.clone(),
        format: template.format,
        description: template.description,
        start_before: Some(time::to_kube(due.before)),
        running_deadline_seconds: template.running_deadline_seconds,
        ..DcsBackupSpec::default()
    };
    let mut backup = DcsBackup::new(&due.name, spec);
    backup.metadata.namespace = Some(o.subject.namespace.clone());
    backup.metadata.labels = Some([(SCHEDULE_LABEL.to_owned(), o.subject.name.clone())].into());
    backup
}
