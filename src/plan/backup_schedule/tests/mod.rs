//! Tables of the planner of DcsBackupSchedules.

mod properties;
mod retention;
mod sim;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use self::sim::{Sim, at};
use super::{action::Step, *};
use crate::{
    api::{DcsBackup, Reason, time, words::JobOutcome},
    formats::SCHEDULE_LABEL,
    plan::{Blocker, job::InstanceObject},
};

const NIGHTLY: &str = "0 3 * * *";

/// A schedule that was seen at noon of 9 March, and its instance.
fn nightly(more: Value) -> Sim {
    let mut sim = Sim::new("2026-03-09T12:00:00Z", NIGHTLY, more);
    sim.settle();
    sim
}

#[test]
fn a_schedule_waits_for_its_time_and_makes_a_backup() {
    let mut sim = nightly(
        json!({"template": {"format": "aof", "description": "by night", "runningDeadlineSeconds": 900}}),
    );
    assert_eq!(sim.row(), ["True/Armed", "False/AsExpected", "False/AsExpected"]);
    assert_eq!(sim.status.next_schedule_time, Some(time::to_kube(at("2026-03-10T03:00:00Z"))));
    assert_eq!((sim.status.missed_runs, sim.names()), (Some(0), vec![]));
    sim.pass_to("2026-03-10T02:59:59Z");
    assert_eq!((sim.plan().step, sim.plan().wait.as_secs()), (Step::Nothing, 1));
    sim.pass_to("2026-03-10T03:00:01Z");
    let Step::Prepare(KubeAction::Create(backup)) = sim.plan().step else { panic!("{:?}", sim.plan()) };
    let metadata = &backup.metadata;
    assert_eq!(metadata.labels, Some([(SCHEDULE_LABEL.to_owned(), "nightly".to_owned())].into()));
    assert_eq!(
        (&metadata.annotations, &metadata.owner_references, &metadata.finalizers),
        (&None, &None, &None)
    );
    let spec = serde_json::to_value(&backup.spec).unwrap();
    let expected = json!({"instanceRef": {"name": "sessions"}, "format": "aof", "description": "by night",
        "runningDeadlineSeconds": 900, "startBefore": "2026-03-11T03:00:00Z"});
    assert_eq!(spec, expected);

    sim.settle();
    assert_eq!(sim.names(), ["nightly-202603100300"]);
    assert_eq!(sim.active().as_deref(), Some("nightly-202603100300"));
    assert_eq!(sim.last_run(), "", "it has not ended");
    sim.end("nightly-202603100300", true);
    sim.settle();
    assert_eq!((sim.last_run().as_str(), sim.active()), ("True/Succeeded", None));
    assert_eq!(sim.status.last_successful_time, Some(time::to_kube(sim.now())));
    assert_eq!(sim.status.last_schedule_time, Some(time::to_kube(at("2026-03-10T03:00:00Z"))));
    assert_eq!(sim.status.backups.as_ref().unwrap().kept, Some(1));
    assert_eq!(sim.plan().step, Step::Nothing);
}

#[test]
fn the_deadline_is_in_the_backup_and_in_the_run() {
    let mut sim = nightly(json!({"startingDeadlineSeconds": 3600}));
    sim.pass_to("2026-03-10T03:59:59Z");
    let Step::Prepare(KubeAction::Create(backup)) = sim.plan().step else { panic!("{:?}", sim.plan()) };
    assert_eq!(backup.spec.start_before, Some(time::to_kube(at("2026-03-10T04:00:00Z"))));
    sim.pass_to("2026-03-10T04:00:00Z");
    sim.settle();
    assert_eq!((sim.last_run().as_str(), sim.names()), ("False/Missed", vec![]));
    assert_eq!((sim.status.missed_runs, sim.row()[0].as_str()), (Some(1), "True/Armed"));
    assert_eq!(sim.status.next_schedule_time, Some(time::to_kube(at("2026-03-11T03:00:00Z"))));
}

#[test]
fn an_outage_is_made_up_for_by_one_run() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-14T12:00:00Z");
    sim.settle();
    assert_eq!(sim.names(), ["nightly-202603140300"]);
    assert_eq!(sim.status.missed_runs, Some(4));
    assert!(
        sim.warnings.iter().any(|w| w.reason == "MissedRuns" && w.message.starts_with("4 times")),
        "{:?}",
        sim.warnings
    );
    sim.end("nightly-202603140300", true);
    sim.settle();
    assert_eq!(sim.status.missed_runs, Some(0));
}

