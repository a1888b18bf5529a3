//! Namespaces that share a project and its request budget: whatever one asks for, another gets its share.

use std::time::Duration;

use dcs_operator::{controller::ObjectId, inventory::InventorySettings};
use serde_json::json;

use crate::support::{
    sim_harness::SECRET_KEY,
    world::{
        World,
        objects::{quick_cloud, setup, spec},
        process::Setup,
    },
};

const HOSTILE: &str = "hostile";
const MANY: usize = 200;
/// How much longer the victim may take than alone.
const DELAY: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(300);

/// The request budget as it is by default.
fn world() -> World {
    World::new(quick_cloud(), Setup { inventory: InventorySettings::default(), ..setup() })
}

/// How long a new object of another namespace takes.
fn time_of_victim(world: &mut World, name: &str) -> Duration {
    let begun = world.clock_now();
    let victim = world.apply(name, spec(json!({})));
    world.until("the victim is well", LIMIT, |world| world.is_well(&victim));
    world.clock_now() - begun
}

fn time_alone() -> Duration {
    time_of_victim(&mut world(), "victim")
}

#[test]
fn a_flood_of_objects_and_edits_delays_no_other_namespace() {
    let alone = time_alone();
    let mut world = world();
    world.put_credentials(HOSTILE, "dcs-credentials", SECRET_KEY);
    let flood: Vec<ObjectId> =
        (0..MANY).map(|n| world.apply_in(HOSTILE, &format!("flood-{n}"), spec(json!({})))).collect();
    // At 5 creations each second, most wait.
    world.run_for(Duration::from_secs(8));
    let took = time_of_victim(&mut world, "victim-of-creations");
    println!("alone {alone:?}, beside {MANY} creations {took:?}");
    assert!(took <= alone + DELAY, "{took:?}, alone {alone:?}");

    let created = |world: &World| world.instances().len() == MANY + 1;
    world.until("all are created", LIMIT, created);
    world.run_for(Duration::from_secs(30));
    for key in &flood {
        world.edit(key, |spec| spec.description = Some("edited".to_owned()));
    }
    world.run_for(Duration::from_secs(3));
    let took = time_of_victim(&mut world, "victim-of-edits");
    println!("alone {alone:?}, beside {MANY} edits {took:?}");
    assert!(took <= alone + DELAY, "{took:?}, alone {alone:?}");
}

#[test]
fn refused_lists_of_many_credentials_delay_no_other_namespace() {
    let alone = time_alone();
    let mut world = world();
    for n in 0..2 * MANY {
        let name = format!("wrong-{n}");
        world.put_credentials(HOSTILE, &name, &format!("wrong-key-number-{n}"));
        world.apply_in(HOSTILE, &name, spec(json!({"credentialsRef": {"name": name}})));
    }
    world.run_for(Duration::from_secs(1));
    let took = time_of_victim(&mut world, "victim");
    println!("alone {alone:?}, beside {} refused credentials {took:?}", 2 * MANY);
    assert!(took <= alone + DELAY, "{took:?}, alone {alone:?}");
}
