//! The status of a DcsBackupSchedule.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{conditions, operation::time_schema};

/// What the operator observed of the schedule and its backups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DcsBackupScheduleStatus {
    /// Generation of the spec that this status is about; -1 before the first observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The schedule and the time zone that scheduleSeenAt is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub schedule: Option<String>,

    /// When the operator first saw the present schedule and time zone, or that the schedule is no longer suspended. No backup
    /// is owed for earlier times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub schedule_seen_at: Option<Time>,

    /// The last time of the schedule that was dealt with: its backup was made, or the run was skipped or missed. Not when the
    /// backup started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_schedule_time: Option<Time>,

    /// When the last backup was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_successful_time: Option<Time>,

    /// When the next backup is due; absent while the schedule is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub next_schedule_time: Option<Time>,

    /// The backup that waits for its turn or is being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveBackup>,

    /// Runs since the last success that made no backup: failed, skipped and missed ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub missed_runs: Option<i64>,

    /// The DcsBackups of the schedule that have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<ScheduledBackups>,

    /// Ready: backups are made when they are due. LastRunSucceeded: how the last run ended; absent before the first.
    /// Reconciling: the schedule waits for its instance. Stalled: a person is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// The backup that waits for its turn or is being made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveBackup {
    /// Name of the DcsBackup.
    #[schemars(length(max = 63))]
    pub name: String,

    /// Name of the DcsBackup that is deleted to make room for it: one for each run, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub makes_room: Option<String>,
}

/// The DcsBackups of the schedule that have ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledBackups {
    /// How many can be restored and are subject to retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub kept: Option<i32>,
    /// How many can be restored and stay whatever the retention says: pinned ones, and those with deletionPolicy Retain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub pinned: Option<i32>,
    /// How many failed, or are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed: Option<i32>,
}
