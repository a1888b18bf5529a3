//! Costs of two hundred objects: requests in the journal of the cloud and in the audit log of the API server.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{Operator, TestCluster, fast_settings},
    tenant::Tenant,
};

const OBJECTS: usize = 200;
/// Three times the duration on an idle machine.
const LIMIT: Duration = Duration::from_secs(180);
const FLAGS: [&str; 1] = ["--poll-interval-active=1s"];

/// Writes of the operator to Kubernetes, except leases.
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

/// Waits for `more` lists, and returns how many there were.
async fn wait_for_lists(tenant: &Tenant, more: u64) -> u64 {
    let before = lists(tenant);
    let listed = async || (lists(tenant) >= before + more).then_some(());
    eventually("more lists", DEADLINE, listed).await;
    lists(tenant) - before
}

/// Waits until all queued Events are published.
async fn wait_for_events(cluster: &TestCluster) {
    let unchanged = async || {
        let before = writes(cluster).len();
        tokio::time::sleep(Duration::from_secs(1)).await;
        (writes(cluster).len() == before).then_some(())
    };
    eventually("every Event is published", LIMIT, unchanged).await;
}

/// Number of finished reconciles of the process.
async fn reconciles(operator: &Operator) -> u64 {
    let metrics = operator.get("/metrics").await.1;
    let counts = metrics.lines().filter_map(|line| line.strip_prefix("dcs_operator_reconciles_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_objects_stay_within_the_request_budget() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    let mut operator = cluster.operator(&FLAGS).await;
    operator.wait_for_log(&["caches are synced"]).await;
    let begun = std::time::Instant::now();
    tenant.apply_many(OBJECTS).await;
    tenant.wait_until_all_healthy(OBJECTS, LIMIT).await;
    let until_ready = calls(&tenant);
    // A list each second: how many that makes depends on the machine.
    let seconds = begun.elapsed().as_secs();
    let sum: u64 = until_ready.values().sum();
    println!("calls to the cloud for {OBJECTS} objects: {sum} {until_ready:?}");
    assert!(sum * 10 <= OBJECTS as u64 * 11 + seconds * 10, "{until_ready:?} in {seconds} s");

    let audit = cluster.audit();
    assert!(!cluster.has_older_audit_logs(), "the audit log was not rotated");
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in audit.iter().filter(|entry| entry["objectRef"]["subresource"] == "status") {
        *statuses.entry(entry["objectRef"]["name"].as_str().unwrap()).or_default() += 1;
    }
    let most = statuses.values().max().unwrap();
    println!("status writes: {} in all, at most {most} per object", statuses.values().sum::<usize>());
    assert!(statuses.len() == OBJECTS && *most <= 3, "{statuses:?}");

    // After two lists the account is polled at the idle interval. The next three lists are the only requests.
    wait_for_events(&cluster).await;
    wait_for_lists(&tenant, 2).await;
    let (before, written) = (calls(&tenant), writes(&cluster).len());
    let begun = std::time::Instant::now();
    let listed = wait_for_lists(&tenant, 3).await;
    let (after, took) = (calls(&tenant), begun.elapsed());
    let others = |calls: &BTreeMap<&str, u64>| calls.values().sum::<u64>() - calls["ListInstances"];
    assert_eq!(others(&after), others(&before), "the operator sends lists only: {before:?} {after:?}");
    assert!(took > Duration::from_secs(2) * (listed as u32 - 1), "one list per 2 s: {listed} in {took:?}");
    assert_eq!(writes(&cluster).len(), written, "the operator writes only its lease");

    operator.stop().await;
    let before = tenant.changes().len();
    let mut operator = cluster.operator(&FLAGS).await;
    let reconciled = async || (reconciles(&operator).await >= OBJECTS as u64).then_some(());
    eventually("every object was reconciled", LIMIT, reconciled).await;
    wait_for_lists(&tenant, 3).await;
    assert_eq!(tenant.changes().len(), before, "a restart changes nothing in the cloud");
    let first = writes(&cluster).len();
    assert_eq!(
        first,
        written,
        "a restart writes nothing to Kubernetes: {:#?}",
        writes(&cluster).get(written)
    );
    operator.stop().await;
}
