use serde_json::json;

use super::*;
use crate::simulator::{
    Options, Site,
    options::Network,
    service::fixtures::{Cloud, time},
};

/// The error code of a resize; null on success.
fn code(cloud: &mut Cloud, id: &str, spec_code: &str, capacity: f64, more: Value) -> Value {
    let mut body = json!({"spec_code": spec_code, "new_capacity": capacity});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cloud.call("ResizeInstance", &[("instance_id", id)], &[], body).body["error_code"].clone()
}

fn nodes(cloud: &Cloud, id: &str) -> Vec<Node> {
    cloud.service.instances().find(|instance| instance.id == id).unwrap().nodes.clone()
}

#[test]
fn the_capacity_changes() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    for (spec_code, capacity, more, expected) in [
        ("redis.ha.xu1.large.r9.8", 8.0, json!({}), "DCS.4927"),
        ("redis.ha.au1.large.r2.8", 8.0, json!({}), "DCS.4927"),
        ("dcs.master_standby", 8.0, json!({}), "DCS.4927"),
        ("redis.ha.xu1.large.r2.8", 16.0, json!({}), "DCS.4012"),
        ("redis.ha.xu1.large.r2.8", 8.0, json!({"new_capacity": null}), "DCS.4012"),
        ("redis.ha.xu1.large.r2.4", 4.0, json!({}), "DCS.4103"),
        ("redis.ha.xu1.large.r2.8", 8.0, json!({"change_type": "grow"}), "DCS.4800"),
        ("redis.ha.xu1.large.r2.8", 8.0, json!({"change_type": "createReplication"}), "DCS.4800"),
        ("redis.ha.xu1.large.r2.8", 8.0, json!({"change_type": "instanceType"}), "DCS.4800"),
        ("redis.ha.xu1.large.r2.8", 8.0, json!({"reserved_ip": ["10.9.9.9"]}), "DCS.4800"),
        ("redis.ha.xu1.large.r3.8", 8.0, json!({"change_type": "createReplication"}), "DCS.4012"),
    ] {
        assert_eq!(code(&mut cloud, &id, spec_code, capacity, more.clone()), expected, "{spec_code} {more}");
    }
    assert_eq!(
        code(&mut cloud, &id, "redis.ha.xu1.large.r2.8", 8.0, json!({"change_type": ""})),
        Value::Null
    );
    assert_eq!(cloud.show(&id)["status"], "EXTENDING");
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r2.16", 16.0, json!({})), "DCS.4113");
    cloud.wait(60);
    let shown = cloud.show(&id);
    assert_eq!((&shown["capacity"], &shown["max_memory"]), (&json!(8), &json!(8192)));
    let tasks = cloud.get("ListBackgroundTask", &[("instance_id", &id)], &[]).body;
    assert_eq!(tasks["tasks"][0]["name"], "EXTEND");
    assert_eq!(tasks["tasks"][0]["details"]["new_resource_spec_code"], "redis.ha.xu1.large.r2.8");
    assert_eq!(
        cloud.call("ResizeInstance", &[("instance_id", &id)], &[], json!(null)).body["error_code"],
        "DCS.4004"
    );
}

#[test]
fn stored_data_must_fit() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    for (used, expected) in [(1433, Value::Null), (1434, json!("DCS.4012"))] {
        let fields = json!({"used_memory": used, "spec_code": "redis.ha.xu1.large.r2.4"});
        cloud.service.alter(&id, fields.as_object().unwrap()).unwrap();
        assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r2.2", 2.0, json!({})), expected, "{used}");
        cloud.wait(60);
    }
    // Growing needs no check of the stored data.
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r2.8", 8.0, json!({})), Value::Null);
}

