//! What the operator says about an instance.
//!
//! Everything here must be readable whatever version wrote it: words are open, and what is not required to make
//! sense of the rest is optional.

use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Condition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::OperationStatus;
use crate::api::{conditions, words::Impact};

/// What the operator found in the cloud, and what it is doing about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DcsInstanceStatus {
    /// The generation of the spec that this status is about; -1 before the first look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// ID of the instance in the cloud. A hint only: whose instance it is, its tags say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<String>,

    /// The cloud's own word for what the instance is doing: RUNNING, EXTENDING, FROZEN …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cloud_status: Option<String>,

    /// Where the instance is. Recorded when it was made or taken over; credentials that lead elsewhere are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<CloudAccount>,

    /// What the instance is, as last seen, and the policies in force; before it exists, what will be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,

    /// Where clients connect. The Secret in binding has all that they need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,

    /// The Secret with all that clients need (a Provisioned Service of the Service Binding specification).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,

    /// What was declared here and carried out, so that removing it from the spec can undo it. Never a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,

    /// What is being done to the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,

    /// How often a lost instance was replaced by a new one; at a limit, a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub recreations: Option<i32>,

    /// What the spec asks for and is not done yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub pending_changes: Vec<PendingChange>,

    /// What waits for a person's consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_approval: Option<PendingApproval>,

    /// Ready: clients can use it now. Synced: the cloud matches the spec. Reconciling: work is under way. Stalled: a
    /// person is needed. BindingPublished: the Secret in binding is current.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// A place in the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudAccount {
    /// The region, such as cn-north-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// ID of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub project_id: Option<String>,
    /// URL of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub endpoint: Option<String>,
}

/// What the instance is, and the policies in force.
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
    /// The flavor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub spec_code: Option<String>,
    /// How it is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cache_mode: Option<String>,
    /// Processor of the nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cpu_type: Option<String>,
    /// Copies of the data, the master included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Parts that the data is divided into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<i32>,
    /// Codes of the zones.
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
    /// Its address.
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
    /// When the cloud may do maintenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<ResolvedWindow>,
    /// ID of the enterprise project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub enterprise_project_id: Option<String>,
    /// Created or Adopted: whether the operator made the instance or took it over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub origin: Option<String>,
    /// How clients prove who they are: Generated, SecretRef or None.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub auth_type: Option<String>,
    /// Managed or Observe.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub management_policy: Option<String>,
    /// Delete or Retain: what becomes of the instance when this object is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub deletion_policy: Option<String>,
    /// Report or Recreate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub on_external_deletion: Option<String>,
}

/// When the cloud may do maintenance, in the cloud's own format. Without the rules of the spec: nothing that the
/// cloud answers may stop a status from being written.
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

/// Where clients connect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// For reading and writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<Endpoint>,
    /// For reading only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<Endpoint>,
    /// For reading and writing through TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Endpoint>,
}

/// One address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Name, or address where the cloud gives no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub host: Option<String>,
    /// Address.
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

/// What was declared and carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Keys of the tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 128)), extend("x-kubernetes-list-type" = "atomic"))]
    pub tag_keys: Vec<String>,
    /// A keyed hash of the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub auth_hash: Option<String>,
}

/// One difference between spec and cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingChange {
    /// The field of the spec.
    #[schemars(length(max = 253))]
    pub field: String,
    /// What the instance has. Absent if it has nothing, or if it is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub from: Option<String>,
    /// What the spec asks for. Absent if it asks for nothing, or if it is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub to: Option<String>,
    /// What the change does to clients: Online, Disruptive, Destructive, or Immutable where it cannot be made.
    pub impact: Impact,
}

/// What waits for a person's consent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingApproval {
    /// To consent, give this object the annotation dcs.huaweicloud.com/approve with this value. It stands for
    /// exactly the pending changes, and for once.
    #[schemars(length(max = 64))]
    pub token: String,
    /// What will happen then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

fn quantity_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "maxLength": 32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::words::{OperationOutcome, OperationType};

    /// A status that a later version wrote must not take the object away from an earlier one.
    #[test]
    fn read_whatever_version_wrote_it() {
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
