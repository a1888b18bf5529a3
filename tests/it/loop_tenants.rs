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
const MANY: usize = 100;
/// How much longer the victim may take than alone.
const DELAY: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(300);

/// The request budget as it is by default.
fn world() -> World {
    World::new(quick_cloud(), Setup { inventory: InventorySettings::default(), ..setup() })
}

/// How long a new object of another namespace takes, with `more` done each second.
fn time_of_victim(world: &mut World, mut more: impl FnMut(&mut World)) -> Duration {
    let begun = world.clock_now();
    let victim = world.apply("victim", spec(json!({})));
    while !world.is_well(&victim) {
        assert!(
            world.clock_now() < begun + LIMIT,
            "not well within {LIMIT:?}: {}",
            world.condition(&victim, "Ready")
        );
        world.run_for(Duration::from_secs(1));
        more(world);
    }
    world.clock_now() - begun
}

fn time_alone() -> Duration {
    time_of_victim(&mut world(), |_| ())
}

#[test]
fn a_flood_of_objects_and_edits_delays_no_other_namespace() {
    let alone = time_alone();
    let mut world = world();
    world.put_credentials(HOSTILE, "dcs-credentials", SECRET_KEY);
    let flood: Vec<ObjectId> =
        (0..MANY).map(|n| world.apply_in(HOSTILE, &format!("flood-{n}"), spec(json!({})))).collect();
    world.run_for(Duration::from_secs(20));
    let mut round = 0;
    let took = time_of_victim(&mut world, |world| {
        round += 1;
        for key in &flood {
            world.edit(key, |spec| spec.description = Some(format!("edit {round}")));
        }
    });
    println!("alone {alone:?}, beside {MANY} objects that are edited each second {took:?}");
    assert!(took <= alone + DELAY, "{took:?}, alone {alone:?}");
}

#[test]
fn refused_lists_of_many_credentials_delay_no_other_namespace() {
    let alone = time_alone();
    let mut world = world();
    for n in 0..MANY {
        let name = format!("wrong-{n}");
        world.put_credentials(HOSTILE, &name, &format!("wrong-key-number-{n}"));
        world.apply_in(HOSTILE, &name, spec(json!({"credentialsRef": {"name": name}})));
    }
    let took = time_of_victim(&mut world, |_| ());
    println!("alone {alone:?}, beside {MANY} refused credentials {took:?}");
    assert!(took <= alone + DELAY, "{took:?}, alone {alone:?}");
}
