//! DcsBackups in the loop: one backup for each object, whatever goes wrong, and what stands in the way of one.

mod limit;
mod numbers;

use std::time::Duration;

use dcs_operator::{
    api::{DcsBackup, DcsBackupSpec, DcsBackupStatus, words::JobOutcome},
    controller::{ManagedResource, ObjectId},
    dcs::{
        list_all_backups,
        model::{BackupRecord, BackupStatus},
    },
    inventory::InventorySettings,
    plan::Definition,
    simulator::Site,
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
    },
};

fn backup_key(name: &str) -> ObjectId {
    ObjectId::new(DcsBackup::KIND, NAMESPACE, name)
}

/// Makes a DcsBackup of `sessions`, as `kubectl apply` would.
fn back_up(world: &mut World, name: &str, more: Value) {
    let mut spec = json!({"instanceRef": {"name": "sessions"}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let spec: DcsBackupSpec = serde_json::from_value(spec).unwrap();
    let mut object = DcsBackup::new(name, spec);
    object.metadata.namespace = Some(NAMESPACE.to_owned());
    world.cluster.create(object);
}

fn object(world: &World, name: &str) -> Option<DcsBackup> {
    world.cluster.read(&backup_key(name))
}

fn status(world: &World, name: &str) -> DcsBackupStatus {
    object(world, name).and_then(|object| object.status).unwrap_or_default()
}

/// `True/Completed`.
fn condition(world: &World, name: &str, type_: &str) -> String {
    let conditions = status(world, name).conditions;
    let found = conditions.iter().find(|condition| condition.type_ == type_);
    found.map_or_else(String::new, |condition| format!("{}/{}", condition.status, condition.reason))
}

fn message(world: &World, name: &str, type_: &str) -> String {
    let conditions = status(world, name).conditions;
    conditions.into_iter().find(|condition| condition.type_ == type_).unwrap().message
}

/// All records of the only instance, those of deleted backups too.
fn records(world: &World) -> Vec<BackupRecord> {
    let instances = world.instances();
    let Some(instance) = instances.first() else { return Vec::new() };
    drive(list_all_backups(&world.client(), &instance.id, None))
        .map(|listing| listing.records)
        .unwrap_or_default()
}

/// Backups that exist.
fn live(world: &World) -> Vec<String> {
    let records = records(world);
    let is_live = |record: &&BackupRecord| record.status == Some(BackupStatus::Succeed);
    records.iter().filter(is_live).map(|record| record.backup_id.clone()).collect()
}

fn with_instance(world: &mut World) {
    world.apply("sessions", spec(json!({})));
    world.until("ready", LIMIT, |world| world.is_well(&key("sessions")));
}

fn with_backup(world: &mut World) {
    with_instance(world);
    back_up(world, "nightly", json!({}));
    world.until("made", LIMIT, |world| is_made(world, "nightly"));
}

fn is_made(world: &World, name: &str) -> bool {
    let rows =
        ["Complete", "Failed", "Ready", "Reconciling", "Stalled"].map(|type_| condition(world, name, type_));
    let done =
        ["True/Completed", "False/AsExpected", "True/Restorable", "False/AsExpected", "False/AsExpected"];
    rows == done && status(world, name).outcome == Some(JobOutcome::Succeeded)
}

fn holder(world: &World) -> Option<String> {
    world.object(&key("sessions"))?.status?.holder.map(|holder| holder.name)
}

/// The object stands for the one record, and the instance is free again.
fn is_made_once(world: &World) -> bool {
    let records = records(world);
    let own = status(world, "nightly").id;
    is_made(world, "nightly")
        && records.len() == 1
        && own.as_ref() == Some(&records[0].backup_id)
        && holder(world).is_none()
        && world.is_well(&key("sessions"))
}

fn is_gone(world: &World) -> bool {
    object(world, "nightly").is_none() && live(world).is_empty() && world.is_well(&key("sessions"))
}

const MAKE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: with_instance,
    act: |world| back_up(world, "nightly", json!({})),
    reached: is_made_once,
};

const BOTH_AT_ONCE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |_| {},
    act: |world| {
        back_up(world, "nightly", json!({"startBefore": "2100-01-01T00:00:00Z"}));
        world.apply("sessions", spec(json!({})));
    },
    reached: is_made_once,
};

const DELETE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: with_backup,
    act: |world| world.delete(&backup_key("nightly")),
    reached: is_gone,
};

const DELETE_AT_ONCE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: with_instance,
    act: |world| {
        back_up(world, "nightly", json!({}));
        world.until("requested", LIMIT, |world| status(world, "nightly").operation.is_some());
        world.delete(&backup_key("nightly"));
    },
    reached: is_gone,
};

