//! The status of a DcsBackup.

use k8s_openapi::apimachinery::pkg::{
    api::resource::Quantity,
    apis::meta::v1::{Condition, Time},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    conditions,
    job::JobAccount,
    operation::{OperationStatus, quantity_schema, time_schema},
    words::JobOutcome,
};

/// What the operator observed of the backup.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DcsBackupStatus {
    /// Generation of the spec that this status is about; -1 before the first observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Succeeded or Failed; absent until the end. For scripts: `kubectl wait --for=jsonpath='{.status.outcome}'` returns either
    /// way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<JobOutcome>,

    /// ID of the backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<String>,

    /// Status that DCS reports: waiting, backuping, succeed, failed, expired, deleted …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cloud_status: Option<String>,

    /// manual or auto.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub type_: Option<String>,

    /// Percent that are done, in steps of 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub progress_percent: Option<i32>,

    /// Size of the files in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub size_bytes: Option<i64>,

    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub size: Option<String>,

    /// Whether the backup can be restored to its instance as that is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restorable: Option<bool>,

    /// When DCS began the backup; before that, when it was requested. Never a time in the future, whatever clock DCS has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub started_at: Option<Time>,

    /// When the backup ended, by DCS. Never a time in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub completed_at: Option<Time>,

    /// Effective values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<ResolvedBackup>,

    /// The instance as it was when the backup was made: a restore is refused where it would not fit any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<BackedUpInstance>,

    /// Region, project, endpoint and credentials of the backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<JobAccount>,

    /// The last request to DCS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,

    /// Complete: the backup was made. Failed: it was not, and is not tried again. Ready: it can be restored now. Reconciling:
    /// work is in progress. Stalled: a person is needed, or the end was a failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// Effective values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedBackup {
    /// rdb or aof.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub format: Option<String>,
    /// Delete or Retain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub deletion_policy: Option<String>,
    /// Created or Adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub origin: Option<String>,
}

/// The instance as it was when the backup was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackedUpInstance {
    /// ID of the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<String>,
    /// Version of Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub engine_version: Option<String>,
    /// Cache mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cache_mode: Option<String>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity_schema")]
    pub capacity: Option<Quantity>,
    /// Shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<i32>,
    /// Code of the flavor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub spec_code: Option<String>,
}
