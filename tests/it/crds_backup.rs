//! The CustomResourceDefinition of DcsBackups on a real API server: fields, columns and rules.

use std::collections::BTreeSet;

use dcs_operator::api::{DcsBackup, DcsBackupSpec, DcsBackupStatus, backup::rules};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    crds::{eventually_prints, installed, leaves, schemas, text},
    crds_rules::violations,
};

const ID: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";

/// A spec with every field.
fn full_spec() -> Value {
    json!({
        "instanceRef": {"name": "sessions"}, "format": "rdb", "description": "before the sale",
        "startBefore": "2026-12-01T06:00:00Z", "runningDeadlineSeconds": 14400, "deletionPolicy": "Delete",
        "pinned": true, "adopt": {"backupId": ID},
    })
}

fn full_status() -> Value {
    let account = json!({"region": "cn-north-4", "projectId": "p", "endpoint": "https://dcs.example.com"});
    json!({
        "observedGeneration": 1, "outcome": "Succeeded", "id": ID, "cloudStatus": "succeed", "type": "manual",
        "progressPercent": 100, "sizeBytes": 901_775_360, "size": "860Mi", "restorable": true,
        "startedAt": "2026-11-30T22:00:04Z", "completedAt": "2026-11-30T22:06:41Z",
        "resolved": {"format": "rdb", "deletionPolicy": "Delete", "origin": "Created"},
        "instance": {"id": ID, "engineVersion": "6.0", "cacheMode": "ha", "capacity": "4Gi", "shards": 1, "specCode": "s"},
        "account": {"region": "cn-north-4", "projectId": "p", "endpoint": "https://dcs.example.com", "credentials": "dcs-credentials"},
        "operation": {
            "type": "Backup", "holder": {"kind": "DcsBackup", "name": "full", "uid": "u"},
            "startedAt": "2026-11-24T10:00:00Z", "attempt": 2, "generation": 3, "reason": "QuotaExceeded",
            "message": "m", "failures": 1, "attemptedAt": "2026-11-24T10:01:00Z", "process": "pod/1",
            "windowSeconds": 80, "account": account, "credentialsHash": "abc",
            "changes": [{"field": "f", "from": "a", "to": "b", "impact": "Online"}], "password": "p",
            "outcome": "Accepted", "instanceId": ID, "jobId": "j", "taskId": "t",
        },
        "conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": 1, "reason": "Restorable", "message": "m",
             "lastTransitionTime": "2026-11-24T10:02:00Z"},
        ],
    })
}

#[test]
fn the_full_examples_have_every_field() {
    let mut written = Vec::new();
    leaves("DcsBackup.spec", &full_spec(), &mut written);
    leaves("DcsBackup.status", &full_status(), &mut written);
    for (path, node) in schemas() {
        let leaf = !matches!(node["type"].as_str(), Some("object" | "array"));
        let known = path.starts_with("DcsBackup.spec") || path.starts_with("DcsBackup.status");
        assert!(!leaf || !known || written.contains(&path), "{path}");
    }
    let spec: DcsBackupSpec = serde_json::from_value(full_spec()).unwrap();
    assert_eq!(serde_json::to_value(spec).unwrap(), full_spec(), "the type drops nothing");
    let status: DcsBackupStatus = serde_json::from_value(full_status()).unwrap();
    assert_eq!(serde_json::to_value(status).unwrap(), full_status(), "the type drops nothing");
}

fn object(name: &str, spec: &Value) -> DynamicObject {
    let data = json!({"spec": spec});
    DynamicObject { data, ..DynamicObject::new(name, &ApiResource::erase::<DcsBackup>(&())) }
}

async fn api() -> Api<DynamicObject> {
    let client = installed().await.client().await;
    Api::namespaced_with(client, "default", &ApiResource::erase::<DcsBackup>(&()))
}