#[test]
fn a_backup_is_made_once() {
    at_every_point("backup", &MAKE);
}

#[test]
fn a_backup_and_its_instance_are_made_from_one_file() {
    at_every_point("backup with its instance", &BOTH_AT_ONCE);
}

#[test]
fn a_backup_is_deleted_with_its_object() {
    at_every_point("delete backup", &DELETE);
}

#[test]
fn a_backup_that_runs_is_deleted_when_it_has_ended() {
    at_every_point("delete backup at once", &DELETE_AT_ONCE);
}

fn started() -> World {
    let mut world = World::new(quick_cloud(), setup());
    with_instance(&mut world);
    world
}

#[test]
fn the_status_tells_what_was_made() {
    let mut world = started();
    back_up(&mut world, "nightly", json!({"description": "before the sale", "format": "aof"}));
    world.until("made", LIMIT, |world| is_made(world, "nightly"));
    let DcsBackupStatus { instance, resolved, account, started_at, completed_at, size, restorable, .. } =
        status(&world, "nightly");
    let instance = instance.unwrap();
    assert_eq!(instance.id, Some(world.instances()[0].id.clone()));
    assert_eq!(instance.cache_mode.as_deref(), Some("ha"));
    assert_eq!(instance.capacity.map(|capacity| capacity.0).as_deref(), Some("1Gi"));
    let resolved = resolved.unwrap();
    assert_eq!(resolved.format.as_deref(), Some("aof"));
    assert_eq!(
        (resolved.origin.as_deref(), resolved.deletion_policy.as_deref()),
        (Some("Created"), Some("Delete"))
    );
    assert_eq!(account.unwrap().credentials.as_deref(), Some("dcs-credentials"));
    assert!(started_at < completed_at && size.is_some() && restorable == Some(true));
    let remark = records(&world)[0].remark.clone().unwrap();
    assert!(remark.starts_with("dcso:") && remark.ends_with(" before the sale"), "{remark}");
}

/// A restore of the cluster without status, a deletion and another creation of the same manifest: no second backup.
#[test]
fn a_manifest_with_a_deadline_stands_for_one_backup() {
    let deadline = json!({"startBefore": "2100-01-01T00:00:00Z", "deletionPolicy": "Retain"});
    let mut world = started();
    back_up(&mut world, "nightly", deadline.clone());
    world.until("made", LIMIT, |world| is_made(world, "nightly"));
    let first = status(&world, "nightly");
    world.cluster.wipe_status(&backup_key("nightly"));
    world.restart();
    let again = |world: &World| {
        condition(world, "nightly", "Complete") == "True/AlreadyCompleted"
            && condition(world, "nightly", "Ready") == "True/Restorable"
    };
    world.until("found again", LIMIT, again);
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, |world| object(world, "nightly").is_none());
    back_up(&mut world, "nightly", deadline);
    world.until("found again", LIMIT, again);
    let last = status(&world, "nightly");
    assert_eq!((last.id, last.completed_at), (first.id, first.completed_at));
    assert_eq!(records(&world).len(), 1);
}

#[test]
fn a_manifest_whose_deadline_has_passed_calls_nothing() {
    let mut world = started();
    let changes = world.changes();
    back_up(&mut world, "nightly", json!({"startBefore": "2001-01-01T00:00:00Z"}));
    world.until("expired", LIMIT, |world| condition(world, "nightly", "Failed") == "True/Expired");
    assert_eq!(status(&world, "nightly").outcome, Some(JobOutcome::Failed));
    world.run_for(Duration::from_secs(7200));
    assert_eq!((records(&world).len(), world.changes()), (0, changes));
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, |world| object(world, "nightly").is_none());
}

#[test]
fn one_backup_follows_another() {
    let mut world = started();
    for name in ["a", "b", "c"] {
        back_up(&mut world, name, json!({}));
    }
    world.edit(&key("sessions"), |spec| spec.description = Some("carts".to_owned()));
    let all = |world: &World| ["a", "b", "c"].iter().all(|name| is_made(world, name));
    world.until("all made", LIMIT, |world| {
        let runs =
            ["a", "b", "c"].iter().filter(|name| condition(world, name, "Reconciling") == "True/Running");
        assert!(runs.count() <= 1);
        all(world)
    });
    world.until("in sync", LIMIT, |world| world.is_well(&key("sessions")) && holder(world).is_none());
    assert_eq!(records(&world).len(), 3);
    assert_eq!(world.instances()[0].description.as_deref(), Some("carts"));
}

