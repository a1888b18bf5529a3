//! `status.backups`: whose list it comes from, and when the operator asks for one.

use super::*;
use crate::{
    api::instance::InstanceBackups, dcs::model::BackupRecord, plan::instance::observed::ListedBackups,
};

fn record(id: &str, status: &str, type_: &str, day: u32) -> BackupRecord {
    let time = |hour: u32| format!("2026-11-{day:02}T{hour:02}:00:00.000Z");
    serde_json::from_value(json!({
        "backup_id": id, "status": status, "backup_type": type_, "is_support_restore": status == "succeed",
        "created_at": time(1), "updated_at": time(2),
    }))
    .unwrap()
}

fn listed(instance: &str, begun: u64, records: &[BackupRecord]) -> Option<ListedBackups> {
    Some(ListedBackups { instance: instance.to_owned(), begun: s(begun), records: records.into() })
}

/// An object at rest, a resync interval after this process first saw it. The lists are new.
fn at_slow_round() -> Observed {
    let mut o = in_sync(json!({}), ours(ID));
    let now = 900 + resync_interval();
    o.now = Now { wall: wall(WALL + now as i64), monotonic: s(now) };
    o.lists = Some(listed_at(now - 60, now - 5));
    list(&mut o, &[ours(ID)]);
    o
}

fn backups(o: &Observed) -> InstanceBackups {
    plan(o).status.backups.unwrap()
}

#[test]
fn the_numbers_are_those_of_the_list() {
    let mut o = in_sync(json!({}), ours(ID));
    o.backups = listed(
        ID,
        950,
        &[
            record("a", "succeed", "auto", 1),
            record("b", "succeed", "manual", 3),
            record("c", "succeed", "auto", 2),
            record("d", "backuping", "manual", 4),
            record("e", "failed", "manual", 5),
            record("f", "expired", "auto", 6),
            record("g", "deleted", "manual", 7),
        ],
    );
    let found = backups(&o);
    assert_eq!((found.total, found.automatic, found.limit), (4, 2, Some(24)));
    assert_eq!(found.last_successful_id.as_deref(), Some("b"));
    let time = found.last_successful_time.map(|time| time::from_kube(&time).to_rfc3339());
    assert_eq!(time.as_deref(), Some("2026-11-03T02:00:00+00:00"));

    // A process without a list keeps them.
    let before = backups(&o);
    o.status = plan(&o).status;
    (o.backups, o.settings.backup_limit) = (None, None);
    assert_eq!(backups(&o), before);
}

#[test]
fn without_a_limit_there_is_none_in_the_status() {
    let mut o = in_sync(json!({}), ours(ID));
    (o.backups, o.settings.backup_limit) = (listed(ID, 950, &[]), None);
    assert_eq!(backups(&o), InstanceBackups::default());
}

/// A list of another instance is no list of this one, and one that the object may not report is not reported.
#[test]
fn only_the_own_instance_is_reported() {
    let mut o = in_sync(json!({}), ours(ID));
    o.backups = listed(OTHER, 950, &[record("a", "succeed", "auto", 1)]);
    assert_eq!(plan(&o).status.backups, None);
    let mut o = in_sync(json!({}), ours(ID));
    o.backups = listed(ID, 950, &[record("a", "succeed", "auto", 1)]);
    let foreign = instance(ID, owner_tags_of("another-uid", &OwnerHash::new("c", "n", "x"), Origin::Created));
    list(&mut o, std::slice::from_ref(&foreign));
    o.lookups.detail = found(foreign);
    assert_eq!(plan(&o).status.backups, None);
}

#[test]
fn the_numbers_go_with_the_instance() {
    let mut o = in_sync(json!({}), ours(ID));
    o.backups = listed(ID, 950, &[record("a", "succeed", "auto", 1)]);
    o.status = plan(&o).status;
    o.backups = None;
    list(&mut o, &[]);
    (o.lookups.detail, o.local.gone) = (read(Detail::NotFound), Some((ID.to_owned(), s(990))));
    assert_eq!(plan(&o).status.backups, None);
}

#[test]
fn a_time_in_the_future_is_not_reported_and_does_not_move() {
    let mut o = in_sync(json!({}), ours(ID));
    o.now.wall = DateTime::parse_from_rfc3339("2026-11-01T01:30:00Z").unwrap().to_utc();
    o.backups = listed(ID, 950, &[record("a", "succeed", "auto", 1)]);
    let first = backups(&o);
    assert_eq!(first.last_successful_time, Some(time::to_kube(o.now.wall)));
    o.status.backups = Some(first.clone());
    o.now.wall += chrono::TimeDelta::minutes(10);
    assert_eq!(backups(&o), first);
    o.now.wall += chrono::TimeDelta::hours(1);
    assert_eq!(
        backups(&o).last_successful_time.map(|at| time::from_kube(&at).to_rfc3339()).as_deref(),
        Some("2026-11-01T02:00:00+00:00")
    );
}

#[test]
fn the_slow_round_lists_once() {
    let mut o = at_slow_round();
    assert_eq!(step_of(&plan(&o)), "list backups");
    // Whatever the answer was: a list that is refused is asked for again a resync interval later.
    o.local.backups_asked = Some(o.now.monotonic);
    let refused = plan(&o);
    assert_eq!((step_of(&refused).as_str(), refused.status.backups.clone()), ("nothing", None));
    assert_eq!(refused.status, o.status, "no condition changes");
    o.backups = listed(ID, o.now.monotonic.as_secs(), &[record("a", "succeed", "auto", 1)]);
    let plan = plan(&o);
    assert_eq!(step_of(&plan), "nothing");
    assert_eq!(plan.status.backups.map(|found| found.total), Some(1));
}

#[test]
fn no_list_is_read_where_one_is_known_or_of_no_use() {
    type Case = (&'static str, fn(&mut Observed));
    let cases: [Case; 8] = [
        ("before a resync interval", |o| o.now.monotonic -= s(1)),
        ("a DcsBackup has listed them", |o| o.backups = listed(ID, 1000, &[])),
        ("asked for before", |o| o.local.backups_asked = Some(s(1000))),
        ("deletion", |o| o.subject.deleting = true),
        ("single-node", |o| o.status.resolved.as_mut().unwrap().cache_mode = Some("single".to_owned())),
        ("not serving", |o| list(o, &[with_status("FROZEN", ours(ID))])),
        ("without an account", |o| (o.account, o.lists) = (Err(blocker(Reason::CredentialsMissing)), None)),
        ("with news", |o| o.subject.generation = 2),
    ];
    for (name, change) in cases {
        let mut o = at_slow_round();
        change(&mut o);
        assert_ne!(step_of(&plan(&o)), "list backups", "{name}");
    }
    // Another instance's list is none.
    let mut o = at_slow_round();
    o.backups = listed(OTHER, 4000, &[]);
    assert_eq!(step_of(&plan(&o)), "list backups");
}
