//! The CustomResourceDefinitions on a real API server: it accepts them without warnings, and kubectl shows the columns.

use std::{collections::BTreeMap, path::Path, process::Command};

use dcs_operator::{
    api::{DcsInstance, DcsInstanceSpec, DcsInstanceStatus},
    cli::crds::manifests,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{
    control_plane::ControlPlane,
    eventually::{DEADLINE, eventually},
};

/// The control plane that these modules share. It is never dropped and ends with this process.
static INSTALLED: OnceCell<ControlPlane> = OnceCell::const_new();

/// A control plane with the CRDs established.
pub(crate) async fn installed() -> &'static ControlPlane {
    let install = async || {
        let control_plane = ControlPlane::start().await;
        let yaml = printed();
        let output = control_plane.kubectl_reading(&["create", "--warnings-as-errors", "-f", "-"], &yaml);
        assert!(output.status.success(), "the API server accepts the CRDs without a warning: {output:?}");
        let crds: Api<CustomResourceDefinition> = Api::all(control_plane.client().await);
        for name in dcs_operator::api::crds().iter().map(ResourceExt::name_any) {
            let established = await_condition(crds.clone(), &name, is_crd_established());
            tokio::time::timeout(DEADLINE, established).await.expect("established in time").unwrap();
        }
        control_plane
    };
    INSTALLED.get_or_init(install).await
}

/// The output of `dcs-operator crds`.
fn printed() -> String {
    manifests().unwrap().iter().map(|manifest| format!("---\n{}", manifest.content)).collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until the output of kubectl contains the expected parts: discovery and OpenAPI lag behind the CRD.
pub(crate) async fn eventually_prints(
    control_plane: &ControlPlane,
    arguments: &[&str],
    expected: &[&str],
) -> String {
    eventually(&format!("kubectl {arguments:?} prints {expected:?}"), DEADLINE, || async {
        let output = text(&control_plane.kubectl(arguments).stdout);
        // kubectl wraps lines to the width of a terminal.
        let unwrapped = output.split_whitespace().collect::<Vec<_>>().join(" ");
        expected.iter().all(|part| unwrapped.contains(part)).then_some(output)
    })
    .await
}

/// Every node of a schema with its path.
fn nodes<'a>(path: &str, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    found.push((path.to_owned(), schema));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        nodes(&format!("{path}.{name}"), property, found);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            nodes(&format!("{path}[]"), &schema[inner], found);
        }
    }
}

pub(crate) fn schemas() -> Vec<(String, Value)> {
    let roots = dcs_operator::api::crds().into_iter().map(|crd| {
        let root = serde_json::to_value(crd.spec.versions[0].schema.clone().unwrap()).unwrap();
        (crd.spec.names.kind, root["openAPIV3Schema"].clone())
    });
    let mut all = Vec::new();
    for (kind, root) in roots {
        let mut found = Vec::new();
        nodes(&kind, &root, &mut found);
        all.extend(found.into_iter().map(|(path, node)| (path, node.clone())));
    }
    all
}

#[test]
fn the_committed_crds_match_the_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    });
    let committed: BTreeMap<_, _> = files.collect();
    let generated: BTreeMap<_, _> =
        manifests().unwrap().into_iter().map(|manifest| (manifest.file, manifest.content)).collect();
    assert!(committed == generated, "crds/ differs from the code: run `make generate`");
}

#[test]
fn the_crds_command_prints_or_writes_the_manifests() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_dcs-operator")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    };
    assert_eq!(run(&["crds"]), printed());
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&["crds", "--dir", folder.path().to_str().unwrap()]), "");
    for manifest in manifests().unwrap() {
        assert_eq!(std::fs::read_to_string(folder.path().join(manifest.file)).unwrap(), manifest.content);
    }
}

