//! The validation rules on a real API server. Each rule is violated at least once.

use std::collections::BTreeSet;

use dcs_operator::api::{
    DcsInstance,
    instance::{auth, network, policy, rules as instance},
    rules::{self, Rule},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::crds::installed;

const ID: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";
const OTHER_ID: &str = "00000000-1b2c-4d3e-8f90-0123456789ab";

/// Every rule.
const RULES: &[&[Rule]] = &[
    rules::UUID,
    rules::OBJECT_NAME,
    instance::ENGINE_VERSION,
    instance::CAPACITY,
    instance::CLOUD_NAME,
    instance::SPEC_CODE,
    instance::ENTERPRISE_PROJECT,
    instance::TAGS,
    instance::SPEC,
    instance::OBJECT,
    auth::RULES,
    network::RULES,
    network::ADDRESS,
    policy::WINDOW,
];

/// The field of a violation, and a part of its message.
type Violation = (&'static str, &'static str);

async fn api() -> Api<DynamicObject> {
    let client = installed().await.client().await;
    Api::namespaced_with(client, "default", &ApiResource::erase::<DcsInstance>(&()))
}

fn object(name: &str, spec: &Value) -> DynamicObject {
    let data = json!({"spec": spec});
    DynamicObject { data, ..DynamicObject::new(name, &ApiResource::erase::<DcsInstance>(&())) }
}

/// The field and message of each violation that the API server reports.
pub(crate) fn violations<T>(result: Result<T, kube::Error>) -> Vec<(String, String)> {
    match result {
        Ok(_) => Vec::new(),
        Err(kube::Error::Api(status)) => {
            let causes = status.details.clone().map(|details| details.causes).unwrap_or_default();
            assert!(!causes.is_empty(), "{status:?}");
            causes.into_iter().map(|cause| (cause.field, cause.message)).collect()
        }
        Err(error) => panic!("{error}"),
    }
}

/// A valid spec with some fields changed; `null` removes a field.
fn with(changes: Value) -> Value {
    let mut spec = json!({"engineVersion": "6.0", "capacity": "4Gi"});
    merge(&mut spec, changes);
    spec
}

/// Applies a JSON merge patch.
fn merge(target: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *target = changes;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, change) in changes {
        if change.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), change);
        }
    }
}

fn tags(count: usize) -> Value {
    (0..count).map(|n| (format!("key-{n}"), Value::from("value"))).collect::<serde_json::Map<_, _>>().into()
}

fn valid() -> Vec<Value> {
    let mut valid = vec![
        with(json!({})),
        // Only the instance to adopt.
        json!({"adopt": {"instanceId": ID}}),
        json!({"adopt": {"instanceId": ID}, "managementPolicy": "Observe", "deletionPolicy": "Retain"}),
        json!({"adopt": {"instanceId": ID}, "shards": 3, "replicas": 1, "port": 7000}),
        json!({"adopt": {"instanceId": ID}, "engineVersion": "3.0"}),
        with(json!({"capacity": null, "specCode": "redis.ha.xu1.large.r2.4"})),
        with(json!({"specCode": "redis.ha.xu1.large.r2.4"})),
        with(json!({"cacheMode": "single", "replicas": 1, "availabilityZones": ["cn-north-4a"]})),
        with(
            json!({"replicas": 3, "availabilityZones": ["cn-north-4a", "cn-north-4c"], "cpuType": "aarch64"}),
        ),
        with(json!({"cacheMode": "proxy", "shards": 3})),
        with(json!({"cacheMode": "cluster", "shards": 3, "replicas": 1})),
        with(json!({"engineVersion": "3.0", "network": {"securityGroupId": ID}, "cacheMode": "proxy"})),
        with(json!({"network": {"vpcId": ID, "subnetId": ID, "privateIp": "192.168.0.10"}, "port": 65535})),
        with(json!({"network": {"privateIp": "192.168.0.10"}})),
        with(json!({"auth": {"type": "None"}})),
        with(json!({"auth": {"type": "SecretRef", "secretRef": {"name": "sessions.auth"}}})),
        with(json!({"maintenanceWindow": {"begin": "22:00", "end": "02:00"}})),
        with(json!({"tags": tags(16)})),
        with(json!({"tags": {"größe L": "a/b c:d", "k".repeat(36): "v".repeat(43), "empty": ""}})),
        with(json!({"enterpriseProjectId": "0", "description": "", "paused": false})),
        with(json!({"onExternalDeletion": "Recreate"})),
        with(json!({"adopt": {"instanceId": ID}, "onExternalDeletion": "Recreate"})),
    ];
    let capacities =
        ["128Mi", "0.125Gi", "256Mi", "512Mi", "1Gi", "1024Mi", "64Gi", "1024Gi", "1Ti", "4294967296"];
    valid.extend(capacities.map(|capacity| with(json!({"capacity": capacity}))));
    valid.extend(["abcd", "Shop_1-x"].map(|name| with(json!({"name": name}))));
    valid.push(with(json!({"name": "n".repeat(64)})));
    valid.extend(["4.0", "7.0", "10.2"].map(|version| with(json!({"engineVersion": version}))));
    valid
}