#[test]
fn suspended_and_earlier_times_are_not_owed() {
    let mut sim = nightly(json!({"suspend": true}));
    assert_eq!(sim.row(), ["True/Suspended", "False/AsExpected", "False/AsExpected"]);
    assert_eq!((&sim.status.next_schedule_time, &sim.status.schedule_seen_at), (&None, &None));
    sim.pass_to("2026-03-12T12:00:00Z");
    sim.settle();
    sim.edit(|spec| spec.suspend = Some(false));
    sim.settle();
    assert_eq!((sim.names(), sim.status.missed_runs), (vec![], Some(0)));
    assert_eq!(sim.status.next_schedule_time, Some(time::to_kube(at("2026-03-13T03:00:00Z"))));
    // Another schedule: what it would have owed before is not owed.
    sim.pass_to("2026-03-12T18:00:00Z");
    sim.edit(|spec| spec.schedule = "0 * * * *".to_owned());
    sim.settle();
    assert_eq!(sim.names(), [""; 0]);
    sim.pass_to("2026-03-12T19:00:00Z");
    sim.settle();
    assert_eq!(sim.names(), ["nightly-202603121900"]);
}

#[test]
fn an_edit_of_something_else_keeps_what_is_owed() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-10T03:30:00Z");
    sim.edit(|spec| spec.retention.keep_last = Some(3));
    sim.settle();
    assert_eq!(sim.names(), ["nightly-202603100300"]);
}

#[test]
fn a_clock_that_goes_back_or_far_ahead_repeats_nothing() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-10T03:00:00Z");
    sim.run();
    for wall in
        ["2026-03-09T20:00:00Z", "2026-03-10T02:00:00Z", "2026-03-10T03:00:00Z", "2026-03-10T12:00:00Z"]
    {
        sim.pass_to(wall);
        sim.run();
        assert_eq!(sim.names(), ["nightly-202603100300"], "{wall}");
    }
    sim.pass_to("2026-03-20T12:00:00Z");
    sim.run();
    assert_eq!(sim.names(), ["nightly-202603100300", "nightly-202603200300"]);
    sim.pass_to("2026-03-11T12:00:00Z");
    sim.run();
    assert_eq!(sim.names().len(), 2);
    assert_eq!(sim.status.next_schedule_time, Some(time::to_kube(at("2026-03-21T03:00:00Z"))), "it says so");
}

#[test]
fn a_run_while_another_one_lasts_is_skipped() {
    let mut sim = Sim::new("2026-03-10T03:00:00Z", "0 * * * *", json!({}));
    sim.settle();
    for hour in ["2026-03-10T04:00:00Z", "2026-03-10T05:00:00Z", "2026-03-10T06:00:00Z"] {
        sim.pass_to(hour);
        sim.settle();
    }
    assert_eq!(sim.names(), ["nightly-202603100400"]);
    assert_eq!((sim.last_run().as_str(), sim.status.missed_runs), ("False/Skipped", Some(2)));
    assert!(sim.last_run_message().contains("nightly-202603100400"), "{}", sim.last_run_message());
    // It never ends: its own deadline frees the schedule.
    sim.end("nightly-202603100400", false);
    sim.pass_to("2026-03-10T07:00:00Z");
    sim.settle();
    assert_eq!(sim.names().len(), 2);
}

/// The watch may show an earlier version of a backup that has ended.
#[test]
fn a_run_is_not_skipped_for_a_backup_that_has_ended() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-10T03:00:00Z");
    sim.settle();
    let name = "nightly-202603100300";
    let old = sim.children[name].clone();
    sim.end(name, true);
    let now = sim.children.insert(name.to_owned(), old).unwrap();
    sim.hidden.insert(name.to_owned(), Some(now));
    sim.pass_to("2026-03-11T03:00:00Z");
    sim.settle();
    assert_eq!(
        (sim.last_run().as_str(), sim.active().as_deref()),
        ("True/Succeeded", Some("nightly-202603110300"))
    );
}

#[test]
fn a_failed_night_leaves_the_schedule_ready() {
    let mut sim = nightly(json!({}));
    for night in 1..=3 {
        sim.pass_to(&format!("2026-03-1{night}T03:00:00Z"));
        sim.settle();
        sim.end(&format!("nightly-2026031{night}0300"), false);
        sim.settle();
        assert_eq!((sim.last_run().as_str(), sim.row()[0].as_str()), ("False/Failed", "True/Armed"));
        assert_eq!(sim.status.missed_runs, Some(i64::from(night) + 1), "one more passed before the first");
        assert!(
            sim.last_run_message().contains("OperationFailed: DCS could not"),
            "{}",
            sim.last_run_message()
        );
    }
}

