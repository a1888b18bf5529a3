//! DcsRestores in the loop: at most one restore for each object, whatever goes wrong, and what stands in the way of one.

mod refusals;

use std::time::Duration;

use dcs_operator::{
    api::{
        DcsBackup, DcsBackupSpec, DcsRestore, DcsRestoreSpec, DcsRestoreStatus, instance::DeletionPolicy,
        words::JobOutcome,
    },
    controller::{ManagedResource, ObjectId},
    dcs::{
        list_all_backups, list_all_restores,
        model::{BackupRecord, BackupStatus, RestoreRecord},
    },
    plan::Definition,
    simulator::{Settings, Site},
};
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
        wire::CloudFault,
    },
};

const FUTURE: &str = "2100-01-01T00:00:00Z";

fn backup_key(name: &str) -> ObjectId {
    ObjectId::new(DcsBackup::KIND, NAMESPACE, name)
}

fn restore_key(name: &str) -> ObjectId {
    ObjectId::new(DcsRestore::KIND, NAMESPACE, name)
}

fn back_up(world: &mut World, name: &str, more: Value) {
    let mut spec = json!({"instanceRef": {"name": "sessions"}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut object = DcsBackup::new(name, serde_json::from_value::<DcsBackupSpec>(spec).unwrap());
    object.metadata.namespace = Some(NAMESPACE.to_owned());
    world.cluster.create(object);
}

/// Makes a DcsRestore of the backup of DcsBackup `nightly`, with consent, unless `more` says otherwise.
fn restore(world: &mut World, name: &str, more: Value) {
    let mut spec = json!({
        "instanceRef": {"name": "sessions"},
        "source": {"backupRef": {"name": "nightly"}},
        "consent": {"target": "sessions", "notAfter": FUTURE},
    });
    for (field, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(spec.as_object_mut().unwrap().remove(field)),
            value => spec[field] = value.clone(),
        }
    }
    let mut object = DcsRestore::new(name, serde_json::from_value::<DcsRestoreSpec>(spec).unwrap());
    object.metadata.namespace = Some(NAMESPACE.to_owned());
    world.cluster.create(object);
}

fn status(world: &World, name: &str) -> DcsRestoreStatus {
    let object: Option<DcsRestore> = world.cluster.read(&restore_key(name));
    object.and_then(|object| object.status).unwrap_or_default()
}

fn backup(world: &World, name: &str) -> DcsBackup {
    world.cluster.read(&backup_key(name)).unwrap()
}

/// `True/Completed`.
fn condition(world: &World, name: &str, type_: &str) -> String {
    let conditions = status(world, name).conditions;
    let found = conditions.iter().find(|condition| condition.type_ == type_);
    found.map_or_else(String::new, |condition| format!("{}/{}", condition.status, condition.reason))
}

fn message(world: &World, name: &str) -> String {
    let conditions = status(world, name).conditions;
    conditions.into_iter().find(|condition| condition.type_ == "Ready").unwrap().message
}

fn instance(world: &World) -> String {
    world.instances().first().unwrap().id.clone()
}

fn restores(world: &World) -> Vec<RestoreRecord> {
    let Some(instance) = world.instances().first().map(|instance| instance.id.clone()) else {
        return Vec::new();
    };
    drive(list_all_restores(&world.client(), &instance, None))
        .map(|listing| listing.records)
        .unwrap_or_default()
}

fn backups(world: &World) -> Vec<BackupRecord> {
    let Some(instance) = world.instances().first().map(|instance| instance.id.clone()) else {
        return Vec::new();
    };
    drive(list_all_backups(&world.client(), &instance, None))
        .map(|listing| listing.records)
        .unwrap_or_default()
}

fn is_backed_up(world: &World, name: &str) -> bool {
    let object: Option<DcsBackup> = world.cluster.read(&backup_key(name));
    object
        .and_then(|object| object.status)
        .is_some_and(|status| status.outcome == Some(JobOutcome::Succeeded))
}

fn holder(world: &World) -> Option<String> {
    world.object(&key("sessions"))?.status?.holder.map(|holder| holder.name)
}

fn with_backup(world: &mut World) {
    world.apply("sessions", spec(json!({})));
    world.until("ready", LIMIT, |world| world.is_well(&key("sessions")));
    back_up(world, "nightly", json!({}));
    world.until("backed up", LIMIT, |world| is_backed_up(world, "nightly"));
}

fn is_done(world: &World, name: &str) -> bool {
    let rows =
        ["Complete", "Failed", "Ready", "Reconciling", "Stalled"].map(|type_| condition(world, name, type_));
    rows == ["True/Completed", "False/AsExpected", "True/Completed", "False/AsExpected", "False/AsExpected"]
        && status(world, name).outcome == Some(JobOutcome::Succeeded)
}

fn settled(world: &World) -> bool {
    holder(world).is_none() && world.is_well(&key("sessions"))
}

/// One restore, of the one backup that was asked for, and `made` backups in all; or none, where a request may have been lost on
/// its way: it is not repeated.
fn is_restored_once(world: &World, made: usize) -> bool {
    let is_given_up = condition(world, "undo", "Failed") == "True/OutcomeUnknown";
    if is_given_up {
        return restores(world).is_empty() && backups(world).len() == made && settled(world);
    }
    is_done(world, "undo")
        && restores(world).len() == 1
        && restores(world)[0].backup_id == backup(world, "nightly").status.unwrap().id
        && backups(world).len() == made
        && settled(world)
}

/// The backup before the restore has ended, if it was begun: it goes on when the restore is cancelled.
fn is_before_made_or_missing(world: &World) -> bool {
    let all = world.cluster.all().into_iter().filter(|(key, _)| key.kind == DcsBackup::KIND);
    all.into_iter().all(|(_, backup)| backup["status"]["outcome"] == "Succeeded")
}

const RESTORE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: with_backup,
    act: |world| restore(world, "undo", json!({"backupFirst": false})),
    reached: |world| is_restored_once(world, 1),
};

