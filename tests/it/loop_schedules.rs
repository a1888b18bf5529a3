//! DcsBackupSchedules in the loop: one backup for each time of the schedule, whatever goes wrong, and what is kept.

mod days;

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use dcs_operator::{
    api::{
        DcsBackup, DcsBackupSchedule, DcsBackupScheduleSpec, DcsBackupScheduleStatus,
        instance::DeletionPolicy,
    },
    clock::Clock,
    controller::{ManagedResource, ObjectId},
    dcs::{
        list_all_backups,
        model::{BackupRecord, BackupStatus, BackupType},
    },
    formats::SCHEDULE_LABEL,
    simulator::{Filter, Settings as CloudSettings, Site},
};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{
    loop_faults::{
        at_every_point,
        scenarios::{LIMIT, Scenario},
    },
    support::world::{
        World, drive,
        objects::{NAMESPACE, key, quick_cloud, setup, spec},
        process::Setup,
    },
};

/// The world begins at 08:00 on 15 January 2027.
const DAY: &str = "15 1 *";

fn schedule_key(name: &str) -> ObjectId {
    ObjectId::new(DcsBackupSchedule::KIND, NAMESPACE, name)
}

fn backup_key(name: &str) -> ObjectId {
    ObjectId::new(DcsBackup::KIND, NAMESPACE, name)
}

/// Makes a DcsBackupSchedule of `sessions`, as `kubectl apply` would.
fn schedule(world: &World, name: &str, times: &str, more: Value) {
    let mut spec =
        json!({"instanceRef": {"name": "sessions"}, "schedule": times, "retention": {"keepLast": 7}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let spec: DcsBackupScheduleSpec = serde_json::from_value(spec).unwrap();
    let mut object = DcsBackupSchedule::new(name, spec);
    object.metadata.namespace = Some(NAMESPACE.to_owned());
    // As a tool that deploys it does.
    object.metadata.labels = Some([("app.kubernetes.io/instance".to_owned(), "shop".to_owned())].into());
    object.metadata.annotations =
        Some([("argocd.argoproj.io/tracking-id".to_owned(), "shop:x".to_owned())].into());
    world.cluster.create(object);
}

fn edit(world: &World, name: &str, change: impl FnOnce(&mut DcsBackupScheduleSpec)) {
    world.cluster.change(&schedule_key(name), |object: &mut DcsBackupSchedule| change(&mut object.spec));
}

fn status(world: &World, name: &str) -> DcsBackupScheduleStatus {
    let object: Option<DcsBackupSchedule> = world.cluster.read(&schedule_key(name));
    object.and_then(|object| object.status).unwrap_or_default()
}

/// `True/Succeeded`.
fn condition(world: &World, name: &str, type_: &str) -> String {
    let conditions = status(world, name).conditions;
    let found = conditions.iter().find(|condition| condition.type_ == type_);
    found.map_or_else(String::new, |condition| format!("{}/{}", condition.status, condition.reason))
}

fn backups(world: &World) -> Vec<DcsBackup> {
    let keys = world.cluster.all().into_iter().map(|(key, _)| key).filter(|key| key.kind == DcsBackup::KIND);
    keys.filter_map(|key| world.cluster.read(&key)).collect()
}

/// The names of the DcsBackups of a schedule.
fn children(world: &World, schedule: &str) -> Vec<String> {
    let is_own =
        |backup: &&DcsBackup| backup.labels().get(SCHEDULE_LABEL).is_some_and(|name| name == schedule);
    backups(world).iter().filter(is_own).map(ResourceExt::name_any).collect()
}

/// All records of the only instance, those of deleted backups too.
fn records(world: &World) -> Vec<BackupRecord> {
    let instances = world.instances();
    let Some(instance) = instances.first() else { return Vec::new() };
    drive(list_all_backups(&world.client(), &instance.id, None))
        .map(|listing| listing.records)
        .unwrap_or_default()
}

fn live(world: &World) -> usize {
    records(world).iter().filter(|record| record.status == Some(BackupStatus::Succeed)).count()
}

/// How many backups were requested by a call.
fn requested(world: &World) -> usize {
    let simulator = world.cloud.lock();
    let filter = Filter { operation: Some("CopyInstance".to_owned()), ..Filter::default() };
    simulator.journal().entries(&filter).filter(|entry| entry.effect.contains("backing up")).count()
}

fn now(world: &World) -> DateTime<Utc> {
    world.clock.now()
}

/// Goes on until this time of the calendar.
fn run_until(world: &mut World, time: &str) {
    let rest = time.parse::<DateTime<Utc>>().unwrap() - now(world);
    world.run_for(rest.to_std().unwrap());
}

fn with_instance(world: &mut World) {
    world.apply("sessions", spec(json!({})));
    world.until("ready", LIMIT, |world| world.is_well(&key("sessions")));
}

/// The last run made its backup, and nothing runs.
fn rests(world: &World, expected: &[&str]) -> bool {
    let records = records(world);
    let marks: BTreeSet<_> = records.iter().map(|record| record.remark.clone()).collect();
    assert_eq!(marks.len(), records.len(), "a run was made twice");
    condition(world, "nightly", "LastRunSucceeded") == "True/Succeeded"
        && status(world, "nightly").active.is_none()
        && children(world, "nightly") == expected
        && live(world) == expected.len()
        && status(world, "nightly").backups.and_then(|backups| backups.kept)
            == i32::try_from(expected.len()).ok()
        && world.is_well(&key("sessions"))
}

const MAKE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: with_instance,
    act: |world| schedule(world, "nightly", &format!("3 8 {DAY}"), json!({})),
    reached: |world| rests(world, &["nightly-202701150803"]),
};

/// Each of the two runs makes a backup, and the first one goes.
const PRUNE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| {
        with_instance(world);
        schedule(world, "nightly", &format!("2,5 8 {DAY}"), json!({"retention": {"keepLast": 1}}));
        world.until("made", LIMIT, |world| rests(world, &["nightly-202701150802"]));
    },
    act: |_| {},
    reached: |world| rests(world, &["nightly-202701150805"]),
};

