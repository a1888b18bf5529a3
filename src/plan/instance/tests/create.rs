use super::*;

/// A new object with all lookups that the create request needs.
pub(super) fn ready() -> Observed {
    let mut o = observed(json!({}));
    with_lookups(&mut o);
    o
}

fn attempted(operation: OperationStatus) -> Observed {
    let mut o = ready();
    o.status.operation = Some(operation);
    o.local.intent_seen = Some(s(940));
    o
}

/// An object that never worked can be deleted without the operator.
#[test]
fn the_finalizer_is_added_just_before_the_first_intent() {
    const ADDED: &str = "add finalizer, without status write";
    let mut o = ready();
    o.subject.finalizer = false;
    assert_eq!(step_of(&plan(&o)), ADDED);
    o.lookups.password = Some(Ok(PasswordState::Missing));
    assert_eq!(step_of(&plan(&o)), ADDED);
    let never = |change: fn(&mut Observed)| {
        let mut never = o.clone();
        change(&mut never);
        assert!(!step_of(&plan(&never)).contains("finalizer"), "{:?}", plan(&never).step);
    };
    never(|o| o.account = Err(blocker(Reason::CredentialsInvalid)));
    never(|o| o.lists = None);
    never(|o| o.lists.as_mut().unwrap().latest = None);
    never(|o| o.lists.as_mut().unwrap().trouble = Some(blocker(Reason::CredentialsInvalid)));
    never(|o| o.lookups.flavors = Some(Err(blocker(Reason::Forbidden))));
    never(|o| o.lookups.flavors = Some(Ok(flavors(&[]))));
    never(|o| o.policies.paused = true);
    // Somebody took it off an object that has an instance, or may have one.
    let mut known = in_sync(json!({}), ours(ID));
    known.subject.finalizer = false;
    assert_eq!(step_of(&plan(&known)), ADDED);
    // An account that was never listed may never work.
    for lists in [None, Some(AccountLists::default())] {
        let unlisted = Observed { lists, ..known.clone() };
        assert!(!step_of(&plan(&unlisted)).contains("finalizer"), "{:?}", plan(&unlisted).step);
    }
    let mut begun = attempted(attempt(OperationType::Create, None));
    begun.subject.finalizer = false;
    assert_eq!(step_of(&plan(&begun)), ADDED);
}

#[test]
fn before_the_first_list_only_a_new_object_gets_a_status() {
    const NOT_OBSERVED: [&str; 4] =
        ["Unknown/ObservationPending", "Unknown/ObservationPending", "True/ObservationPending", FINE];
    let mut new = observed(json!({}));
    new.lists = None;
    expect(&new, "nothing", NOT_OBSERVED, "active, every list", 120);
    new.lists = Some(AccountLists { joined: s(900), ..AccountLists::default() });
    expect(&new, "nothing", NOT_OBSERVED, "active, every list", 120);
    let mut known = in_sync(json!({}), ours(ID));
    known.lists = None;
    assert_eq!(step_of(&plan(&known)), "nothing, without status write");
}

#[test]
fn a_new_object_needs_new_lists_of_instances_and_failed_creations() {
    let listed = |latest: u64, failed: Option<u64>| {
        let mut o = observed(json!({}));
        o.local.first_seen = s(948);
        let failed_latest = failed.map(s);
        o.lists = Some(AccountLists { failed_latest, ..listed_at(900, latest) });
        o
    };
    for (latest, failed) in [(947, Some(947)), (947, Some(950)), (950, Some(947)), (950, None)] {
        expect(&listed(latest, failed), "nothing", CREATING, "active, every list, failed creations", 120);
    }
    expect(&listed(948, Some(948)), "read flavors", CREATING, "active", 120);
}

#[test]
fn the_lookups_of_a_create_request_are_ordered() {
    let mut o = observed(json!({}));
    expect(&o, "read flavors", CREATING, "active", 120);
    o.lookups.flavors = Some(Ok(flavors(&["z-a", "z-b"])));
    expect(&o, "read password", CREATING, "active", 120);
    o.lookups.password = Some(Ok(PasswordState::Missing));
    expect(&o, "write record", CREATING, "active", 120);
    o.lookups.password = Some(Ok(PasswordState::Former { id: OTHER.to_owned() }));
    expect(&o, &format!("move record {OTHER}"), CREATING, "active", 120);
    with_lookups(&mut o);
    expect(&o, "create", CREATING, "active", 120);
    // An open instance has a record without a password.
    let mut open = observed(json!({"auth": {"type": "None"}}));
    open.lookups.flavors = Some(Ok(flavors(&["z-a", "z-b"])));
    expect(&open, "read password", CREATING, "active", 120);
}