#[test]
fn a_single_node_instance_is_refused_before_any_call() {
    let settings = quick_cloud();
    let mut service = settings.service;
    service.listed_flavors.push("redis.single.xu1.".to_owned());
    let mut world = World::new(dcs_operator::simulator::Settings { service, ..settings }, setup());
    world.apply("sessions", spec(json!({"cacheMode": "single"})));
    world.until("ready", LIMIT, |world| world.is_well(&key("sessions")));
    let changes = world.changes();
    back_up(&mut world, "nightly", json!({}));
    world.until("refused", LIMIT, |world| condition(world, "nightly", "Stalled") == "True/UnsupportedMode");
    world.run_for(Duration::from_secs(3600));
    assert_eq!((holder(&world), world.changes()), (None, changes));
}

#[test]
fn a_failed_backup_is_the_end() {
    let mut world = started();
    world.mutate_cloud(|service| service.fail_next_backups(1));
    back_up(&mut world, "nightly", json!({}));
    world.until("failed", LIMIT, |world| condition(world, "nightly", "Failed") == "True/OperationFailed");
    assert!(
        message(&world, "nightly", "Failed").contains("did not start"),
        "{}",
        message(&world, "nightly", "Failed")
    );
    world.until("free", LIMIT, |world| holder(world).is_none());
    world.run_for(Duration::from_secs(7200));
    assert_eq!(records(&world).len(), 1);
    // What is left of it does not keep the object.
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, |world| object(world, "nightly").is_none());
}

#[test]
fn a_backup_that_takes_too_long_ends_the_wait() {
    let settings = quick_cloud();
    let mut service = settings.service;
    service.backups.backup = Duration::from_secs(7200);
    let mut world = World::new(dcs_operator::simulator::Settings { service, ..settings }, setup());
    with_instance(&mut world);
    back_up(&mut world, "nightly", json!({"runningDeadlineSeconds": 600}));
    world.until("given up", LIMIT, |world| condition(world, "nightly", "Failed") == "True/DeadlineExceeded");
    world.until("free", LIMIT, |world| holder(world).is_none());
    world.delete(&backup_key("nightly"));
    world.run_for(Duration::from_secs(600));
    assert_eq!(condition(&world, "nightly", "Reconciling"), "True/Deleting", "it still runs");
    world.until("gone", Duration::from_secs(14_400), is_gone);
}

#[test]
fn a_backup_that_goes_is_told() {
    let mut world = World::new(quick_cloud(), setup());
    with_backup(&mut world);
    let (instance, id) = (world.instances()[0].id.clone(), status(&world, "nightly").id.unwrap());
    for (word, reason) in
        [(BackupStatus::Expired, "False/Expired"), (BackupStatus::Deleted, "False/ExternallyDeleted")]
    {
        world.mutate_cloud(|service| service.force_backup(&instance, &id, &word)).unwrap();
        world.until("told", Duration::from_secs(2 * 3600), |world| {
            condition(world, "nightly", "Ready") == reason
        });
        assert_eq!(condition(&world, "nightly", "Complete"), "True/Completed");
    }
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, is_gone);
    assert_eq!(records(&world).len(), 1);
}

#[test]
fn an_existing_backup_is_adopted_and_kept() {
    let mut world = World::new(quick_cloud(), setup());
    with_backup(&mut world);
    let id = status(&world, "nightly").id.unwrap();
    world.cluster.change(&backup_key("nightly"), |object: &mut DcsBackup| {
        object.spec.deletion_policy = Some(dcs_operator::api::instance::DeletionPolicy::Retain);
    });
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, |world| object(world, "nightly").is_none());
    assert_eq!(live(&world), std::slice::from_ref(&id), "it is kept");
    back_up(&mut world, "other", json!({"adopt": {"backupId": "4631832a-14c6-45b0-a0b3-3abd8f591ad1"}}));
    back_up(&mut world, "nightly", json!({"adopt": {"backupId": id}}));
    world.until("adopted", LIMIT, |world| is_made(world, "nightly"));
    world.until("refused", LIMIT, |world| condition(world, "other", "Stalled") == "True/ReferenceNotFound");
    world.delete(&backup_key("nightly"));
    world.delete(&backup_key("other"));
    world
        .until("gone", LIMIT, |world| object(world, "nightly").is_none() && object(world, "other").is_none());
    assert_eq!(live(&world).len(), 1, "an adopted backup stays");
}

#[test]
fn a_reference_may_come_later_and_never() {
    let mut world = World::new(quick_cloud(), setup());
    back_up(&mut world, "nightly", json!({}));
    world.until("told", LIMIT, |world| !condition(world, "nightly", "Ready").is_empty());
    let said = condition(&world, "nightly", "Ready");
    assert!(["False/WaitingForReference", "False/ReferenceNotFound"].contains(&said.as_str()), "{said}");
    with_instance(&mut world);
    world.until("made", LIMIT, |world| is_made(world, "nightly"));
}

