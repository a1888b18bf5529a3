//! What it costs: calls to the cloud and writes to Kubernetes, counted exactly.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::support::{
    sim_harness::settings,
    world::{
        World,
        objects::{setup, spec},
    },
};

const OBJECTS: usize = 1000;
/// Of the account, while nothing is on its way.
const TICK: Duration = Duration::from_secs(60);

/// A thousand objects, made together and ready.
fn all_ready() -> World {
    let mut world = World::new(settings(), setup());
    let mut left: Vec<_> =
        (0..OBJECTS).map(|n| world.apply(&format!("cache-{n}"), spec(json!({})))).collect();
    world.until("all ready", Duration::from_secs(600), |world| {
        while left.last().is_some_and(|key| world.is_well(key)) {
            left.pop();
        }
        left.is_empty()
    });
    world
}

#[test]
fn a_thousand_objects_made_together_and_then_at_rest() {
    let mut world = all_ready();
    assert_eq!(world.instances().len(), OBJECTS);

    let calls = world.traffic.lock().unwrap().calls;
    println!("cloud calls: {calls} for {OBJECTS} objects");
    assert!(calls * 10 <= OBJECTS * 11, "{calls} calls for {OBJECTS} objects");

    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    let status_writes = world.cluster.written_since(&mut 0);
    for write in status_writes.iter().filter(|write| write.is_status()) {
        *writes.entry(write.uid.clone()).or_default() += 1;
    }
    let most = writes.values().max().copied().unwrap();
    println!("status writes: {} in all, {most} for an object at most", writes.values().sum::<usize>());
    assert_eq!(writes.len(), OBJECTS);
    assert!(most <= 3, "{most} status writes for one object");

    // The account's pace becomes steady with the next tick.
    world.run_for(TICK);
    let before = (world.traffic.lock().unwrap().calls, world.cluster.writes(), world.cluster.calls());
    world.run_for(10 * TICK);
    let after = (world.traffic.lock().unwrap().calls, world.cluster.writes(), world.cluster.calls());
    assert_eq!(after.0 - before.0, 10, "one list a tick, and nothing else");
    assert_eq!(
        (after.1, after.2),
        (before.1, before.2),
        "nothing is written, and nothing read, in Kubernetes"
    );
}

#[test]
fn a_restart_over_a_thousand_objects_writes_nothing() {
    let mut world = all_ready();
    world.run_for(TICK);
    let before = (world.traffic.lock().unwrap().calls, world.cluster.writes());
    world.restart();
    world.run_for(Duration::from_secs(30));
    let after = (world.traffic.lock().unwrap().calls, world.cluster.writes());
    assert_eq!(after.1, before.1, "a restart writes nothing");
    assert!(after.0 - before.0 <= 7, "a restart lists, and asks nothing else: {}", after.0 - before.0);
}
