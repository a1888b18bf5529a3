//! The backups and restores of an instance, and the rules that apply to them without a call (API reference 4.5).

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    instance::{Instance, Shape},
    load,
};
use crate::{
    dcs::model::{BackupFormat, BackupPolicy, BackupStatus, BackupType, CacheMode, RestoreStatus},
    simulator::{cloud_clock::later, options::BackupOptions},
};

/// Documented codes of failed records: backup tool, synchronization, busy instance.
pub(super) const TOOL_FAILED: &str = "dcs.08.0001";
pub(super) const SYNC_FAILED: &str = "dcs.08.0007";
pub(super) const INSTANCE_BUSY: &str = "dcs.08.0008";
/// Attempts of one automatic backup, and the time between them. All are within its hour.
const MAX_TRIES: u8 = 3;
const RETRY_MINUTES: i64 = 20;
/// Number of records kept per instance. The oldest go first.
const MAX_RECORDS: usize = 1000;
const MIB: i64 = 1_048_576;

/// A backup of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BackupRecord {
    /// Backup id.
    pub(crate) id: String,
    /// Whether the policy or a request made it.
    pub(super) kind: BackupType,
    /// File format.
    pub(super) format: BackupFormat,
    /// Remark of the request.
    pub(super) remark: Option<String>,
    /// Hours of the policy.
    pub(super) period: Option<String>,
    /// Current state.
    pub(super) state: BackupState,
    /// Reason for which it will fail.
    pub(super) fails: Option<String>,
    /// Whether a scaling since then keeps it from being restored.
    pub(super) outdated: bool,
    /// Size of the files in bytes.
    pub(super) size: Option<i64>,
    /// The content: memory usage of the instance at the end, as [`Instance::used_memory`].
    pub(super) used_memory: Option<i64>,
    /// Time of the request.
    pub(super) requested_at: DateTime<Utc>,
    /// Start time.
    pub(super) begin: DateTime<Utc>,
    /// End time.
    pub(super) end: DateTime<Utc>,
    /// End of the retention, for automatic backups.
    pub(super) expires_at: Option<DateTime<Utc>>,
}

/// State of a backup. Whether a running one still waits follows from the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum BackupState {
    Running,
    Succeeded,
    Failed(String),
    Expired,
    Deleted,
}

/// A restore of a backup to its instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RestoreRecord {
    /// Restore id.
    pub(crate) id: String,
    /// The restored backup as it was at the request.
    pub(super) backup: BackupRecord,
    /// Remark of the request.
    pub(super) remark: Option<String>,
    /// Whether the restore has ended.
    pub(super) ended: bool,
    /// Reason for which it fails. The data stays unchanged then.
    pub(super) fails: Option<String>,
    /// Time of the request.
    pub(super) requested_at: DateTime<Utc>,
    /// Start time.
    pub(super) begin: DateTime<Utc>,
    /// End time.
    pub(super) end: DateTime<Utc>,
}

/// The next automatic backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AutomaticBackup {
    /// Time of the next attempt.
    pub(super) due: DateTime<Utc>,
    /// Failed attempts in this hour.
    pub(super) tries: u8,
}

// === impl BackupRecord ===

impl BackupRecord {
    /// Status at `now`.
    pub(super) fn status(&self, now: DateTime<Utc>) -> BackupStatus {
        match self.state {
            BackupState::Running if now < self.begin => BackupStatus::Waiting,
            BackupState::Running => BackupStatus::Backuping,
            BackupState::Succeeded => BackupStatus::Succeed,
            BackupState::Failed(_) => BackupStatus::Failed,
            BackupState::Expired => BackupStatus::Expired,
            BackupState::Deleted => BackupStatus::Deleted,
        }
    }

