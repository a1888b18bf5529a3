//! DcsBackupSchedule: backups of an instance at the times of a cron schedule, and how long they are kept.

// Each printer column names its type; the lint reports the second one as a duplicate.
#![expect(clippy::duplicated_attributes)]

pub mod rules;
pub mod status;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::{ActiveBackup, DcsBackupScheduleStatus, ScheduledBackups};
use super::{
    backup::{BackupFormat, rules::DESCRIPTION},
    job::InstanceRef,
    rules::validations,
};

/// When backups are made, of what, and how long they are kept.
#[derive(Debug, Clone, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "dcs.huaweicloud.com",
    version = "v1alpha1",
    kind = "DcsBackupSchedule",
    namespaced,
    status = "DcsBackupScheduleStatus",
    shortname = "dcsbs",
    category = "dcs",
    category = "huaweicloud",
    derive = "PartialEq",
    doc = "DcsBackupSchedule makes a DcsBackup of a DcsInstance at each time of a cron schedule, and deletes old ones. Deleting \
           the schedule leaves its backups.",
    printcolumn(
        name = "Instance",
        type_ = "string",
        json_path = ".spec.instanceRef.name",
        description = "the DcsInstance"
    ),
    printcolumn(
        name = "Schedule",
        type_ = "string",
        json_path = ".spec.schedule",
        description = "when backups are made"
    ),
    printcolumn(
        name = "Suspend",
        type_ = "boolean",
        json_path = ".spec.suspend",
        description = "no backups are made"
    ),
    printcolumn(
        name = "Last-Run",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="LastRunSucceeded")].reason"#,
        description = "how the last run ended"
    ),
    printcolumn(
        name = "Last-Success",
        type_ = "date",
        json_path = ".status.lastSuccessfulTime",
        description = "when the last backup was complete"
    ),
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.nextScheduleTime",
        description = "when the next backup is due"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "backups are made when they are due"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "TimeZone",
        type_ = "string",
        json_path = ".spec.timeZone",
        description = "time zone of the schedule",
        priority = 1
    ),
    printcolumn(
        name = "Keep",
        type_ = "integer",
        json_path = ".spec.retention.keepLast",
        description = "how many backups are kept",
        priority = 1
    ),
    printcolumn(
        name = "Kept",
        type_ = "integer",
        json_path = ".status.backups.kept",
        description = "how many of them exist",
        priority = 1
    ),
    printcolumn(
        name = "Pinned",
        type_ = "integer",
        json_path = ".status.backups.pinned",
        description = "backups that no retention removes",
        priority = 1
    ),
    printcolumn(
        name = "Missed",
        type_ = "integer",
        json_path = ".status.missedRuns",
        description = "runs since the last success that made no backup",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(rules::SPEC)))]
pub struct DcsBackupScheduleSpec {
    /// The DcsInstance to back up, in the same namespace; cannot be changed. DCS does not back up instances with cacheMode
    /// single.
    pub instance_ref: InstanceRef,

    /// When backups are made: minute, hour, day of month, month and day of week, as in "0 3 * * *". Fields are numbers or
    /// names (JAN, MON), lists, ranges and steps. If both days are given, either matches.
    #[schemars(length(min = 9, max = 100), extend("x-kubernetes-validations" = validations(rules::SCHEDULE)))]
    pub schedule: String,

    /// IANA name of the time zone of the schedule, such as Asia/Shanghai; UTC if absent. With one minute
    /// and one hour, a time that the clocks skip in spring counts as the first moment after it, and one that they repeat in
    /// autumn counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-validations" = validations(rules::TIME_ZONE)))]
    pub time_zone: Option<String>,

    /// Makes no backups and deletes none. The times that pass meanwhile are not made up for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// One backup when the schedule is created, besides those of the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub immediate: Option<bool>,

    /// How late a backup may start, after the time that the schedule says; until the next one is due if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 604_800))]
    pub starting_deadline_seconds: Option<i32>,

    /// How long backups are kept. A backup is deleted when one of the rules says so, once a newer one was made.
    pub retention: Retention,

    /// What the backups are like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<BackupTemplate>,
}

/// How long backups are kept. Pinned backups, those with deletionPolicy Retain, those that a restore needs and the newest one
/// that can be restored stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(rules::RETENTION)))]
pub struct Retention {
    /// How many backups that can be restored are kept. DCS itself keeps 24 of an instance, with those of its own policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 22))]
    pub keep_last: Option<i32>,

    /// For how many days a backup is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub max_age_days: Option<i32>,

    /// How many objects of backups that failed, or are gone, are kept; 3 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub keep_failed: Option<i32>,
}

/// What the backups of a schedule are like: fields of their DcsBackups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupTemplate {
    /// File format: rdb or aof; rdb if absent, and aof on Redis 3.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<BackupFormat>,

    /// Text that DCS shows with each backup, at most 80 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80), extend("x-kubernetes-validations" = validations(DESCRIPTION)))]
    pub description: Option<String>,

    /// After this time from its start a backup counts as failed, although DCS may go on; 14400 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 600, max = 86_400))]
    pub running_deadline_seconds: Option<i32>,
}
