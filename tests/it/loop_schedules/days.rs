//! Sixty days of the calendar, in which one clock goes forward and another one back.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use dcs_operator::{
    dcs::{Cloud, model::UpdateInstance},
    inventory::InventorySettings,
};

use super::*;

const BEGIN: &str = "2026-03-01T00:00:00Z";
const DAYS: i64 = 61;
const SCHEDULES: [(&str, &str, usize); 2] =
    [("new-york", "America/New_York", 7), ("sydney", "Australia/Sydney", 5)];
/// Days of March on which the operator is down, until the end of the last one.
const DOWN: [u32; 3] = [10, 11, 12];
/// Nights in April on which the backups of New York fail.
const FAILING: [u32; 4] = [14, 15, 16, 17];
const KEEP_FAILED: usize = 3;
const PINNED: &str = "new-york-202603050730";

fn date(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

/// When 02:30 is on a day of UTC, by the calendars of the two cities.
fn time_of(schedule: &str, day: NaiveDate) -> DateTime<Utc> {
    let (hour, minute) = match schedule {
        // The clocks skip 02:30 on 8 March.
        "new-york" if day < date(3, 8) => (7, 30),
        "new-york" if day == date(3, 8) => (7, 0),
        "new-york" => (6, 30),
        // 02:30 of the next day in Sydney. The clocks repeat it on 5 April: the first one counts.
        _ if day <= date(4, 4) => (15, 30),
        _ => (16, 30),
    };
    day.and_hms_opt(hour, minute, 0).unwrap().and_utc()
}

fn name_of(schedule: &str, day: NaiveDate) -> String {
    format!("{schedule}-{}", time_of(schedule, day).format("%Y%m%d%H%M"))
}

/// What a schedule has, by the rules in words.
#[derive(Default)]
struct Expected {
    kept: Vec<String>,
    pinned: Vec<String>,
    failed: Vec<String>,
    runs: usize,
}

impl Expected {
    fn run(&mut self, name: String, fails: bool, keep: usize) {
        self.runs += 1;
        if fails {
            self.failed.push(name);
        } else {
            self.kept.push(name);
        }
        self.failed.drain(..self.failed.len().saturating_sub(KEEP_FAILED));
        self.kept.drain(..self.kept.len().saturating_sub(keep));
    }

    fn names(&self) -> Vec<String> {
        let mut names = [self.kept.clone(), self.pinned.clone(), self.failed.clone()].concat();
        names.sort();
        names
    }
}

/// A cloud in which the policy of the instance makes a backup each night, and two schedules.
fn begun() -> World {
    // Fewer polls than by default: what is judged here happens at the times of the schedules.
    let inventory = InventorySettings {
        poll_interval_idle: Duration::from_secs(500),
        overdue_after: Duration::from_secs(750),
        ..setup().inventory
    };
    let mut world = World::at(BEGIN.parse().unwrap(), quick_cloud(), Setup { inventory, ..setup() });
    with_instance(&mut world);
    let id = world.instances()[0].id.clone();
    let policy = json!({"backup_type": "auto", "save_days": 7,
        "periodical_backup_plan": {"backup_at": [1, 2, 3, 4, 5, 6, 7], "period_type": "weekly", "begin_at": "21:00-22:00"}});
    let change = UpdateInstance {
        instance_backup_policy: Some(serde_json::from_value(policy).unwrap()),
        ..UpdateInstance::default()
    };
    drive(world.client().update_instance(&id, &change)).unwrap();
    for (name, zone, keep) in SCHEDULES {
        let more = json!({"timeZone": zone, "retention": {"keepLast": keep, "keepFailed": KEEP_FAILED}});
        schedule(&world, name, "30 2 * * *", more);
    }
    world
}

fn automatic(world: &World) -> Vec<BackupRecord> {
    records(world).into_iter().filter(|record| record.backup_type == Some(BackupType::Auto)).collect()
}

/// Goes through the day, with what happens on it.
fn live_through(world: &mut World, day: NaiveDate) {
    let at = |time: DateTime<Utc>| time.to_rfc3339();
    let is_down = |day: NaiveDate| DOWN.iter().any(|down| day == date(3, *down));
    if is_down(day) {
        world.processes.clear();
    } else if world.processes.is_empty() {
        world.add_process();
    }
    if FAILING.iter().any(|night| day == date(4, *night)) {
        let due = time_of("new-york", day);
        run_until(world, &at(due - TimeDelta::minutes(5)));
        world.mutate_cloud(|service| service.fail_next_backups(1));
        run_until(world, &at(due + TimeDelta::minutes(5)));
    }
    run_until(world, &at(day.and_hms_opt(23, 0, 0).unwrap().and_utc()));
    if day == date(3, 5) {
        world.cluster.change(&backup_key(PINNED), |object: &mut DcsBackup| object.spec.pinned = Some(true));
    }
    run_until(world, &at((day + TimeDelta::days(1)).and_hms_opt(0, 0, 0).unwrap().and_utc()));
}

#[test]
fn sixty_days_have_exactly_the_expected_backups() {
    let mut world = begun();
    let mut expected: BTreeMap<&str, Expected> = BTreeMap::new();
    let first = date(3, 1);
    for day in (0..DAYS).map(|n| first + TimeDelta::days(n)) {
        live_through(&mut world, day);
        if DOWN.iter().any(|down| day == date(3, *down)) {
            continue;
        }
        for (schedule, _, keep) in SCHEDULES {
            let expected = expected.entry(schedule).or_default();
            // One run makes up for the days before.
            if day == date(3, 13) {
                expected.run(name_of(schedule, date(3, 12)), false, keep);
            }
            let fails = schedule == "new-york" && FAILING.iter().any(|night| day == date(4, *night));
            expected.run(name_of(schedule, day), fails, keep);
            if day == date(3, 5) && schedule == "new-york" {
                expected.kept.retain(|name| name != PINNED);
                expected.pinned.push(PINNED.to_owned());
            }
            assert_eq!(children(&world, schedule), expected.names(), "{schedule}, {day}");
            let status = status(&world, schedule);
            assert_eq!(status.active, None, "{schedule}, {day}");
            let counts = status.backups.unwrap();
            let count = |names: &[String]| i32::try_from(names.len()).ok();
            let failed = expected.failed.len();
            assert_eq!(
                (counts.kept, counts.pinned, counts.failed.map(|n| n as usize)),
                (count(&expected.kept), count(&expected.pinned), Some(failed)),
                "{schedule}, {day}"
            );
            let last = if fails { "False/Failed" } else { "True/Succeeded" };
            assert_eq!(condition(&world, schedule, "LastRunSucceeded"), last, "{schedule}, {day}");
            assert_eq!(condition(&world, schedule, "Ready"), "True/Armed", "{schedule}, {day}");
        }
    }
    let runs: usize = expected.values().map(|expected| expected.runs).sum();
    let all = records(&world);
    let manual: Vec<_> = all.iter().filter(|record| record.backup_type == Some(BackupType::Manual)).collect();
    let marks: BTreeSet<_> = manual.iter().map(|record| record.remark.clone()).collect();
    assert_eq!((manual.len(), marks.len(), requested(&world)), (runs, runs, runs), "each run was made once");
    assert_eq!(automatic(&world).len() as i64, DAYS, "the policy went on");
    let pinned: DcsBackup = world.cluster.read(&backup_key(PINNED)).unwrap();
    let id = pinned.status.unwrap().id.unwrap();
    let pinned = all.iter().find(|record| record.backup_id == id).unwrap();
    assert_eq!(pinned.status, Some(BackupStatus::Succeed));
    let copies = all.iter().filter(|record| record.status == Some(BackupStatus::Succeed)).count();
    assert!(copies <= 7 + 1 + 5 + 8, "{copies} copies");
}
