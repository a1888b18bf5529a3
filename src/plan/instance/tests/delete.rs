use super::*;

const STOPPED: [&str; 4] = ["False/Deleting", "Unknown/Paused", FINE, FINE];

/// In sync, then deleted; the instance was looked at closely.
fn deleted(more: Value, facts: InstanceFacts) -> Observed {
    let mut o = clear_operation(more, facts.clone());
    o.subject.deleting = true;
    o.lookups.detail = found(facts);
    o
}

/// Deleted before anything was recorded; nothing is there.
fn young() -> Observed {
    let mut o = observed(json!({}));
    o.subject.deleting = true;
    o
}

#[track_caller]
fn expect_stopped(o: &Observed, reason: &'static str, follow: &str, wait: u64) {
    let [_, synced, reconciling, stalled] = stalled(reason);
    expect(o, "nothing", ["False/Deleting", &synced, &reconciling, &stalled], follow, wait);
}

#[track_caller]
fn expect_gone(o: &Observed) {
    assert_eq!(step_of(&plan(o)), "remove finalizer, silently");
}

#[test]
fn what_we_made_is_deleted() {
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.detail = None;
    expect(&o, &format!("look at {ID}"), LEAVING, "changes", 120);
    o.lookups.detail = found(ours(ID));
    let plan = expect(&o, &format!("delete {ID}"), LEAVING, "changes", 120);
    let Step::CloudAction(CloudAction::Delete { consent, .. }) = &plan.step else {
        panic!("{:?}", plan.step)
    };
    assert_eq!(consent.ground(), "its object was deleted");
    assert_eq!(plan.intent.unwrap().operation.unwrap().instance_id.as_deref(), Some(ID));
}

#[test]
fn what_the_mark_says_decides_and_not_the_status() {
    let o = deleted(json!({}), ours(ID));
    let mut adopted_after_all = o.clone();
    adopted_after_all.lookups.detail = found(adopted(ID));
    expect(&adopted_after_all, &format!("note {ID}"), LEAVING, "changes", 0);
    let said = json!({"deletionPolicy": "Delete"});
    expect(&deleted(said, adopted(ID)), &format!("delete {ID}"), LEAVING, "changes", 120);
    let said = json!({"deletionPolicy": "Retain"});
    expect(&deleted(said, ours(ID)), &format!("note {ID}"), LEAVING, "changes", 0);
}

#[test]
fn what_was_adopted_is_let_go_in_three_steps() {
    let mut o = deleted(json!({}), adopted(ID));
    let plan = expect(&o, &format!("note {ID}"), LEAVING, "changes", 0);
    assert_eq!(plan.intent.unwrap().operation.unwrap().type_, OperationType::Release);
    let mut tags = mark(Origin::Adopted);
    tags.push(("dcs-operator-released".to_owned(), UID.to_owned()));
    o.lookups.detail = found(instance(ID, tags.clone()));
    o.status.operation = Some(attempt(OperationType::Release, Some(OperationOutcome::Accepted)));
    expect(&o, &format!("unmark {ID}"), LEAVING, "changes", 0);
    o.status.operation = Some(attempt(OperationType::Release, None));
    o.local.intent_seen = Some(s(990));
    expect(&o, "nothing", LEAVING, "changes", 70);
    o.lookups.detail = found(instance(ID, tags.split_off(3)));
    expect_gone(&o);
}

#[test]
fn what_cannot_be_deleted_now() {
    let prepaid = InstanceFacts { charging_mode: Some(1), ..ours(ID) };
    expect_stopped(&deleted(json!({}), prepaid), "PrepaidNotDeletable", "steady", round());
    for word in ["CREATING", "RESTARTING", "EXTENDING", "RESTORING"] {
        let o = deleted(json!({}), with_status(word, ours(ID)));
        expect(&o, "nothing", LEAVING, "changes", 30);
    }
    let mut o = deleted(json!({}), ours(ID));
    let task = Some("backup".to_owned());
    o.lookups.detail = Some(Detail::Found(Box::new(InstanceSnapshot { task, ..snapshot(ours(ID)) })));
    expect(&o, "nothing", LEAVING, "changes", 30);
    // On its way out: the list shows when it is gone.
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.detail = None;
    list(&mut o, &[with_status("DELETING", ours(ID))]);
    expect(&o, "nothing", LEAVING, "changes", 120);
    // Out of order is no reason to keep it.
    let o = deleted(json!({}), with_status("ERROR", ours(ID)));
    expect(&o, &format!("delete {ID}"), LEAVING, "changes", 120);
}

#[test]
fn a_refused_deletion_is_tried_again_in_time() {
    let mut o = deleted(json!({}), ours(ID));
    o.status.operation = Some(refused(OperationType::Delete, Reason::Forbidden));
    expect(&o, "nothing", LEAVING, "changes", 590);
    o.status.operation = Some(attempt(OperationType::Delete, None));
    o.local.intent_seen = Some(s(990));
    expect(&o, "nothing", LEAVING, "changes", 70);
    o.now.monotonic = s(1070);
    expect(&o, &format!("delete {ID}"), LEAVING, "changes", 120);
}

#[test]
fn gone_but_not_before_it_can_be_seen() {
    let mut o = deleted(json!({}), ours(ID));
    list(&mut o, &[]);
    o.lookups.detail = Some(Detail::NotFound);
    expect_gone(&o);
    let made = attempt(OperationType::Create, Some(OperationOutcome::Accepted));
    o.status.operation = Some(OperationStatus { instance_id: Some(ID.to_owned()), ..made });
    o.local.intent_seen = Some(s(990));
    expect(&o, "nothing", LEAVING, "all lists", 70);
    o.now.monotonic = s(1070);
    expect_gone(&o);
    o.lookups.detail = Some(Detail::Failed(blocker(Reason::CloudUnreachable)));
    expect(&o, "nothing", LEAVING, "changes", 5);
}

