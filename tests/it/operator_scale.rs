//! What two hundred objects cost, counted in the cloud's journal and the API server's audit log.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{Operator, Tenant, TestCluster, quick},
};

const OBJECTS: usize = 200;
/// Three times what it takes where nothing else runs.
const LIMIT: Duration = Duration::from_secs(180);
const FLAGS: [&str; 1] = ["--poll-interval-active=1s"];

/// What the operator wrote to Kubernetes, leases aside.
fn writes(cluster: &TestCluster) -> Vec<Value> {
    let is_write = |entry: &Value| {
        let verb = entry["verb"].as_str().unwrap_or_default();
        !["get", "list", "watch"].contains(&verb) && entry["objectRef"]["resource"] != "leases"
    };
    cluster.audit().into_iter().filter(is_write).collect()
}

fn calls(tenant: &Tenant) -> BTreeMap<&'static str, u64> {
    tenant.cloud.shared.lock().journal().counts()
}

fn lists(tenant: &Tenant) -> u64 {
    calls(tenant).get("ListInstances").copied().unwrap_or_default()
}

/// Waits for so many more lists; how many there were.
async fn later(tenant: &Tenant, more: u64) -> u64 {
    let before = lists(tenant);
    let look = async || (lists(tenant) >= before + more).then_some(());
    eventually("more lists", DEADLINE, look).await;
    lists(tenant) - before
}

/// Waits until the Events of what happened are published, one by one.
async fn until_told(cluster: &TestCluster) {
    let still = async || {
        let before = writes(cluster).len();
        tokio::time::sleep(Duration::from_secs(1)).await;
        (writes(cluster).len() == before).then_some(())
    };
    eventually("every Event is published", LIMIT, still).await;
}

/// Passes that have ended since the process began.
async fn passes(operator: &Operator) -> u64 {
    let metrics = operator.get("/metrics").await.1;
    let counts = metrics.lines().filter_map(|line| line.strip_prefix("dcs_operator_reconciles_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_objects_made_together_then_at_rest_then_after_a_restart() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::open(&cluster, "shop", quick()).await;
    let mut operator = cluster.operator(&FLAGS).await;
    operator.says(&["all objects are known"]).await;
    tenant.apply_many(OBJECTS).await;
    tenant.until_all_well(OBJECTS, LIMIT).await;
    let until_ready = calls(&tenant);
    let sum: u64 = until_ready.values().sum();
    println!("calls to the cloud for {OBJECTS} objects: {sum} {until_ready:?}");
    assert!(sum * 10 <= OBJECTS as u64 * 12, "{until_ready:?}");

    let audit = cluster.audit();
    assert!(!cluster.has_older_audit_logs(), "nothing that is counted was moved away");
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in audit.iter().filter(|entry| entry["objectRef"]["subresource"] == "status") {
        *statuses.entry(entry["objectRef"]["name"].as_str().unwrap()).or_default() += 1;
    }
    let most = statuses.values().max().unwrap();
    println!("status writes: {} in all, {most} for an object at most", statuses.values().sum::<usize>());
    assert!(statuses.len() == OBJECTS && *most <= 3, "{statuses:?}");

    // Two lists later the account's pace is that of rest; then three more are all there is.
    until_told(&cluster).await;
    later(&tenant, 2).await;
    let (before, written) = (calls(&tenant), writes(&cluster).len());
    let begun = std::time::Instant::now();
    let listed = later(&tenant, 3).await;
    let (after, took) = (calls(&tenant), begun.elapsed());
    let others = |calls: &BTreeMap<&str, u64>| calls.values().sum::<u64>() - calls["ListInstances"];
    assert_eq!(others(&after), others(&before), "lists, and nothing else: {before:?} {after:?}");
    assert!(
        took > Duration::from_secs(2) * (listed as u32 - 1),
        "one list a tick of 2 s: {listed} in {took:?}"
    );
    assert_eq!(writes(&cluster).len(), written, "nothing is written to Kubernetes but the lease");

    operator.stop().await;
    let before = tenant.changes().len();
    let mut operator = cluster.operator(&FLAGS).await;
    let visited = async || (passes(&operator).await >= OBJECTS as u64).then_some(());
    eventually("every object was visited", LIMIT, visited).await;
    later(&tenant, 3).await;
    assert_eq!(tenant.changes().len(), before, "a restart changes nothing in the cloud");
    let first = writes(&cluster).len();
    assert_eq!(first, written, "and writes nothing to Kubernetes: {:#?}", writes(&cluster).get(written));
    operator.stop().await;
}
