//! The number of backups that DCS keeps of an instance.

use super::*;

/// What the limit says: a cloud that keeps three backups.
fn limited() -> World {
    let settings = quick_cloud();
    let mut service = settings.service;
    service.backups.limit = 3;
    let mut world = World::new(
        dcs_operator::simulator::Settings { service, ..settings },
        Setup { backup_limit: 3, ..setup() },
    );
    with_instance(&mut world);
    world
}

#[test]
fn no_request_pushes_out_a_backup_that_an_object_stands_for() {
    for pinned in [true, false] {
        let mut world = limited();
        for name in ["a", "b", "c"] {
            let more = if name == "a" { json!({"pinned": pinned}) } else { json!({}) };
            back_up(&mut world, name, more);
            world.until("made", LIMIT, |world| is_made(world, name));
        }
        back_up(&mut world, "d", json!({}));
        world.until("refused", LIMIT, |world| condition(world, "d", "Stalled") == "True/BackupLimitReached");
        let said = message(&world, "d", "Stalled");
        assert!(
            said.contains("DcsBackup a") && said.contains(if pinned { "pinned" } else { "kubectl delete" }),
            "{said}"
        );
        world.run_for(Duration::from_secs(3600));
        assert_eq!((live(&world).len(), holder(&world)), (3, None));
        world.delete(&backup_key("a"));
        world.until("room", LIMIT, |world| is_made(world, "d"));
        assert_eq!(live(&world).len(), 3);
    }
}

#[test]
fn a_request_pushes_out_what_no_object_stands_for() {
    let mut world = limited();
    let instance = world.instances()[0].id.clone();
    for _ in 0..3 {
        world
            .mutate_cloud(|service| {
                service.make_backup(&instance, dcs_operator::dcs::model::BackupType::Auto, None)
            })
            .unwrap();
        world.run_for(Duration::from_secs(120));
    }
    assert_eq!(live(&world).len(), 3);
    back_up(&mut world, "nightly", json!({}));
    world.until("made", LIMIT, |world| is_made(world, "nightly"));
    assert_eq!(live(&world).len(), 3);
}

/// The policy of DCS asks no object.
#[test]
fn a_pinned_backup_says_that_the_policy_can_push_it_out() {
    let mut world = limited();
    back_up(&mut world, "nightly", json!({"pinned": true}));
    world.until("made", LIMIT, |world| is_made(world, "nightly"));
    let instance = world.instances()[0].id.clone();
    let automatic = |world: &World| {
        let made = world.mutate_cloud(|service| {
            service.make_backup(&instance, dcs_operator::dcs::model::BackupType::Auto, None)
        });
        made.unwrap();
    };
    automatic(&world);
    world.run_for(Duration::from_secs(4300));
    assert!(message(&world, "nightly", "Ready").ends_with("can be restored"), "there is room for one more");
    automatic(&world);
    world.until("said", Duration::from_secs(4300), |world| {
        message(world, "nightly", "Ready").contains("the next automatic one can remove the earliest")
    });
    assert!(is_made(&world, "nightly"), "it can still be restored");
}