#[test]
fn the_intent_records_what_finding_the_instance_needs() {
    let plan = expect(&ready(), "create", CREATING, "active", 120);
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
    assert_eq!(intent.applied, None, "no hash of the password is kept");
    let resolved = intent.resolved.unwrap();
    assert_eq!(resolved.spec_code.as_deref(), Some("redis.ha.xu1.large.r2.4"));
    assert_eq!((resolved.replicas, resolved.origin.as_deref()), (Some(2), Some("Created")));
    assert_eq!(resolved.deletion_policy.as_deref(), Some("Delete"));
    assert_eq!((intent.id, intent.observed_generation), (None, Some(1)));
}

#[test]
fn an_unresolved_attempt_needs_its_window_and_two_lists_of_each_topic() {
    let mut o = attempted(attempt(OperationType::Create, None));
    // The attempt was seen at 940 s: its window ends at 1,020 s.
    expect(&o, "nothing", CREATING, "active, every list, failed creations", 20);
    o.now.monotonic = s(1100);
    for (before, latest) in [(1000, 1010), (1019, 1020), (1000, 1030)] {
        o.lists = Some(listed_at(before, latest));
        expect(&o, "nothing", CREATING, "active, every list, failed creations", 120);
    }
    o.lists = Some(listed_at(1020, 1030));
    let old = o.clone();
    o.now.wall = wall(WALL + 100);
    expect(&o, "create", CREATING, "active, every list, failed creations", 120);
    for one in 0..2 {
        let mut o = old.clone();
        let lists = o.lists.as_mut().unwrap();
        *[&mut lists.failed_latest, &mut lists.failed_before][one] = Some(s(1019));
        expect(&o, "nothing", CREATING, "active, every list, failed creations", 120);
    }
}

#[test]
fn the_recorded_window_of_another_process_counts() {
    let operation = OperationStatus { window_seconds: Some(600), ..attempt(OperationType::Create, None) };
    expect(&attempted(operation), "nothing", CREATING, "active, every list, failed creations", 540);
    let operation = OperationStatus { window_seconds: Some(-5), ..attempt(OperationType::Create, None) };
    let mut o = attempted(operation);
    expect(&o, "nothing", CREATING, "active, every list, failed creations", 20);
    // The attempt was not seen before: its window starts now.
    o.local.intent_seen = None;
    expect(&o, "nothing", CREATING, "active, every list, failed creations", 80);
}

#[test]
fn the_next_attempt_increments_the_count() {
    let mut o = attempted(attempt(OperationType::Create, None));
    (o.now.monotonic, o.now.wall) = (s(1100), wall(WALL + 100));
    o.lists = Some(listed_at(1020, 1030));
    let operation = plan(&o).intent.unwrap().operation.unwrap();
    assert_eq!((operation.attempt, operation.outcome), (2, None));
    assert_eq!(operation.started_at, time::to_kube(wall(WALL - 10)));
    assert_eq!(operation.attempted_at, Some(time::to_kube(wall(WALL + 100))));
}

#[test]
fn a_single_match_is_adopted_whenever_it_is_listed() {
    for operation in [
        None,
        Some(attempt(OperationType::Create, None)),
        Some(refused(OperationType::Create, Reason::NameTaken)),
    ] {
        let mut o = observed(json!({}));
        o.status.operation = operation;
        o.local.intent_seen = Some(s(1000));
        list(&mut o, &[with_status("CREATING", ours(ID))]);
        let plan = expect(&o, "nothing", CREATING, "active", 120);
        assert_eq!(plan.status.id.as_deref(), Some(ID));
        list(&mut o, &[ours(ID)]);
        expect(&o, &format!("read detail {ID}"), CHANGING, "active, every list", resync_interval());
        o.lookups.detail = found(ours(ID));
        let plan = expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
        assert_eq!((plan.status.id.as_deref(), plan.status.operation), (Some(ID), None));
    }
}

#[test]
fn several_matches_block_the_object() {
    let stale_owner = || instance(OTHER, owner_tags_of("an-earlier-uid", &owner(), Origin::Created));
    let mut o = ready();
    list(&mut o, &[ours(ID), ours(OTHER)]);
    expect_stalled(&o, "AmbiguousOwnership", "every list", resync_interval());
    // The object has its own: what an earlier one left behind does not matter.
    list(&mut o, &[ours(ID), stale_owner()]);
    assert_eq!(plan(&o).status.id.as_deref(), Some(ID));
}

