use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::{
    instance::{auth, network, policy, rules},
    rules::{OBJECT_NAME, Rule, UUID},
};
use crate::plan::instance::{
    Problem,
    tests::fixtures::{desired, spec},
};

const ID: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";

#[test]
fn an_undeclared_field_is_absent() {
    let nothing = FlavorSpec::Select { cache_mode: None, cpu_type: None, replicas: None, shards: None };
    let expected = Desired {
        engine_version: None,
        capacity: None,
        flavor: nothing,
        availability_zones: None,
        network: NetworkSpec::default(),
        port: None,
        auth: None,
        name: None,
        description: None,
        window: None,
        tags: None,
        enterprise_project_id: None,
        management: ManagementPolicy::Managed,
        deletion: None,
        on_external_deletion: OnExternalDeletion::Report,
        adopt: Some(ID.to_owned()),
        paused: false,
    };
    let adopts = json!({"engineVersion": null, "capacity": null, "adopt": {"instanceId": ID}});
    assert_eq!(desired(adopts), expected);
}

#[test]
fn a_declared_field_is_present() {
    let desired = desired(json!({
        "cacheMode": "cluster", "cpuType": "aarch64", "replicas": 3, "shards": 5, "name": "shop-1", "description": "",
        "availabilityZones": ["cn-north-4a", "cn-north-4c"], "port": 65535, "tags": {"team": "shop"},
        "network": {"vpcId": ID, "subnetId": ID, "privateIp": "192.168.0.10"},
        "maintenanceWindow": {"begin": "23:00", "end": "00:00"}, "enterpriseProjectId": "0",
        "managementPolicy": "Managed", "deletionPolicy": "Retain", "onExternalDeletion": "Recreate", "paused": true,
    }));
    assert_eq!(desired.capacity, Some(Capacity::from_mib(4096)));
    let flavor = FlavorSpec::Select {
        cache_mode: Some(CacheMode::Cluster),
        cpu_type: Some(CpuType::Aarch64),
        replicas: Some(3),
        shards: Some(5),
    };
    assert_eq!(desired.flavor, flavor);
    assert_eq!(desired.description.as_deref(), Some(""));
    assert_eq!((desired.port, desired.paused), (Some(65535), true));
    assert_eq!(desired.window, Some(Window { begin: 23, end: 0 }));
    assert_eq!(desired.network.private_ip.as_deref(), Some("192.168.0.10"));
    assert_eq!(desired.deletion, Some(DeletionPolicy::Retain));
    assert_eq!(desired.on_external_deletion, OnExternalDeletion::Recreate);
    assert_eq!(desired.tags.unwrap().len(), 1);
}

#[test]
fn flavor_codes_and_auth_types_are_parsed() {
    let by_code = desired(json!({"capacity": null, "specCode": "redis.ha.xu1.large.r2.4"}));
    assert_eq!(by_code.flavor, FlavorSpec::SpecCode("redis.ha.xu1.large.r2.4".to_owned()));
    let secret = |key: &str| AuthSpec::SecretRef { name: "pass".to_owned(), key: key.to_owned() };
    for (auth, expected) in [
        (json!({"type": "Generated"}), AuthSpec::Generated),
        (json!({"type": "None"}), AuthSpec::Open),
        (json!({"type": "SecretRef", "secretRef": {"name": "pass"}}), secret("password")),
        (json!({"type": "SecretRef", "secretRef": {"name": "pass", "key": "redis"}}), secret("redis")),
    ] {
        assert_eq!(desired(json!({"auth": auth})).auth, Some(expected), "{auth}");
    }
}

/// Checks each rule of `rules` with a spec that breaks only this one.
fn assert_each_rule_rejects(field: &str, rules: &[Rule], breaking: &[Value]) {
    assert_eq!(rules.len(), breaking.len(), "{field}");
    for (rule, more) in rules.iter().zip(breaking) {
        let invalid = Desired::parse(&spec(more.clone())).expect_err(rule.holds);
        let at = format!("{field}{}", rule.at).trim_start_matches('.').to_owned();
        assert_eq!(invalid.problems, [Problem::new(at, rule.message)], "{more}");
    }
}

