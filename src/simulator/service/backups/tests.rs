use std::time::Duration;

use chrono::{TimeDelta, Timelike, Weekday};
use serde_json::{Value, json};

use super::*;
use crate::{
    dcs::model::{BackupPage, BackupStatus},
    simulator::{BackupOptions, Options, Site, service::fixtures::Cloud},
};

const HA: &str = "redis.ha.xu1.large.r2.4";
/// Seconds from the request to the end of a backup.
const WHOLE: i64 = 70;

fn with(options: BackupOptions) -> Cloud {
    Cloud::new(Options { backups: options, redis_3: true, ..Options::default() })
}

fn try_backup(cloud: &mut Cloud, id: &str, body: Value) -> Reply {
    cloud.call("CopyInstance", &[("instance_id", id)], &[], body)
}

/// Requests a backup and returns its id.
fn backup(cloud: &mut Cloud, id: &str) -> String {
    let reply = try_backup(cloud, id, json!({"remark": "r"}));
    reply.body["backup_id"].as_str().expect("a backup").to_owned()
}

/// Makes a backup and waits for its end.
fn made(cloud: &mut Cloud, id: &str) -> String {
    let backup_id = backup(cloud, id);
    cloud.wait(WHOLE);
    backup_id
}

fn list(cloud: &mut Cloud, id: &str, query: &[(&str, &str)]) -> Reply {
    cloud.get("ListBackupRecords", &[("instance_id", id)], query)
}

/// All backups, newest first.
fn records(cloud: &mut Cloud, id: &str) -> Vec<Value> {
    let reply = list(cloud, id, &[("limit", "1000")]);
    reply.body["backup_record_response"].as_array().cloned().unwrap_or_default()
}

fn statuses(cloud: &mut Cloud, id: &str) -> Vec<String> {
    records(cloud, id).iter().map(|record| record["status"].as_str().unwrap().to_owned()).collect()
}

fn delete(cloud: &mut Cloud, id: &str, backup_id: &str) -> (u16, Value) {
    let arguments = [("instance_id", id), ("backup_id", backup_id)];
    let reply = cloud.call("DeleteBackupFile", &arguments, &[], Value::Null);
    (reply.status, reply.body["error_code"].clone())
}

fn code(reply: &Reply) -> &str {
    reply.body["error_code"].as_str().unwrap_or_default()
}

#[test]
fn a_backup_waits_runs_and_succeeds() {
    let mut cloud = Cloud::default();
    let id = cloud.running(HA, 4.0);
    let backup_id = backup(&mut cloud, &id);
    for (wait, status, progress, size) in [
        (0, "waiting", "0.00", json!(null)),
        (9, "waiting", "0.00", json!(null)),
        (1, "backuping", "0.00", json!(null)),
        (30, "backuping", "50.00", json!(null)),
        (29, "backuping", "98.33", json!(null)),
    ] {
        cloud.wait(wait);
        let record = &records(&mut cloud, &id)[0];
        assert_eq!((&record["status"], &record["progress"]), (&json!(status), &json!(progress)));
        assert_eq!((&record["size"], &record["is_support_restore"]), (&size, &json!("FALSE")));
        let shown = cloud.show(&id);
        assert_eq!((&shown["status"], &shown["task"]), (&json!("RUNNING"), &json!("BACKUPING")));
    }
    cloud.wait(1);
    let record = &records(&mut cloud, &id)[0];
    for (name, value) in [
        ("backup_id", json!(backup_id)),
        ("instance_id", json!(id)),
        ("status", json!("succeed")),
        ("progress", json!("100.00")),
        ("is_support_restore", json!("TRUE")),
        ("backup_type", json!("manual")),
        ("backup_format", json!("rdb")),
        ("remark", json!("r")),
        ("size", json!(1_048_576)),
        // As the example of the reference.
        ("error_code", json!({})),
        ("period", json!({})),
        ("backup_name", json!("backup_20260101000140")),
        ("created_at", json!("2026-01-01T00:01:40.000Z")),
        ("execution_at", json!("2026-01-01T00:01:50.000Z")),
        ("updated_at", json!("2026-01-01T00:02:50.000Z")),
    ] {
        assert_eq!(record[name], value, "{name}");
    }
    assert_eq!(cloud.show(&id)["task"], Value::Null);
    let tasks = cloud.get("ListBackgroundTask", &[("instance_id", &id)], &[]).body;
    let task = &tasks["tasks"][0];
    assert_eq!((&task["name"], &task["status"]), (&json!("BackupInstance"), &json!("SUCCESS")));
}

