//! The contract of the `Cloud` trait for backups, restores and background tasks. Each scenario runs over HTTP and in
//! process.

use dcs_operator::{
    dcs::{
        Class, Cloud,
        error::Error,
        list_all_backups, list_all_restores,
        model::{
            BackupFormat, BackupRecord, BackupStatus, BackupType, Capacity, CreateBackup, CreateInstance,
            InstanceStatus, LinksRequest, RecordQuery, Remark, ResizeInstance, RestoreBackup, RestoreRecord,
            RestoreStatus, TaskQuery, TaskStatus, UpdateInstance,
        },
    },
    simulator::{Options, Service},
};
use serde_json::json;

use crate::support::sim_harness::{SimHarness, instance, over_both};

over_both! {
    a_backup_is_made_and_deleted;
    an_instance_without_backups_has_an_empty_list;
    all_pages_are_read_whatever_an_offset_counts;
    a_list_that_lacks_records_is_incomplete;
    only_the_service_states_an_empty_list;
    the_backup_list_has_a_begin;
    a_running_backup_keeps_the_instance_busy;
    a_restore_overwrites_the_data;
    a_broken_restore_leaves_the_data;
    unfit_requests_are_invalid_or_unsupported;
    a_lost_answer_leaves_one_backup_and_an_ambiguous_error;
    a_lost_answer_leaves_one_restore_and_an_ambiguous_error;
    a_backup_is_deleted_once_even_if_the_answer_is_lost;
    links_are_secrets;
    a_task_shows_its_progress_and_its_record_can_be_removed;
}

/// From the request to the end of a backup or restore.
const WHOLE: u64 = 100;

fn class<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Class {
    outcome.expect_err("an error").class()
}

fn request(remark: &str) -> CreateBackup {
    CreateBackup {
        remark: Some(Remark::try_from(remark).expect("a remark")),
        backup_format: Some(BackupFormat::Rdb),
    }
}

fn restore_of(backup_id: &str, remark: &str) -> RestoreBackup {
    RestoreBackup {
        backup_id: backup_id.to_owned(),
        remark: Some(Remark::try_from(remark).expect("a remark")),
    }
}

/// Changes the simulated service without a call.
fn mutate<T>(harness: &SimHarness, change: impl FnOnce(&mut Service) -> T) -> T {
    harness.shared.lock().mutate(harness.clock.monotonic(), |service, _| change(service))
}

fn configure(harness: &SimHarness, change: impl FnOnce(&mut Options)) {
    mutate(harness, |service| {
        let mut options = service.options().clone();
        change(&mut options);
        service.set_options(options);
    });
}

async fn running(harness: &SimHarness) -> String {
    let id = harness.client.create_instance(&instance("backed-up")).await.expect("created").instance_id;
    harness.step(200);
    id
}

/// Makes a backup and waits for its end.
async fn backup(harness: &SimHarness, id: &str, remark: &str) -> String {
    let backup_id = harness.client.create_backup(id, &request(remark)).await.expect("accepted");
    harness.step(WHOLE);
    backup_id
}

/// All backups, newest first.
async fn backups(harness: &SimHarness, id: &str) -> Vec<BackupRecord> {
    let listing = list_all_backups(&harness.client, id, None).await.expect("a list");
    assert!(listing.complete, "{listing:?}");
    listing.records
}

/// All restores, newest first.
async fn restores(harness: &SimHarness, id: &str) -> Vec<RestoreRecord> {
    let listing = list_all_restores(&harness.client, id, None).await.expect("a list");
    assert!(listing.complete, "{listing:?}");
    listing.records
}

