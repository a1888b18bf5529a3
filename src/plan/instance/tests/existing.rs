use super::*;

/// In sync, then edited, and looked at closely.
fn looked(more: Value, facts: InstanceFacts) -> Observed {
    let mut o = edited(clear_operation(json!({}), facts.clone()), more);
    o.lookups.detail = found(facts);
    o
}

#[test]
fn in_sync_nothing_is_being_done() {
    let mut o = clear_operation(json!({}), ours(ID));
    let plan = expect(&o, "nothing", IN_SYNC, "steady", round());
    assert_eq!(plan.status, o.status);
    o.status.operation = Some(attempt(OperationType::Update, Some(OperationOutcome::Accepted)));
    assert_eq!(super::plan(&o).status.operation, None);
}

#[test]
fn the_detail_decides_where_the_list_says_something_else() {
    let mut o = clear_operation(json!({"name": "sessions"}), ours(ID));
    list(&mut o, &[InstanceFacts { name: Some("former".to_owned()), ..ours(ID) }]);
    expect(&o, &format!("look at {ID}"), CHANGING, "next list", round());
    o.lookups.detail = found(ours(ID));
    // The next list may undo it, and would wake nobody if it were like this one.
    expect(&o, "nothing", IN_SYNC, "next list", round());
    o.lookups.detail = Some(Detail::Failed(blocker(Reason::CloudUnreachable)));
    o.local.failures = 2;
    let unreachable = ["True/Available", "Unknown/CloudUnreachable", FINE, FINE];
    expect(&o, "nothing", unreachable, "steady", 10);
}

#[test]
fn the_clouds_word_is_said() {
    let rows = [
        ("RESTARTING", ["False/Restarting", "True/InSync", FINE, FINE], 120),
        ("FROZEN", ["False/Frozen", "True/InSync", FINE, FINE], 120),
        ("ODD", ["False/NotServing", "True/InSync", FINE, FINE], 120),
        ("EXTENDING", ["True/Available", "False/Applying", "True/Resizing", FINE], round()),
    ];
    for (word, conditions, wait) in rows {
        let mut o = clear_operation(json!({}), ours(ID));
        list(&mut o, &[with_status(word, ours(ID))]);
        let plan = expect(&o, "nothing", conditions, "changes", wait);
        assert_eq!(plan.status.cloud_status.as_deref(), Some(word));
    }
}

#[test]
fn what_cannot_be_changed_is_refused_before_anything_is_sent() {
    for more in [
        json!({"engineVersion": "5.0", "name": "renamed"}),
        json!({"capacity": "8Gi", "tags": {"team": "shop"}}),
        json!({"port": 6380}),
        json!({"network": {"vpcId": SUBNET, "subnetId": SUBNET}}),
    ] {
        let mut o = edited(clear_operation(json!({}), ours(ID)), more.clone());
        assert_eq!(step_of(&plan(&o)), format!("look at {ID}"), "{more}");
        o.lookups.detail = found(ours(ID));
        let plan = expect_stalled_serving(&o, "UnsupportedChange", round());
        assert!(!plan.status.pending_changes.is_empty());
    }
}

#[test]
fn settings_then_tags_then_tags_that_are_not_wanted_any_more() {
    let more = json!({"name": "renamed", "tags": {"team": "shop"}});
    let mut tags = mark(Origin::Created);
    tags.extend([("cost".to_owned(), "7".to_owned()), ("foreign".to_owned(), "x".to_owned())]);
    let facts = instance(ID, tags.clone());
    let mut o = looked(more, facts.clone());
    let applied = ["cost", "dcs-operator-uid"].map(str::to_owned).to_vec();
    o.status.applied.get_or_insert_default().tag_keys = applied;
    let plan = expect(&o, &format!("update {ID}"), CHANGING, "next list", 30);
    let operation = plan.intent.unwrap().operation.unwrap();
    assert_eq!(operation.changes, plan.status.pending_changes);
    assert_eq!(operation.changes.len(), 3);
    let facts = InstanceFacts { name: Some("renamed".to_owned()), ..facts };
    o.lookups.detail = found(facts.clone());
    expect(&o, &format!("tag {ID} team"), CHANGING, "next list", 30);
    tags.push(("team".to_owned(), "shop".to_owned()));
    let tagged = instance(ID, tags);
    o.lookups.detail = found(InstanceFacts { tags: tagged.tags, ..facts });
    expect(&o, &format!("untag {ID} cost"), CHANGING, "next list", 30);
}

#[test]
fn a_busy_instance_is_left_alone() {
    let mut o = looked(json!({"name": "renamed"}), ours(ID));
    let task = Some("backup".to_owned());
    o.lookups.detail = Some(Detail::Found(Box::new(InstanceSnapshot { task, ..snapshot(ours(ID)) })));
    expect(&o, "nothing", CHANGING, "next list", 30);
}