    /// Whether the files exist or are being written.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, BackupState::Running | BackupState::Succeeded)
    }

    /// Whether the backup can be restored.
    pub(super) fn is_restorable(&self) -> bool {
        self.state == BackupState::Succeeded && !self.outdated
    }

    pub(super) fn failure(&self) -> Option<&str> {
        if let BackupState::Failed(code) = &self.state { Some(code) } else { None }
    }

    /// Progress in percent at `now`.
    pub(super) fn progress(&self, now: DateTime<Utc>) -> f64 {
        match self.state {
            BackupState::Running => percent(self.begin, self.end, now),
            BackupState::Failed(_) => 0.0,
            BackupState::Succeeded | BackupState::Expired | BackupState::Deleted => 100.0,
        }
    }

    fn counts(&self, options: &BackupOptions) -> bool {
        self.is_live() || (options.limit_counts_failed && self.failure().is_some())
    }

    fn is_kept_automatic(&self) -> bool {
        self.kind == BackupType::Auto && self.state == BackupState::Succeeded
    }
}

// === impl RestoreRecord ===

impl RestoreRecord {
    /// Status at `now`.
    pub(super) fn status(&self, now: DateTime<Utc>) -> RestoreStatus {
        match (self.ended, &self.fails) {
            (true, Some(_)) => RestoreStatus::Failed,
            (true, None) => RestoreStatus::Succeed,
            (false, _) if now < self.begin => RestoreStatus::Waiting,
            (false, _) => RestoreStatus::Restoring,
        }
    }

    /// Progress in percent at `now`.
    pub(super) fn progress(&self, now: DateTime<Utc>) -> f64 {
        match (self.ended, &self.fails) {
            (true, Some(_)) => 0.0,
            (true, None) => 100.0,
            (false, _) => percent(self.begin, self.end, now),
        }
    }
}

fn percent(begin: DateTime<Utc>, end: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    let (total, done) = ((end - begin).num_milliseconds(), (now - begin).num_milliseconds());
    if total <= 0 { 0.0 } else { (done as f64 / total as f64 * 100.0).clamp(0.0, 99.99) }
}

// === impl AutomaticBackup ===

impl AutomaticBackup {
    /// The first hour of the policy after `now`; `None` without an automatic policy.
    pub(super) fn after(policy: Option<&BackupPolicy>, now: DateTime<Utc>) -> Option<Self> {
        let policy = policy.filter(|policy| policy.backup_type == Some(BackupType::Auto))?;
        let plan = policy.periodical_backup_plan.as_ref()?;
        let hour: u32 = plan.begin_at.as_deref()?.get(..2)?.parse().ok()?;
        let days = (0..=7).filter_map(|days| now.date_naive().checked_add_signed(TimeDelta::days(days)));
        let due = days
            .filter(|day| plan.backup_at.contains(&i64::from(day.weekday().number_from_monday())))
            .filter_map(|day| Some(day.and_hms_opt(hour, 0, 0)?.and_utc()))
            .find(|at| *at > now)?;
        Some(Self { due, tries: 0 })
    }

    /// The next attempt within the same hour, if there is one.
    pub(super) fn retry(&self) -> Option<Self> {
        let tries = self.tries + 1;
        let due = self.due.checked_add_signed(TimeDelta::minutes(RETRY_MINUTES))?;
        (tries < MAX_TRIES).then_some(Self { due, tries })
    }
}

// === impl Instance ===

impl Instance {
    /// The backup with this id.
    pub(super) fn find_backup(&self, id: &str) -> Option<&BackupRecord> {
        self.backups.iter().find(|record| record.id == id)
    }

    /// Adds a backup, and removes the earliest while there are more than the limit.
    pub(super) fn add_backup(&mut self, record: BackupRecord, options: &BackupOptions) {
        self.backups.push(record);
        self.backups.drain(..self.backups.len().saturating_sub(MAX_RECORDS));
        let counted = self.backups.iter().filter(|record| record.counts(options)).count();
        let excess = if options.limit == 0 { 0 } else { counted.saturating_sub(options.limit) };
        let ended = self.backups.iter_mut().filter(|r| r.counts(options) && r.state != BackupState::Running);
        ended.take(excess).for_each(|record| record.state = BackupState::Expired);
    }

    pub(super) fn add_restore(&mut self, record: RestoreRecord) {
        self.restores.push(record);
        self.restores.drain(..self.restores.len().saturating_sub(MAX_RECORDS));
    }

