use super::*;

#[test]
fn an_object_in_sync_takes_no_step() {
    let mut o = in_sync(json!({}), ours(ID));
    let plan = expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
    assert_eq!(plan.status, o.status);
    o.status.operation = Some(attempt(OperationType::Update, Some(OperationOutcome::Accepted)));
    assert_eq!(super::plan(&o).status.operation, None);
}

#[test]
fn the_detail_overrides_the_list() {
    let mut o = in_sync(json!({"name": "sessions"}), ours(ID));
    list(&mut o, &[InstanceFacts { name: Some("former".to_owned()), ..ours(ID) }]);
    expect(&o, &format!("read detail {ID}"), CHANGING, "active, every list", resync_interval());
    o.lookups.detail = found(ours(ID));
    // The next list may differ from the detail, and wakes nothing if it equals this one.
    expect(&o, "nothing", IN_SYNC, "active, every list", resync_interval());
    o.lookups.detail = read(Detail::Failed(blocker(Reason::CloudUnreachable)));
    o.local.failures = 2;
    let unreachable = ["True/Available", "Unknown/CloudUnreachable", FINE, FINE];
    expect(&o, "nothing", unreachable, "idle", 10);
}

#[test]
fn the_conditions_follow_the_clouds_status() {
    let rows = [
        ("RESTARTING", ["False/Restarting", "True/InSync", FINE, FINE], "active", 120),
        ("FROZEN", ["False/Frozen", "True/InSync", FINE, FINE], "idle", 120),
        ("ODD", ["False/NotServing", "True/InSync", FINE, FINE], "idle", 120),
        (
            "EXTENDING",
            ["True/Available", "False/Applying", "True/Resizing", FINE],
            "active",
            resync_interval(),
        ),
    ];
    for (word, conditions, demand, wait) in rows {
        let mut o = in_sync(json!({}), ours(ID));
        list(&mut o, &[with_status(word, ours(ID))]);
        let plan = expect(&o, "nothing", conditions, demand, wait);
        assert_eq!(plan.status.cloud_status.as_deref(), Some(word));
        // What lasts longer than any such change is noticed at the idle interval.
        o.status = plan.status;
        o.now.wall = wall(WALL + 3601);
        assert_eq!(demand_of(super::plan(&o).demand), "idle", "{word}");
    }
}

#[test]
fn an_unsupported_change_is_rejected_before_any_request() {
    for more in [
        json!({"engineVersion": "5.0", "name": "renamed"}),
        json!({"capacity": "8Gi", "tags": {"team": "shop"}}),
        json!({"port": 6380}),
        json!({"network": {"vpcId": SUBNET, "subnetId": SUBNET}}),
    ] {
        let mut o = edited(in_sync(json!({}), ours(ID)), more.clone());
        assert_eq!(step_of(&plan(&o)), format!("read detail {ID}"), "{more}");
        o.lookups.detail = found(ours(ID));
        let plan = expect_stalled_serving(&o, "UnsupportedChange", resync_interval());
        assert!(!plan.status.pending_changes.is_empty());
    }
}

#[test]
fn settings_change_first_then_new_tags_then_removed_tags() {
    let more = json!({"name": "renamed", "tags": {"team": "shop"}});
    let mut tags = owner_tags(Origin::Created);
    tags.extend([("cost".to_owned(), "7".to_owned()), ("foreign".to_owned(), "x".to_owned())]);
    let facts = instance(ID, tags.clone());
    let mut o = edited_and_read(more, facts.clone());
    let applied = ["cost", "dcs-operator-uid"].map(str::to_owned).to_vec();
    o.status.applied.get_or_insert_default().tag_keys = applied;
    let plan = expect(&o, &format!("update {ID}"), CHANGING, "active, every list", 30);
    let operation = plan.intent.unwrap().operation.unwrap();
    assert_eq!(plan.status.pending_changes.len(), 3);
    assert_eq!(operation.changes, plan.status.pending_changes[..1], "what this request asks for");
    let facts = InstanceFacts { name: Some("renamed".to_owned()), ..facts };
    o.lookups.detail = found(facts.clone());
    expect(&o, &format!("set tags {ID} team"), CHANGING, "active, every list", 30);
    tags.push(("team".to_owned(), "shop".to_owned()));
    let tagged = instance(ID, tags);
    o.lookups.detail = found(InstanceFacts { tags: tagged.tags, ..facts });
    expect(&o, &format!("remove tags {ID} cost"), CHANGING, "active, every list", 30);
}