fn invalid() -> Vec<(Value, Violation)> {
    let adopt = json!({"instanceId": ID});
    let mut invalid = vec![
        (json!({"capacity": "4Gi"}), ("spec.engineVersion", "a new instance needs engineVersion: write one")),
        (
            json!({"engineVersion": "6.0"}),
            ("spec.capacity", "a new instance needs capacity: write one, such as 4Gi"),
        ),
        (
            with(json!({"specCode": "redis.ha.x", "replicas": 2})),
            ("spec.specCode", "remove those, or remove specCode"),
        ),
        (
            with(json!({"specCode": "redis.ha.x", "cacheMode": "ha"})),
            ("spec.specCode", "already sets cacheMode"),
        ),
        (with(json!({"specCode": "redis.ha.x", "cpuType": "x86_64"})), ("spec.specCode", "already sets")),
        (
            with(json!({"specCode": "large one"})),
            ("spec.specCode", "`dcs-operator cloud flavors` lists them"),
        ),
        (
            with(json!({"cacheMode": "single", "replicas": 2})),
            ("spec.replicas", "remove replicas, or choose"),
        ),
        (with(json!({"replicas": 1})), ("spec.replicas", "write 2 or more, or choose cacheMode single")),
        (with(json!({"cacheMode": "ha_rw_split", "replicas": 1})), ("spec.replicas", "write 2 or more")),
        (
            with(json!({"replicas": 0, "cacheMode": "cluster"})),
            ("spec.replicas", "greater than or equal to 1"),
        ),
        (with(json!({"shards": 3})), ("spec.shards", "only cacheMode proxy and cluster have shards")),
        (with(json!({"shards": 3, "cacheMode": "ha"})), ("spec.shards", "or remove shards")),
        (with(json!({"cacheMode": "HA"})), ("spec.cacheMode", "supported values: \"single\", \"ha\"")),
        (
            with(json!({"engineVersion": "3.0", "network": {"securityGroupId": ID}, "cacheMode": "cluster"})),
            ("spec.cacheMode", "Redis 3.0 is offered as single, ha and proxy"),
        ),
        (
            with(json!({"cacheMode": "single", "availabilityZones": ["a", "b"]})),
            ("spec.availabilityZones", "write one zone, or choose cacheMode ha"),
        ),
        (with(json!({"availabilityZones": ["a", "a"]})), ("spec.availabilityZones[1]", "Duplicate value")),
        (with(json!({"availabilityZones": []})), ("spec.availabilityZones", "at least 1 items")),
        (
            with(json!({"engineVersion": "3.0", "network": {"securityGroupId": ID}, "port": 6379})),
            ("spec.port", "remove port, or choose engineVersion"),
        ),
        (with(json!({"port": 65536})), ("spec.port", "less than or equal to 65535")),
        (
            with(json!({"network": {"securityGroupId": ID}})),
            ("spec.network.securityGroupId", "remove network.securityGroupId"),
        ),
        (with(json!({"engineVersion": "3.0"})), ("spec.network", "set network.securityGroupId")),
        (with(json!({"network": {"vpcId": ID}})), ("spec.network", "set vpcId and subnetId together")),
        (with(json!({"network": {"subnetId": ID}})), ("spec.network", "set vpcId and subnetId together")),
        (
            with(json!({"network": {"privateIp": "192.168.0"}})),
            ("spec.network.privateIp", "a free IPv4 address"),
        ),
        (
            with(json!({"network": {"privateIp": "fd00::1"}})),
            ("spec.network.privateIp", "a free IPv4 address"),
        ),
        (
            with(json!({"network": {"vpcId": "my-vpc", "subnetId": ID}})),
            ("spec.network.vpcId", "write the ID, not the name"),
        ),
        (
            json!({"adopt": {"instanceId": "sessions"}}),
            ("spec.adopt.instanceId", "write the ID, not the name"),
        ),
        (json!({"adopt": {}}), ("spec.adopt.instanceId", "Required value")),
        (with(json!({"managementPolicy": "Observe"})), ("spec.managementPolicy", "set adopt.instanceId")),
        (
            with(json!({"managementPolicy": "Observe", "adopt": adopt, "onExternalDeletion": "Recreate"})),
            ("spec.onExternalDeletion", "write Report, or choose managementPolicy Managed"),
        ),
        (
            json!({"adopt": adopt, "onExternalDeletion": "Recreate", "engineVersion": "6.0"}),
            ("spec.onExternalDeletion", "set engineVersion, and capacity or specCode"),
        ),
        (with(json!({"auth": {"type": "SecretRef"}})), ("spec.auth", "set secretRef.name to the Secret")),
        (
            with(json!({"auth": {"type": "Generated", "secretRef": {"name": "a"}}})),
            ("spec.auth.secretRef", "set type to SecretRef, or remove secretRef"),
        ),
        (
            with(json!({"auth": {"type": "None", "secretRef": {"name": "a"}}})),
            ("spec.auth.secretRef", "set type to SecretRef, or remove secretRef"),
        ),
        (with(json!({"auth": {"secretRef": {"name": "a"}}})), ("spec.auth.type", "Required value")),
        (
            with(json!({"auth": {"type": "SecretRef", "secretRef": {"name": "invalid-auth"}}})),
            ("spec.auth.secretRef", "the operator writes this Secret itself"),
        ),
        (
            with(json!({"credentialsRef": {"name": "Not A Name"}})),
            ("spec.credentialsRef.name", "in the same namespace"),
        ),
        (
            with(json!({"maintenanceWindow": {"begin": "18:00"}})),
            ("spec.maintenanceWindow.end", "Required value"),
        ),
        (
            with(json!({"maintenanceWindow": {"end": "18:00"}})),
            ("spec.maintenanceWindow.begin", "Required value"),
        ),
        (
            with(json!({"maintenanceWindow": {"begin": "18:30", "end": "20:00"}})),
            ("spec.maintenanceWindow.begin", "a whole hour in UTC, in quotes, such as \"18:00\""),
        ),
        (
            with(json!({"maintenanceWindow": {"begin": "18:00", "end": "24:00"}})),
            ("spec.maintenanceWindow.end", "a whole hour in UTC, in quotes, such as \"19:00\""),
        ),
        (
            with(json!({"maintenanceWindow": {"begin": "18:00", "end": "18:00"}})),
            ("spec.maintenanceWindow.end", "write the hour after begin"),
        ),
        (with(json!({"tags": tags(17)})), ("spec.tags", "must have at most 16 items")),
        (with(json!({"tags": {"": "v"}})), ("spec.tags", "a tag's key has 1 to 36 characters")),
        (with(json!({"tags": {"k".repeat(37): "v"}})), ("spec.tags", "a tag's key has 1 to 36 characters")),
        (with(json!({"tags": {"100%": "v"}})), ("spec.tags", "a tag's key is made of letters, digits")),
        (with(json!({"tags": {" k": "v"}})), ("spec.tags", "no space at its ends")),
        (with(json!({"tags": {"k": "100%"}})), ("spec.tags", "a tag's value is made of letters, digits")),
        (with(json!({"tags": {"k": "v".repeat(44)}})), ("spec.tags.k", "Too long")),
        (
            with(json!({"tags": {"dcs-operator-uid": "v"}})),
            ("spec.tags", "belong to the operator and to the cloud"),
        ),
        (
            with(json!({"tags": {"_sys_owner": "v"}})),
            ("spec.tags", "belong to the operator and to the cloud"),
        ),
        (
            with(json!({"enterpriseProjectId": "main"})),
            ("spec.enterpriseProjectId", "or \"0\" for the default one"),
        ),
        (
            with(json!({"deletionPolicy": "Orphan"})),
            ("spec.deletionPolicy", "supported values: \"Delete\", \"Retain\""),
        ),
        (
            with(json!({"onExternalDeletion": null, "paused": "yes"})),
            ("spec.paused", "must be of type boolean"),
        ),
        (with(json!({"description": "d".repeat(1025)})), ("spec.description", "Too long")),
    ];
    invalid.extend(["4", "six", "6.0.1"].map(|version| {
        (with(json!({"engineVersion": version})), ("spec.engineVersion", "with one dot and in quotes"))
    }));
    invalid.extend(["abc", "1abc", "_abc", "ab cd", "größe"].map(|name| {
        (with(json!({"name": name})), ("spec.name", "write 4 to 64 letters, digits, '-' and '_'"))
    }));
    invalid.extend(["4G", "0", "-1Gi", "64Mi", "127Mi", "768Mi", "1.5Gi", "1025Gi", "1m"].map(|capacity| {
        (with(json!({"capacity": capacity})), ("spec.capacity", "write 128Mi, 256Mi, 512Mi, or whole Gi"))
    }));
    invalid.push((
        with(json!({"capacity": "4 GB"})),
        ("spec.capacity", "an amount of memory, such as 512Mi or 4Gi"),
    ));
    invalid.push((with(json!({"capacity": 4})), ("spec.capacity", "must be of type string")));
    invalid
}