/// The instance stays, and its object goes: the backup is deleted by the credentials that were noted.
#[test]
fn a_backup_outlives_the_object_of_its_instance() {
    let mut world = World::new(quick_cloud(), setup());
    with_backup(&mut world);
    world.edit(&key("sessions"), |spec| {
        spec.deletion_policy = Some(dcs_operator::api::instance::DeletionPolicy::Retain);
    });
    world.delete(&key("sessions"));
    world.until("released", LIMIT, |world| world.object(&key("sessions")).is_none());
    world.run_for(Duration::from_secs(7200));
    assert_eq!(condition(&world, "nightly", "Ready"), "True/Restorable");
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, |world| object(world, "nightly").is_none());
    assert!(live(&world).is_empty());
}

#[test]
fn backups_go_with_their_instance() {
    let mut world = World::new(quick_cloud(), setup());
    with_backup(&mut world);
    world.delete(&key("sessions"));
    world.until("gone", LIMIT, |world| world.object(&key("sessions")).is_none());
    world.until("told", Duration::from_secs(60), |world| {
        condition(world, "nightly", "Ready") == "False/InstanceDeleted"
    });
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, |world| object(world, "nightly").is_none());
}

#[test]
fn a_pinned_backup_keeps_its_instance() {
    let mut world = started();
    back_up(&mut world, "nightly", json!({"pinned": true}));
    world.until("made", LIMIT, |world| is_made(world, "nightly"));
    world.delete(&key("sessions"));
    world.until("kept", LIMIT, |world| world.condition(&key("sessions"), "Stalled") == "True/BackupPinned");
    world.run_for(Duration::from_secs(7200));
    assert_eq!(live(&world).len(), 1);
    world.cluster.change(&backup_key("nightly"), |object: &mut DcsBackup| object.spec.pinned = Some(false));
    world.until("gone", LIMIT, |world| world.object(&key("sessions")).is_none());
}

#[test]
fn deleting_the_definition_deletes_no_backup() {
    let mut world = World::new(quick_cloud(), setup());
    with_backup(&mut world);
    world.cluster.set_definition(Definition::BeingDeleted);
    world.delete(&backup_key("nightly"));
    world.until("gone", LIMIT, |world| object(world, "nightly").is_none());
    assert_eq!(live(&world).len(), 1);
}

/// Lists and details of instances that are gone must not use up the budget of the account, however many objects ask.
#[test]
fn backups_of_instances_that_are_gone_come_to_rest_within_a_small_budget() {
    let rate = std::num::NonZeroU32::MIN;
    let inventory = InventorySettings { reads_per_second: rate, ..setup().inventory };
    let mut world = World::new(quick_cloud(), Setup { inventory, ..setup() });
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        world.apply(name, spec(json!({})));
        back_up(&mut world, name, json!({"instanceRef": {"name": name}}));
        world.until("made", LIMIT, |world| is_made(world, name));
    }
    names.iter().for_each(|name| world.delete(&key(name)));
    world.until("gone", LIMIT, |world| names.iter().all(|name| world.object(&key(name)).is_none()));
    world.restart();
    world.until("told", Duration::from_secs(300), |world| {
        names.iter().all(|name| condition(world, name, "Ready") == "False/InstanceDeleted")
    });
    world.run_for(Duration::from_secs(60));
    let before = world.traffic.lock().unwrap().calls;
    world.run_for(Duration::from_secs(1800));
    let calls = world.traffic.lock().unwrap().calls - before;
    assert!(calls <= 40, "{calls} calls in half an hour, with a list of the account each minute");
    names.iter().for_each(|name| world.delete(&backup_key(name)));
    world.until("gone", Duration::from_secs(120), |world| {
        names.iter().all(|name| object(world, name).is_none())
    });
}

/// Two DcsInstances name one instance: a pin holds, whichever of them it names.
#[test]
fn a_backup_that_names_an_observing_object_pins_the_instance_too() {
    let mut world = started();
    let id = world.instances()[0].id.clone();
    let observing = json!({"adopt": {"instanceId": id}, "managementPolicy": "Observe", "engineVersion": null,
        "capacity": null, "tags": null, "description": null});
    world.apply("watched", spec(observing));
    world.until("observed", LIMIT, |world| world.condition(&key("watched"), "Ready") == "True/Available");
    back_up(&mut world, "nightly", json!({"instanceRef": {"name": "watched"}, "pinned": true}));
    world.until("made", LIMIT, |world| is_made(world, "nightly"));
    world.delete(&key("sessions"));
    world.until("kept", LIMIT, |world| world.condition(&key("sessions"), "Stalled") == "True/BackupPinned");
    world.run_for(Duration::from_secs(3600));
    assert_eq!(live(&world).len(), 1);
}
