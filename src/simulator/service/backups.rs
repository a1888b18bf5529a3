//! Backups: request, list, links, deletion, and automatic ones (API reference 4.5.1, 4.5.4, 4.5.5, 4.5.6).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    api_error::{ApiError, Result},
    backup::{AutomaticBackup, BackupRecord, BackupState, INSTANCE_BUSY, TOOL_FAILED},
    ids,
    instance::{Instance, Transition},
    operation::BusyState,
    request::{Body, Query},
    state::Service,
    tasks::timestamp,
    validate,
};
use crate::{
    dcs::model::{BackupFormat, BackupType, CacheMode, InstanceStatus, time},
    simulator::{call::Reply, cloud_clock::later},
};

/// Validity of links in seconds.
const LINK_SECONDS: std::ops::RangeInclusive<i64> = 300..=86_400;

/// A new backup.
#[derive(Debug, Clone)]
pub(super) struct NewBackup {
    pub(super) kind: BackupType,
    pub(super) format: BackupFormat,
    pub(super) remark: Option<String>,
}

// === impl Service ===

impl Service {
    /// API reference 4.5.5.
    pub(super) fn create_backup(&mut self, id: &str, body: &Value) -> Result<Reply> {
        let instance = self.find_with_backups(id)?;
        let body = Body::new(body)?;
        let remark = validate::remark(body, &self.rules())?;
        let format = backup_format(body, instance)?;
        instance.ensure_idle()?;
        let new = NewBackup { kind: BackupType::Manual, format, remark };
        let backup_id = self.start_backup(id, new);
        let effect = format!("backing up {id} as {backup_id}");
        Ok(Reply { effect, ..Reply::ok(json!({"backup_id": backup_id})) })
    }

    /// An instance that offers backups: `DCS.4095`, `DCS.4086`.
    pub(super) fn find_with_backups(&self, id: &str) -> Result<&Instance> {
        let instance = self.find(id)?;
        if !self.options.backups.offered {
            return Err(ApiError::new("DCS.4095"));
        }
        if instance.shape.mode == CacheMode::Single {
            return Err(ApiError::new("DCS.4086"));
        }
        Ok(instance)
    }

    /// Starts a backup and returns its id.
    pub(super) fn start_backup(&mut self, id: &str, new: NewBackup) -> String {
        let backup_id = self.ids.uuid();
        let begin = self.after(self.options.backups.queue);
        let end = later(begin, self.options.backups.backup);
        let fails = (self.failing_backups > 0).then(|| TOOL_FAILED.to_owned());
        self.failing_backups = self.failing_backups.saturating_sub(1);
        let record =
            BackupRecord { begin, end, fails: fails.clone(), ..self.new_record(id, &backup_id, new) };
        self.add_backup(id, record);
        let transition = Transition::Backup(backup_id.clone());
        let busy = BusyState::Task("BACKUPING");
        self.start_operation_until(id, end, busy, ("BackupInstance", Value::Null), transition);
        self.fail_latest_task(id, fails);
        backup_id
    }

    /// A running backup that starts now.
    fn new_record(&self, id: &str, backup_id: &str, new: NewBackup) -> BackupRecord {
        let NewBackup { kind, format, remark } = new;
        let policy = self.store.get(id).filter(|_| kind == BackupType::Auto);
        BackupRecord {
            id: backup_id.to_owned(),
            expires_at: policy.and_then(|instance| instance.retention_end(self.now)),
            period: policy.and_then(period),
            kind,
            format,
            remark,
            state: BackupState::Running,
            fails: None,
            outdated: false,
            size: None,
            used_memory: None,
            requested_at: self.now,
            begin: self.now,
            end: self.now,
        }
    }

    fn add_backup(&mut self, id: &str, record: BackupRecord) {
        let options = self.options.backups.clone();
        self.store.update(id, |instance| instance.add_backup(record, &options));
    }

