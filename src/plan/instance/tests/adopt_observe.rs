use super::*;

const ADOPTING: [&str; 4] = ["False/Adopting", "False/Applying", "True/Adopting", FINE];

fn adopting(facts: InstanceFacts) -> Observed {
    let mut o = observed(json!({"engineVersion": null, "capacity": null, "adopt": {"instanceId": ID}}));
    list(&mut o, std::slice::from_ref(&facts));
    o.lookups.detail = found(facts);
    o
}

fn observing(facts: InstanceFacts) -> Observed {
    let more = json!({"managementPolicy": "Observe", "adopt": {"instanceId": ID}});
    let mut o = observed(more);
    o.subject.finalizer = false;
    list(&mut o, std::slice::from_ref(&facts));
    o.lookups.detail = found(facts);
    o
}

#[test]
fn an_instance_to_adopt_is_read_and_tagged() {
    let mut o = adopting(instance(ID, Vec::new()));
    let plan = expect(&o, &format!("adopt {ID} as adopted"), ADOPTING, "active, every list", 120);
    let intent = plan.intent.unwrap();
    let operation = intent.operation.unwrap();
    assert_eq!((operation.type_, operation.instance_id.as_deref()), (OperationType::Adopt, Some(ID)));
    assert_eq!(intent.account, Some(account("p1")));
    o.lookups.detail = None;
    expect(&o, &format!("read detail {ID}"), ADOPTING, "active, every list", 120);
}

#[test]
fn partial_ownership_tags_of_the_object_are_completed() {
    for missing in 0..3 {
        let mut tags = owner_tags(Origin::Created);
        tags.remove(missing);
        expect(
            &adopting(instance(ID, tags)),
            &format!("adopt {ID} as adopted"),
            ADOPTING,
            "active, every list",
            120,
        );
    }
}

#[test]
fn an_instance_with_the_objects_tags_is_accepted() {
    for facts in [ours(ID), adopted(ID)] {
        let plan = expect(&adopting(facts), "nothing", IN_SYNC, "idle", resync_interval());
        assert_eq!(plan.status.id.as_deref(), Some(ID));
        assert_eq!(plan.status.account, Some(account("p1")));
    }
}

#[test]
fn a_missing_or_foreign_instance_is_not_adopted() {
    let mut o = adopting(instance(ID, Vec::new()));
    o.lookups.detail = read(Detail::NotFound);
    expect_stalled(&o, "InstanceNotFound", "idle", 600);
    let deleting = with_status("DELETING", instance(ID, Vec::new()));
    let plan = expect_stalled(&adopting(deleting), "InstanceNotFound", "idle", 600);
    let stalled = plan.status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    assert!(stalled.message.contains("DCS reports status DELETING"), "{}", stalled.message);
    let foreign = instance(ID, owner_tags_of("another-uid", &owner(), Origin::Created));
    expect_stalled(&adopting(foreign), "AlreadyOwned", "idle", 600);
    let mut partial = owner_tags_of("another-uid", &owner(), Origin::Created);
    partial.pop();
    expect_stalled(&adopting(instance(ID, partial)), "AlreadyOwned", "idle", 600);
}

#[test]
fn an_unresolved_adoption_delays_the_next() {
    let mut o = adopting(instance(ID, Vec::new()));
    let unresolved = attempt(OperationType::Adopt, None);
    o.status.operation = Some(OperationStatus { instance_id: Some(ID.to_owned()), ..unresolved });
    o.local.intent_seen = Some(s(990));
    expect(&o, "nothing", ADOPTING, "active, every list", 70);
    o.now.monotonic = s(1070);
    expect(&o, &format!("adopt {ID} as adopted"), ADOPTING, "active, every list", 120);
    // An instance that was requested before the spec named one may still arrive.
    o.status.operation = Some(attempt(OperationType::Create, None));
    o.local.intent_seen = Some(s(1060));
    expect(&o, "nothing", ADOPTING, "active, every list, failed creations", 70);
    o.now.monotonic = s(1200);
    expect(&o, "nothing", ADOPTING, "active, every list, failed creations", 120);
    let mut lists = listed_at(1140, 1150);
    lists.known = o.lists.unwrap().known;
    o.lists = Some(lists);
    expect(&o, &format!("adopt {ID} as adopted"), ADOPTING, "active, every list", 120);
}

