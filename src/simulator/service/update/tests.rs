use serde_json::json;

use super::*;
use crate::simulator::{Options, Site, service::fixtures::Cloud};

fn code(cloud: &mut Cloud, operation: &str, id: &str, body: Value) -> Value {
    cloud.call(operation, &[("instance_id", id)], &[], body).body["error_code"].clone()
}

#[test]
fn settings_change_immediately() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    cloud.wait(5);
    let body = json!({"name": "renamed", "description": "new", "maintain_begin": "02:00:00",
        "maintain_end": "03:00:00", "instance_backup_policy": {"backup_type": "auto", "save_days": "1",
            "periodical_backup_plan": {"backup_at": ["1", "2"], "period_type": "weekly",
                "begin_at": "00:00-01:00"}}});
    let reply = cloud.ok("UpdateInstance", &id, body);
    assert_eq!((reply.status, reply.body), (204, Value::Null));
    let shown = cloud.show(&id);
    assert_eq!((&shown["name"], &shown["description"]), (&json!("renamed"), &json!("new")));
    assert_eq!((&shown["maintain_begin"], &shown["maintain_end"]), (&json!("02:00:00"), &json!("03:00:00")));
    assert_eq!((&shown["status"], &shown["task"]), (&json!("RUNNING"), &Value::Null));
    let policy = shown["instance_backup_policy"].clone();
    assert_eq!(policy["policy"]["periodical_backup_plan"]["backup_at"], json!([1, 2]));
    // An empty description removes it; a manual policy keeps plan and id.
    cloud.wait(5);
    let body = json!({"description": "", "instance_backup_policy": {"backup_type": "manual"}});
    cloud.ok("UpdateInstance", &id, body);
    let shown = cloud.show(&id);
    assert_eq!(shown["description"], Value::Null);
    let later = &shown["instance_backup_policy"];
    assert_eq!(
        (&later["policy"]["backup_type"], &later["policy"]["save_days"]),
        (&json!("manual"), &json!(1))
    );
    assert_eq!(later["backup_policy_id"], policy["backup_policy_id"]);
    assert_ne!(later["updated_at"], policy["updated_at"]);
}

#[test]
fn settings_are_validated() {
    let mut cloud = Cloud::new(Options { unique_names: true, redis_3: true, ..Options::default() });
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({"name": "taken"}));
    for (body, expected) in [
        (json!({}), None),
        (json!({"name": "4you"}), Some("DCS.4010")),
        (json!({"name": "you4"}), None),
        (json!({"name": "taken"}), Some("DCS.4060")),
        (json!({"name": "you4"}), None),
        (json!({"description": "d".repeat(1025)}), Some("DCS.4011")),
        (json!({"maintain_begin": "18:00:00"}), Some("DCS.4106")),
        (json!({"instance_backup_policy": {"backup_type": "auto"}}), Some("DCS.4072")),
        (json!({"port": 0}), Some("DCS.4063")),
        (json!({"port": 6379}), None),
        (json!({"security_group_id": "ignored"}), None),
        (json!(null), Some("DCS.4004")),
    ] {
        let expected = expected.map_or(Value::Null, Value::from);
        assert_eq!(code(&mut cloud, "UpdateInstance", &id, body.clone()), expected, "{body}");
    }
    assert_eq!(cloud.show(&id)["security_group_id"], Value::Null);
    let old = cloud.running("dcs.master_standby", 4.0);
    assert_eq!(code(&mut cloud, "UpdateInstance", &old, json!({"security_group_id": "other"})), Value::Null);
    assert_eq!(cloud.show(&old)["security_group_id"], "other");
}

