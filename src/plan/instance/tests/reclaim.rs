//! Taking back what an earlier object of the same name left behind, and instances whose tags no list shows.

use super::*;

const FORMER: &str = "00000000-7592-4cf3-bb88-a695b53b2dc3";
const ADOPTING: [&str; 4] = ["False/Adopting", "False/Applying", "True/Adopting", FINE];

/// An instance with these ownership tags.
fn tagged(id: &str, tags: &[(&str, &str)]) -> InstanceFacts {
    instance(id, tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

fn released(id: &str) -> InstanceFacts {
    tagged(id, &[("dcs-operator-origin", "created"), ("dcs-operator-released", owner().as_str())])
}

fn orphaned(id: &str) -> InstanceFacts {
    instance(id, owner_tags_of(FORMER, &owner(), Origin::Created))
}

fn derived_name() -> Option<String> {
    Some(cloud_name("shop", "sessions", &owner()))
}

/// A new object; the list shows `facts`, and so does its detail.
fn left(more: Value, facts: InstanceFacts) -> Observed {
    let mut o = observed(more);
    list(&mut o, std::slice::from_ref(&facts));
    read(&mut o, facts);
    with_lookups(&mut o);
    o
}

fn read(o: &mut Observed, facts: InstanceFacts) {
    o.lookups.candidate = Some((facts.id.clone(), Detail::Found(Box::new(snapshot(facts)))));
}

#[track_caller]
fn expect_left(o: &Observed, reason: &'static str, words: &[&str]) {
    let every_list = if reason == "AmbiguousOwnership" { "every list" } else { "idle" };
    let plan = expect_stalled(o, reason, every_list, resync_interval());
    let message = &plan.status.conditions.iter().find(|c| c.type_ == "Stalled").unwrap().message;
    for word in words {
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn a_released_instance_is_taken_back_with_its_record() {
    let mut o = left(json!({}), released(ID));
    o.lookups.candidate = None;
    expect(&o, &format!("read candidate {ID}"), CREATING, "active", 120);
    read(&mut o, released(ID));
    o.notes.record = Some(record_of(ID));
    let plan = expect(&o, &format!("set owner {ID}"), ADOPTING, "active, every list", 120);
    let operation = plan.intent.unwrap().operation.unwrap();
    assert_eq!((operation.type_.as_str(), operation.instance_id.as_deref()), ("Adopt", Some(ID)));
    // Each part follows the one before, as the detail shows it, though the list is older.
    let accepted = attempt(OperationType::Adopt, Some(OperationOutcome::Accepted));
    o.status.operation = Some(OperationStatus { instance_id: Some(ID.to_owned()), ..accepted });
    o.local.intent_seen = Some(s(999));
    let (origin, own) =
        (("dcs-operator-origin", "created"), ("dcs-operator-owner", owner().as_str().to_owned()));
    let own = (own.0, own.1.as_str());
    read(&mut o, tagged(ID, &[origin, own, ("dcs-operator-released", owner().as_str())]));
    expect(&o, &format!("remove released {ID}"), ADOPTING, "active, every list", 120);
    read(&mut o, tagged(ID, &[origin, own]));
    expect(&o, &format!("adopt {ID} as created"), ADOPTING, "active, every list", 120);
    read(&mut o, ours(ID));
    let plan = super::plan(&o);
    assert_eq!((step_of(&plan).as_str(), plan.status.id.as_deref()), ("nothing", Some(ID)));
    assert_eq!(plan.status.resolved.unwrap().deletion_policy.as_deref(), Some("Delete"));
}

#[test]
fn a_released_instance_without_its_record_is_left_alone() {
    for noted in [None, Some(record_of(OTHER)), Some(SecretNotes::default())] {
        let mut o = left(json!({}), released(ID));
        o.notes.record = noted;
        expect_left(
            &o,
            "ReclaimBlocked",
            &[ID, "sessions-auth", "adopt.instanceId", "reclaimPolicy to None"],
        );
    }
    // In another namespace of the same name, too, unless the spec says that it is the former one.
    let o = left(json!({"reclaimPolicy": "Orphaned"}), released(ID));
    expect(&o, &format!("set owner {ID}"), ADOPTING, "active, every list", 120);
}

#[test]
fn fields_that_cannot_change_have_to_agree() {
    for (more, field) in [
        (json!({"engineVersion": "5.0"}), "engineVersion"),
        (json!({"network": {"vpcId": SUBNET, "subnetId": SUBNET}}), "network.vpcId"),
        (json!({"network": {"vpcId": VPC, "subnetId": VPC}}), "network.subnetId"),
    ] {
        let mut o = left(more, released(ID));
        o.notes.record = Some(record_of(ID));
        expect_left(&o, "ReclaimBlocked", &[field, "adopt.instanceId", "reclaimPolicy to None"]);
    }
}

#[test]
fn several_released_instances_need_a_choice() {
    let mut o = left(json!({}), released(ID));
    list(&mut o, &[released(ID), released(OTHER)]);
    expect_left(&o, "ReclaimBlocked", &[ID, OTHER, "adopt.instanceId", "reclaimPolicy to None"]);
    o.policies.reclaim = Some(crate::api::instance::ReclaimPolicy::None);
    expect(&o, "create", CREATING, "active", 120);
    o.policies.adopt = Some(ID.to_owned());
    assert_eq!(step_of(&plan(&o)), format!("read detail {ID}"));
}

#[test]
fn reclaim_policy_none_creates_a_new_instance() {
    let mut o = left(json!({"reclaimPolicy": "None"}), released(ID));
    assert_eq!(step_of(&plan(&o)), "create");
    o = left(json!({}), released(ID));
    o.settings.reclaim_policy = crate::api::instance::ReclaimPolicy::None;
    assert_eq!(step_of(&plan(&o)), "create");
    // The spec overrides the flag.
    o.policies.reclaim = Some(crate::api::instance::ReclaimPolicy::Released);
    o.notes.record = Some(record_of(ID));
    assert_eq!(step_of(&plan(&o)), format!("set owner {ID}"));
}

#[test]
fn an_orphan_is_taken_only_if_the_spec_says_so() {
    for more in [json!({}), json!({"reclaimPolicy": "Released"}), json!({"reclaimPolicy": "None"})] {
        expect_left(&left(more, orphaned(ID)), "AmbiguousOwnership", &[ID, "reclaimPolicy to Orphaned"]);
    }
    let o = left(json!({"reclaimPolicy": "Orphaned"}), orphaned(ID));
    expect(&o, &format!("adopt {ID} as created"), ADOPTING, "active, every list", 120);
    // The list is older than the release.
    let mut o = left(json!({}), orphaned(ID));
    read(&mut o, released(ID));
    expect_left(&o, "ReclaimBlocked", &[ID, "sessions-auth"]);
}

#[test]
fn an_instance_that_an_early_version_released_is_not_forgotten() {
    let facts = InstanceFacts { name: derived_name(), ..tagged(ID, &[("dcs-operator-released", FORMER)]) };
    for more in [json!({}), json!({"reclaimPolicy": "Orphaned"})] {
        expect_left(
            &left(more, facts.clone()),
            "ReclaimBlocked",
            &[ID, "adopt.instanceId", "earlier version"],
        );
    }
    assert_eq!(step_of(&plan(&left(json!({"reclaimPolicy": "None"}), facts.clone()))), "create");
    let other_name = InstanceFacts { name: Some("another".to_owned()), ..facts.clone() };
    assert_eq!(step_of(&plan(&left(json!({}), other_name))), "create");
    // A person takes it over.
    let mut o = left(json!({"adopt": {"instanceId": ID}}), facts.clone());
    o.lookups.detail = found(facts);
    expect(&o, &format!("remove released {ID}"), ADOPTING, "active, every list", 120);
}

/// The look-up comes before any create request, also before the one that replaces a lost instance.
#[test]
fn a_lost_instance_is_not_replaced_while_another_is_released() {
    let mut o = left(json!({"onExternalDeletion": "Recreate"}), released(OTHER));
    o.status.id = Some(ID.to_owned());
    o.local.gone = Some((ID.to_owned(), s(940)));
    expect_left_serving(&o, "nothing");
    o.notes.record = Some(record_of(OTHER));
    expect_left_serving(&o, &format!("set owner {OTHER}"));
    let mut o = left(json!({"onExternalDeletion": "Recreate"}), instance(ID, Vec::new()));
    list(&mut o, &[]);
    o.status.id = Some(ID.to_owned());
    o.local.gone = Some((ID.to_owned(), s(940)));
    o.lookups.candidate = None;
    expect_left_serving(&o, "create");
}

#[track_caller]
fn expect_left_serving(o: &Observed, step: &str) {
    assert_eq!(step_of(&plan(o)), step);
}

// A site that lists without tags.

fn untagged(facts: InstanceFacts) -> InstanceFacts {
    InstanceFacts { tags: Vec::new(), name: derived_name(), ..facts }
}

/// As the reconciler keeps what a detail showed.
fn keep(o: &mut Observed, facts: &InstanceFacts) {
    let lists = o.lists.as_mut().unwrap();
    o.local.keep_tags(lists.listed(&facts.id), &facts.tags, o.now.monotonic);
    lists.overlay_tags(&o.local, o.now.monotonic, s(3600));
    read(o, facts.clone());
}

#[test]
fn an_instance_of_the_name_without_tags_is_read_before_a_creation() {
    let facts = InstanceFacts { name: derived_name(), ..ours(ID) };
    let mut o = left(json!({}), untagged(ours(ID)));
    o.lookups.candidate = None;
    expect(&o, &format!("read candidate {ID}"), CREATING, "active", 120);
    o.lookups.candidate = Some((ID.to_owned(), Detail::Failed(blocker(Reason::Forbidden))));
    expect_stalled(&o, "Forbidden", "idle", 600);
    // It is the object's: a create request whose answer was lost.
    keep(&mut o, &facts);
    let in_sync = ["True/Available", "True/InSync", FINE, FINE];
    let plan = expect(&o, "nothing", in_sync, "idle", resync_interval());
    assert_eq!(plan.status.id.as_deref(), Some(ID));
    // It is nobody's.
    let mut o = left(json!({}), untagged(ours(ID)));
    keep(&mut o, &untagged(ours(ID)));
    assert_eq!(step_of(&super::plan(&o)), "create");
    // Its tags may have changed since.
    o.now.monotonic = s(1000 + 5000);
    o.lists = Some(AccountLists { named: o.lists.unwrap().named, ..listed_at(5990, 5995) });
    o.lookups.candidate = None;
    assert_eq!(step_of(&super::plan(&o)), format!("read candidate {ID}"));
    // It was released.
    let mut o = left(json!({}), untagged(ours(ID)));
    keep(&mut o, &InstanceFacts { name: derived_name(), ..released(ID) });
    assert!(values(&super::plan(&o).status)[3].starts_with("True/ReclaimBlocked"));
}

#[test]
fn a_deletion_finds_an_instance_without_tags_in_the_list() {
    let mut o = left(json!({}), untagged(ours(ID)));
    o.subject.deleting = true;
    o.lookups.candidate = None;
    expect(&o, &format!("read candidate {ID}"), DELETING, "active", 120);
    keep(&mut o, &InstanceFacts { name: derived_name(), ..ours(ID) });
    expect(&o, &format!("read detail {ID}"), DELETING, "active", 120);
}

#[test]
fn tags_that_were_read_hold_while_the_list_shows_the_instance_unchanged() {
    let facts = InstanceFacts { name: derived_name(), ..ours(ID) };
    let mut o = in_sync(json!({}), facts.clone());
    list(&mut o, &[untagged(facts.clone())]);
    expect(
        &o,
        &format!("read detail {ID}"),
        ["True/Available", "False/Applying", "True/Applying", FINE],
        "active, every list",
        resync_interval(),
    );
    keep(&mut o, &facts);
    o.lookups.candidate = None;
    expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
    // The next list shows the same, then a change.
    let next = |o: &Observed, facts: InstanceFacts| {
        let mut next = o.clone();
        list(&mut next, &[facts]);
        next.lists.as_mut().unwrap().overlay_tags(&next.local, s(1060), s(3600));
        step_of(&plan(&next))
    };
    assert_eq!(next(&o, untagged(facts.clone())), "nothing");
    assert_eq!(next(&o, untagged(with_status("RESTARTING", facts))), format!("read detail {ID}"));
}