const RESTORE_AFTER_BACKUP: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: with_backup,
    act: |world| restore(world, "undo", json!({})),
    reached: |world| is_restored_once(world, 2),
};

const CANCEL: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: with_backup,
    act: |world| {
        restore(world, "undo", json!({}));
        world.until("begun", LIMIT, |world| status(world, "undo").started_at.is_some());
        world.delete(&restore_key("undo"));
    },
    reached: |world| {
        world.cluster.read::<DcsRestore>(&restore_key("undo")).is_none()
            && restores(world).is_empty()
            && is_before_made_or_missing(world)
            && settled(world)
    },
};

#[test]
fn the_data_is_replaced_once() {
    at_every_point("restore", &RESTORE);
}

#[test]
fn the_data_is_replaced_once_after_a_backup() {
    at_every_point("restore after a backup", &RESTORE_AFTER_BACKUP);
}

#[test]
fn a_deleted_object_begins_nothing() {
    at_every_point("cancel restore", &CANCEL);
}

fn started() -> World {
    let mut world = World::new(quick_cloud(), setup());
    with_backup(&mut world);
    world
}

#[test]
fn the_status_tells_what_was_restored() {
    let mut world = started();
    restore(&mut world, "undo", json!({"source": {"latestBefore": FUTURE}}));
    world.until("done", LIMIT, |world| is_done(world, "undo"));
    let nightly = backup(&world, "nightly").status.unwrap();
    let status = status(&world, "undo");
    let chosen = status.backup.unwrap();
    assert_eq!((Some(chosen.id), chosen.name.as_deref()), (nightly.id, Some("nightly")));
    assert_eq!(chosen.completed_at, nightly.completed_at);
    assert_eq!(status.instance.unwrap().id, Some(instance(&world)));
    assert_eq!(status.cloud_status.as_deref(), Some("succeed"));
    assert!(status.started_at < status.completed_at && status.pending_approval.is_none());
    let before = backup(&world, &status.before_backup.unwrap().name);
    assert_eq!(before.metadata.labels.unwrap()["dcs.huaweicloud.com/restore"], "undo");
    assert!(before.metadata.owner_references.is_none(), "it stays when the restore goes");
    assert_eq!(before.spec.start_before.unwrap().0.to_string(), FUTURE);
    // What has ended costs nothing.
    let calls = world.traffic.lock().unwrap().calls;
    world.run_for(Duration::from_secs(1800));
    let restores = world.traffic.lock().unwrap().calls - calls;
    assert!(restores <= 31, "{restores} calls, with a list of the account each minute");
}

