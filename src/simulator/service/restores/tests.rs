use serde_json::{Value, json};

use super::*;
use crate::{
    dcs::model::{BackupStatus, RestorePage, RestoreStatus},
    simulator::{BackupOptions, Options, Site, service::fixtures::Cloud},
};

const HA: &str = "redis.ha.xu1.large.r2.4";
/// Seconds from the request to the end of a backup or restore.
const WHOLE: i64 = 70;

/// A running instance with a backup that was made while it used 700 MB; it uses 900 MB now.
fn with_backup(cloud: &mut Cloud) -> (String, String) {
    let id = cloud.running(HA, 4.0);
    fill(cloud, &id, 700);
    let reply = cloud.ok("CopyInstance", &id, json!({"remark": "before the sale"}));
    cloud.wait(WHOLE);
    fill(cloud, &id, 900);
    (id, reply.body["backup_id"].as_str().unwrap().to_owned())
}

fn fill(cloud: &mut Cloud, id: &str, megabytes: i64) {
    cloud.service.alter(id, json!({"used_memory": megabytes}).as_object().unwrap()).unwrap();
}

fn try_restore(cloud: &mut Cloud, id: &str, body: Value) -> Reply {
    cloud.call("RestoreInstance", &[("instance_id", id)], &[], body)
}

fn records(cloud: &mut Cloud, id: &str) -> Value {
    cloud.get("ListRestoreRecords", &[("instance_id", id)], &[]).body["restore_record_response"].take()
}

#[test]
fn a_restore_brings_the_data_back() {
    let mut cloud = Cloud::default();
    let (id, backup_id) = with_backup(&mut cloud);
    assert_eq!(cloud.get("ListRestoreRecords", &[("instance_id", &id)], &[]).status, 204);
    let reply = try_restore(&mut cloud, &id, json!({"backup_id": backup_id, "remark": "undo"}));
    assert_eq!(reply.status, 200);
    for (wait, status, progress) in
        [(0, "waiting", "0.00"), (9, "waiting", "0.00"), (1, "restoring", "0.00"), (45, "restoring", "75.00")]
    {
        cloud.wait(wait);
        let record = &records(&mut cloud, &id)[0];
        assert_eq!((&record["status"], &record["progress"]), (&json!(status), &json!(progress)));
        let shown = cloud.show(&id);
        assert_eq!((&shown["status"], &shown["task"]), (&json!("RESTORING"), &json!("RESTORING")));
        assert_eq!(shown["used_memory"], 900);
    }
    cloud.wait(15);
    let shown = cloud.show(&id);
    assert_eq!((&shown["status"], &shown["task"]), (&json!("RUNNING"), &Value::Null));
    assert_eq!(shown["used_memory"], 700);
    let record = &records(&mut cloud, &id)[0];
    for (name, value) in [
        ("restore_id", reply.body["restore_id"].clone()),
        ("backup_id", json!(backup_id)),
        ("backup_remark", json!("before the sale")),
        ("restore_remark", json!("undo")),
        ("status", json!("succeed")),
        ("progress", json!("100.00")),
        ("error_code", json!({})),
        ("backup_name", json!("backup_20260101000140")),
        ("restore_name", json!("restore_20260101000250")),
        ("created_at", json!("2026-01-01T00:02:50.000Z")),
        ("updated_at", json!("2026-01-01T00:04:00.000Z")),
    ] {
        assert_eq!(record[name], value, "{name}");
    }
    let tasks = cloud.get("ListBackgroundTask", &[("instance_id", &id)], &[]).body;
    assert_eq!(tasks["tasks"][0]["name"], "RestoreInstance");
}

#[test]
fn an_instance_that_is_restored_refuses_what_it_cannot_do() {
    let mut cloud = Cloud::default();
    let (id, backup_id) = with_backup(&mut cloud);
    try_restore(&mut cloud, &id, json!({"backup_id": backup_id}));
    for (operation, body) in [
        ("CopyInstance", json!({})),
        ("RestoreInstance", json!({"backup_id": backup_id})),
        ("ResizeInstance", json!({"spec_code": "redis.ha.xu1.large.r2.8", "new_capacity": 8})),
        ("DeleteBackupFile", Value::Null),
        ("DeleteInstance", Value::Null),
    ] {
        let arguments = [("instance_id", id.as_str()), ("backup_id", backup_id.as_str())];
        let reply = cloud.call(operation, &arguments, &[], body);
        assert_eq!(reply.body["error_code"], "DCS.4097", "{operation}");
    }
}

