//! A second kind beside DcsInstance: its operation happens exactly once, whatever goes wrong, and equal names of
//! different kinds are different objects.

use std::time::Duration;

use dcs_operator::{
    controller::{ManagedResource, NamespacedName, ObjectId},
    dcs::{
        Cloud,
        model::{Tag, TagsAction, TagsChange},
    },
    simulator::{Filter, Site},
};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{
    loop_faults::{at_every_point, scenarios::Scenario},
    support::{
        probe::{Probe, ProbeSpec, tag_key},
        world::{
            World, drive,
            invariants::tag,
            objects::{NAMESPACE, key, quick_cloud, setup, spec},
            process::{Lease, Setup},
        },
    },
};

const CLAIMANTS: [&str; 2] = ["one", "two"];
const LIMIT: Duration = Duration::from_secs(1800);

fn probe_key() -> ObjectId {
    ObjectId::new(Probe::KIND, NAMESPACE, "sessions")
}

/// Creates a Probe of the only instance.
fn apply_probe(world: &mut World) {
    let spec = ProbeSpec {
        probed_instance_id: world.instances()[0].id.clone(),
        value: "seen".to_owned(),
        instance: None,
    };
    let mut probe = Probe::new("sessions", spec);
    probe.metadata.namespace = Some(NAMESPACE.to_owned());
    world.cluster.create(probe);
}

/// Creates two Probes that need the instance for themselves, and edits its object meanwhile.
fn apply_claims(world: &mut World) {
    for name in CLAIMANTS {
        let spec = ProbeSpec {
            probed_instance_id: world.instances()[0].id.clone(),
            value: "seen".to_owned(),
            instance: Some("sessions".to_owned()),
        };
        let mut probe = Probe::new(name, spec);
        probe.metadata.namespace = Some(NAMESPACE.to_owned());
        world.cluster.create(probe);
    }
    world.edit(&key("sessions"), |spec| spec.description = Some("carts".to_owned()));
}

/// Both Probes were served and the edit was made, each while no other object operated on the instance.
fn is_served(world: &World) -> bool {
    let instance = &world.instances()[0];
    let has = |name: &&str| tag(instance, &tag_key(name)).as_deref() == Some("seen");
    let is_complete = |name: &&str| {
        let key = ObjectId::new(Probe::KIND, NAMESPACE, name);
        world.cluster.read::<Probe>(&key).is_some_and(|probe| probe.claim().is_none())
    };
    let holder = world.object(&key("sessions")).and_then(|object| object.status?.holder);
    let served = CLAIMANTS.iter().all(|name| has(name) && is_complete(name));
    served && holder.is_none() && instance.description.as_deref() == Some("carts") && {
        check_grants(world);
        true
    }
}

/// Goes through all writes: an intent of a Probe needs the grant, and the DcsInstance writes none while it is granted.
fn check_grants(world: &World) {
    let mut holder = Value::Null;
    for write in world.cluster.written_since(&mut 0) {
        let (Some(after), status) = (&write.after, write.is_status()) else { continue };
        let operation = &after["status"]["operation"];
        let is_intent = status && !operation.is_null() && operation["outcome"].is_null();
        if write.key.kind == Probe::KIND {
            assert!(
                !is_intent || holder["uid"] == after["metadata"]["uid"],
                "{holder} does not allow {after}"
            );
        } else {
            holder = after["status"]["holder"].clone();
            assert!(
                !is_intent || holder.is_null(),
                "an operation of the object itself beside {holder}: {after}"
            );
        }
    }
}

fn probe(world: &World) -> Option<Probe> {
    world.cluster.read(&probe_key())
}

/// How many calls tagged the instance for the Probe.
fn tagged(world: &World) -> usize {
    let simulator = world.cloud.lock();
    let filter = Filter { operation: Some("BatchCreateOrDeleteTags".to_owned()), ..Filter::default() };
    simulator.journal().entries(&filter).filter(|entry| entry.effect.contains("tagged")).count()
}

fn is_complete(world: &World) -> bool {
    let status = probe(world).and_then(|probe| probe.status).unwrap_or_default();
    let complete = status.conditions.iter().any(|c| c.type_ == "Complete" && c.status == "True");
    let has_tag = |instance| tag(instance, &tag_key("sessions")).as_deref() == Some("seen");
    complete && status.operation.is_none() && world.instances().iter().all(has_tag)
}

const PROBE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| world.make_instance("left-over"),
    act: apply_probe,
    reached: |world| is_complete(world) && tagged(world) == 1,
};

const BESIDE_AN_INSTANCE_OF_THE_SAME_NAME: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| {
        world.apply("sessions", spec(json!({})));
        world.until("ready", LIMIT, |world| world.is_well(&key("sessions")));
    },
    act: apply_probe,
    reached: |world| is_complete(world) && tagged(world) == 1 && world.is_well(&key("sessions")),
};

const CLAIMED: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| {
        world.apply("sessions", spec(json!({})));
        world.until("ready", LIMIT, |world| world.is_well(&key("sessions")));
    },
    act: apply_claims,
    reached: |world| is_served(world) && world.is_well(&key("sessions")),
};

#[test]
fn one_object_at_a_time_operates_on_an_instance() {
    at_every_point("two probes and an edit", &CLAIMED);
}

#[test]
fn the_operation_of_a_second_kind_happens_once() {
    at_every_point("probe", &PROBE);
}

#[test]
fn equal_names_of_two_kinds_are_two_objects() {
    at_every_point("probe beside an instance", &BESIDE_AN_INSTANCE_OF_THE_SAME_NAME);
}

#[test]
fn a_second_kind_is_woken_by_a_change_of_its_instance() {
    let mut world = World::new(quick_cloud(), setup());
    (PROBE.prepare)(&mut world);
    apply_probe(&mut world);
    world.until("complete", LIMIT, is_complete);
    let id = world.instances()[0].id.clone();
    let tag = Tag { key: tag_key("sessions"), value: None };
    let untag = TagsChange { action: TagsAction::Delete, tags: vec![tag] };
    drive(world.client().change_tags(&id, &untag)).unwrap();
    world.until("tagged again", Duration::from_secs(120), |world| tagged(world) == 3 && is_complete(world));
}

#[test]
fn a_second_kind_keeps_its_credentials_in_use() {
    let mut world = World::new(quick_cloud(), setup());
    (PROBE.prepare)(&mut world);
    apply_probe(&mut world);
    world.until("complete", LIMIT, is_complete);
    let secret = world.cluster.read_secret(&NamespacedName::new(NAMESPACE, "dcs-credentials")).unwrap();
    assert_eq!(secret.finalizers(), ["dcs.huaweicloud.com/in-use"]);
}

/// The intent was written under the lease, and then the lease was lost: the reason is not the budget's.
#[test]
fn a_call_that_the_lease_does_not_cover_is_refused_as_not_leader() {
    let lease = Lease::lasting(1);
    let mut world = World::new(quick_cloud(), Setup { lease: Some(lease.clone()), ..setup() });
    (PROBE.prepare)(&mut world);
    apply_probe(&mut world);
    let reason = |world: &World| probe(world)?.status?.operation?.reason;
    world.until("refused", LIMIT, |world| reason(world).is_some());
    assert_eq!(reason(&world).as_deref(), Some("ClusterError"));
    assert_eq!(tagged(&world), 0);
    lease.extend(usize::MAX);
    world.until("complete", Duration::from_secs(60), is_complete);
    assert_eq!(tagged(&world), 1);
}
