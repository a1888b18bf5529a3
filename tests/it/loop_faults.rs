//! Something goes wrong at every point of an operation: the pass is dropped or its process replaced at each await,
//! each call to the cloud fails before or after its effect, each call to Kubernetes is refused or lost, with watches
//! that are 0, 1 and 20 versions behind. The invariants hold after every step, and in the end all is as it should be.
//!
//! With `DCS_OPERATOR_SOAK` set, each point is tried with each lag; otherwise the lags take turns.

use std::{panic::AssertUnwindSafe, time::Duration};

use dcs_operator::controller::ObjectId;
use serde_json::json;

use crate::support::{
    memory_cluster::ClusterFault,
    world::{
        Interruption, World,
        invariants::{is_live, tag},
        objects::{key, quick_cloud, setup, spec},
        soaks,
        wire::CloudFault,
    },
};

/// An operation that is tried at every point.
pub(crate) struct Scenario {
    /// Before anything goes wrong.
    pub(crate) prepare: fn(&mut World),
    /// What the user does, or somebody behind the operator's back.
    pub(crate) act: fn(&mut World),
    /// What has to come of it.
    pub(crate) reached: fn(&World) -> bool,
}

/// What goes wrong, and where.
#[derive(Debug, Clone, Copy)]
enum Injection {
    Await(usize, Interruption),
    Cloud(usize, CloudFault),
    Cluster(usize, ClusterFault),
}

/// How many points an operation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Points {
    awaits: usize,
    cloud_calls: usize,
    cluster_calls: usize,
}

/// Everything takes seconds here, but an attempt whose outcome is unknown is waited for.
const LIMIT: Duration = Duration::from_secs(1800);
/// How much longer an operation may take for a write whose answer was lost: nobody need wait for a request that was
/// never sent.
const PROMPT: Duration = Duration::from_secs(30);
/// Nothing more happens after the end.
const QUIET: Duration = Duration::from_secs(300);

fn sessions() -> ObjectId {
    key("sessions")
}

fn well(world: &World) -> bool {
    world.is_well(&sessions()) && world.instances().iter().filter(|instance| is_live(instance)).count() == 1
}

fn gone(world: &World) -> bool {
    world.object(&sessions()).is_none()
}

fn apply(world: &mut World, more: serde_json::Value) {
    world.apply("sessions", spec(more));
}

fn applied_and_ready(world: &mut World, more: serde_json::Value) {
    apply(world, more);
    world.until("ready", LIMIT, well);
}

fn remove_behind_the_back(world: &mut World) {
    let id = world.instances()[0].id.clone();
    assert!(world.mutate_cloud(|service| service.remove(&id)));
}

const CREATE: Scenario = Scenario { prepare: |_| {}, act: |world| apply(world, json!({})), reached: well };

const ADOPT: Scenario = Scenario {
    prepare: |world| world.make_instance("left-over"),
    act: |world| {
        let id = world.instances()[0].id.clone();
        let adopt = json!({"adopt": {"instanceId": id}, "engineVersion": null, "capacity": null});
        apply(world, adopt);
    },
    reached: |world| {
        let marked = |instance| tag(instance, "dcs-operator-origin").as_deref() == Some("adopted");
        well(world) && world.instances().iter().all(marked)
    },
};

const CHANGE: Scenario = Scenario {
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        world.edit(&sessions(), |spec| {
            spec.description = Some("carts".to_owned());
            spec.tags = Some([("stage".to_owned(), "live".to_owned())].into());
        });
    },
    reached: |world| {
        let as_wished = |instance: &dcs_operator::simulator::service::Instance| {
            instance.description.as_deref() == Some("carts")
                && tag(instance, "stage").is_some()
                && tag(instance, "team").is_none()
        };
        well(world) && world.instances().iter().all(as_wished)
    },
};

const DELETE: Scenario = Scenario {
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| world.delete(&sessions()),
    reached: |world| gone(world) && world.instances().is_empty(),
};

const RETAIN: Scenario = Scenario {
    prepare: |world| applied_and_ready(world, json!({"deletionPolicy": "Retain"})),
    act: |world| world.delete(&sessions()),
    reached: |world| {
        let released = |instance| {
            tag(instance, "dcs-operator-uid").is_none() && tag(instance, "dcs-operator-released").is_some()
        };
        gone(world) && world.instances().len() == 1 && world.instances().iter().all(released)
    },
};

const DELETE_DURING_CREATE: Scenario = Scenario {
    prepare: |_| {},
    act: |world| {
        apply(world, json!({}));
        let begun = |world: &World| {
            let status = world.object(&sessions()).and_then(|object| object.status);
            status.is_some_and(|status| status.operation.is_some())
        };
        world.until("begun", LIMIT, begun);
        world.delete(&sessions());
    },
    reached: |world| gone(world) && world.instances().is_empty(),
};

const RECREATE_UNDER_THE_SAME_NAME: Scenario = Scenario {
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        world.delete(&sessions());
        world.until("gone", LIMIT, gone);
        apply(world, json!({}));
    },
    reached: well,
};

const EXTERNAL_DELETION: Scenario = Scenario {
    prepare: |world| applied_and_ready(world, json!({})),
    act: remove_behind_the_back,
    reached: |world| {
        world.condition(&sessions(), "Ready") == "False/ExternallyDeleted"
            && world.condition(&sessions(), "Stalled") == "True/ExternallyDeleted"
            && world.instances().is_empty()
    },
};

