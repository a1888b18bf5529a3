//! The CustomResourceDefinition of DcsRestores on a real API server: fields, columns and rules.

use std::collections::BTreeSet;

use dcs_operator::api::{DcsRestore, DcsRestoreSpec, DcsRestoreStatus, restore::rules};
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

/// A spec with every field, though only one source is allowed.
fn full_spec() -> Value {
    json!({
        "instanceRef": {"name": "sessions"},
        "source": {"latestBefore": "2026-12-01T02:40:00Z", "backupRef": {"name": "nightly"}, "backupId": ID},
        "consent": {"target": "sessions", "notAfter": "2026-12-01T04:00:00Z"},
        "backupFirst": true,
    })
}

fn full_status() -> Value {
    let account = json!({"region": "cn-north-4", "projectId": "p", "endpoint": "https://dcs.example.com"});
    json!({
        "observedGeneration": 1, "outcome": "Succeeded", "restoreId": ID, "cloudStatus": "succeed",
        "progressPercent": 100,
        "backup": {"id": ID, "name": "nightly", "source": "backupRef=nightly", "completedAt": "2026-11-30T19:06:41Z"},
        "beforeBackup": {"name": "undo-before-3f2a91c0"}, "instance": {"id": ID},
        "pendingApproval": {"token": "7f3a0c91d2", "reason": "r", "nonce": "n"},
        "startedAt": "2026-12-01T03:00:04Z", "completedAt": "2026-12-01T03:06:41Z",
        "account": {"region": "cn-north-4", "projectId": "p", "endpoint": "https://dcs.example.com", "credentials": "dcs-credentials"},
        "operation": {
            "type": "Restore", "holder": {"kind": "DcsRestore", "name": "full", "uid": "u"},
            "startedAt": "2026-11-24T10:00:00Z", "attempt": 2, "generation": 3, "reason": "QuotaExceeded",
            "message": "m", "failures": 1, "attemptedAt": "2026-11-24T10:01:00Z", "process": "pod/1",
            "windowSeconds": 80, "account": account, "credentialsHash": "abc",
            "changes": [{"field": "f", "from": "a", "to": "b", "impact": "Online"}], "password": "p",
            "outcome": "Accepted", "instanceId": ID, "jobId": "j", "taskId": "t",
        },
        "conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": 1, "reason": "Completed", "message": "m",
             "lastTransitionTime": "2026-11-24T10:02:00Z"},
        ],
    })
}

#[test]
fn the_full_examples_have_every_field() {
    let mut written = Vec::new();
    leaves("DcsRestore.spec", &full_spec(), &mut written);
    leaves("DcsRestore.status", &full_status(), &mut written);
    for (path, node) in schemas() {
        let leaf = !matches!(node["type"].as_str(), Some("object" | "array"));
        let known = path.starts_with("DcsRestore.spec") || path.starts_with("DcsRestore.status");
        assert!(!leaf || !known || written.contains(&path), "{path}");
    }
    let spec: DcsRestoreSpec = serde_json::from_value(full_spec()).unwrap();
    assert_eq!(serde_json::to_value(spec).unwrap(), full_spec(), "the type drops nothing");
    let status: DcsRestoreStatus = serde_json::from_value(full_status()).unwrap();
    assert_eq!(serde_json::to_value(status).unwrap(), full_status(), "the type drops nothing");
}

fn object(name: &str, spec: &Value) -> DynamicObject {
    let data = json!({"spec": spec});
    DynamicObject { data, ..DynamicObject::new(name, &ApiResource::erase::<DcsRestore>(&())) }
}

async fn api() -> Api<DynamicObject> {
    let client = installed().await.client().await;
    Api::namespaced_with(client, "default", &ApiResource::erase::<DcsRestore>(&()))
}

