//! What the operator says and mends on a real API server: statuses that others change or that are not accepted, and
//! Secrets with credentials that change, lead elsewhere or are being deleted.

use std::time::Duration;

use dcs_operator::dcs::model::InstanceStatus;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{SYSTEM, TestCluster, fast_settings},
    sim_harness::reserved_ports,
    tenant::{Tenant, has_in_use_finalizer},
    world::objects::spec,
};

const DEFINITION: &str = "dcsinstances.dcs.huaweicloud.com";
const SHORT: [&str; 3] = ["--stalled-retry=2s..4s", "--retry=200ms..1s", "--catalogue=1s"];

/// Sets the words that the definition allows for `status.cloudStatus`.
fn allow_cloud_statuses(cluster: &TestCluster, words: Option<&[&str]>) {
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/cloudStatus/enum";
    let patch = match words {
        Some(words) => json!([{"op": "add", "path": path, "value": words}]),
        None => json!([{"op": "remove", "path": path}]),
    };
    let arguments = ["patch", "crd", DEFINITION, "--type=json", "-p", &patch.to_string()];
    let patched = cluster.control_plane.kubectl(&arguments);
    assert!(patched.status.success(), "{patched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_somebody_changes_is_written_again_at_once() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&SHORT).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    for patch in [
        json!([{"op": "remove", "path": "/status"}]),
        json!([{"op": "replace", "path": "/status/conditions", "value": []}]),
        json!([{"op": "remove", "path": "/status/id"}]),
    ] {
        let patch = patch.to_string();
        let arguments =
            ["patch", "dcsi", "sessions", "-n", "shop", "--subresource=status", "--type=json", "-p", &patch];
        let patched = cluster.control_plane.kubectl(&arguments);
        assert!(patched.status.success(), "{patched:?}");
        let restored = async || {
            let object = tenant.instances().get("sessions").await.unwrap();
            let status = object.status.unwrap_or_default();
            (status.id.is_some() && status.conditions.len() == 5).then_some(())
        };
        eventually(&format!("restored after {patch}"), DEADLINE, restored).await;
        tenant.wait_until_healthy("sessions").await;
    }
    assert_eq!(tenant.cloud.names().len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_an_older_definition_refuses_is_said() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&SHORT).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(operator.get("/readyz").await.0, 200);
    allow_cloud_statuses(&cluster, Some(&["RUNNING", "CREATING"]));
    let id = tenant.instances().get("sessions").await.unwrap().status.unwrap().id.unwrap();
    tenant.cloud.shared.lock().mutate(tenant.cloud.clock.monotonic(), |service, _| {
        service.force_status(service.now(), &id, InstanceStatus::Frozen, None)
    });
    let said = async || (operator.get("/readyz").await.0 == 503).then_some(());
    eventually("readyz says so", DEADLINE, said).await;
    let (_, text) = operator.get("/readyz").await;
    assert!(text.contains("CustomResourceDefinitions of this version"), "{text}");
    let (_, metrics) = operator.get("/metrics").await;
    assert!(metrics.contains(r#"dcs_operator_refused_statuses{kind="DcsInstance"} 1"#), "{metrics}");
    operator.wait_for_log(&["WARN", "does not accept the status"]).await;
    operator.wait_for_log(&["WARN", "rejects the operator's request"]).await;
    // The next process notices it before anything is written.
    let other = cluster.operator(&["--lease-name=other"]).await;
    other.wait_for_log(&["WARN", "is older than this operator", ".status.cloudStatus"]).await;
    drop(other);
    // It goes on without a restart, and at once.
    allow_cloud_statuses(&cluster, None);
    tenant.until("sessions", "Ready", "False/Frozen").await;
    let ready = async || (operator.get("/readyz").await.0 == 200).then_some(());
    eventually("readyz says ok", DEADLINE, ready).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_corrected_key_of_the_credentials_has_effect_at_once() {
    let cluster = TestCluster::start().await;
    let ports = format!("--allow-insecure-endpoint={},127.0.0.1:1", reserved_ports());
    let mut operator = cluster.operator(&[&ports]).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    let looked_up = tenant.credentials_with(json!({"projectId": null}));
    for (n, (wrong, type_, expected, part)) in [
        (
            json!({"iamEndpoint": "http://127.0.0.1:1"}),
            "Synced",
            "Unknown/CloudUnreachable",
            "cannot be looked up",
        ),
        (json!({"region": "nowhere-1"}), "Stalled", "True/CredentialsInvalid", "Secret dcs-credentials"),
        (json!({"caBundle": "no certificate"}), "Stalled", "True/CredentialsInvalid", "certificate"),
        (json!({"endpoint": "http://127.0.0.1:1"}), "Synced", "Unknown/", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("cache-{n}");
        let mut data = looked_up.clone();
        data.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        tenant.put_secret("dcs-credentials", data).await;
        tenant.apply(&name, spec(json!({}))).await;
        let said = tenant.until(&name, type_, expected).await;
        assert!(said.contains(part), "{said}");
        tenant.put_secret("dcs-credentials", looked_up.clone()).await;
        tenant.wait_until_healthy(&name).await;
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_being_deleted_are_said() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&SHORT).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let held = async || has_in_use_finalizer(&tenant, "dcs-credentials").await.then_some(());
    eventually("the Secret is held", DEADLINE, held).await;
    let _ = tenant.secrets().delete("dcs-credentials", &DeleteParams::default()).await.unwrap();
    let warned =
        async || tenant.warnings().await.contains(&"CredentialsBeingDeleted".to_owned()).then_some(());
    eventually("an Event warns of it", DEADLINE, warned).await;
    let mentioned = async || {
        let said = tenant.condition("sessions", "Synced").await;
        (said.starts_with("True") && said.contains("is being deleted")).then_some(())
    };
    eventually("the condition mentions it", DEADLINE, mentioned).await;
    // A new object gets advice that works.
    tenant.apply("carts", spec(json!({}))).await;
    let said = tenant.until("carts", "Stalled", "True/CredentialsMissing").await;
    assert!(said.contains("name another Secret in credentialsRef"), "{said}");
    tenant.put_secret("another", tenant.credentials()).await;
    for name in ["carts", "sessions"] {
        tenant.edit(name, json!({"credentialsRef": {"name": "another"}})).await;
        tenant.wait_until_healthy(name).await;
    }
    let gone = async || tenant.secrets().get_opt("dcs-credentials").await.unwrap().is_none().then_some(());
    eventually("the Secret is gone", DEADLINE, gone).await;
    operator.stop().await;
}

/// An instance made with the operator's own credentials, and a Secret in the namespace that leads elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_leads_elsewhere_can_be_deleted_again() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster
        .operator(&[
            "--credentials-secret=dcs-operator-system/own",
            "--credentials-namespaces=shop",
            "--stalled-retry=2s..4s",
        ])
        .await;
    let tenant = Tenant::without_credentials(&cluster, "shop", fast_settings()).await;
    tenant.put_secret_in(SYSTEM, "own", tenant.credentials()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    for left_by_an_earlier_version in [false, true] {
        let elsewhere = json!({"projectId": "0123456789abcdef0123456789abcdef"});
        tenant.put_secret("dcs-credentials", tenant.credentials_with(elsewhere)).await;
        let said = tenant.until("sessions", "Stalled", "True/AccountChanged").await;
        assert!(
            said.contains("Secret dcs-credentials leads to project") && said.contains("delete the Secret")
        );
        if left_by_an_earlier_version {
            let held = json!({"metadata": {"finalizers": ["dcs.huaweicloud.com/in-use"]}});
            let parameters = PatchParams::default();
            tenant.secrets().patch("dcs-credentials", &parameters, &Patch::Merge(held)).await.unwrap();
        } else {
            tokio::time::timeout(Duration::from_secs(1), async {
                while !has_in_use_finalizer(&tenant, "dcs-credentials").await {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .expect_err("a Secret that leads elsewhere is not held");
        }
        let _ = tenant.secrets().delete("dcs-credentials", &DeleteParams::default()).await.unwrap();
        let gone =
            async || tenant.secrets().get_opt("dcs-credentials").await.unwrap().is_none().then_some(());
        eventually("the Secret is gone", DEADLINE, gone).await;
        tenant.wait_until_healthy("sessions").await;
    }
    assert_eq!(tenant.cloud.names().len(), 1);
    operator.stop().await;
}