#[test]
fn an_instance_that_is_backed_up_refuses_what_it_cannot_do() {
    let mut cloud = Cloud::default();
    let id = cloud.running(HA, 4.0);
    let backup_id = made(&mut cloud, &id);
    let running = backup(&mut cloud, &id);
    for (operation, body) in [
        ("CopyInstance", json!({})),
        ("RestoreInstance", json!({"backup_id": backup_id})),
        ("ResizeInstance", json!({"spec_code": "redis.ha.xu1.large.r2.8", "new_capacity": 8})),
        ("UpdateInstance", json!({"port": 7001})),
        ("ResetPassword", json!({"new_password": "Another-1"})),
        ("DeleteInstance", Value::Null),
    ] {
        let reply = cloud.call(operation, &[("instance_id", &id)], &[], body);
        assert_eq!(code(&reply), "DCS.4096", "{operation}");
    }
    assert_eq!(delete(&mut cloud, &id, &running), (400, json!("DCS.4096")));
    assert_eq!(delete(&mut cloud, &id, &backup_id).0, 204, "another one can be deleted");
}

#[test]
fn requests_are_checked() {
    let mut cloud = Cloud::default();
    let (ha, single) = (cloud.running(HA, 4.0), cloud.running("redis.single.xu1.tiny.128", 0.125));
    let old = cloud.running("dcs.master_standby", 4.0);
    let creating = cloud.create(HA, 4.0, json!({}));
    for (id, body, expected) in [
        (&single, json!({}), "DCS.4086"),
        (&creating, json!({}), "DCS.4118"),
        (&ha, Value::Null, "DCS.4004"),
        (&ha, json!([]), "DCS.4005"),
        (&ha, json!({"remark": 1}), "DCS.4005"),
        (&ha, json!({"remark": "x".repeat(129)}), "DCS.4098"),
        (&ha, json!({"backup_format": "zip"}), "DCS.4800"),
        (&old, json!({"backup_format": "rdb"}), "DCS.4800"),
    ] {
        assert_eq!(code(&try_backup(&mut cloud, id, body.clone())), expected, "{body}");
    }
    for (id, body, format) in [
        (&ha, json!({}), "rdb"),
        (&ha, json!({"backup_format": "aof", "remark": "x".repeat(128)}), "aof"),
        (&ha, json!({"backup_format": "", "remark": ""}), "rdb"),
        (&old, json!({}), "aof"),
        (&old, json!({"backup_format": "aof"}), "aof"),
    ] {
        assert_eq!(try_backup(&mut cloud, id, body.clone()).status, 200, "{body}");
        cloud.wait(WHOLE);
        assert_eq!(records(&mut cloud, id)[0]["backup_format"], format, "{body}");
    }
    let missing = "3c49fd6b-fc7c-419e-9644-b6cce008653f";
    assert_eq!(code(&try_backup(&mut cloud, missing, json!({}))), "DCS.3022");
    assert_eq!(code(&list(&mut cloud, missing, &[])), "DCS.3022");
    let mut cloud = with(BackupOptions { offered: false, ..BackupOptions::default() });
    let id = cloud.running(HA, 4.0);
    assert_eq!(code(&try_backup(&mut cloud, &id, json!({}))), "DCS.4095");
}

