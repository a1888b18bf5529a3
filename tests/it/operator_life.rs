//! The life of an instance on a real API server, and a comparison of granted with used permissions.

use std::collections::BTreeSet;

use dcs_operator::api::{DcsBackup, DcsBackupSchedule, DcsRestore, words::JobOutcome};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    eventually::{DEADLINE, eventually},
    operator::{TestCluster, fast_settings},
    tenant::{Tenant, binding, has_in_use_finalizer},
    world::objects::spec,
};

/// Flags for jobs on a cloud whose lists show everything at once.
const QUICK_JOBS: [&str; 3] =
    ["--job-check-interval=300ms", "--list-consistency-window=1s", "--call-timeout=3s"];

/// `get secrets` for each verb that `deploy/rbac.yaml` grants.
fn granted() -> BTreeSet<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rbac.yaml")).unwrap();
    let mut granted = BTreeSet::new();
    for document in text.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let all = |rule: &Value, cluster: &str| -> Vec<String> {
            let values = rule[cluster].as_array().cloned().unwrap_or_default();
            values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
        };
        for rule in object["rules"].as_array().into_iter().flatten() {
            for resource in all(rule, "resources") {
                granted.extend(all(rule, "verbs").iter().map(|verb| format!("{verb} {resource}")));
            }
        }
    }
    granted
}

