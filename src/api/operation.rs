//! `status.operation`, as every kind has it: the intent that is written before each mutating call, and its outcome.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::{Impact, OperationOutcome, OperationType};

/// The operation on the instance. The operator writes it before it calls the cloud (an intent). After a crash the next
/// process reads it, finds out from the cloud what happened, and does not repeat the call blindly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// Type of the operation: Create, Adopt, Release, Delete, DeleteFailed, Update, UpdateTags,
    /// ResetPassword, Backup, DeleteBackup or Restore.
    #[serde(rename = "type")]
    pub type_: OperationType,

    /// The object whose operation it is: the one that has this status.
    pub holder: Holder,

    /// When the operation began.
    #[schemars(schema_with = "time_schema")]
    pub started_at: Time,

    /// Number of attempts, the current one included.
    #[schemars(range(min = 0))]
    pub attempt: i32,

    /// How often the cloud accepted the creation and then failed to carry it out; at a limit the object is Stalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failures: Option<i32>,

    /// Generation of the spec that the current attempt was made for. A newer generation is tried at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,

    /// When the current attempt was recorded, by the clock of the process that recorded it. It sets the wait before the
    /// next attempt; it never decides whether an attempt may still arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub attempted_at: Option<Time>,

    /// The process that recorded the current attempt. Only this process knows when it sent the request; any other
    /// process counts windowSeconds from the time when it first read this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub process: Option<String>,

    /// How long after it was recorded the attempt may still take effect: the time to send it, its timeout, and the time
    /// until lists show the effect, by the settings of that process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub window_seconds: Option<i32>,

    /// Region, project and endpoint that the current attempt is sent to, and where its outcome is looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<CloudAccount>,

    /// Keyed hash of everything that the current attempt takes from the credentials Secret. After a correction there the
    /// next attempt follows at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub credentials_hash: Option<String>,

    /// The changes that the current attempt asks for. Never a password.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub changes: Vec<PendingChange>,

    /// The pending password that the current attempt sends, by the name that the record Secret gives it. Not a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub password: Option<String>,

    /// Outcome of the current attempt: Accepted or Refused. Absent while the outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OperationOutcome>,

    /// Reason of a refusal, as the conditions spell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub reason: Option<String>,

    /// Message of a refusal or failure, as DCS gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,

    /// ID of the instance, backup or restore that the operation is about. For a creation, the ID that DCS returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub instance_id: Option<String>,

    /// ID of the DCS job that carries the operation out. Not set by this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub job_id: Option<String>,

    /// ID of the DCS background task that carries the operation out. Not set by this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub task_id: Option<String>,
}

/// An object of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// UID. An object created later under the same name has another UID.
    #[schemars(length(max = 128))]
    pub uid: String,
}

/// Region, project and endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudAccount {
    /// Region code, such as cn-north-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// ID of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub project_id: Option<String>,
    /// URL of the DCS API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub endpoint: Option<String>,
}

/// One difference between the spec and the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingChange {
    /// The field of the spec.
    #[schemars(length(max = 253))]
    pub field: String,
    /// Present value. Absent if the instance has none, or if it is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub from: Option<String>,
    /// Desired value. Absent if the spec has none, or if it is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub to: Option<String>,
    /// Impact of the change: Online, Disruptive, Destructive or Immutable. This version makes Online changes only and
    /// refuses the others.
    pub impact: Impact,
}

pub(super) fn time_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time" })
}

/// A quantity that the operator writes.
pub(super) fn quantity_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "maxLength": 32 })
}
