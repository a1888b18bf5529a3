//! DcsBackup: one backup of an instance.

// Each printer column names its type; the lint reports the second one as a duplicate.
#![expect(clippy::duplicated_attributes)]

pub mod rules;
pub mod status;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::{BackedUpInstance, DcsBackupStatus, ResolvedBackup};
use super::{
    instance::DeletionPolicy,
    job::InstanceRef,
    operation::time_schema,
    rules::{UUID, validations},
    transform::described_by_field,
};

/// The backup that is wanted. Once it has begun, only deletionPolicy and pinned can change.
#[derive(Debug, Clone, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "dcs.huaweicloud.com",
    version = "v1alpha1",
    kind = "DcsBackup",
    namespaced,
    status = "DcsBackupStatus",
    shortname = "dcsb",
    category = "dcs",
    category = "huaweicloud",
    derive = "PartialEq",
    doc = "DcsBackup is one backup of a DcsInstance. It is made once. Deleting the object deletes the backup, unless \
           deletionPolicy is Retain. Deleting the instance deletes its backups, these included.",
    printcolumn(
        name = "Instance",
        type_ = "string",
        json_path = ".spec.instanceRef.name",
        description = "the DcsInstance"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "the backup can be restored now"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "reason of the condition Ready"
    ),
    printcolumn(
        name = "Progress",
        type_ = "integer",
        json_path = ".status.progressPercent",
        description = "percent that are done"
    ),
    printcolumn(
        name = "Size",
        type_ = "string",
        json_path = ".status.size",
        description = "size of the files"
    ),
    printcolumn(
        name = "Completed",
        type_ = "date",
        json_path = ".status.completedAt",
        description = "when the backup ended"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Format",
        type_ = "string",
        json_path = ".status.resolved.format",
        description = "rdb or aof",
        priority = 1
    ),
    printcolumn(
        name = "Pinned",
        type_ = "boolean",
        json_path = ".spec.pinned",
        description = "no retention removes it",
        priority = 1
    ),
    printcolumn(
        name = "Type",
        type_ = "string",
        json_path = ".status.type",
        description = "manual or auto",
        priority = 1
    ),
    printcolumn(
        name = "ID",
        type_ = "string",
        json_path = ".status.id",
        description = "backup ID",
        priority = 1
    ),
    printcolumn(
        name = "Cloud-Status",
        type_ = "string",
        json_path = ".status.cloudStatus",
        description = "status that DCS reports",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(rules::SPEC)))]
pub struct DcsBackupSpec {
    /// The DcsInstance to back up, in the same namespace. DCS does not back up instances with cacheMode single.
    pub instance_ref: InstanceRef,

    /// File format: rdb or aof; rdb if absent, and aof on Redis 3.0. Not together with adopt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<BackupFormat>,

    /// Text that DCS shows with the backup, at most 80 bytes. Not together with adopt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80), extend("x-kubernetes-validations" = validations(rules::DESCRIPTION)))]
    pub description: Option<String>,

    /// The backup is not started at this time or later: the object fails with the reason Expired instead. With this time, the
    /// manifest stands for one backup, however often it is applied or restored; write it where the manifest stays in Git. Not
    /// together with adopt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub start_before: Option<Time>,

    /// After this time from its start the object fails with the reason DeadlineExceeded, although DCS may go on: a backup
    /// cannot be stopped. 14400 if absent. Not together with adopt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 600, max = 86_400))]
    pub running_deadline_seconds: Option<i32>,

    /// What becomes of the backup when the object is deleted; Delete if absent, and Retain with adopt. Can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// No retention removes the backup, no other backup is started that would push it out, and the deletion of the DcsInstance
    /// waits for it. Can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,

    /// A backup that exists, of the instance that instanceRef names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptBackup>,
}

/// The backup to look after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptBackup {
    /// ID of the backup.
    #[schemars(length(max = 36), extend("x-kubernetes-validations" = validations(UUID)))]
    pub backup_id: String,
}

/// File format of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = described_by_field)]
pub enum BackupFormat {
    /// A snapshot.
    Rdb,
    /// A log of changes.
    Aof,
}