fn used(audit: &[Value]) -> BTreeSet<String> {
    let line = |entry: &Value| {
        let reference = &entry["objectRef"];
        let resource = reference["resource"].as_str()?;
        let sub = reference["subresource"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
        Some(format!("{} {resource}{sub}", entry["verb"].as_str()?))
    };
    audit.iter().filter_map(line).collect()
}

/// `dcs-operator restore` prints a manifest and says which backup it leads to, or why there is none.
fn check_restore_command(kubeconfig: &std::path::Path) {
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dcs-operator"));
        let output = command.env("KUBECONFIG", kubeconfig).arg("restore").args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, manifest, said) =
        run(&["shop/sessions", "--backup-name", "nightly", "--valid-for", "1h", "--name", "undo"]);
    assert_eq!(code, Some(0), "{said}");
    let restore: Value = serde_saphyr::from_str(&manifest).unwrap();
    assert_eq!(restore["spec"]["source"], json!({"backupRef": {"name": "nightly"}}), "{manifest}");
    assert_eq!(restore["spec"]["consent"]["target"], json!("sessions"), "{manifest}");
    assert!(
        said.contains("DcsBackup nightly") && said.contains("it fits the instance as that is now"),
        "{said}"
    );
    for (arguments, code, words) in [
        (&["shop/sessions", "--before", "2020-01-01T00:00:00Z"][..], 3, "the oldest is from"),
        (&["shop/sessions", "--backup", "other"], 3, "DCS lists no backup other of sessions"),
        (&["shop/other", "--before", "00:00"], 3, "DcsInstance shop/other does not exist"),
        (&["shop/sessions", "--before", "2100-01-01T00:00:00Z"], 2, "in the future"),
        (&["shop/sessions", "--valid-for", "1h"], 2, "--before"),
    ] {
        let (found, manifest, said) = run(arguments);
        assert_eq!((found, manifest.as_str()), (Some(code), ""), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_lives_from_apply_to_delete_with_exactly_the_granted_permissions() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&QUICK_JOBS).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    eventually("ready", DEADLINE, async || (operator.get("/readyz").await.0 == 200).then_some(())).await;

    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let bound = binding(&tenant, "sessions").await;
    let keys: Vec<_> = bound.keys().map(String::as_str).collect();
    assert_eq!(keys, ["host", "password", "port", "provider", "read-host", "type", "uri"]);
    let admits = |password: &str| {
        let simulator = tenant.cloud.shared.lock();
        simulator.service().instances().all(|instance| instance.admits(Some(password)))
    };
    assert!(admits(&bound["password"]), "the published password is valid");
    let former = bound["password"].clone();
    assert!(tenant.secrets().get_opt("sessions-pending-auth").await.unwrap().is_none());
    assert!(has_in_use_finalizer(&tenant, "dcs-credentials").await);

    tenant.edit("sessions", json!({"description": "another"})).await;
    tenant.wait_until_healthy("sessions").await;
    let described = || {
        let simulator = tenant.cloud.shared.lock();
        simulator.service().instances().next().unwrap().description.clone().unwrap_or_default()
    };
    assert_eq!(described(), "another");

    // A change outside the operator is detected by the next list and reverted.
    let (id, now) = {
        let simulator = tenant.cloud.shared.lock();
        (simulator.service().instances().next().unwrap().id.clone(), tenant.cloud.clock.monotonic())
    };
    let fields = json!({"description": "meddled"});
    let altered =
        tenant.cloud.shared.lock().mutate(now, |service, _| service.alter(&id, fields.as_object().unwrap()));
    altered.unwrap();
    eventually("the description is reverted", DEADLINE, async || (described() == "another").then_some(()))
        .await;

    // Whoever deletes the binding Secret, or the record, gets it back.
    for name in ["sessions-redis", "sessions-auth"] {
        let before = tenant.secrets().get(name).await.unwrap();
        assert_eq!(before.metadata.owner_references, None, "{name}: garbage collection must not take it");
        assert_eq!(before.metadata.labels.unwrap()["dcs.huaweicloud.com/instance"], "sessions");
        let _ = tenant.secrets().delete(name, &Default::default()).await.unwrap();
        let again = eventually("the Secret is back", DEADLINE, async || {
            tenant.secrets().get_opt(name).await.unwrap()
        });
        assert_eq!(again.await.data.unwrap()["password"].0, bound["password"].as_bytes(), "{name}");
        tenant.wait_until_healthy("sessions").await;
    }

    // A new password on request.
    tenant.annotate("sessions", "dcs.huaweicloud.com/rotate-password", "again").await;
    eventually("another password is published", DEADLINE, async || {
        let bound = binding(&tenant, "sessions").await;
        (bound["password"] != former && admits(&bound["password"])).then_some(())
    })
    .await;
    tenant.wait_until_healthy("sessions").await;

    // A backup is made, found restorable, and deleted with its object.
    let backups: Api<DcsBackup> = Api::namespaced(cluster.client.clone(), "shop");
    let wanted: DcsBackup = serde_json::from_value(json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsBackup", "metadata": {"name": "nightly"},
        "spec": {"instanceRef": {"name": "sessions"}},
    }))
    .unwrap();
    let _ = backups.create(&Default::default(), &wanted).await.unwrap();
    eventually("the backup is made", DEADLINE, async || {
        let status = backups.get("nightly").await.unwrap().status?;
        let is_ready = |condition: &Condition| condition.type_ == "Ready" && condition.reason == "Restorable";
        status.conditions.iter().any(is_ready).then_some(())
    })
    .await;
    let print = |arguments: &[&str]| {
        let kubeconfig = &cluster.control_plane.ready.kubeconfig;
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dcs-operator"));
        let output = command.env("KUBECONFIG", kubeconfig).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = tokio::task::block_in_place(|| print(&["backups", "shop/sessions"]));
    assert!(listed.contains("manual") && listed.trim_end().ends_with("nightly"), "{listed}");
    let links = tokio::task::block_in_place(|| print(&["backup-links", "shop/nightly"]));
    assert!(links.starts_with("http"), "{links}");
    tokio::task::block_in_place(|| check_restore_command(&cluster.control_plane.ready.kubeconfig));
    let metrics = operator.get("/metrics").await.1;
    let last = r#"dcs_backup_last_success_timestamp_seconds{namespace="shop",instance="sessions"} "#;
    assert!(metrics.contains(last), "{metrics}");
    assert!(
        metrics.contains("kind=\"DcsBackup\",condition=\"Ready\",status=\"True\",reason=\"Restorable\""),
        "{metrics}"
    );
    restore_with_approval(&cluster).await;
    let all = backups.list(&Default::default()).await.unwrap().items;
    assert_eq!(all.len(), 2, "the backup before the restore stays");
    for name in all.iter().map(ResourceExt::name_any) {
        let _ = backups.delete(&name, &Default::default()).await.unwrap();
        eventually("the backup is gone", DEADLINE, async || {
            backups.get_opt(&name).await.unwrap().is_none().then_some(())
        })
        .await;
    }
    tenant.wait_until_healthy("sessions").await;

    // A schedule makes its first backup. It fails, so that the schedule deletes it at once.
    {
        let now = tenant.cloud.clock.monotonic();
        tenant.cloud.shared.lock().mutate(now, |service, _| service.fail_next_backups(1));
    }
    let schedules: Api<DcsBackupSchedule> = Api::namespaced(cluster.client.clone(), "shop");
    let nightly: DcsBackupSchedule = serde_json::from_value(json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsBackupSchedule", "metadata": {"name": "yearly"},
        "spec": {"instanceRef": {"name": "sessions"}, "schedule": "0 3 1 1 *", "immediate": true,
            "retention": {"keepLast": 7, "keepFailed": 0}},
    }))
    .unwrap();
    let _ = schedules.create(&Default::default(), &nightly).await.unwrap();
    eventually("the run has failed", DEADLINE, async || {
        let status = schedules.get("yearly").await.unwrap().status?;
        let has_failed = |c: &Condition| c.type_ == "LastRunSucceeded" && c.reason == "Failed";
        let is_over = status.active.is_none() && status.conditions.iter().any(has_failed);
        let left = backups.list(&Default::default()).await.unwrap().items;
        (is_over && left.is_empty()).then_some(())
    })
    .await;
    let metrics = operator.get("/metrics").await.1;
    assert!(
        metrics.contains("kind=\"DcsBackupSchedule\",condition=\"Ready\",status=\"True\",reason=\"Armed\""),
        "{metrics}"
    );
    let _ = schedules.delete("yearly", &Default::default()).await.unwrap();
    tenant.wait_until_healthy("sessions").await;

    tenant.assert_no_secret_leaks(&operator).await;
    let metrics = operator.get("/metrics").await.1;
    for line in [
        r#"dcs_operator_actions_total{kind="DcsInstance",action="Create",outcome="Accepted"} 1"#,
        r#"dcs_operator_objects{kind="DcsInstance",condition="Ready",status="True",reason="Available"} 1"#,
        r#"dcs_operator_instances{cloud_status="RUNNING"} 1"#,
        "dcs_operator_leader 1",
        r#"dcs_operator_api_requests_total{operation="CreateInstance",class="ok"} 1"#,
        r#"dcs_operator_reconciles_total{kind="DcsInstance",outcome="Done"} "#,
        r#"dcs_operator_reconcile_duration_seconds_count{kind="DcsInstance"} "#,
        r#"dcs_operator_api_request_duration_seconds_count{operation="CreateInstance"} 1"#,
        "dcs_operator_observation_age_seconds ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    tenant.delete("sessions").await;
    tenant.wait_until_gone("sessions").await;
    assert_eq!(tenant.cloud.names(), Vec::<String>::new());
    let released = async || (!has_in_use_finalizer(&tenant, "dcs-credentials").await).then_some(());
    eventually("the credentials Secret has no finalizer", DEADLINE, released).await;
    let reported = operator.log().lines().filter(|line| line.contains("cloud request sent")).count();
    assert_eq!(reported, tenant.changes().len(), "one log line for each change");
    operator.stop().await;

    // Every test also checks that no request was forbidden.
    assert_eq!(used(&cluster.audit()), granted(), "used and granted permissions");
}

