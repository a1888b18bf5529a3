use super::*;

const DELETION_PAUSED: [&str; 4] = ["False/Paused", "Unknown/Paused", FINE, "True/Paused"];

/// In sync, then deleted; the instance's detail was read.
fn deleted(more: Value, facts: InstanceFacts) -> Observed {
    let mut o = in_sync(more, facts.clone());
    o.subject.deleting = true;
    o.lookups.detail = found(facts);
    o
}

/// Deleted before an instance was recorded; the account has none.
fn deleted_early() -> Observed {
    let mut o = observed(json!({}));
    o.subject.deleting = true;
    o
}

#[track_caller]
fn expect_blocked(o: &Observed, reason: &'static str, demand: &str, wait: u64) {
    let [_, synced, reconciling, stalled] = stalled(reason);
    expect(o, "nothing", ["False/Deleting", &synced, &reconciling, &stalled], demand, wait);
}

#[track_caller]
fn expect_finalizer_removed(o: &Observed) {
    assert_eq!(step_of(&plan(o)), "remove finalizer, without status write");
}

#[test]
fn a_created_instance_is_deleted() {
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.detail = None;
    expect(&o, &format!("read detail {ID}"), DELETING, "active", 120);
    o.lookups.detail = found(ours(ID));
    let plan = expect(&o, &format!("delete {ID}"), DELETING, "active", 120);
    let Step::CloudAction(CloudAction::Delete { consent, .. }) = &plan.step else {
        panic!("{:?}", plan.step)
    };
    assert_eq!(consent.ground(), "its object was deleted");
    assert_eq!(plan.intent.unwrap().operation.unwrap().instance_id.as_deref(), Some(ID));
}

#[test]
fn the_origin_tag_decides_not_the_status() {
    let o = deleted(json!({}), ours(ID));
    let mut tagged_adopted = o.clone();
    tagged_adopted.lookups.detail = found(adopted(ID));
    expect(&tagged_adopted, &format!("remove uid {ID}"), DELETING, "active", 0);
    let policy = json!({"deletionPolicy": "Delete"});
    expect(&deleted(policy, adopted(ID)), &format!("delete {ID}"), DELETING, "active", 120);
    let policy = json!({"deletionPolicy": "Retain"});
    expect(&deleted(policy, ours(ID)), &format!("remove uid {ID}"), DELETING, "active", 0);
}

#[test]
fn an_adopted_instance_is_released_in_three_steps() {
    let mut o = deleted(json!({}), adopted(ID));
    let plan = expect(&o, &format!("remove uid {ID}"), DELETING, "active", 0);
    assert_eq!(plan.intent.unwrap().operation.unwrap().type_, OperationType::Release);
    let [_, own, origin] = owner_tags(Origin::Adopted).try_into().unwrap();
    let released = ("dcs-operator-released".to_owned(), owner().as_str().to_owned());
    o.lookups.detail = found(instance(ID, vec![own.clone(), origin.clone()]));
    o.status.operation = Some(on(ID, attempt(OperationType::Release, Some(OperationOutcome::Accepted))));
    expect(&o, &format!("set released {ID}"), DELETING, "active", 0);
    o.status.operation = Some(on(ID, attempt(OperationType::Release, None)));
    o.local.intent_seen = Some(s(990));
    expect(&o, "nothing", DELETING, "active", 70);
    // The status was lost: the tags tell the rest. The policy does not matter any more.
    let mut lost = o.clone();
    (lost.status.id, lost.status.operation, lost.lookups.detail) = (None, None, None);
    lost.policies.deletion = Some(crate::api::instance::DeletionPolicy::Delete);
    list(&mut lost, &[instance(ID, vec![own.clone(), origin.clone()])]);
    assert_eq!(step_of(&super::plan(&lost)), format!("read detail {ID}"));
    lost.lookups.detail = found(instance(ID, vec![own.clone(), origin.clone()]));
    assert_eq!(step_of(&super::plan(&lost)), format!("set released {ID}"));
    o.status.operation = None;
    o.lookups.detail = found(instance(ID, vec![own, origin.clone(), released.clone()]));
    expect(&o, &format!("remove owner {ID}"), DELETING, "active", 0);
    o.lookups.detail = found(instance(ID, vec![origin, released]));
    expect_finalizer_removed(&o);
}