#[test]
fn pages_and_times() {
    let mut cloud = Cloud::default();
    let id = cloud.running(HA, 4.0);
    let empty = list(&mut cloud, &id, &[]);
    assert_eq!((empty.status, empty.body), (204, Value::Null));
    let made: Vec<_> = (0..3).map(|_| made(&mut cloud, &id)).collect();
    for (query, total, expected) in [
        (vec![], 3, vec![2, 1, 0]),
        (vec![("limit", "2")], 3, vec![2, 1]),
        (vec![("limit", "2"), ("offset", "1")], 3, vec![1, 0]),
        (vec![("offset", "3")], 3, vec![]),
        (vec![("begin_time", "20260101000250")], 2, vec![2, 1]),
        (vec![("end_time", "20260101000250")], 2, vec![1, 0]),
        (vec![("begin_time", "20260101000250"), ("end_time", "20260101000250")], 1, vec![1]),
    ] {
        let reply = list(&mut cloud, &id, &query);
        let page: BackupPage = serde_json::from_value(reply.body).unwrap();
        let ids: Vec<_> = page.records.into_iter().map(|record| record.backup_id).collect();
        let expected: Vec<_> = expected.into_iter().map(|n: usize| made[n].clone()).collect();
        assert_eq!((page.total_num, ids), (total, expected), "{query:?}");
    }
    assert_eq!(list(&mut cloud, &id, &[("end_time", "20250101000000")]).status, 204);
    for (query, expected) in [
        (vec![("begin_time", "20260101001000")], "DCS.4031"),
        (vec![("begin_time", "20260101000200"), ("end_time", "20260101000100")], "DCS.4025"),
        (vec![("begin_time", "yesterday")], "DCS.4800"),
        (vec![("limit", "0")], "DCS.4800"),
    ] {
        assert_eq!(code(&list(&mut cloud, &id, &query)), expected, "{query:?}");
    }
    cloud.service.options.backups.offset_counts_pages = true;
    let ids = |cloud: &mut Cloud, offset| {
        let reply = list(cloud, &id, &[("limit", "2"), ("offset", offset)]);
        reply.body["backup_record_response"].as_array().unwrap().len()
    };
    assert_eq!((ids(&mut cloud, "0"), ids(&mut cloud, "1"), ids(&mut cloud, "2")), (2, 1, 0));
}

#[test]
fn one_more_than_the_limit_removes_the_earliest() {
    for (limit, limit_counts_failed, expected) in [
        (0, false, vec!["succeed", "failed", "succeed", "succeed"]),
        (3, false, vec!["succeed", "failed", "succeed", "succeed"]),
        (3, true, vec!["succeed", "failed", "succeed", "expired"]),
        (2, false, vec!["succeed", "failed", "succeed", "expired"]),
        (1, false, vec!["succeed", "failed", "expired", "expired"]),
        (1, true, vec!["succeed", "expired", "expired", "expired"]),
    ] {
        let mut cloud = with(BackupOptions { limit, limit_counts_failed, ..BackupOptions::default() });
        let id = cloud.running(HA, 4.0);
        for failing in [0, 0, 1, 0] {
            cloud.service.fail_next_backups(failing);
            made(&mut cloud, &id);
        }
        assert_eq!(statuses(&mut cloud, &id), expected, "{limit} {limit_counts_failed}");
    }
    let mut cloud = Cloud::default();
    let id = cloud.running(HA, 4.0);
    let first = made(&mut cloud, &id);
    (0..23).for_each(|_| drop(made(&mut cloud, &id)));
    assert_eq!(statuses(&mut cloud, &id).iter().filter(|status| *status == "succeed").count(), 24);
    backup(&mut cloud, &id);
    let all = records(&mut cloud, &id);
    assert_eq!(
        (all[24]["backup_id"].as_str(), &all[24]["status"]),
        (Some(first.as_str()), &json!("expired"))
    );
    assert_eq!(all[23]["status"], "succeed");
}

#[test]
fn deletions() {
    let mut cloud = Cloud::default();
    let id = cloud.running(HA, 4.0);
    let deleted = made(&mut cloud, &id);
    assert_eq!(delete(&mut cloud, &id, &deleted), (204, Value::Null));
    cloud.service.fail_next_backups(1);
    let failed = made(&mut cloud, &id);
    let expired = made(&mut cloud, &id);
    cloud.service.force_backup(&id, &expired, &BackupStatus::Expired).unwrap();
    assert_eq!(statuses(&mut cloud, &id), ["expired", "failed", "deleted"]);
    for (backup_id, expected) in [
        (deleted.as_str(), (400, json!("DCS.4031"))),
        (expired.as_str(), (400, json!("DCS.4031"))),
        ("3c49fd6b-fc7c-419e-9644-b6cce008653f", (400, json!("DCS.4031"))),
        (failed.as_str(), (204, Value::Null)),
    ] {
        assert_eq!(delete(&mut cloud, &id, backup_id), expected);
    }
    cloud.service.options.backups.list_removed = false;
    assert_eq!(list(&mut cloud, &id, &[]).status, 204, "removed ones are hidden");
}

