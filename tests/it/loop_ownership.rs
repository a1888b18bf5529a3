//! Whose instance it is: costs at rest where lists show no tags, refusals, forged status, and two objects that name one
//! instance.

use std::time::Duration;

use dcs_operator::{
    api::DcsInstance,
    controller::ObjectId,
    dcs::model::Tag,
    formats::{OwnerHash, cloud_name},
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use crate::support::world::{
    World,
    invariants::tag,
    objects::{NAMESPACE, key, quick_cloud, setup, spec},
};

const LIMIT: Duration = Duration::from_secs(600);
const POLL_INTERVAL: Duration = Duration::from_secs(60);
const UID: &str = "dcs-operator-uid";

fn ready(world: &mut World, name: &str, more: serde_json::Value) -> ObjectId {
    let key = world.apply(name, spec(more));
    world.until("ready", LIMIT, |world| world.is_well(&key));
    key
}

/// The password of an adopted instance is unknown.
fn is_adopted(world: &World, key: &ObjectId) -> bool {
    world.condition(key, "Ready") == "True/Available" && world.condition(key, "Synced") == "True/InSync"
}

fn calls(world: &World) -> usize {
    world.traffic.lock().unwrap().calls
}

fn stalled(world: &World, key: &ObjectId) -> bool {
    world.condition(key, "Stalled").starts_with("True")
        && world.condition(key, "Reconciling").starts_with("False")
}

/// Calls and writes of ten idle polls.
fn cost_of_rest(world: &mut World) -> (usize, usize) {
    world.run_for(2 * POLL_INTERVAL);
    let before = (calls(world), world.cluster.writes());
    world.run_for(10 * POLL_INTERVAL);
    (calls(world) - before.0, world.cluster.writes() - before.1)
}

#[test]
fn a_site_that_lists_without_tags_costs_the_same_at_rest() {
    let mut settings = quick_cloud();
    settings.service.list_without_tags = true;
    let mut world = World::new(settings, setup());
    let keys: Vec<_> = (0..3).map(|n| ready(&mut world, &format!("cache-{n}"), json!({}))).collect();
    assert_eq!(world.instances().len(), 3);
    assert_eq!(cost_of_rest(&mut world), (10, 0), "one list per poll interval, and nothing else");
    // After a restart, each detail is read once.
    world.restart();
    let before = calls(&world);
    world.run_for(2 * POLL_INTERVAL);
    assert!(calls(&world) - before <= 20, "{} calls", calls(&world) - before);
    assert_eq!(cost_of_rest(&mut world), (10, 0));
    // The tags of one are removed: the slow round finds it.
    let id = world.instances()[0].id.clone();
    world.set_tags(&id, &json!([]));
    let owner = |world: &World, key: &ObjectId| world.object(key).unwrap().status.unwrap().id;
    let key = keys.iter().find(|key| owner(&world, key).as_ref() == Some(&id)).unwrap().clone();
    world.until("noticed", Duration::from_secs(2 * 3600), |world| {
        world.condition(&key, "Stalled") == "True/MarkMissing"
    });
}

/// Sets what the cloud answers to tag changes and deletions.
fn refuse(world: &World, operation: &str) {
    let now = world.clock_now();
    let refusal = json!({"errorBefore": {"status": 403, "code": "DCS.2003"}});
    let script = json!({"operation": operation, "fault": refusal, "count": null});
    world.cloud.lock().add_faults(now, &script).unwrap();
}

fn allow_everything(world: &World) {
    world.cloud.lock().clear_faults();
}

#[test]
fn what_is_refused_is_stalled_costs_nothing_at_rest_and_goes_on() {
    for (policy, operation) in [("Delete", "DeleteInstance"), ("Retain", "BatchCreateOrDeleteTags")] {
        let mut world = World::new(quick_cloud(), setup());
        let key = ready(&mut world, "sessions", json!({"deletionPolicy": policy}));
        refuse(&world, operation);
        world.delete(&key);
        world.until("stalled", LIMIT, |world| stalled(world, &key));
        assert_eq!(world.condition(&key, "Stalled"), "True/Forbidden");
        assert_eq!(world.condition(&key, "Ready"), "False/Deleting");
        world.run_for(POLL_INTERVAL);
        let before = calls(&world);
        world.run_for(8 * POLL_INTERVAL);
        assert!(calls(&world) - before <= 9, "{operation}: {} calls in 8 minutes", calls(&world) - before);
        assert!(stalled(&world, &key));
        allow_everything(&world);
        world.until("gone", Duration::from_secs(2 * 3600), |world| world.object(&key).is_none());
        assert_eq!(world.instances().len(), usize::from(policy == "Retain"));
    }
}

#[test]
fn an_instance_without_room_for_the_tags_is_not_adopted_until_it_has() {
    let mut world = World::new(quick_cloud(), setup());
    world.make_instance("crowded");
    let id = world.instances()[0].id.clone();
    let all: Vec<_> = (0..20).map(|n| json!({"key": format!("k{n}"), "value": "v"})).collect();
    world.set_tags(&id, &json!(all));
    let adopt = json!({"engineVersion": null, "capacity": null, "tags": null, "adopt": {"instanceId": id}});
    let key = world.apply("sessions", spec(adopt));
    world.until("stalled", LIMIT, |world| stalled(world, &key));
    assert_eq!(world.condition(&key, "Stalled"), "True/TagsRefused");
    assert_eq!(world.condition(&key, "Ready"), "False/Adopting");
    assert!(cost_of_rest(&mut world).0 <= 14);
    world.set_tags(&id, &json!(all[..17]));
    world.edit(&key, |spec| spec.description = Some("there is room".to_owned()));
    world.until("adopted", LIMIT, |world| is_adopted(world, &key));
}

/// An instance with 20 tags is released and taken back: no step needs more room.
#[test]
fn a_full_instance_is_released_and_taken_back() {
    let mut world = World::new(quick_cloud(), setup());
    let key = ready(&mut world, "sessions", json!({"deletionPolicy": "Retain"}));
    world.note_record(&key);
    let instance = world.instances()[0].clone();
    let more = (0..16).map(|n| Tag { key: format!("k{n}"), value: Some("v".to_owned()) });
    let all: Vec<_> = instance.tags.iter().cloned().chain(more).collect();
    assert_eq!(all.len(), 20);
    world.set_tags(&instance.id, &serde_json::to_value(all).unwrap());
    world.delete(&key);
    world.until("gone", LIMIT, |world| world.object(&key).is_none());
    assert_eq!(world.instances()[0].tags.len(), 19);
    ready(&mut world, "sessions", json!({"deletionPolicy": "Retain"}));
    assert_eq!((world.instances().len(), world.instances()[0].tags.len()), (1, 20));
}

#[test]
fn of_two_objects_that_adopt_one_instance_one_has_it() {
    for mixer in 1..40 {
        let mut world = World::new(quick_cloud(), setup());
        world.mixer = Some(mixer);
        world.make_instance("wanted");
        let id = world.instances()[0].id.clone();
        let adopt = || json!({"engineVersion": null, "capacity": null, "adopt": {"instanceId": id}});
        let keys = [world.apply("one", spec(adopt())), world.apply("two", spec(adopt()))];
        world.until("one has it", LIMIT, |world| {
            let well = keys.iter().filter(|key| is_adopted(world, key)).count();
            let blocked =
                keys.iter().filter(|key| world.condition(key, "Stalled") == "True/AlreadyOwned").count();
            (well, blocked) == (1, 1)
        });
        world.run_for(5 * POLL_INTERVAL);
        let winner = keys.iter().find(|key| is_adopted(&world, key)).unwrap();
        let loser = keys.iter().find(|key| !is_adopted(&world, key)).unwrap();
        assert_eq!(tag(&world.instances()[0], UID), world.object(winner).unwrap().metadata.uid);
        let lost = world.object(loser).unwrap().status.unwrap();
        assert_eq!((lost.id, lost.endpoints), (None, None));
        // The loser goes, and the winner keeps what it has.
        let (winner, loser) = (winner.clone(), loser.clone());
        world.delete(&loser);
        world.until("gone", LIMIT, |world| world.object(&loser).is_none());
        world.run_for(POLL_INTERVAL);
        assert!(is_adopted(&world, &winner) && tag(&world.instances()[0], UID).is_some());
    }
}

#[test]
fn an_object_that_never_worked_has_no_finalizer() {
    let mut world = World::new(quick_cloud(), setup());
    refuse(&world, "ListInstances");
    let key = world.apply("sessions", spec(json!({})));
    world.until("stalled", LIMIT, |world| stalled(world, &key));
    world.run_for(10 * POLL_INTERVAL);
    assert_eq!(world.object(&key).unwrap().metadata.finalizers, None);
    world.delete(&key);
    assert!(world.object(&key).is_none());
    let left: Vec<_> = world.cluster.secrets_since(&mut 0).into_iter().map(|key| key.name).collect();
    assert_eq!(left, ["dcs-credentials"], "nothing else was written");
}

/// An earlier object left an instance behind, and the object was restored from a backup, with its finalizer or without.
#[test]
fn what_an_earlier_object_left_stays_stalled() {
    for (released, reason) in [(false, "True/AmbiguousOwnership"), (true, "True/ReclaimBlocked")] {
        for finalizers in [None, Some(vec!["dcs.huaweicloud.com/instance".to_owned()])] {
            for without_tags in [false, true] {
                let mut settings = quick_cloud();
                settings.service.list_without_tags = without_tags;
                let mut world = World::new(settings, setup());
                let key = key("sessions");
                if released {
                    ready(&mut world, "sessions", json!({"deletionPolicy": "Retain"}));
                    world.delete(&key);
                    world.until("gone", LIMIT, |world| world.object(&key).is_none());
                    world.invariants.allow_lost_passwords();
                    for name in ["sessions-auth", "sessions-redis"] {
                        world.cluster.delete_secret(&key.secret(name));
                    }
                } else {
                    let owner = OwnerHash::new("cluster", NAMESPACE, "sessions");
                    world.make_instance(&cloud_name(NAMESPACE, "sessions", &owner));
                    world.orphan(&key);
                }
                world.restart();
                let mut object = DcsInstance::new("sessions", spec(json!({})));
                object.metadata.namespace = Some(NAMESPACE.to_owned());
                object.metadata.finalizers.clone_from(&finalizers);
                world.cluster.create(object);
                world.until("said", LIMIT, |world| world.condition(&key, "Stalled") == reason);
                let (calls, writes) = cost_of_rest(&mut world);
                let what = format!("{reason}, {finalizers:?}, without tags: {without_tags}");
                assert_eq!(writes, 0, "{what}: {}", world.describe());
                assert!(calls <= 12, "{what}: {calls} calls in ten poll intervals");
                assert_eq!(world.instances().len(), 1, "{what}");
                // A request for a retry changes nothing about that.
                world.cluster.change(&key, |object: &mut DcsInstance| {
                    let annotations = object.metadata.annotations.get_or_insert_default();
                    annotations.insert("dcs.huaweicloud.com/retry".to_owned(), "1".to_owned());
                });
                world.run_for(POLL_INTERVAL);
                assert_eq!(cost_of_rest(&mut world).1, 0, "{what}, after a retry: {}", world.describe());
                // It goes on when the user decides.
                world.edit(&key, |spec| {
                    spec.reclaim_policy = Some(dcs_operator::api::instance::ReclaimPolicy::Orphaned);
                });
                world.until("taken back", LIMIT, |world| world.condition(&key, "Ready") == "True/Available");
                assert_eq!(world.instances().len(), 1, "{what}");
            }
        }
    }
}

/// What is found once the lists prove that no instance exists stays said at each later visit.
#[test]
fn a_creation_that_is_blocked_stays_stalled() {
    let mut world = World::new(quick_cloud(), setup());
    for (name, more, reason) in [
        ("flavor", json!({"capacity": "3Gi"}), "True/InvalidSpec"),
        (
            "secret",
            json!({"auth": {"type": "SecretRef", "secretRef": {"name": "none"}}}),
            "True/SecretNotFound",
        ),
    ] {
        let key = world.apply(name, spec(more));
        world.until("stalled", LIMIT, |world| world.condition(&key, "Stalled") == reason);
    }
    world.run_for(2 * POLL_INTERVAL);
    let before = world.cluster.writes();
    world.run_for(300 * POLL_INTERVAL);
    assert_eq!(world.cluster.writes() - before, 0, "{}", world.describe());
    world.edit(&key("flavor"), |spec| spec.capacity = Some(Quantity("1Gi".to_owned())));
    world.until("created", LIMIT, |world| world.is_well(&key("flavor")));
}
