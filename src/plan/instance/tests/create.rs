use super::*;

/// A fresh object for which everything was looked up.
pub(super) fn ready() -> Observed {
    let mut o = observed(json!({}));
    looked_up(&mut o);
    o
}

fn tried(operation: OperationStatus) -> Observed {
    let mut o = ready();
    o.status.operation = Some(operation);
    o.local.intent_seen = Some(s(940));
    o
}

#[test]
fn the_finalizer_comes_first_and_nothing_is_said() {
    let mut o = observed(json!({}));
    o.subject.finalizer = false;
    assert_eq!(step_of(&plan(&o)), "add finalizer, silently");
}

#[test]
fn before_the_first_list_only_a_fresh_object_says_something() {
    const UNSEEN: [&str; 4] =
        ["Unknown/ObservationPending", "Unknown/ObservationPending", "True/ObservationPending", FINE];
    let mut fresh = observed(json!({}));
    fresh.lists = None;
    expect(&fresh, "nothing", UNSEEN, "next list", 120);
    fresh.lists = Some(AccountLists { joined: s(900), ..AccountLists::default() });
    expect(&fresh, "nothing", UNSEEN, "next list", 120);
    let mut known = clear_operation(json!({}), ours(ID));
    known.lists = None;
    assert_eq!(step_of(&plan(&known)), "nothing, silently");
}

#[test]
fn a_fresh_object_is_looked_for_in_new_lists_of_both_sorts() {
    let begun = |latest: u64, failed: Option<u64>| {
        let mut o = observed(json!({}));
        o.local.first_seen = s(948);
        let failed_latest = failed.map(s);
        o.lists = Some(AccountLists { failed_latest, ..listed_at(900, latest) });
        o
    };
    for (latest, failed) in [(947, Some(947)), (947, Some(950)), (950, Some(947)), (950, None)] {
        expect(&begun(latest, failed), "nothing", MAKING, "all lists", 120);
    }
    expect(&begun(948, Some(948)), "look flavors", MAKING, "changes", 120);
}

#[test]
fn what_a_new_instance_needs_is_looked_up_in_order() {
    let mut o = observed(json!({}));
    expect(&o, "look flavors", MAKING, "changes", 120);
    o.lookups.flavors = Some(Ok(flavors(&["z-a", "z-b"])));
    expect(&o, "look password", MAKING, "changes", 120);
    o.lookups.password = Some(Ok(PasswordState::Missing));
    expect(&o, "prepare password", MAKING, "changes", 120);
    looked_up(&mut o);
    expect(&o, "create", MAKING, "changes", 120);
    // An open one needs none.
    let mut open = observed(json!({"auth": {"type": "None"}}));
    open.lookups.flavors = Some(Ok(flavors(&["z-a", "z-b"])));
    let plan = expect(&open, "create", MAKING, "changes", 120);
    assert_eq!(plan.intent.unwrap().applied, None);
}

#[test]
fn the_intent_says_all_that_is_needed_to_find_out() {
    let plan = expect(&ready(), "create", MAKING, "changes", 120);
    let intent = plan.intent.unwrap();
    let operation = intent.operation.unwrap();
    let now = Some(time::to_kube(wall(WALL)));
    let expected = OperationStatus {
        started_at: now.clone().unwrap(),
        attempted_at: now,
        ..attempt(OperationType::Create, None)
    };
    assert_eq!(operation, expected);
    assert_eq!(intent.account, Some(account("p1")));
    assert_eq!(intent.applied.unwrap().auth_hash.as_deref(), Some("password-1"));
    let resolved = intent.resolved.unwrap();
    assert_eq!(resolved.spec_code.as_deref(), Some("redis.ha.xu1.large.r2.4"));
    assert_eq!((resolved.replicas, resolved.origin.as_deref()), (Some(2), Some("Created")));
    assert_eq!(resolved.deletion_policy.as_deref(), Some("Delete"));
    assert_eq!((intent.id, intent.observed_generation), (None, Some(1)));
}

#[test]
fn an_open_attempt_needs_its_window_and_two_lists_of_each_sort() {
    let mut o = tried(attempt(OperationType::Create, None));
    // Seen at 940, so nothing can be said before 1,020.
    expect(&o, "nothing", MAKING, "all lists", 20);
    o.now.monotonic = s(1100);
    for (before, latest) in [(1000, 1010), (1019, 1020), (1000, 1030)] {
        o.lists = Some(listed_at(before, latest));
        expect(&o, "nothing", MAKING, "all lists", 120);
    }
    o.lists = Some(listed_at(1020, 1030));
    let old = o.clone();
    o.now.wall = wall(WALL + 100);
    expect(&o, "create", MAKING, "all lists", 120);
    for one in 0..2 {
        let mut o = old.clone();
        let lists = o.lists.as_mut().unwrap();
        *[&mut lists.failed_latest, &mut lists.failed_before][one] = Some(s(1019));
        expect(&o, "nothing", MAKING, "all lists", 120);
    }
}