/// A restore asks for approval, and is done once it has it.
async fn restore_with_approval(cluster: &TestCluster) {
    let restores: Api<DcsRestore> = Api::namespaced(cluster.client.clone(), "shop");
    let wanted: DcsRestore = serde_json::from_value(json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsRestore", "metadata": {"name": "undo"},
        "spec": {"instanceRef": {"name": "sessions"}, "source": {"backupRef": {"name": "nightly"}}},
    }))
    .unwrap();
    let _ = restores.create(&Default::default(), &wanted).await.unwrap();
    let pending = eventually("approval is asked for", DEADLINE, async || {
        restores.get("undo").await.unwrap().status?.pending_approval
    });
    let annotations = json!({"dcs.huaweicloud.com/approve": pending.await.token});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    restores.patch("undo", &Default::default(), &patch).await.unwrap();
    eventually("the restore is done", DEADLINE, async || {
        let status = restores.get("undo").await.unwrap().status?;
        (status.outcome? == JobOutcome::Succeeded).then_some(())
    })
    .await;
    let _ = restores.delete("undo", &Default::default()).await.unwrap();
    eventually("the restore is gone", DEADLINE, async || {
        restores.get_opt("undo").await.unwrap().is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_waits_for_its_definition() {
    let cluster = TestCluster::without_definitions(ControlPlane::start().await).await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    operator
        .wait_for_log(&[
            "waiting",
            "dcsinstances.dcs.huaweicloud.com is missing",
            "kubectl apply --server-side",
        ])
        .await;
    let (status, text) = operator.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("not ready: CustomResourceDefinition"), "{text}");
    assert_eq!(operator.get("/healthz").await.0, 200, "the process is alive while it waits");
    cluster.apply("crds");
    let ready = async || (operator.get("/readyz").await.0 == 200).then_some(());
    eventually("ready", DEADLINE, ready).await;
    operator.stop().await;
}

fn object<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: Value) -> K {
    let about = json!({"name": "sessions"});
    let mut object = json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    });
    object["spec"]["instanceRef"] = about;
    serde_json::from_value(object).unwrap()
}

