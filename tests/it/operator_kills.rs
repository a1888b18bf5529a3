//! The operator is killed at any moment, or stands still while another one takes over: nothing is made twice, and nothing
//! is left behind.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    eventually::eventually,
    operator::{Operator, Tenant, TestCluster, quick},
};

const OBJECTS: usize = 50;
const LIMIT: Duration = Duration::from_secs(120);
/// The cloud shows at once what it has made; so whoever comes after a kill need not wait for long. And few changes a
/// second, so that what is done to the operator falls in between.
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

/// One answer in five is lost, whatever the question.
fn one_in_five_lost() -> Value {
    json!([{"operation": "*", "count": null, "probability": 0.2, "fault": "dropAnswer"}])
}

fn assert_made_once(tenant: &Tenant) {
    assert_eq!(tenant.ever_made(), OBJECTS, "none was made twice, not even for a moment");
    let creates = tenant.cloud.calls("CreateInstance");
    let lost = creates.iter().filter(|entry| entry.status.is_none()).count();
    println!("requests to create: {} for {OBJECTS} instances; answers lost: {lost}", creates.len());
    assert!(lost >= 3, "one in five was to be lost: {lost} of {}", creates.len());
}

/// Numbers below `bound`, by chance, and the same in every run.
fn chance(bits: &mut u64, bound: u64) -> u64 {
    *bits ^= *bits << 13;
    *bits ^= *bits >> 7;
    *bits ^= *bits << 17;
    *bits % bound
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_while_fifty_are_made() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::open(&cluster, "shop", quick()).await;
    tenant.cloud.add_faults(&one_in_five_lost());
    tenant.apply_many(OBJECTS).await;
    let mut bits = 0x2545_F491_4F6C_DD1D_u64;
    let mut made_at_kills = Vec::new();
    for round in 0..20 {
        let mut operator = operator(&cluster, "pod-1", &[]).await;
        let before = tenant.ever_made();
        if round % 4 == 3 {
            // While it starts, asks for the lease, or takes its first look.
            tokio::time::sleep(Duration::from_millis(chance(&mut bits, 500))).await;
        } else {
            // While it makes instances: after one or two more.
            let goal = (before + 1 + chance(&mut bits, 2) as usize).min(OBJECTS - 1);
            let more = async || (tenant.ever_made() >= goal).then_some(());
            eventually(&format!("{goal} instances were made"), LIMIT, more).await;
            tokio::time::sleep(Duration::from_millis(chance(&mut bits, 200))).await;
        }
        operator.signal("-KILL");
        assert_eq!(operator.wait().await, None);
        made_at_kills.push(tenant.ever_made());
    }
    println!("instances at each kill: {made_at_kills:?}");
    let midway = made_at_kills.iter().filter(|made| (1..OBJECTS).contains(made)).count();
    assert!(midway >= 15, "most kills fall while instances are made: {made_at_kills:?}");
    let mut operator = operator(&cluster, "pod-1", &["--writes-per-second=20"]).await;
    tenant.until_all_well(OBJECTS, LIMIT).await;
    assert_made_once(&tenant);
    tenant.assert_nothing_secret_shows(&operator).await;
    tenant.delete_many(OBJECTS, LIMIT).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stood_still_while_another_took_over_changes_nothing() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::open(&cluster, "shop", quick()).await;
    tenant.cloud.add_faults(&one_in_five_lost());
    let mut first = operator(&cluster, "pod-1", &[]).await;
    first.says(&["leads from now on"]).await;
    let mut second = operator(&cluster, "pod-2", &["--writes-per-second=5"]).await;
    second.says(&["waits until it may lead"]).await;
    tenant.apply_many(OBJECTS).await;
    let made = async |goal: usize| {
        let made = async || (tenant.ever_made() >= goal).then_some(());
        eventually(&format!("{goal} instances were made"), LIMIT, made).await;
    };
    made(3).await;
    first.signal("-STOP");
    let by_first = tenant.ever_made();
    assert!(by_first < OBJECTS - 10, "it has much left to do: {by_first}");
    second.says(&["leads from now on"]).await;
    made(by_first + 5).await;
    // Now the other one stands still, too, for less than the lease lasts: whatever is changed is the first one's doing.
    second.signal("-STOP");
    let at_rest = async || {
        let before = tenant.changes().len();
        tokio::time::sleep(Duration::from_millis(500)).await;
        (tenant.changes().len() == before).then_some(before)
    };
    let before = eventually("nothing is on its way any more", LIMIT, at_rest).await;
    let midway = tenant.ever_made();
    assert!(midway < OBJECTS, "there is work that the first one knows of: {midway}");
    first.signal("-CONT");
    assert_eq!(first.wait().await, Some(1), "it ends: it does not lead any more");
    first.says(&["a new process has to take over"]).await;
    assert_eq!(tenant.changes().len(), before, "and has changed nothing since");
    second.signal("-CONT");
    tenant.until_all_well(OBJECTS, LIMIT).await;
    assert_made_once(&tenant);
    println!("instances when the first stopped: {by_first}, when it went on: {midway}");
    tenant.assert_nothing_secret_shows(&second).await;
    tenant.delete_many(OBJECTS, LIMIT).await;
    second.stop().await;
}