    /// Makes an automatic backup that is due. A busy instance is tried again within the hour; then a failed record says
    /// so.
    pub(super) fn try_automatic_backup(&mut self, id: &str, due: DateTime<Utc>) {
        let Some(instance) = self.store.get(id) else { return };
        let (is_idle, format) = (instance.ensure_idle().is_ok(), instance.backup_format());
        let is_offered = self.find_with_backups(id).is_ok();
        let retry = instance.automatic.as_ref().and_then(AutomaticBackup::retry);
        if let Some(retry) = retry.filter(|_| !is_idle && is_offered) {
            self.store.update(id, |instance| instance.automatic = Some(retry));
            return;
        }
        self.store.update(id, |instance| instance.plan_automatic_backup(due));
        let new = NewBackup { kind: BackupType::Auto, format, remark: None };
        if is_idle && is_offered {
            self.start_backup(id, new);
        } else if is_offered {
            let backup_id = self.ids.uuid();
            let state = BackupState::Failed(INSTANCE_BUSY.to_owned());
            let record = BackupRecord { state, ..self.new_record(id, &backup_id, new) };
            self.add_backup(id, record);
        }
    }

    /// API reference 4.5.6, newest first. 204 if there is none.
    pub(super) fn list_backups(&self, id: &str, query: Query<'_>) -> Result<Reply> {
        let instance = self.find(id)?;
        let is_listed = |record: &&BackupRecord| {
            self.options.backups.list_removed || record.is_live() || record.failure().is_some()
        };
        let listed = instance.backups.iter().rev().filter(is_listed);
        let listed = listed.map(|record| (record.requested_at, record));
        let page = self.record_page(query, listed)?;
        let show = |record: &&BackupRecord| self.show_backup(record, &instance.id);
        Ok(page.reply("backup_record_response", show))
    }

    fn show_backup(&self, record: &BackupRecord, instance_id: &str) -> Value {
        json!({
            "backup_id": record.id,
            "backup_name": backup_name(record),
            "instance_id": instance_id,
            "backup_type": record.kind,
            "backup_format": record.format,
            "status": record.status(self.now),
            "progress": format!("{:.2}", record.progress(self.now)),
            "size": record.size,
            "is_support_restore": if record.is_restorable() { "TRUE" } else { "FALSE" },
            "remark": self.or_empty(record.remark.as_deref()),
            "period": self.or_empty(record.period.as_deref()),
            "error_code": self.or_empty(record.failure()),
            "created_at": time::format(record.requested_at),
            "execution_at": time::format(record.begin),
            "updated_at": time::format(record.end.min(self.now)),
        })
    }

    /// A text of a record. The reference shows `{}` for none; newer sites write null.
    pub(super) fn or_empty(&self, text: Option<&str>) -> Value {
        match text {
            Some(text) => json!(text),
            None if self.rules().newer_fields => Value::Null,
            None => json!({}),
        }
    }

    /// API reference 4.5.1. `DCS.4031` for files that are gone. Whether a running backup can be deleted is an option.
    pub(super) fn delete_backup(&mut self, id: &str, backup_id: &str) -> Result<Reply> {
        let instance = self.find(id)?;
        let gone = || ApiError::with_detail("DCS.4031", "The backup has been deleted.");
        let record = instance.find_backup(backup_id).ok_or_else(gone)?;
        let is_running = record.state == BackupState::Running;
        match record.state {
            BackupState::Expired | BackupState::Deleted => return Err(gone()),
            BackupState::Running if !self.options.backups.delete_running => {
                return Err(ApiError::new("DCS.4096"));
            }
            BackupState::Running | BackupState::Succeeded | BackupState::Failed(_) => {}
        }
        if *instance.status() == InstanceStatus::Restoring {
            return Err(ApiError::new("DCS.4097"));
        }
        self.set_backup_state(id, backup_id, BackupState::Deleted);
        if is_running {
            self.finish_now(id);
        }
        Ok(Reply::no_content(format!("deleted the backup {backup_id} of {id}")))
    }

    pub(super) fn set_backup_state(&mut self, id: &str, backup_id: &str, state: BackupState) {
        self.store.update(id, |instance| {
            let found = instance.backups.iter_mut().find(|record| record.id == backup_id);
            found.into_iter().for_each(|record| record.state = state.clone());
        });
    }