#[test]
fn a_busy_or_prepaid_instance_is_not_deleted() {
    let prepaid = InstanceFacts { charging_mode: Some(1), ..ours(ID) };
    expect_blocked(&deleted(json!({}), prepaid), "PrepaidNotDeletable", "idle", resync_interval());
    for word in ["CREATING", "RESTARTING", "EXTENDING", "RESTORING"] {
        let o = deleted(json!({}), with_status(word, ours(ID)));
        expect(&o, "nothing", DELETING, "active", 30);
    }
    let mut o = deleted(json!({}), ours(ID));
    let task = Some("backup".to_owned());
    o.lookups.detail = read(Detail::Found(Box::new(InstanceSnapshot { task, ..snapshot(ours(ID)) })));
    expect(&o, "nothing", DELETING, "active", 30);
    // It is being deleted: a list shows its absence.
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.detail = None;
    list(&mut o, &[with_status("DELETING", ours(ID))]);
    expect(&o, "nothing", DELETING, "active", 120);
    // A faulty instance is deleted too.
    let o = deleted(json!({}), with_status("ERROR", ours(ID)));
    expect(&o, &format!("delete {ID}"), DELETING, "active", 120);
}

#[test]
fn a_refused_deletion_is_retried_with_backoff() {
    let mut o = deleted(json!({}), ours(ID));
    o.status.operation = Some(on(ID, refused(OperationType::Delete, Reason::Forbidden)));
    expect_blocked(&o, "Forbidden", "idle", 590);
    // The retry is reported as what it is: nothing has changed for the user.
    let mut retry = o.clone();
    retry.now.wall = wall(WALL + 600);
    let [_, synced, reconciling, stalled] = stalled("Forbidden");
    let conditions = ["False/Deleting", &synced, &reconciling, &stalled];
    expect(&retry, &format!("delete {ID}"), conditions, "idle", resync_interval());
    // The spec, or the credentials, have changed.
    for change in [
        |o: &mut Observed| o.subject.generation += 1,
        |o: &mut Observed| {
            o.account.as_mut().unwrap().credentials_hash = "others".to_owned();
        },
    ] {
        let mut changed = o.clone();
        change(&mut changed);
        assert_eq!(step_of(&plan(&changed)), format!("delete {ID}"));
    }
    o.status.operation = Some(on(ID, attempt(OperationType::Delete, None)));
    o.local.intent_seen = Some(s(990));
    expect(&o, "nothing", DELETING, "active", 70);
    o.now.monotonic = s(1070);
    expect(&o, &format!("delete {ID}"), DELETING, "active", 120);
}

fn on(id: &str, operation: OperationStatus) -> OperationStatus {
    OperationStatus { instance_id: Some(id.to_owned()), ..operation }
}

#[test]
fn a_refused_release_waits_for_a_person() {
    let mut o = deleted(json!({"deletionPolicy": "Retain"}), ours(ID));
    o.status.operation = Some(on(ID, refused(OperationType::Release, Reason::Forbidden)));
    expect_blocked(&o, "Forbidden", "idle", 590);
    // The site does not accept a tag.
    o.status.operation = Some(on(ID, refused(OperationType::Release, Reason::InvalidSpec)));
    expect_blocked(&o, "TagsRefused", "idle", 590);
    // The cloud accepts and does nothing: the requests do not follow each other without a pause.
    let accepted = on(ID, attempt(OperationType::Release, Some(OperationOutcome::Accepted)));
    o.status.operation = Some(OperationStatus { attempt: 8, ..accepted });
    expect(&o, "nothing", DELETING, "active", 110);
}

