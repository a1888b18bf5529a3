//! What happens to the backups of an instance without a call: limit, retention, effects of a restore and of a scaling.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    backup::{AutomaticBackup, BackupRecord, BackupState, RestoreRecord, TOOL_FAILED},
    instance::{Instance, Shape},
    load,
};
use crate::{
    dcs::model::{BackupFormat, CacheMode},
    simulator::{cloud_clock::later, options::BackupOptions},
};

/// Number of records kept per instance. The oldest go first.
const MAX_RECORDS: usize = 1000;
const MIB: i64 = 1_048_576;

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

    /// Makes a running backup fail when it ends, as a restart does.
    pub(super) fn break_backups(&mut self) {
        let running = self.backups.iter_mut().filter(|record| record.state == BackupState::Running);
        running.for_each(|record| record.fails = Some(TOOL_FAILED.to_owned()));
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
        Some(later(now, Duration::from_secs(seconds)))
    }
}

/// A snapshot is compressed, an append-only file is not.
fn size(used_megabytes: i64, format: &BackupFormat) -> i64 {
    let bytes = used_megabytes.saturating_mul(MIB);
    if *format == BackupFormat::Aof { bytes } else { bytes / 2 }
}
