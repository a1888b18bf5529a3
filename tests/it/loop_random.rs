//! Whatever users do and whatever goes wrong, in whatever order: once both end, every object comes to rest where its
//! spec says, in a bounded time, and then nothing more is written or changed.

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

/// What a user does, or somebody behind the operator's back.
#[derive(Debug, Clone)]
enum Deed {
    Describe(String),
    Tag(BTreeMap<String, String>),
    Rename(String),
    Pause(bool),
    Retain(bool),
    Window(u8),
    /// Asks for what cannot be done, and takes it back in the end.
    Grow(bool),
    RemoveInstance,
    RestartInstance,
    StripTags,
}

/// What goes wrong, at which of the points that are counted.
#[derive(Debug, Clone)]
struct Trouble {
    cloud: BTreeMap<usize, CloudFault>,
    cluster: BTreeMap<usize, ClusterFault>,
    interruptions: BTreeMap<usize, Interruption>,
    lag: usize,
    mixer: Option<u64>,
}

fn deed() -> impl Strategy<Value = Deed> {
    let tags = proptest::collection::btree_map("[a-c]", "[x-z]{0,2}", 0..3);
    prop_oneof![
        "[a-z]{0,8}".prop_map(Deed::Describe),
        tags.prop_map(Deed::Tag),
        "[a-z]{4,9}".prop_map(Deed::Rename),
        any::<bool>().prop_map(Deed::Pause),
        any::<bool>().prop_map(Deed::Retain),
        (0..23_u8).prop_map(Deed::Window),
        any::<bool>().prop_map(Deed::Grow),
        Just(Deed::RemoveInstance),
        Just(Deed::RestartInstance),
        Just(Deed::StripTags),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let cloud = vec((0..60_usize, select(CloudFault::ALL.to_vec())), 0..6);
    let cluster = vec((0..100_usize, select(ClusterFault::ALL.to_vec())), 0..6);
    let interruptions =
        vec((0..300_usize, select(vec![Interruption::Dropped, Interruption::Replaced])), 0..6);
    (cloud, cluster, interruptions, select(vec![0, 1, 20]), proptest::option::of(1..u64::MAX)).prop_map(
        |(cloud, cluster, interruptions, lag, mixer)| Trouble {
            cloud: cloud.into_iter().collect(),
            cluster: cluster.into_iter().collect(),
            interruptions: interruptions.into_iter().collect(),
            lag,
            mixer,
        },
    )
}

fn troubled(trouble: &Trouble) -> World {
    let mut world = World::new(quick_cloud(), Setup { lag: trouble.lag, ..setup() });
    if trouble.mixer.is_some() {
        world.add_process();
    }
    world.mixer = trouble.mixer;
    world.interruptions.clone_from(&trouble.interruptions);
    world.traffic.lock().unwrap().faults.clone_from(&trouble.cloud);
    trouble.cluster.iter().for_each(|(at, fault)| world.cluster.fail(*at, *fault));
    world
}

fn hours(begin: u8) -> (String, String) {
    (format!("{begin:02}:00"), format!("{:02}:00", begin + 1))
}

fn apply(world: &mut World, key: &dcs_operator::controller::ObjectId, deed: &Deed) {
    let id = world.instances().iter().find(|instance| is_live(instance)).map(|instance| instance.id.clone());
    match deed {
        Deed::Describe(text) => world.edit(key, |spec| spec.description = Some(text.clone())),
        Deed::Tag(tags) => world.edit(key, |spec| spec.tags = Some(tags.clone())),
        Deed::Rename(name) => world.edit(key, |spec| spec.name = Some(name.clone())),
        Deed::Pause(paused) => world.edit(key, |spec| spec.paused = Some(*paused)),
        Deed::Retain(retain) => {
            let policy = if *retain { DeletionPolicy::Retain } else { DeletionPolicy::Delete };
            world.edit(key, |spec| spec.deletion_policy = Some(policy));
        }
        Deed::Window(begin) => {
            let (begin, end) = hours(*begin);
            let window = dcs_operator::api::instance::MaintenanceWindow { begin, end };
            world.edit(key, |spec| spec.maintenance_window = Some(window));
        }
        Deed::Grow(grow) => world.edit(key, |spec| spec.port = grow.then_some(6380)),
        Deed::RemoveInstance => {
            id.map(|id| world.mutate_cloud(|service| service.remove(&id)));
        }
        Deed::RestartInstance => {
            let lasting = Some(Duration::from_secs(20));
            id.map(|id| {
                world.mutate_cloud(|service| {
                    service.force_status(service.now(), &id, InstanceStatus::Restarting, lasting)
                })
            });
        }
        Deed::StripTags => {
            // Only what is not the mark: who takes that away has to give it back.
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

/// The longest that anything takes: windows of unknown outcomes, gaps between tries, one after the other.
const LIMIT: Duration = Duration::from_secs(3 * 3600);

fn converge(trouble: &Trouble, deeds: &[(u64, Deed)], delete: bool) {
    let mut world = troubled(trouble);
    let key = world.apply("sessions", spec(json!({"onExternalDeletion": "Recreate"})));
    for (after, deed) in deeds {
        world.run_for(Duration::from_secs(*after));
        apply(&mut world, &key, deed);
    }
    // Nothing goes wrong any more, nobody does anything, and what cannot be done is taken back.
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
    world.until("well", LIMIT, |world| world.is_well(&key));
    world.run_for(Duration::from_secs(120));
    let before = (world.cluster.writes(), world.changes());
    world.run_for(Duration::from_secs(600));
    assert_eq!((world.cluster.writes(), world.changes()), before, "still at it: {}", world.describe());
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
    fn comes_to_rest(trouble in trouble(), deeds in vec((0..60_u64, deed()), 0..8), delete in any::<bool>()) {
        converge(&trouble, &deeds, delete);
    }
}