#[test]
fn a_port_change_keeps_busy_and_renamed_commands_restart() {
    for (body, status, task, refused) in [
        (json!({"port": 7000}), "RUNNING", json!("CONFIGURING"), "DCS.4114"),
        (json!({"rename_commands": {"keys": "k001"}}), "RESTARTING", Value::Null, "DCS.4111"),
        (json!({"rename_commands": {}}), "RESTARTING", Value::Null, "DCS.4111"),
        (json!({"port": 7000, "rename_commands": {"keys": "k1"}}), "RESTARTING", Value::Null, "DCS.4111"),
    ] {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.single.xu1.large.1", 1.0);
        cloud.ok("UpdateInstance", &id, body.clone());
        let shown = cloud.show(&id);
        assert_eq!((&shown["status"], &shown["task"]), (&json!(status), &task), "{body}");
        assert_eq!(shown["port"], 6379, "{body}");
        assert_eq!(code(&mut cloud, "UpdateInstance", &id, json!({"name": "again"})), refused, "{body}");
        let restarted = body.get("rename_commands").is_some();
        let launched = shown["launched_at"].clone();
        cloud.wait(60);
        let shown = cloud.show(&id);
        assert_eq!((&shown["status"], &shown["task"]), (&json!("RUNNING"), &Value::Null), "{body}");
        assert_eq!(&shown["port"], body.get("port").unwrap_or(&json!(6379)), "{body}");
        assert_eq!(shown["launched_at"] != launched, restarted, "{body}");
    }
}

#[test]
fn password_resets() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    for (body, expected) in [
        (json!(null), "DCS.4004"),
        (json!({}), "DCS.4845"),
        (json!({"new_password": 1}), "DCS.4845"),
        (json!({"new_password": "simple"}), "DCS.4019"),
        (json!({"new_password": "Secret-123"}), "DCS.4019"),
        (json!({"new_password": "Secret-124", "no_password_access": true}), "DCS.4849"),
        (json!({"new_password": "Secret-124", "no_password_access": "maybe"}), "DCS.4843"),
    ] {
        assert_eq!(code(&mut cloud, "ResetPassword", &id, body.clone()), expected, "{body}");
    }
    let body = json!({"new_password": "Secret-124", "no_password_access": false});
    let reply = cloud.ok("ResetPassword", &id, body);
    assert_eq!(reply.body, json!({"lock_time": "0", "lock_time_left": "0", "retry_times_left": "5"}));
    assert_eq!(cloud.show(&id)["task"], "CHANGING_PASSWORD");
    assert_eq!(code(&mut cloud, "ResetPassword", &id, json!({"new_password": "Secret-125"})), "DCS.4115");
    cloud.wait(60);
    assert_eq!(code(&mut cloud, "ResetPassword", &id, json!({"new_password": "Secret-124"})), "DCS.4019");
    cloud.ok("ResetPassword", &id, json!({"no_password_access": true}));
    assert_eq!(cloud.show(&id)["no_password_access"], "true");
    cloud.wait(60);
    let tasks = cloud.get("ListBackgroundTask", &[("instance_id", &id)], &[]).body;
    assert_eq!((&tasks["task_count"], &tasks["tasks"][0]["name"]), (&json!(2), &json!("modify")));
}

#[test]
fn newer_sites_add_fields_to_a_password_reset() {
    let mut cloud = Cloud::new(Options { site: Site::Newer, ..Options::default() });
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    let reply = cloud.ok("ResetPassword", &id, json!({"new_password": "Secret-124"}));
    assert_eq!((&reply.body["code"], &reply.body["message"]), (&json!("1"), &json!("success")));
}

#[test]
fn a_locked_instance_rejects_password_resets() {
    for (site, status, name, value) in
        [(Site::Newer, 200, "code", "3"), (Site::Main, 400, "error_code", "DCS.4026")]
    {
        let mut cloud = Cloud::new(Options { site, ..Options::default() });
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        cloud.service.alter(&id, json!({"locked": true}).as_object().unwrap()).unwrap();
        let body = json!({"new_password": "Secret-124"});
        let reply = cloud.call("ResetPassword", &[("instance_id", &id)], &[], body);
        assert_eq!((reply.status, &reply.body[name]), (status, &json!(value)), "{site}");
        assert_eq!(reply.body["ext_message"].is_string(), site == Site::Newer, "{site}");
        assert_eq!(cloud.show(&id)["task"], Value::Null, "{site}");
    }
}

