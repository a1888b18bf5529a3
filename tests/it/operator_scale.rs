//! What two hundred objects cost, counted in the cloud's journal and the API server's audit log.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    operator::{Field, Shop, quick},
    patience::{DEADLINE, eventually},
    world::objects::spec,
};

const OBJECTS: usize = 200;

fn is_write(entry: &Value) -> bool {
    let verb = entry["verb"].as_str().unwrap_or_default();
    let resource = entry["objectRef"]["resource"].as_str().unwrap_or_default();
    !["get", "list", "watch"].contains(&verb) && resource != "leases" && resource != "events"
}

fn calls(shop: &Shop) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in shop.cloud.journal().as_array().unwrap() {
        *counts.entry(entry["operation"].as_str().unwrap_or("?").to_owned()).or_insert(0) += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_objects_made_together_then_at_rest_then_after_a_restart() {
    let field = Field::start().await;
    let shop = Shop::open(&field, "shop", quick()).await;
    let mut operator = field.operator(&["--fast-tick-seconds=1"]).await;
    operator.says(&["all objects are known"]).await;
    let made = (0..OBJECTS).map(|n| format!("cache-{n}"));
    futures::future::join_all(made.map(async |name| shop.apply(&name, spec(json!({}))).await)).await;
    let names = (0..OBJECTS).map(|n| format!("cache-{n}"));
    futures::future::join_all(names.map(async |name| shop.until_well(&name).await)).await;
    let until_ready = calls(&shop);
    let sum: usize = until_ready.values().sum();
    println!("calls to the cloud for {OBJECTS} objects: {sum} {until_ready:?}");
    assert!(sum * 10 <= OBJECTS * 12, "{until_ready:?}");

    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    for entry in field.audit().iter().filter(|entry| entry["objectRef"]["subresource"] == "status") {
        *writes.entry(entry["objectRef"]["name"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let most = writes.values().max().unwrap();
    println!("status writes: {} in all, {most} for an object at most", writes.values().sum::<usize>());
    assert!(writes.len() == OBJECTS && *most <= 3, "{writes:?}");

    // Two lists later the account's pace is that of rest; then three more are all there is.
    let lists = || calls(&shop).get("ListInstances").copied().unwrap_or_default();
    let later = async |more: usize| {
        let goal = lists() + more;
        eventually("more lists", DEADLINE, async || (lists() >= goal).then_some(())).await;
    };
    later(2).await;
    let (before, written) = (calls(&shop), field.audit().iter().filter(|entry| is_write(entry)).count());
    let begun = std::time::Instant::now();
    later(3).await;
    let took = begun.elapsed();
    let (after, then) = (calls(&shop), field.audit().iter().filter(|entry| is_write(entry)).count());
    let mut expected = before;
    *expected.get_mut("ListInstances").unwrap() += 3;
    assert_eq!(after, expected, "one list a tick, and nothing else");
    assert_eq!(then, written, "nothing is written to Kubernetes but the lease");
    assert!(took > Duration::from_secs(4), "three ticks of 2 s: {took:?}");

    operator.stop().await;
    let before = calls(&shop);
    let operator = field.operator(&["--fast-tick-seconds=1"]).await;
    operator.says(&["all objects are known"]).await;
    later(2).await;
    let after = calls(&shop);
    let read = |name: &str| name.starts_with("List");
    let changed: Vec<_> =
        after.iter().filter(|(name, count)| !read(name) && before.get(*name) != Some(count)).collect();
    assert!(changed.is_empty(), "a restart asks for lists only: {changed:?}");
    let finally = field.audit().iter().filter(|entry| is_write(entry)).count();
    assert_eq!(finally, then, "a restart writes nothing");
}