#[test]
fn only_a_backup_that_fits_can_be_restored() {
    let mut cloud = Cloud::default();
    let (id, backup_id) = with_backup(&mut cloud);
    let (other, others) = with_backup(&mut cloud);
    cloud.service.fail_next_backups(1);
    let failed = cloud.ok("CopyInstance", &id, json!({})).body["backup_id"].take();
    cloud.wait(WHOLE);
    let single = cloud.running("redis.single.xu1.tiny.128", 0.125);
    for (id, body, expected) in [
        (&single, json!({"backup_id": backup_id}), "DCS.4086"),
        (&id, Value::Null, "DCS.4004"),
        (&id, json!({}), "DCS.4063"),
        (&id, json!({"backup_id": "unknown"}), "DCS.4063"),
        (&id, json!({"backup_id": others}), "DCS.4063"),
        (&id, json!({"backup_id": failed}), "DCS.4087"),
        (&id, json!({"backup_id": backup_id, "remark": "x".repeat(129)}), "DCS.4098"),
    ] {
        assert_eq!(try_restore(&mut cloud, id, body.clone()).body["error_code"], expected, "{body}");
    }
    for status in [BackupStatus::Expired, BackupStatus::Deleted] {
        cloud.service.force_backup(&other, &others, &status).unwrap();
        let reply = try_restore(&mut cloud, &other, json!({"backup_id": others}));
        assert_eq!(reply.body["error_code"], "DCS.4087", "{status}");
    }
    cloud.service.alter(&id, json!({"capacity": 2}).as_object().unwrap()).unwrap();
    let reply = try_restore(&mut cloud, &id, json!({"backup_id": backup_id}));
    assert_eq!(reply.body["error_code"], "DCS.4087", "from before a scale-down");
}

#[test]
fn a_broken_restore_leaves_the_data() {
    let mut cloud = Cloud::default();
    let (id, backup_id) = with_backup(&mut cloud);
    cloud.service.fail_next_restores(1);
    for (status, error, used) in [("failed", json!("dcs.08.0007"), 900), ("succeed", json!({}), 700)] {
        try_restore(&mut cloud, &id, json!({"backup_id": backup_id}));
        assert_eq!(records(&mut cloud, &id)[0]["error_code"], json!({}), "not yet");
        cloud.wait(WHOLE);
        let record = &records(&mut cloud, &id)[0];
        assert_eq!((&record["status"], &record["error_code"]), (&json!(status), &error));
        let shown = cloud.show(&id);
        assert_eq!((&shown["status"], &shown["used_memory"]), (&json!("RUNNING"), &json!(used)));
    }
}

#[test]
fn restores_are_listed_for_a_time() {
    let day = std::time::Duration::from_secs(86_400);
    let backups =
        BackupOptions { restores_listed: day, offset_counts_pages: true, ..BackupOptions::default() };
    let mut cloud = Cloud::new(Options { backups, ..Options::default() });
    let (id, backup_id) = with_backup(&mut cloud);
    for _ in 0..3 {
        try_restore(&mut cloud, &id, json!({"backup_id": backup_id}));
        cloud.wait(3600);
    }
    let page = |cloud: &mut Cloud, query: &[(&str, &str)]| {
        let body = cloud.get("ListRestoreRecords", &[("instance_id", &id)], query).body;
        let page: Option<RestorePage> = serde_json::from_value(body).unwrap();
        page.map_or((0, 0), |page| (page.total_num, page.records.len()))
    };
    assert_eq!(page(&mut cloud, &[]), (3, 3));
    assert_eq!(page(&mut cloud, &[("limit", "2"), ("offset", "1")]), (3, 1), "pages are counted");
    assert_eq!(page(&mut cloud, &[("begin_time", "20260101003000")]), (2, 2));
    cloud.wait(86_400 - 2 * 3600 - 1);
    assert_eq!(page(&mut cloud, &[]), (2, 2), "one second before the second one leaves");
    cloud.wait(1);
    assert_eq!(page(&mut cloud, &[]), (1, 1));
    cloud.wait(86_400);
    assert_eq!(page(&mut cloud, &[]), (0, 0));
}

#[test]
fn every_site_shows_the_same_restores() {
    let read = |site| {
        let mut cloud = Cloud::new(Options { site, ..Options::default() });
        let (id, backup_id) = with_backup(&mut cloud);
        cloud.service.fail_next_restores(1);
        for _ in 0..2 {
            try_restore(&mut cloud, &id, json!({"backup_id": backup_id}));
            cloud.wait(WHOLE);
        }
        let body = cloud.get("ListRestoreRecords", &[("instance_id", &id)], &[]).body;
        serde_json::from_value::<RestorePage>(body).unwrap()
    };
    let main = read(Site::Main);
    assert_eq!(main.records[0].status, Some(RestoreStatus::Succeed));
    assert_eq!(main.records[1].error_code.as_deref(), Some("dcs.08.0007"));
    for site in Site::ALL {
        assert_eq!(read(site), main, "{site}");
    }
}