/// An instance without the ownership tags is not the object's, whatever else applies.
#[test]
fn an_object_is_not_ready_before_the_adoption() {
    let mut o = adopting(instance(ID, Vec::new()));
    o.lookups = lookups();
    o.policies.paused = true;
    let not_observed = "Unknown/ObservationPending";
    expect(&o, "nothing", [not_observed, "Unknown/Paused", FINE, FINE], "idle", resync_interval());
    let mut o = edited(o, json!({"capacity": "3", "adopt": {"instanceId": ID}}));
    expect_stalled(&o, "InvalidSpec", "idle", resync_interval());
    o = adopting(instance(ID, Vec::new()));
    o.lists.as_mut().unwrap().trouble = Some(blocker(Reason::CloudUnreachable));
    o.lookups = lookups();
    o.now.monotonic = s(1060);
    let unreachable = [not_observed, "Unknown/CloudUnreachable", "True/ObservationPending", FINE];
    expect(&o, "nothing", unreachable, "every list", 492);
}

#[test]
fn an_observing_object_needs_no_finalizer_and_takes_no_step() {
    let mut o = observing(instance(ID, Vec::new()));
    expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
    o.status = plan(&o).status;
    assert_eq!(o.status.id.as_deref(), Some(ID));
    o.lookups = lookups();
    expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
    // Ownership does not matter.
    let foreign = instance(ID, owner_tags_of("another-uid", &owner(), Origin::Created));
    expect(&observing(foreign), "nothing", IN_SYNC, "idle", resync_interval());
}

/// The spec names what is observed, not the status.
#[test]
fn a_forged_status_lets_nothing_be_observed() {
    let mut o = observing(instance(ID, Vec::new()));
    o.status.id = Some(OTHER.to_owned());
    list(&mut o, &[instance(OTHER, Vec::new()), instance(ID, Vec::new())]);
    let plan = plan(&o);
    assert_eq!(plan.status.id.as_deref(), Some(ID));
    o.account.as_mut().unwrap().source = CredentialsSource::Operator { trusted: false };
    let plan = super::plan(&o);
    assert_eq!(values(&plan.status)[3], "True/NotAllowed");
    assert_eq!(plan.status.endpoints, None);
}

#[test]
fn a_refused_adoption_waits_for_a_person() {
    const BLOCKED: fn(&'static str) -> [&'static str; 4] = |reason| match reason {
        "Forbidden" => ["False/Adopting", "False/Forbidden", FINE, "True/Forbidden"],
        _ => ["False/Adopting", "False/TagsRefused", FINE, "True/TagsRefused"],
    };
    for (reason, shown) in [(Reason::Forbidden, "Forbidden"), (Reason::InvalidSpec, "TagsRefused")] {
        let mut o = adopting(instance(ID, Vec::new()));
        let operation = refused(OperationType::Adopt, reason);
        o.status.operation = Some(OperationStatus { instance_id: Some(ID.to_owned()), ..operation });
        let plan = expect(&o, "nothing", BLOCKED(shown), "idle", 590);
        let message = &plan.status.conditions[3].message;
        assert!(message.contains("DCS rejected the request") && message.contains(ID), "{message}");
        o.now.wall = wall(WALL + 600);
        expect(&o, &format!("adopt {ID} as adopted"), BLOCKED(shown), "idle", 600);
        o.subject.generation += 1;
        expect(&o, &format!("adopt {ID} as adopted"), ADOPTING, "active, every list", 120);
    }
    let mut o = adopting(instance(ID, Vec::new()));
    o.lookups.detail = read(Detail::Failed(blocker(Reason::Forbidden)));
    assert!(values(&plan(&o).status)[3].starts_with("True/Forbidden"));
}

/// Two objects name one instance. Both wrote the tags; the last one has it.
#[test]
fn the_loser_of_two_adoptions_reports_nothing_and_takes_no_step() {
    let more = json!({"engineVersion": null, "capacity": null, "adopt": {"instanceId": ID}});
    let mut o = in_sync(more, adopted(ID));
    assert!(o.status.endpoints.is_some());
    let winner = instance(
        ID,
        owner_tags_of("another-uid", &OwnerHash::new("cluster", "shop", "other"), Origin::Adopted),
    );
    list(&mut o, std::slice::from_ref(&winner));
    o.lookups.detail = found(winner.clone());
    let plan = expect(&o, "nothing", stalled("AlreadyOwned").each_ref().map(String::as_str), "idle", 600);
    assert_eq!((plan.status.id, plan.status.endpoints, plan.status.binding), (None, None, None));
    // Its deletion leaves the instance alone.
    o.status = super::plan(&o).status;
    o.subject.deleting = true;
    assert_eq!(step_of(&super::plan(&o)), "remove finalizer, without status write");
    // An object that created the instance creates no other.
    let mut o = in_sync(json!({}), ours(ID));
    list(&mut o, std::slice::from_ref(&winner));
    o.lookups.detail = found(winner);
    let plan = super::plan(&o);
    assert_eq!((plan.status.id.as_deref(), plan.status.endpoints), (Some(ID), None));
}