/// A restore of the cluster without status, and another creation of the same manifest: no second restore.
#[test]
fn a_manifest_with_a_deadline_stands_for_one_restore() {
    let mut world = started();
    restore(&mut world, "undo", json!({"source": {"latestBefore": FUTURE}, "backupFirst": false}));
    world.until("done", LIMIT, |world| is_done(world, "undo"));
    let first = status(&world, "undo");
    let again = |world: &World| {
        condition(world, "undo", "Complete") == "True/AlreadyCompleted"
            && condition(world, "undo", "Ready") == "True/AlreadyCompleted"
    };
    // Another backup is the newest one by now.
    back_up(&mut world, "later", json!({}));
    world.until("backed up", LIMIT, |world| is_backed_up(world, "later"));
    world.cluster.wipe_status(&restore_key("undo"));
    world.restart();
    world.until("found again", LIMIT, again);
    for _ in 0..2 {
        world.delete(&restore_key("undo"));
        restore(&mut world, "undo", json!({"source": {"latestBefore": FUTURE}, "backupFirst": false}));
        world.until("found again", LIMIT, again);
    }
    let last = status(&world, "undo");
    assert_eq!((last.restore_id, last.completed_at), (first.restore_id, first.completed_at));
    assert_eq!(restores(&world).len(), 1);
    // Another wish.
    restore(&mut world, "other", json!({"backupFirst": false}));
    world.until("done", LIMIT, |world| is_done(world, "other"));
    assert_eq!(restores(&world).len(), 2);
}

#[test]
fn a_manifest_whose_deadline_has_passed_calls_nothing() {
    let mut world = started();
    let changes = world.changes();
    let past = json!({"target": "sessions", "notAfter": "2001-01-01T00:00:00Z"});
    restore(&mut world, "undo", json!({"consent": past}));
    world.until("expired", LIMIT, |world| condition(world, "undo", "Failed") == "True/Expired");
    assert_eq!(status(&world, "undo").outcome, Some(JobOutcome::Failed));
    world.run_for(Duration::from_secs(3600));
    assert_eq!((restores(&world).len(), world.changes(), holder(&world)), (0, changes, None));
}

/// The token in the status approves this restore of this object, and nothing else.
#[test]
fn without_consent_a_restore_waits_for_its_token() {
    let mut world = started();
    let changes = world.changes();
    let approve = |world: &mut World, token: &str| {
        world.cluster.change(&restore_key("undo"), |object: &mut DcsRestore| {
            let annotations = object.metadata.annotations.get_or_insert_default();
            annotations.insert("dcs.huaweicloud.com/approve".to_owned(), token.to_owned());
        });
    };
    let waits = |world: &World| condition(world, "undo", "Stalled") == "True/ApprovalRequired";
    restore(&mut world, "undo", json!({"consent": null}));
    world.until("asks", LIMIT, waits);
    let first = status(&world, "undo").pending_approval.unwrap();
    assert!(message(&world, "undo").contains(&first.token), "{}", message(&world, "undo"));
    approve(&mut world, "true");
    world.run_for(Duration::from_secs(600));
    assert!(waits(&world) && holder(&world).is_none() && world.changes() == changes);
    assert_eq!(status(&world, "undo").pending_approval.as_ref(), Some(&first), "it asks for the same");
    // The object is made again, with the annotation that was kept.
    world.delete(&restore_key("undo"));
    restore(&mut world, "undo", json!({"consent": null}));
    approve(&mut world, &first.token);
    world.until("asks again", LIMIT, waits);
    let second = status(&world, "undo").pending_approval.unwrap();
    assert_ne!(second.token, first.token);
    approve(&mut world, &second.token);
    world.until("done", LIMIT, |world| is_done(world, "undo"));
    assert_eq!((restores(&world).len(), backups(&world).len()), (1, 2));
    // The approval has served.
    world.cluster.wipe_status(&restore_key("undo"));
    world.restart();
    world.until("found again", LIMIT, |world| status(world, "undo").outcome == Some(JobOutcome::Succeeded));
    world.run_for(Duration::from_secs(600));
    assert_eq!(restores(&world).len(), 1);
}

