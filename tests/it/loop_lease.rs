//! The operator changes the cloud only under a lease that covers the change.

use std::time::Duration;

use serde_json::json;

use crate::support::world::{
    World,
    objects::{quick_cloud, setup, spec},
    process::{Lease, Setup},
};

const LIMIT: Duration = Duration::from_secs(600);

fn world(lease: &Lease) -> World {
    World::new(quick_cloud(), Setup { lease: Some(lease.clone()), ..setup() })
}

#[test]
fn without_a_lease_nothing_is_recorded_or_sent() {
    let lease = Lease::lasting(0);
    let mut world = world(&lease);
    let key = world.apply("sessions", spec(json!({})));
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.changes(), 0);
    let status = world.object(&key).unwrap().status.unwrap_or_default();
    assert!(status.operation.is_none(), "{status:?}");
    assert!(!lease.asked().is_empty(), "the operator asked for the lease");

    lease.extend(usize::MAX);
    world.until("ready", LIMIT, |world| world.is_well(&key));
    lease.extend(0);
    let before = world.changes();
    world.edit(&key, |spec| spec.description = Some("another".to_owned()));
    world.run_for(Duration::from_secs(300));
    world.delete(&key);
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.changes(), before);
    assert!(world.object(&key).is_some(), "the object waits");
    lease.extend(usize::MAX);
    world.until("gone", LIMIT, |world| world.object(&key).is_none());
}

/// The intent is recorded under the lease. The request is not sent without it, and the status shows that.
#[test]
fn a_lease_lost_after_the_intent_stops_the_request() {
    let lease = Lease::lasting(1);
    let mut world = world(&lease);
    let key = world.apply("sessions", spec(json!({})));
    let refused = |world: &World| {
        let status = world.object(&key).and_then(|object| object.status).unwrap_or_default();
        status.operation.is_some_and(|operation| operation.outcome.is_some())
    };
    world.until("recorded and refused", LIMIT, refused);
    let operation = world.object(&key).unwrap().status.unwrap().operation.unwrap();
    assert_eq!(operation.reason.as_deref(), Some("ClusterError"));
    assert_eq!(world.changes(), 0);
    lease.extend(usize::MAX);
    let started = world.clock_now();
    world.until("ready", LIMIT, |world| world.is_well(&key));
    let took = world.clock_now() - started;
    assert!(took < Duration::from_secs(60), "the outcome is known, so there is no wait: {took:?}");
    assert_eq!(world.changes(), 1);
}

/// A change takes 15 s at most and must end 5 s before another process can lead.
#[test]
fn the_lease_covers_the_timeout_and_the_margin() {
    let lease = Lease::lasting(usize::MAX);
    let mut world = world(&lease);
    let key = world.apply("sessions", spec(json!({})));
    let mut latest = Duration::ZERO;
    world.until("ready", LIMIT, |world| {
        latest = latest.max(world.clock_now());
        world.is_well(&key)
    });
    let asked = lease.asked();
    assert_eq!(asked.len(), 2, "once before the intent and once before the request: {asked:?}");
    assert!(
        asked
            .iter()
            .all(|until| *until >= Duration::from_secs(20) && *until <= latest + Duration::from_secs(20))
    );
    assert!(asked[0] <= asked[1]);
}
