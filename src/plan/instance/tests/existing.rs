use super::*;

/// In sync, then edited; the instance's detail was read.
fn edited_and_read(more: Value, facts: InstanceFacts) -> Observed {
    let mut o = edited(in_sync(json!({}), facts.clone()), more);
    o.lookups.detail = found(facts);
    o
}

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
    o.lookups.detail = Some(Detail::Failed(blocker(Reason::CloudUnreachable)));
    o.local.failures = 2;
    let unreachable = ["True/Available", "Unknown/CloudUnreachable", FINE, FINE];
    expect(&o, "nothing", unreachable, "idle", 10);
}

#[test]
fn the_conditions_follow_the_clouds_status() {
    let rows = [
        ("RESTARTING", ["False/Restarting", "True/InSync", FINE, FINE], 120),
        ("FROZEN", ["False/Frozen", "True/InSync", FINE, FINE], 120),
        ("ODD", ["False/NotServing", "True/InSync", FINE, FINE], 120),
        ("EXTENDING", ["True/Available", "False/Applying", "True/Resizing", FINE], resync_interval()),
    ];
    for (word, conditions, wait) in rows {
        let mut o = in_sync(json!({}), ours(ID));
        list(&mut o, &[with_status(word, ours(ID))]);
        let plan = expect(&o, "nothing", conditions, "active", wait);
        assert_eq!(plan.status.cloud_status.as_deref(), Some(word));
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
    assert_eq!(operation.changes, plan.status.pending_changes);
    assert_eq!(operation.changes.len(), 3);
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
    o.lookups.detail = Some(Detail::Found(Box::new(InstanceSnapshot { task, ..snapshot(ours(ID)) })));
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
    expect(&attempted(throttled), "nothing", CHANGING, "active, every list", 10);
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
            for detail in [None, found(bare()), Some(Detail::Failed(blocker(Reason::Forbidden)))] {
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
        o.lookups.detail = (!cached).then_some(Detail::NotFound);
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
            o.lookups.candidate = Some((OTHER.to_owned(), found(orphan).unwrap()));
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
    for detail in [None, Some(Detail::NotFound)] {
        o.lookups.detail = detail;
        expect(&o, "nothing", CREATING, "active, every list, failed creations", 120);
    }
}
