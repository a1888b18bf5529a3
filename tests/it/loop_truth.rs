//! What the status says about situations that users of the operator meet, and what they cost.

use std::time::Duration;

use dcs_operator::{
    controller::{NamespacedName, ObjectId},
    dcs::{Cloud, model::InstanceStatus},
    simulator::{Filter, options::Network},
};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::support::{
    sim_harness::instance,
    world::{
        World, drive,
        objects::{NAMESPACE, SUBNET, VPC, key, quick_cloud, setup, spec},
    },
};

const LIMIT: Duration = Duration::from_secs(300);
const MINUTE: Duration = Duration::from_secs(60);

fn sessions() -> ObjectId {
    key("sessions")
}

/// An object that is ready.
fn ready(more: Value) -> World {
    let mut world = World::new(quick_cloud(), setup());
    world.apply("sessions", spec(more));
    until_well(&mut world, LIMIT);
    world
}

#[track_caller]
fn until_well(world: &mut World, limit: Duration) {
    world.until("well", limit, |world| world.is_well(&sessions()));
}

#[track_caller]
fn until(world: &mut World, type_: &str, expected: &str, limit: Duration) {
    world.until(expected, limit, |world| world.condition(&sessions(), type_) == expected);
}

fn fault(world: &World, operation: &str, fault: Value, count: Option<u32>) {
    let script = json!({"operation": operation, "fault": fault, "count": count});
    world.cloud.lock().add_faults(world.clock_now(), &script).unwrap();
}

fn calls(world: &World, operation: &str) -> usize {
    let filter = Filter { operation: Some(operation.to_owned()), ..Filter::default() };
    world.cloud.lock().journal().entries(&filter).count()
}

fn all_calls(world: &World) -> usize {
    world.traffic.lock().unwrap().calls
}

fn own_id(world: &World) -> String {
    world.object(&sessions()).unwrap().status.unwrap().id.unwrap()
}

fn alter(world: &World, id: &str, fields: Value) {
    let fields = fields.as_object().unwrap().clone();
    world.mutate_cloud(|service| service.alter(id, &fields)).unwrap();
}

/// Changes the credentials Secret, as its users are told.
fn put_credentials(world: &mut World, changes: Value) {
    let mut secret = world.cluster.read_secret(&NamespacedName::new(NAMESPACE, "dcs-credentials")).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        let data = secret.data.get_or_insert_default();
        match value.as_str() {
            Some(text) => drop(data.insert(key.clone(), ByteString(text.as_bytes().to_vec()))),
            None => drop(data.remove(key)),
        }
    }
    world.cluster.put_secret(secret);
    wake_all(world);
}

fn wake_all(world: &mut World) {
    let now = world.clock_now();
    for key in world.cluster.keys() {
        world.processes.iter_mut().for_each(|process| process.visit(&key, now));
    }
}

/// Asserts that Ready is not True at any time from now on.
#[track_caller]
fn never_ready_for(world: &mut World, time: Duration) {
    for _ in 0..time.as_secs() / 30 {
        world.run_for(Duration::from_secs(30));
        assert!(!world.condition(&sessions(), "Ready").starts_with("True"), "{}", world.describe());
    }
}

#[test]
fn a_pause_that_the_cloud_asks_for_is_said_and_believed_for_ten_minutes() {
    let mut world = ready(json!({}));
    let other = world.apply("carts", spec(json!({})));
    world.until("ready", LIMIT, |world| world.is_well(&other));
    fault(&world, "ShowInstance", json!({"throttle": {"retryAfterSeconds": 86_400}}), Some(1));
    world.edit(&sessions(), |spec| spec.description = Some("carts".to_owned()));
    until(&mut world, "Synced", "Unknown/Throttled", 4 * MINUTE);
    assert_eq!(world.condition(&sessions(), "Ready"), "True/Available");
    assert_eq!(world.condition(&sessions(), "Stalled"), "False/AsExpected");
    // No list comes, which concerns every object of the account.
    world.until("said", 4 * MINUTE, |world| world.condition(&other, "Synced") == "Unknown/Throttled");
    assert_eq!(world.condition(&other, "Ready"), "True/Available");
    until_well(&mut world, 13 * MINUTE);
    world.until("well", 3 * MINUTE, |world| world.is_well(&other));
}

