//! The API server is slow, refuses, closes watches, goes away and comes back: nothing is made twice, nothing crashes, and
//! half a minute later all is well.

use std::{process::Command, time::Duration};

use serde_json::json;

use crate::support::{
    api_proxy::Proxy,
    control_plane::{self, start},
    eventually::{DEADLINE, eventually},
    operator::{Operator, Tenant, TestCluster, quick},
};

/// Within this, all is well again once nothing goes wrong any more.
const RECOVERY: Duration = Duration::from_secs(30);
const OBJECTS: usize = 10;

async fn behind(proxy: &Proxy, cluster: &TestCluster) -> Operator {
    let kubeconfig = cluster.kubeconfig(Some(proxy.address())).await;
    cluster.operator_with(&kubeconfig, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_conflicts_and_broken_watches() {
    let cluster = TestCluster::start().await;
    let proxy = Proxy::before(&cluster.control_plane).await;
    let mut operator = behind(&proxy, &cluster).await;
    let tenant = Tenant::open(&cluster, "shop", quick()).await;
    operator.says(&["all objects are known"]).await;
    let forms = proxy.forms("/api/v1/secrets?");
    let metadata = |form: &String| form.contains("as=PartialObjectMetadata");
    assert!(forms.len() >= 2 && forms.iter().all(metadata), "no list or watch asks for contents: {forms:?}");
    for status in [429, 409, 500] {
        proxy.fault("PATCH", "/status", status, 8);
        proxy.fault("PATCH", "dcsinstances/", status, 4);
        proxy.fault("POST", "/secrets", status, 3);
        proxy.fault("DELETE", "/secrets/", status, 2);
        proxy.fault("PUT", "/leases/", status, 1);
        proxy.fault("POST", "/events", status, 2);
        proxy.fault("PUT", "/secrets/", status, 1);
        proxy.fault("GET", "/secrets/", status, 3);
        proxy.fault("GET", "dcsinstances?", status, 1);
    }
    tenant.apply_many(OBJECTS).await;
    for _ in 0..20 {
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let superseded = async || proxy.is_spent().then_some(());
    eventually("every fault happened", DEADLINE, superseded).await;
    tenant.until_all_well(OBJECTS, RECOVERY).await;
    assert_eq!(tenant.ever_made(), OBJECTS);
    assert!([429, 409, 500].iter().all(|status| proxy.answered(*status) > 5), "each was answered");

    // One that does not answer at all, for longer than an answer is waited for; and then a slow one.
    for part in ["/status", "dcsinstances/"] {
        proxy.hang("PATCH", part, 3);
    }
    proxy.hang("GET", "/secrets/", 2);
    for n in 0..OBJECTS {
        tenant.edit(&format!("cache-{n}"), json!({"description": "whenever"})).await;
    }
    tenant.until_all_well(OBJECTS, RECOVERY).await;
    proxy.set_delay(Duration::from_millis(400));
    for n in 0..OBJECTS {
        tenant.edit(&format!("cache-{n}"), json!({"description": "slowly"})).await;
    }
    tenant.until_all_well(OBJECTS, RECOVERY).await;
    proxy.set_delay(Duration::ZERO);
    tenant.assert_nothing_secret_shows(&operator).await;
    let cutting = async {
        loop {
            proxy.cut();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = tenant.delete_many(OBJECTS, DEADLINE) => {}
        () = cutting => {}
    }
    assert_eq!(tenant.ever_made(), OBJECTS);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let serve = || {
        let mut command = Command::new(control_plane::binary());
        command.arg("serve").arg("--parent-pid").arg(std::process::id().to_string());
        command.arg("--dir").arg(folder.path());
        command
    };
    let mut cluster = TestCluster::on(start(serve()).await).await;
    let proxy = Proxy::before(&cluster.control_plane).await;
    let kubeconfig = cluster.kubeconfig(Some(proxy.address())).await;
    let mut operator = cluster.operator_with(&kubeconfig, &["--writes-per-second=2"]);
    let mut tenant = Tenant::open(&cluster, "shop", quick()).await;
    tenant.apply_many(OBJECTS).await;
    let begun = async || (tenant.ever_made() >= 3).then_some(());
    eventually("some of them are begun", DEADLINE, begun).await;
    proxy.set_down(true);
    assert!(tenant.ever_made() < OBJECTS, "and some are not");
    cluster.control_plane.signal("-TERM");
    assert!(cluster.control_plane.wait());
    cluster.control_plane = start(serve()).await;
    proxy.lead_to(&cluster.control_plane);
    cluster.client = cluster.control_plane.client().await;
    tenant.client = cluster.client.clone();
    proxy.set_down(false);
    tenant.until_all_well(OBJECTS, RECOVERY).await;
    assert_eq!(tenant.cloud.calls("CreateInstance").len(), OBJECTS);
    tenant.assert_nothing_secret_shows(&operator).await;
    operator.stop().await;
}