#[test]
fn tags_are_changed() {
    let mut cloud = Cloud::default();
    let id = cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({"tags": [{"key": "a", "value": "1"}]}));
    for (body, expected, left) in [
        (json!({"action": "create", "tags": [{"key": "b", "value": "2"}]}), None, "a=1 b=2"),
        (json!({"action": "create", "tags": [{"key": "a", "value": "3"}]}), None, "a=3 b=2"),
        (json!({"action": "create", "tags": [{"key": "c"}]}), Some("DCS.4800"), "a=3 b=2"),
        (json!({"action": "create", "tags": []}), Some("DCS.4800"), "a=3 b=2"),
        (json!({"action": "replace", "tags": [{"key": "c"}]}), Some("DCS.4800"), "a=3 b=2"),
        (json!({"tags": [{"key": "a"}]}), Some("DCS.4800"), "a=3 b=2"),
        (json!({"action": "delete", "tags": [{"key": "a"}, {"key": "z"}]}), None, "b=2"),
        (json!(null), Some("DCS.4004"), "b=2"),
    ] {
        let expected = expected.map_or(Value::Null, Value::from);
        // Tags can change during creation too.
        assert_eq!(code(&mut cloud, "BatchCreateOrDeleteTags", &id, body.clone()), expected, "{body}");
        let tags = cloud.show(&id)["tags"].clone();
        let text =
            |tag: &Value| format!("{}={}", tag["key"].as_str().unwrap(), tag["value"].as_str().unwrap());
        assert_eq!(tags.as_array().unwrap().iter().map(text).collect::<Vec<_>>().join(" "), left, "{body}");
    }
    let many = |from, count| {
        let tags: Vec<_> =
            (from..from + count).map(|n| json!({"key": format!("k{n}"), "value": ""})).collect();
        json!({"action": "create", "tags": tags})
    };
    assert_eq!(code(&mut cloud, "BatchCreateOrDeleteTags", &id, many(0, 19)), Value::Null);
    assert_eq!(code(&mut cloud, "BatchCreateOrDeleteTags", &id, many(19, 1)), "DCS.4800");
}

#[test]
fn unknown_and_malformed_ids() {
    let mut cloud = Cloud::default();
    for (id, status, expected) in
        [("3c49fd6b-fc7c-419e-9644-b6cce008653f", 404, "DCS.3022"), ("nope", 400, "DCS.4061")]
    {
        for operation in [
            "ShowInstance",
            "DeleteInstance",
            "UpdateInstance",
            "ResizeInstance",
            "ResetPassword",
            "ListBackgroundTask",
            "BatchCreateOrDeleteTags",
        ] {
            let reply = cloud.call(operation, &[("instance_id", id)], &[], json!({}));
            assert_eq!((reply.status, &reply.body["error_code"]), (status, &json!(expected)), "{operation}");
            assert_eq!(reply.effect, format!("refused: {expected}"));
        }
    }
}

#[test]
fn deletion_needs_an_idle_instance() {
    let mut cloud = Cloud::default();
    let id = cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({}));
    assert_eq!(code(&mut cloud, "DeleteInstance", &id, Value::Null), "DCS.4099");
    cloud.wait(100);
    let body = json!({"spec_code": "redis.ha.xu1.large.r2.8", "new_capacity": 8});
    cloud.ok("ResizeInstance", &id, body);
    assert_eq!(code(&mut cloud, "DeleteInstance", &id, Value::Null), "DCS.4113");
    cloud.wait(60);
    cloud.ok("DeleteInstance", &id, Value::Null);
    assert_eq!(code(&mut cloud, "DeleteInstance", &id, Value::Null), "DCS.4099");
    assert_eq!(code(&mut cloud, "UpdateInstance", &id, json!({})), "DCS.4026");
}