#[test]
fn an_instance_in_another_account_than_the_credentials_is_not_ready() {
    let mut world = ready(json!({}));
    let (id, project) = (own_id(&world), world.cloud.lock().project_id().to_owned());
    put_credentials(&mut world, json!({"projectId": "0123456789abcdef0123456789abcdef"}));
    until(&mut world, "Stalled", "True/AccountChanged", LIMIT);
    assert!(world.mutate_cloud(|service| service.remove(&id)));
    until(&mut world, "Ready", "Unknown/ObservationTooOld", 11 * MINUTE);
    never_ready_for(&mut world, 70 * MINUTE);
    put_credentials(&mut world, json!({"projectId": project}));
    until(&mut world, "Stalled", "True/ExternallyDeleted", LIMIT);
    assert_eq!(world.condition(&sessions(), "BindingPublished"), "False/ExternallyDeleted");
}

#[test]
fn an_instance_that_no_list_shows_and_that_cannot_be_read_is_not_ready() {
    let mut world = ready(json!({}));
    fault(
        &world,
        "ListInstances",
        json!({"wrongBody": {"body": {"instances": [], "instance_num": 0}}}),
        None,
    );
    fault(&world, "ShowInstance", json!({"errorBefore": {"status": 403, "code": "DCS.2003"}}), None);
    until(&mut world, "Stalled", "True/Forbidden", LIMIT);
    until(&mut world, "Ready", "Unknown/ObservationTooOld", 12 * MINUTE);
    let before = all_calls(&world);
    never_ready_for(&mut world, 20 * MINUTE);
    assert!(all_calls(&world) - before <= 24, "{} calls in 20 minutes", all_calls(&world) - before);
    world.cloud.lock().clear_faults();
    until_well(&mut world, 61 * MINUTE);
}

/// Lists go on without a word of trouble, and after a pause nothing in them has changed.
#[test]
fn an_instance_is_ready_again_when_lists_that_show_no_change_return() {
    let mut world = ready(json!({}));
    fault(&world, "ListInstances", json!({"errorBefore": {"status": 503}}), None);
    until(&mut world, "Ready", "Unknown/ObservationTooOld", 12 * MINUTE);
    world.cloud.lock().clear_faults();
    until_well(&mut world, 3 * MINUTE);
}

#[test]
fn what_does_not_end_by_itself_is_polled_at_the_idle_interval() {
    let mut world = ready(json!({}));
    let id = own_id(&world);
    for (status, most) in [(InstanceStatus::Frozen, 11), (InstanceStatus::Error, 11)] {
        world.mutate_cloud(|service| service.force_status(service.now(), &id, status, None));
        world.run_for(3 * MINUTE);
        let before = all_calls(&world);
        world.run_for(10 * MINUTE);
        let spent = all_calls(&world) - before;
        assert!(spent <= most, "{spent} calls in 10 minutes");
    }
    // What should end and does not, too.
    world.mutate_cloud(|service| service.force_status(service.now(), &id, InstanceStatus::Restarting, None));
    world.run_for(70 * MINUTE);
    let before = all_calls(&world);
    world.run_for(10 * MINUTE);
    assert!(all_calls(&world) - before <= 11);
}

#[test]
fn a_refused_change_costs_no_more_than_an_object_at_rest() {
    for (status, code) in [(403, "DCS.2003"), (500, "DCS.5000"), (400, "DCS.4011")] {
        let mut world = ready(json!({}));
        let refusal = json!({"errorBefore": {"status": status, "code": code}});
        fault(&world, "UpdateInstance", refusal, None);
        world.edit(&sessions(), |spec| spec.description = Some("carts".to_owned()));
        world.run_for(20 * MINUTE);
        let before = all_calls(&world);
        world.run_for(20 * MINUTE);
        let spent = all_calls(&world) - before;
        // A failure that may pass is tried every two minutes, with a read before.
        assert!(spent <= if status == 500 { 52 } else { 24 }, "{code}: {spent} calls in 20 minutes");
        world.cloud.lock().clear_faults();
        until_well(&mut world, 61 * MINUTE);
    }
}

/// The list works, and the read that each change needs does not.
#[test]
fn a_read_that_is_refused_is_repeated_at_growing_gaps() {
    let mut world = ready(json!({}));
    fault(&world, "ShowInstance", json!({"errorBefore": {"status": 500, "code": "DCS.5000"}}), None);
    world.edit(&sessions(), |spec| spec.description = Some("carts".to_owned()));
    world.run_for(20 * MINUTE);
    let before = calls(&world, "ShowInstance");
    world.run_for(20 * MINUTE);
    let spent = calls(&world, "ShowInstance") - before;
    assert!((8..=12).contains(&spent), "{spent} reads in 20 minutes");
    world.cloud.lock().clear_faults();
    world.until("changed", 3 * MINUTE, |world| {
        world.instances()[0].description.as_deref() == Some("carts") && world.is_well(&sessions())
    });
}