/// 29 February comes late enough for the first backup to be due meanwhile.
const FIRST: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |_| {},
    act: |world| {
        schedule(world, "nightly", "0 3 29 2 *", json!({"immediate": true}));
        world.apply("sessions", spec(json!({})));
    },
    reached: |world| {
        let names = children(world, "nightly");
        let uid =
            world.cluster.read::<DcsBackupSchedule>(&schedule_key("nightly")).and_then(|object| object.uid());
        let first = format!("nightly-first-{}", &uid.unwrap()[..8]);
        names == [first.clone()] && rests(world, &[&first])
    },
};

#[test]
fn a_run_makes_one_backup() {
    at_every_point("scheduled backup", &MAKE);
}

#[test]
fn a_success_removes_the_oldest() {
    at_every_point("scheduled backup and retention", &PRUNE);
}

#[test]
fn the_first_backup_is_made_once() {
    at_every_point("first backup of a schedule", &FIRST);
}

fn started(more: Value) -> World {
    let mut world = World::new(quick_cloud(), setup());
    with_instance(&mut world);
    schedule(&world, "nightly", "*/10 * * * *", more);
    world
}

#[test]
fn nothing_of_the_schedule_is_on_its_backups() {
    let mut world = started(json!({}));
    run_until(&mut world, "2027-01-15T08:15:00Z");
    let backup: DcsBackup = world.cluster.read(&backup_key("nightly-202701150810")).unwrap();
    assert_eq!(backup.labels().keys().collect::<Vec<_>>(), [SCHEDULE_LABEL]);
    assert!(backup.annotations().is_empty() && backup.owner_references().is_empty());
    // Deleting the schedule leaves them.
    world.delete(&schedule_key("nightly"));
    world.run_for(Duration::from_secs(3600));
    assert_eq!((children(&world, "nightly").len(), live(&world)), (1, 1));
    assert_eq!(
        world.cluster.read::<DcsBackupSchedule>(&schedule_key("nightly")).map(|object| object.name_any()),
        None
    );
}

