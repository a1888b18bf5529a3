//! The status of a DcsRestore.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    conditions,
    job::{JobAccount, PendingApproval},
    operation::{OperationStatus, time_schema},
    words::JobOutcome,
};

/// What the operator observed of the restore.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DcsRestoreStatus {
    /// Generation of the spec that this status is about; -1 before the first observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Succeeded or Failed; absent until the end. For scripts: `kubectl wait --for=jsonpath='{.status.outcome}'` returns either
    /// way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<JobOutcome>,

    /// ID of the restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub restore_id: Option<String>,

    /// Status that DCS reports: waiting, restoring, succeed, failed …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cloud_status: Option<String>,

    /// Percent that are done, in steps of 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub progress_percent: Option<i32>,

    /// The backup that is restored. It is chosen once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<RestoredBackup>,

    /// The backup of the data that the restore replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_backup: Option<BeforeBackup>,

    /// The instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<RestoredInstance>,

    /// What waits for approval, until the restore has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_approval: Option<PendingApproval>,

    /// When the work began: the backup of the present data, or the restore itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub started_at: Option<Time>,

    /// When DCS ended the restore. Never a time in the future. Complete follows once the instance serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub completed_at: Option<Time>,

    /// Region, project, endpoint and credentials of the restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<JobAccount>,

    /// The last request to DCS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,

    /// Complete: the data was replaced, and the instance serves. Failed: it was not, and is not tried again. Ready: as
    /// Complete. Reconciling: work is in progress. Stalled: a person is needed, or the end was a failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// The backup that is restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredBackup {
    /// ID of the backup.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Name of the DcsBackup that stands for it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// The source that it was chosen for, as the manifest writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub source: Option<String>,
    /// When it was complete, by DCS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub completed_at: Option<Time>,
}

/// The backup of the data that the restore replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeforeBackup {
    /// Name of the DcsBackup.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// The instance whose data is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredInstance {
    /// ID of the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<String>,
}