#[test]
fn scaling_in_the_console_is_reported_and_blocks_nothing() {
    let mut world = ready(json!({}));
    let (id, mut seen) = (own_id(&world), 0);
    world.cluster.written_since(&mut seen);
    alter(&world, &id, json!({"capacity": 2}));
    until(&mut world, "Synced", "False/DriftDetected", 2 * MINUTE);
    assert_eq!(world.condition(&sessions(), "Stalled"), "False/AsExpected");
    assert_eq!(world.condition(&sessions(), "Reconciling"), "False/AsExpected");
    assert_eq!(world.condition(&sessions(), "Ready"), "True/Available");
    world.edit(&sessions(), |spec| spec.description = Some("carts".to_owned()));
    world.until("changed", LIMIT, |world| world.instances()[0].description.as_deref() == Some("carts"));
    until(&mut world, "Synced", "False/DriftDetected", 2 * MINUTE);
    // At rest it is said once, and costs the lists.
    world.restart();
    world.run_for(2 * MINUTE);
    let before = (all_calls(&world), world.cluster.writes());
    world.run_for(10 * MINUTE);
    assert!(all_calls(&world) - before.0 <= 11);
    assert_eq!(world.cluster.writes(), before.1);
    alter(&world, &id, json!({"capacity": 1}));
    until_well(&mut world, 2 * MINUTE);
}

#[test]
fn an_unreachable_iam_does_not_stall_after_a_restart() {
    let mut world = World::new(quick_cloud(), setup());
    put_credentials(&mut world, json!({"projectId": null}));
    world.apply("sessions", spec(json!({})));
    until_well(&mut world, LIMIT);
    fault(&world, "KeystoneListProjects", json!("reset"), None);
    world.restart();
    let before = all_calls(&world);
    until(&mut world, "Synced", "Unknown/CloudUnreachable", LIMIT);
    for _ in 0..18 {
        world.run_for(Duration::from_secs(30));
        assert_eq!(world.condition(&sessions(), "Stalled"), "False/AsExpected");
        assert_eq!(world.condition(&sessions(), "Ready"), "True/Available");
    }
    until(&mut world, "Ready", "Unknown/ObservationTooOld", 2 * MINUTE);
    let spent = all_calls(&world) - before;
    assert!(spent <= 12, "{spent} calls in 10 minutes");
    world.cloud.lock().clear_faults();
    until_well(&mut world, 5 * MINUTE);
}

/// Every minute something else puts its own value back, also across restarts.
#[test]
fn two_writers_do_not_fight_at_full_speed() {
    for (field, theirs) in [("description", json!("theirs")), ("name", json!("theirs-01"))] {
        let mut world = ready(json!({"name": "ours-01"}));
        let id = own_id(&world);
        let mut said = false;
        for minute in 0..240 {
            alter(&world, &id, json!({field: theirs}));
            world.run_for(MINUTE);
            said |= world.condition(&sessions(), "Synced") == "False/ChangeIneffective";
            assert_eq!(world.condition(&sessions(), "Stalled"), "False/AsExpected");
            if minute % 50 == 49 {
                world.restart();
            }
        }
        let updates = calls(&world, "UpdateInstance");
        assert!(said && updates <= 12, "{field}: {updates} updates in 4 hours");
    }
}

#[test]
fn a_change_that_the_cloud_accepts_and_ignores_is_said() {
    let mut world = ready(json!({}));
    for operation in ["UpdateInstance", "BatchCreateOrDeleteTags"] {
        let _ = world.cloud.lock().add_faults(
            world.clock_now(),
            &json!({"operation": operation, "fault": {"errorBefore": {"status": 204, "message": ""}}, "count": null}),
        );
    }
    let before = world.changes();
    world.edit(&sessions(), |spec| spec.description = Some("carts".to_owned()));
    until(&mut world, "Synced", "False/ChangeIneffective", 5 * MINUTE);
    assert_eq!(world.condition(&sessions(), "Reconciling"), "False/AsExpected");
    world.run_for(4 * 60 * MINUTE);
    let spent = world.changes() - before;
    assert!(spent <= 12, "{spent} requests in 4 hours");
    world.cloud.lock().clear_faults();
    until_well(&mut world, 61 * MINUTE);
}

