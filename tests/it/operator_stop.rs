//! The operator is terminated, or the cloud is unreachable: running reconciles finish, or leave a state from which the
//! next process continues. Probes do not depend on the cloud.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{SYSTEM, TestCluster, fast_settings},
    tenant::Tenant,
    world::objects::spec,
};

async fn holder(cluster: &TestCluster) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), SYSTEM);
    leases.get("dcs-operator").await.unwrap().spec?.holder_identity
}

/// Waits until a create request took effect; its response is delayed.
async fn wait_until_created(tenant: &Tenant) {
    let made = async || (tenant.created_count() > 0).then_some(());
    eventually("the request took effect", DEADLINE, made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_running_reconciles() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.cloud.add_faults(&json!({"operation": "CreateInstance", "fault": {"delay": {"ms": 2000}}}));
    let mut operator = cluster.operator(&[]).await;
    tenant.apply("sessions", spec(json!({}))).await;
    wait_until_created(&tenant).await;
    operator.stop().await;
    let status = tenant.instances().get("sessions").await.unwrap().status.unwrap();
    assert!(status.id.is_some(), "the response is recorded: {status:?}");
    assert_eq!(holder(&cluster).await, None, "the lease is released");
    let mut next = cluster.operator(&[]).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(tenant.cloud.calls("CreateInstance").len(), 1);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_determines_the_outcome_of_an_aborted_request() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.cloud.add_faults(&json!({"operation": "CreateInstance", "fault": {"delay": {"ms": 5500}}}));
    let short = [
        "--shutdown=4s",
        "--call-timeout=6s",
        "--intent-ttl=1s",
        "--list-consistency-window=1s",
        "--leader-elect-lease-duration=13s",
        "--leader-elect-renew-interval=1s",
    ];
    let mut operator = cluster.operator(&short).await;
    tenant.apply("sessions", spec(json!({}))).await;
    wait_until_created(&tenant).await;
    let begun = Instant::now();
    operator.stop().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "the shutdown exceeds its limit: {:?}",
        begun.elapsed()
    );
    assert!(holder(&cluster).await.is_some(), "the lease stays, because the request may still take effect");
    let mut next = cluster.operator(&short).await;
    next.wait_for_log(&["waiting for the lease"]).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(tenant.created_count(), 1);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_cloud_is_reported_and_does_not_fail_probes() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    let mut operator = cluster.operator(&["--unreachable=1s", "--observation=8s", "--max-tries=1"]).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    tenant.cloud.add_faults(&json!({"operation": "*", "count": null, "fault": "reset"}));
    let said = tenant.until("sessions", "Synced", "Unknown/CloudUnreachable").await;
    assert!(said.contains("keeps retrying"), "{said}");
    let assert_probes = async |expected: u16| {
        for probe in ["/readyz", "/healthz"] {
            assert_eq!(operator.get(probe).await.0, expected, "{probe}");
        }
    };
    assert_probes(200).await;
    tenant.until("sessions", "Ready", "Unknown/ObservationTooOld").await;
    assert_probes(200).await;
    tenant.cloud.shared.lock().clear_faults();
    tenant.wait_until_healthy("sessions").await;
    operator.stop().await;
}

/// Only the allowed namespaces may use the operator's own credentials.
#[tokio::test(flavor = "multi_thread")]
async fn allowed_namespaces_use_the_operators_credentials() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::without_credentials(&cluster, "shop", fast_settings()).await;
    let other = Tenant::without_credentials(&cluster, "other", fast_settings()).await;
    let mut operator = cluster
        .operator(&["--credentials-secret=dcs-operator-system/own", "--credentials-namespaces=shop"])
        .await;
    tenant.apply("sessions", spec(json!({}))).await;
    let said = tenant.until("sessions", "Stalled", "True/CredentialsMissing").await;
    assert!(said.contains("dcs-operator-system/own"), "{said}");
    tenant.put_secret_in(SYSTEM, "own", tenant.credentials()).await;
    tenant.wait_until_healthy("sessions").await;
    other.apply("sessions", spec(json!({}))).await;
    let said = other.until("sessions", "Stalled", "True/CredentialsMissing").await;
    assert!(said.contains("has no Secret dcs-credentials"), "{said}");
    // A namespace that is not trusted cannot refer to resources of the operator's account by ID.
    let foreign = "99999999-0000-4000-8000-000000000001";
    let elsewhere = json!({"network": {"vpcId": foreign, "subnetId": foreign}});
    tenant.apply("elsewhere", spec(elsewhere)).await;
    tenant.until("elsewhere", "Stalled", "True/NotAllowed").await;
    assert_eq!((tenant.cloud.names().len(), other.cloud.names().len()), (1, 0));
    tenant.assert_no_secret_leaks(&operator).await;
    operator.stop().await;
}
