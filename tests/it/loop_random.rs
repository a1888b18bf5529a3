//! Random user actions and random faults. After both end, every object converges to its spec within a bounded time, and
//! then the operator writes and changes nothing more.

use std::{collections::BTreeMap, time::Duration};

use dcs_operator::{
    api::instance::{DeletionPolicy, OnExternalDeletion},
    dcs::model::InstanceStatus,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

use crate::support::{
    memory_cluster::ClusterFault,
    world::{
        Interruption, World,
        invariants::{is_live, tag},
        objects::{quick_cloud, setup, spec},
        process::Setup,
        soaks,
        wire::CloudFault,
    },
};

/// An action of a user or of another client of the cloud.
#[derive(Debug, Clone)]
enum Action {
    Describe(String),
    Tag(BTreeMap<String, String>),
    Rename(String),
    Pause(bool),
    Retain(bool),
    Window(u8),
    /// Sets a field that cannot change; the test resets it at the end.
    Grow(bool),
    RemoveInstance,
    RestartInstance,
    StripTags,
}

/// Faults by the number of the call or await at which they occur.
#[derive(Debug, Clone)]
struct Faults {
    cloud: BTreeMap<usize, CloudFault>,
    cluster: BTreeMap<usize, ClusterFault>,
    interruptions: BTreeMap<usize, Interruption>,
    lag: usize,
    mixer: Option<u64>,
}

fn action() -> impl Strategy<Value = Action> {
    let tags = proptest::collection::btree_map("[a-c]", "[x-z]{0,2}", 0..3);
    prop_oneof![
        "[a-z]{0,8}".prop_map(Action::Describe),
        tags.prop_map(Action::Tag),
        "[a-z]{4,9}".prop_map(Action::Rename),
        any::<bool>().prop_map(Action::Pause),
        any::<bool>().prop_map(Action::Retain),
        (0..23_u8).prop_map(Action::Window),
        any::<bool>().prop_map(Action::Grow),
        Just(Action::RemoveInstance),
        Just(Action::RestartInstance),
        Just(Action::StripTags),
    ]
}

fn faults() -> impl Strategy<Value = Faults> {
    let cloud = vec((0..60_usize, select(CloudFault::ALL.to_vec())), 0..6);
    let cluster = vec((0..100_usize, select(ClusterFault::ALL.to_vec())), 0..6);
    let interruptions =
        vec((0..300_usize, select(vec![Interruption::Dropped, Interruption::Replaced])), 0..6);
    (cloud, cluster, interruptions, select(vec![0, 1, 20]), proptest::option::of(1..u64::MAX)).prop_map(
        |(cloud, cluster, interruptions, lag, mixer)| Faults {
            cloud: cloud.into_iter().collect(),
            cluster: cluster.into_iter().collect(),
            interruptions: interruptions.into_iter().collect(),
            lag,
            mixer,
        },
    )
}

fn world_with(faults: &Faults) -> World {
    let mut world = World::new(quick_cloud(), Setup { lag: faults.lag, ..setup() });
    if faults.mixer.is_some() {
        world.add_process();
    }
    world.mixer = faults.mixer;
    world.interruptions.clone_from(&faults.interruptions);
    world.traffic.lock().unwrap().faults.clone_from(&faults.cloud);
    faults.cluster.iter().for_each(|(at, fault)| world.cluster.fail(*at, *fault));
    world
}

fn hours(begin: u8) -> (String, String) {
    (format!("{begin:02}:00"), format!("{:02}:00", begin + 1))
}

fn apply(world: &mut World, key: &dcs_operator::controller::ObjectId, action: &Action) {
    let id = world.instances().iter().find(|instance| is_live(instance)).map(|instance| instance.id.clone());
    match action {
        Action::Describe(text) => world.edit(key, |spec| spec.description = Some(text.clone())),
        Action::Tag(tags) => world.edit(key, |spec| spec.tags = Some(tags.clone())),
        Action::Rename(name) => world.edit(key, |spec| spec.name = Some(name.clone())),
        Action::Pause(paused) => world.edit(key, |spec| spec.paused = Some(*paused)),
        Action::Retain(retain) => {
            let policy = if *retain { DeletionPolicy::Retain } else { DeletionPolicy::Delete };
            world.edit(key, |spec| spec.deletion_policy = Some(policy));
        }
        Action::Window(begin) => {
            let (begin, end) = hours(*begin);
            let window = dcs_operator::api::instance::MaintenanceWindow { begin, end };
            world.edit(key, |spec| spec.maintenance_window = Some(window));
        }
        Action::Grow(grow) => world.edit(key, |spec| spec.port = grow.then_some(6380)),
        Action::RemoveInstance => {
            id.map(|id| world.mutate_cloud(|service| service.remove(&id)));
        }
        Action::RestartInstance => {
            let lasting = Some(Duration::from_secs(20));
            id.map(|id| {
                world.mutate_cloud(|service| {
                    service.force_status(service.now(), &id, InstanceStatus::Restarting, lasting)
                })
            });
        }
        Action::StripTags => {
            // Keeps the ownership tags: without them the object would stay Stalled.
            if let Some(id) = id {
                let kept = world.instances().into_iter().find(|instance| instance.id == id).unwrap().tags;
                let kept = kept.into_iter().filter(|tag| tag.key.starts_with("dcs-operator-"));
                let tags: Vec<_> = kept.map(|tag| json!({"key": tag.key, "value": tag.value})).collect();
                let fields = json!({"tags": tags}).as_object().unwrap().clone();
                world.mutate_cloud(|service| service.alter(&id, &fields)).unwrap();
            }
        }
    }
}

/// The longest possible sequence of waits for unknown outcomes and retries.
const LIMIT: Duration = Duration::from_secs(3 * 3600);

fn converge(faults: &Faults, actions: &[(u64, Action)], delete: bool) {
    let mut world = world_with(faults);
    let key = world.apply("sessions", spec(json!({"onExternalDeletion": "Recreate"})));
    for (after, action) in actions {
        world.run_for(Duration::from_secs(*after));
        apply(&mut world, &key, action);
    }
    // Faults and actions end, and the unsupported change is reset.
    world.traffic.lock().unwrap().faults.clear();
    world.cluster.stop_failing();
    world.interruptions.clear();
    world.edit(&key, |spec| {
        (spec.paused, spec.port) = (None, None);
        spec.on_external_deletion = Some(OnExternalDeletion::Recreate);
    });
    let retain = world.object(&key).unwrap().spec.deletion_policy == Some(DeletionPolicy::Retain);
    if delete {
        world.delete(&key);
        world.until("gone", LIMIT, |world| world.object(&key).is_none());
        world.run_for(Duration::from_secs(300));
        let instances = world.instances();
        let left: Vec<_> = instances.iter().filter(|instance| is_live(instance)).collect();
        assert!(retain || left.is_empty(), "{left:?}");
        assert!(left.iter().all(|instance| tag(instance, "dcs-operator-uid").is_none()), "{left:?}");
        return;
    }
    world.until("ready", LIMIT, |world| world.is_well(&key));
    world.run_for(Duration::from_secs(120));
    let before = (world.cluster.writes(), world.changes());
    world.run_for(Duration::from_secs(600));
    assert_eq!(
        (world.cluster.writes(), world.changes()),
        before,
        "the operator still acts: {}",
        world.describe()
    );
    let spec = world.object(&key).unwrap().spec;
    let instances = world.instances();
    let [instance] = instances.as_slice() else { panic!("{instances:?}") };
    assert_eq!(instance.description.as_deref().unwrap_or_default(), spec.description.unwrap_or_default());
    assert!(spec.name.is_none_or(|name| name == instance.name));
    for (key, value) in spec.tags.unwrap_or_default() {
        assert_eq!(tag(instance, &key), Some(value));
    }
    if let Some(window) = spec.maintenance_window {
        assert!(instance.maintain_begin.starts_with(&window.begin), "{}", instance.maintain_begin);
    }
}

fn cases() -> u32 {
    if soaks() { 3000 } else { 100 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_object_converges(faults in faults(), actions in vec((0..60_u64, action()), 0..8), delete in any::<bool>()) {
        converge(&faults, &actions, delete);
    }
}
