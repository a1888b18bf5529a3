//! Without a lease that outlasts it nothing is changed in the cloud, whatever was planned; and with one, all goes on.

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
fn none_nothing_is_written_down_or_sent() {
    let lease = Lease::lasting(0);
    let mut world = world(&lease);
    let key = world.apply("sessions", spec(json!({})));
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.changes(), 0);
    let status = world.object(&key).unwrap().status.unwrap_or_default();
    assert!(status.operation.is_none(), "{status:?}");
    assert!(!lease.asked().is_empty(), "it was asked");

    lease.extend(usize::MAX);
    world.until("ready", LIMIT, |world| world.is_well(&key));
    lease.extend(0);
    let before = world.changes();
    world.edit(&key, |spec| spec.description = Some("another".to_owned()));
    world.run_for(Duration::from_secs(300));
    world.delete(&key);
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.changes(), before);
    assert!(world.object(&key).is_some(), "it waits");
    lease.extend(usize::MAX);
    world.until("gone", LIMIT, |world| world.object(&key).is_none());
}

/// Written down under the lease, and then the lease was gone: the request is not sent, and that is known.
#[test]
fn one_that_ends_between_the_intent_and_the_request() {
    let lease = Lease::lasting(1);
    let mut world = world(&lease);
    let key = world.apply("sessions", spec(json!({})));
    let refused = |world: &World| {
        let status = world.object(&key).and_then(|object| object.status).unwrap_or_default();
        status.operation.is_some_and(|operation| operation.outcome.is_some())
    };
    world.until("written down, and refused", LIMIT, refused);
    let operation = world.object(&key).unwrap().status.unwrap().operation.unwrap();
    assert_eq!(operation.reason.as_deref(), Some("ClusterError"));
    assert_eq!(world.changes(), 0);
    lease.extend(usize::MAX);
    let begun = world.clock_now();
    world.until("ready", LIMIT, |world| world.is_well(&key));
    let took = world.clock_now() - begun;
    assert!(took < Duration::from_secs(60), "nothing was in doubt, so nothing is waited for: {took:?}");
    assert_eq!(world.changes(), 1);
}

/// A change takes 15 s at most, and must be over 5 s before anybody else may lead.
#[test]
fn how_long_it_has_to_last() {
    let lease = Lease::lasting(usize::MAX);
    let mut world = world(&lease);
    let key = world.apply("sessions", spec(json!({})));
    let mut latest = Duration::ZERO;
    world.until("ready", LIMIT, |world| {
        latest = latest.max(world.clock_now());
        world.is_well(&key)
    });
    let asked = lease.asked();
    assert_eq!(asked.len(), 2, "before the intent, and before the request: {asked:?}");
    assert!(
        asked
            .iter()
            .all(|until| *until >= Duration::from_secs(20) && *until <= latest + Duration::from_secs(20))
    );
    assert!(asked[0] <= asked[1]);
}
