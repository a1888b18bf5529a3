//! Other objects that operate on the instance.

use super::*;

fn holder(plan: &Plan) -> Option<&str> {
    plan.status.holder.as_ref().map(|holder| holder.name.as_str())
}

fn claimed(o: Observed) -> Observed {
    Observed { claims: Some(vec![claim("late", 20), claim("first", 10)]), ..o }
}

fn held(mut o: Observed) -> Observed {
    o.status.holder = Some(claim("late", 20).holder);
    claimed(o)
}

#[test]
fn an_instance_at_rest_is_granted_to_the_first_claim() {
    let o = claimed(in_sync(json!({}), ours(ID)));
    let plan = expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
    assert_eq!(holder(&plan), Some("first"));
    // The next one follows when its claim has ended.
    let mut next = Observed { status: plan.status, claims: Some(vec![claim("late", 20)]), ..o };
    assert_eq!(holder(&super::plan(&next)), Some("late"));
    next.claims = None;
    assert_eq!(holder(&super::plan(&next)), Some("first"), "not every claim is known");
    next.claims = Some(Vec::new());
    assert_eq!(holder(&super::plan(&next)), None);
}

#[test]
fn an_instance_that_is_blocked_or_has_drifted_is_granted_too() {
    let plan = plan(&claimed(edited_and_read(json!({"capacity": "16Gi"}), ours(ID))));
    assert_eq!((values(&plan.status)[3].as_str(), holder(&plan)), ("True/UnsupportedChange", Some("first")));
    let mut drifted = in_sync(json!({"capacity": "4Gi"}), ours(ID));
    let scaled = InstanceFacts { capacity: Some(Capacity::from_mib(8192)), ..ours(ID) };
    list(&mut drifted, std::slice::from_ref(&scaled));
    drifted.lookups.detail = found(scaled);
    let plan = super::plan(&claimed(drifted));
    assert_eq!((values(&plan.status)[1].as_str(), holder(&plan)), ("False/DriftDetected", Some("first")));
}

#[test]
fn an_instance_with_work_of_its_own_is_not_granted() {
    let mut deleted = in_sync(json!({}), ours(ID));
    deleted.subject.deleting = true;
    let mut paused = in_sync(json!({}), ours(ID));
    paused.policies.paused = true;
    let mut begun = edited_and_read(json!({"description": "carts"}), ours(ID));
    begun.status.operation = Some(attempt(OperationType::Update, None));
    let mut restarting = in_sync(json!({}), ours(ID));
    list(&mut restarting, &[with_status("RESTARTING", ours(ID))]);
    let foreign = in_sync(json!({}), ours(ID));
    let foreign = Observed { subject: Subject { uid: "another".to_owned(), ..foreign.subject }, ..foreign };
    for o in [
        create::ready(),
        edited_and_read(json!({"description": "carts"}), ours(ID)),
        deleted,
        paused,
        begun,
        restarting,
        foreign,
    ] {
        let plan = plan(&claimed(o));
        assert_eq!(holder(&plan), None, "{:?}", values(&plan.status));
    }
}

#[test]
fn no_change_is_made_while_another_object_operates() {
    let o = held(edited_and_read(json!({"description": "carts"}), ours(ID)));
    const WAITING: [&str; 4] = ["True/Available", "False/Applying", "True/WaitingForInstance", FINE];
    let plan = expect(&o, "nothing", WAITING, "idle", resync_interval());
    assert_eq!((holder(&plan), &plan.intent), (Some("late"), &None));
    let message = &plan.status.conditions.iter().find(|c| c.type_ == "Synced").unwrap().message;
    assert!(message.contains("DcsBackup late"), "{message}");
    // It has ended: the own change goes first.
    let ended = Observed { claims: Some(vec![claim("first", 10)]), ..o };
    let plan = super::plan(&ended);
    assert_eq!((step_of(&plan), holder(&plan)), (format!("update {ID}"), None));
    assert_eq!(plan.intent.unwrap().holder, None);
}

#[test]
fn a_deletion_waits_for_the_holder_and_for_no_other_claim() {
    let mut o = in_sync(json!({}), ours(ID));
    o.subject.deleting = true;
    o.lookups.detail = found(ours(ID));
    let plan = plan(&held(o.clone()));
    assert_eq!((step_of(&plan).as_str(), values(&plan.status)), ("nothing", DELETING.map(str::to_owned)));
    assert_eq!(holder(&plan), Some("late"));
    assert!(step_of(&super::plan(&claimed(o))).starts_with("delete"));
}

/// Another object manages the instance: who only observes it may still have it backed up.
#[test]
fn an_observed_instance_of_another_object_is_granted() {
    let facts = instance(
        ID,
        owner_tags_of("another-uid", &OwnerHash::new("cluster", "shop", "other"), Origin::Created),
    );
    let mut o = observed(json!({"managementPolicy": "Observe", "adopt": {"instanceId": ID}}));
    o.subject.finalizer = false;
    list(&mut o, std::slice::from_ref(&facts));
    o.lookups.detail = found(facts);
    let plan = plan(&claimed(o));
    assert_eq!(holder(&plan), Some("first"), "{:?}", values(&plan.status));
}
