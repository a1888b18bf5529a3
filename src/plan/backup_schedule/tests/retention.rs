//! Which backups go, and which stay.

use std::num::NonZeroU32;

use super::*;

/// Ten nights with a backup each, and the present one is due.
fn ten_nights(more: Value) -> Sim {
    let mut sim = Sim::new("2026-03-01T00:00:00Z", NIGHTLY, more);
    for day in 1..=10 {
        sim.add(&format!("2026-03-{day:02}T03:00:00Z"));
    }
    sim.pass_to("2026-03-10T12:00:00Z");
    sim
}

fn name(day: u32) -> String {
    format!("nightly-202603{day:02}0300")
}

fn days(days: impl IntoIterator<Item = u32>) -> Vec<String> {
    days.into_iter().map(name).collect()
}

#[test]
fn the_oldest_go_after_a_success() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 7}}));
    sim.settle();
    assert_eq!((sim.names(), sim.deleted.clone()), (days(4..=10), days(1..=3)));
    assert_eq!(sim.status.backups.as_ref().unwrap().kept, Some(7));
    sim.edit(|spec| spec.retention.keep_last = Some(2));
    sim.settle();
    assert_eq!(sim.names(), days(4..=10), "an edit alone deletes nothing");
    sim.pass_to("2026-03-11T03:00:00Z");
    sim.settle();
    sim.end(&name(11), false);
    sim.settle();
    assert_eq!(sim.names(), days(4..=11), "nor does a failure");
    sim.pass_to("2026-03-12T03:00:00Z");
    sim.run();
    assert_eq!(sim.names(), days([10, 11, 12]), "the failed one is kept, too");
}

#[test]
fn either_rule_removes() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 7, "maxAgeDays": 3}}));
    sim.settle();
    assert_eq!(sim.names(), days(7..=10));
    // By the time of the last success: while the schedule rests, none becomes too old.
    let mut sim = ten_nights(json!({"retention": {"maxAgeDays": 30}}));
    sim.settle();
    sim.edit(|spec| spec.suspend = Some(true));
    sim.pass_to("2027-03-10T12:00:00Z");
    sim.settle();
    assert_eq!(sim.names().len(), 10);
    sim.edit(|spec| spec.suspend = Some(false));
    sim.settle();
    assert_eq!(sim.names().len(), 10);
    sim.pass_to("2027-03-11T03:00:00Z");
    sim.run();
    assert_eq!(sim.names(), ["nightly-202703110300"]);
}

#[test]
fn what_is_pinned_retained_used_or_newest_stays() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 2}}));
    sim.children.get_mut(&name(1)).unwrap().keeps = true;
    sim.children.get_mut(&name(3)).unwrap().used = true;
    sim.settle();
    assert_eq!(sim.names(), days([1, 3, 9, 10]));
    let counts = sim.status.backups.clone().unwrap();
    assert_eq!((counts.kept, counts.pinned, counts.failed), (Some(3), Some(1), Some(0)));
    // The newest of the schedule stays, whatever its age.
    let mut old = ten_nights(json!({"retention": {"maxAgeDays": 1}}));
    old.settle();
    assert_eq!(old.names(), days(9..=10));
}

#[test]
fn those_that_failed_or_vanished_are_counted_on_their_own() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 7, "keepFailed": 2}}));
    for day in [2, 4] {
        sim.end(&name(day), false);
    }
    let (no, gone) = ("False".to_owned(), "ExternallyDeleted".to_owned());
    sim.children.get_mut(&name(6)).unwrap().ready = Some((no, gone));
    sim.children.get_mut(&name(7)).unwrap().ready = Some(("Unknown".to_owned(), "Forbidden".to_owned()));
    sim.children.get_mut(&name(8)).unwrap().deleting = true;
    sim.settle();
    assert_eq!(sim.deleted, days([2]), "five can be restored, three are of no use");
    let counts = sim.status.backups.clone().unwrap();
    assert_eq!((counts.kept, counts.failed), (Some(5), Some(2)));
}

/// It ended after its object had given up: the copy is there.
#[test]
fn a_failed_object_with_the_newest_copy_stays() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 7, "keepFailed": 0}}));
    for day in [9, 10] {
        sim.end(&name(day), false);
    }
    let last_successful_id = Some(format!("id-{}", name(10)));
    sim.o.instance_backups = Some(InstanceBackups { last_successful_id, ..InstanceBackups::default() });
    sim.settle();
    assert!(sim.deleted.contains(&name(9)) && sim.names().contains(&name(10)), "{:?}", sim.names());
}