#[test]
fn suspended_times_are_not_made_up_for() {
    let mut world = started(json!({"suspend": true}));
    run_until(&mut world, "2027-01-15T08:35:00Z");
    assert_eq!(condition(&world, "nightly", "Ready"), "True/Suspended");
    edit(&world, "nightly", |spec| spec.suspend = None);
    run_until(&mut world, "2027-01-15T08:39:00Z");
    assert_eq!(children(&world, "nightly"), [""; 0]);
    run_until(&mut world, "2027-01-15T08:45:00Z");
    assert_eq!(children(&world, "nightly"), ["nightly-202701150840"]);
}

#[test]
fn an_outage_is_made_up_for_by_one_run() {
    let mut world = started(json!({}));
    run_until(&mut world, "2027-01-15T08:15:00Z");
    world.processes.clear();
    run_until(&mut world, "2027-01-15T11:13:00Z");
    world.add_process();
    run_until(&mut world, "2027-01-15T11:14:00Z");
    assert_eq!(children(&world, "nightly"), ["nightly-202701150810", "nightly-202701151110"]);
    assert_eq!(status(&world, "nightly").missed_runs, Some(17));
    run_until(&mut world, "2027-01-15T11:18:00Z");
    assert_eq!(status(&world, "nightly").missed_runs, Some(0));
}

#[test]
fn a_failed_run_is_told_and_does_not_change_ready() {
    let mut world = started(json!({}));
    world.mutate_cloud(|service| service.fail_next_backups(1));
    run_until(&mut world, "2027-01-15T08:15:00Z");
    let rows = ["Ready", "LastRunSucceeded", "Reconciling", "Stalled"]
        .map(|type_| condition(&world, "nightly", type_));
    assert_eq!(rows, ["True/Armed", "False/Failed", "False/AsExpected", "False/AsExpected"]);
    run_until(&mut world, "2027-01-15T08:25:00Z");
    assert_eq!(condition(&world, "nightly", "LastRunSucceeded"), "True/Succeeded");
}

#[test]
fn an_instance_that_cannot_be_backed_up_is_told() {
    let mut world = World::new(quick_cloud(), setup());
    schedule(&world, "nightly", "*/10 * * * *", json!({}));
    world.run_for(Duration::from_secs(5));
    assert!(
        ["False/WaitingForReference", "False/ReferenceNotFound"]
            .contains(&condition(&world, "nightly", "Ready").as_str())
    );
    with_instance(&mut world);
    world.until("armed", Duration::from_secs(30), |world| {
        condition(world, "nightly", "Ready") == "True/Armed"
    });
    world.edit(&key("sessions"), |spec| spec.paused = Some(true));
    run_until(&mut world, "2027-01-15T08:15:00Z");
    assert_eq!(condition(&world, "nightly", "LastRunSucceeded"), "False/Skipped");
    edit(&world, "nightly", |spec| spec.schedule = "0 3 31 2 *".to_owned());
    world.until("told", Duration::from_secs(30), |world| {
        condition(world, "nightly", "Stalled") == "True/InvalidSpec"
    });
    assert_eq!(children(&world, "nightly"), [""; 0]);
}

