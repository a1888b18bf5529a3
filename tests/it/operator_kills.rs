//! The operator is killed at random moments, or paused while another process takes over: no instance is created twice,
//! and none is orphaned.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    eventually::eventually,
    operator::{Operator, TestCluster, fast_settings},
    tenant::Tenant,
};

const OBJECTS: usize = 50;
const LIMIT: Duration = Duration::from_secs(120);
/// The simulated cloud lists new instances at once, so the process after a kill need not wait long. Few writes per
/// second place the kills between creations.
const SHORT: [&str; 4] =
    ["--intent-ttl=1s", "--call-timeout=2s", "--list-consistency-window=1s", "--writes-per-second=2"];
const LEASE: [&str; 2] = ["--leader-elect-lease-duration=12s", "--leader-elect-renew-interval=1s"];

fn flags(identity: &str) -> Vec<String> {
    let all = SHORT.iter().chain(&LEASE).map(|flag| (*flag).to_owned());
    all.chain([format!("--identity={identity}")]).collect()
}

async fn operator(cluster: &TestCluster, identity: &str, more: &[&str]) -> Operator {
    let flags = flags(identity);
    let replaced = |flag: &&str| more.iter().any(|other| other.split('=').next() == flag.split('=').next());
    let flags = flags.iter().map(String::as_str).filter(|flag| !replaced(flag));
    cluster.operator(&flags.chain(more.iter().copied()).collect::<Vec<_>>()).await
}

/// One response in five is lost.
fn one_in_five_lost() -> Value {
    json!([{"operation": "*", "count": null, "probability": 0.2, "fault": "dropAnswer"}])
}

fn assert_created_once(tenant: &Tenant) {
    assert_eq!(tenant.created_count(), OBJECTS, "no instance was created twice, not even temporarily");
    let creates = tenant.cloud.calls("CreateInstance");
    let lost = creates.iter().filter(|entry| entry.status.is_none()).count();
    println!("requests to create: {} for {OBJECTS} instances; lost responses: {lost}", creates.len());
    assert!(lost >= 3, "one response in five is lost: {lost} of {}", creates.len());
}

/// A pseudo-random number below `bound`, the same in every run.
fn random_below(bits: &mut u64, bound: u64) -> u64 {
    *bits ^= *bits << 13;
    *bits ^= *bits >> 7;
    *bits ^= *bits << 17;
    *bits % bound
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_during_fifty_creations_create_no_duplicate() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.cloud.add_faults(&one_in_five_lost());
    tenant.apply_many(OBJECTS).await;
    let mut bits = 0x2545_F491_4F6C_DD1D_u64;
    let mut created_at_kills = Vec::new();
    for round in 0..20 {
        let mut operator = operator(&cluster, "pod-1", &[]).await;
        let before = tenant.created_count();
        if round % 4 == 3 {
            // During startup, lease acquisition or the first list.
            tokio::time::sleep(Duration::from_millis(random_below(&mut bits, 500))).await;
        } else {
            // During creations: after one or two more.
            let goal = (before + 1 + random_below(&mut bits, 2) as usize).min(OBJECTS - 1);
            let more = async || (tenant.created_count() >= goal).then_some(());
            eventually(&format!("{goal} instances were created"), LIMIT, more).await;
            tokio::time::sleep(Duration::from_millis(random_below(&mut bits, 200))).await;
        }
        operator.signal("-KILL");
        assert_eq!(operator.wait().await, None);
        created_at_kills.push(tenant.created_count());
    }
    println!("instances at each kill: {created_at_kills:?}");
    let midway = created_at_kills.iter().filter(|made| (1..OBJECTS).contains(made)).count();
    assert!(midway >= 15, "most kills happen during creations: {created_at_kills:?}");
    let mut operator = operator(&cluster, "pod-1", &["--writes-per-second=20"]).await;
    tenant.wait_until_all_healthy(OBJECTS, LIMIT).await;
    assert_created_once(&tenant);
    tenant.assert_no_secret_leaks(&operator).await;
    tenant.delete_many(OBJECTS, LIMIT).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_process_changes_nothing_after_another_took_over() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.cloud.add_faults(&one_in_five_lost());
    let mut first = operator(&cluster, "pod-1", &[]).await;
    first.wait_for_log(&["became leader"]).await;
    let mut second = operator(&cluster, "pod-2", &["--writes-per-second=5"]).await;
    second.wait_for_log(&["waiting for the lease"]).await;
    tenant.apply_many(OBJECTS).await;
    let made = async |goal: usize| {
        let made = async || (tenant.created_count() >= goal).then_some(());
        eventually(&format!("{goal} instances were created"), LIMIT, made).await;
    };
    made(3).await;
    first.signal("-STOP");
    let by_first = tenant.created_count();
    assert!(by_first < OBJECTS - 10, "most instances are not created yet: {by_first}");
    second.wait_for_log(&["became leader"]).await;
    made(by_first + 5).await;
    // The second process is paused too, for less than the lease duration: only the first one could change anything.
    second.signal("-STOP");
    let unchanged = async || {
        let before = tenant.changes().len();
        tokio::time::sleep(Duration::from_millis(500)).await;
        (tenant.changes().len() == before).then_some(before)
    };
    let before = eventually("no request is in progress", LIMIT, unchanged).await;
    let midway = tenant.created_count();
    assert!(midway < OBJECTS, "the first process has work left: {midway}");
    first.signal("-CONT");
    assert_eq!(first.wait().await, Some(1), "the process exits, because it lost the lease");
    first.wait_for_log(&["a new process must take over"]).await;
    assert_eq!(tenant.changes().len(), before, "the process changed nothing");
    second.signal("-CONT");
    tenant.wait_until_all_healthy(OBJECTS, LIMIT).await;
    assert_created_once(&tenant);
    println!("instances when the first process was paused: {by_first}, when it resumed: {midway}");
    tenant.assert_no_secret_leaks(&second).await;
    tenant.delete_many(OBJECTS, LIMIT).await;
    second.stop().await;
}
