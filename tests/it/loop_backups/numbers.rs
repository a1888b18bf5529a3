//! `status.backups` of the DcsInstance: whose list it comes from, and what it costs.

use dcs_operator::{api::instance::InstanceBackups, dcs::model::BackupType};

use super::*;

fn numbers(world: &World) -> Option<InstanceBackups> {
    world.object(&key("sessions"))?.status?.backups
}

/// Lists of backups since the start.
fn lists(world: &World) -> u64 {
    world.cloud.lock().journal().counts().get("ListBackupRecords").copied().unwrap_or_default()
}

fn calls(world: &World) -> usize {
    world.traffic.lock().unwrap().calls
}

/// A backup of the policy of DCS.
fn back_up_automatically(world: &World) -> String {
    let instance = world.instances()[0].id.clone();
    world.mutate_cloud(|service| service.make_backup(&instance, BackupType::Auto, None)).unwrap()
}

/// Longer than two slow rounds, whatever their spread.
const TWO_ROUNDS: Duration = Duration::from_secs(2 * 4200 + 60);

#[test]
fn the_numbers_follow_each_backup_without_a_call() {
    let mut world = started();
    assert_eq!(numbers(&world), None, "nothing was listed yet");
    for (total, name) in [(1, "first"), (2, "second")] {
        back_up(&mut world, name, json!({}));
        world.until("made", LIMIT, |world| is_made(world, name));
        let (id, before) = (status(&world, name).id, calls(&world));
        world.until("shown", Duration::from_secs(1), |world| {
            numbers(world).is_some_and(|numbers| numbers.last_successful_id == id)
        });
        assert_eq!(calls(&world), before, "the list of the DcsBackup is used");
        let InstanceBackups { automatic, limit, last_successful_time, .. } = numbers(&world).unwrap();
        assert_eq!((numbers(&world).unwrap().total, automatic, limit), (total, 0, Some(24)));
        assert_eq!(last_successful_time, status(&world, name).completed_at);
    }
}

/// A thousand new instances, or a restart, cost nothing; later each is listed once a slow round.
#[test]
fn the_slow_round_lists_once() {
    let mut world = started();
    let id = back_up_automatically(&world);
    world.run_for(Duration::from_secs(3590));
    assert_eq!((numbers(&world), lists(&world)), (None, 0), "not before a resync interval has passed");
    world.until("listed", TWO_ROUNDS, |world| numbers(world).is_some());
    let found = numbers(&world).unwrap();
    assert_eq!((found.total, found.automatic, found.last_successful_id), (1, 1, Some(id)));
    assert_eq!(lists(&world), 1);
    world.run_for(Duration::from_secs(6 * 3600));
    assert!((2..=7).contains(&lists(&world)), "{} lists in 6 h", lists(&world));
    // Nothing was written for lists that show the same.
    let mut seen = 0;
    let writes = world.cluster.written_since(&mut seen);
    let shown = writes.iter().filter(|write| {
        write.key == key("sessions")
            && write.after.as_ref().is_some_and(|after| after["status"]["backups"]["total"] == json!(1))
    });
    assert_eq!(shown.count(), 1);
    world.restart();
    let before = lists(&world);
    world.run_for(Duration::from_secs(3000));
    assert_eq!(lists(&world), before, "a restart costs no list");
    assert!(numbers(&world).is_some(), "the numbers stay");
}

#[test]
fn a_list_that_is_refused_disturbs_nothing() {
    for status in [403, 404, 500] {
        let mut world = started();
        let refusal = json!({"errorBefore": {"status": status, "code": "DCS.2003"}});
        let script = json!({"operation": "ListBackupRecords", "fault": refusal, "count": null});
        world.cloud.lock().add_faults(world.clock_now(), &script).unwrap();
        let mut seen = 0;
        world.cluster.written_since(&mut seen);
        world.run_for(Duration::from_secs(4 * 3600));
        assert!(world.is_well(&key("sessions")), "{status}");
        assert_eq!(numbers(&world), None, "{status}");
        // Reads are repeated at once a few times where the answer says that this may help.
        assert!((2..=16).contains(&lists(&world)), "{status}: {} lists in 4 h", lists(&world));
        let written = world.cluster.written_since(&mut seen).len();
        assert_eq!(written, 0, "{status}");
        world.cloud.lock().clear_faults();
        world.until("listed", TWO_ROUNDS, |world| numbers(world).is_some());
    }
}

#[test]
fn a_single_node_instance_is_never_listed() {
    let settings = quick_cloud();
    let mut service = settings.service;
    service.listed_flavors.push("redis.single.xu1.".to_owned());
    let mut world = World::new(dcs_operator::simulator::Settings { service, ..settings }, setup());
    world.apply("sessions", spec(json!({"cacheMode": "single"})));
    world.until("ready", LIMIT, |world| world.is_well(&key("sessions")));
    world.run_for(TWO_ROUNDS);
    assert_eq!((lists(&world), numbers(&world)), (0, None));
}
