//! The exact number of calls to the cloud and of writes to Kubernetes.

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
/// The poll interval of an account without pending operations.
const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// A thousand objects, created together and ready.
fn all_ready() -> World {
    let mut world = World::new(settings(), setup());
    let mut pending: Vec<_> =
        (0..OBJECTS).map(|n| world.apply(&format!("cache-{n}"), spec(json!({})))).collect();
    world.until("all ready", Duration::from_secs(600), |world| {
        while pending.last().is_some_and(|key| world.is_well(key)) {
            pending.pop();
        }
        pending.is_empty()
    });
    world
}

#[test]
fn a_thousand_objects_cost_few_calls_and_none_but_lists_at_rest() {
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
    println!("status writes: {} in total, {most} per object at most", writes.values().sum::<usize>());
    assert_eq!(writes.len(), OBJECTS);
    assert!(most <= 3, "{most} status writes for one object");

    let (kube, object) = (world.cluster.calls(), "3 status, 1 finalizer, 2 Secrets");
    println!("requests to Kubernetes: {kube} for {OBJECTS} objects");
    assert!(kube <= OBJECTS * 6 + 10, "{kube} requests for {OBJECTS} objects, each has {object}");

    // The account changes to the idle poll interval with the next poll.
    world.run_for(POLL_INTERVAL);
    let before = (world.traffic.lock().unwrap().calls, world.cluster.writes(), world.cluster.calls());
    world.run_for(10 * POLL_INTERVAL);
    let after = (world.traffic.lock().unwrap().calls, world.cluster.writes(), world.cluster.calls());
    assert_eq!(after.0 - before.0, 10, "one list per poll interval, and no other call");
    assert_eq!((after.1, after.2), (before.1, before.2), "no call to Kubernetes");
}

#[test]
fn a_restart_with_a_thousand_objects_writes_nothing() {
    let mut world = all_ready();
    world.run_for(POLL_INTERVAL);
    let before = (world.traffic.lock().unwrap().calls, world.cluster.writes(), world.cluster.calls());
    world.restart();
    world.run_for(Duration::from_secs(30));
    let after = (world.traffic.lock().unwrap().calls, world.cluster.writes(), world.cluster.calls());
    assert!(after.2 - before.2 <= 2, "a restart reads the credentials: {} requests", after.2 - before.2);
    assert_eq!(after.1, before.1, "a restart writes nothing");
    assert!(after.0 - before.0 <= 7, "a restart only lists: {} calls", after.0 - before.0);
}
