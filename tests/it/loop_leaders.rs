//! Two processes that both believe they lead, their passes mixed at every await: what they write down before they act,
//! and the time they wait when they do not know, have to hold even without a lease.

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

/// Seeds that are tried.
fn seeds() -> u64 {
    if soaks() { 1000 } else { 60 }
}

fn both(seed: u64) -> World {
    let lag = [0, 1, 20][(seed % 3) as usize];
    let mut world = World::new(quick_cloud(), Setup { lag, ..setup() });
    world.add_process();
    world.mixer = Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    world
}

fn live(world: &World) -> usize {
    world.instances().iter().filter(|instance| is_live(instance)).count()
}

/// How many instances were ever made.
fn made(world: &World) -> u64 {
    let simulator = world.cloud.lock();
    let filter = dcs_operator::simulator::Filter {
        operation: Some("CreateInstance".to_owned()),
        ..dcs_operator::simulator::Filter::default()
    };
    simulator.journal().entries(&filter).filter(|entry| entry.effect.contains("created")).count() as u64
}

#[test]
fn make_one_instance_between_them() {
    for seed in 0..seeds() {
        let mut world = both(seed);
        let key = world.apply("sessions", spec(json!({})));
        world.until(&format!("ready with seed {seed}"), LIMIT, |world| world.is_well(&key));
        world.run_for(Duration::from_secs(120));
        assert_eq!((live(&world), made(&world)), (1, 1), "seed {seed}");
        world.delete(&key);
        world.until(&format!("gone with seed {seed}"), LIMIT, |world| world.object(&key).is_none());
        assert_eq!(world.instances().len(), 0, "seed {seed}");
    }
}

#[test]
fn make_one_instance_even_if_answers_are_lost() {
    let mut lost = 0;
    for seed in 0..seeds() {
        let mut world = both(seed);
        // One of the first calls; a create among them more often than not.
        world.traffic.lock().unwrap().faults.insert(seed as usize % 12, CloudFault::LostAfter);
        let key = world.apply("sessions", spec(json!({})));
        world.until(&format!("ready with seed {seed}"), LIMIT, |world| world.is_well(&key));
        world.run_for(Duration::from_secs(120));
        assert_eq!((live(&world), made(&world)), (1, 1), "seed {seed}");
        lost += world.attempts_lost();
    }
    assert!(lost > 0, "no create was ever lost");
}

#[test]
fn make_one_instance_even_if_one_of_them_ends() {
    for seed in 0..seeds() {
        let mut world = both(seed);
        world.interruptions.insert(seed as usize % 90, Interruption::Replaced);
        world.apply("sessions", spec(json!({})));
        world.until(&format!("ready with seed {seed}"), LIMIT, |world| world.is_well(&sessions()));
        world.run_for(Duration::from_secs(120));
        assert_eq!(live(&world), 1, "seed {seed}");
        assert_eq!(made(&world), 1, "seed {seed}");
    }
}

#[test]
fn replace_a_lost_instance_once() {
    for seed in 0..seeds() / 2 {
        let mut world = both(seed);
        let key = world.apply("sessions", spec(json!({"onExternalDeletion": "Recreate"})));
        world.until("ready", LIMIT, |world| world.is_well(&key));
        let id = world.instances()[0].id.clone();
        assert!(world.mutate_cloud(|service| service.remove(&id)));
        let replaced = |world: &World| world.is_well(&key) && live(world) == 1;
        world.until(&format!("replaced with seed {seed}"), LIMIT, replaced);
        world.run_for(Duration::from_secs(120));
        assert_eq!((live(&world), made(&world)), (1, 2), "seed {seed}");
    }
}