/// The full spec without the fields that the rules forbid beside `adopt`, changed.
fn with(changes: Value) -> Value {
    let mut spec = full_spec();
    let fields = spec.as_object_mut().unwrap();
    fields.remove("adopt");
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_stored_and_shown() {
    let control_plane = installed().await;
    let api = api().await;
    let created = api.create(&PostParams::default(), &object("full", &with(json!({})))).await.unwrap();
    assert_eq!(created.data["spec"], with(json!({})), "the API server adds nothing to the spec");
    let status = json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsBackup",
        "metadata": {"name": "full", "resourceVersion": created.metadata.resource_version},
        "status": full_status(),
    });
    let apply = PatchParams::apply("test").force().validation_strict();
    let applied = api.patch_status("full", &apply, &Patch::Apply(&status)).await.unwrap();
    assert_eq!(applied.data["status"], full_status());
    let shown = eventually_prints(control_plane, &["get", "dcsb", "full"], &["Restorable"]).await;
    let lines: Vec<Vec<_>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    let columns = ["NAME", "INSTANCE", "READY", "REASON", "PROGRESS", "SIZE", "COMPLETED", "AGE"];
    assert_eq!(lines[0], columns);
    assert_eq!(lines[1][..6], ["full", "sessions", "True", "Restorable", "100", "860Mi"]);
    let wide = text(&control_plane.kubectl(&["get", "dcsb", "full", "-o", "wide"]).stdout);
    let lines: Vec<Vec<_>> = wide.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][8..], ["FORMAT", "PINNED", "TYPE", "ID", "CLOUD-STATUS"]);
    assert_eq!(lines[1][8..], ["rdb", "true", "manual", ID, "succeed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_violation_has_its_message() {
    let api = api().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let adopt = json!({"backupId": ID});
    let alone = json!({"instanceRef": {"name": "sessions"}, "adopt": adopt});
    let mut reported = BTreeSet::new();
    for valid in [
        with(json!({})),
        json!({"instanceRef": {"name": "sessions"}}),
        alone,
        with(json!({"description": "缓".repeat(26)})),
    ] {
        assert_eq!(violations(api.create(&dry_run, &object("valid", &valid)).await), [], "{valid}");
    }
    let only_whole = "a backup that exists is only looked at";
    let one_line = "write one line of at most 80 bytes";
    for (name, spec, field, message) in [
        ("a", json!({}), "spec.instanceRef", "Required value"),
        (
            "a",
            with(json!({"instanceRef": {"name": "Not A Name"}})),
            "spec.instanceRef.name",
            "in the same namespace",
        ),
        ("a", with(json!({"adopt": adopt})), "spec.adopt", only_whole),
        (
            "a",
            json!({"instanceRef": {"name": "x"}, "adopt": adopt, "format": "rdb"}),
            "spec.adopt",
            only_whole,
        ),
        (
            "a",
            json!({"instanceRef": {"name": "x"}, "adopt": {"backupId": "mine"}}),
            "spec.adopt.backupId",
            "write the ID",
        ),
        ("a", with(json!({"description": "缓".repeat(27)})), "spec.description", one_line),
        ("a", with(json!({"description": "two\nlines"})), "spec.description", one_line),
        ("a", with(json!({"format": "zip"})), "spec.format", "supported values: \"rdb\", \"aof\""),
        (
            "a",
            with(json!({"runningDeadlineSeconds": 599})),
            "spec.runningDeadlineSeconds",
            "greater than or equal to 600",
        ),
        ("a", with(json!({"startBefore": "tomorrow"})), "spec.startBefore", "date-time"),
        (&"n".repeat(64), with(json!({})), "<nil>", "at most 63 characters"),
    ] {
        let found = violations(api.create(&dry_run, &object(name, &spec)).await);
        let is_it = |(at, text): &(String, String)| at == field && text.contains(message);
        assert!(found.iter().any(is_it), "{spec}: expected {field}: {message}, got {found:?}");
        reported.extend(found.into_iter().map(|(_, text)| text));
    }
    let changes = [
        json!({"instanceRef": {"name": "other"}}),
        json!({"format": "aof"}),
        json!({"format": null}),
        json!({"description": "another"}),
        json!({"startBefore": "2027-12-01T06:00:00Z"}),
        json!({"startBefore": null}),
        json!({"runningDeadlineSeconds": 700}),
    ];
    for (begun, status) in [
        (true, json!({"startedAt": "2026-11-30T22:00:04Z"})),
        (true, json!({"outcome": "Failed"})),
        (false, json!({})),
    ] {
        for (n, change) in changes.iter().enumerate() {
            let name = format!("change-{n}-{begun}-{}", status.as_object().unwrap().len());
            let _ = api.delete(&name, &Default::default()).await;
            api.create(&PostParams::default(), &object(&name, &with(json!({})))).await.unwrap();
            let merge = |part: &str, value: &Value| Patch::Merge(json!({part: value}));
            api.patch_status(&name, &PatchParams::default(), &merge("status", &status)).await.unwrap();
            let found = violations(api.patch(&name, &PatchParams::default(), &merge("spec", change)).await);
            assert_eq!(!found.is_empty(), begun, "{change}: {found:?}");
            reported.extend(found.into_iter().map(|(_, text)| text));
            let policies = json!({"deletionPolicy": "Retain", "pinned": false});
            let found =
                violations(api.patch(&name, &PatchParams::default(), &merge("spec", &policies)).await);
            assert_eq!(found, [], "policies can change");
        }
    }
    for rule in [rules::DESCRIPTION, rules::SPEC, rules::OBJECT].into_iter().flatten() {
        assert!(
            reported.iter().any(|text| text.contains(rule.message)),
            "no object violates: {}",
            rule.message
        );
    }
}