    /// Makes a running backup fail when it ends.
    pub(super) fn fail_backup(&mut self, id: &str) {
        let found = self.backups.iter_mut().find(|record| record.id == id);
        found.into_iter().for_each(|record| record.fails = Some(TOOL_FAILED.to_owned()));
    }

    /// Ends a running backup.
    pub(super) fn end_backup(&mut self, id: &str, at: DateTime<Utc>) {
        let used = load::used_memory(self);
        let content = self.used_memory;
        let running = |record: &&mut BackupRecord| record.id == id && record.state == BackupState::Running;
        let Some(record) = self.backups.iter_mut().find(running) else { return };
        (record.begin, record.end) = (record.begin.min(at), at);
        match record.fails.take() {
            Some(code) => record.state = BackupState::Failed(code),
            None => {
                record.state = BackupState::Succeeded;
                record.used_memory = content;
                record.size = Some(size(used, &record.format));
            }
        }
        self.expire_backups(at);
    }

    /// Ends a restore. A successful one brings back the content of the backup.
    pub(super) fn end_restore(&mut self, id: &str, at: DateTime<Utc>) {
        let Some(record) = self.restores.iter_mut().find(|record| record.id == id && !record.ended) else {
            return;
        };
        (record.begin, record.end, record.ended) = (record.begin.min(at), at, true);
        if record.fails.is_none() {
            self.used_memory = record.backup.used_memory;
        }
    }

    /// Removes automatic backups whose retention has ended, except the latest one.
    pub(super) fn expire_backups(&mut self, at: DateTime<Utc>) {
        let latest = self.backups.iter().rposition(BackupRecord::is_kept_automatic);
        for (position, record) in self.backups.iter_mut().enumerate() {
            let is_due = record.expires_at.is_some_and(|end| end <= at) && Some(position) != latest;
            if is_due && record.is_kept_automatic() {
                record.state = BackupState::Expired;
            }
        }
    }

    /// Time at which the next automatic backup expires.
    pub(super) fn next_expiry(&self) -> Option<DateTime<Utc>> {
        let kept = self.backups.iter().rev().filter(|record| record.is_kept_automatic());
        kept.skip(1).filter_map(|record| record.expires_at).min()
    }

    /// Keeps existing backups from being restored after a change of shape: a smaller capacity for instances with one
    /// shard; any change of capacity or shards for clusters and proxies; any change of the mode.
    pub(super) fn outdate_backups(&mut self, old: &Shape) {
        let new = &self.shape;
        let is_sharded = matches!(new.mode, CacheMode::Cluster | CacheMode::Proxy);
        let is_scaled = (old.capacity, old.shards) != (new.capacity, new.shards);
        if old.mode != new.mode || old.capacity > new.capacity || (is_sharded && is_scaled) {
            self.backups.iter_mut().for_each(|record| record.outdated = true);
        }
    }

    /// The format without a wish: Redis 3.0 writes `aof` only.
    pub(super) fn backup_format(&self) -> BackupFormat {
        if self.is_version_3() { BackupFormat::Aof } else { BackupFormat::Rdb }
    }

    /// Plans the next automatic backup.
    pub(super) fn plan_automatic_backup(&mut self, now: DateTime<Utc>) {
        self.automatic = AutomaticBackup::after(self.backup.as_ref().map(|backup| &backup.policy), now);
    }

    /// End of the retention of an automatic backup that starts at `now`. A later change of the policy does not move it.
    pub(super) fn retention_end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let days = self.backup.as_ref()?.policy.save_days?;
        let seconds = u64::try_from(days).ok()?.checked_mul(86_400)?;
        Some(later(now, std::time::Duration::from_secs(seconds)))
    }
}

/// A snapshot is compressed, an append-only file is not.
fn size(used_megabytes: i64, format: &BackupFormat) -> i64 {
    let bytes = used_megabytes.saturating_mul(MIB);
    if *format == BackupFormat::Aof { bytes } else { bytes / 2 }
}
