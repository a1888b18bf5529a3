//! What the API server accepts and refuses, and what a refusal tells the user: each rule is broken once.

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

/// Every rule that an object has to keep.
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

/// Where, and (part of) what is said there.
type Complaint = (&'static str, &'static str);

async fn api() -> Api<DynamicObject> {
    let client = installed().await.client().await;
    Api::namespaced_with(client, "default", &ApiResource::erase::<DcsInstance>(&()))
}

fn object(name: &str, spec: &Value) -> DynamicObject {
    let data = json!({"spec": spec});
    DynamicObject { data, ..DynamicObject::new(name, &ApiResource::erase::<DcsInstance>(&())) }
}

/// What the API server complains about: where, and what it says.
fn complaints<T>(result: Result<T, kube::Error>) -> Vec<(String, String)> {
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

/// An object that is fine, with some fields changed; `null` removes one.
fn with(changes: Value) -> Value {
    let mut spec = json!({"engineVersion": "6.0", "capacity": "4Gi"});
    merge(&mut spec, changes);
    spec
}

/// JSON merge patch.
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

fn good() -> Vec<Value> {
    let mut good = vec![
        with(json!({})),
        // Nothing but what to take over.
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
    good.extend(capacities.map(|capacity| with(json!({"capacity": capacity}))));
    good.extend(["abcd", "Shop_1-x"].map(|name| with(json!({"name": name}))));
    good.push(with(json!({"name": "n".repeat(64)})));
    good.extend(["4.0", "7.0", "10.2"].map(|version| with(json!({"engineVersion": version}))));
    good
}

fn bad() -> Vec<(Value, Complaint)> {
    let adopt = json!({"instanceId": ID});
    let mut bad = vec![
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
            ("spec.specCode", "already says cacheMode"),
        ),
        (with(json!({"specCode": "redis.ha.x", "cpuType": "x86_64"})), ("spec.specCode", "already says")),
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
    bad.extend(["4", "six", "6.0.1"].map(|version| {
        (with(json!({"engineVersion": version})), ("spec.engineVersion", "with one dot and in quotes"))
    }));
    bad.extend(["abc", "1abc", "_abc", "ab cd", "größe"].map(|name| {
        (with(json!({"name": name})), ("spec.name", "write 4 to 64 letters, digits, '-' and '_'"))
    }));
    bad.extend(["4G", "0", "-1Gi", "64Mi", "127Mi", "768Mi", "1.5Gi", "1025Gi", "1m"].map(|capacity| {
        (with(json!({"capacity": capacity})), ("spec.capacity", "write 128Mi, 256Mi, 512Mi, or whole Gi"))
    }));
    bad.push((
        with(json!({"capacity": "4 GB"})),
        ("spec.capacity", "an amount of memory, such as 512Mi or 4Gi"),
    ));
    bad.push((with(json!({"capacity": 4})), ("spec.capacity", "must be of type string")));
    bad
}

/// One change of an object, and what is said to it.
struct Transition {
    name: &'static str,
    before: Value,
    status: Value,
    /// A JSON merge patch of the spec.
    change: Value,
    complaint: Option<Complaint>,
}

fn transitions() -> Vec<Transition> {
    let network = json!({"vpcId": ID, "subnetId": ID, "privateIp": "192.168.0.10"});
    let before = with(json!({"network": network, "enterpriseProjectId": "0"}));
    let resolved = json!({
        "engineVersion": "6.0", "vpcId": ID, "subnetId": ID, "privateIp": "192.168.0.10", "enterpriseProjectId": "0",
    });
    let there = json!({"id": ID, "resolved": resolved});
    let case = |name, change, complaint| Transition {
        name,
        before: before.clone(),
        status: there.clone(),
        change,
        complaint,
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
        // To set a field again to something else, it has to be removed first: that is where it ends.
        case("version-unset", json!({"engineVersion": null, "adopt": {"instanceId": ID}}), version),
        case("address-unset", json!({"network": {"privateIp": null}}), address),
        case("project-unset", json!({"enterpriseProjectId": null}), project),
        case("adopt-another", json!({"adopt": {"instanceId": OTHER_ID}}), adopt),
        case("adopt-its-own", json!({"adopt": {"instanceId": ID}}), None),
        // The same amount, written otherwise; and everything that can be changed.
        case("capacity-same", json!({"capacity": "4096Mi"}), None),
        case("capacity", json!({"capacity": "8Gi", "replicas": 3, "name": "other", "port": 7000}), None),
        case("policies", json!({"deletionPolicy": "Retain", "paused": true, "tags": {"a": "b"}}), None),
        case("auth", json!({"auth": {"type": "None"}}), None),
    ];
    // A network that goes away as a whole takes all three with it; the first complaint is enough.
    all.push(case("network-unset", json!({"network": null}), vpc));
    // Set later: only to what the instance has.
    let late =
        |name, change, complaint| Transition { before: with(json!({})), ..case(name, change, complaint) };
    all.extend([
        late("late-vpc", json!({"network": {"vpcId": OTHER_ID, "subnetId": ID}}), vpc),
        late("late-address", json!({"network": {"privateIp": "192.168.0.11"}}), address),
        late("late-project", json!({"enterpriseProjectId": OTHER_ID}), project),
        late("late-and-right", json!({"network": network, "enterpriseProjectId": "0"}), None),
    ]);
    // An adopted instance about which something wrong was declared: it can be put right.
    let adopted = json!({"adopt": {"instanceId": ID}});
    let mut wrong = adopted.clone();
    wrong["engineVersion"] = "5.0".into();
    all.push(Transition { before: wrong, ..case("mended", json!({"engineVersion": "6.0"}), None) });
    let undeclared =
        |name, change, complaint| Transition { before: adopted.clone(), ..case(name, change, complaint) };
    all.extend([
        undeclared("adopted-version", json!({"engineVersion": "7.0"}), version),
        undeclared("adopted-right", json!({"engineVersion": "6.0", "capacity": "4Gi"}), None),
        undeclared("adopted-elsewhere", json!({"adopt": {"instanceId": OTHER_ID}}), adopt),
        undeclared(
            "adopted-for-good",
            json!({"engineVersion": "6.0", "capacity": "4Gi", "adopt": null}),
            None,
        ),
    ]);
    // Before there is an instance, everything can be mended.
    let unborn = |name, change| Transition {
        status: json!({"resolved": {"engineVersion": "6.0"}}),
        ..case(name, change, None)
    };
    all.extend([
        unborn("unborn", json!({"engineVersion": "5.0", "network": {"vpcId": OTHER_ID, "privateIp": null}})),
        unborn("unborn-adopts", json!({"adopt": {"instanceId": OTHER_ID}})),
        unborn("unborn-network", json!({"network": null, "enterpriseProjectId": null})),
    ]);
    // What the rules for new objects say holds for changed ones too.
    all.push(case(
        "unadopt",
        json!({"capacity": null}),
        Some(("spec.capacity", "a new instance needs capacity")),
    ));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn good_objects_are_taken_and_bad_ones_are_told_what_to_write() {
    let api = api().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut failures = Vec::new();
    let mut heard = BTreeSet::new();
    for spec in good() {
        let found = complaints(api.create(&dry_run, &object("good", &spec)).await);
        if !found.is_empty() {
            failures.push(format!("{spec} is good: {found:?}"));
        }
    }
    let long = object(&"n".repeat(64), &with(json!({})));
    let bad = bad().into_iter().map(|(spec, complaint)| (object("bad", &spec), complaint));
    for (object, (cluster, message)) in bad.chain([(long, ("<nil>", "write 63 characters or fewer"))]) {
        let found = complaints(api.create(&dry_run, &object).await);
        // Rules are not tried on what does not have the right type; the API server says so in a second complaint.
        let said: Vec<_> = found
            .iter()
            .filter(|(_, said)| !said.contains("some validation rules were not checked"))
            .collect();
        if !matches!(said[..], [(at, text)] if at == cluster && text.contains(message)) {
            failures.push(format!("{} is bad: {cluster}: {message}, but was told {found:?}", object.data));
        }
        heard.extend(found.into_iter().map(|(_, said)| said));
    }
    for (n, transition) in transitions().into_iter().enumerate() {
        let Transition { name, before, status, change, complaint } = transition;
        let id = format!("change-{n}");
        api.create(&PostParams::default(), &object(&id, &before)).await.unwrap();
        let merge = |part: &str, value: Value| Patch::Merge(json!({part: value}));
        api.patch_status(&id, &PatchParams::default(), &merge("status", status)).await.unwrap();
        let found = complaints(api.patch(&id, &PatchParams::default(), &merge("spec", change)).await);
        let as_expected = match complaint {
            None => found.is_empty(),
            Some((cluster, message)) => {
                found.first().is_some_and(|(at, said)| at == cluster && said.contains(message))
            }
        };
        if !as_expected {
            failures.push(format!("{name}: expected {complaint:?}, was told {found:?}"));
        }
        heard.extend(found.into_iter().map(|(_, said)| said));
    }
    for rule in RULES.iter().copied().flatten() {
        if !heard.iter().any(|said| said.contains(rule.message)) {
            failures.push(format!("no object breaks the rule: {}", rule.message));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
