//! Two processes that both act as leader, with their reconciles interleaved at every await. The recorded intents, and
//! the wait for an unknown outcome, prevent duplicates even without a lease.

use std::time::Duration;

use dcs_operator::controller::ObjectId;
use serde_json::json;

use crate::support::world::{
    Interruption, World,
    invariants::is_live,
    objects::{key, quick_cloud, setup, spec},
    process::Setup,
    soaks,
    wire::CloudFault,
};

const LIMIT: Duration = Duration::from_secs(1800);

fn sessions() -> ObjectId {
    key("sessions")
}

/// The number of seeds.
fn seeds() -> u64 {
    if soaks() { 1000 } else { 60 }
}

fn two_leaders(seed: u64) -> World {
    let lag = [0, 1, 20][(seed % 3) as usize];
    let mut world = World::new(quick_cloud(), Setup { lag, ..setup() });
    world.add_process();
    world.mixer = Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    world
}

fn live(world: &World) -> usize {
    world.instances().iter().filter(|instance| is_live(instance)).count()
}

/// The number of instances that were ever created.
fn created(world: &World) -> u64 {
    let simulator = world.cloud.lock();
    let filter = dcs_operator::simulator::Filter {
        operation: Some("CreateInstance".to_owned()),
        ..dcs_operator::simulator::Filter::default()
    };
    simulator.journal().entries(&filter).filter(|entry| entry.effect.contains("created")).count() as u64
}

#[test]
fn two_leaders_create_one_instance() {
    for seed in 0..seeds() {
        let mut world = two_leaders(seed);
        let key = world.apply("sessions", spec(json!({})));
        world.until(&format!("ready with seed {seed}"), LIMIT, |world| world.is_well(&key));
        world.run_for(Duration::from_secs(120));
        assert_eq!((live(&world), created(&world)), (1, 1), "seed {seed}");
        world.delete(&key);
        world.until(&format!("gone with seed {seed}"), LIMIT, |world| world.object(&key).is_none());
        assert_eq!(world.instances().len(), 0, "seed {seed}");
    }
}

#[test]
fn two_leaders_create_one_instance_despite_lost_responses() {
    let mut lost = 0;
    for seed in 0..seeds() {
        let mut world = two_leaders(seed);
        // One of the first calls; most of the time it is a create.
        world.traffic.lock().unwrap().faults.insert(seed as usize % 12, CloudFault::LostAfter);
        let key = world.apply("sessions", spec(json!({})));
        world.until(&format!("ready with seed {seed}"), LIMIT, |world| world.is_well(&key));
        world.run_for(Duration::from_secs(120));
        assert_eq!((live(&world), created(&world)), (1, 1), "seed {seed}");
        lost += world.attempts_lost();
    }
    assert!(lost > 0, "no create was ever lost");
}

#[test]
fn two_leaders_create_one_instance_when_one_is_replaced() {
    for seed in 0..seeds() {
        let mut world = two_leaders(seed);
        world.interruptions.insert(seed as usize % 90, Interruption::Replaced);
        world.apply("sessions", spec(json!({})));
        world.until(&format!("ready with seed {seed}"), LIMIT, |world| world.is_well(&sessions()));
        world.run_for(Duration::from_secs(120));
        assert_eq!(live(&world), 1, "seed {seed}");
        assert_eq!(created(&world), 1, "seed {seed}");
    }
}

#[test]
fn two_leaders_replace_a_lost_instance_once() {
    for seed in 0..seeds() / 2 {
        let mut world = two_leaders(seed);
        let key = world.apply("sessions", spec(json!({"onExternalDeletion": "Recreate"})));
        world.until("ready", LIMIT, |world| world.is_well(&key));
        let id = world.instances()[0].id.clone();
        assert!(world.mutate_cloud(|service| service.remove(&id)));
        let replaced = |world: &World| world.is_well(&key) && live(world) == 1;
        world.until(&format!("replaced with seed {seed}"), LIMIT, replaced);
        world.run_for(Duration::from_secs(120));
        assert_eq!((live(&world), created(&world)), (1, 2), "seed {seed}");
    }
}