#[test]
fn replicas_are_added() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    let ids: Vec<_> = cloud.service.zones().map(|zone| zone.id).collect();
    let more = |zones: Value| json!({"change_type": "createReplication", "available_zones": zones});
    for (zones, expected) in [
        (json!(null), "DCS.4933"),
        (json!([]), "DCS.4933"),
        (json!(["sim-region-1x"]), "DCS.4933"),
        (json!(["sim-region-1d"]), "DCS.4054"),
        (json!("sim-region-1a"), "DCS.4005"),
    ] {
        assert_eq!(
            code(&mut cloud, &id, "redis.ha.xu1.large.r3.4", 4.0, more(zones.clone())),
            expected,
            "{zones}"
        );
    }
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r3.4", 4.0, json!({})), "DCS.4800");
    // By code, and by id as in the example of the reference.
    assert_eq!(
        code(&mut cloud, &id, "redis.ha.xu1.large.r3.4", 4.0, more(json!(["sim-region-1c"]))),
        Value::Null
    );
    cloud.wait(60);
    assert_eq!(
        code(&mut cloud, &id, "redis.ha.xu1.large.r5.4", 4.0, more(json!([ids[0], ids[1]]))),
        Value::Null
    );
    cloud.wait(60);
    let zones: Vec<_> =
        nodes(&cloud, &id).into_iter().map(|node| node.zone.replace("sim-region-1", "")).collect();
    assert_eq!(zones, ["a", "b", "c", "a", "b"]);
    assert_eq!(cloud.show(&id)["replica_count"], 5);
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r6.4", 4.0, more(json!([ids[0]]))), "DCS.4875");
    let tasks = cloud.get("ListBackgroundTask", &[("instance_id", &id)], &[]).body;
    let task = &tasks["tasks"][0];
    assert_eq!(task["name"], "AddReplica");
    let added: Vec<_> = nodes(&cloud, &id).split_off(3).iter().map(|n| n.ip.unwrap().to_string()).collect();
    assert_eq!(task["details"]["replica_ip"], added.join(","));
    assert_eq!(task["details"]["replica_az"], "sim-region-1a,sim-region-1b");
    assert_eq!(task["details"]["group_name"], "group1,group1");
}

#[test]
fn replicas_are_removed() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r3.4", 4.0);
    let before = nodes(&cloud, &id);
    let less = |list: Value| json!({"change_type": "deleteReplication", "node_list": list});
    let two = "redis.ha.xu1.large.r2.4";
    for (list, expected) in [
        (json!(null), "DCS.4930"),
        (json!([]), "DCS.4930"),
        (json!(["nope"]), "DCS.4930"),
        (json!([before[1].id, before[2].id]), "DCS.4930"),
        (json!([before[0].id]), "DCS.4936"),
    ] {
        assert_eq!(code(&mut cloud, &id, two, 4.0, less(list.clone())), expected, "{list}");
    }
    assert_eq!(code(&mut cloud, &id, two, 4.0, less(json!([before[1].id]))), Value::Null);
    cloud.wait(60);
    let after = nodes(&cloud, &id);
    assert_eq!(after.iter().map(|node| &node.id).collect::<Vec<_>>(), [&before[0].id, &before[2].id]);
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r1.4", 4.0, less(json!([after[1].id]))), "DCS.4937");
    // The address is released.
    let address = before[1].ip.unwrap().to_string();
    let reply = cloud.try_create("redis.single.xu1.large.1", 1.0, json!({"private_ip": address}));
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn replicas_are_removed_one_at_a_time() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r4.4", 4.0);
    let less = json!({"change_type": "deleteReplication", "node_list": [nodes(&cloud, &id)[3].id]});
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r2.4", 4.0, less.clone()), "DCS.4930");
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r3.4", 4.0, less), Value::Null);
}

#[test]
fn replicas_of_a_cluster_are_removed_by_zone() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.cluster.xu1.large.r2.24", 24.0);
    let less = |zones: Value| json!({"change_type": "deleteReplication", "available_zones": zones});
    let one = "redis.cluster.xu1.large.r1.24";
    assert_eq!(code(&mut cloud, &id, one, 24.0, less(json!(null))), "DCS.4933");
    assert_eq!(code(&mut cloud, &id, one, 24.0, less(json!(["sim-region-1x"]))), "DCS.4933");
    // Removing a replica needs no resources in the zone.
    cloud.service.sell_out("sim-region-1b", true);
    assert_eq!(code(&mut cloud, &id, one, 24.0, less(json!(["sim-region-1b"]))), Value::Null);
    cloud.wait(60);
    assert_eq!(nodes(&cloud, &id).len(), 3);
    assert_eq!(code(&mut cloud, &id, one, 24.0, less(json!(["sim-region-1b"]))), "DCS.4937");
}

#[test]
fn shards_are_added() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.cluster.xu1.large.r2.24", 24.0);
    let ip = nodes(&cloud, &id)[0].ip.unwrap().to_string();
    let grow = json!({"change_type": "addSharding", "reserved_ip": [ip]});
    assert_eq!(code(&mut cloud, &id, "redis.cluster.xu1.large.r2.32", 32.0, grow.clone()), "DCS.4800");
    assert_eq!(code(&mut cloud, &id, "redis.cluster.xu1.large.r2.s4.24", 24.0, grow), Value::Null);
    cloud.wait(60);
    let shown = cloud.show(&id);
    assert_eq!((&shown["sharding_count"], &shown["capacity"]), (&json!(6), &json!(24)));
    assert_eq!(nodes(&cloud, &id).len(), 12);
}