#[test]
fn a_busy_instance_is_not_changed() {
    let mut o = edited_and_read(json!({"name": "renamed"}), ours(ID));
    let task = Some("backup".to_owned());
    o.lookups.detail = read(Detail::Found(Box::new(InstanceSnapshot { task, ..snapshot(ours(ID)) })));
    expect(&o, "nothing", CHANGING, "active, every list", 30);
}

#[test]
fn a_maintenance_window_must_be_offered() {
    let mut o = edited_and_read(json!({"maintenanceWindow": {"begin": "18:00", "end": "19:00"}}), ours(ID));
    assert_eq!(step_of(&plan(&o)), "read windows");
    let window = |begin: &str, end: &str| json!({"begin": begin, "end": end});
    let offered = |begin, end| Some(Ok(vec![serde_json::from_value(window(begin, end)).unwrap()].into()));
    o.lookups.windows = offered("18", "19");
    expect(&o, &format!("update {ID}"), CHANGING, "active, every list", 30);
    o.lookups.windows = offered("18", "22");
    expect_stalled_serving(&o, "InvalidSpec", resync_interval());
}

#[test]
fn an_unresolved_attempt_delays_the_next() {
    let attempted = |operation| {
        let mut o = edited_and_read(json!({"name": "renamed"}), ours(ID));
        o.status.operation = Some(OperationStatus { generation: Some(2), ..operation });
        o.local.intent_seen = Some(s(990));
        o
    };
    let mut unresolved = attempted(attempt(OperationType::Update, None));
    expect(&unresolved, "nothing", CHANGING, "active, every list", 70);
    unresolved.now.monotonic = s(1070);
    expect(&unresolved, &format!("update {ID}"), CHANGING, "active, every list", 30);
    expect_stalled_serving(&attempted(refused(OperationType::Update, Reason::Forbidden)), "Forbidden", 590);
    let throttled = refused(OperationType::Update, Reason::Throttled);
    let throttled = OperationStatus { attempt: 3, ..throttled };
    expect(&attempted(throttled), "nothing", CHANGING, "idle", 10);
    // An attempt of another type does not delay this one.
    let other = refused(OperationType::UpdateTags, Reason::Forbidden);
    expect(&attempted(other), &format!("update {ID}"), CHANGING, "active, every list", 30);
}

#[test]
fn missing_ownership_tags_block_until_the_spec_names_the_instance() {
    let bare = instance(ID, Vec::new());
    let mut o = in_sync(json!({}), ours(ID));
    list(&mut o, std::slice::from_ref(&bare));
    assert_eq!(step_of(&plan(&o)), format!("read detail {ID}"));
    o.lookups.detail = found(bare.clone());
    expect_stalled_serving(&o, "MarkMissing", resync_interval());
    let mut o = edited(o, json!({"name": "renamed", "adopt": {"instanceId": ID}}));
    o.lookups.detail = found(bare);
    let adopting = ["True/Available", "False/Applying", "True/Adopting", FINE];
    // The recorded origin permits nothing.
    expect(&o, &format!("adopt {ID} as adopted"), adopting, "active, every list", 120);
    let mut partial = o.clone();
    partial.lookups.detail = found(instance(ID, owner_tags(Origin::Created).split_off(1)));
    assert_eq!(step_of(&plan(&partial)), format!("adopt {ID} as created"));
    // The namespace may not name the instance.
    let mut foreign = o.clone();
    foreign.account.as_mut().unwrap().source = CredentialsSource::Operator { trusted: false };
    expect_stalled_serving(&foreign, "MarkMissing", resync_interval());
    o.lookups.detail = found(instance(ID, owner_tags_of("another-uid", &owner(), Origin::Created)));
    expect_stalled(&o, "AlreadyOwned", "idle", 600);
}

