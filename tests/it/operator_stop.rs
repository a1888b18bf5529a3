//! The operator is told to stop, or the cloud goes away: what is under way is finished, or left in a state that the next
//! one can tell; and no probe asks the cloud.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{SYSTEM, Tenant, TestCluster, quick},
    world::objects::spec,
};

async fn holder(cluster: &TestCluster) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), SYSTEM);
    leases.get("dcs-operator").await.unwrap().spec?.holder_identity
}

/// Waits until a request to create took effect; its answer is held back.
async fn until_made(tenant: &Tenant) {
    let made = async || (tenant.ever_made() > 0).then_some(());
    eventually("the request took effect", DEADLINE, made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_finished() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::open(&cluster, "shop", quick()).await;
    tenant.cloud.add_faults(&json!({"operation": "CreateInstance", "fault": {"delay": {"ms": 2000}}}));
    let mut operator = cluster.operator(&[]).await;
    tenant.apply("sessions", spec(json!({}))).await;
    until_made(&tenant).await;
    operator.stop().await;
    let status = tenant.instances().get("sessions").await.unwrap().status.unwrap();
    assert!(status.id.is_some(), "the answer was waited for, and written down: {status:?}");
    assert_eq!(holder(&cluster).await, None, "the lease was given back");
    let mut next = cluster.operator(&[]).await;
    tenant.until_well("sessions").await;
    assert_eq!(tenant.cloud.calls("CreateInstance").len(), 1);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_found_out_by_the_next_one() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::open(&cluster, "shop", quick()).await;
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
    until_made(&tenant).await;
    let begun = Instant::now();
    operator.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "it does not wait for longer: {:?}", begun.elapsed());
    assert!(holder(&cluster).await.is_some(), "a change may be on its way, so nobody else may lead yet");
    let mut next = cluster.operator(&short).await;
    next.says(&["waits until it may lead"]).await;
    tenant.until_well("sessions").await;
    assert_eq!(tenant.ever_made(), 1);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_is_gone_is_told_and_changes_no_probe() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::open(&cluster, "shop", quick()).await;
    let mut operator = cluster.operator(&["--unreachable=1s", "--observation=8s", "--max-tries=1"]).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.until_well("sessions").await;
    tenant.cloud.add_faults(&json!({"operation": "*", "count": null, "fault": "reset"}));
    let said = tenant.until("sessions", "Synced", "Unknown/CloudUnreachable").await;
    assert!(said.contains("keeps trying"), "{said}");
    let both = async |expected: u16| {
        for probe in ["/readyz", "/healthz"] {
            assert_eq!(operator.get(probe).await.0, expected, "{probe}");
        }
    };
    both(200).await;
    tenant.until("sessions", "Ready", "Unknown/ObservationTooOld").await;
    both(200).await;
    tenant.cloud.shared.lock().clear_faults();
    tenant.until_well("sessions").await;
    operator.stop().await;
}

/// The operator's own credentials, for the namespaces that may use them and for no others.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_operators_own() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::bare(&cluster, "shop", quick()).await;
    let other = Tenant::bare(&cluster, "other", quick()).await;
    let mut operator = cluster
        .operator(&["--credentials-secret=dcs-operator-system/own", "--credentials-namespaces=shop"])
        .await;
    tenant.apply("sessions", spec(json!({}))).await;
    let said = tenant.until("sessions", "Stalled", "True/CredentialsMissing").await;
    assert!(said.contains("dcs-operator-system/own"), "{said}");
    tenant.put_secret_in(SYSTEM, "own", tenant.credentials()).await;
    tenant.until_well("sessions").await;
    other.apply("sessions", spec(json!({}))).await;
    let said = other.until("sessions", "Stalled", "True/CredentialsMissing").await;
    assert!(said.contains("there is no Secret dcs-credentials"), "{said}");
    // What lies in the operator's own account is not to be had by naming it.
    let foreign = "99999999-0000-4000-8000-000000000001";
    let elsewhere = json!({"network": {"vpcId": foreign, "subnetId": foreign}});
    tenant.apply("elsewhere", spec(elsewhere)).await;
    tenant.until("elsewhere", "Stalled", "True/NotAllowed").await;
    assert_eq!((tenant.cloud.names().len(), other.cloud.names().len()), (1, 0));
    tenant.assert_nothing_secret_shows(&operator).await;
    operator.stop().await;
}
