//! Passwords in situations that need no fault: what is said, what is put back, and what is never reset.

use std::time::Duration;

use dcs_operator::{
    api::DcsInstance,
    controller::ObjectId,
    dcs::{Cloud, model::ResetPassword},
    formats::ROTATE_PASSWORD_ANNOTATION,
    simulator::Filter,
};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::support::world::{
    World, drive,
    objects::{key, quick_cloud, setup, spec},
};

const LIMIT: Duration = Duration::from_secs(600);

fn sessions() -> ObjectId {
    key("sessions")
}

fn ready(more: Value) -> World {
    let mut world = World::new(quick_cloud(), setup());
    world.apply("sessions", spec(more));
    world.until("ready", LIMIT, |world| world.is_well(&sessions()));
    world
}

/// Asks for a new password.
fn request(world: &mut World, token: &str) {
    world.cluster.change(&sessions(), |object: &mut DcsInstance| {
        object.annotations_mut().insert(ROTATE_PASSWORD_ANNOTATION.to_owned(), token.to_owned());
    });
}

/// Somebody removes the password in the console.
fn open(world: &World) {
    let id = world.instances()[0].id.clone();
    let request = ResetPassword { new_password: None, no_password_access: Some(true) };
    drive(world.client().reset_password(&id, &request)).unwrap();
}

fn is_open(world: &World) -> bool {
    world.instances().iter().all(|instance| instance.admits(None))
}

fn says(world: &World, type_: &str, value: &str) -> bool {
    world.condition(&sessions(), type_) == value
}

#[test]
fn a_lost_password_is_said_and_never_reset_unasked() {
    let mut world = ready(json!({}));
    let password = world.recorded(&sessions());
    request(&mut world, "one");
    world.until("rotated", LIMIT, |world| {
        world.is_well(&sessions()) && world.recorded(&sessions()) != password
    });
    world.invariants.forget_passwords();
    world.cluster.delete_secret(&sessions().secret("sessions-auth"));
    world.cluster.delete_secret(&sessions().secret("sessions-redis"));
    world.until("said", LIMIT, |world| says(world, "Stalled", "True/PasswordLost"));
    let changes = world.changes();
    world.run_for(Duration::from_secs(7200));
    assert!(says(&world, "Stalled", "True/PasswordLost") && says(&world, "Ready", "True/Available"));
    assert_eq!(world.changes(), changes, "nothing is reset, though an earlier request is still there");
    request(&mut world, "two");
    world.until("mended", LIMIT, |world| world.is_well(&sessions()));
}

#[test]
fn a_password_that_was_removed_outside_is_reported_and_put_back_when_the_spec_changes() {
    let mut world = ready(json!({}));
    let password = world.recorded(&sessions());
    open(&world);
    world.until("reported", LIMIT, |world| says(world, "Synced", "False/DriftDetected"));
    world.run_for(Duration::from_secs(7200));
    assert!(is_open(&world) && says(&world, "Stalled", "False/AsExpected"));
    assert_eq!(world.recorded(&sessions()), password, "the record keeps it");
    world.edit(&sessions(), |spec| spec.description = Some("carts".to_owned()));
    world.until("put back", LIMIT, |world| world.is_well(&sessions()) && !is_open(world));
    assert_eq!(world.recorded(&sessions()), password);
    assert_eq!(world.instances()[0].description.as_deref(), Some("carts"));
    open(&world);
    world.until("reported", LIMIT, |world| says(world, "Synced", "False/DriftDetected"));
    request(&mut world, "again");
    world.until("replaced", LIMIT, |world| world.is_well(&sessions()) && !is_open(world));
    assert_ne!(world.recorded(&sessions()), password);
}

#[test]
fn adopting_never_resets_a_password() {
    let mut world = World::new(quick_cloud(), setup());
    world.make_instance("left-over");
    let id = world.instances()[0].id.clone();
    let adopt = json!({"adopt": {"instanceId": id}, "engineVersion": null, "capacity": null, "auth": {"type": "Generated"}});
    world.apply("sessions", spec(adopt));
    world.until("adopted", LIMIT, |world| says(world, "BindingPublished", "False/PasswordUnknown"));
    world.choose_password(crate::support::sim_harness::PASSWORD);
    world.edit(&sessions(), |spec| {
        let auth = json!({"type": "SecretRef", "secretRef": {"name": "sessions-password"}});
        spec.auth = Some(serde_json::from_value(auth).unwrap());
    });
    world.until("published", LIMIT, |world| world.is_well(&sessions()));
    let every = Filter::default();
    let simulator = world.cloud.lock();
    let mut calls = simulator.journal().entries(&every).filter_map(|entry| entry.operation);
    assert!(calls.all(|operation| operation != "ResetPassword"));
}