/// Whoever owns a namespace may write the status of its objects.
#[test]
fn a_forged_status_reports_and_changes_nothing() {
    let bare = || instance(ID, Vec::new());
    for more in [json!({}), json!({"paused": true}), json!({"name": "renamed"})] {
        for source in [None, Some(CredentialsSource::Operator { trusted: false })] {
            let mut o = observed(more.clone());
            o.policies = Policies::of(&spec(more.clone()));
            o.account.as_mut().unwrap().source = source.unwrap_or(o.account.clone().unwrap().source);
            o.status.id = Some(ID.to_owned());
            list(&mut o, &[bare()]);
            for detail in [None, found(bare()), read(Detail::Failed(blocker(Reason::Forbidden)))] {
                o.lookups.detail = detail;
                let plan = plan(&o);
                assert!(!values(&plan.status)[0].starts_with("True"));
                assert!(matches!(plan.step, Step::Nothing | Step::Lookup(_)), "{:?}", plan.step);
                assert_eq!(
                    (plan.status.endpoints, plan.status.binding, plan.status.resolved),
                    (None, None, None)
                );
            }
        }
    }
    // The object's own instance is found by its tags.
    let mut o = observed(json!({}));
    o.status.id = Some(ID.to_owned());
    list(&mut o, &[bare(), ours(OTHER)]);
    o.lookups.detail = found(bare());
    assert_eq!(plan(&o).status.id.as_deref(), Some(OTHER));
}

/// No list shows the recorded instance.
fn lost(more: Value) -> Observed {
    let mut o = in_sync(more, ours(ID));
    list(&mut o, &[]);
    with_lookups(&mut o);
    o
}

#[test]
fn a_lost_instance_is_confirmed_then_reported() {
    let mut o = lost(json!({}));
    assert_eq!(step_of(&plan(&o)), format!("read detail {ID}"));
    for cached in [false, true] {
        o.lookups.detail = if cached { None } else { read(Detail::NotFound) };
        o.local.gone = Some((ID.to_owned(), s(999)));
        let plan = expect_stalled(&o, "ExternallyDeleted", "idle", resync_interval());
        assert_eq!(plan.status.id.as_deref(), Some(ID));
    }
    o.local.gone = Some((OTHER.to_owned(), s(999)));
    assert_eq!(step_of(&plan(&o)), format!("read detail {ID}"));
}

#[test]
fn a_lost_instance_is_recreated_by_policy_up_to_the_limit() {
    let mut o = lost(json!({"onExternalDeletion": "Recreate"}));
    o.local.gone = Some((ID.to_owned(), s(960)));
    // The lists are older than the confirmation.
    expect(&o, "nothing", CREATING, "active, every list, failed creations", 120);
    o.lists = Some(listed_at(960, 970));
    let plan = expect(&o, "create", CREATING, "active", 120);
    let intent = plan.intent.unwrap();
    assert_eq!((intent.id, intent.recreations), (None, Some(1)));
    o.status.recreations = Some(3);
    expect_stalled(&o, "ExternallyDeleted", "idle", resync_interval());
    o.subject.generation = 2;
    let intent = super::plan(&o).intent.unwrap();
    assert_eq!(intent.recreations, Some(1));
}