/// The full spec with one source, changed.
fn with(changes: Value) -> Value {
    let mut spec = full_spec();
    spec["source"] = json!({"latestBefore": "2026-12-01T02:40:00Z"});
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            spec.as_object_mut().unwrap().remove(name);
        } else {
            spec[name] = value.clone();
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
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsRestore",
        "metadata": {"name": "full", "resourceVersion": created.metadata.resource_version},
        "status": full_status(),
    });
    let apply = PatchParams::apply("test").force().validation_strict();
    let applied = api.patch_status("full", &apply, &Patch::Apply(&status)).await.unwrap();
    assert_eq!(applied.data["status"], full_status());
    let shown = eventually_prints(control_plane, &["get", "dcsr", "full"], &["Completed"]).await;
    let lines: Vec<Vec<_>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        ["NAME", "INSTANCE", "BACKUP-TIME", "READY", "REASON", "PROGRESS", "COMPLETED", "AGE"]
    );
    assert_eq!([lines[1][1], lines[1][3], lines[1][4]], ["sessions", "True", "Completed"]);
    let wide = text(&control_plane.kubectl(&["get", "dcsr", "full", "-o", "wide"]).stdout);
    let lines: Vec<Vec<_>> = wide.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][8..], ["BACKUP", "BEFORE", "ID"]);
    assert_eq!(lines[1][8..], [ID, "undo-before-3f2a91c0", ID]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_violation_has_its_message() {
    let api = api().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut reported = BTreeSet::new();
    for valid in [
        with(json!({})),
        with(json!({"consent": null, "backupFirst": null})),
        with(json!({"source": {"backupRef": {"name": "nightly"}}})),
        with(json!({"source": {"backupId": ID}})),
    ] {
        assert_eq!(violations(api.create(&dry_run, &object("valid", &valid)).await), [], "{valid}");
    }
    let one = "write exactly one of latestBefore, backupRef and backupId";
    let consent = json!({"target": "orders", "notAfter": "2026-12-01T04:00:00Z"});
    for (name, spec, field, message) in [
        ("a", json!({}), "spec.instanceRef", "Required value"),
        ("a", with(json!({"source": null})), "spec.source", "Required value"),
        ("a", with(json!({"source": {}})), "spec.source", one),
        ("a", full_spec(), "spec.source", one),
        ("a", with(json!({"source": {"backupId": "mine"}})), "spec.source.backupId", "write the ID"),
        (
            "a",
            with(json!({"source": {"backupRef": {"name": "Not A Name"}}})),
            "spec.source.backupRef.name",
            "in the same namespace",
        ),
        (
            "a",
            with(json!({"consent": consent})),
            "spec.consent.target",
            "the consent is for another instance",
        ),
        ("a", with(json!({"consent": {"target": "sessions"}})), "spec.consent.notAfter", "Required value"),
        (
            "a",
            with(json!({"consent": {"target": "sessions", "notAfter": "tomorrow"}})),
            "spec.consent.notAfter",
            "date-time",
        ),
        (&"n".repeat(48), with(json!({})), "<nil>", "at most 47 characters"),
    ] {
        let found = violations(api.create(&dry_run, &object(name, &spec)).await);
        let is_it = |(at, text): &(String, String)| at == field && text.contains(message);
        assert!(found.iter().any(is_it), "{spec}: expected {field}: {message}, got {found:?}");
        reported.extend(found.into_iter().map(|(_, text)| text));
    }
    let other = json!({"instanceRef": {"name": "orders"}, "consent": {"target": "orders", "notAfter": "2026-12-01T04:00:00Z"}});
    let changes = [
        other,
        json!({"source": {"latestBefore": "2027-12-01T02:40:00Z"}}),
        json!({"consent": {"notAfter": "2027-12-01T04:00:00Z"}}),
        json!({"consent": null}),
        json!({"backupFirst": false}),
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
        }
    }
    for rule in [rules::SOURCE, rules::SPEC, rules::OBJECT].into_iter().flatten() {
        assert!(
            reported.iter().any(|text| text.contains(rule.message)),
            "no object violates: {}",
            rule.message
        );
    }
}