/// The objects come back from a backup of the cluster, with other uids and without status. Their copies are found by the mark.
#[test]
fn restored_objects_find_their_copies() {
    let mut world = World::new(quick_cloud(), setup());
    with_instance(&mut world);
    schedule(&world, "nightly", "*/10 * * * *", json!({"retention": {"keepLast": 20}}));
    run_until(&mut world, "2027-01-15T11:25:00Z");
    edit(&world, "nightly", |spec| spec.suspend = Some(true));
    world.run_for(Duration::from_secs(60));
    let saved = backups(&world);
    assert_eq!((saved.len(), live(&world), requested(&world)), (20, 20, 20));
    let definition: DcsBackupSchedule = world.cluster.read(&schedule_key("nightly")).unwrap();
    world.delete(&schedule_key("nightly"));
    for backup in &saved {
        let key = backup_key(&backup.name_any());
        world.cluster.change(&key, |object: &mut DcsBackup| {
            object.spec.deletion_policy = Some(DeletionPolicy::Retain)
        });
        world.delete(&key);
    }
    world.until("gone", LIMIT, |world| backups(world).is_empty());

    let bare = |name: &str, labels: &std::collections::BTreeMap<String, String>| {
        let (name, namespace) = (Some(name.to_owned()), Some(NAMESPACE.to_owned()));
        k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            name,
            namespace,
            labels: Some(labels.clone()),
            ..Default::default()
        }
    };
    for backup in &saved {
        let metadata = bare(&backup.name_any(), backup.labels());
        world.cluster.create(DcsBackup { metadata, spec: backup.spec.clone(), status: None });
    }
    let mut again = DcsBackupSchedule {
        metadata: bare("nightly", definition.labels()),
        spec: definition.spec,
        status: None,
    };
    again.spec.suspend = None;
    world.cluster.create(again);
    let is_back = |backup: &DcsBackup| {
        let conditions = backup.status.clone().unwrap_or_default().conditions;
        let has = |type_: &str, reason: &str| {
            conditions.iter().any(|c| c.type_ == type_ && c.status == "True" && c.reason == reason)
        };
        has("Complete", "AlreadyCompleted") && has("Ready", "Restorable")
    };
    world.until("back", LIMIT, |world| backups(world).iter().all(is_back));
    assert_eq!((backups(&world).len(), requested(&world), live(&world)), (20, 20, 20));
    world.until("counted", LIMIT, |world| {
        status(world, "nightly").backups.and_then(|backups| backups.kept) == Some(20)
            && condition(world, "nightly", "Ready") == "True/Armed"
    });
    world.until("the next run", LIMIT, |world| requested(world) == 21);
    world.run_for(Duration::from_secs(200));
    assert_eq!((backups(&world).len(), live(&world)), (20, 20), "one more was made, and the oldest went");
}

fn limited(limit: usize) -> World {
    let settings = quick_cloud();
    let mut service = settings.service;
    service.backups.limit = limit;
    let backup_limit = u32::try_from(limit).unwrap();
    let mut world = World::new(CloudSettings { service, ..settings }, Setup { backup_limit, ..setup() });
    with_instance(&mut world);
    world
}

/// The oldest backup is pinned: the schedule gives up the oldest one that may go, and no more than that.
#[test]
fn a_schedule_makes_room_for_its_next_backup() {
    let mut world = limited(4);
    schedule(&world, "nightly", "*/10 * * * *", json!({"retention": {"keepLast": 4}}));
    run_until(&mut world, "2027-01-15T08:15:00Z");
    world.cluster.change(&backup_key("nightly-202701150810"), |object: &mut DcsBackup| {
        object.spec.pinned = Some(true)
    });
    run_until(&mut world, "2027-01-15T08:45:00Z");
    assert_eq!((children(&world, "nightly").len(), live(&world)), (4, 4));
    run_until(&mut world, "2027-01-15T08:55:00Z");
    let expected =
        ["nightly-202701150810", "nightly-202701150830", "nightly-202701150840", "nightly-202701150850"];
    assert_eq!((children(&world, "nightly"), live(&world)), (expected.map(str::to_owned).to_vec(), 4));
    assert_eq!(condition(&world, "nightly", "LastRunSucceeded"), "True/Succeeded");
}

/// Backups of the console fill the instance: they go until the schedule has as many as it keeps.
#[test]
fn a_schedule_gives_up_nothing_for_what_others_made() {
    let mut world = limited(4);
    let instance = world.instances()[0].id.clone();
    for _ in 0..4 {
        world.mutate_cloud(|service| service.make_backup(&instance, BackupType::Manual, None)).unwrap();
        world.run_for(Duration::from_secs(75));
    }
    schedule(&world, "nightly", "*/10 * * * *", json!({"retention": {"keepLast": 3}}));
    run_until(&mut world, "2027-01-15T08:35:00Z");
    assert_eq!((children(&world, "nightly").len(), live(&world)), (3, 4));
    run_until(&mut world, "2027-01-15T09:05:00Z");
    assert_eq!((children(&world, "nightly").len(), live(&world)), (3, 4));
}