#[test]
fn every_rule_of_the_spec_is_checked() {
    let (adopt, group) = (json!({"instanceId": ID}), json!({"securityGroupId": ID}));
    assert_each_rule_rejects(
        "",
        rules::SPEC,
        &[
            json!({"engineVersion": null}),
            json!({"capacity": null}),
            json!({"specCode": "redis.ha.xu1.large.r2.4", "cpuType": "x86_64"}),
            json!({"cacheMode": "single", "replicas": 2}),
            json!({"replicas": 1}),
            json!({"shards": 3}),
            json!({"engineVersion": "3.0", "cacheMode": "cluster", "network": group}),
            json!({"cacheMode": "single", "availabilityZones": ["a", "b"]}),
            json!({"engineVersion": "3.0", "port": 6379, "network": group}),
            json!({"network": group}),
            json!({"engineVersion": "3.0"}),
            json!({"managementPolicy": "Observe"}),
            json!({"managementPolicy": "Observe", "onExternalDeletion": "Recreate", "adopt": adopt}),
            json!({"engineVersion": null, "onExternalDeletion": "Recreate", "adopt": adopt}),
        ],
    );
}

#[test]
fn every_rule_of_a_field_is_checked() {
    let window = |begin: &str, end: &str| json!({"maintenanceWindow": {"begin": begin, "end": end}});
    let secret = json!({"name": "pass"});
    assert_each_rule_rejects("engineVersion", rules::ENGINE_VERSION, &[json!({"engineVersion": "6"})]);
    assert_each_rule_rejects(
        "capacity",
        rules::CAPACITY,
        &[json!({"capacity": "much"}), json!({"capacity": "4G"})],
    );
    assert_each_rule_rejects("name", rules::CLOUD_NAME, &[json!({"name": "9abc"})]);
    assert_each_rule_rejects("specCode", rules::SPEC_CODE, &[json!({"specCode": "Redis"})]);
    assert_each_rule_rejects(
        "enterpriseProjectId",
        rules::ENTERPRISE_PROJECT,
        &[json!({"enterpriseProjectId": "1"})],
    );
    assert_each_rule_rejects("network", network::RULES, &[json!({"network": {"vpcId": ID}})]);
    assert_each_rule_rejects(
        "network.privateIp",
        network::ADDRESS,
        &[json!({"network": {"privateIp": "::1"}})],
    );
    assert_each_rule_rejects("adopt.instanceId", UUID, &[json!({"adopt": {"instanceId": "mine"}})]);
    assert_each_rule_rejects(
        "credentialsRef.name",
        OBJECT_NAME,
        &[json!({"credentialsRef": {"name": "../x"}})],
    );
    assert_each_rule_rejects(
        "tags",
        rules::TAGS,
        &[
            json!({"tags": {"": ""}}),
            json!({"tags": {" a": ""}}),
            json!({"tags": {"a": "*"}}),
            json!({"tags": {"dcs-operator-uid": "x"}}),
        ],
    );
    assert_each_rule_rejects(
        "maintenanceWindow",
        policy::WINDOW,
        &[window("18", "19:00"), window("18:00", "24:00"), window("18:00", "18:00")],
    );
    assert_each_rule_rejects(
        "auth",
        auth::RULES,
        &[json!({"auth": {"type": "SecretRef"}}), json!({"auth": {"type": "None", "secretRef": secret}})],
    );
}