#[test]
fn a_site_may_let_a_running_backup_be_deleted() {
    let mut cloud = with(BackupOptions { delete_running: true, ..BackupOptions::default() });
    let id = cloud.running(HA, 4.0);
    let running = backup(&mut cloud, &id);
    cloud.wait(20);
    assert_eq!(delete(&mut cloud, &id, &running).0, 204);
    assert_eq!(statuses(&mut cloud, &id), ["deleted"]);
    assert_eq!(cloud.show(&id)["task"], Value::Null, "the instance is idle again");
}

#[test]
fn a_failed_backup_says_why() {
    let mut cloud = Cloud::default();
    let id = cloud.running(HA, 4.0);
    cloud.service.fail_next_backups(1);
    made(&mut cloud, &id);
    let running = backup(&mut cloud, &id);
    cloud.wait(30);
    cloud.service.force_backup(&id, &running, &BackupStatus::Failed).unwrap();
    for record in records(&mut cloud, &id) {
        assert_eq!((&record["status"], &record["error_code"]), (&json!("failed"), &json!("dcs.08.0001")));
        assert_eq!((&record["is_support_restore"], &record["size"]), (&json!("FALSE"), &Value::Null));
    }
    assert_eq!(cloud.show(&id)["task"], Value::Null);
    let tasks = cloud.get("ListBackgroundTask", &[("instance_id", &id)], &[]).body;
    assert_eq!(
        (&tasks["tasks"][0]["status"], &tasks["tasks"][1]["status"]),
        (&json!("FAILED"), &json!("FAILED"))
    );
    let ended = records(&mut cloud, &id)[0]["backup_id"].as_str().unwrap().to_owned();
    for status in [BackupStatus::Succeed, BackupStatus::Failed, BackupStatus::Waiting] {
        assert!(cloud.service.force_backup(&id, &ended, &status).is_err(), "{status}");
    }
    assert!(cloud.service.force_backup(&id, "unknown", &BackupStatus::Expired).is_err());
}

#[test]
fn a_restart_breaks_a_running_backup() {
    let mut cloud = Cloud::default();
    let id = cloud.running(HA, 4.0);
    made(&mut cloud, &id);
    backup(&mut cloud, &id);
    let lasting = Some(Duration::from_secs(5));
    cloud.service.force_status(cloud.now, &id, InstanceStatus::Restarting, lasting);
    cloud.wait(WHOLE);
    assert_eq!(statuses(&mut cloud, &id), ["failed", "succeed"]);
}

#[test]
fn scaling_keeps_backups_from_being_restored() {
    let resize = |spec: &str, capacity: i64| json!({"spec_code": spec, "new_capacity": capacity});
    let to_mode = |spec: &str, capacity: i64| json!({"spec_code": spec, "new_capacity": capacity, "change_type": "instanceType"});
    for (spec, capacity, change, expected) in [
        (HA, 4.0, resize("redis.ha.xu1.large.r2.8", 8), "TRUE"),
        ("redis.ha.xu1.large.r2.8", 8.0, resize(HA, 4), "FALSE"),
        ("redis.cluster.xu1.large.r2.8", 8.0, resize("redis.cluster.xu1.large.r2.16", 16), "FALSE"),
        ("redis.cluster.xu1.large.r2.8", 8.0, resize("redis.cluster.xu1.large.r2.4", 4), "FALSE"),
        ("redis.ha.xu1.large.p2.4", 4.0, to_mode("redis.proxy.xu1.large.4", 4), "FALSE"),
    ] {
        let mut cloud = Cloud::default();
        let id = cloud.running(spec, capacity);
        made(&mut cloud, &id);
        cloud.ok("ResizeInstance", &id, change.clone());
        assert_eq!(records(&mut cloud, &id)[0]["is_support_restore"], "TRUE", "not before it has an effect");
        cloud.wait(60);
        assert_eq!(records(&mut cloud, &id)[0]["is_support_restore"], expected, "{spec} {change}");
        made(&mut cloud, &id);
        assert_eq!(records(&mut cloud, &id)[0]["is_support_restore"], "TRUE", "a later one fits");
    }
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.ha.xu1.large.r2.8", 8.0);
    made(&mut cloud, &id);
    cloud.service.alter(&id, json!({"capacity": 4}).as_object().unwrap()).unwrap();
    assert_eq!(records(&mut cloud, &id)[0]["is_support_restore"], "FALSE", "also in the console");
}