#[test]
fn a_released_instance_keeps_its_password_while_another_one_takes_its_name() {
    let mut world = ready(json!({"deletionPolicy": "Retain"}));
    let (id, password) = (world.instances()[0].id.clone(), world.recorded(&sessions()));
    world.delete(&sessions());
    world.until("gone", LIMIT, |world| world.object(&sessions()).is_none());
    assert_eq!(world.recorded(&sessions()), password);
    world.apply("sessions", spec(json!({"reclaimPolicy": "None"})));
    world.until("ready", LIMIT, |world| world.is_well(&sessions()));
    let former = world.cluster.read_secret(&sessions().secret(&format!("sessions-auth-{id}"))).unwrap();
    assert_eq!(former.data.unwrap().get("password"), password.as_ref());
    world.delete(&sessions());
    world.until("gone", LIMIT, |world| world.object(&sessions()).is_none());
    let left: Vec<_> = world.cluster.secrets().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["dcs-credentials".to_owned(), format!("sessions-auth-{id}")]);
}

/// A tool made the object own the Secrets: garbage collection would take what is kept.
#[test]
fn secrets_that_are_kept_lose_their_owner() {
    for names in [&["sessions-auth"][..], &["sessions-redis"], &["sessions-auth", "sessions-redis"]] {
        let mut world = ready(json!({"deletionPolicy": "Retain"}));
        let password = world.recorded(&sessions());
        names.iter().for_each(|name| world.own_secret(&sessions(), name));
        let uid = world.object(&sessions()).unwrap().uid().unwrap();
        world.delete(&sessions());
        world.until("gone", LIMIT, |world| world.object(&sessions()).is_none());
        assert_eq!(world.owned_secrets(), Vec::<String>::new(), "{names:?}");
        world.cluster.collect_garbage(&uid);
        assert_eq!(world.recorded(&sessions()), password, "{names:?}");
    }
}

/// A tool removed label and notes from the record, whose password is the one in the binding Secret.
#[test]
fn a_record_without_label_is_known_by_the_published_password() {
    let mut world = ready(json!({}));
    let (record, password) = (sessions().secret("sessions-auth"), world.recorded(&sessions()));
    for restarts in [false, true] {
        world.cluster.change_secret(&record, |secret| {
            (secret.metadata.labels, secret.metadata.annotations) = (None, None);
        });
        if restarts {
            world.restart();
        }
        let is_labelled = |world: &World| !world.cluster.read_secret(&record).unwrap().labels().is_empty();
        world.until("labelled", LIMIT, |world| is_labelled(world) && world.is_well(&sessions()));
        assert_eq!(world.recorded(&sessions()), password);
    }
}

/// The label is removed while DCS may have set the pending password.
#[test]
fn a_record_without_label_keeps_its_pending_password() {
    let mut world = ready(json!({}));
    let script = json!({"operation": "ResetPassword", "fault": "dropAnswer", "count": 1});
    world.cloud.lock().add_faults(world.clock_now(), &script).unwrap();
    request(&mut world, "one");
    let record = sessions().secret("sessions-auth");
    let pending = |world: &World| {
        let data = world.cluster.read_secret(&record).unwrap().data.unwrap_or_default();
        data.get("pending").cloned()
    };
    let filter = Filter { operation: Some("ResetPassword".to_owned()), ..Filter::default() };
    world.until("sent", LIMIT, |world| world.cloud.lock().journal().entries(&filter).count() == 1);
    let sent = pending(&world).expect("a pending password");
    world.cluster.change_secret(&record, |secret| secret.metadata.labels = None);
    for _ in 0..30 {
        world.run_for(Duration::from_secs(1));
        let data = world.cluster.read_secret(&record).unwrap().data.unwrap_or_default();
        assert!(data.values().any(|value| *value == sent), "{}", world.describe());
        if world.is_well(&sessions()) {
            break;
        }
    }
    world.until("well", LIMIT, |world| world.is_well(&sessions()));
}

#[test]
fn a_password_is_not_removed() {
    let mut world = ready(json!({}));
    world
        .edit(&sessions(), |spec| spec.auth = Some(serde_json::from_value(json!({"type": "None"})).unwrap()));
    world.until("refused", LIMIT, |world| says(world, "Stalled", "True/UnsupportedChange"));
    assert!(!is_open(&world));
}
