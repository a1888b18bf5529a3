//! The CustomResourceDefinition of DcsBackupSchedules on a real API server: fields, columns and rules.

use std::collections::BTreeSet;

use dcs_operator::api::{
    DcsBackupSchedule, DcsBackupScheduleSpec, DcsBackupScheduleStatus, backup, backup_schedule::rules,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    crds::{eventually_prints, installed, leaves, schemas, text},
    crds_rules::violations,
};

/// A spec with every field.
fn full_spec() -> Value {
    json!({
        "instanceRef": {"name": "sessions"}, "schedule": "0 3 * * MON-FRI", "timeZone": "Asia/Shanghai", "suspend": false,
        "immediate": true, "startingDeadlineSeconds": 3600,
        "retention": {"keepLast": 7, "maxAgeDays": 30, "keepFailed": 3},
        "template": {"format": "rdb", "description": "nightly", "runningDeadlineSeconds": 14400},
    })
}

fn full_status() -> Value {
    let condition = |type_: &str, reason: &str| {
        json!({"type": type_, "status": "True", "observedGeneration": 2, "reason": reason, "message": "m",
            "lastTransitionTime": "2026-11-24T10:02:00Z"})
    };
    json!({
        "observedGeneration": 2, "schedule": "0 3 * * MON-FRI Asia/Shanghai", "scheduleSeenAt": "2026-11-01T08:00:00Z",
        "lastScheduleTime": "2026-11-30T19:00:00Z", "lastSuccessfulTime": "2026-11-30T19:06:41Z",
        "nextScheduleTime": "2026-12-01T19:00:00Z",
        "active": {"name": "nightly-202611301900", "makesRoom": "nightly-202611201900"}, "missedRuns": 0,
        "backups": {"kept": 7, "pinned": 1, "failed": 0},
        "conditions": [condition("Ready", "Armed"), condition("LastRunSucceeded", "Succeeded")],
    })
}

#[test]
fn the_full_examples_have_every_field() {
    let mut written = Vec::new();
    leaves("DcsBackupSchedule.spec", &full_spec(), &mut written);
    leaves("DcsBackupSchedule.status", &full_status(), &mut written);
    for (path, node) in schemas() {
        let leaf = !matches!(node["type"].as_str(), Some("object" | "array"));
        let known =
            ["DcsBackupSchedule.spec", "DcsBackupSchedule.status"].iter().any(|part| path.starts_with(part));
        assert!(!leaf || !known || written.contains(&path), "{path}");
    }
    let spec: DcsBackupScheduleSpec = serde_json::from_value(full_spec()).unwrap();
    assert_eq!(serde_json::to_value(spec).unwrap(), full_spec(), "the type drops nothing");
    let status: DcsBackupScheduleStatus = serde_json::from_value(full_status()).unwrap();
    assert_eq!(serde_json::to_value(status).unwrap(), full_status(), "the type drops nothing");
}

fn object(name: &str, spec: &Value) -> DynamicObject {
    let data = json!({"spec": spec});
    DynamicObject { data, ..DynamicObject::new(name, &ApiResource::erase::<DcsBackupSchedule>(&())) }
}

async fn api() -> Api<DynamicObject> {
    let client = installed().await.client().await;
    Api::namespaced_with(client, "default", &ApiResource::erase::<DcsBackupSchedule>(&()))
}

