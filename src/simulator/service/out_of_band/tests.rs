use serde_json::json;

use super::*;
use crate::simulator::service::fixtures::Cloud;

fn force(cloud: &mut Cloud, id: &str, status: &str, seconds: Option<u64>) -> bool {
    let status = InstanceStatus::from(status);
    cloud.service.force_status(cloud.now, id, status, seconds.map(Duration::from_secs))
}

fn alter(cloud: &mut Cloud, id: &str, fields: Value) -> Result<(), String> {
    cloud.service.alter(id, fields.as_object().unwrap())
}

#[test]
fn a_forced_status_expires() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    for status in ["ERROR", "FROZEN", "RESTARTING", "FLUSHING", "CREATEFAILED", "EXTENDING", "SLEEPING"] {
        assert!(force(&mut cloud, &id, status, Some(30)));
        assert_eq!(cloud.show(&id)["status"], status);
        cloud.wait(29);
        assert_eq!(cloud.show(&id)["status"], status);
        cloud.wait(1);
        assert_eq!(cloud.show(&id)["status"], "RUNNING", "{status}");
    }
    assert!(!force(&mut cloud, "missing", "ERROR", None));
}

#[test]
fn pending_transitions_continue_under_a_forced_status() {
    let mut cloud = Cloud::default();
    let id = cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({}));
    force(&mut cloud, &id, "ERROR", Some(200));
    cloud.wait(150);
    assert_eq!(cloud.show(&id)["status"], "ERROR");
    cloud.wait(50);
    assert_eq!(cloud.show(&id)["status"], "RUNNING");
}

#[test]
fn forcing_running_without_an_end_completes_everything() {
    let mut cloud = Cloud::default();
    let id = cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({}));
    force(&mut cloud, &id, "ERROR", None);
    force(&mut cloud, &id, "RUNNING", None);
    assert_eq!(cloud.show(&id)["status"], "RUNNING");
    let body = json!({"spec_code": "redis.ha.xu1.large.r2.8", "new_capacity": 8});
    cloud.ok("ResizeInstance", &id, body);
    force(&mut cloud, &id, "RUNNING", None);
    assert_eq!(cloud.show(&id)["capacity"], 8);
    let tasks = cloud.get("ListBackgroundTask", &[("instance_id", &id)], &[]).body;
    assert_eq!(tasks["tasks"][0]["status"], "SUCCESS");
    alter(&mut cloud, &id, json!({"task": "BACKUPING"})).unwrap();
    force(&mut cloud, &id, "RUNNING", None);
    assert_eq!(cloud.show(&id)["task"], Value::Null);
}

#[test]
fn a_forced_deletion_completes() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    assert!(force(&mut cloud, &id, "DELETING", Some(10)));
    assert_eq!(cloud.show(&id)["status"], "DELETING");
    cloud.wait(10);
    assert_eq!(cloud.show(&id)["error_code"], "DCS.3022");
}

#[test]
fn console_edits_change_fields() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    for (name, value) in [
        ("name", json!("theirs")),
        ("description", json!("their words")),
        ("description", Value::Null),
        ("maintain_begin", json!("01:00:00")),
        ("maintain_end", json!("02:00:00")),
        ("tags", json!([{"key": "who", "value": "they"}])),
        ("port", json!(7000)),
        ("task", json!("BACKUPING")),
        ("task", Value::Null),
        ("sub_status", json!("odd")),
        ("charging_mode", json!(1)),
        ("used_memory", json!(77)),
        ("capacity", json!(8)),
        ("spec_code", json!("redis.ha.xu1.large.r3.8")),
    ] {
        alter(&mut cloud, &id, json!({name: value})).unwrap();
        assert_eq!(cloud.show(&id)[name], value, "{name}");
    }
    let shown = cloud.show(&id);
    assert_eq!((&shown["replica_count"], &shown["max_memory"]), (&json!(3), &json!(8192)));
    alter(&mut cloud, &id, json!({"spec_code": "redis.ha.xu1.tiny.r2.128"})).unwrap();
    assert_eq!(cloud.show(&id)["capacity_minor"], ".125");
}

#[test]
fn invalid_console_edits_change_nothing() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    for (fields, expected) in [
        (json!({"name": 7}), "invalid name: 7"),
        (json!({"name": "new", "port": 70_000}), "invalid port: 70000"),
        (json!({"tags": {"a": "b"}}), "invalid tags: {\"a\":\"b\"}"),
        (json!({"status": "ERROR"}), "status cannot be altered"),
        (json!({"capacity": "much"}), "invalid capacity: \"much\""),
        (json!({"name": "new", "spec_code": "none"}), "no such flavor with this capacity"),
        (json!({"spec_code": "redis.ha.xu1.large.r2.8", "capacity": 4}), "no such flavor with this capacity"),
    ] {
        assert_eq!(alter(&mut cloud, &id, fields.clone()), Err(expected.to_owned()), "{fields}");
    }
    assert_eq!(cloud.show(&id)["name"], "test-0001");
    assert_eq!(alter(&mut cloud, "missing", json!({})), Err("no instance missing".to_owned()));
}

#[test]
fn removing_releases_all_addresses() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    let more = json!({"spec_code": "redis.ha.xu1.large.r3.4", "new_capacity": 4,
        "change_type": "createReplication", "available_zones": ["sim-region-1a"]});
    cloud.ok("ResizeInstance", &id, more);
    assert!(cloud.service.remove(&id));
    assert!(!cloud.service.remove(&id));
    assert_eq!(cloud.service.next_transition(), None);
    for address in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
        let reply = cloud.try_create("redis.single.xu1.large.1", 1.0, json!({"private_ip": address}));
        assert_eq!(reply.status, 200, "{address}: {reply:?}");
    }
}
