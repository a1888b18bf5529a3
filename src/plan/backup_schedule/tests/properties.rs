//! Whatever happens to the clock, the process and the backups: no run is made twice, and nothing that has to stay goes.

use proptest::prelude::*;

use super::{
    super::{action::Step, input::ChildState},
    *,
};

/// What happens between two reconciles.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes, in minutes; it may run backwards.
    Clock(i64),
    /// Reconciles, at most this many: the process may end after any.
    Reconcile(usize),
    /// A backup ends.
    End(usize, bool),
    /// A backup that has ended is found gone, or unfit.
    Lose(usize, bool),
    Pin(usize, bool),
    Use(usize, bool),
    /// A user deletes a backup that the status knows.
    Delete(usize),
    Suspend(bool),
    KeepLast(i32),
    Schedule(usize),
    Pause(bool),
    /// The instance is at its limit, and a backup that waits says so.
    Full(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (-2000_i64..4000).prop_map(Event::Clock),
        2 => (1_i64..120).prop_map(Event::Clock),
        8 => (1_usize..6).prop_map(Event::Reconcile),
        6 => (any::<usize>(), prop::bool::weighted(0.7)).prop_map(|(n, well)| Event::End(n, well)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, unfit)| Event::Lose(n, unfit)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, pinned)| Event::Pin(n, pinned)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, used)| Event::Use(n, used)),
        1 => any::<usize>().prop_map(Event::Delete),
        1 => any::<bool>().prop_map(Event::Suspend),
        1 => (1_i32..5).prop_map(Event::KeepLast),
        1 => (0_usize..4).prop_map(Event::Schedule),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => any::<bool>().prop_map(Event::Full),
    ]
}

const SCHEDULES: [&str; 4] = ["0 3 * * *", "*/30 1-3 * * *", "0 * * * *", "30 2 * * 0"];

fn nth(sim: &Sim, n: usize, fits: impl Fn(&Child) -> bool) -> Option<String> {
    let names: Vec<_> =
        sim.children.values().filter(|child| fits(child)).map(|child| child.name.clone()).collect();
    (!names.is_empty()).then(|| names[n % names.len()].clone())
}

/// One reconcile, judged.
fn reconcile(sim: &mut Sim) -> Result<(), TestCaseError> {
    let plan = sim.plan();
    match &plan.step {
        Step::Prepare(KubeAction::Create(backup)) => {
            let name = backup.metadata.name.clone().unwrap();
            prop_assert!(!sim.created.contains_key(&name), "{name} is made twice");
            let last = sim.status.last_schedule_time.as_ref().map(time::from_kube);
            let slot = crate::formats::slot_of_backup("nightly", &name);
            prop_assert!(
                last.is_none_or(|last| slot.is_some_and(|slot| slot > last)),
                "{name} after {last:?}"
            );
            let before = time::from_kube(backup.spec.start_before.as_ref().unwrap());
            prop_assert!(before > sim.now(), "{name} could not begin any more");
            let is_open = |child: &&Child| child.outcome.is_none();
            prop_assert!(sim.children.values().find(is_open).is_none(), "another one runs");
            prop_assert!(sim.o.spec.suspend != Some(true));
        }
        Step::Prepare(KubeAction::Delete { name, .. }) => {
            let child = &sim.children[name];
            prop_assert!(!child.keeps && !child.used && !child.deleting, "{child:?}");
            let newest = sim.children.values().filter(|child| child.state() == ChildState::Restorable);
            let newest = newest.max_by_key(|child| (child.completed, child.name.clone()));
            prop_assert!(newest.is_none_or(|newest| newest.name != *name), "{name} is the newest");
            prop_assert!(sim.o.spec.suspend != Some(true));
        }
        Step::Nothing => {}
        other => return Err(TestCaseError::fail(format!("{other:?}"))),
    }
    sim.step();
    Ok(())
}

fn happen(sim: &mut Sim, event: &Event) -> Result<(), TestCaseError> {
    match event {
        Event::Clock(minutes) => sim.wall += TimeDelta::minutes(*minutes),
        Event::Reconcile(times) => (0..*times).try_for_each(|_| reconcile(sim))?,
        Event::End(n, well) => {
            if let Some(name) = nth(sim, *n, |child| child.outcome.is_none()) {
                sim.end(&name, *well);
            }
        }
        Event::Lose(n, unfit) => {
            if let Some(name) = nth(sim, *n, |child| child.state() == ChildState::Restorable) {
                let reason = if *unfit { "NotRestorable" } else { "ExternallyDeleted" };
                sim.children.get_mut(&name).unwrap().ready = Some(("False".to_owned(), reason.to_owned()));
            }
        }
        Event::Pin(n, pinned) => {
            if let Some(name) = nth(sim, *n, |_| true) {
                sim.children.get_mut(&name).unwrap().keeps = *pinned;
            }
        }
        Event::Use(n, used) => {
            if let Some(name) = nth(sim, *n, |_| true) {
                sim.children.get_mut(&name).unwrap().used = *used;
            }
        }
        Event::Delete(n) => {
            let last = sim.status.last_schedule_time.as_ref().map(time::from_kube);
            let slot = |child: &Child| crate::formats::slot_of_backup("nightly", &child.name);
            let is_known =
                |child: &Child| last.is_some_and(|last| slot(child).is_none_or(|slot| slot <= last));
            if let Some(name) = nth(sim, *n, is_known) {
                sim.children.remove(&name);
            }
        }
        Event::Suspend(suspend) => sim.edit(|spec| spec.suspend = Some(*suspend)),
        Event::KeepLast(keep) => sim.edit(|spec| spec.retention.keep_last = Some(*keep)),
        Event::Schedule(n) => sim.edit(|spec| spec.schedule = SCHEDULES[*n].to_owned()),
        Event::Pause(paused) => sim.instance(|view| view.paused = *paused),
        Event::Full(full) => {
            let total = if *full { 24 } else { 3 };
            sim.o.instance_backups = Some(InstanceBackups { total, ..InstanceBackups::default() });
            for child in sim.children.values_mut().filter(|child| child.outcome.is_none()) {
                child.stalled = full.then(|| "BackupLimitReached".to_owned());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_run_is_made_twice_and_nothing_that_has_to_stay_goes(
        events in prop::collection::vec(event(), 1..80),
        immediate in any::<bool>(),
        deadline in prop::option::of(60_i32..7200),
    ) {
        let mut sim = Sim::new("2026-03-07T00:00:00Z", NIGHTLY, json!({"immediate": immediate, "timeZone": "America/New_York",
            "startingDeadlineSeconds": deadline, "retention": {"keepLast": 2, "maxAgeDays": 5, "keepFailed": 1}}));
        for event in &events {
            happen(&mut sim, event)?;
        }
        // It comes to rest, and the next run is made.
        sim.instance(|view| view.paused = false);
        sim.o.instance_backups = None;
        sim.edit(|spec| spec.suspend = Some(false));
        sim.run();
        let next = sim.status.next_schedule_time.as_ref().map(time::from_kube).unwrap();
        sim.wall = next;
        sim.run();
        // It may exist: the clock may have been set back since it was made.
        prop_assert!(sim.created.contains_key(&crate::formats::scheduled_backup_name("nightly", next)));
    }
}