#[test]
fn a_status_that_was_wiped_in_place_is_written_again_at_once() {
    let mut world = ready(json!({}));
    world.run_for(3 * MINUTE);
    world.cluster.wipe_status(&sessions());
    until_well(&mut world, Duration::from_secs(30));
    assert_eq!(calls(&world, "CreateInstance"), 1);
}

/// A tool wipes the status while the instance is being created and the lists need not show it yet.
#[test]
fn a_status_that_is_wiped_during_the_creation_makes_no_second_instance() {
    for (visible_after, without_tags) in [(0, false), (41, false), (41, true)] {
        for after in [0, 1, 3, 10, 30] {
            for (restarts, loses_record, wipes) in
                [(false, false, 1), (false, true, 1), (true, false, 1), (true, true, 1), (false, false, 60)]
            {
                let mut cloud = quick_cloud();
                cloud.service.visible_after = Duration::from_secs(visible_after);
                cloud.service.list_without_tags = without_tags;
                let mut world = World::new(cloud, setup());
                let key = world.apply("sessions", spec(json!({})));
                world.until("requested", LIMIT, |world| calls(world, "CreateInstance") == 1);
                world.run_for(Duration::from_secs(after));
                if loses_record {
                    world.invariants.allow_lost_passwords();
                    world.cluster.delete_secret(&key.secret("sessions-auth"));
                }
                for _ in 0..wipes {
                    world.cluster.wipe_status(&key);
                    world.run_for(Duration::from_millis(700));
                }
                if restarts {
                    world.cluster.wipe_status(&key);
                    world.restart();
                }
                let what = format!(
                    "visible after {visible_after} s, tags {without_tags}, wiped after {after} s, {wipes} times, \
                     restart {restarts}, record lost {loses_record}"
                );
                world.until(&what, LIMIT, |world| world.condition(&key, "Ready") == "True/Available");
                assert_eq!((calls(&world, "CreateInstance"), world.instances().len()), (1, 1), "{what}");
            }
        }
    }
}

#[test]
fn corrected_defaults_in_the_credentials_have_effect_at_once() {
    let mut cloud = quick_cloud();
    let network = Network { vpc_id: VPC.to_owned(), subnet_id: SUBNET.to_owned(), addresses: 100 };
    cloud.service.networks = vec![network];
    let mut world = World::new(cloud, setup());
    put_credentials(&mut world, json!({"subnetId": "0a1b2c3d-0000-4000-8000-00000000dead"}));
    world.apply("sessions", spec(json!({})));
    world.until("stalled", LIMIT, |world| world.condition(&sessions(), "Stalled").starts_with("True/"));
    world.run_for(2 * MINUTE);
    put_credentials(&mut world, json!({"subnetId": SUBNET}));
    until_well(&mut world, MINUTE);
}

/// Every list of the account lacks an instance.
#[test]
fn presence_in_an_incomplete_list_is_a_fact() {
    let mut world = World::new(quick_cloud(), setup());
    drive(world.client().create_instance(&instance("before"))).unwrap();
    world.apply("sessions", spec(json!({})));
    until_well(&mut world, LIMIT);
    drive(world.client().create_instance(&instance("after"))).unwrap();
    world.run_for(2 * MINUTE);
    fault(&world, "ListInstances", json!({"partialList": {"drop": 1}}), None);
    for _ in 0..40 {
        world.run_for(Duration::from_secs(30));
        assert!(world.is_well(&sessions()), "{}", world.describe());
    }
    // A change is noticed, and put back.
    let id = own_id(&world);
    alter(&world, &id, json!({"description": "theirs"}));
    world.until("put back", 3 * MINUTE, |world| {
        let all = world.instances();
        all.iter().any(|own| own.id == id && own.description.as_deref() == Some("sessions"))
    });
    world.mutate_cloud(|service| service.force_status(service.now(), &id, InstanceStatus::Error, None));
    until(&mut world, "Ready", "False/InstanceError", 3 * MINUTE);
    // What has to be absent needs a complete list.
    world.cloud.lock().clear_faults();
    world.run_for(3 * MINUTE + Duration::from_secs(7));
    fault(&world, "ListInstances", json!({"partialList": {"drop": 1}}), None);
    let other = world.apply("carts", spec(json!({})));
    world.until("said", 5 * MINUTE, |world| world.condition(&other, "Synced") == "Unknown/ListIncomplete");
    world.cloud.lock().clear_faults();
    world.until("created", LIMIT, |world| world.is_well(&other));
}