#[test]
fn an_instance_that_is_being_deleted_is_ignored() {
    for word in ["DELETING", "DELETED"] {
        let mut o = ready();
        list(&mut o, &[with_status(word, ours(ID)), with_status(word, ours(OTHER))]);
        expect(&o, "create", CREATING, "active", 120);
        list(&mut o, &[with_status(word, ours(ID)), ours(OTHER)]);
        assert_eq!(step_of(&plan(&o)), format!("read detail {OTHER}"));
    }
}

#[test]
fn a_matching_name_proves_no_ownership() {
    let mut o = ready();
    list(&mut o, &[instance(ID, Vec::new())]);
    expect(&o, "create", CREATING, "active", 120);
}

#[test]
fn a_refused_creation_is_retried_with_backoff() {
    let again = |reason, attempt, ago: i64| {
        let attempted_at = Some(time::to_kube(wall(WALL - ago)));
        let mut o =
            attempted(OperationStatus { attempt, attempted_at, ..refused(OperationType::Create, reason) });
        // This process started a moment ago.
        o.local.intent_seen = Some(s(1000));
        o.lists = Some(listed_at(1000, 1000));
        o
    };
    for (reason, word, waits) in [
        (Reason::QuotaExceeded, "QuotaExceeded", [50, 110, 290]),
        (Reason::InsufficientBalance, "InsufficientBalance", [50, 110, 290]),
        (Reason::Forbidden, "Forbidden", [590, 1190, 3590]),
    ] {
        for (attempt, wait) in [1, 2, 9].into_iter().zip(waits) {
            expect_stalled(&again(reason, attempt, 10), word, "idle", wait);
        }
        expect(&again(reason, 1, 600), "create", CREATING, "active", 120);
    }
    expect(&again(Reason::Throttled, 1, 2), "nothing", CREATING, "idle", 3);
    expect(&again(Reason::Throttled, 4, 2), "nothing", CREATING, "idle", 38);
    expect(&again(Reason::Throttled, 1, 5), "create", CREATING, "active", 120);
}

/// The attempt lies in the future: the time in this process counts, also for what waits long.
#[test]
fn a_clock_that_was_set_back_does_not_stop_retries() {
    let attempted_at = Some(time::to_kube(wall(WALL + 100_000)));
    let mut o =
        attempted(OperationStatus { attempted_at, ..refused(OperationType::Create, Reason::Forbidden) });
    o.local.intent_seen = Some(s(990));
    o.lists = Some(listed_at(991, 995));
    expect_stalled(&o, "Forbidden", "idle", 590);
    o.now.monotonic = s(1590);
    o.lists = Some(listed_at(1580, 1585));
    expect(&o, "create", CREATING, "active", 120);
}

/// The annotation dcs.huaweicloud.com/retry: one retry for each value.
#[test]
fn a_new_token_retries_once_whatever_was_refused() {
    for reason in [Reason::QuotaExceeded, Reason::Forbidden, Reason::InvalidSpec] {
        let mut o = attempted(refused(OperationType::Create, reason));
        o.lists.as_mut().unwrap().limit =
            Some(lists::AccountLimit { blocker: blocker(Reason::QuotaExceeded), until: s(1200) });
        o.subject.retry_token = Some("once".to_owned());
        let intent = expect(&o, "create", CREATING, "active", 120).intent.unwrap();
        assert_eq!(intent.last_retry_token.as_deref(), Some("once"));
        o.status = *intent;
        o.status.operation = Some(refused(OperationType::Create, reason));
        assert_eq!(step_of(&plan(&o)), "nothing", "served");
        o.subject.retry_token = Some("twice".to_owned());
        assert_eq!(step_of(&plan(&o)), "create");
    }
}

/// One object of the account finds out whether the quota is still used up.
#[test]
fn a_creation_waits_for_the_limit_of_the_account() {
    let mut o = ready();
    assert_eq!(step_of(&plan(&o)), "create");
    let limit = lists::AccountLimit { blocker: blocker(Reason::QuotaExceeded), until: s(1060) };
    o.lists.as_mut().unwrap().limit = Some(limit);
    expect_stalled(&o, "QuotaExceeded", "idle", 60);
    o.now.monotonic = s(1060);
    assert_eq!(step_of(&plan(&o)), "create");
}

#[test]
fn a_refused_creation_is_retried_at_once_when_its_cause_changes() {
    let o = || attempted(refused(OperationType::Create, Reason::QuotaExceeded));
    let mut edited = o();
    edited.subject.generation = 2;
    let plan = expect(&edited, "create", CREATING, "active", 120);
    let operation = plan.intent.unwrap().operation.unwrap();
    assert_eq!((operation.attempt, operation.generation), (1, Some(2)));
    let mut other = o();
    other.account.as_mut().unwrap().credentials_hash = "credentials-2".to_owned();
    expect(&other, "create", CREATING, "active", 120);
}

