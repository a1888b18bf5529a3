//! `status.operation`: what is being done to the instance, written down before it is asked for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{CloudAccount, PendingChange};
use crate::api::words::{OperationOutcome, OperationType};

/// What is being done to the instance. It is written before the cloud is asked (an intent), so that whoever comes
/// after a crash knows what may have happened and finds out from the cloud instead of asking again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// What is done: Create, Resize, Delete …
    #[serde(rename = "type")]
    pub type_: OperationType,

    /// Who has the right to it: the instance itself, or a backup, restore or migration of it. Others wait.
    pub holder: Holder,

    /// When it began.
    #[schemars(schema_with = "time_schema")]
    pub started_at: Time,

    /// How often it was tried, this attempt included.
    #[schemars(range(min = 0))]
    pub attempt: i32,

    /// How often the cloud accepted it and then failed to carry it out; at a limit, a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failures: Option<i32>,

    /// The generation of the spec that the present attempt was made for: another one is a reason to try again at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,

    /// When the present attempt was written down, by the clock of whoever wrote it. For people, and for the gaps
    /// between attempts; never to tell whether an attempt may still arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub attempted_at: Option<Time>,

    /// Which process wrote the present attempt down. It alone knows when it sent the request; any other counts
    /// windowSeconds from when it first saw this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub process: Option<String>,

    /// For how long after it was written down the attempt may still show its effect: the time to send it, its
    /// timeout, and the time until lists show it, as that process was set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub window_seconds: Option<i32>,

    /// Where the present attempt is sent: it is there that its outcome has to be looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<CloudAccount>,

    /// A keyed hash of the credentials that the present attempt uses: a complete list made with others may not show
    /// its effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub credentials_hash: Option<String>,

    /// What the present attempt asks for, to tell from what the cloud shows whether it arrived. Never a password.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub changes: Vec<PendingChange>,

    /// What became of the present attempt: Accepted, Failed, Refused. Absent means that it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OperationOutcome>,

    /// Why it was refused or failed, in the word that the conditions use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub reason: Option<String>,

    /// Why it was refused or failed, in the cloud's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,

    /// The ID that the cloud gave the instance, until it is seen there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub instance_id: Option<String>,

    /// The cloud's job that carries it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub job_id: Option<String>,

    /// The cloud's background task that carries it out, where there is no job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub task_id: Option<String>,
}

/// An object of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Its kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid: one made later under the same name is another one.
    #[schemars(length(max = 128))]
    pub uid: String,
}

fn time_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time" })
}