async fn a_backup_is_made_and_deleted(harness: SimHarness) {
    let id = running(&harness).await;
    let mark = "dcso:0123456789abcdef0123456789abcdef 缓存";
    let backup_id = harness.client.create_backup(&id, &request(mark)).await.expect("accepted");
    let [record] = &backups(&harness, &id).await[..] else { panic!("one backup") };
    assert_eq!((record.status.clone(), record.is_restorable()), (Some(BackupStatus::Waiting), false));
    harness.step(30);
    let [record] = &backups(&harness, &id).await[..] else { panic!("one backup") };
    assert_eq!(record.status, Some(BackupStatus::Backuping));
    assert!(record.progress.is_some_and(|progress| progress > 0.0 && progress < 100.0), "{record:?}");
    harness.step(WHOLE);
    let [record] = &backups(&harness, &id).await[..] else { panic!("one backup") };
    assert_eq!((record.backup_id.as_str(), record.remark.as_deref()), (backup_id.as_str(), Some(mark)));
    assert_eq!(
        (record.backup_type.clone(), record.backup_format.clone()),
        (Some(BackupType::Manual), Some(BackupFormat::Rdb))
    );
    assert_eq!(
        (record.progress, record.error_code.as_ref(), record.period.as_ref()),
        (Some(100.0), None, None)
    );
    assert_eq!(record.instance_id.as_ref(), Some(&id));
    assert!(record.is_restorable() && record.size.is_some_and(|size| size > 0), "{record:?}");
    let times = [record.created_at, record.execution_at, record.updated_at].map(|time| time.expect("a time"));
    assert!(times.is_sorted() && times[0] < times[2], "{times:?}");
    harness.client.delete_backup(&id, &backup_id).await.expect("deleted");
    assert_eq!(backups(&harness, &id).await[0].status, Some(BackupStatus::Deleted));
    harness.client.delete_backup(&id, &backup_id).await.expect("already gone");
    harness.client.delete_backup(&id, "no-such-backup").await.expect("already gone");
    configure(&harness, |options| options.backups.list_removed = false);
    assert_eq!(backups(&harness, &id).await, []);
}

async fn an_instance_without_backups_has_an_empty_list(harness: SimHarness) {
    let id = running(&harness).await;
    assert_eq!((backups(&harness, &id).await, restores(&harness, &id).await), (vec![], vec![]));
    for operation in ["ListBackupRecords", "ListRestoreRecords"] {
        assert_eq!(harness.calls(operation)[0].status, Some(204), "{operation}");
    }
    let missing = "3c49fd6b-fc7c-419e-9644-b6cce008653f";
    let client = &harness.client;
    assert_eq!(class(list_all_backups(client, missing, None).await), Class::NotFound);
    assert_eq!(class(list_all_restores(client, missing, None).await), Class::NotFound);
    assert_eq!(class(client.create_backup(missing, &request("r")).await), Class::NotFound);
    assert_eq!(class(client.restore_instance(missing, &restore_of("b", "r")).await), Class::NotFound);
    assert_eq!(class(client.delete_backup(missing, "b").await), Class::NotFound);
}

async fn all_pages_are_read_whatever_an_offset_counts(harness: SimHarness) {
    let id = running(&harness).await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.insert(0, backup(&harness, &id, &format!("number {number}")).await);
    }
    for offset_counts_pages in [false, true] {
        configure(&harness, |options| options.backups.offset_counts_pages = offset_counts_pages);
        let ids: Vec<_> = backups(&harness, &id).await.into_iter().map(|record| record.backup_id).collect();
        assert_eq!(ids, made, "{offset_counts_pages}");
        let query = RecordQuery { offset: 1, limit: Some(2), ..RecordQuery::default() };
        let page = harness.client.list_backups(&id, &query).await.expect("a page");
        let first = if offset_counts_pages { 2 } else { 1 };
        assert_eq!((page.total_num, page.records[0].backup_id.as_str()), (5, made[first].as_str()));
    }
}

async fn a_list_that_lacks_records_is_incomplete(harness: SimHarness) {
    let id = running(&harness).await;
    let first = backup(&harness, &id, "first").await;
    backup(&harness, &id, "second").await;
    harness.client.restore_instance(&id, &restore_of(&first, "undo")).await.expect("accepted");
    harness.step(WHOLE);
    for operation in ["ListBackupRecords", "ListRestoreRecords"] {
        harness.add_faults(
            &json!([{ "operation": operation, "count": null, "fault": { "partialList": { "drop": 1 } } }]),
        );
    }
    let listing = list_all_backups(&harness.client, &id, None).await.expect("a partial list");
    assert_eq!((listing.records.len(), listing.complete), (1, false));
    let listing = list_all_restores(&harness.client, &id, None).await.expect("a partial list");
    assert_eq!((listing.records.len(), listing.complete), (0, false));
}