#[test]
fn the_limits_of_the_schema_are_checked() {
    let many: BTreeMap<_, _> = (0..17).map(|n| (format!("k{n}"), "")).collect();
    for (more, expected) in [
        (json!({"description": "é".repeat(1025)}), "description: write 1024"),
        (json!({"replicas": 11}), "replicas: write a number from 1 to 10"),
        (json!({"cacheMode": "proxy", "shards": 257}), "shards: write a number from 1 to 256"),
        (json!({"port": 0}), "port: write a number from 1 to 65535"),
        (json!({"port": 65536}), "port: write a number from 1 to 65535"),
        (json!({"availabilityZones": []}), "availabilityZones: write codes"),
        (json!({"availabilityZones": ["a/b"]}), "availabilityZones: write codes"),
        (json!({"availabilityZones": ["a", "a"]}), "availabilityZones: a zone occurs twice"),
        (json!({"tags": many}), "tags: write 16 tags or fewer"),
        (json!({"tags": {"a": "x".repeat(44)}}), "tags: a tag value is too long"),
        (
            json!({"auth": {"type": "SecretRef", "secretRef": {"name": "a", "key": "b/c"}}}),
            "auth.secretRef.key: write",
        ),
        (json!({"auth": {"type": "SecretRef", "secretRef": {"name": ""}}}), "auth.secretRef.name: write"),
    ] {
        let invalid = Desired::parse(&spec(more.clone())).unwrap_err();
        assert_eq!(invalid.problems.len(), 1, "{more}: {invalid}");
        assert!(invalid.to_string().starts_with(expected), "{more}: {invalid}");
    }
}

#[test]
fn all_problems_are_reported_together() {
    let invalid = Desired::parse(&spec(json!({"capacity": "4GB", "port": -1}))).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "capacity: write an amount of memory, such as 512Mi or 4Gi; port: write a number from 1 to 65535"
    );
}

fn any_spec() -> impl Strategy<Value = DcsInstanceSpec> {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    let text = |good: &'static str| proptest::option::of(prop_oneof![Just(good.to_owned()), ".{0,40}"]);
    let number = || proptest::option::of(prop_oneof![0_i32..12, any::<i32>()]);
    let list = proptest::option::of(proptest::collection::vec("[a-c]|.*", 0..10));
    let tags = proptest::option::of(proptest::collection::btree_map("[a-z]{1,3}|.*", "[a-z]*|.*", 0..20));
    let texts = (text("6.0"), text("4Gi"), text("shop"), text("redis.ha"), text(ID), text("18:00"));
    (texts, (number(), number(), number()), list, tags, any::<bool>()).prop_map(
        |(texts, numbers, zones, tags, flag)| {
            let (version, capacity, name, code, id, hour) = texts;
            let end = if flag { "19:00" } else { "" };
            DcsInstanceSpec {
                engine_version: version,
                capacity: capacity.map(Quantity),
                name,
                spec_code: code.filter(|_| flag),
                network: Some(instance::Network {
                    vpc_id: id.clone(),
                    subnet_id: id.clone(),
                    ..Default::default()
                }),
                adopt: id.map(|instance_id| instance::Adopt { instance_id }),
                maintenance_window: hour
                    .map(|begin| instance::MaintenanceWindow { begin, end: end.to_owned() }),
                replicas: numbers.0,
                shards: numbers.1,
                port: numbers.2,
                availability_zones: zones,
                tags,
                paused: Some(flag),
                ..DcsInstanceSpec::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn parsing_keeps_every_declared_field(spec in any_spec()) {
        match Desired::parse(&spec) {
            Err(invalid) => {
                prop_assert!(!invalid.problems.is_empty());
                prop_assert!(invalid.problems.iter().all(|p| !p.field.is_empty() && !p.message.is_empty()));
            }
            Ok(desired) => {
                prop_assert_eq!(desired.capacity.is_some(), spec.capacity.is_some());
                prop_assert_eq!(desired.port.map(i32::from), spec.port);
                prop_assert_eq!(desired.window.is_some(), spec.maintenance_window.is_some());
                prop_assert_eq!(desired.tags, spec.tags);
                prop_assert_eq!(desired.availability_zones, spec.availability_zones);
            }
        }
    }
}