/// A change of an object, and the expected violation.
struct Transition {
    name: &'static str,
    before: Value,
    status: Value,
    /// A JSON merge patch of the spec.
    change: Value,
    violation: Option<Violation>,
}

fn transitions() -> Vec<Transition> {
    let network = json!({"vpcId": ID, "subnetId": ID, "privateIp": "192.168.0.10"});
    let before = with(json!({"network": network, "enterpriseProjectId": "0"}));
    let resolved = json!({
        "engineVersion": "6.0", "vpcId": ID, "subnetId": ID, "privateIp": "192.168.0.10", "enterpriseProjectId": "0",
    });
    let existing = json!({"id": ID, "resolved": resolved});
    let case = |name, change, violation| Transition {
        name,
        before: before.clone(),
        status: existing.clone(),
        change,
        violation,
    };
    let version = Some(("spec.engineVersion", "cannot change: write the one in status.resolved"));
    let vpc = Some(("spec.network.vpcId", "stays in its VPC: write the one in status.resolved"));
    let subnet = Some(("spec.network.subnetId", "stays in its subnet: write the one in status.resolved"));
    let address = Some(("spec.network.privateIp", "keeps its address: write the one in status.resolved"));
    let project = Some(("spec.enterpriseProjectId", "stays in its enterprise project"));
    let adopt = Some(("spec.adopt", "can only name the one in status.id"));
    let mut all = vec![
        case("version", json!({"engineVersion": "7.0"}), version),
        case("vpc", json!({"network": {"vpcId": OTHER_ID}}), vpc),
        case("subnet", json!({"network": {"subnetId": OTHER_ID}}), subnet),
        case("address", json!({"network": {"privateIp": "192.168.0.11"}}), address),
        case("project", json!({"enterpriseProjectId": OTHER_ID}), project),
        // A field cannot be removed: otherwise a second change could set another value.
        case("version-unset", json!({"engineVersion": null, "adopt": {"instanceId": ID}}), version),
        case("address-unset", json!({"network": {"privateIp": null}}), address),
        case("project-unset", json!({"enterpriseProjectId": null}), project),
        case("adopt-another", json!({"adopt": {"instanceId": OTHER_ID}}), adopt),
        case("adopt-its-own", json!({"adopt": {"instanceId": ID}}), None),
        // The same capacity in another unit, and every mutable field.
        case("capacity-same", json!({"capacity": "4096Mi"}), None),
        case("capacity", json!({"capacity": "8Gi", "replicas": 3, "name": "other", "port": 7000}), None),
        case("policies", json!({"deletionPolicy": "Retain", "paused": true, "tags": {"a": "b"}}), None),
        case("auth", json!({"auth": {"type": "None"}}), None),
    ];
    // Removing the network violates three rules; the first one suffices.
    all.push(case("network-unset", json!({"network": null}), vpc));
    // A field that is set later must have the value of the instance.
    let late =
        |name, change, violation| Transition { before: with(json!({})), ..case(name, change, violation) };
    all.extend([
        late("late-vpc", json!({"network": {"vpcId": OTHER_ID, "subnetId": ID}}), vpc),
        late("late-address", json!({"network": {"privateIp": "192.168.0.11"}}), address),
        late("late-project", json!({"enterpriseProjectId": OTHER_ID}), project),
        late("late-and-right", json!({"network": network, "enterpriseProjectId": "0"}), None),
    ]);
    // A wrong field of an adopted instance can be corrected.
    let adopted = json!({"adopt": {"instanceId": ID}});
    let mut wrong = adopted.clone();
    wrong["engineVersion"] = "5.0".into();
    all.push(Transition { before: wrong, ..case("corrected", json!({"engineVersion": "6.0"}), None) });
    let undeclared =
        |name, change, violation| Transition { before: adopted.clone(), ..case(name, change, violation) };
    all.extend([
        undeclared("adopted-version", json!({"engineVersion": "7.0"}), version),
        undeclared("adopted-right", json!({"engineVersion": "6.0", "capacity": "4Gi"}), None),
        undeclared("adopted-elsewhere", json!({"adopt": {"instanceId": OTHER_ID}}), adopt),
        undeclared(
            "adopted-then-unset",
            json!({"engineVersion": "6.0", "capacity": "4Gi", "adopt": null}),
            None,
        ),
    ]);
    // Before the instance exists, every field can change.
    let not_created = |name, change| Transition {
        status: json!({"resolved": {"engineVersion": "6.0"}}),
        ..case(name, change, None)
    };
    all.extend([
        not_created(
            "not-created",
            json!({"engineVersion": "5.0", "network": {"vpcId": OTHER_ID, "privateIp": null}}),
        ),
        not_created("not-created-adopts", json!({"adopt": {"instanceId": OTHER_ID}})),
        not_created("not-created-network", json!({"network": null, "enterpriseProjectId": null})),
    ]);
    // The rules for new objects apply to changed ones too.
    all.push(case(
        "unadopt",
        json!({"capacity": null}),
        Some(("spec.capacity", "a new instance needs capacity")),
    ));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_objects_are_accepted_and_each_violation_has_its_message() {
    let api = api().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut failures = Vec::new();
    let mut reported = BTreeSet::new();
    for spec in valid() {
        let found = violations(api.create(&dry_run, &object("valid", &spec)).await);
        if !found.is_empty() {
            failures.push(format!("{spec} is valid, got {found:?}"));
        }
    }
    let long = object(&"n".repeat(64), &with(json!({})));
    let invalid = invalid().into_iter().map(|(spec, violation)| (object("invalid", &spec), violation));
    for (object, (field, message)) in invalid.chain([(long, ("<nil>", "write 63 characters or fewer"))]) {
        let found = violations(api.create(&dry_run, &object).await);
        // The API server adds this message when a value of the wrong type prevents a rule from running.
        let relevant: Vec<_> = found
            .iter()
            .filter(|(_, text)| !text.contains("some validation rules were not checked"))
            .collect();
        if !matches!(relevant[..], [(at, text)] if at == field && text.contains(message)) {
            failures.push(format!("{} is invalid: expected {field}: {message}, got {found:?}", object.data));
        }
        reported.extend(found.into_iter().map(|(_, text)| text));
    }
    for (n, transition) in transitions().into_iter().enumerate() {
        let Transition { name, before, status, change, violation } = transition;
        let id = format!("change-{n}");
        api.create(&PostParams::default(), &object(&id, &before)).await.unwrap();
        let merge = |part: &str, value: Value| Patch::Merge(json!({part: value}));
        api.patch_status(&id, &PatchParams::default(), &merge("status", status)).await.unwrap();
        let found = violations(api.patch(&id, &PatchParams::default(), &merge("spec", change)).await);
        let as_expected = match violation {
            None => found.is_empty(),
            Some((field, message)) => {
                found.first().is_some_and(|(at, text)| at == field && text.contains(message))
            }
        };
        if !as_expected {
            failures.push(format!("{name}: expected {violation:?}, got {found:?}"));
        }
        reported.extend(found.into_iter().map(|(_, text)| text));
    }
    for rule in RULES.iter().copied().flatten() {
        if !reported.iter().any(|text| text.contains(rule.message)) {
            failures.push(format!("no object violates the rule: {}", rule.message));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
