//! The records of backups and restores (API reference 4.5).

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    dcs::model::{BackupFormat, BackupPolicy, BackupStatus, BackupType, RestoreStatus},
    simulator::options::BackupOptions,
};

/// Documented codes of failed records: backup tool, synchronization, busy instance.
pub(super) const TOOL_FAILED: &str = "dcs.08.0001";
pub(super) const SYNC_FAILED: &str = "dcs.08.0007";
pub(super) const INSTANCE_BUSY: &str = "dcs.08.0008";
/// Attempts of one automatic backup, and the time between them. All are within its hour.
const MAX_TRIES: u8 = 3;
const RETRY_MINUTES: i64 = 20;

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
    /// The content: memory usage of the instance at the end, as that of the instance.
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

    /// Whether the backup counts towards the limit.
    pub(super) fn counts(&self, options: &BackupOptions) -> bool {
        self.is_live() || (options.limit_counts_failed && self.failure().is_some())
    }

    /// Whether this is an automatic backup whose files exist.
    pub(super) fn is_kept_automatic(&self) -> bool {
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