#[test]
fn one_object_of_an_account_probes_an_exhausted_quota() {
    let mut cloud = quick_cloud();
    cloud.service.quota_instances = 0;
    let mut world = World::new(cloud, setup());
    let keys: Vec<_> = (0..20).map(|n| world.apply(&format!("cache-{n}"), spec(json!({})))).collect();
    let stalled = |world: &World, key: &ObjectId| world.condition(key, "Stalled") == "True/QuotaExceeded";
    world.until("all stalled", LIMIT, |world| keys.iter().all(|key| stalled(world, key)));
    let mut seen = 0;
    world.cluster.written_since(&mut seen);
    world.run_for(60 * MINUTE);
    // Intent and outcome of each try, and nothing of the others.
    let written = world.cluster.written_since(&mut seen).len();
    assert!(written <= 60, "{written} writes in an hour");
    let tried = calls(&world, "CreateInstance");
    assert!((10..=18).contains(&tried), "{tried} tries in an hour");
    // A raised quota is noticed within minutes.
    world.mutate_cloud(|service| {
        let options = service.options().clone();
        service.set_options(dcs_operator::simulator::Options { quota_instances: 100, ..options });
    });
    world.until("all ready", 12 * MINUTE, |world| keys.iter().all(|key| world.is_well(key)));
}

/// The instance is gone, and what comes next takes a while: nothing of it is published meanwhile.
#[test]
fn an_instance_that_is_gone_is_not_published() {
    let mut world = ready(json!({"onExternalDeletion": "Recreate"}));
    let id = own_id(&world);
    drive(world.client().delete_instance(&id)).unwrap();
    world.until("deleted", LIMIT, |world| world.instances().is_empty());
    until(&mut world, "Ready", "False/Creating", LIMIT);
    fault(&world, "ListInstances", json!({"errorBefore": {"status": 500, "code": "DCS.5000"}}), None);
    for _ in 0..4 {
        let status = world.object(&sessions()).unwrap().status.unwrap();
        let published = world.condition(&sessions(), "BindingPublished");
        assert_eq!(
            (status.cloud_status, status.endpoints.is_some(), published.as_str()),
            (None, false, "False/ExternallyDeleted"),
            "{}",
            world.describe()
        );
        world.run_for(MINUTE);
    }
    world.cloud.lock().clear_faults();
    until_well(&mut world, LIMIT);
}

fn ask_for_a_retry(world: &mut World, key: &ObjectId, token: &str) {
    world.cluster.change::<dcs_operator::api::DcsInstance>(key, |object| {
        let annotations = object.metadata.annotations.get_or_insert_default();
        annotations.insert("dcs.huaweicloud.com/retry".to_owned(), token.to_owned());
    });
}

#[test]
fn a_retry_looks_up_the_project_again() {
    let mut world = World::new(quick_cloud(), setup());
    put_credentials(&mut world, json!({"projectId": null}));
    fault(&world, "KeystoneListProjects", json!({"errorBefore": {"status": 403, "code": "IAM.0003"}}), None);
    let key = world.apply("sessions", spec(json!({})));
    until(&mut world, "Stalled", "True/Forbidden", LIMIT);
    // Many failures in a row make the gap long.
    world.run_for(120 * MINUTE);
    world.cloud.lock().clear_faults();
    world.run_for(MINUTE);
    assert_eq!(world.condition(&sessions(), "Stalled"), "True/Forbidden");
    ask_for_a_retry(&mut world, &key, "1");
    until_well(&mut world, 2 * MINUTE);
}

#[test]
fn each_retry_token_is_one_retry() {
    let mut cloud = quick_cloud();
    cloud.service.quota_instances = 0;
    let mut world = World::new(cloud, setup());
    let key = world.apply("sessions", spec(json!({})));
    until(&mut world, "Stalled", "True/QuotaExceeded", LIMIT);
    world.run_for(Duration::from_secs(3));
    let mut tried = calls(&world, "CreateInstance");
    for (token, more) in [("1", 1), ("1", 0), ("2", 1)] {
        ask_for_a_retry(&mut world, &key, token);
        world.run_for(Duration::from_secs(3));
        assert_eq!(calls(&world, "CreateInstance"), tried + more, "{token}");
        tried += more;
    }
    world.restart();
    world.run_for(Duration::from_secs(5));
    assert_eq!(calls(&world, "CreateInstance"), tried, "the token was served by the process before");
}
