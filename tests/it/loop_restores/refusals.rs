//! What stands in the way of a restore.

use dcs_operator::inventory::InventorySettings;

use super::*;

/// What is refused before any call. The object says why, and holds nothing.
#[test]
fn a_source_that_does_not_do_is_refused() {
    let mut world = started();
    let (id, nightly) = (instance(&world), backup(&world, "nightly").status.unwrap().id.unwrap());
    let changes = world.changes();
    let unknown = "4631832a-14c6-45b0-a0b3-3abd8f591ad1";
    for (name, source, type_, expected) in [
        ("a", json!({"latestBefore": "2001-01-01T00:00:00Z"}), "Stalled", "True/ReferenceNotFound"),
        ("b", json!({"backupId": unknown}), "Stalled", "True/ReferenceNotFound"),
        ("c", json!({"backupRef": {"name": "none"}}), "Ready", "False/WaitingForReference"),
    ] {
        restore(&mut world, name, json!({"source": source}));
        let told = |world: &World| {
            let said = condition(world, name, type_);
            said == expected || said == "False/ReferenceNotFound"
        };
        world.until(name, LIMIT, told);
    }
    world.mutate_cloud(|service| service.force_backup(&id, &nightly, &BackupStatus::Expired)).unwrap();
    world.run_for(Duration::from_secs(30));
    restore(&mut world, "d", json!({"source": {"backupId": nightly}}));
    world.until("d", LIMIT, |world| condition(world, "d", "Failed") == "True/SourceNotRestorable");
    assert_eq!((restores(&world).len(), world.changes(), holder(&world)), (0, changes, None));
}

#[test]
fn the_backup_of_another_instance_is_refused_with_what_would_work() {
    let mut world = started();
    world.apply("orders", spec(json!({})));
    world.until("ready", LIMIT, |world| world.is_well(&key("orders")));
    let changes = world.changes();
    let to_orders =
        json!({"instanceRef": {"name": "orders"}, "consent": {"target": "orders", "notAfter": FUTURE}});
    restore(&mut world, "undo", to_orders);
    world.until("refused", LIMIT, |world| condition(world, "undo", "Failed") == "True/IncompatibleSource");
    let said = message(&world, "undo");
    assert!(said.contains("instanceRef: {name: sessions}") && said.contains("DcsMigration"), "{said}");
    assert_eq!(world.changes(), changes);
}

#[test]
fn a_failed_restore_is_the_end() {
    let mut world = started();
    world.mutate_cloud(|service| service.fail_next_restores(1));
    restore(&mut world, "undo", json!({"backupFirst": false}));
    world.until("failed", LIMIT, |world| condition(world, "undo", "Failed") == "True/OperationFailed");
    assert!(message(&world, "undo").contains("synchronized"), "{}", message(&world, "undo"));
    world.until("free", LIMIT, settled);
    world.run_for(Duration::from_secs(3600));
    assert_eq!(restores(&world).len(), 1);
}

#[test]
fn nothing_is_replaced_unless_the_backup_before_succeeds() {
    let mut world = started();
    world.mutate_cloud(|service| service.fail_next_backups(1));
    restore(&mut world, "undo", json!({}));
    world.until("failed", LIMIT, |world| condition(world, "undo", "Failed") == "True/BackupFirstFailed");
    world.until("free", LIMIT, settled);
    assert!(restores(&world).is_empty());
}

/// The backup before the restore would push its source out.
#[test]
fn the_limit_of_backups_keeps_the_source() {
    let mut world = World::new(quick_cloud(), Setup { backup_limit: 1, ..setup() });
    with_backup(&mut world);
    restore(&mut world, "undo", json!({}));
    world.until("refused", LIMIT, |world| condition(world, "undo", "Failed") == "True/BackupLimitReached");
    assert_eq!((restores(&world).len(), backups(&world).len()), (0, 1));
    restore(&mut world, "other", json!({"backupFirst": false}));
    world.until("done", LIMIT, |world| is_done(world, "other"));
}

/// While a restore waits, its source stays: neither another backup nor its own deletion removes it.
#[test]
fn a_backup_that_a_restore_needs_stays() {
    let mut world = World::new(quick_cloud(), Setup { backup_limit: 2, ..setup() });
    with_backup(&mut world);
    restore(&mut world, "undo", json!({"source": {"latestBefore": FUTURE}, "consent": null}));
    world.until("asks", LIMIT, |world| condition(world, "undo", "Stalled") == "True/ApprovalRequired");
    back_up(&mut world, "second", json!({}));
    world.until("backed up", LIMIT, |world| is_backed_up(world, "second"));
    back_up(&mut world, "third", json!({}));
    let ready = |world: &World, name: &str| {
        let conditions = backup(world, name).status.unwrap_or_default().conditions;
        conditions.into_iter().find(|condition| condition.type_ == "Ready")
    };
    world.until("kept", LIMIT, |world| {
        ready(world, "third").is_some_and(|ready| {
            ready.reason == "BackupLimitReached" && ready.message.contains("DcsRestore undo")
        })
    });
    world.delete(&backup_key("nightly"));
    world.run_for(Duration::from_secs(600));
    assert_eq!(backups(&world).iter().filter(|record| record.is_restorable()).count(), 2);
    assert!(ready(&world, "nightly").unwrap().message.contains("DcsRestore undo"));
    world.delete(&restore_key("undo"));
    world.until("gone", LIMIT, |world| world.cluster.read::<DcsBackup>(&backup_key("nightly")).is_none());
    world.until("made", LIMIT, |world| is_backed_up(world, "third"));
}

#[test]
fn an_object_that_only_observes_is_not_restored() {
    let mut world = started();
    let observing = json!({"adopt": {"instanceId": instance(&world)}, "managementPolicy": "Observe",
        "engineVersion": null, "capacity": null, "tags": null, "description": null});
    world.apply("watched", spec(observing));
    world.until("observed", LIMIT, |world| world.condition(&key("watched"), "Ready") == "True/Available");
    let to_watched =
        json!({"instanceRef": {"name": "watched"}, "consent": {"target": "watched", "notAfter": FUTURE}});
    restore(&mut world, "undo", to_watched);
    world.until("refused", LIMIT, |world| condition(world, "undo", "Stalled") == "True/PreconditionFailed");
    assert!(restores(&world).is_empty());
}

/// Each needs several reads: a reconcile that the budget ends must not begin again without end.
#[test]
fn many_restores_come_to_rest_within_a_small_budget() {
    let rate = std::num::NonZeroU32::MIN;
    let inventory = InventorySettings { reads_per_second: rate, ..setup().inventory };
    let mut world = World::new(quick_cloud(), Setup { inventory, ..setup() });
    with_backup(&mut world);
    let names: Vec<String> = (0..12).map(|n| format!("undo-{n}")).collect();
    for name in &names {
        let unknown = json!({"backupId": "4631832a-14c6-45b0-a0b3-3abd8f591ad1"});
        restore(&mut world, name, json!({"source": unknown}));
    }
    world.until("told", Duration::from_secs(120), |world| {
        names.iter().all(|name| condition(world, name, "Stalled") == "True/ReferenceNotFound")
    });
    restore(&mut world, "good", json!({"backupFirst": false}));
    world.until("done", LIMIT, |world| is_done(world, "good"));
    world.run_for(Duration::from_secs(60));
    let before = world.traffic.lock().unwrap().calls;
    world.run_for(Duration::from_secs(600));
    let calls = world.traffic.lock().unwrap().calls - before;
    assert!(calls <= 60, "{calls} calls in ten minutes, with a list of the account each minute");
}