#[test]
fn another_process_may_have_been_set_up_to_take_longer() {
    let operation = OperationStatus { window_seconds: Some(600), ..attempt(OperationType::Create, None) };
    expect(&tried(operation), "nothing", MAKING, "all lists", 540);
    let operation = OperationStatus { window_seconds: Some(-5), ..attempt(OperationType::Create, None) };
    let mut o = tried(operation);
    expect(&o, "nothing", MAKING, "all lists", 20);
    // Nobody has seen it before: the window begins now.
    o.local.intent_seen = None;
    expect(&o, "nothing", MAKING, "all lists", 80);
}

#[test]
fn the_next_attempt_is_counted() {
    let mut o = tried(attempt(OperationType::Create, None));
    (o.now.monotonic, o.now.wall) = (s(1100), wall(WALL + 100));
    o.lists = Some(listed_at(1020, 1030));
    let operation = plan(&o).intent.unwrap().operation.unwrap();
    assert_eq!((operation.attempt, operation.outcome), (2, None));
    assert_eq!(operation.started_at, time::to_kube(wall(WALL - 10)));
    assert_eq!(operation.attempted_at, Some(time::to_kube(wall(WALL + 100))));
}

#[test]
fn a_single_match_is_taken_over_whenever_it_is_seen() {
    for operation in [
        None,
        Some(attempt(OperationType::Create, None)),
        Some(refused(OperationType::Create, Reason::NameTaken)),
    ] {
        let mut o = observed(json!({}));
        o.status.operation = operation;
        o.local.intent_seen = Some(s(1000));
        list(&mut o, &[with_status("CREATING", ours(ID))]);
        let plan = expect(&o, "nothing", MAKING, "changes", 120);
        assert_eq!(plan.status.id.as_deref(), Some(ID));
        list(&mut o, &[ours(ID)]);
        expect(&o, &format!("look at {ID}"), CHANGING, "next list", round());
        o.lookups.detail = found(ours(ID));
        let plan = expect(&o, "nothing", IN_SYNC, "steady", round());
        assert_eq!((plan.status.id.as_deref(), plan.status.operation), (Some(ID), None));
    }
}

#[test]
fn several_matches_or_a_stranger_are_not_touched() {
    let stranger = || instance(OTHER, marked("an-earlier-uid", &owner(), Origin::Created));
    for all in [vec![ours(ID), ours(OTHER)], vec![stranger()], vec![ours(ID), stranger()]] {
        let mut o = ready();
        list(&mut o, &all);
        expect_stalled(&o, "AmbiguousOwnership", "each list", round());
    }
}

#[test]
fn what_is_on_its_way_out_does_not_count() {
    for word in ["DELETING", "DELETED"] {
        let mut o = ready();
        list(&mut o, &[with_status(word, ours(ID)), with_status(word, ours(OTHER))]);
        expect(&o, "create", MAKING, "changes", 120);
        list(&mut o, &[with_status(word, ours(ID)), ours(OTHER)]);
        assert_eq!(step_of(&plan(&o)), format!("look at {OTHER}"));
    }
}

#[test]
fn the_name_alone_says_nothing() {
    let mut o = ready();
    list(&mut o, &[instance(ID, Vec::new())]);
    expect(&o, "create", MAKING, "changes", 120);
}

#[test]
fn a_refused_creation_is_tried_again_in_time() {
    let again = |reason, attempt, ago: i64| {
        let attempted_at = Some(time::to_kube(wall(WALL - ago)));
        tried(OperationStatus { attempt, attempted_at, ..refused(OperationType::Create, reason) })
    };
    for (reason, word) in [
        (Reason::QuotaExceeded, "QuotaExceeded"),
        (Reason::InsufficientBalance, "InsufficientBalance"),
        (Reason::Forbidden, "Forbidden"),
    ] {
        expect_stalled(&again(reason, 1, 10), word, "steady", 590);
        expect_stalled(&again(reason, 2, 10), word, "steady", 1190);
        expect_stalled(&again(reason, 9, 10), word, "steady", 3590);
        expect(&again(reason, 1, 600), "create", MAKING, "changes", 120);
    }
    // The clock was put back in between.
    expect_stalled(&again(Reason::QuotaExceeded, 1, -1000), "QuotaExceeded", "steady", 600);
    expect(&again(Reason::Throttled, 1, 2), "nothing", MAKING, "changes", 3);
    expect(&again(Reason::Throttled, 4, 2), "nothing", MAKING, "changes", 38);
    expect(&again(Reason::Throttled, 1, 5), "create", MAKING, "changes", 120);
}

#[test]
fn a_refused_creation_is_tried_again_at_once_when_a_cause_changes() {
    let o = || tried(refused(OperationType::Create, Reason::QuotaExceeded));
    let mut edited = o();
    edited.subject.generation = 2;
    let plan = expect(&edited, "create", MAKING, "changes", 120);
    let operation = plan.intent.unwrap().operation.unwrap();
    assert_eq!((operation.attempt, operation.generation), (1, Some(2)));
    let mut other = o();
    other.account.as_mut().unwrap().credentials_hash = "credentials-2".to_owned();
    expect(&other, "create", MAKING, "changes", 120);
}