    /// API reference 4.5.4. One file per shard.
    pub(super) fn backup_links(&self, id: &str, backup_id: &str, body: &Value) -> Result<Reply> {
        let instance = self.find_with_backups(id)?;
        let expiration = Body::new(body)?.integer("expiration")?;
        let expiration = expiration.filter(|seconds| LINK_SECONDS.contains(seconds));
        let expiration = expiration.ok_or_else(|| ApiError::invalid_field("expiration"))?;
        let unknown = || ApiError::invalid_parameter("backup_id");
        let record = instance.find_backup(backup_id).ok_or_else(unknown)?;
        if record.state != BackupState::Succeeded {
            return Err(ApiError::new("DCS.4087"));
        }
        let bucket = format!("dcs{}", ids::short(&[b"bucket", instance.id.as_bytes()]));
        let (folder, expires) =
            (format!("{id}/{backup_id}/"), self.now.timestamp().saturating_add(expiration));
        let link = |shard: u32| {
            let file = format!("redis_{shard}_{}.{}", record.end.format("%Y%m%d%H%M%S"), record.format);
            let signature = ids::short(&[file.as_bytes(), backup_id.as_bytes(), &expires.to_be_bytes()]);
            let link = format!(
                "https://{bucket}.obs.{}.example.com:443/{folder}{file}?AWSAccessKeyId=simulator&Expires={expires}&Signature={signature}",
                self.options.region
            );
            json!({"file_name": file, "link": link})
        };
        let links: Vec<_> = (0..instance.shape.shards.max(1)).map(link).collect();
        Ok(Reply::ok(json!({"file_path": folder, "bucket_name": bucket, "links": links})))
    }

    /// One page of records with their times: `DCS.4031` for a start in the future, `DCS.4025`.
    pub(super) fn record_page<'a, T>(
        &self,
        query: Query<'_>,
        records: impl Iterator<Item = (DateTime<Utc>, &'a T)>,
    ) -> Result<RecordPage<'a, T>> {
        let (offset, limit) = query.page()?;
        let (from, to) = (timestamp(query, "begin_time")?, timestamp(query, "end_time")?);
        if from.is_some_and(|from| from > self.now) {
            let detail = "The start time cannot be later than the current server time.";
            return Err(ApiError::with_detail("DCS.4031", detail));
        }
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            return Err(ApiError::new("DCS.4025"));
        }
        let within = |at: DateTime<Utc>| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to);
        let matching: Vec<_> = records.filter(|(at, _)| within(*at)).map(|(_, record)| record).collect();
        let skipped =
            if self.options.backups.offset_counts_pages { offset.saturating_mul(limit) } else { offset };
        let total = matching.len();
        Ok(RecordPage { total, records: matching.into_iter().skip(skipped).take(limit).collect() })
    }
}

/// One page of a list of records.
#[derive(Debug)]
pub(super) struct RecordPage<'a, T> {
    /// Number of matching records.
    total: usize,
    records: Vec<&'a T>,
}

// === impl RecordPage ===

impl<T> RecordPage<'_, T> {
    /// The response with the records under `name`.
    pub(super) fn reply(&self, name: &str, show: impl Fn(&&T) -> Value) -> Reply {
        if self.total == 0 {
            return Reply::no_content(String::new());
        }
        let records: Vec<_> = self.records.iter().map(show).collect();
        Reply::ok(json!({"total_num": self.total, name: records}))
    }
}

/// Name that the service gives to a backup.
pub(super) fn backup_name(record: &BackupRecord) -> String {
    format!("backup_{}", record.requested_at.format("%Y%m%d%H%M%S"))
}

/// Hours of the policy.
fn period(instance: &Instance) -> Option<String> {
    instance.backup.as_ref()?.policy.periodical_backup_plan.as_ref()?.begin_at.clone()
}

/// The requested format: `DCS.4800`. Redis 3.0 has no choice.
fn backup_format(body: Body<'_>, instance: &Instance) -> Result<BackupFormat> {
    let default = instance.backup_format();
    match body.nonempty("backup_format")?.map(BackupFormat::from) {
        None => Ok(default),
        Some(format) if format == default => Ok(format),
        Some(format @ (BackupFormat::Aof | BackupFormat::Rdb)) if !instance.is_version_3() => Ok(format),
        Some(_) => Err(ApiError::invalid_field("backup_format")),
    }
}

#[cfg(test)]
mod tests;