/// This holds for every obstacle to the recreation.
#[test]
fn a_lost_instance_is_not_ready() {
    let mut o = lost(json!({"onExternalDeletion": "Recreate"}));
    o.local.gone = Some((ID.to_owned(), s(960)));
    o.lists = Some(listed_at(960, 970));
    const GONE: &str = "False/ExternallyDeleted";
    o.lookups.flavors = Some(Err(blocker(Reason::CloudError)));
    expect(&o, "nothing", [GONE, "Unknown/CloudError", FINE, FINE], "idle", 5);
    o.lookups.flavors = Some(Ok(flavors(&[])));
    expect(&o, "nothing", [GONE, "False/SoldOut", FINE, "True/SoldOut"], "idle", 600);
    o.policies.paused = true;
    expect(&o, "nothing", [GONE, "Unknown/Paused", FINE, FINE], "idle", resync_interval());
}

#[test]
fn tags_override_the_id_in_status() {
    for policy in ["Report", "Recreate"] {
        let mut o = lost(json!({"onExternalDeletion": policy}));
        list(&mut o, &[ours(OTHER)]);
        o.local.gone = Some((ID.to_owned(), s(960)));
        expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
        assert_eq!(plan(&o).status.id.as_deref(), Some(OTHER));
        // Several instances have the tags, or one has those of an earlier object.
        list(&mut o, &[ours(OTHER), ours("third")]);
        expect_stalled(&o, "AmbiguousOwnership", "every list", resync_interval());
        if policy == "Recreate" {
            let orphan = instance(OTHER, owner_tags_of("an-earlier-uid", &owner(), Origin::Created));
            list(&mut o, std::slice::from_ref(&orphan));
            o.lists.as_mut().unwrap().failed_latest = Some(s(970));
            o.lists.as_mut().unwrap().latest = Some(ListTimes { begun: s(970), finished: s(971) });
            o.lookups.candidate = found(orphan);
            assert!(values(&plan(&o).status)[3].starts_with("True/AmbiguousOwnership"));
        }
    }
}

#[test]
fn a_second_instance_with_the_ownership_tags_blocks() {
    let mut o = edited_and_read(json!({"name": "renamed"}), ours(ID));
    list(&mut o, &[ours(ID), ours(OTHER)]);
    let [_, synced, reconciling, stalled] = stalled("AmbiguousOwnership");
    expect(
        &o,
        "nothing",
        ["True/Available", &synced, &reconciling, &stalled],
        "every list",
        resync_interval(),
    );
}

#[test]
fn missing_lists_are_reported_after_a_delay() {
    let mut o = in_sync(json!({}), ours(ID));
    o.lists.as_mut().unwrap().trouble = Some(blocker(Reason::CloudUnreachable));
    // The last list ended at 951 s: one missing list is not reported.
    expect(&o, "nothing", IN_SYNC, "idle", 42);
    o.now.monotonic = s(1041);
    let unreachable = ["True/Available", "Unknown/CloudUnreachable", FINE, FINE];
    expect(&o, "nothing", unreachable, "every list", 511);
    o.now.monotonic = s(1551);
    expect(&o, "nothing", unreachable, "every list", 1);
    o.now.monotonic = s(1552);
    let too_old = ["Unknown/ObservationTooOld", "Unknown/ObservationTooOld", FINE, FINE];
    expect(&o, "nothing", too_old, "every list", 600);
    // A paused object is not ready either.
    o.policies.paused = true;
    expect(
        &o,
        "nothing",
        ["Unknown/ObservationTooOld", "Unknown/Paused", FINE, FINE],
        "idle",
        resync_interval(),
    );
    // After a restart the age counts from the start of the process.
    o.policies.paused = false;
    (o.local.last_seen, o.local.first_seen) = (None, s(1500));
    o.lists = Some(AccountLists {
        joined: s(1500),
        trouble: Some(blocker(Reason::CloudUnreachable)),
        ..AccountLists::default()
    });
    expect(&o, "nothing", unreachable, "every list", 549);
}