async fn only_the_service_states_an_empty_list(harness: SimHarness) {
    let id = running(&harness).await;
    backup(&harness, &id, "present").await;
    for body in [json!(""), json!(null), json!({}), json!([]), json!({"total_num": 0})] {
        harness.add_faults(&json!([{ "operation": "ListBackupRecords", "count": null, "fault": { "wrongBody": { "body": body } } }]));
        assert_eq!(class(list_all_backups(&harness.client, &id, None).await), Class::Transient, "{body}");
        harness.shared.lock().clear_faults();
    }
}

async fn the_backup_list_has_a_begin(harness: SimHarness) {
    let id = running(&harness).await;
    backup(&harness, &id, "earlier").await;
    backup(&harness, &id, "later").await;
    let since = backups(&harness, &id).await[0].created_at;
    let listing = list_all_backups(&harness.client, &id, since).await.expect("a list");
    let remarks: Vec<_> = listing.records.iter().filter_map(|record| record.remark.as_deref()).collect();
    assert_eq!((remarks, listing.complete), (vec!["later"], true));
    let future = since.map(|since| since + chrono::TimeDelta::days(1));
    let error = list_all_backups(&harness.client, &id, future).await.expect_err("refused");
    let code = error.refusal().and_then(|refusal| refusal.code.as_deref());
    assert_eq!((error.class(), code), (Class::Invalid, Some("DCS.4031")), "the other meaning of this code");
}

async fn a_running_backup_keeps_the_instance_busy(harness: SimHarness) {
    let id = running(&harness).await;
    let done = backup(&harness, &id, "done").await;
    let present = harness.client.create_backup(&id, &request("running")).await.expect("accepted");
    let detail = harness.client.show_instance(&id).await.expect("an instance");
    assert_eq!(detail.status, Some(InstanceStatus::Running));
    assert_eq!(detail.task.as_ref().map(|task| task.0.as_str()), Some("BACKUPING"));
    assert!(detail.is_busy());
    let client = &harness.client;
    let port = UpdateInstance { port: Some(6381), ..UpdateInstance::default() };
    assert_eq!(class(client.create_backup(&id, &request("another")).await), Class::Busy);
    assert_eq!(class(client.restore_instance(&id, &restore_of(&done, "r")).await), Class::Busy);
    assert_eq!(class(client.update_instance(&id, &port).await), Class::Busy);
    assert_eq!(class(client.delete_instance(&id).await), Class::Busy);
    assert_eq!(class(client.delete_backup(&id, &present).await), Class::Busy);
    let tasks = client.list_tasks(&id, &TaskQuery::default()).await.expect("tasks");
    assert_eq!(tasks.tasks[0].status, Some(TaskStatus::Executing));
    mutate(&harness, |service| service.force_backup(&id, &present, &BackupStatus::Failed)).expect("failed");
    let record = &backups(&harness, &id).await[0];
    assert_eq!(
        (record.status.clone(), record.error_code.as_deref()),
        (Some(BackupStatus::Failed), Some("dcs.08.0001"))
    );
    assert!(!client.show_instance(&id).await.expect("an instance").is_busy());
}

async fn a_restore_overwrites_the_data(harness: SimHarness) {
    let id = running(&harness).await;
    let fill = |megabytes: i64| {
        let fields = json!({ "used_memory": megabytes });
        mutate(&harness, |service| service.alter(&id, fields.as_object().unwrap())).expect("filled");
    };
    fill(100);
    let backup_id = backup(&harness, &id, "before the sale").await;
    fill(200);
    let client = &harness.client;
    let restore_id = client.restore_instance(&id, &restore_of(&backup_id, "undo")).await.expect("accepted");
    let detail = client.show_instance(&id).await.expect("an instance");
    assert_eq!((detail.status.clone(), detail.used_memory), (Some(InstanceStatus::Restoring), Some(200)));
    assert_eq!(detail.task.as_ref().map(|task| task.0.as_str()), Some("RESTORING"));
    assert_eq!(client.count_instances(false).await.expect("counts").total.restoring_count, Some(1));
    assert_eq!(class(client.create_backup(&id, &request("another")).await), Class::Busy);
    assert_eq!(class(client.restore_instance(&id, &restore_of(&backup_id, "r")).await), Class::Busy);
    assert_eq!(class(client.delete_backup(&id, &backup_id).await), Class::Busy);
    assert_eq!(restores(&harness, &id).await[0].status, Some(RestoreStatus::Waiting));
    harness.step(WHOLE);
    let detail = client.show_instance(&id).await.expect("an instance");
    assert_eq!((detail.is_busy(), detail.used_memory), (false, Some(100)));
    let [record] = &restores(&harness, &id).await[..] else { panic!("one restore") };
    assert_eq!((&record.restore_id, record.backup_id.as_ref()), (&restore_id, Some(&backup_id)));
    assert_eq!(
        (record.restore_remark.as_deref(), record.backup_remark.as_deref()),
        (Some("undo"), Some("before the sale"))
    );
    assert_eq!((record.status.clone(), record.progress), (Some(RestoreStatus::Succeed), Some(100.0)));
    assert_eq!(record.error_code, None);
}