#[test]
fn a_backup_that_is_deleted_before_its_end_is_no_success() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-10T03:00:00Z");
    sim.settle();
    // The watch does not show it yet: it still counts.
    let child = sim.children.remove("nightly-202603100300").unwrap();
    sim.hidden.insert(child.name.clone(), Some(child));
    sim.settle();
    assert_eq!(sim.active().as_deref(), Some("nightly-202603100300"));
    sim.hidden.clear();
    sim.settle();
    assert_eq!((sim.last_run().as_str(), sim.active()), ("False/Failed", None));
    assert_eq!(sim.names(), [""; 0], "it is not made again");
}

#[test]
fn a_backup_that_the_watch_does_not_show_yet_is_taken_as_made() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-10T03:00:00Z");
    let name = "nightly-202603100300".to_owned();
    sim.hidden.insert(name.clone(), Some(Child { name, ..Child::default() }));
    sim.settle();
    assert_eq!((sim.active().as_deref(), sim.names()), (Some("nightly-202603100300"), vec![]));
}

#[test]
fn a_foreign_object_of_the_name_costs_one_run() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-10T03:00:00Z");
    sim.hidden.insert("nightly-202603100300".to_owned(), None);
    sim.settle();
    assert_eq!((sim.last_run().as_str(), sim.active(), sim.names()), ("False/Skipped", None, vec![]));
    assert!(sim.warnings.iter().any(|warning| warning.reason == "NameTaken"), "{:?}", sim.warnings);
    sim.pass_to("2026-03-11T03:00:00Z");
    sim.settle();
    assert_eq!(sim.names(), ["nightly-202603110300"]);
}

#[test]
fn nothing_is_made_while_the_api_server_does_not_answer() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-10T03:00:00Z");
    let blocker = Blocker { reason: Reason::ClusterError, message: "no answer".to_owned() };
    sim.o.lookups.children.insert("nightly-202603100300".to_owned(), ChildLookup::Failed(blocker));
    let plan = sim.plan();
    assert_eq!(plan.step, Step::Nothing);
    assert!(plan.wait.as_secs() <= 10, "{:?}", plan.wait);
}

#[test]
fn a_refused_backup_is_told_and_tried_again() {
    let mut sim = nightly(json!({}));
    sim.pass_to("2026-03-10T03:00:00Z");
    sim.o.refusal = Some(Refusal { message: "not allowed: exceeded quota".to_owned(), attempts: 5 });
    let plan = sim.plan();
    assert_eq!((plan.step, plan.wait.as_secs()), (Step::Nothing, 16));
    sim.status = plan.status;
    assert_eq!(sim.row(), ["False/BackupRefused", "False/AsExpected", "True/BackupRefused"]);
    sim.o.refusal = None;
    sim.settle();
    assert_eq!((sim.names().len(), sim.row()[0].as_str()), (1, "True/Armed"));
}

#[test]
fn what_keeps_the_instance_from_being_backed_up_skips_the_run() {
    type Change = fn(&mut Sim);
    let cases: [(Change, &str, &str); 6] = [
        (|sim| sim.instance(|view| view.paused = true), "True/Armed", "paused"),
        (|sim| sim.o.cloud_status = Some("FROZEN".to_owned()), "True/Armed", "FROZEN"),
        (|sim| sim.instance(|view| view.id = None), "False/WaitingForInstance", "no instance yet"),
        (|sim| sim.instance(|view| view.deleting = true), "False/InstanceDeleted", "being deleted"),
        (
            |sim| sim.instance(|view| view.cache_mode = Some("single".to_owned())),
            "False/UnsupportedMode",
            "single-node",
        ),
        (|sim| sim.o.instance = InstanceObject::Missing, "False/ReferenceNotFound", "does not exist"),
    ];
    for (change, ready, why) in cases {
        let mut sim = nightly(json!({}));
        change(&mut sim);
        sim.pass_to("2026-03-10T03:00:00Z");
        sim.settle();
        assert_eq!((sim.last_run().as_str(), sim.row()[0].as_str()), ("False/Skipped", ready), "{why}");
        assert!(sim.last_run_message().contains(why), "{}", sim.last_run_message());
        assert_eq!(sim.names(), [""; 0], "{why}");
    }
}