#[test]
fn a_deletion_that_only_a_person_can_help_is_stalled() {
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.detail = read(Detail::Failed(blocker(Reason::Forbidden)));
    expect_blocked(&o, "Forbidden", "idle", 600);
    o.lookups.detail = read(Detail::Failed(blocker(Reason::CloudUnreachable)));
    expect(&o, "nothing", DELETING, "active", 5);
    // The keys were revoked.
    for has_list in [true, false] {
        let mut o = deleted(json!({}), ours(ID));
        let lists = o.lists.as_mut().unwrap();
        lists.trouble = Some(blocker(Reason::CredentialsInvalid));
        lists.latest = lists.latest.filter(|_| has_list);
        // The age of the list is looked at sooner.
        expect_blocked(&o, "CredentialsInvalid", "idle", if has_list { 42 } else { 600 });
    }
}

#[test]
fn somebody_elses_finalizer_guards_the_instance() {
    for more in [json!({}), json!({"deletionPolicy": "Retain"})] {
        let mut o = deleted(more, ours(ID));
        o.subject.guard = Some("example.org/keep".to_owned());
        expect_blocked(&o, "GuardedByFinalizer", "idle", resync_interval());
        let message = plan(&o).status.conditions[3].message.clone();
        assert!(message.contains("example.org/keep"), "{message}");
    }
}

#[test]
fn deleting_the_definition_releases_and_an_incomplete_one_blocks() {
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.definition = None;
    expect(&o, "read definition", DELETING, "active", 120);
    o.lookups.definition = Some(Ok(Definition::BeingDeleted));
    let plan = expect(&o, &format!("remove uid {ID}"), DELETING, "active", 0);
    let ready = &plan.status.conditions[0].message;
    assert!(ready.contains("CustomResourceDefinition is being deleted"), "{ready}");
    o.lookups.definition = Some(Ok(Definition::Lacks(vec!["spec.deletionPolicy".to_owned()])));
    expect_blocked(&o, "DefinitionOutdated", "idle", 600);
    o.lookups.definition = Some(Err(blocker(Reason::ClusterError)));
    expect(&o, "nothing", DELETING, "active", 5);
    // To release is to destroy nothing.
    let mut o = deleted(json!({"deletionPolicy": "Retain"}), ours(ID));
    o.lookups.definition = None;
    expect(&o, &format!("remove uid {ID}"), DELETING, "active", 0);
}

/// Whoever owns a namespace may write the status of its objects.
#[test]
fn a_forged_status_permits_no_deletion() {
    let bare = || instance(ID, Vec::new());
    let forged = |more: Value| {
        let mut o = deleted(more, ours(ID));
        assert_eq!(o.status.resolved.as_ref().unwrap().origin.as_deref(), Some("Created"));
        list(&mut o, &[bare()]);
        o.lookups.detail = found(bare());
        o
    };
    for type_ in [OperationType::Delete, OperationType::Release, OperationType::Adopt, OperationType::Create]
    {
        for outcome in [None, Some(OperationOutcome::Accepted)] {
            let mut o = forged(json!({}));
            o.status.operation = Some(on(ID, attempt(type_.clone(), outcome)));
            assert_eq!(step_of(&plan(&o)), "nothing", "{type_:?}");
        }
    }
    // The spec names it, too, but the instance is not the namespace's.
    let adopt = json!({"adopt": {"instanceId": ID}, "deletionPolicy": "Delete"});
    let mut o = forged(adopt.clone());
    o.account.as_mut().unwrap().source = CredentialsSource::Operator { trusted: false };
    expect_blocked(&o, "MarkMissing", "idle", 600);
    // With credentials of the namespace, the spec permits it.
    assert_eq!(step_of(&plan(&forged(adopt))), format!("adopt {ID} as adopted"));
    // The object has an instance of its own: it is the one that goes.
    let mut o = forged(json!({}));
    list(&mut o, &[with_tag(bare()), ours(OTHER)]);
    o.lookups.detail = None;
    expect(&o, &format!("read detail {OTHER}"), DELETING, "active", 120);
}

/// The list shows its tags.
fn with_tag(facts: InstanceFacts) -> InstanceFacts {
    let tags = vec![Tag { key: "team".to_owned(), value: Some("others".to_owned()) }];
    InstanceFacts { tags, ..facts }
}