async fn a_broken_restore_leaves_the_data(harness: SimHarness) {
    let id = running(&harness).await;
    let backup_id = backup(&harness, &id, "broken").await;
    let fields = json!({ "used_memory": 200 });
    mutate(&harness, |service| service.alter(&id, fields.as_object().unwrap())).expect("filled");
    mutate(&harness, |service| service.fail_next_restores(1));
    harness.client.restore_instance(&id, &restore_of(&backup_id, "undo")).await.expect("accepted");
    harness.step(WHOLE);
    let record = &restores(&harness, &id).await[0];
    assert_eq!(
        (record.status.clone(), record.error_code.as_deref()),
        (Some(RestoreStatus::Failed), Some("dcs.08.0007"))
    );
    let detail = harness.client.show_instance(&id).await.expect("an instance");
    assert_eq!((detail.is_busy(), detail.used_memory), (false, Some(200)));
}

async fn unfit_requests_are_invalid_or_unsupported(harness: SimHarness) {
    let id = running(&harness).await;
    let client = &harness.client;
    let expired = backup(&harness, &id, "expired").await;
    let outdated = backup(&harness, &id, "outdated").await;
    mutate(&harness, |service| service.force_backup(&id, &expired, &BackupStatus::Expired)).expect("expired");
    let smaller = ResizeInstance {
        spec_code: "redis.ha.xu1.tiny.r2.256".to_owned(),
        new_capacity: Capacity::from_mib(256),
        change_type: None,
        available_zones: vec![],
        node_list: vec![],
        reserved_ip: vec![],
        execute_immediately: None,
    };
    client.resize_instance(&id, &smaller).await.expect("accepted");
    harness.step(1000);
    assert!(backups(&harness, &id).await.iter().all(|record| !record.is_restorable()));
    for backup_id in [expired.as_str(), outdated.as_str(), "unknown"] {
        let refused = client.restore_instance(&id, &restore_of(backup_id, "r")).await;
        assert_eq!(class(refused), Class::Invalid, "{backup_id}");
    }
    let single = CreateInstance {
        spec_code: "redis.single.xu1.tiny.512".to_owned(),
        az_codes: vec!["sim-region-1a".to_owned()],
        ..instance("single")
    };
    let single = client.create_instance(&single).await.expect("created").instance_id;
    harness.step(200);
    assert_eq!(class(client.create_backup(&single, &request("r")).await), Class::Unsupported);
    assert_eq!(class(client.restore_instance(&single, &restore_of(&expired, "r")).await), Class::Unsupported);
    assert_eq!(backups(&harness, &single).await, []);
    configure(&harness, |options| options.backups.offered = false);
    assert_eq!(class(client.create_backup(&id, &request("r")).await), Class::Unsupported);
    assert_eq!(harness.calls("ListRestoreRecords").len(), 0, "no refusal looks anything up");
    assert_eq!(restores(&harness, &id).await, []);
}

async fn a_lost_answer_leaves_one_backup_and_an_ambiguous_error(harness: SimHarness) {
    let id = running(&harness).await;
    harness.add_faults(&json!([{ "operation": "CopyInstance", "count": null, "fault": "dropAnswer" }]));
    let error = harness.client.create_backup(&id, &request("dcso:mark")).await.expect_err("lost");
    assert_eq!((error.class(), error.attempts()), (Class::Ambiguous, 1));
    assert!(harness.calls("CopyInstance")[0].effect.starts_with("backing up "));
    let marked = backups(&harness, &id).await;
    assert_eq!(marked.iter().filter(|record| record.remark.as_deref() == Some("dcso:mark")).count(), 1);
    harness.shared.lock().clear_faults();
    harness.step(WHOLE);
    harness.add_faults(&json!([{ "operation": "CopyInstance", "count": 1, "fault": "reset" }]));
    let error = harness.client.create_backup(&id, &request("dcso:other")).await.expect_err("not executed");
    assert_eq!(error.class(), Class::Ambiguous, "the client cannot tell the two apart");
    assert_eq!(backups(&harness, &id).await.len(), 1);
}