#[test]
fn a_reference_may_come_later() {
    let mut sim = Sim::new("2026-03-09T12:00:00Z", NIGHTLY, json!({}));
    sim.o.instance = InstanceObject::Missing;
    sim.settle();
    assert_eq!(sim.row(), ["False/WaitingForReference", "True/WaitingForReference", "False/AsExpected"]);
    assert_eq!(sim.plan().wait.as_secs(), 600);
    sim.o.instance = InstanceObject::Unknown;
    assert!(!sim.plan().publish && sim.plan().step == Step::Nothing);
}

#[test]
fn an_invalid_schedule_is_blocked_and_owes_nothing() {
    let mut sim = nightly(json!({}));
    sim.edit(|spec| spec.time_zone = Some("Mars/Olympus".to_owned()));
    sim.pass_to("2026-03-12T12:00:00Z");
    sim.settle();
    assert_eq!(sim.row(), ["False/InvalidSpec", "False/AsExpected", "True/InvalidSpec"]);
    sim.edit(|spec| spec.time_zone = Some("Asia/Shanghai".to_owned()));
    sim.settle();
    assert_eq!((sim.row()[0].as_str(), sim.names()), ("True/Armed", vec![]));
    assert_eq!(sim.status.next_schedule_time, Some(time::to_kube(at("2026-03-12T19:00:00Z"))));
}

#[test]
fn the_first_backup_is_made_once_and_waits_for_the_instance() {
    let mut sim = Sim::new(
        "2026-03-09T12:00:00Z",
        NIGHTLY,
        json!({"immediate": true, "startingDeadlineSeconds": 3600}),
    );
    sim.instance(|view| view.id = None);
    sim.settle();
    assert_eq!((sim.names(), sim.row()[0].as_str()), (vec![], "False/WaitingForInstance"));
    sim.instance(|view| view.id = Some("i".to_owned()));
    sim.pass_to("2026-03-09T12:10:00Z");
    let first = "nightly-first-961a292c";
    sim.settle();
    assert_eq!((sim.names(), sim.active().as_deref()), (vec![first.to_owned()], Some(first)));
    let created = sim.created[first].spec.start_before.clone();
    assert_eq!(created, Some(time::to_kube(at("2026-03-09T13:00:00Z"))));
    sim.end(first, true);
    sim.settle();
    assert_eq!(sim.last_run(), "True/Succeeded");
    sim.children.clear();
    sim.settle();
    assert_eq!(sim.names(), [""; 0], "it was made");

    let mut late = Sim::new(
        "2026-03-09T12:00:00Z",
        NIGHTLY,
        json!({"immediate": true, "startingDeadlineSeconds": 3600}),
    );
    late.pass_to("2026-03-09T13:00:00Z");
    late.settle();
    assert_eq!(late.names(), [""; 0]);
}

/// A restore of the cluster: the objects are there without status, and nothing that is past runs again.
#[test]
fn a_lost_status_repeats_no_run() {
    let mut sim = nightly(json!({}));
    for day in 10..=12 {
        sim.pass_to(&format!("2026-03-{day}T03:00:00Z"));
        sim.run();
    }
    let last = sim.status.last_successful_time.clone();
    sim.lose_status();
    sim.settle();
    assert_eq!(sim.names().len(), 3);
    assert_eq!((sim.last_run().as_str(), &sim.status.last_successful_time), ("True/Succeeded", &last));
    assert_eq!(sim.status.last_schedule_time, Some(time::to_kube(at("2026-03-12T03:00:00Z"))));
}

fn is_settled(child: &DcsBackup) -> bool {
    child.spec.start_before.is_some() && child.spec.adopt.is_none()
}

#[test]
fn every_backup_says_until_when_it_may_begin() {
    let mut sim = Sim::new("2026-03-09T12:00:00Z", "*/30 1-5 * * *", json!({}));
    for hours in 0..48 {
        sim.wall = at("2026-03-09T12:00:00Z") + TimeDelta::hours(hours);
        sim.run();
    }
    assert!(sim.created.len() > 8 && sim.created.values().all(is_settled));
    let slots: Vec<DateTime<Utc>> =
        sim.created.keys().filter_map(|name| crate::formats::slot_of_backup("nightly", name)).collect();
    assert!(slots.is_sorted());
    assert!(sim.children.values().all(|child| child.outcome == Some(JobOutcome::Succeeded)));
}