#[test]
fn a_new_instance_counts_as_absent_only_after_its_window() {
    let mut o = deleted(json!({}), ours(ID));
    list(&mut o, &[]);
    o.lookups.detail = read(Detail::NotFound);
    expect_finalizer_removed(&o);
    let created = attempt(OperationType::Create, Some(OperationOutcome::Accepted));
    o.status.operation = Some(OperationStatus { instance_id: Some(ID.to_owned()), ..created });
    o.local.intent_seen = Some(s(990));
    expect(&o, "nothing", DELETING, "active, every list, failed creations", 70);
    o.now.monotonic = s(1070);
    expect_finalizer_removed(&o);
    o.lookups.detail = read(Detail::Failed(blocker(Reason::CloudUnreachable)));
    expect(&o, "nothing", DELETING, "active", 5);
}

#[test]
fn one_of_several_instances_is_deleted_only_if_named() {
    let several = |recorded: bool, more: Value| {
        let mut o = observed(more);
        o.subject.deleting = true;
        o.status.id = recorded.then(|| ID.to_owned());
        list(&mut o, &[ours(ID), ours(OTHER)]);
        o
    };
    for recorded in [true, false] {
        expect_blocked(&several(recorded, json!({})), "AmbiguousOwnership", "every list", resync_interval());
        let o = several(recorded, json!({"adopt": {"instanceId": ID}}));
        expect(&o, &format!("read detail {ID}"), DELETING, "active", 120);
    }
    // The named one is gone, and another has the ownership tags.
    let mut o = several(true, json!({"adopt": {"instanceId": ID}}));
    o.lookups.detail = read(Detail::NotFound);
    expect_blocked(&o, "AmbiguousOwnership", "every list", resync_interval());
}

#[test]
fn an_instance_without_ownership_tags_is_kept() {
    let bare = || instance(ID, Vec::new());
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.detail = found(bare());
    expect_blocked(&o, "MarkMissing", "idle", 600);
    // The tags state no origin: it counts as adopted, and stays.
    let mut named = deleted(json!({"adopt": {"instanceId": ID}}), ours(ID));
    named.lookups.detail = found(bare());
    expect_finalizer_removed(&named);
    let policy = json!({"adopt": {"instanceId": ID}, "deletionPolicy": "Delete"});
    let mut named = deleted(policy, ours(ID));
    named.lookups.detail = found(bare());
    assert_eq!(step_of(&plan(&named)), format!("adopt {ID} as adopted"));
    for more in [
        json!({"deletionPolicy": "Retain"}),
        json!({"managementPolicy": "Observe", "adopt": {"instanceId": ID}}),
    ] {
        let mut o = deleted(more, ours(ID));
        o.lookups.detail = found(bare());
        expect_finalizer_removed(&o);
    }
    let mut o = deleted(json!({}), ours(ID));
    list(&mut o, &[]);
    o.lookups.detail = found(instance(ID, owner_tags_of("another-uid", &owner(), Origin::Created)));
    expect_finalizer_removed(&o);
}

#[test]
fn deletion_needs_the_recorded_account() {
    let mut o = deleted_early();
    o.account = Err(blocker(Reason::CredentialsMissing));
    // The finalizer says that something may have been begun, though the status has lost it.
    expect_blocked(&o, "CredentialsMissing", "idle", 600);
    let mut o = deleted(json!({}), ours(ID));
    o.account = Err(blocker(Reason::CredentialsMissing));
    expect_blocked(&o, "CredentialsMissing", "idle", 600);
    let mut o = deleted(json!({}), ours(ID));
    o.account.as_mut().unwrap().account = account("p2");
    expect_blocked(&o, "AccountChanged", "idle", resync_interval());
}

#[test]
fn a_paused_object_is_not_deleted() {
    let mut o = deleted(json!({}), ours(ID));
    o.policies.paused = true;
    expect(&o, "nothing", DELETION_PAUSED, "idle", resync_interval());
    let ready = plan(&o).status.conditions.into_iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert!(ready.message.contains("spec.paused is true"), "{}", ready.message);
}