async fn a_lost_answer_leaves_one_restore_and_an_ambiguous_error(harness: SimHarness) {
    let id = running(&harness).await;
    let backup_id = backup(&harness, &id, "r").await;
    harness.add_faults(&json!([{ "operation": "RestoreInstance", "count": null, "fault": "dropAnswer" }]));
    let lost = harness.client.restore_instance(&id, &restore_of(&backup_id, "dcso:mark")).await;
    let error = lost.expect_err("lost");
    assert_eq!((error.class(), error.attempts()), (Class::Ambiguous, 1));
    let [record] = &restores(&harness, &id).await[..] else { panic!("one restore") };
    assert_eq!(record.restore_remark.as_deref(), Some("dcso:mark"));
}

async fn a_backup_is_deleted_once_even_if_the_answer_is_lost(harness: SimHarness) {
    let id = running(&harness).await;
    let backup_id = backup(&harness, &id, "r").await;
    harness.add_faults(&json!([{ "operation": "DeleteBackupFile", "count": 1, "fault": "dropAnswer" }]));
    harness.client.delete_backup(&id, &backup_id).await.expect("the second attempt finds it gone");
    let effects: Vec<_> = harness.calls("DeleteBackupFile").into_iter().map(|call| call.effect).collect();
    assert_eq!(effects, [format!("deleted the backup {backup_id} of {id}"), "refused: DCS.4031".to_owned()]);
    let other = backup(&harness, &id, "r").await;
    let failure = json!({ "errorBefore": { "status": 500, "code": "DCS.4101" } });
    harness.add_faults(&json!([{ "operation": "DeleteBackupFile", "count": null, "fault": failure }]));
    assert_eq!(class(harness.client.delete_backup(&id, &other).await), Class::Ambiguous);
}

async fn links_are_secrets(harness: SimHarness) {
    let id = running(&harness).await;
    let backup_id = backup(&harness, &id, "r").await;
    let validity = LinksRequest { expiration: 1800 };
    let links = harness.client.backup_links(&id, &backup_id, &validity).await.expect("links");
    let [link] = &links.links[..] else { panic!("one file: {links:?}") };
    assert!(link.expose().starts_with("https://") && link.expose().contains("Signature="));
    assert!(link.file_name.as_deref().is_some_and(|name| name.ends_with(".rdb")), "{links:?}");
    assert!(links.bucket_name.is_some() && links.file_path.is_some(), "{links:?}");
    for shown in [format!("{links:?}"), harness.journal().to_string()] {
        assert!(!shown.contains("Signature="), "{shown}");
    }
    let short = LinksRequest { expiration: 10 };
    assert_eq!(class(harness.client.backup_links(&id, &backup_id, &short).await), Class::Invalid);
    harness.client.delete_backup(&id, &backup_id).await.expect("deleted");
    assert_eq!(class(harness.client.backup_links(&id, &backup_id, &validity).await), Class::Invalid);
}

async fn a_task_shows_its_progress_and_its_record_can_be_removed(harness: SimHarness) {
    let id = running(&harness).await;
    let client = &harness.client;
    client.create_backup(&id, &request("r")).await.expect("accepted");
    harness.step(35);
    let tasks = client.list_tasks(&id, &TaskQuery::default()).await.expect("tasks");
    let task = &tasks.tasks[0].id;
    let progress = client.show_task_progress(&id, task).await.expect("a progress");
    assert_eq!((progress.progress, progress.remain_time), (Some(50), Some(35)));
    assert_eq!(progress.step_details[0].step_status.as_deref(), Some("EXECUTING"));
    assert_eq!(class(client.delete_task(&id, task).await), Class::Busy);
    harness.step(WHOLE);
    assert_eq!(client.show_task_progress(&id, task).await.expect("a progress").progress, Some(100));
    client.delete_task(&id, task).await.expect("removed");
    assert_eq!(class(client.show_task_progress(&id, task).await), Class::Invalid);
    let tasks = client.list_tasks(&id, &TaskQuery::default()).await.expect("tasks");
    assert!(tasks.tasks.iter().all(|one| one.id != *task));
}