#[test]
fn a_window_has_to_be_on_offer() {
    let mut o = looked(json!({"maintenanceWindow": {"begin": "18:00", "end": "19:00"}}), ours(ID));
    assert_eq!(step_of(&plan(&o)), "look windows");
    let window = |begin: &str, end: &str| json!({"begin": begin, "end": end});
    let offered = |begin, end| Some(Ok(vec![serde_json::from_value(window(begin, end)).unwrap()].into()));
    o.lookups.windows = offered("18", "19");
    expect(&o, &format!("update {ID}"), CHANGING, "next list", 30);
    o.lookups.windows = offered("18", "22");
    expect_stalled_serving(&o, "InvalidSpec", round());
}

#[test]
fn an_attempt_is_waited_for() {
    let tried = |operation| {
        let mut o = looked(json!({"name": "renamed"}), ours(ID));
        o.status.operation = Some(OperationStatus { generation: Some(2), ..operation });
        o.local.intent_seen = Some(s(990));
        o
    };
    let mut open = tried(attempt(OperationType::Update, None));
    expect(&open, "nothing", CHANGING, "next list", 70);
    open.now.monotonic = s(1070);
    expect(&open, &format!("update {ID}"), CHANGING, "next list", 30);
    expect_stalled_serving(&tried(refused(OperationType::Update, Reason::Forbidden)), "Forbidden", 590);
    let throttled = refused(OperationType::Update, Reason::Throttled);
    let throttled = OperationStatus { attempt: 3, ..throttled };
    expect(&tried(throttled), "nothing", CHANGING, "next list", 10);
    // Of another kind, so it says nothing about this one.
    let other = refused(OperationType::UpdateTags, Reason::Forbidden);
    expect(&tried(other), &format!("update {ID}"), CHANGING, "next list", 30);
}

#[test]
fn a_missing_mark_stops_everything_until_the_spec_names_the_instance() {
    let bare = instance(ID, Vec::new());
    let mut o = clear_operation(json!({}), ours(ID));
    list(&mut o, std::slice::from_ref(&bare));
    assert_eq!(step_of(&plan(&o)), format!("look at {ID}"));
    o.lookups.detail = found(bare.clone());
    expect_stalled_serving(&o, "MarkMissing", round());
    let mut o = edited(o, json!({"name": "renamed", "adopt": {"instanceId": ID}}));
    o.lookups.detail = found(bare);
    let adopting = ["True/Available", "False/Applying", "True/Adopting", FINE];
    // It is marked as what it was.
    expect(&o, &format!("mark {ID} created"), adopting, "next list", 120);
    o.lookups.detail = found(instance(ID, marked("another-uid", &owner(), Origin::Created)));
    // Until a list shows that too.
    let [_, synced, reconciling, stalled] = stalled("AlreadyOwned");
    expect(&o, "nothing", ["True/Available", &synced, &reconciling, &stalled], "next list", 600);
}

/// The recorded instance is in no list, and the cloud says that it does not exist.
fn lost(more: Value) -> Observed {
    let mut o = clear_operation(more, ours(ID));
    list(&mut o, &[]);
    looked_up(&mut o);
    o
}

#[test]
fn a_lost_instance_is_looked_up_then_reported() {
    let mut o = lost(json!({}));
    assert_eq!(step_of(&plan(&o)), format!("look at {ID}"));
    for remembered in [false, true] {
        o.lookups.detail = (!remembered).then_some(Detail::NotFound);
        o.local.gone = Some((ID.to_owned(), s(999)));
        let plan = expect_stalled(&o, "ExternallyDeleted", "steady", round());
        assert_eq!(plan.status.id.as_deref(), Some(ID));
    }
    o.local.gone = Some((OTHER.to_owned(), s(999)));
    assert_eq!(step_of(&plan(&o)), format!("look at {ID}"));
}

#[test]
fn a_lost_instance_is_replaced_if_that_was_said_and_so_often() {
    let mut o = lost(json!({"onExternalDeletion": "Recreate"}));
    o.local.gone = Some((ID.to_owned(), s(960)));
    // The lists are older than that.
    expect(&o, "nothing", MAKING, "all lists", 120);
    o.lists = Some(listed_at(960, 970));
    let plan = expect(&o, "create", MAKING, "changes", 120);
    let intent = plan.intent.unwrap();
    assert_eq!((intent.id, intent.recreations), (None, Some(1)));
    o.status.recreations = Some(3);
    expect_stalled(&o, "ExternallyDeleted", "steady", round());
    o.subject.generation = 2;
    let intent = super::plan(&o).intent.unwrap();
    assert_eq!(intent.recreations, Some(1));
}

/// Whatever keeps the next one from being made.
#[test]
fn a_lost_instance_is_not_ready() {
    let mut o = lost(json!({"onExternalDeletion": "Recreate"}));
    o.local.gone = Some((ID.to_owned(), s(960)));
    o.lists = Some(listed_at(960, 970));
    const GONE: &str = "False/ExternallyDeleted";
    o.lookups.flavors = Some(Err(blocker(Reason::CloudError)));
    expect(&o, "nothing", [GONE, "Unknown/CloudError", FINE, FINE], "steady", 5);
    o.lookups.flavors = Some(Ok(flavors(&[])));
    expect(&o, "nothing", [GONE, "False/SoldOut", FINE, "True/SoldOut"], "steady", 600);
    o.policies.paused = true;
    expect(&o, "nothing", [GONE, "Unknown/Paused", FINE, FINE], "steady", round());
}

