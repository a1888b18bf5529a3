//! The status of a DcsInstance.
//!
//! Every version must decode what any other version wrote. Therefore enums are open, and a field is optional where the
//! other fields make sense without it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::{
    api::resource::Quantity,
    apis::meta::v1::{Condition, Time},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    conditions,
    operation::{CloudAccount, Holder, OperationStatus, PendingChange, quantity_schema, time_schema},
};

/// What the operator observed in the cloud, and what it is doing about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DcsInstanceStatus {
    /// Generation of the spec that this status is about; -1 before the first observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// ID of the instance in the cloud. A hint only: the tags of the instance decide to which object it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<String>,

    /// Status that DCS reports: RUNNING, EXTENDING, FROZEN …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cloud_status: Option<String>,

    /// Region, project and endpoint of the instance, recorded when it was created or adopted. The operator refuses
    /// credentials of another project or endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<CloudAccount>,

    /// The instance as last observed, and the effective policies. Before the instance exists: the values that will be
    /// requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,

    /// Addresses that clients connect to. The Secret in binding holds everything that they need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,

    /// The Secret with everything that clients need (a Provisioned Service of the Service Binding specification).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,

    /// What was declared in the spec and applied, so that removing it from the spec removes it from the instance. Never a
    /// secret value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,

    /// The operation on the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,

    /// The object of another kind that operates on the instance now. The operator makes no change of its own to the instance
    /// meanwhile, and other objects wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,

    /// The backups of the instance in DCS, those of the backup policy and of the console too, as last listed: after each
    /// DcsBackup, and about once an hour. Absent for a single-node instance, which has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<InstanceBackups>,

    /// How often a deleted instance was replaced by a new one; at a limit the object is Stalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub recreations: Option<i32>,

    /// Differences between the spec and the instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub pending_changes: Vec<PendingChange>,

    /// Changes that the operator requested again although DCS had accepted them: they have no effect, or something undoes
    /// them. The waits between the requests grow with the count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub repeated_changes: Vec<RepeatedChange>,

    /// The last value of the annotation dcs.huaweicloud.com/retry that was served by a retry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub last_retry_token: Option<String>,

    /// Changes that wait for approval. Not set by this version, which has no approvals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_approval: Option<PendingApproval>,

    /// Ready: clients can use the instance. Synced: the instance matches the spec. Reconciling: work is in progress.
    /// Stalled: a person is needed. BindingPublished: the Secret in binding is current.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// The instance as last observed, and the effective policies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// Name in the cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub name: Option<String>,
    /// Version of Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub engine_version: Option<String>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity_schema")]
    pub capacity: Option<Quantity>,
    /// Code of the flavor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub spec_code: Option<String>,
    /// Cache mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cache_mode: Option<String>,
    /// CPU architecture of the nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cpu_type: Option<String>,
    /// Copies of the data, the master included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<i32>,
    /// Codes of the availability zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 64)), extend("x-kubernetes-list-type" = "atomic"))]
    pub availability_zones: Vec<String>,
    /// ID of the VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub vpc_id: Option<String>,
    /// Network ID of the subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub subnet_id: Option<String>,
    /// IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub private_ip: Option<String>,
    /// ID of the security group, with Redis 3.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub security_group_id: Option<String>,
    /// Port that clients connect to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// When DCS may do maintenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<ResolvedWindow>,
    /// ID of the enterprise project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub enterprise_project_id: Option<String>,
    /// Created or Adopted: whether the operator created the instance or took it over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub origin: Option<String>,
    /// How clients authenticate: Generated, SecretRef or None.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub auth_type: Option<String>,
    /// Managed or Observe.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub management_policy: Option<String>,
    /// Delete or Retain: what happens to the instance when this object is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub deletion_policy: Option<String>,
    /// Report or Recreate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub on_external_deletion: Option<String>,
    /// Released, Orphaned or None: what happens to an instance that an earlier object of this name left behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub reclaim_policy: Option<String>,
}

/// When DCS may do maintenance, in the format of DCS. Unlike the spec it has no validation rules, because a status write
/// must succeed with any answer of DCS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedWindow {
    /// Begin, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub begin: Option<String>,
    /// End, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub end: Option<String>,
}

/// Addresses that clients connect to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// For reading and writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<Endpoint>,
    /// For reading only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<Endpoint>,
    /// For reading and writing through TLS. Not set by this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Endpoint>,
}

/// One address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// DNS name, or the IP address if DCS gives no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub host: Option<String>,
    /// IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub ip: Option<String>,
    /// Port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// A Secret of the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// The backups of an instance in DCS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceBackups {
    /// How many exist: those that have files, and those that are being made.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub total: i32,
    /// How many of them the backup policy made.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub automatic: i32,
    /// How many DCS keeps: one more removes the earliest (`--backup-limit`). Absent if there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub limit: Option<i32>,
    /// When the newest backup that can be restored was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_successful_time: Option<Time>,
    /// ID of that backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_successful_id: Option<String>,
}

/// What was declared and applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Keys of the tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 128)), extend("x-kubernetes-list-type" = "atomic"))]
    pub tag_keys: Vec<String>,
    /// Declared values of fields that are not changed online, as last matched by the instance: a difference from a value
    /// here was made in the cloud, and a new value is an edit of the spec.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "fields_schema")]
    pub fields: BTreeMap<String, String>,
    /// Not set by this version. Earlier ones kept a keyed hash of the password here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub auth_hash: Option<String>,
    /// Value of the annotation dcs.huaweicloud.com/rotate-password that was served last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub rotate_password: Option<String>,
}

/// A change that was requested again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepeatedChange {
    /// The field of the spec.
    #[schemars(length(max = 253))]
    pub field: String,
    /// How often the change was requested.
    #[schemars(range(min = 0))]
    pub times: i32,
    /// Generation of the spec that it was requested for. Another generation is tried at once.
    pub generation: i64,
    /// When it was last requested.
    #[schemars(schema_with = "time_schema")]
    pub last_at: Time,
}

/// Changes that wait for approval. Not set by this version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingApproval {
    /// Token of the approval.
    #[schemars(length(max = 64))]
    pub token: String,
    /// Why approval is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

fn fields_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 1024 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::words::{Impact, OperationOutcome, OperationType};

    /// An earlier version must decode a status that a later version wrote.
    #[test]
    fn a_status_written_by_another_version_decodes() {
        let status: DcsInstanceStatus = serde_json::from_value(serde_json::json!({
            "observedGeneration": 3,
            "cloudStatus": "DEFRAGMENTING",
            "someday": {"a": 1},
            "resolved": {"cacheMode": "hyper", "deletionPolicy": "Archive", "authType": "Certificate"},
            "operation": {
                "type": "Defragment", "attempt": 1, "startedAt": "2026-11-24T10:00:00Z", "outcome": "Postponed",
                "holder": {"kind": "DcsDefragmentation", "name": "x", "uid": "y", "since": 3},
            },
            "pendingChanges": [{"field": "capacity", "to": "8Gi", "impact": "Cosmetic"}],
        }))
        .unwrap();
        let operation = status.operation.unwrap();
        assert_eq!(operation.type_, OperationType::Other("Defragment".to_owned()));
        assert_eq!(operation.outcome, Some(OperationOutcome::Other("Postponed".to_owned())));
        assert_eq!(status.pending_changes[0].impact, Impact::Other("Cosmetic".to_owned()));
        assert_eq!(serde_json::from_str::<DcsInstanceStatus>("{}").unwrap(), DcsInstanceStatus::default());
    }
}