/// The full spec, changed; `null` removes a field.
fn with(changes: Value) -> Value {
    let mut spec = full_spec();
    let fields = spec.as_object_mut().unwrap();
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
    let created = api.create(&PostParams::default(), &object("full", &full_spec())).await.unwrap();
    assert_eq!(created.data["spec"], full_spec(), "the API server adds nothing to the spec");
    let status = json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsBackupSchedule",
        "metadata": {"name": "full", "resourceVersion": created.metadata.resource_version},
        "status": full_status(),
    });
    let apply = PatchParams::apply("test").force().validation_strict();
    let applied = api.patch_status("full", &apply, &Patch::Apply(&status)).await.unwrap();
    assert_eq!(applied.data["status"], full_status());
    let shown = eventually_prints(control_plane, &["get", "dcsbs", "full"], &["Succeeded"]).await;
    let lines: Vec<Vec<_>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    let columns =
        ["NAME", "INSTANCE", "SCHEDULE", "SUSPEND", "LAST-RUN", "LAST-SUCCESS", "NEXT", "READY", "AGE"];
    assert_eq!(lines[0], columns);
    assert!(shown.contains("0 3 * * MON-FRI") && shown.contains("2026-12-01T19:00:00Z"), "{shown}");
    let wide = text(&control_plane.kubectl(&["get", "dcsbs", "full", "-o", "wide"]).stdout);
    let lines: Vec<Vec<_>> = wide.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][9..], ["TIMEZONE", "KEEP", "KEPT", "PINNED", "MISSED"]);
    assert_eq!(lines[1][lines[1].len() - 5..], ["Asia/Shanghai", "7", "7", "1", "0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_violation_has_its_message() {
    let api = api().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut reported = BTreeSet::new();
    let least = json!({"instanceRef": {"name": "sessions"}, "schedule": "*/5 * * * *", "retention": {"maxAgeDays": 1}});
    let valid = [
        full_spec(),
        least,
        with(json!({"timeZone": "America/Argentina/Buenos_Aires", "schedule": "15,45 0-6/2 1 JAN-MAR sun"})),
        with(json!({"timeZone": "Etc/GMT+8", "template": {"description": "缓".repeat(26)}})),
    ];
    for valid in valid {
        assert_eq!(violations(api.create(&dry_run, &object(&"n".repeat(50), &valid)).await), [], "{valid}");
    }
    let (five, zone) = ("write five fields with one space", "write the IANA name");
    let mut cases = vec![
        ("a", json!({}), "spec.instanceRef", "Required value"),
        ("a", with(json!({"retention": null})), "spec.retention", "Required value"),
        (
            "a",
            with(json!({"retention": {"keepFailed": 1}})),
            "spec.retention",
            "write keepLast, maxAgeDays or both",
        ),
        (
            "a",
            with(json!({"retention": {"keepLast": 23}})),
            "spec.retention.keepLast",
            "less than or equal to 22",
        ),
        ("a", with(json!({"timeZone": "+08:00"})), "spec.timeZone", zone),
        (
            "a",
            with(json!({"startingDeadlineSeconds": 59})),
            "spec.startingDeadlineSeconds",
            "greater than or equal to 60",
        ),
        (
            "a",
            with(json!({"template": {"description": "two\nlines"}})),
            "spec.template.description",
            "write one line of at most 80 bytes",
        ),
    ];
    for schedule in ["0 0 3 * * *", "0 3  * * *", "0 3 * *", "@daily xx", "0 3 * * 5#2", "? 3 * * *"] {
        cases.push(("a", with(json!({"schedule": schedule})), "spec.schedule", five));
    }
    let long = "n".repeat(51);
    cases.push((&long, full_spec(), "<nil>", "at most 50 characters"));
    for (name, spec, field, message) in cases {
        let found = violations(api.create(&dry_run, &object(name, &spec)).await);
        let is_it = |(at, text): &(String, String)| at == field && text.contains(message);
        assert!(found.iter().any(is_it), "{spec}: expected {field}: {message}, got {found:?}");
        reported.extend(found.into_iter().map(|(_, text)| text));
    }
    api.create(&PostParams::default(), &object("stays", &full_spec())).await.unwrap();
    let merge = |spec: Value| Patch::Merge(json!({"spec": spec}));
    let other = merge(json!({"instanceRef": {"name": "other"}}));
    let found = violations(api.patch("stays", &PatchParams::default(), &other).await);
    assert!(!found.is_empty());
    reported.extend(found.into_iter().map(|(_, text)| text));
    let edits = merge(json!({"schedule": "0 4 * * *", "suspend": true, "retention": {"keepLast": 3}}));
    assert_eq!(violations(api.patch("stays", &PatchParams::default(), &edits).await), []);
    let all = [
        rules::SCHEDULE,
        rules::TIME_ZONE,
        rules::RETENTION,
        rules::SPEC,
        rules::OBJECT,
        backup::rules::DESCRIPTION,
    ];
    for rule in all.into_iter().flatten() {
        assert!(
            reported.iter().any(|text| text.contains(rule.message)),
            "no object violates: {}",
            rule.message
        );
    }
}