/// The answer is lost, and DCS never lists the restore: it is not asked for again, and nothing is claimed.
#[test]
fn a_request_without_trace_is_not_repeated() {
    let settings = quick_cloud();
    let mut service = settings.service;
    service.backups.restores_listed = Duration::ZERO;
    let mut world = World::new(Settings { service, ..settings }, setup());
    with_backup(&mut world);
    let changes = world.changes();
    restore(&mut world, "undo", json!({"backupFirst": false}));
    world.until("about to ask", LIMIT, |world| status(world, "undo").operation.is_some());
    let next = world.traffic.lock().unwrap().calls;
    world.traffic.lock().unwrap().faults.insert(next, CloudFault::LostAfter);
    world.until("given up", LIMIT, |world| condition(world, "undo", "Failed") == "True/OutcomeUnknown");
    world.until("free", LIMIT, settled);
    world.restart();
    world.run_for(Duration::from_secs(3600));
    assert_eq!((world.changes(), restores(&world).len()), (changes + 1, 0));
}

#[test]
fn deleting_the_definition_restores_nothing() {
    let mut world = started();
    world.cluster.set_definition(Definition::BeingDeleted);
    restore(&mut world, "undo", json!({"backupFirst": false}));
    world.until("refused", LIMIT, |world| condition(world, "undo", "Stalled") == "True/DefinitionOutdated");
    world.run_for(Duration::from_secs(1800));
    assert!(restores(&world).is_empty());
}

/// An object that was there before the operator may have lost its status: a request of an earlier process could still arrive.
#[test]
fn an_old_object_is_restored_only_once_no_earlier_request_can_arrive() {
    let mut world = started();
    world.stop();
    restore(&mut world, "undo", json!({"backupFirst": false}));
    world.run_for(Duration::from_secs(60));
    world.add_process();
    let begun = world.clock_now();
    world.until("requested", LIMIT, |world| status(world, "undo").operation.is_some());
    let waited = world.clock_now() - begun;
    assert!(waited >= Duration::from_secs(80), "{waited:?}");
    world.until("done", LIMIT, |world| is_done(world, "undo"));
    // A new one begins at once.
    let begun = world.clock_now();
    restore(&mut world, "other", json!({"backupFirst": false}));
    world.until("requested", LIMIT, |world| status(world, "other").operation.is_some());
    assert!(world.clock_now() - begun < Duration::from_secs(60));
}

#[test]
fn a_retained_backup_can_be_restored_by_its_id() {
    let mut world = started();
    let id = backup(&world, "nightly").status.unwrap().id.unwrap();
    world.cluster.change(&backup_key("nightly"), |object: &mut DcsBackup| {
        object.spec.deletion_policy = Some(DeletionPolicy::Retain);
    });
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, |world| world.cluster.read::<DcsBackup>(&backup_key("nightly")).is_none());
    restore(&mut world, "undo", json!({"source": {"backupId": id}, "backupFirst": false}));
    world.until("done", LIMIT, |world| is_done(world, "undo"));
    assert_eq!(status(&world, "undo").backup.unwrap().name, None);
}

/// A restore takes longer than the cloud's own end of the record: only an instance that serves is complete.
#[test]
fn the_instance_has_to_serve_before_a_restore_is_complete() {
    let settings = quick_cloud();
    let mut service = settings.service;
    service.backups.restore = Duration::from_secs(600);
    let mut world = World::new(Settings { service, ..settings }, setup());
    with_backup(&mut world);
    restore(&mut world, "undo", json!({"backupFirst": false}));
    world.until("runs", LIMIT, |world| condition(world, "undo", "Reconciling") == "True/Running");
    world.run_for(Duration::from_secs(300));
    assert_eq!(condition(&world, "undo", "Complete"), "False/Running");
    assert_eq!(world.condition(&key("sessions"), "Ready"), "False/Restoring");
    assert_eq!(holder(&world).as_deref(), Some("undo"));
    world.until("done", LIMIT, |world| is_done(world, "undo"));
}
