//! DcsRestore: one restore of a backup to its instance.

// Each printer column names its type; the lint reports the second one as a duplicate.
#![expect(clippy::duplicated_attributes)]

pub mod rules;
pub mod status;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::{BeforeBackup, DcsRestoreStatus, RestoredBackup, RestoredInstance};
use super::{
    job::InstanceRef,
    operation::time_schema,
    rules::{OBJECT_NAME, UUID, validations},
};

/// The restore that is wanted. It cannot be changed once it has begun.
#[derive(Debug, Clone, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "dcs.huaweicloud.com",
    version = "v1alpha1",
    kind = "DcsRestore",
    namespaced,
    status = "DcsRestoreStatus",
    shortname = "dcsr",
    category = "dcs",
    category = "huaweicloud",
    derive = "PartialEq",
    doc = "DcsRestore is one restore of a backup to the instance that the backup was made of. It replaces all data of the \
           instance, which does not serve meanwhile. It is done at most once. Deleting the object before the restore has \
           begun cancels it; afterwards DCS goes on.",
    printcolumn(
        name = "Instance",
        type_ = "string",
        json_path = ".spec.instanceRef.name",
        description = "the DcsInstance"
    ),
    printcolumn(
        name = "Backup-Time",
        type_ = "date",
        json_path = ".status.backup.completedAt",
        description = "when the backup was complete"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "the restore is done"
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
        name = "Completed",
        type_ = "date",
        json_path = ".status.completedAt",
        description = "when the restore ended"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Backup",
        type_ = "string",
        json_path = ".status.backup.id",
        description = "backup ID",
        priority = 1
    ),
    printcolumn(
        name = "Before",
        type_ = "string",
        json_path = ".status.beforeBackup.name",
        description = "the DcsBackup of the data that the restore replaces",
        priority = 1
    ),
    printcolumn(
        name = "ID",
        type_ = "string",
        json_path = ".status.restoreId",
        description = "restore ID",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(rules::SPEC)))]
pub struct DcsRestoreSpec {
    /// The DcsInstance whose data is replaced, in the same namespace.
    pub instance_ref: InstanceRef,

    /// The backup: exactly one of the fields.
    #[schemars(extend("x-kubernetes-validations" = validations(rules::SOURCE)))]
    pub source: RestoreSource,

    /// Consent to replace all data. If absent, the restore waits for the annotation dcs.huaweicloud.com/approve with the token
    /// in status.pendingApproval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<RestoreConsent>,

    /// Back the present data up first; true if absent. The restore does not begin unless that backup succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_first: Option<bool>,
}

/// The backup to restore: one of the instance itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSource {
    /// The newest backup that can be restored and was complete by this time, whoever made it. It is chosen once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub latest_before: Option<Time>,

    /// A DcsBackup of the same instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_ref: Option<BackupRef>,

    /// ID of a backup of the same instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36), extend("x-kubernetes-validations" = validations(UUID)))]
    pub backup_id: Option<String>,
}

/// A DcsBackup of the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupRef {
    /// Name of the DcsBackup.
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = validations(OBJECT_NAME)))]
    pub name: String,
}

/// Consent to one restore, for a limited time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreConsent {
    /// Name of the DcsInstance again: a manifest that was copied for another instance is refused.
    #[schemars(length(min = 1, max = 253))]
    pub target: String,

    /// The restore is not begun at this time or later: the object fails with the reason Expired instead. With this time, the
    /// manifest stands for one restore, however often it is applied. Leave room for the backup first: up to half an hour.
    #[schemars(schema_with = "time_schema")]
    pub not_after: Time,
}