#[test]
fn every_field_has_bounds_and_a_description_and_no_default() {
    for (path, node) in schemas() {
        let has = |key: &str| !node[key].is_null();
        match node["type"].as_str() {
            Some("string") => {
                let closed = has("enum") || node["format"] == "date-time";
                let top = [".apiVersion", ".kind"].iter().any(|name| path.ends_with(name))
                    && path.matches('.').count() == 1;
                assert!(closed || top || has("maxLength"), "{path} has no bound");
            }
            Some("array") => {
                assert!(has("maxItems"), "{path} has no bound");
                assert!(has("x-kubernetes-list-type"), "{path} has no list type");
            }
            Some("object") if has("additionalProperties") => {
                assert!(has("maxProperties"), "{path} has no bound");
            }
            Some("integer") => {
                let format = node["format"].as_str().unwrap();
                assert!(
                    ["int32", "int64"].contains(&format),
                    "{path}: the API server has no format {format}"
                );
            }
            Some("object" | "boolean") => {}
            other => panic!("{path} has type {other:?}"),
        }
        let is_top = !path.contains('.');
        assert!(path.ends_with("[]") || has("description") || is_top, "{path} has no description");
        assert!(!has("nullable"), "{path}: the API server would store null");
        let default = if path.ends_with(".status") && path.matches('.').count() == 1 {
            json!({"observedGeneration": -1})
        } else {
            Value::Null
        };
        assert_eq!(node["default"], default, "{path}");
    }
    for manifest in manifests().unwrap() {
        let size = manifest.content.len();
        assert!(
            size < 64 * 1024,
            "{}: {size} bytes: API servers and clients keep the CRDs in memory",
            manifest.file
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_with_a_warning_is_rejected() {
    let control_plane = installed().await;
    let other = printed().replace("dcs.huaweicloud.com", "other.example.com").replace("int32", "uint8");
    let arguments = ["create", "--dry-run=server", "--warnings-as-errors", "-f", "-"];
    let output = control_plane.kubectl_reading(&arguments, &other);
    assert!(!output.status.success() && text(&output.stderr).contains("uint8"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_object_has_no_observed_generation() {
    let client = installed().await.client().await;
    let instances: Api<DcsInstance> = Api::namespaced(client, "default");
    let spec =
        DcsInstanceSpec { engine_version: Some("6.0".to_owned()), ..spec_of(json!({"capacity": "4Gi"})) };
    let created =
        instances.create(&PostParams::default(), &DcsInstance::new("new", spec.clone())).await.unwrap();
    let expected = DcsInstanceStatus { observed_generation: Some(-1), ..DcsInstanceStatus::default() };
    assert_eq!(created.status, Some(expected));
    assert_eq!(created.spec, spec, "the API server adds nothing to the spec");
}

fn spec_of(spec: Value) -> DcsInstanceSpec {
    serde_json::from_value(spec).unwrap()
}

/// A spec with every field. The API server silently drops a field that the schema lacks.
fn full_spec() -> Value {
    json!({
        "credentialsRef": {"name": "dcs-credentials"},
        "engineVersion": "6.0", "capacity": "4Gi", "name": "shop-sessions", "description": "sessions of the shop",
        "cacheMode": "ha_rw_split", "cpuType": "x86_64", "replicas": 2, "shards": 3,
        "availabilityZones": ["cn-north-4a", "cn-north-4c"],
        "network": {"vpcId": ID, "subnetId": ID, "privateIp": "192.168.0.10", "securityGroupId": ID},
        "port": 6380, "auth": {"type": "SecretRef", "secretRef": {"name": "sessions-auth", "key": "password"}},
        "maintenanceWindow": {"begin": "18:00", "end": "19:00"}, "tags": {"team": "shop"},
        "enterpriseProjectId": "0", "managementPolicy": "Managed", "deletionPolicy": "Retain",
        "onExternalDeletion": "Report", "reclaimPolicy": "Released", "adopt": {"instanceId": ID}, "paused": true, "specCode": "redis.ha.xu1",
    })
}

const ID: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";

fn full_status() -> Value {
    let account = json!({"region": "cn-north-4", "projectId": "p", "endpoint": "https://dcs.example.com"});
    let change = json!({"field": "capacity", "from": "4Gi", "to": "8Gi", "impact": "Disruptive"});
    let endpoint = json!({"host": "h", "ip": "192.168.0.10", "port": 6379});
    json!({
        "observedGeneration": 3, "id": ID, "cloudStatus": "RUNNING", "account": account, "holder": {"kind": "DcsBackup", "name": "nightly", "uid": "0e6d1a34-0000-4000-8000-000000000001"},
        "recreations": 1,
        "backups": {
            "total": 9, "automatic": 2, "limit": 24, "lastSuccessfulTime": "2026-11-30T19:06:41Z", "lastSuccessfulId": ID,
        },
        "resolved": {
            "name": "n", "engineVersion": "6.0", "capacity": "4Gi", "specCode": "s", "cacheMode": "ha",
            "cpuType": "x86_64", "replicas": 2, "shards": 1, "availabilityZones": ["a"], "vpcId": ID,
            "subnetId": ID, "privateIp": "192.168.0.10", "securityGroupId": ID, "port": 6379,
            "maintenanceWindow": {"begin": "18:00:00", "end": "19:00:00"}, "enterpriseProjectId": "0",
            "origin": "Created", "authType": "Generated", "managementPolicy": "Managed",
            "deletionPolicy": "Delete", "onExternalDeletion": "Report", "reclaimPolicy": "Released",
        },
        "endpoints": {"primary": endpoint, "readOnly": endpoint, "tls": endpoint},
        "binding": {"name": "sessions-redis"}, "applied": {"tagKeys": ["team"], "fields": {"capacity": "4Gi"}, "authHash": "abc", "rotatePassword": "t"},
        "operation": {
            "type": "Resize", "holder": {"kind": "DcsInstance", "name": "full", "uid": "u"},
            "startedAt": "2026-11-24T10:00:00Z", "attempt": 2, "generation": 3, "reason": "QuotaExceeded", "message": "DCS.4035: the quota is used up", "failures": 1,
            "attemptedAt": "2026-11-24T10:01:00Z", "process": "pod/1", "windowSeconds": 80, "account": account,
            "credentialsHash": "abc", "changes": [change], "password": "p", "outcome": "Accepted", "instanceId": ID, "jobId": "j",
            "taskId": "t",
        },
        "pendingChanges": [change], "pendingApproval": {"token": "t", "reason": "r"},
        "lastRetryToken": "t",
        "repeatedChanges": [
            {"field": "description", "times": 2, "generation": 3, "lastAt": "2026-11-24T10:02:00Z"},
        ],
        "conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": 3, "reason": "Available", "message": "m",
             "lastTransitionTime": "2026-11-24T10:02:00Z"},
            {"type": "Synced", "status": "False", "observedGeneration": 3, "reason": "Applying", "message": "m",
             "lastTransitionTime": "2026-11-24T10:02:00Z"},
        ],
    })
}

/// The path of every leaf.
pub(crate) fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, found))
        }
        Value::Array(list) => list.iter().for_each(|value| leaves(&format!("{path}[]"), value, found)),
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn the_full_examples_have_every_field() {
    let mut written = Vec::new();
    leaves("DcsInstance.spec", &full_spec(), &mut written);
    leaves("DcsInstance.status", &full_status(), &mut written);
    for (path, node) in schemas() {
        let leaf = !matches!(node["type"].as_str(), Some("object" | "array"));
        let known = path.starts_with("DcsInstance.spec") || path.starts_with("DcsInstance.status");
        // A map has keys that the user chooses.
        let expected = path.replace(".tags[]", ".tags.team").replace(".fields[]", ".fields.capacity");
        assert!(!leaf || !known || written.contains(&expected), "{path}");
    }
    assert_eq!(serde_json::to_value(spec_of(full_spec())).unwrap(), full_spec(), "the type drops nothing");
    let status: DcsInstanceStatus = serde_json::from_value(full_status()).unwrap();
    assert_eq!(serde_json::to_value(status).unwrap(), full_status(), "the type drops nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_stored_and_shown() {
    let control_plane = installed().await;
    let instances: Api<DcsInstance> = Api::namespaced(control_plane.client().await, "default");
    // The rules forbid these fields together.
    let mut spec = full_spec();
    let fields = spec.as_object_mut().unwrap();
    for field in ["shards", "specCode"] {
        fields.remove(field);
    }
    fields["network"].as_object_mut().unwrap().remove("securityGroupId");
    let object = DcsInstance::new("full", spec_of(spec.clone()));
    let created = instances.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(serde_json::to_value(created.spec).unwrap(), spec);
    let status = json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsInstance",
        "metadata": {"name": "full", "resourceVersion": created.metadata.resource_version},
        "status": full_status(),
    });
    let apply = PatchParams::apply("test").force().validation_strict();
    let applied = instances.patch_status("full", &apply, &Patch::Apply(&status)).await.unwrap();
    assert_eq!(serde_json::to_value(applied.status).unwrap(), full_status());

    let get = ["get", "dcsi", "full"];
    let shown = eventually_prints(control_plane, &get, &["Available"]).await;
    let lines: Vec<Vec<_>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "READY", "REASON", "VERSION", "MODE", "CAPACITY", "ENDPOINT", "AGE"]);
    assert_eq!(lines[1][..7], ["full", "True", "Available", "6.0", "ha", "4Gi", "h"]);
    let wide = text(&control_plane.kubectl(&["get", "dcsi", "full", "-o", "wide"]).stdout);
    let lines: Vec<Vec<_>> = wide.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][7..], ["SYNCED", "ID", "CLOUD-STATUS", "AGE"]);
    assert_eq!(lines[1][7..10], ["False", ID, "RUNNING"]);
    for category in ["dcs", "huaweicloud"] {
        eventually_prints(
            control_plane,
            &["get", category, "-o", "name"],
            &["dcsinstance.dcs.huaweicloud.com/full"],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explain_shows_descriptions_and_enums() {
    let control_plane = installed().await;
    let auth = ["explain", "dcsi.spec.auth"];
    eventually_prints(
        control_plane,
        &auth,
        &["How clients authenticate", "-required-", "Generated, SecretRef, None"],
    )
    .await;
    eventually_prints(control_plane, &["explain", "dcsi"], &["Huawei Cloud DCS", "deletionPolicy"]).await;
    let mode = ["explain", "dcsi.spec.cacheMode"];
    eventually_prints(
        control_plane,
        &mode,
        &["\"ha\" if absent", "ENUM: single ha ha_rw_split proxy cluster"],
    )
    .await;
}
