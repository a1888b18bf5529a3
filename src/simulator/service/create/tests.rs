use serde_json::json;

use super::*;
use crate::simulator::{
    Options, Site,
    options::Network,
    service::{fixtures::Cloud, ids},
};

const HA: (&str, f64) = ("redis.ha.xu1.large.r2.4", 4.0);

/// The error code of a creation with `change`; null on success.
fn code(cloud: &mut Cloud, change: Value) -> Value {
    cloud.try_create(HA.0, HA.1, change).body["error_code"].clone()
}

#[test]
fn every_field_is_validated() {
    let mut cloud = Cloud::default();
    for (change, expected) in [
        (json!({}), None),
        (json!({"name": "abc"}), Some("DCS.4010")),
        (json!({"name": null}), Some("DCS.4010")),
        (json!({"name": 7}), Some("DCS.4005")),
        (json!({"name": "n".repeat(64)}), None),
        (json!({"name": "n".repeat(65)}), Some("DCS.4010")),
        (json!({"description": "d".repeat(1024)}), None),
        (json!({"description": "d".repeat(1025)}), Some("DCS.4011")),
        (json!({"engine": "redis"}), None),
        (json!({"engine": null}), Some("DCS.4006")),
        (json!({"engine": "Memcached"}), Some("DCS.4006")),
        (json!({"engine_version": "2.8"}), Some("DCS.4008")),
        (json!({"engine_version": null}), Some("DCS.4008")),
        (json!({"engine_version": "3.0"}), Some("DCS.4007")),
        (json!({"engine_version": "7.0"}), None),
        (json!({"spec_code": null}), Some("DCS.4927")),
        (json!({"spec_code": "redis.ha.xu1.large.r9.4"}), Some("DCS.4927")),
        (json!({"capacity": null}), Some("DCS.4012")),
        (json!({"capacity": 8}), Some("DCS.4012")),
        (json!({"capacity": "4"}), None),
        (json!({"capacity": "much"}), Some("DCS.4012")),
        (json!({"az_codes": []}), Some("DCS.4042")),
        (json!({"az_codes": ["sim-region-1x"]}), Some("DCS.4042")),
        (json!({"az_codes": ["sim-region-1a", "sim-region-1d"]}), Some("DCS.4054")),
        (json!({"az_codes": "sim-region-1a"}), Some("DCS.4005")),
        (json!({"vpc_id": ""}), Some("DCS.4013")),
        (json!({"subnet_id": null}), Some("DCS.4016")),
        (json!({"vpc_id": "vpc-2"}), Some("DCS.4018")),
        (json!({"instance_num": 0}), Some("DCS.4800")),
        (json!({"instance_num": 101}), Some("DCS.4800")),
        (json!({"private_ip": ""}), None),
        (json!({"private_ip": "10.0.200.7"}), None),
        (json!({"private_ip": "10.0.200.7"}), Some("DCS.4800")),
        (json!({"private_ip": "192.168.0.7"}), Some("DCS.4800")),
        (json!({"private_ip": "here"}), Some("DCS.4800")),
        (json!({"private_ip": "10.0.200.8", "instance_num": 2}), Some("DCS.4800")),
        (json!({"maintain_begin": "18:00:00"}), Some("DCS.4106")),
        (json!({"password": null}), Some("DCS.4845")),
        (json!({"password": 12_345_678}), Some("DCS.4845")),
        (json!({"password": "simple"}), Some("DCS.4019")),
        (json!({"password": null, "no_password_access": true}), None),
        (json!({"password": "", "no_password_access": "true"}), None),
        (json!({"no_password_access": true}), Some("DCS.4843")),
        (json!({"no_password_access": "perhaps"}), Some("DCS.4843")),
        (json!({"instance_backup_policy": {"backup_type": "no"}}), Some("DCS.4073")),
        (json!({"tags": [{"key": ""}]}), Some("DCS.4800")),
        (json!({"tags": [{"key": "team"}]}), None),
        (json!({"port": 65536}), Some("DCS.4063")),
        (json!({"rename_commands": {"get": "x"}}), Some("DCS.4063")),
        (json!({"bss_param": {"charging_mode": "postPaid"}}), None),
        (json!({"bss_param": {"charging_mode": "prePaid"}}), Some("DCS.4800")),
    ] {
        let expected = expected.map_or(Value::Null, Value::from);
        assert_eq!(code(&mut cloud, change.clone()), expected, "{change}");
    }
    for (body, expected) in [(json!(null), "DCS.4004"), (json!([]), "DCS.4005"), (json!("{"), "DCS.4005")] {
        assert_eq!(cloud.call("CreateInstance", &[], &[], body).body["error_code"], expected);
    }
}