/// Backups that are to go, to stay, and pinned, a schedule, and a restore that runs.
async fn with_jobs(tenant: &Tenant) {
    let backups: Api<DcsBackup> = Api::namespaced(tenant.client.clone(), "shop");
    let schedules: Api<DcsBackupSchedule> = Api::namespaced(tenant.client.clone(), "shop");
    let restores: Api<DcsRestore> = Api::namespaced(tenant.client.clone(), "shop");
    for (name, spec) in [
        ("plain", json!({})),
        ("retained", json!({"deletionPolicy": "Retain"})),
        ("pinned", json!({"pinned": true})),
    ] {
        let _ = backups.create(&Default::default(), &object("DcsBackup", name, spec)).await.unwrap();
        eventually("the backup is made", DEADLINE, async || {
            let status = backups.get(name).await.unwrap().status?;
            (status.outcome? == JobOutcome::Succeeded).then_some(())
        })
        .await;
    }
    let nightly = json!({"schedule": "0 3 * * *", "retention": {"keepLast": 3}});
    let nightly: DcsBackupSchedule = object("DcsBackupSchedule", "nightly", nightly);
    let _ = schedules.create(&Default::default(), &nightly).await.unwrap();
    let consent = json!({"target": "sessions", "notAfter": "2100-01-01T00:00:00Z"});
    let undo = json!({"source": {"backupRef": {"name": "plain"}}, "consent": consent, "backupFirst": false});
    let undo: DcsRestore = object("DcsRestore", "undo", undo);
    let _ = restores.create(&Default::default(), &undo).await.unwrap();
    eventually("the restore runs", DEADLINE, async || {
        restores.get("undo").await.unwrap().status?.restore_id.map(drop)
    })
    .await;
}

/// The namespace controller deletes all objects at once. Credentials stay until no instance needs them.
#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_namespace_deletes_its_instances() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&QUICK_JOBS).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    for name in ["sessions", "catalogue"] {
        tenant.apply(name, spec(json!({}))).await;
    }
    tenant.wait_until_healthy("sessions").await;
    tenant.wait_until_healthy("catalogue").await;
    with_jobs(&tenant).await;
    let namespaces: Api<Namespace> = Api::all(tenant.client.clone());
    let _ = namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    let gone = async || namespaces.get_opt("shop").await.unwrap().is_none().then_some(());
    eventually("the namespace is gone", DEADLINE, gone).await;
    assert_eq!(tenant.cloud.names(), Vec::<String>::new(), "no instance is left in the cloud");
    operator.stop().await;
}
