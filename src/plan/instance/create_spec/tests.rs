use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::{
    dcs::model::{CacheMode, Capacity, CpuType},
    formats::OwnerHash,
    plan::instance::tests::fixtures::desired,
};

const ID: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";
const OTHER_ID: &str = "00000000-1b2c-4d3e-8f90-0123456789ab";
const UID: &str = "961a292c-7592-4cf3-bb88-a695b53b2dc3";

fn flavor() -> SelectedFlavor {
    SelectedFlavor {
        spec_code: "redis.ha.xu1.large.r2.4".to_owned(),
        cache_mode: CacheMode::Ha,
        cpu_type: Some(CpuType::X86_64),
        capacity: Capacity::from_mib(4096),
        replicas: Some(2),
        shards: None,
        zones: vec!["z-a".to_owned(), "z-b".to_owned()],
    }
}

fn build(more: Value, vpc: Option<&str>, subnet: Option<&str>) -> Result<CreateSpec, Invalid> {
    let defaults = Defaults {
        vpc_id: vpc.map(str::to_owned),
        subnet_id: subnet.map(str::to_owned),
        ..Defaults::default()
    };
    let tags = OwnershipTags::new(UID, &OwnerHash::new("cluster", "shop", "sessions"), Origin::Created);
    CreateSpec::build(&desired(more), &defaults, flavor(), "shop-sessions-7aa4fc4e".to_owned(), &tags)
}

/// The body of the create request.
fn sent(create_spec: &CreateSpec) -> Value {
    serde_json::to_value(create_spec.request(Some("canary-Pass-w0rd".into()))).unwrap()
}

fn owner_tags() -> Vec<Value> {
    vec![
        json!({"key": "dcs-operator-uid", "value": UID}),
        json!({"key": "dcs-operator-owner", "value": "7aa4fc4ed327aea1d22f5c44ebb38d31df829243"}),
        json!({"key": "dcs-operator-origin", "value": "created"}),
    ]
}

#[test]
fn a_minimal_spec_becomes_a_request() {
    let create_spec = build(json!({}), Some(ID), Some(OTHER_ID)).unwrap();
    assert_eq!(create_spec.password, PasswordSource::Generated);
    let expected = json!({
        "name": "shop-sessions-7aa4fc4e", "engine": "Redis", "engine_version": "6.0", "capacity": 4,
        "spec_code": "redis.ha.xu1.large.r2.4", "az_codes": ["z-a", "z-b"], "vpc_id": ID, "subnet_id": OTHER_ID,
        "instance_num": 1, "password": "canary-Pass-w0rd", "tags": owner_tags(),
    });
    assert_eq!(sent(&create_spec), expected);
}

#[test]
fn a_full_spec_becomes_a_request() {
    let create_spec = build(
        json!({
            "description": "sessions", "port": 6380, "tags": {"team": "shop", "empty": ""},
            "network": {"vpcId": OTHER_ID, "subnetId": ID, "privateIp": "192.168.0.10"},
            "auth": {"type": "SecretRef", "secretRef": {"name": "pass"}}, "enterpriseProjectId": "0",
            "maintenanceWindow": {"begin": "23:00", "end": "00:00"},
        }),
        Some(ID),
        None,
    )
    .unwrap();
    let source = PasswordSource::SecretRef { name: "pass".to_owned(), key: "password".to_owned() };
    assert_eq!(create_spec.password, source);
    let declared = [json!({"key": "empty", "value": ""}), json!({"key": "team", "value": "shop"})];
    let tags: Vec<_> = declared.into_iter().chain(owner_tags()).collect();
    let expected = json!({
        "name": "shop-sessions-7aa4fc4e", "engine": "Redis", "engine_version": "6.0", "capacity": 4,
        "spec_code": "redis.ha.xu1.large.r2.4", "az_codes": ["z-a", "z-b"], "vpc_id": OTHER_ID, "subnet_id": ID,
        "instance_num": 1, "password": "canary-Pass-w0rd", "tags": tags, "description": "sessions", "port": 6380,
        "private_ip": "192.168.0.10", "enterprise_project_id": "0", "maintain_begin": "23:00:00",
        "maintain_end": "00:00:00",
    });
    assert_eq!(sent(&create_spec), expected);
}

#[test]
fn an_instance_is_open_only_if_declared() {
    let open = build(json!({"auth": {"type": "None"}}), Some(ID), Some(ID)).unwrap();
    let request = open.request(Some("canary-Pass-w0rd".into()));
    assert!(request.password.is_none());
    assert_eq!(request.no_password_access, Some(true));
    for auth in [Value::Null, json!({"type": "Generated"})] {
        let closed = build(json!({"auth": auth}), Some(ID), Some(ID)).unwrap();
        assert_eq!(closed.request(None).no_password_access, None);
        let password = closed.request(Some("canary-Pass-w0rd".into())).password;
        assert_eq!(password.unwrap().expose_secret(), "canary-Pass-w0rd");
    }
}

#[test]
fn a_missing_parameter_is_a_problem() {
    let invalid = build(json!({}), None, Some(" ")).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "network.vpcId: a new instance needs a VPC: set network.vpcId and network.subnetId in the spec, or vpcId and \
         subnetId in the credentials Secret; network.subnetId: a new instance needs a subnet: set network.vpcId and \
         network.subnetId in the spec, or vpcId and subnetId in the credentials Secret"
    );
    let invalid = build(json!({}), Some("canary"), Some(ID)).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "credentialsRef: vpcId in the credentials Secret: write the ID of a VPC, 36 characters"
    );
    let adopts = json!({"instanceId": ID});
    let invalid = build(json!({"engineVersion": null, "adopt": adopts}), Some(ID), Some(ID)).unwrap_err();
    assert!(invalid.to_string().starts_with("engineVersion: a new instance needs"), "{invalid}");
    let invalid = build(json!({"engineVersion": "3.0", "adopt": adopts}), Some(ID), Some(ID)).unwrap_err();
    assert!(invalid.to_string().starts_with("network.securityGroupId: "), "{invalid}");
}

#[test]
fn resolved_shows_the_parameters() {
    let spec = json!({"maintenanceWindow": {"begin": "18:00", "end": "19:00"}, "auth": {"type": "None"}});
    let resolved = build(spec, Some(ID), Some(OTHER_ID)).unwrap().resolved();
    let expected = json!({
        "name": "shop-sessions-7aa4fc4e", "engineVersion": "6.0", "capacity": "4Gi",
        "specCode": "redis.ha.xu1.large.r2.4", "cacheMode": "ha", "cpuType": "x86_64", "replicas": 2,
        "availabilityZones": ["z-a", "z-b"], "vpcId": ID, "subnetId": OTHER_ID, "origin": "Created",
        "maintenanceWindow": {"begin": "18:00:00", "end": "19:00:00"}, "authType": "None",
    });
    assert_eq!(serde_json::to_value(resolved).unwrap(), expected);
}