#[test]
fn a_taken_name_is_reported_once_absence_is_proven() {
    let operation = OperationStatus {
        reason: Some("NameTaken".to_owned()),
        message: Some("DCS.4060".to_owned()),
        ..attempt(OperationType::Create, None)
    };
    let mut o = attempted(operation);
    expect(&o, "nothing", CREATING, "active, every list, failed creations", 20);
    o.now.monotonic = s(1100);
    o.lists = Some(listed_at(1020, 1030));
    expect_stalled(&o, "NameTaken", "idle", 440);
}

/// An object whose failed creation is listed and was read.
fn failed(operation: Option<OperationStatus>) -> Observed {
    let mut o = ready();
    o.status.operation = operation;
    let record = with_status("CREATEFAILED", ours(ID));
    o.lists.as_mut().unwrap().failed = vec![Arc::new(record.clone())];
    o.lookups.detail = found(record);
    o
}

#[test]
fn a_failed_record_is_deleted_and_counted() {
    let unread = Observed { lookups: LookupResults::default(), ..failed(None) };
    expect(&unread, &format!("read detail {ID}"), CREATING, "active, every list, failed creations", 120);
    let accepted = attempt(OperationType::Create, Some(OperationOutcome::Accepted));
    let o = failed(Some(OperationStatus { instance_id: Some(ID.to_owned()), ..accepted }));
    let plan =
        expect(&o, &format!("delete record {ID}"), CREATING, "active, every list, failed creations", 120);
    let Step::CloudAction(CloudAction::Delete { consent, .. }) = &plan.step else {
        panic!("{:?}", plan.step)
    };
    assert_eq!(consent.ground(), "it was never created");
    let intent = plan.intent.unwrap();
    let operation = intent.operation.unwrap();
    assert_eq!((operation.type_, operation.failures), (OperationType::DeleteFailed, Some(1)));
    assert_eq!(intent.id, None);
    // The record is gone, did not fail, or lost its tags.
    for (detail, stalls) in [
        (read(Detail::NotFound), false),
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
fn repeated_failures_block_the_creation() {
    let removed = |failures| {
        let operation = attempt(OperationType::DeleteFailed, Some(OperationOutcome::Accepted));
        attempted(OperationStatus { failures: Some(failures), instance_id: Some(ID.to_owned()), ..operation })
    };
    expect_stalled(&removed(3), "CreateFailed", "idle", resync_interval());
    // Fewer failures are retried with a growing delay.
    let mut o = removed(2);
    assert_eq!(step_of(&plan(&o)), "nothing");
    o.now.wall = wall(WALL + 4000);
    let operation = plan(&o).intent.unwrap().operation.unwrap();
    assert_eq!((operation.type_, operation.failures), (OperationType::Create, Some(2)));
    let mut edited = removed(3);
    edited.subject.generation = 2;
    let operation = plan(&edited).intent.unwrap().operation.unwrap();
    assert_eq!((operation.type_, operation.failures), (OperationType::Create, None));
}

#[test]
fn an_unavailable_flavor_blocks_the_creation() {
    let mut o = ready();
    o.lookups.flavors = Some(Ok(flavors(&[])));
    expect_stalled(&o, "SoldOut", "idle", 600);
    o.lookups.flavors = Some(Ok(Vec::new().into()));
    expect_stalled(&o, "InvalidSpec", "idle", resync_interval());
    expect_stalled(&observed(json!({"capacity": "3"})), "InvalidSpec", "idle", resync_interval());
    expect_stalled(&observed(json!({"capacity": null})), "InvalidSpec", "idle", resync_interval());
}

#[test]
fn failed_lookups_are_retried() {
    let mut o = observed(json!({}));
    o.lookups.flavors = Some(Err(blocker(Reason::CloudUnreachable)));
    o.local.failures = 3;
    assert_eq!((step_of(&plan(&o)).as_str(), plan(&o).wait), ("nothing", s(20)));
    with_lookups(&mut o);
    o.lookups.password = Some(Err(blocker(Reason::SecretNotFound)));
    expect_stalled(&o, "SecretNotFound", "idle", 2400);
}

#[test]
fn nothing_is_created_without_an_account() {
    let mut o = ready();
    o.account = Err(blocker(Reason::CredentialsMissing));
    expect_stalled(&o, "CredentialsMissing", "idle", 600);
}