#[test]
fn a_taken_name_is_said_once_nothing_of_ours_was_found() {
    let operation = OperationStatus {
        reason: Some("NameTaken".to_owned()),
        message: Some("DCS.4060".to_owned()),
        ..attempt(OperationType::Create, None)
    };
    let mut o = tried(operation);
    expect(&o, "nothing", MAKING, "all lists", 20);
    o.now.monotonic = s(1100);
    o.lists = Some(listed_at(1020, 1030));
    expect_stalled(&o, "NameTaken", "steady", 590);
}

/// A failed record of ours, in the list of failed creations.
fn failed(operation: Option<OperationStatus>) -> Observed {
    let mut o = ready();
    o.status.operation = operation;
    let record = with_status("CREATEFAILED", ours(ID));
    o.lists.as_mut().unwrap().failed = vec![Arc::new(record.clone())];
    o.lookups.detail = found(record);
    o
}

#[test]
fn a_failed_record_is_removed_and_counted() {
    let look = Observed { lookups: LookupResults::default(), ..failed(None) };
    expect(&look, &format!("look at {ID}"), MAKING, "all lists", 120);
    let accepted = attempt(OperationType::Create, Some(OperationOutcome::Accepted));
    let o = failed(Some(OperationStatus { instance_id: Some(ID.to_owned()), ..accepted }));
    let plan = expect(&o, &format!("remove record {ID}"), MAKING, "all lists", 120);
    let Step::CloudAction(CloudAction::Delete { consent, .. }) = &plan.step else {
        panic!("{:?}", plan.step)
    };
    assert_eq!(consent.ground(), "it was never created");
    let intent = plan.intent.unwrap();
    let operation = intent.operation.unwrap();
    assert_eq!((operation.type_, operation.failures), (OperationType::DeleteFailed, Some(1)));
    assert_eq!(intent.id, None);
    // Gone already, or no longer ours, or not failed after all.
    for (detail, stalls) in [
        (Some(Detail::NotFound), false),
        (found(ours(ID)), false),
        (found(with_status("CREATEFAILED", instance(ID, Vec::new()))), true),
    ] {
        let mut o = failed(None);
        o.lookups.detail = detail;
        let plan = super::plan(&o);
        assert_eq!(
            (step_of(&plan).as_str(), values(&plan.status)[3] == "True/MarkMissing"),
            ("nothing", stalls)
        );
    }
}

#[test]
fn a_creation_that_fails_too_often_needs_a_person() {
    let removed = |failures| {
        let operation = attempt(OperationType::DeleteFailed, Some(OperationOutcome::Accepted));
        tried(OperationStatus { failures: Some(failures), instance_id: Some(ID.to_owned()), ..operation })
    };
    expect_stalled(&removed(3), "CreateFailed", "steady", round());
    // Growing gaps before.
    let mut o = removed(2);
    assert_eq!(step_of(&plan(&o)), "nothing");
    o.now.wall = wall(WALL + 4000);
    let operation = plan(&o).intent.unwrap().operation.unwrap();
    assert_eq!((operation.type_, operation.failures), (OperationType::Create, Some(2)));
    let mut anew = removed(3);
    anew.subject.generation = 2;
    let operation = plan(&anew).intent.unwrap().operation.unwrap();
    assert_eq!((operation.type_, operation.failures), (OperationType::Create, None));
}

#[test]
fn what_cannot_be_bought() {
    let mut o = ready();
    o.lookups.flavors = Some(Ok(flavors(&[])));
    expect_stalled(&o, "SoldOut", "steady", 600);
    o.lookups.flavors = Some(Ok(Vec::new().into()));
    expect_stalled(&o, "InvalidSpec", "steady", round());
    expect_stalled(&observed(json!({"capacity": "3"})), "InvalidSpec", "steady", round());
    expect_stalled(&observed(json!({"capacity": null})), "InvalidSpec", "steady", round());
}

#[test]
fn looks_that_fail_are_repeated() {
    let mut o = observed(json!({}));
    o.lookups.flavors = Some(Err(blocker(Reason::CloudUnreachable)));
    o.local.failures = 3;
    assert_eq!((step_of(&plan(&o)).as_str(), plan(&o).wait), ("nothing", s(20)));
    looked_up(&mut o);
    o.lookups.password = Some(Err(blocker(Reason::SecretNotFound)));
    expect_stalled(&o, "SecretNotFound", "steady", 2400);
}

#[test]
fn nothing_is_made_without_a_place() {
    let mut o = ready();
    o.account = Err(blocker(Reason::CredentialsMissing));
    expect_stalled(&o, "CredentialsMissing", "steady", 600);
}
