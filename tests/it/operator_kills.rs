//! The operator is killed at any moment, or stands still while another one takes over: nothing is made twice, and nothing
//! is left behind.

use std::{collections::BTreeSet, time::Duration};

use dcs_operator::simulator::{Filter, Journal};
use serde_json::json;

use crate::support::{
    operator::{Field, Operator, Shop, is_held, quick},
    patience::eventually,
    world::objects::spec,
};

const LIMIT: Duration = Duration::from_secs(120);
/// The cloud shows at once what it has made; so whoever comes after a kill need not wait for long.
const SHORT: [&str; 3] = ["--send-limit-seconds=1", "--call-timeout-seconds=2", "--visibility-seconds=1"];
const LEASE: [&str; 2] = ["--lease-seconds=9", "--lease-renew-seconds=1"];

fn flags(identity: &str) -> Vec<String> {
    let all = SHORT.iter().chain(&LEASE).map(|flag| (*flag).to_owned());
    all.chain([format!("--identity={identity}")]).collect()
}

async fn operator(field: &Field, identity: &str) -> Operator {
    let flags = flags(identity);
    field.operator(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn apply_all(shop: &Shop, objects: usize) {
    for n in 0..objects {
        shop.apply(&format!("cache-{n}"), spec(json!({}))).await;
    }
}

/// Everyone is well, with one instance each.
async fn all_well(shop: &Shop, objects: usize) {
    let names = (0..objects).map(|n| format!("cache-{n}"));
    let well = futures::future::join_all(names.map(async |name| shop.until_well(&name).await));
    tokio::time::timeout(LIMIT, well).await.expect("all well");
    let simulator = shop.cloud.shared.lock();
    let owners: BTreeSet<_> = simulator
        .service()
        .instances()
        .map(|instance| instance.tags.iter().find(|tag| tag.key == "dcs-operator-uid").cloned())
        .map(|tag| tag.and_then(|tag| tag.value).expect("a mark"))
        .collect();
    assert_eq!((simulator.service().instances().count(), owners.len()), (objects, objects));
}

async fn delete_all(shop: &Shop, objects: usize) {
    for n in 0..objects {
        shop.delete(&format!("cache-{n}")).await;
    }
    for n in 0..objects {
        shop.until_gone(&format!("cache-{n}")).await;
    }
    assert_eq!(shop.cloud.names(), Vec::<String>::new(), "nothing is left in the cloud");
    let released = async || (!is_held(shop, "dcs-credentials").await).then_some(());
    eventually("the credentials can go", LIMIT, released).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_while_fifty_are_made() {
    const OBJECTS: usize = 50;
    let field = Field::start().await;
    let shop = Shop::open(&field, "shop", quick()).await;
    let lost = json!([
        {"operation": "CreateInstance", "count": null, "probability": 0.2, "fault": "dropAnswer"},
        {"operation": "DeleteInstance", "count": null, "probability": 0.2, "fault": "dropAnswer"},
    ]);
    shop.cloud.add_faults(&lost);
    let kubeconfig = field.kubeconfig(None).await;
    // Few changes a second, so that the kills fall in between.
    let mut all = flags("pod-1");
    all.push("--writes-per-second=2".to_owned());
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    apply_all(&shop, OBJECTS).await;
    let mut bits = 0x2545_F491_4F6C_DD1D_u64;
    let mut made_at_kills = Vec::new();
    for _ in 0..20 {
        let mut operator = field.operator_with(&kubeconfig, &all);
        operator.says(&["all objects are known"]).await;
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        // A moment by chance, within the second in which the most happens.
        tokio::time::sleep(Duration::from_millis(bits % 900)).await;
        operator.signal("-KILL");
        assert_eq!(operator.wait().await, None);
        made_at_kills.push(shop.cloud.names().len());
    }
    println!("instances at each kill: {made_at_kills:?}");
    let mut operator = operator(&field, "pod-1").await;
    all_well(&shop, OBJECTS).await;
    let dropped = shop.cloud.calls("CreateInstance").len();
    println!("requests to create: {dropped} for {OBJECTS} instances");
    delete_all(&shop, OBJECTS).await;
    shop.assert_nothing_secret_shows(&operator).await;
    operator.stop().await;
}

/// Calls that change something, so far: the operation, and when.
fn changes(shop: &Shop) -> Vec<String> {
    let simulator = shop.cloud.shared.lock();
    let journal: &Journal = simulator.journal();
    let every = Filter::default();
    let entries = journal.entries(&every);
    let changes = entries.filter(|entry| !entry.operation.is_some_and(is_read));
    changes
        .map(|entry| format!("{} {:?} {:?} {}", entry.time, entry.operation, entry.status, entry.effect))
        .collect()
}

fn is_read(operation: &str) -> bool {
    ["List", "Show", "Keystone"].iter().any(|prefix| operation.starts_with(prefix))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stood_still_while_another_took_over_changes_nothing() {
    const OBJECTS: usize = 30;
    let field = Field::start().await;
    let shop = Shop::open(&field, "shop", quick()).await;
    let mut first = operator(&field, "pod-1").await;
    first.says(&["leads from now on"]).await;
    let mut second = operator(&field, "pod-2").await;
    second.says(&["waits until it may lead"]).await;
    apply_all(&shop, OBJECTS).await;
    let begun = async || (shop.cloud.names().len() >= 3).then_some(());
    eventually("some are begun", LIMIT, begun).await;
    first.signal("-STOP");
    second.says(&["leads from now on"]).await;
    all_well(&shop, OBJECTS).await;
    let before = changes(&shop);
    first.signal("-CONT");
    assert_eq!(first.wait().await, Some(1), "it ends: it does not lead any more");
    assert!(first.log().contains("lease"), "{}", first.log());
    assert_eq!(changes(&shop), before, "and has changed nothing since");
    delete_all(&shop, OBJECTS).await;
    second.stop().await;
}
