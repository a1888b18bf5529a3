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
fn an_instance_to_adopt_is_looked_at_and_marked() {
    let mut o = adopting(instance(ID, Vec::new()));
    let plan = expect(&o, &format!("mark {ID} adopted"), ADOPTING, "next list", 120);
    let intent = plan.intent.unwrap();
    let operation = intent.operation.unwrap();
    assert_eq!((operation.type_, operation.instance_id.as_deref()), (OperationType::Adopt, Some(ID)));
    assert_eq!(intent.account, Some(account("p1")));
    o.lookups.detail = None;
    expect(&o, &format!("look at {ID}"), ADOPTING, "next list", 120);
}

#[test]
fn a_damaged_mark_of_ours_is_put_right() {
    for missing in 0..3 {
        let mut tags = mark(Origin::Created);
        tags.remove(missing);
        expect(&adopting(instance(ID, tags)), &format!("mark {ID} adopted"), ADOPTING, "next list", 120);
    }
}

#[test]
fn what_is_ours_is_taken() {
    for facts in [ours(ID), adopted(ID)] {
        let plan = expect(&adopting(facts), "nothing", IN_SYNC, "steady", round());
        assert_eq!(plan.status.id.as_deref(), Some(ID));
        assert_eq!(plan.status.account, Some(account("p1")));
    }
}

#[test]
fn what_is_not_there_or_not_to_be_had_is_not_adopted() {
    let mut o = adopting(instance(ID, Vec::new()));
    o.lookups.detail = Some(Detail::NotFound);
    expect_stalled(&o, "InstanceNotFound", "steady", 600);
    let deleting = with_status("DELETING", instance(ID, Vec::new()));
    expect_stalled(&adopting(deleting), "InstanceNotFound", "steady", 600);
    let theirs = instance(ID, marked("another-uid", &owner(), Origin::Created));
    expect_stalled(&adopting(theirs), "AlreadyOwned", "steady", 600);
    let mut torn = marked("another-uid", &owner(), Origin::Created);
    torn.pop();
    expect_stalled(&adopting(instance(ID, torn)), "AlreadyOwned", "steady", 600);
}

#[test]
fn an_attempt_to_adopt_is_waited_for() {
    let mut o = adopting(instance(ID, Vec::new()));
    let tried = attempt(OperationType::Adopt, None);
    o.status.operation = Some(OperationStatus { instance_id: Some(ID.to_owned()), ..tried });
    o.local.intent_seen = Some(s(990));
    expect(&o, "nothing", ADOPTING, "next list", 70);
    o.now.monotonic = s(1070);
    expect(&o, &format!("mark {ID} adopted"), ADOPTING, "next list", 120);
    // An instance that was asked for before adopt was added may still come.
    o.status.operation = Some(attempt(OperationType::Create, None));
    o.local.intent_seen = Some(s(1060));
    expect(&o, "nothing", ADOPTING, "all lists", 70);
    o.now.monotonic = s(1200);
    expect(&o, "nothing", ADOPTING, "all lists", 120);
    let mut lists = listed_at(1140, 1150);
    lists.known = o.lists.unwrap().known;
    o.lists = Some(lists);
    expect(&o, &format!("mark {ID} adopted"), ADOPTING, "next list", 120);
}

/// Until the mark is on it, it is not the object's, whatever else is the matter.
#[test]
fn not_ready_before_it_is_taken_over() {
    let mut o = adopting(instance(ID, Vec::new()));
    o.lookups = lookups();
    o.policies.paused = true;
    let unseen = "Unknown/ObservationPending";
    expect(&o, "nothing", [unseen, "Unknown/Paused", FINE, FINE], "steady", round());
    let mut o = edited(o, json!({"capacity": "3", "adopt": {"instanceId": ID}}));
    expect_stalled(&o, "InvalidSpec", "steady", round());
    o = adopting(instance(ID, Vec::new()));
    o.lists.as_mut().unwrap().trouble = Some(blocker(Reason::CloudUnreachable));
    o.lookups = lookups();
    o.now.monotonic = s(1060);
    let unreachable = [unseen, "Unknown/CloudUnreachable", "True/ObservationPending", FINE];
    expect(&o, "nothing", unreachable, "each list", 492);
}

#[test]
fn one_that_only_looks_needs_no_finalizer_and_takes_no_step() {
    let mut o = observing(instance(ID, Vec::new()));
    expect(&o, "nothing", IN_SYNC, "steady", round());
    o.status = plan(&o).status;
    assert_eq!(o.status.id.as_deref(), Some(ID));
    o.lookups = lookups();
    expect(&o, "nothing", IN_SYNC, "steady", round());
    // Nor does it matter whose it is.
    let theirs = instance(ID, marked("another-uid", &owner(), Origin::Created));
    expect(&observing(theirs), "nothing", IN_SYNC, "steady", round());
}

#[test]
fn one_that_only_looks_reports() {
    let drifted = InstanceFacts { capacity: Some(Capacity::from_mib(8192)), ..instance(ID, Vec::new()) };
    let drift = ["True/Available", "False/DriftDetected", FINE, FINE];
    let plan = expect(&observing(drifted), "nothing", drift, "steady", round());
    assert_eq!(plan.status.pending_changes.len(), 1);
    let frozen = with_status("FROZEN", instance(ID, Vec::new()));
    let unseen = "Unknown/ObservationPending";
    expect(&observing(frozen), "nothing", ["False/Frozen", unseen, FINE, FINE], "steady", round());
}

#[test]
fn one_that_only_looks_sees_when_it_is_gone() {
    let mut o = observing(instance(ID, Vec::new()));
    o.status = plan(&o).status;
    list(&mut o, &[]);
    o.lookups.detail = Some(Detail::NotFound);
    expect_stalled(&o, "InstanceNotFound", "steady", 600);
}

#[test]
fn from_managed_to_observed_the_mark_goes_then_the_finalizer() {
    let more = json!({"managementPolicy": "Observe", "adopt": {"instanceId": ID}});
    let mut o = edited(clear_operation(json!({}), ours(ID)), more);
    assert_eq!(step_of(&plan(&o)), format!("look at {ID}"));
    o.lookups.detail = found(ours(ID));
    let plan_now = expect(&o, &format!("note {ID}"), CHANGING, "changes", 0);
    assert_eq!(plan_now.intent.unwrap().operation.unwrap().type_, OperationType::Release);
    let mut tags = mark(Origin::Created);
    tags.push(("dcs-operator-released".to_owned(), UID.to_owned()));
    o.lookups.detail = found(instance(ID, tags.clone()));
    expect(&o, &format!("unmark {ID}"), CHANGING, "changes", 0);
    o.lookups.detail = found(instance(ID, tags.split_off(3)));
    assert_eq!(step_of(&plan(&o)), "remove finalizer, silently");
    o.lookups.detail = Some(Detail::NotFound);
    assert_eq!(step_of(&plan(&o)), "remove finalizer, silently");
}

/// An instance that was asked for may still come, with our mark: the finalizer stays until that is known.
#[test]
fn from_managed_to_observed_an_open_creation_is_waited_for() {
    let more = json!({"managementPolicy": "Observe", "adopt": {"instanceId": ID}});
    let mut o = observed(more);
    o.status.operation = Some(attempt(OperationType::Create, None));
    o.local.intent_seen = Some(s(990));
    o.lookups.detail = found(instance(ID, Vec::new()));
    assert_eq!(step_of(&plan(&o)), "nothing");
}