const REPLACEMENT: Scenario = Scenario {
    prepare: |world| applied_and_ready(world, json!({"onExternalDeletion": "Recreate"})),
    act: remove_behind_the_back,
    reached: |world| {
        let status = world.object(&sessions()).and_then(|object| object.status);
        well(world) && status.is_some_and(|status| status.recreations == Some(1))
    },
};

/// As after a restore of the cluster from a backup that holds no status.
const LOST_STATUS: Scenario = Scenario {
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        world.cluster.wipe_status(&sessions());
        world.restart();
    },
    reached: well,
};

const FAILED_CREATION: Scenario = Scenario {
    prepare: |world| world.mutate_cloud(|service| service.fail_next_creations(1)),
    act: |world| apply(world, json!({})),
    reached: |world| well(world) && world.instances().len() == 1,
};

/// Runs a scenario with something going wrong; how many points it passed.
fn run(scenario: &Scenario, lag: usize, injection: Option<Injection>) -> Points {
    let mut world = World::new(quick_cloud(), crate::support::world::process::Setup { lag, ..setup() });
    (scenario.prepare)(&mut world);
    let before = points(&world);
    match injection {
        None => {}
        Some(Injection::Await(at, interruption)) => {
            world.interruptions.insert(before.awaits + at, interruption);
        }
        Some(Injection::Cloud(at, fault)) => {
            world.traffic.lock().unwrap().faults.insert(before.cloud_calls + at, fault);
        }
        Some(Injection::Cluster(at, fault)) => world.cluster.fail(before.cluster_calls + at, fault),
    }
    (scenario.act)(&mut world);
    world.until("as it should be", LIMIT, |world| (scenario.reached)(world));
    let after = points(&world);
    // What was reached stays, and nothing more is done.
    world.run_for(Duration::from_secs(30));
    let (writes, changes) = (world.cluster.writes(), world.changes());
    world.run_for(QUIET);
    let settled = (world.cluster.writes(), world.changes());
    assert_eq!((writes, changes), settled, "still at it: {}", world.describe());
    assert!((scenario.reached)(&world), "it did not last: {}", world.describe());
    Points {
        awaits: after.awaits - before.awaits,
        cloud_calls: after.cloud_calls - before.cloud_calls,
        cluster_calls: after.cluster_calls - before.cluster_calls,
    }
}

fn points(world: &World) -> Points {
    Points {
        awaits: world.awaits,
        cloud_calls: world.traffic.lock().unwrap().calls,
        cluster_calls: world.cluster.calls(),
    }
}

/// Tries everything that can go wrong at every point.
pub(crate) fn at_every_point(name: &str, scenario: &Scenario) {
    let points = run(scenario, 0, None);
    assert!(points.awaits > 0 && points.cloud_calls > 0 && points.cluster_calls > 0, "{points:?}");
    let awaits = (0..points.awaits).flat_map(|at| {
        [Interruption::Dropped, Interruption::Replaced].map(|interruption| Injection::Await(at, interruption))
    });
    let cloud =
        (0..points.cloud_calls).flat_map(|at| CloudFault::ALL.map(|fault| Injection::Cloud(at, fault)));
    let cluster =
        (0..points.cluster_calls).flat_map(|at| ClusterFault::ALL.map(|fault| Injection::Cluster(at, fault)));
    let injections: Vec<_> = awaits.chain(cloud).chain(cluster).collect();
    let mut runs = 0;
    for (n, injection) in injections.iter().enumerate() {
        let lags: &[usize] = if soaks() { &[0, 1, 20] } else { &[[0, 1, 20][n % 3]] };
        for lag in lags {
            let tried = std::panic::catch_unwind(AssertUnwindSafe(|| run(scenario, *lag, Some(*injection))));
            assert!(tried.is_ok(), "{name}: {injection:?}, watches {lag} versions behind");
            runs += 1;
        }
    }
    println!("{name}: {points:?}, {runs} runs");
}

/// How long an operation takes, if the answer to this one call to Kubernetes is lost.
fn takes(scenario: &Scenario, lost: Option<usize>) -> Duration {
    let mut world = World::new(quick_cloud(), setup());
    (scenario.prepare)(&mut world);
    if let Some(at) = lost {
        world.cluster.fail(world.cluster.calls() + at, ClusterFault::LostAfter);
    }
    let begun = world.clock_now();
    (scenario.act)(&mut world);
    world.until("as it should be", LIMIT, |world| (scenario.reached)(world));
    world.clock_now() - begun
}

#[test]
fn a_lost_answer_of_the_api_server_holds_nothing_up() {
    for (name, scenario) in [("create", CREATE), ("change", CHANGE), ("delete", DELETE), ("retain", RETAIN)] {
        let undisturbed = takes(&scenario, None);
        for lost in 0..run(&scenario, 0, None).cluster_calls {
            let took = takes(&scenario, Some(lost));
            let late = took.saturating_sub(undisturbed);
            assert!(late < PROMPT, "{name}, answer {lost} lost: {took:?} instead of {undisturbed:?}");
        }
    }
}

macro_rules! each {
    ($($(#[$doc:meta])* $name:ident: $scenario:ident;)*) => {$(
        #[test]
        fn $name() {
            at_every_point(stringify!($name), &$scenario);
        }
    )*};
}

each! {
    create: CREATE;
    adopt: ADOPT;
    change: CHANGE;
    delete: DELETE;
    retain: RETAIN;
    delete_during_create: DELETE_DURING_CREATE;
    recreate_under_the_same_name: RECREATE_UNDER_THE_SAME_NAME;
    external_deletion: EXTERNAL_DELETION;
    replacement_of_a_lost_instance: REPLACEMENT;
    failed_creation: FAILED_CREATION;
    lost_status: LOST_STATUS;
}