#[test]
fn a_backup_that_does_not_fit_waits_for_a_newer_one() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 7, "keepFailed": 0}}));
    for day in 1..=10 {
        sim.children.get_mut(&name(day)).unwrap().ready =
            Some(("False".to_owned(), "NotRestorable".to_owned()));
    }
    sim.edit(|_| {});
    sim.status.last_schedule_time = Some(time::to_kube(at("2026-03-10T03:00:00Z")));
    sim.settle();
    assert_eq!(sim.names().len(), 10);
    sim.pass_to("2026-03-11T03:00:00Z");
    sim.run();
    assert_eq!(sim.names(), days([11]));
}

/// The number of backups may be old: it removes one that the next success would remove, and no other.
#[test]
fn room_is_made_once_for_a_backup() {
    let full = |keep: i32| {
        let mut sim = ten_nights(json!({"retention": {"keepLast": keep}}));
        sim.settle();
        sim.o.settings.backup_limit = NonZeroU32::new(12);
        sim.o.instance_backups = Some(InstanceBackups { total: 12, ..Default::default() });
        sim.pass_to("2026-03-11T03:00:00Z");
        sim
    };
    let mut sim = full(10);
    sim.settle();
    assert_eq!((sim.deleted.clone(), sim.names()), (days([1]), days(2..=11)));
    // Fewer than it keeps: others fill the instance, and what goes is not its own to choose.
    let mut few = full(20);
    few.settle();
    assert_eq!((few.names(), few.deleted.len()), (days(1..=11), 0));
    // It is to keep fewer, and none was made since.
    let mut less = full(10);
    less.edit(|spec| spec.retention.keep_last = Some(2));
    less.settle();
    assert_eq!((less.names(), less.deleted.len()), (days(1..=11), 0));
}

/// It has the label of the schedule, and is none of its runs, or is of an instance that had the name before.
#[test]
fn what_only_looks_like_a_run_stays() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 1, "keepFailed": 0}}));
    let mut manual = sim.children[&name(1)].clone();
    manual.name = "before-the-sale".to_owned();
    sim.children.insert(manual.name.clone(), manual);
    sim.children.get_mut(&name(2)).unwrap().instance = Some("another".to_owned());
    sim.settle();
    let left = sim.names();
    assert!(left.contains(&"before-the-sale".to_owned()) && left.contains(&name(2)), "{left:?}");
    assert_eq!(left.len(), 3, "{left:?}");
}

/// It gave up, and DCS goes on: its backup is none of no use.
#[test]
fn a_backup_that_goes_on_is_not_removed_as_a_failed_one() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 20, "keepFailed": 0}}));
    sim.settle();
    for (word, stays) in [("backuping", true), ("failed", false)] {
        let child = sim.children.get_mut(&name(3)).unwrap();
        child.outcome = Some(crate::api::words::JobOutcome::Failed);
        (child.id, child.cloud_status) = (Some("i".to_owned()), Some(word.to_owned()));
        sim.settle();
        assert_eq!(sim.names().contains(&name(3)), stays, "{word}");
    }
}

#[test]
fn a_backup_that_finds_no_room_gets_it_once() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 20}}));
    sim.children.get_mut(&name(1)).unwrap().keeps = true;
    sim.settle();
    sim.pass_to("2026-03-11T03:00:00Z");
    sim.settle();
    sim.children.get_mut(&name(11)).unwrap().stalled = Some("BackupLimitReached".to_owned());
    assert!(sim.step() && sim.deleted.is_empty(), "it is written down first");
    assert_eq!(sim.status.active.as_ref().unwrap().makes_room, Some(name(2)));
    sim.settle();
    assert_eq!(sim.deleted, days([2]), "not the pinned one, and one only");
    sim.children.get_mut(&name(11)).unwrap().stalled = None;
    sim.end(&name(11), true);
    sim.settle();
    assert_eq!((sim.last_run().as_str(), sim.deleted.len()), ("True/Succeeded", 1));
    // What was chosen was pinned meanwhile.
    sim.pass_to("2026-03-12T03:00:00Z");
    sim.settle();
    sim.children.get_mut(&name(12)).unwrap().stalled = Some("BackupLimitReached".to_owned());
    sim.step();
    sim.children.get_mut(&name(3)).unwrap().keeps = true;
    sim.settle();
    assert_eq!(sim.deleted.len(), 1);
}

#[test]
fn more_than_fits_is_told() {
    let mut sim = ten_nights(json!({"retention": {"keepLast": 16}}));
    sim.o.instance_backups = Some(InstanceBackups { total: 17, automatic: 7, last_successful_id: None });
    sim.settle();
    assert!(!sim.warnings.iter().any(|warning| warning.reason == "BackupLimitNear"));
    sim.children.get_mut(&name(1)).unwrap().keeps = true;
    sim.settle();
    assert!(sim.warnings.iter().any(|warning| warning.reason == "BackupLimitNear"), "{:?}", sim.warnings);
    assert_eq!(sim.row()[0], "True/Armed");
}
