//! The API server, or a proxy in front of it, accepts requests and is silent: nothing of the operator waits for ever, and
//! the probes say what is silent.

use serde_json::json;

use crate::support::{
    api_proxy::Proxy,
    eventually::{DEADLINE, eventually},
    operator::{Operator, TestCluster, fast_settings},
    tenant::Tenant,
    world::objects::spec,
};

const SHORT: [&str; 3] = ["--kubernetes-timeout=1s", "--watch=4s", "--watch-retry=500ms"];

async fn operator_behind(proxy: &Proxy, cluster: &TestCluster) -> Operator {
    let kubeconfig = cluster.kubeconfig(Some(proxy.address())).await;
    cluster.operator_with(&kubeconfig, &SHORT)
}

async fn apply_and_wait(tenant: &Tenant, name: &str) {
    tenant.apply(name, spec(json!({}))).await;
    tenant.wait_until_healthy(name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_never_answered_do_not_make_the_operator_deaf() {
    let cluster = TestCluster::start().await;
    let proxy = Proxy::in_front_of(&cluster.control_plane).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    // The definition, the lease, and of DcsInstances and Secrets the first list and the first watch.
    for part in ["/customresourcedefinitions/", "/leases/", "/v1/secrets?&limit", "/dcsinstances?&limit"] {
        proxy.hang("GET", part, 1);
    }
    for part in ["/v1/secrets?&watch=true", "/dcsinstances?&watch=true"] {
        proxy.hang("GET", part, 1);
    }
    let mut operator = operator_behind(&proxy, &cluster).await;
    apply_and_wait(&tenant, "first").await;
    eventually("all requests were made", DEADLINE, async || proxy.all_faults_used().then_some(())).await;
    apply_and_wait(&tenant, "second").await;
    assert_eq!(operator.get("/readyz").await.0, 200);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_falls_silent_is_seen_by_the_probes_and_resumed() {
    let cluster = TestCluster::start().await;
    let proxy = Proxy::in_front_of(&cluster.control_plane).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    let mut operator = operator_behind(&proxy, &cluster).await;
    apply_and_wait(&tenant, "before").await;
    proxy.set_silent(Some("watch=true"));
    tenant.apply("meanwhile", spec(json!({}))).await;
    let text = eventually("not ready", DEADLINE, async || {
        let (status, text) = operator.get("/readyz").await;
        (status == 503 && text.contains("DcsInstance") && text.contains("Secret")).then_some(text)
    });
    assert!(text.await.contains("not ready: no answer to the watch of DcsInstance\n"));
    assert_eq!(operator.get("/healthz").await.0, 200, "readiness fails long before liveness");
    proxy.set_silent(None);
    tenant.wait_until_healthy("meanwhile").await;
    eventually("ready again", DEADLINE, async || (operator.get("/readyz").await.0 == 200).then_some(()))
        .await;
    // A quiet watch is no silent one: the API server ends it after its time.
    let watches = || proxy.accept_headers("watch=true").len();
    let before = watches();
    eventually("quiet watches end", DEADLINE, async || (watches() >= before + 4).then_some(())).await;
    assert_eq!(operator.get("/readyz").await.0, 200);
    operator.stop().await;
}