#[test]
fn a_rejected_request_reserves_nothing() {
    let networks = vec![Network { vpc_id: "vpc-1".into(), subnet_id: "subnet-1".into(), addresses: 3 }];
    let mut cloud = Cloud::new(Options { networks, ..Options::default() });
    assert_eq!(code(&mut cloud, json!({"instance_num": 2})), "DCS.4911");
    assert_eq!(code(&mut cloud, json!({"instance_num": 2, "vpc_id": "vpc-9"})), "DCS.4068");
    assert_eq!(code(&mut cloud, json!({"subnet_id": "subnet-9"})), "DCS.4018");
    assert_eq!(cloud.service.instances().count(), 0);
    assert_eq!(code(&mut cloud, json!({})), Value::Null);
    assert_eq!(code(&mut cloud, json!({"private_ip": "10.0.0.4"})), "DCS.4911");
    let single = cloud.try_create("redis.single.xu1.large.1", 1.0, json!({"private_ip": "10.0.0.4"}));
    assert_eq!(single.status, 200, "{single:?}");
}

#[test]
fn a_rejected_request_does_not_register_its_subnet() {
    let mut cloud = Cloud::default();
    assert_eq!(code(&mut cloud, json!({"vpc_id": "wrong", "password": "simple"})), "DCS.4019");
    assert_eq!(code(&mut cloud, json!({})), Value::Null);
    assert_eq!(code(&mut cloud, json!({"vpc_id": "wrong"})), "DCS.4018");
}

#[test]
fn version_3_has_its_own_rules() {
    let mut cloud = Cloud::default();
    let mut code =
        |spec: &str, gib: f64, more: Value| cloud.try_create(spec, gib, more).body["error_code"].clone();
    assert_eq!(code("dcs.master_standby", 8.0, json!({})), Value::Null);
    assert_eq!(code("dcs.master_standby", 3.0, json!({})), "DCS.4012");
    assert_eq!(code("dcs.master_standby", 8.0, json!({"security_group_id": null})), "DCS.4014");
    assert_eq!(code("dcs.master_standby", 8.0, json!({"port": 6380})), "DCS.4063");
    assert_eq!(code("dcs.master_standby", 8.0, json!({"rename_commands": {"keys": "k"}})), "DCS.4063");
    assert_eq!(code("dcs.master_standby", 8.0, json!({"engine_version": "5.0"})), "DCS.4007");
    let id = cloud.create("dcs.cluster", 64.0, json!({}));
    assert_eq!(cloud.show(&id)["security_group_id"], "group-1");
    assert_eq!(cloud.show(&id)["max_memory"], 65536);
}

#[test]
fn a_single_instance_has_no_backups() {
    let mut cloud = Cloud::default();
    let policy = json!({"instance_backup_policy": {"backup_type": "manual"}});
    let reply = cloud.try_create("redis.single.xu1.large.1", 1.0, policy.clone());
    assert_eq!(reply.body["error_code"], "DCS.4086");
    assert_eq!(code(&mut cloud, policy), Value::Null);
}

#[test]
fn batches_are_numbered() {
    let mut cloud = Cloud::default();
    let reply = cloud.try_create(HA.0, HA.1, json!({"name": "dcs_demo", "instance_num": 2}));
    let created = reply.body["instances"].as_array().unwrap();
    let names: Vec<_> = created.iter().map(|one| one["instance_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dcs_demo-000", "dcs_demo-001"]);
    assert!(created.iter().all(|one| ids::is_uuid(one["instance_id"].as_str().unwrap())));
    assert!(reply.effect.starts_with("created "), "{}", reply.effect);
    for (length, expected) in [(56, Value::Null), (57, json!("DCS.4010"))] {
        let name = "n".repeat(length);
        assert_eq!(code(&mut cloud, json!({"name": name, "instance_num": 2})), expected, "{length}");
    }
}

#[test]
fn names_are_unique_only_if_configured() {
    for (unique_names, expected) in [(false, Value::Null), (true, json!("DCS.4060"))] {
        let mut cloud = Cloud::new(Options { unique_names, ..Options::default() });
        assert_eq!(code(&mut cloud, json!({"name": "same"})), Value::Null);
        assert_eq!(code(&mut cloud, json!({"name": "same"})), expected);
        assert_eq!(code(&mut cloud, json!({"name": "same", "instance_num": 2})), Value::Null);
        assert_eq!(code(&mut cloud, json!({"name": "same-001"})), expected);
    }
}

#[test]
fn no_output_contains_a_password() {
    for site in Site::ALL {
        let mut cloud = Cloud::new(Options { site, ..Options::default() });
        let id = cloud.create(HA.0, HA.1, json!({"password": "Hidden-987"}));
        let shown = cloud.show(&id);
        let stored = serde_json::to_string(&cloud.service).unwrap();
        let everything = format!("{:?} {shown} {stored}", cloud.service);
        assert!(!everything.contains("Hidden-987"), "{site}");
    }
}

#[test]
fn the_same_seed_gives_the_same_ids() {
    let ids = |seed| {
        let mut cloud = Cloud::new(Options { seed, ..Options::default() });
        (cloud.create(HA.0, HA.1, json!({})), cloud.create(HA.0, HA.1, json!({})))
    };
    assert_eq!(ids(5), ids(5));
    assert_ne!(ids(5), ids(6));
}