#[test]
fn a_paused_object_is_still_observed() {
    let paused = |word: &str| {
        let mut o = edited(in_sync(json!({}), ours(ID)), json!({"name": "renamed", "paused": true}));
        list(&mut o, &[with_status(word, ours(ID))]);
        o
    };
    expect(
        &paused("RUNNING"),
        "nothing",
        ["True/Available", "Unknown/Paused", FINE, FINE],
        "idle",
        resync_interval(),
    );
    let plan = expect(
        &paused("ERROR"),
        "nothing",
        ["False/InstanceError", "Unknown/Paused", FINE, FINE],
        "idle",
        resync_interval(),
    );
    assert_eq!(plan.status.observed_generation, Some(2));
}

#[test]
fn other_credentials_must_resolve_to_the_same_account() {
    let mut o = edited_and_read(json!({"name": "renamed"}), ours(ID));
    o.account.as_mut().unwrap().account = account("p2");
    expect_stalled_serving(&o, "AccountChanged", resync_interval());
    // Another key of the same account is valid.
    o.account.as_mut().unwrap().account = account("p1");
    o.account.as_mut().unwrap().credentials_hash = "credentials-2".to_owned();
    expect(&o, &format!("update {ID}"), CHANGING, "active, every list", 30);
}

#[test]
fn an_instance_stays_ready_with_an_invalid_spec() {
    let o = edited(in_sync(json!({}), ours(ID)), json!({"capacity": "3"}));
    expect_stalled_serving(&o, "InvalidSpec", resync_interval());
}

#[test]
fn a_new_instance_that_is_not_visible_yet_is_not_lost() {
    let mut o = lost(json!({"onExternalDeletion": "Recreate"}));
    let created = attempt(OperationType::Create, Some(OperationOutcome::Accepted));
    o.status.operation = Some(OperationStatus { instance_id: Some(ID.to_owned()), ..created });
    o.local.intent_seen = Some(s(990));
    for detail in [None, read(Detail::NotFound)] {
        o.lookups.detail = detail;
        expect(&o, "nothing", CREATING, "active, every list, failed creations", 120);
    }
}

/// The credentials were moved to another account, where no list shows the instance.
#[test]
fn an_instance_that_is_out_of_sight_is_not_ready_for_long() {
    let mut o = in_sync(json!({}), ours(ID));
    o.account.as_mut().unwrap().account = account("p2");
    list(&mut o, &[]);
    let [_, synced, reconciling, stalled] = stalled("AccountChanged");
    let row = |ready: &'static str| [ready.to_owned(), synced.clone(), reconciling.clone(), stalled.clone()];
    let serving = row("True/Available");
    // Last seen at 951 s.
    expect(&o, "nothing", serving.each_ref().map(String::as_str), "idle", 552);
    o.now.monotonic = s(1552);
    o.lists = Some(listed_at(1540, 1545));
    let unknown = row("Unknown/ObservationTooOld");
    expect(&o, "nothing", unknown.each_ref().map(String::as_str), "idle", resync_interval());
}

/// No list shows the instance, and its detail is refused.
#[test]
fn a_refused_read_stalls_and_the_instance_is_not_ready_for_long() {
    let mut o = lost(json!({}));
    o.lookups.detail = read(Detail::Failed(blocker(Reason::Forbidden)));
    expect_stalled_serving(&o, "Forbidden", 552);
    o.now.monotonic = s(1552);
    o.lists = Some(listed_at(1540, 1545));
    let plan = plan(&o);
    assert_eq!(values(&plan.status)[0], "Unknown/ObservationTooOld");
}

#[test]
fn an_incomplete_list_that_shows_the_instance_is_enough() {
    let mut o = in_sync(json!({}), ours(ID));
    o.now.monotonic = s(5000);
    o.lists.as_mut().unwrap().trouble = Some(blocker(Reason::ListIncomplete));
    o.lists.as_mut().unwrap().known_at = Some(s(4990));
    o.local.last_seen = Some((ID.to_owned(), s(4990)));
    assert_eq!(values(&plan(&o).status), IN_SYNC.map(str::to_owned));
}

