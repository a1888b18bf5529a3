//! A namespace whose clouds accept connections and are silent: objects of other namespaces become ready as ever.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{TestCluster, fast_settings},
    raw_server::{Act, RawServer},
    sim_harness::reserved_ports,
    tenant::Tenant,
    world::objects::spec,
};

const SILENT: usize = 24;
/// How much longer the victim may take than alone.
const DELAY: Duration = Duration::from_secs(10);

async fn time_of(tenant: &Tenant, name: &str) -> Duration {
    let begun = Instant::now();
    tenant.apply(name, spec(json!({}))).await;
    tenant.wait_until_healthy(name).await;
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_clouds_of_one_namespace_keep_no_other_from_ready() {
    let cluster = TestCluster::start().await;
    let silent = RawServer::start(Act::Hang).await;
    let address = silent.url().replace("http://", "");
    let allowed = format!("--allow-insecure-endpoint={},{address}", reserved_ports());
    let mut operator = cluster.operator(&["--concurrency=4", &allowed]).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    let alone = time_of(&tenant, "alone").await;

    let hostile = Tenant::without_credentials(&cluster, "hostile", fast_settings()).await;
    for n in 0..SILENT {
        // Without a project, a reconcile waits for the cloud.
        let mut credentials = hostile.credentials();
        let fields = credentials.as_object_mut().unwrap();
        fields.remove("projectId");
        for (key, value) in [("endpoint", silent.url()), ("iamEndpoint", silent.url())] {
            fields.insert(key.to_owned(), value.into());
        }
        fields.insert("secretKey".to_owned(), format!("a-secret-key-of-number-{n}").into());
        let name = format!("silent-{n}");
        hostile.put_secret(&name, credentials).await;
        hostile.apply(&name, spec(json!({"credentialsRef": {"name": name}}))).await;
    }
    eventually("requests hang", DEADLINE, async || (silent.requests() >= 2).then_some(())).await;
    let took = time_of(&tenant, "victim").await;
    println!("alone {alone:?}, beside {SILENT} silent clouds {took:?}");
    assert!(took <= alone + DELAY, "{took:?}, alone {alone:?}");
    operator.stop().await;
}