#[test]
fn an_instance_with_a_pinned_backup_is_not_deleted() {
    let mut o = deleted(json!({}), ours(ID));
    o.lookups.pins = None;
    assert_eq!(step_of(&plan(&o)), "read pins");
    o.lookups.pins = Some(Ok(vec!["nightly".to_owned()]));
    expect_blocked(&o, "BackupPinned", "idle", resync_interval());
    o.lookups.pins = Some(Err(blocker(Reason::ClusterError)));
    assert_eq!(step_of(&plan(&o)), "nothing");
    // Nothing is deleted where the instance is released.
    o.policies = Policies { deletion: Some(crate::api::instance::DeletionPolicy::Retain), ..o.policies };
    assert_eq!(step_of(&plan(&o)), format!("remove uid {ID}"));
}

#[test]
fn an_object_with_an_invalid_spec_is_deleted() {
    let o = edited(deleted(json!({}), ours(ID)), json!({"capacity": "3"}));
    expect(&o, &format!("delete {ID}"), DELETING, "active", 120);
}

#[test]
fn the_finalizer_is_removed_once_lists_prove_absence() {
    let mut o = deleted_early();
    expect_finalizer_removed(&o);
    o.local.first_seen = s(960);
    expect(&o, "nothing", DELETING, "active, every list, failed creations", 120);
    o.lists.as_mut().unwrap().latest = None;
    expect(&o, "nothing", DELETING, "active, every list", 120);
    o.subject.finalizer = false;
    assert_eq!(step_of(&plan(&o)), "nothing, without status write");
}

#[test]
fn deletion_waits_for_an_unresolved_creation() {
    let mut o = deleted_early();
    o.status.operation = Some(attempt(OperationType::Create, None));
    o.local.intent_seen = Some(s(940));
    expect(&o, "nothing", DELETING, "active, every list, failed creations", 20);
    o.now.monotonic = s(1100);
    expect(&o, "nothing", DELETING, "active, every list, failed creations", 120);
    let mut absent = o.clone();
    absent.lists = Some(listed_at(1020, 1030));
    expect_finalizer_removed(&absent);
    list(&mut o, &[ours(ID)]);
    expect(&o, &format!("read detail {ID}"), DELETING, "active", 120);
    o.lookups.detail = found(ours(ID));
    expect(&o, &format!("delete {ID}"), DELETING, "active", 120);
}

#[test]
fn failed_records_are_deleted_first() {
    let record = with_status("CREATEFAILED", ours(ID));
    let mut o = deleted_early();
    o.lists.as_mut().unwrap().failed = vec![Arc::new(record.clone())];
    expect(&o, &format!("read detail {ID}"), DELETING, "active, every list, failed creations", 120);
    o.lookups.detail = found(record.clone());
    expect(&o, &format!("delete record {ID}"), DELETING, "active, every list, failed creations", 120);
    o.lookups.detail = found(InstanceFacts { tags: Vec::new(), ..record });
    expect_blocked(&o, "MarkMissing", "idle", resync_interval());
}

/// An observing object does not delete records either.
#[test]
fn an_observing_object_deletes_nothing() {
    let mut o = observed(json!({"managementPolicy": "Observe", "adopt": {"instanceId": OTHER}}));
    o.subject.deleting = true;
    let record = with_status("CREATEFAILED", ours(ID));
    o.lists.as_mut().unwrap().failed = vec![Arc::new(record.clone())];
    o.lookups.detail = found(record);
    assert!(!matches!(plan(&o).step, Step::CloudAction(_)), "{:?}", plan(&o).step);
}

fn noted(id: Option<&str>) -> Option<SecretNotes> {
    Some(SecretNotes { instance_id: id.map(str::to_owned), ..record().notes })
}

