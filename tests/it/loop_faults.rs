//! Injects a fault at every point of an operation: the reconcile is dropped or its process replaced at each await, each
//! call to the cloud fails before or after its effect, and each call to Kubernetes is refused or lost. Watches lag by 0,
//! 1 and 20 versions. The invariants hold after every step, and the objects converge.
//!
//! With `DCS_OPERATOR_SOAK` set, each point runs with each lag; otherwise the lags rotate, and of many points a part runs.

use std::{panic::AssertUnwindSafe, time::Duration};

use dcs_operator::simulator::{Options, Settings as CloudSettings};

use self::scenarios::*;
use crate::support::{
    memory_cluster::ClusterFault,
    world::{
        Interruption, World,
        objects::{quick_cloud, setup},
        soaks,
        wire::CloudFault,
    },
};

pub(crate) mod scenarios;

/// A fault and the point where it occurs.
#[derive(Debug, Clone, Copy)]
enum Injection {
    Await(usize, Interruption),
    Cloud(usize, CloudFault),
    Cluster(usize, ClusterFault),
}

/// The number of points of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Points {
    awaits: usize,
    cloud_calls: usize,
    cluster_calls: usize,
}

/// How much longer an operation may take when the response to a write is lost. The operator must not wait for a request
/// that it never sent.
const PROMPT: Duration = Duration::from_secs(30);
/// Of more runs of one operation, a fifth is tried without a soak.
const MOST_RUNS: usize = 350;
/// How long nothing more may happen after the end.
const QUIET: Duration = Duration::from_secs(300);

fn cloud(scenario: &Scenario) -> CloudSettings {
    let settings = quick_cloud();
    CloudSettings {
        service: Options { site: scenario.site, list_without_tags: !scenario.lists_tags, ..settings.service },
        ..settings
    }
}

/// Runs a scenario with a fault and returns the number of points.
fn run(scenario: &Scenario, lag: usize, injection: Option<Injection>) -> Points {
    let mut world = World::new(cloud(scenario), crate::support::world::process::Setup { lag, ..setup() });
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
    world.until("the final state", LIMIT, |world| (scenario.reached)(world));
    let after = points(&world);
    // The final state lasts, and the operator does nothing more.
    world.run_for(Duration::from_secs(30));
    let (writes, changes) = (world.cluster.writes(), world.changes());
    world.run_for(QUIET);
    let settled = (world.cluster.writes(), world.changes());
    assert_eq!((writes, changes), settled, "the operator still acts: {}", world.describe());
    assert!((scenario.reached)(&world), "the final state did not last: {}", world.describe());
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

/// Injects every fault at every point.
pub(crate) fn at_every_point(name: &str, scenario: &Scenario) {
    let points = run(scenario, 0, None);
    assert!(points.awaits > 0 && points.cluster_calls > 0, "{points:?}");
    let awaits = (0..points.awaits).flat_map(|at| {
        [Interruption::Dropped, Interruption::Replaced].map(|interruption| Injection::Await(at, interruption))
    });
    let cloud =
        (0..points.cloud_calls).flat_map(|at| CloudFault::ALL.map(|fault| Injection::Cloud(at, fault)));
    let cluster =
        (0..points.cluster_calls).flat_map(|at| ClusterFault::ALL.map(|fault| Injection::Cluster(at, fault)));
    let injections: Vec<_> = awaits.chain(cloud).chain(cluster).collect();
    // No number of faults divides the step, so that every fault is tried.
    let step = if soaks() || injections.len() <= MOST_RUNS { 1 } else { 5 };
    let injections: Vec<_> = injections.into_iter().step_by(step).collect();
    let mut runs = 0;
    for (n, injection) in injections.iter().enumerate() {
        let lags: &[usize] = if soaks() { &[0, 1, 20] } else { &[[0, 1, 20][n % 3]] };
        for lag in lags {
            let outcome =
                std::panic::catch_unwind(AssertUnwindSafe(|| run(scenario, *lag, Some(*injection))));
            assert!(outcome.is_ok(), "{name}: {injection:?}, watches lag by {lag} versions");
            runs += 1;
        }
    }
    println!("{name}: {points:?}, {runs} runs");
}

/// How long an operation takes when the response to one call to Kubernetes is lost.
fn duration(scenario: &Scenario, lost: Option<usize>) -> Duration {
    let mut world = World::new(cloud(scenario), setup());
    (scenario.prepare)(&mut world);
    if let Some(at) = lost {
        world.cluster.fail(world.cluster.calls() + at, ClusterFault::LostAfter);
    }
    let started = world.clock_now();
    (scenario.act)(&mut world);
    world.until("the final state", LIMIT, |world| (scenario.reached)(world));
    world.clock_now() - started
}

#[test]
fn a_lost_response_of_the_api_server_delays_nothing() {
    for (name, scenario) in [("create", CREATE), ("change", CHANGE), ("delete", DELETE), ("retain", RETAIN)] {
        let undisturbed = duration(&scenario, None);
        for lost in 0..run(&scenario, 0, None).cluster_calls {
            let took = duration(&scenario, Some(lost));
            let late = took.saturating_sub(undisturbed);
            assert!(late < PROMPT, "{name}, response {lost} lost: {took:?} instead of {undisturbed:?}");
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
    reclaim: RECLAIM;
    reclaim_orphaned: RECLAIM_ORPHANED;
    create_without_tags_in_lists: CREATE_WITHOUT_TAGS_IN_LISTS;
    delete_without_tags_in_lists: DELETE_WITHOUT_TAGS_IN_LISTS;
    lost_status_without_tags_in_lists: LOST_STATUS_WITHOUT_TAGS_IN_LISTS;
    deleted_definition: DELETED_DEFINITION;
    switch_to_observe: SWITCH_TO_OBSERVE;
    rotation_by_request: ROTATION_BY_REQUEST;
    lost_record_during_rotation: LOST_RECORD_DURING_ROTATION;
    rotation_by_secret: ROTATION_BY_SECRET;
    rotation_by_secret_on_a_strict_site: ROTATION_BY_SECRET_ON_A_STRICT_SITE;
    quick_changes: QUICK_CHANGES;
    closing_an_open_instance: CLOSING_AN_OPEN_INSTANCE;
    lost_binding_and_record: LOST_BINDING;
    take_back: TAKE_BACK;
    migration: MIGRATION;
    migration_during_create: MIGRATION_DURING_CREATE;
}