#[test]
fn the_id_in_status_is_only_a_hint() {
    for policy in ["Report", "Recreate"] {
        let mut o = lost(json!({"onExternalDeletion": policy}));
        list(&mut o, &[ours(OTHER)]);
        o.local.gone = Some((ID.to_owned(), s(960)));
        expect(&o, "nothing", IN_SYNC, "steady", round());
        assert_eq!(plan(&o).status.id.as_deref(), Some(OTHER));
        // Several could be it, or one that is another object's.
        list(&mut o, &[ours(OTHER), ours("third")]);
        expect_stalled(&o, "AmbiguousOwnership", "each list", round());
        list(&mut o, &[instance(OTHER, marked("an-earlier-uid", &owner(), Origin::Created))]);
        expect_stalled(&o, "AmbiguousOwnership", "each list", round());
    }
}

#[test]
fn another_instance_with_our_mark_stops_everything() {
    let mut o = looked(json!({"name": "renamed"}), ours(ID));
    list(&mut o, &[ours(ID), ours(OTHER)]);
    let [_, synced, reconciling, stalled] = stalled("AmbiguousOwnership");
    expect(&o, "nothing", ["True/Available", &synced, &reconciling, &stalled], "each list", round());
}

#[test]
fn the_cloud_out_of_reach() {
    let mut o = clear_operation(json!({}), ours(ID));
    o.lists.as_mut().unwrap().trouble = Some(blocker(Reason::CloudUnreachable));
    // Last seen at 951: one list that is missing is not worth a word.
    expect(&o, "nothing", IN_SYNC, "steady", 42);
    o.now.monotonic = s(1041);
    let unreachable = ["True/Available", "Unknown/CloudUnreachable", FINE, FINE];
    expect(&o, "nothing", unreachable, "each list", 511);
    o.now.monotonic = s(1551);
    expect(&o, "nothing", unreachable, "each list", 1);
    o.now.monotonic = s(1552);
    let too_old = ["Unknown/ObservationTooOld", "Unknown/ObservationTooOld", FINE, FINE];
    expect(&o, "nothing", too_old, "each list", 600);
    // Not Ready by way of being paused either.
    o.policies.paused = true;
    expect(&o, "nothing", ["Unknown/ObservationTooOld", "Unknown/Paused", FINE, FINE], "steady", round());
    // After a start, from the start.
    o.policies.paused = false;
    o.lists = Some(AccountLists {
        joined: s(1500),
        trouble: Some(blocker(Reason::CloudUnreachable)),
        ..AccountLists::default()
    });
    expect(&o, "nothing", unreachable, "each list", 549);
}

#[test]
fn paused_it_is_still_seen() {
    let paused = |word: &str| {
        let mut o = edited(clear_operation(json!({}), ours(ID)), json!({"name": "renamed", "paused": true}));
        list(&mut o, &[with_status(word, ours(ID))]);
        o
    };
    expect(
        &paused("RUNNING"),
        "nothing",
        ["True/Available", "Unknown/Paused", FINE, FINE],
        "steady",
        round(),
    );
    let plan = expect(
        &paused("ERROR"),
        "nothing",
        ["False/InstanceError", "Unknown/Paused", FINE, FINE],
        "steady",
        round(),
    );
    assert_eq!(plan.status.observed_generation, Some(2));
}

#[test]
fn other_credentials_must_lead_to_the_same_place() {
    let mut o = looked(json!({"name": "renamed"}), ours(ID));
    o.account.as_mut().unwrap().account = account("p2");
    expect_stalled_serving(&o, "AccountChanged", round());
    // Another key to the same place is fine.
    o.account.as_mut().unwrap().account = account("p1");
    o.account.as_mut().unwrap().credentials_hash = "credentials-2".to_owned();
    expect(&o, &format!("update {ID}"), CHANGING, "next list", 30);
}

#[test]
fn an_invalid_spec_changes_nothing_about_what_serves() {
    let o = edited(clear_operation(json!({}), ours(ID)), json!({"capacity": "3"}));
    expect_stalled_serving(&o, "InvalidSpec", round());
}

#[test]
fn just_made_and_not_visible_yet_is_not_lost() {
    let mut o = lost(json!({"onExternalDeletion": "Recreate"}));
    let made = attempt(OperationType::Create, Some(OperationOutcome::Accepted));
    o.status.operation = Some(OperationStatus { instance_id: Some(ID.to_owned()), ..made });
    o.local.intent_seen = Some(s(990));
    for detail in [None, Some(Detail::NotFound)] {
        o.lookups.detail = detail;
        expect(&o, "nothing", MAKING, "all lists", 120);
    }
}