#[test]
fn the_secrets_go_with_the_instance() {
    let gone = |record: Option<SecretNotes>, binding: Option<SecretNotes>| {
        let mut o = in_sync(json!({}), ours(ID));
        o.subject.deleting = true;
        list(&mut o, &[]);
        o.lookups.detail = read(Detail::NotFound);
        (o.notes.record, o.notes.binding) = (record, binding);
        step_of(&plan(&o))
    };
    let both = "delete Secrets sessions-auth,sessions-redis, without status write";
    let removed = "remove finalizer, without status write";
    assert_eq!(gone(noted(None), noted(Some(ID))), both);
    assert_eq!(gone(noted(Some(ID)), noted(Some(ID))), both);
    assert_eq!(gone(None, None), removed);
    assert_eq!(
        gone(noted(Some(OTHER)), noted(Some(OTHER))),
        removed,
        "they hold the password of another instance"
    );
    let made_from = |record: &str| {
        noted(Some(OTHER)).map(|notes| SecretNotes { record: Some(record.to_owned()), ..notes })
    };
    assert_eq!(
        gone(noted(None), made_from("record/3")),
        both,
        "the binding of an instance that was replaced"
    );
    assert!(!gone(noted(None), made_from("former/3")).contains("redis"));
    let foreign = SecretNotes { instance: Some("another".to_owned()), ..SecretNotes::default() };
    assert_eq!(gone(Some(foreign.clone()), Some(foreign)), removed);
    let mut o = in_sync(json!({}), ours(ID));
    o.subject.deleting = true;
    list(&mut o, &[]);
    o.lookups.detail = read(Detail::NotFound);
    o.notes.record = noted(None);
    refuse(&mut o, WritePurpose::Deletion, "not allowed", s(990));
    assert_eq!(step_of(&plan(&o)), removed, "a refusal does not keep the object");
    for purpose in [WritePurpose::Use, WritePurpose::Release] {
        refuse(&mut o, purpose, "not allowed", s(990));
        assert!(step_of(&plan(&o)).starts_with("delete Secrets"), "another write was refused");
    }
}

#[test]
fn the_secrets_of_an_instance_that_stays_are_marked_and_stay() {
    let mut o = in_sync(json!({"deletionPolicy": "Retain"}), ours(ID));
    o.subject.deleting = true;
    o.lookups.detail = found(ours(ID));
    (o.notes.record, o.notes.binding) = (noted(None), noted(Some(ID)));
    assert_eq!(step_of(&plan(&o)), "keep Secrets");
    o.notes.record = noted(Some(ID));
    assert!(step_of(&plan(&o)).starts_with("remove uid"));
    // As an earlier version wrote it: owned by the object, without notes.
    (o.notes.record, o.notes.binding) = (None, Some(SecretNotes::default()));
    assert_eq!(step_of(&plan(&o)), "keep Secrets");
    o.local.kept = true;
    assert!(step_of(&plan(&o)).starts_with("remove uid"), "it is tried once");
    (o.notes.record, o.notes.binding) = (noted(Some(ID)), noted(Some(ID)));
    o.lookups.detail = found(instance(ID, Vec::new()));
    assert_eq!(step_of(&plan(&o)), "remove finalizer, without status write");
}

#[test]
fn the_record_of_an_instance_that_an_earlier_object_left_stays() {
    let mut o = observed(json!({}));
    o.subject.deleting = true;
    o.notes.record = noted(None);
    assert!(step_of(&plan(&o)).starts_with("delete Secrets sessions-auth"), "nothing was created");
    o.notes.binding = noted(Some(OTHER));
    assert_eq!(step_of(&plan(&o)), "remove finalizer, without status write");
    o.notes.binding = None;
    list(&mut o, &[instance(OTHER, owner_tags_of("another-uid", &owner(), Origin::Created))]);
    assert_eq!(step_of(&plan(&o)), "remove finalizer, without status write");
}

/// The instance is deleted, and another one that carries the object's tags holds the object up.
#[test]
fn an_instance_that_was_deleted_is_not_published_while_the_object_is_held_up() {
    let mut o = deleted(json!({"adopt": {"instanceId": ID}}), ours(ID));
    assert!(o.status.endpoints.is_some());
    list(&mut o, &[ours(OTHER)]);
    o.lookups.detail = read(Detail::NotFound);
    o.local.gone = Some((ID.to_owned(), s(999)));
    let plan = plan(&o);
    let binding = plan.status.conditions.iter().find(|c| c.type_ == "BindingPublished").unwrap();
    assert_eq!((binding.status.as_str(), binding.reason.as_str()), ("False", "Deleting"));
    assert_eq!((&plan.status.cloud_status, &plan.status.endpoints), (&None, &None));
    assert_eq!(values(&plan.status)[3], "True/AmbiguousOwnership");
}
