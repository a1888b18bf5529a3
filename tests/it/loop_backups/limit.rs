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