#[test]
fn mode_changes() {
    let modes = [
        ("single", "redis.single.xu1.large.4", "dcs.single_node"),
        ("ha", "redis.ha.xu1.large.r2.4", "dcs.master_standby"),
        ("ha_rw_split", "redis.ha.xu1.large.p2.4", ""),
        ("proxy", "redis.proxy.xu1.large.4", "dcs.cluster"),
        ("cluster", "redis.cluster.xu1.large.r2.4", ""),
    ];
    let possible = [("ha", "proxy"), ("ha_rw_split", "proxy"), ("proxy", "ha"), ("proxy", "ha_rw_split")];
    let possible_in_3 = [("single", "ha"), ("ha", "proxy")];
    for (from, spec, old_spec) in modes {
        for (to, target, old_target) in modes.iter().filter(|(to, ..)| *to != from) {
            let mut cloud = Cloud::default();
            let change = json!({"change_type": "instanceType"});
            let expected = |list: &[(&str, &str)]| {
                if list.contains(&(from, to)) { Value::Null } else { json!("DCS.4200") }
            };
            let id = cloud.running(spec, 4.0);
            assert_eq!(
                code(&mut cloud, &id, target, 4.0, change.clone()),
                expected(&possible),
                "{from} to {to}"
            );
            if !old_spec.is_empty() && !old_target.is_empty() {
                let id = cloud.running(old_spec, 64.0);
                let got = code(&mut cloud, &id, old_target, 64.0, change);
                assert_eq!(got, expected(&possible_in_3), "3.0: {from} to {to}");
            }
        }
    }
    assert!(!mode_change_exists("7.0", &CacheMode::Ha, &CacheMode::Proxy));
}

#[test]
fn a_mode_change_needs_its_change_type_and_keeps_the_address() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    let ip = cloud.show(&id)["ip"].clone();
    assert_eq!(code(&mut cloud, &id, "redis.proxy.xu1.large.4", 4.0, json!({})), "DCS.4800");
    let change = json!({"change_type": "instanceType"});
    assert_eq!(code(&mut cloud, &id, "redis.proxy.xu1.large.4", 4.0, change), Value::Null);
    cloud.wait(60);
    let shown = cloud.show(&id);
    assert_eq!(
        (&shown["cache_mode"], &shown["sharding_count"], &shown["ip"]),
        (&json!("proxy"), &json!(3), &ip)
    );
}

#[test]
fn tiered_flavors_and_old_proxies() {
    let mut cloud = Cloud::default();
    let id = cloud.running("dcs.cluster", 128.0);
    assert_eq!(code(&mut cloud, &id, "dcs.cluster", 64.0, json!({})), "DCS.4103");
    assert_eq!(code(&mut cloud, &id, "dcs.cluster", 256.0, json!({})), Value::Null);
    let id = cloud.running("dcs.single_node", 4.0);
    assert_eq!(code(&mut cloud, &id, "dcs.single_node", 2.0, json!({})), Value::Null);
}

#[test]
fn quota_and_addresses_are_checked() {
    let networks = vec![Network { vpc_id: "vpc-1".into(), subnet_id: "subnet-1".into(), addresses: 2 }];
    let mut cloud = Cloud::new(Options { quota_ram_gb: 8, networks, ..Options::default() });
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r2.16", 16.0, json!({})), "DCS.4036");
    let more = json!({"change_type": "createReplication", "available_zones": ["sim-region-1a"]});
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r3.4", 4.0, more), "DCS.4911");
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r2.8", 8.0, json!({})), Value::Null);
}

#[test]
fn newer_sites_name_the_task_differently() {
    let mut cloud = Cloud::new(Options { site: Site::Newer, ..Options::default() });
    let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    assert_eq!(code(&mut cloud, &id, "redis.ha.xu1.large.r2.8", 8.0, json!({})), Value::Null);
    let task = cloud.get("ListBackgroundTask", &[("instance_id", &id)], &[]).body["tasks"][0].clone();
    assert_eq!(task["name"], "ChangeInstanceSpec");
    let job = task["job_id"].as_str().unwrap();
    assert_eq!(cloud.get("ShowJobInfo", &[("job_id", job)], &[]).body["job_type"], "ChangeInstanceSpec");
}

#[test]
fn the_next_window_start() {
    for (begin, hours) in [("18:00:00", 18), ("00:00:00", 24), ("01:00:00", 1)] {
        assert_eq!(next_window(time(0), begin), time(hours * 3600), "{begin}");
    }
}