/// A project that is looked up in IAM, which does not answer.
#[test]
fn an_account_that_cannot_be_looked_up_for_now_does_not_stall() {
    let mut o = in_sync(json!({}), ours(ID));
    (o.lists, o.account) = (None, Err(blocker(Reason::CloudUnreachable)));
    let unreachable = ["True/Available", "Unknown/CloudUnreachable", FINE, FINE];
    for (failures, wait) in [(1, 5), (2, 10), (3, 20), (9, 120)] {
        o.local.failures = failures;
        expect(&o, "nothing", unreachable, "idle", wait);
    }
    o.account = Err(blocker(Reason::CredentialsInvalid));
    o.local.failures = 1;
    expect_stalled_serving(&o, "CredentialsInvalid", 552);
}

#[test]
fn the_binding_of_an_instance_that_is_gone_is_not_published() {
    let mut o = lost(json!({}));
    o.local.gone = Some((ID.to_owned(), s(999)));
    let plan = plan(&o);
    let binding =
        plan.status.conditions.iter().find(|condition| condition.type_ == "BindingPublished").unwrap();
    assert_eq!((binding.status.as_str(), binding.reason.as_str()), ("False", "ExternallyDeleted"));
}

#[test]
fn credentials_that_are_being_deleted_are_told_to_their_users() {
    let mut o = in_sync(json!({}), ours(ID));
    assert!(plan(&o).warnings.is_empty());
    o.account.as_mut().unwrap().source =
        CredentialsSource::Namespace { secret: "mine".to_owned(), in_use: true, deleting: true };
    let plan = expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
    assert!(plan.warnings[0].message.contains("Secret mine"), "{:?}", plan.warnings);
    assert!(plan.status.conditions[1].message.contains("is being deleted"));
}

/// A Secret that leads elsewhere is not held.
#[test]
fn a_secret_that_leads_elsewhere_gets_no_finalizer() {
    let mut o = in_sync(json!({}), ours(ID));
    o.account.as_mut().unwrap().account = account("p2");
    o.account.as_mut().unwrap().source =
        CredentialsSource::Namespace { secret: "dcs-credentials".to_owned(), in_use: false, deleting: false };
    expect_stalled_serving(&o, "AccountChanged", resync_interval());
}

/// A list that contradicts a read for longer than lists lag is polled at the idle interval.
#[test]
fn a_list_that_lags_is_polled_fast_for_a_while() {
    let mut o = in_sync(json!({}), ours(ID));
    o.lookups.detail = found(InstanceFacts { spec_code: Some("another".to_owned()), ..ours(ID) });
    let longest = o.settings.list_consistency_window * 2;
    for (since, demand) in
        [(o.now.monotonic - longest, "active, every list"), (o.now.monotonic - longest - s(1), "every list")]
    {
        o.local.differs_since = Some(since);
        assert_eq!(demand_of(plan(&o).demand), demand, "since {since:?}");
    }
}

/// The list need not be read fast while the read that is missing fails.
#[test]
fn a_read_that_fails_is_repeated_after_its_own_delay() {
    let mut o = edited_and_read(json!({"description": "carts"}), ours(ID));
    o.lookups.detail = read(Detail::Failed(blocker(Reason::CloudUnreachable)));
    let waits = [0, 3, 8].map(|failures| {
        o.local.failures = failures;
        let plan = plan(&o);
        assert_eq!((step_of(&plan).as_str(), demand_of(plan.demand)), ("nothing", "idle"));
        plan.wait
    });
    assert!(waits.is_sorted_by(|earlier, later| earlier < later), "{waits:?}");
}

/// What a user waits for goes ahead of what the operator does by itself.
#[test]
fn an_object_that_a_user_waits_for_is_urgent() {
    let at_rest = in_sync(json!({}), ours(ID));
    assert!(!at_rest.is_urgent());
    assert!(edited(at_rest.clone(), json!({"description": "carts"})).is_urgent());
    let mut deleted = at_rest;
    deleted.subject.deleting = true;
    assert!(deleted.is_urgent());
    assert!(observed(json!({})).is_urgent(), "it has no instance");
}