#[test]
fn links_expire_and_cover_every_shard() {
    let mut cloud = Cloud::default();
    let id = cloud.running("redis.cluster.xu1.large.r2.24", 24.0);
    let backup_id = backup(&mut cloud, &id);
    let links = |cloud: &mut Cloud, backup_id: &str, body: Value| {
        cloud.call("ListBackupFileLinks", &[("instance_id", &id), ("backup_id", backup_id)], &[], body)
    };
    assert_eq!(code(&links(&mut cloud, &backup_id, json!({"expiration": 300}))), "DCS.4087");
    cloud.wait(WHOLE);
    let body = links(&mut cloud, &backup_id, json!({"expiration": 1800})).body;
    let files = body["links"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    let expires = format!("Expires={}", (cloud.now + TimeDelta::seconds(1800)).timestamp());
    for file in files {
        let link = file["link"].as_str().unwrap();
        assert!(link.contains(&expires) && link.contains(file["file_name"].as_str().unwrap()), "{link}");
        assert!(link.contains(body["bucket_name"].as_str().unwrap()), "{link}");
        assert!(link.contains(body["file_path"].as_str().unwrap()), "{link}");
    }
    for (body, expected) in [
        (json!({}), "DCS.4800"),
        (json!({"expiration": 299}), "DCS.4800"),
        (json!({"expiration": 86_401}), "DCS.4800"),
        (json!({"expiration": "soon"}), "DCS.4005"),
        (Value::Null, "DCS.4004"),
    ] {
        assert_eq!(code(&links(&mut cloud, &backup_id, body.clone())), expected, "{body}");
    }
    assert_eq!(code(&links(&mut cloud, "unknown", json!({"expiration": 300}))), "DCS.4063");
}

/// An instance with an automatic policy: Mondays and Wednesdays at 02:00, kept for `save_days`.
fn with_policy(cloud: &mut Cloud, save_days: i64) -> String {
    let policy = json!({"backup_type": "auto", "save_days": save_days, "periodical_backup_plan":
        {"backup_at": [1, 3], "period_type": "weekly", "begin_at": "02:00-03:00"}});
    let id = cloud.create(HA, 4.0, json!({"instance_backup_policy": policy}));
    cloud.wait(100);
    id
}

#[test]
fn the_policy_makes_backups() {
    let mut cloud = Cloud::default();
    let id = with_policy(&mut cloud, 7);
    // The time begins on a Thursday.
    for (day, hour) in [(Weekday::Mon, 2), (Weekday::Wed, 2), (Weekday::Mon, 2)] {
        let due = cloud.service.next_transition().unwrap();
        assert_eq!((chrono::Datelike::weekday(&due), due.hour(), due.minute()), (day, hour, 0));
        cloud.now = due;
        cloud.wait(0);
        let record = &records(&mut cloud, &id)[0];
        assert_eq!((&record["status"], &record["backup_type"]), (&json!("waiting"), &json!("auto")));
        assert_eq!((&record["period"], &record["remark"]), (&json!("02:00-03:00"), &json!({})));
        assert_eq!(cloud.show(&id)["task"], "BACKUPING");
        cloud.wait(WHOLE);
        assert_eq!(records(&mut cloud, &id)[0]["status"], "succeed");
    }
    cloud.ok("UpdateInstance", &id, json!({"instance_backup_policy": {"backup_type": "manual"}}));
    cloud.wait(14 * 86_400);
    assert_eq!(records(&mut cloud, &id).len(), 3, "no more");
}

#[test]
fn a_busy_instance_misses_its_automatic_backup_after_three_tries() {
    for (busy_minutes, expected) in [(30, vec!["auto succeed"]), (60, vec!["auto failed dcs.08.0008"])] {
        let mut cloud = Cloud::default();
        let id = with_policy(&mut cloud, 7);
        cloud.now = cloud.service.next_transition().unwrap() - TimeDelta::minutes(1);
        cloud.wait(0);
        let status = InstanceStatus::Restarting;
        let lasting = Some(Duration::from_secs(60 * busy_minutes));
        cloud.service.force_status(cloud.now, &id, status, lasting);
        cloud.wait(7200);
        let text = |value: &Value| value.as_str().map(|text| format!(" {text}")).unwrap_or_default();
        let records: Vec<_> = records(&mut cloud, &id)
            .iter()
            .map(|one| format!("auto{}{}", text(&one["status"]), text(&one["error_code"])))
            .collect();
        assert_eq!(records, expected, "{busy_minutes}");
    }
}

#[test]
fn automatic_backups_expire_except_the_latest() {
    let mut cloud = Cloud::default();
    let id = with_policy(&mut cloud, 3);
    let manual = made(&mut cloud, &id);
    cloud.wait(5 * 86_400);
    assert_eq!(statuses(&mut cloud, &id), ["succeed", "succeed"], "Monday's is the latest");
    cloud.wait(2 * 86_400);
    assert_eq!(
        statuses(&mut cloud, &id),
        ["succeed", "succeed", "succeed"],
        "Wednesday's is younger than 3 days"
    );
    cloud.wait(86_400);
    assert_eq!(statuses(&mut cloud, &id), ["succeed", "expired", "succeed"], "Monday's expired");
    cloud.ok("UpdateInstance", &id, json!({"instance_backup_policy": {"backup_type": "manual"}}));
    cloud.wait(365 * 86_400);
    assert_eq!(
        statuses(&mut cloud, &id),
        ["succeed", "expired", "succeed"],
        "one is kept, as are manual ones"
    );
    assert_eq!(records(&mut cloud, &id)[2]["backup_id"], manual.as_str());
}

#[test]
fn a_later_retention_holds_for_new_backups_only() {
    let mut cloud = Cloud::default();
    let id = with_policy(&mut cloud, 1);
    cloud.wait(5 * 86_400);
    let policy = json!({"backup_type": "auto", "save_days": 7, "periodical_backup_plan":
        {"backup_at": [1, 3], "period_type": "weekly", "begin_at": "02:00-03:00"}});
    cloud.ok("UpdateInstance", &id, json!({"instance_backup_policy": policy}));
    cloud.wait(7 * 86_400);
    assert_eq!(statuses(&mut cloud, &id), ["succeed", "succeed", "expired"]);
}

#[test]
fn the_console_and_the_policy_make_backups_behind_the_operator() {
    let mut cloud = Cloud::default();
    let id = with_policy(&mut cloud, 7);
    let console = cloud.service.make_backup(&id, BackupType::Manual, Some("console".to_owned())).unwrap();
    assert_eq!(cloud.service.make_backup(&id, BackupType::Auto, None), Err("DCS.4096".to_owned()));
    cloud.service.force_backup(&id, &console, &BackupStatus::Succeed).unwrap();
    let automatic = cloud.service.make_backup(&id, BackupType::Auto, None).unwrap();
    cloud.wait(WHOLE);
    let all = records(&mut cloud, &id);
    assert_eq!((&all[1]["backup_id"], &all[1]["remark"]), (&json!(console), &json!("console")));
    assert_eq!((&all[0]["backup_id"], &all[0]["backup_type"]), (&json!(automatic), &json!("auto")));
    assert_eq!((&all[0]["status"], &all[1]["status"]), (&json!("succeed"), &json!("succeed")));
}

#[test]
fn backups_go_with_their_instance() {
    let mut cloud = Cloud::default();
    let id = cloud.running(HA, 4.0);
    let backup_id = made(&mut cloud, &id);
    cloud.ok("DeleteInstance", &id, Value::Null);
    cloud.wait(60);
    assert_eq!(code(&list(&mut cloud, &id, &[])), "DCS.3022");
    assert_eq!(delete(&mut cloud, &id, &backup_id), (404, json!("DCS.3022")));
}

#[test]
fn every_site_shows_the_same_backups() {
    let read = |site| {
        let mut cloud = Cloud::new(Options { site, ..Options::default() });
        let id = with_policy(&mut cloud, 7);
        cloud.service.fail_next_backups(1);
        made(&mut cloud, &id);
        made(&mut cloud, &id);
        cloud.service.make_backup(&id, BackupType::Auto, None).unwrap();
        serde_json::from_value::<BackupPage>(list(&mut cloud, &id, &[]).body).unwrap()
    };
    let main = read(Site::Main);
    assert_eq!(main.total_num, 3);
    for site in Site::ALL {
        assert_eq!(read(site), main, "{site}");
    }
}