#[test]
fn of_several_none_is_deleted_unless_one_is_named() {
    let several = |recorded: bool, more: Value| {
        let mut o = observed(more);
        o.subject.deleting = true;
        o.status.id = recorded.then(|| ID.to_owned());
        list(&mut o, &[ours(ID), ours(OTHER)]);
        o
    };
    for recorded in [true, false] {
        expect_stopped(&several(recorded, json!({})), "AmbiguousOwnership", "each list", round());
        let o = several(recorded, json!({"adopt": {"instanceId": ID}}));
        expect(&o, &format!("look at {ID}"), LEAVING, "changes", 120);
    }
    // The named one is gone, and another still has the mark.
    let mut o = several(true, json!({"adopt": {"instanceId": ID}}));
    o.lookups.detail = Some(Detail::NotFound);
    expect_stopped(&o, "AmbiguousOwnership", "each list", round());
}

#[test]
fn what_does_not_say_whose_it_is_stays() {
    let bare = || instance(ID, Vec::new());
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.detail = found(bare());
    expect_stopped(&o, "MarkMissing", "steady", 600);
    let mut named = deleted(json!({"adopt": {"instanceId": ID}}), ours(ID));
    named.lookups.detail = found(bare());
    assert_eq!(step_of(&plan(&named)), format!("mark {ID} created"));
    for more in [
        json!({"deletionPolicy": "Retain"}),
        json!({"managementPolicy": "Observe", "adopt": {"instanceId": ID}}),
    ] {
        let mut o = deleted(more, ours(ID));
        o.lookups.detail = found(bare());
        expect_gone(&o);
    }
    let mut o = deleted(json!({}), ours(ID));
    list(&mut o, &[]);
    o.lookups.detail = found(instance(ID, marked("another-uid", &owner(), Origin::Created)));
    expect_gone(&o);
}

#[test]
fn without_credentials() {
    let mut o = young();
    o.account = Err(blocker(Reason::CredentialsMissing));
    expect_gone(&o);
    let mut o = deleted(json!({}), ours(ID));
    o.account = Err(blocker(Reason::CredentialsMissing));
    expect_stopped(&o, "CredentialsMissing", "steady", 600);
    let mut o = deleted(json!({}), ours(ID));
    o.account.as_mut().unwrap().account = account("p2");
    expect_stopped(&o, "AccountChanged", "steady", round());
}

#[test]
fn paused_it_stays() {
    let mut o = deleted(json!({}), ours(ID));
    o.policies.paused = true;
    expect(&o, "nothing", STOPPED, "steady", round());
}

#[test]
fn an_invalid_spec_can_still_be_deleted() {
    let o = edited(deleted(json!({}), ours(ID)), json!({"capacity": "3"}));
    expect(&o, &format!("delete {ID}"), LEAVING, "changes", 120);
}

#[test]
fn nothing_was_made_and_lists_say_so() {
    let mut o = young();
    expect_gone(&o);
    o.local.first_seen = s(960);
    expect(&o, "nothing", LEAVING, "all lists", 120);
    o.lists.as_mut().unwrap().latest = None;
    expect(&o, "nothing", LEAVING, "next list", 120);
    o.subject.finalizer = false;
    assert_eq!(step_of(&plan(&o)), "nothing, silently");
}

#[test]
fn an_open_creation_is_waited_for_and_its_instance_deleted() {
    let mut o = young();
    o.status.operation = Some(attempt(OperationType::Create, None));
    o.local.intent_seen = Some(s(940));
    expect(&o, "nothing", LEAVING, "all lists", 20);
    o.now.monotonic = s(1100);
    expect(&o, "nothing", LEAVING, "all lists", 120);
    let mut nothing = o.clone();
    nothing.lists = Some(listed_at(1020, 1030));
    expect_gone(&nothing);
    list(&mut o, &[ours(ID)]);
    expect(&o, &format!("look at {ID}"), LEAVING, "changes", 120);
    o.lookups.detail = found(ours(ID));
    expect(&o, &format!("delete {ID}"), LEAVING, "changes", 120);
}

#[test]
fn failed_records_go_first() {
    let record = with_status("CREATEFAILED", ours(ID));
    let mut o = young();
    o.lists.as_mut().unwrap().failed = vec![Arc::new(record.clone())];
    expect(&o, &format!("look at {ID}"), LEAVING, "all lists", 120);
    o.lookups.detail = found(record.clone());
    expect(&o, &format!("remove record {ID}"), LEAVING, "all lists", 120);
    o.lookups.detail = found(InstanceFacts { tags: Vec::new(), ..record });
    expect_stopped(&o, "MarkMissing", "steady", round());
}

/// Looking only means that nothing is deleted, records neither.
#[test]
fn an_object_that_only_looks_deletes_nothing() {
    let mut o = observed(json!({"managementPolicy": "Observe", "adopt": {"instanceId": OTHER}}));
    o.subject.deleting = true;
    let record = with_status("CREATEFAILED", ours(ID));
    o.lists.as_mut().unwrap().failed = vec![Arc::new(record.clone())];
    o.lookups.detail = found(record);
    assert!(!matches!(plan(&o).step, Step::CloudAction(_)), "{:?}", plan(&o).step);
}