/// It would be the second one with the object's tags.
#[test]
fn an_object_with_an_instance_adopts_no_other() {
    let mut o = adopting(instance(ID, Vec::new()));
    list(&mut o, &[instance(ID, Vec::new()), ours(OTHER)]);
    expect_stalled(&o, "AmbiguousOwnership", "every list", resync_interval());
}

#[test]
fn an_observing_object_reports_drift_and_status() {
    let drifted = InstanceFacts { capacity: Some(Capacity::from_mib(8192)), ..instance(ID, Vec::new()) };
    let drift = ["True/Available", "False/DriftDetected", FINE, FINE];
    let plan = expect(&observing(drifted), "nothing", drift, "idle", resync_interval());
    assert_eq!(plan.status.pending_changes.len(), 1);
    let frozen = with_status("FROZEN", instance(ID, Vec::new()));
    let not_observed = "Unknown/ObservationPending";
    expect(
        &observing(frozen),
        "nothing",
        ["False/Frozen", not_observed, FINE, FINE],
        "idle",
        resync_interval(),
    );
    // It exists until the cloud says that it does not.
    let deleting = observing(with_status("DELETING", instance(ID, Vec::new())));
    let plan =
        expect(&deleting, "nothing", ["False/Deleting", not_observed, FINE, FINE], "idle", resync_interval());
    assert_eq!(plan.status.cloud_status.as_deref(), Some("DELETING"));
    expect_stalled(
        &observing(with_status("DELETED", instance(ID, Vec::new()))),
        "InstanceNotFound",
        "idle",
        600,
    );
}

#[test]
fn an_observing_object_reports_a_missing_instance() {
    let mut o = observing(instance(ID, Vec::new()));
    o.status = plan(&o).status;
    list(&mut o, &[]);
    o.lookups.detail = read(Detail::NotFound);
    expect_stalled(&o, "InstanceNotFound", "idle", 600);
}

#[test]
fn a_switch_to_observe_releases_the_instance_then_the_finalizer() {
    let more = json!({"managementPolicy": "Observe", "adopt": {"instanceId": ID}});
    let mut o = edited(in_sync(json!({}), ours(ID)), more);
    assert_eq!(step_of(&plan(&o)), format!("read detail {ID}"));
    o.lookups.detail = found(ours(ID));
    let releasing = expect(&o, &format!("remove uid {ID}"), CHANGING, "active", 0);
    assert_eq!(releasing.intent.unwrap().operation.unwrap().type_, OperationType::Release);
    let mut tags = owner_tags(Origin::Created).split_off(1);
    o.lookups.detail = found(instance(ID, tags.clone()));
    assert_eq!(step_of(&plan(&o)), format!("set released {ID}"));
    tags.push(("dcs-operator-released".to_owned(), owner().as_str().to_owned()));
    o.lookups.detail = found(instance(ID, tags.clone()));
    assert_eq!(step_of(&plan(&o)), format!("remove owner {ID}"));
    let operation = refused(OperationType::Release, Reason::Forbidden);
    let mut blocked = o.clone();
    blocked.status.operation =
        Some(OperationStatus { instance_id: Some(ID.to_owned()), generation: Some(2), ..operation });
    assert!(values(&plan(&blocked).status)[3].starts_with("True/Forbidden"));
    o.lookups.detail = found(instance(ID, tags.split_off(1)));
    assert_eq!(step_of(&plan(&o)), "remove finalizer, without status write");
    o.lookups.detail = read(Detail::NotFound);
    assert_eq!(step_of(&plan(&o)), "remove finalizer, without status write");
}

/// A requested instance may still arrive with the ownership tags: the finalizer stays until that is resolved.
#[test]
fn a_switch_to_observe_waits_for_an_unresolved_creation() {
    let more = json!({"managementPolicy": "Observe", "adopt": {"instanceId": ID}});
    let mut o = observed(more);
    o.status.operation = Some(attempt(OperationType::Create, None));
    o.local.intent_seen = Some(s(990));
    o.lookups.detail = found(instance(ID, Vec::new()));
    assert_eq!(step_of(&plan(&o)), "nothing");
}
