//! The API server is slow, refuses requests, closes watches, or restarts: no instance is created twice, the operator
//! does not crash, and all objects are healthy within half a minute.

use std::{process::Command, time::Duration};

use serde_json::json;

use crate::support::{
    api_proxy::Proxy,
    control_plane::{self, start},
    eventually::{DEADLINE, eventually},
    operator::{Operator, TestCluster, fast_settings},
    tenant::Tenant,
};

/// Time limit for all objects to be healthy after the last fault.
const RECOVERY: Duration = Duration::from_secs(30);
const OBJECTS: usize = 10;

async fn operator_behind(proxy: &Proxy, cluster: &TestCluster) -> Operator {
    let kubeconfig = cluster.kubeconfig(Some(proxy.address())).await;
    cluster.operator_with(&kubeconfig, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_converge_after_refusals_conflicts_and_aborted_watches() {
    let cluster = TestCluster::start().await;
    let proxy = Proxy::in_front_of(&cluster.control_plane).await;
    let mut operator = operator_behind(&proxy, &cluster).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    operator.wait_for_log(&["caches are synced"]).await;
    let accepted = proxy.accept_headers("/api/v1/secrets?");
    let metadata = |header: &String| header.contains("as=PartialObjectMetadata");
    assert!(
        accepted.len() >= 2 && accepted.iter().all(metadata),
        "every list and watch asks for metadata only: {accepted:?}"
    );
    for status in [429, 409, 500] {
        proxy.fault("PATCH", "/status", status, 8);
        proxy.fault("PATCH", "dcsinstances/", status, 4);
        proxy.fault("POST", "/secrets", status, 3);
        proxy.fault("PUT", "/leases/", status, 1);
        proxy.fault("POST", "/events", status, 2);
        proxy.fault("PUT", "/secrets/", status, 1);
        proxy.fault("GET", "/secrets/", status, 3);
        proxy.fault("GET", "dcsinstances?", status, 1);
    }
    tenant.apply_many(OBJECTS).await;
    for _ in 0..20 {
        proxy.abort_watches();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let all_used = async || proxy.all_faults_used().then_some(());
    eventually("every fault happened", DEADLINE, all_used).await;
    tenant.wait_until_all_healthy(OBJECTS, RECOVERY).await;
    assert_eq!(tenant.created_count(), OBJECTS);
    assert!(
        [429, 409, 500].iter().all(|status| proxy.response_count(*status) > 5),
        "each status was returned"
    );

    // Requests without a response until their timeout, and then slow responses.
    for part in ["/status", "dcsinstances/"] {
        proxy.hang("PATCH", part, 3);
    }
    proxy.hang("GET", "/secrets/", 2);
    for n in 0..OBJECTS {
        tenant.edit(&format!("cache-{n}"), json!({"description": "whenever"})).await;
    }
    tenant.wait_until_all_healthy(OBJECTS, RECOVERY).await;
    proxy.set_delay(Duration::from_millis(400));
    for n in 0..OBJECTS {
        tenant.edit(&format!("cache-{n}"), json!({"description": "slowly"})).await;
    }
    tenant.wait_until_all_healthy(OBJECTS, RECOVERY).await;
    proxy.set_delay(Duration::ZERO);
    tenant.assert_no_secret_leaks(&operator).await;
    let aborting = async {
        loop {
            proxy.abort_watches();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    for status in [429, 409, 500] {
        proxy.fault("DELETE", "/secrets/", status, 2);
    }
    proxy.lose_answer("DELETE", "/secrets/", 2);
    for part in ["/status", "dcsinstances/"] {
        proxy.lose_answer("PATCH", part, 3);
    }
    tokio::select! {
        () = tenant.delete_many(OBJECTS, DEADLINE) => {}
        () = aborting => {}
    }
    assert!(proxy.all_faults_used(), "every fault happened");
    assert_eq!(tenant.created_count(), OBJECTS);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_converge_after_a_restart_of_the_api_server() {
    let folder = tempfile::tempdir().unwrap();
    let serve = || {
        let mut command = Command::new(control_plane::binary());
        command.arg("serve").arg("--parent-pid").arg(std::process::id().to_string());
        command.arg("--dir").arg(folder.path());
        command
    };
    let mut cluster = TestCluster::on(start(serve()).await).await;
    let proxy = Proxy::in_front_of(&cluster.control_plane).await;
    let kubeconfig = cluster.kubeconfig(Some(proxy.address())).await;
    let mut operator = cluster.operator_with(&kubeconfig, &["--writes-per-second=2"]);
    let mut tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.apply_many(OBJECTS).await;
    let started = async || (tenant.created_count() >= 3).then_some(());
    eventually("some instances are created", DEADLINE, started).await;
    proxy.set_unavailable(true);
    assert!(tenant.created_count() < OBJECTS, "some instances are not created yet");
    cluster.control_plane.signal("-TERM");
    assert!(cluster.control_plane.wait());
    cluster.control_plane = start(serve()).await;
    proxy.set_upstream(&cluster.control_plane);
    cluster.client = cluster.control_plane.client().await;
    tenant.client = cluster.client.clone();
    proxy.set_unavailable(false);
    tenant.wait_until_all_healthy(OBJECTS, RECOVERY).await;
    assert_eq!(tenant.cloud.calls("CreateInstance").len(), OBJECTS);
    tenant.assert_no_secret_leaks(&operator).await;
    operator.stop().await;
}
