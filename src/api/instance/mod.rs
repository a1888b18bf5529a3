//! DcsInstance: one managed Redis instance.

// Each printer column names its type; the lint reports the second one as a duplicate.
#![expect(clippy::duplicated_attributes)]

pub mod auth;
pub mod network;
pub mod policy;
pub mod rules;
pub mod status;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    auth::{Auth, AuthType, PasswordSecretRef},
    network::Network,
    policy::{
        Adopt, CredentialsRef, DeletionPolicy, MaintenanceWindow, ManagementPolicy, OnExternalDeletion,
        ReclaimPolicy,
    },
    status::{
        Applied, Binding, DcsInstanceStatus, Endpoint, Endpoints, InstanceBackups, PendingApproval,
        RepeatedChange, Resolved, ResolvedWindow,
    },
};
pub use super::operation::{CloudAccount, Holder, OperationStatus, PendingChange};
use super::{rules::validations, transform::described_by_field};

/// The desired instance. The operator compares only the fields that are set; it leaves every other setting alone.
///
/// A new instance needs engineVersion, capacity or specCode, and a network: from here or from the credentials Secret of
/// the namespace. With adopt, every other field is optional.
///
/// On an existing instance this version changes name, description, maintenanceWindow, tags and the password (auth). It
/// refuses every other change (Stalled/UnsupportedChange) and changes nothing until the field is put back.
#[derive(Debug, Clone, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "dcs.huaweicloud.com",
    version = "v1alpha1",
    kind = "DcsInstance",
    namespaced,
    status = "DcsInstanceStatus",
    shortname = "dcsi",
    category = "dcs",
    category = "huaweicloud",
    label("servicebinding.io/provisioned-service", "true"),
    derive = "PartialEq",
    doc = "DcsInstance is a cache instance of Huawei Cloud DCS (managed Redis). The operator creates, adopts, changes, \
           observes and deletes the instance through this object. Deleting the object deletes the instance with its \
           data and its backups, unless deletionPolicy is Retain.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "clients can use the instance"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "reason of the condition Ready"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.resolved.engineVersion",
        description = "Redis version"
    ),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".status.resolved.cacheMode",
        description = "cache mode"
    ),
    printcolumn(
        name = "Capacity",
        type_ = "string",
        json_path = ".status.resolved.capacity",
        description = "memory"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.endpoints.primary.host",
        description = "host that clients connect to"
    ),
    printcolumn(
        name = "Synced",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Synced")].status"#,
        description = "the instance matches the spec",
        priority = 1
    ),
    printcolumn(
        name = "ID",
        type_ = "string",
        json_path = ".status.id",
        description = "instance ID",
        priority = 1
    ),
    printcolumn(
        name = "Cloud-Status",
        type_ = "string",
        json_path = ".status.cloudStatus",
        description = "status that DCS reports",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(rules::SPEC)))]
pub struct DcsInstanceSpec {
    /// The Secret with the credentials. If absent: the Secret "dcs-credentials" of this namespace; without that, the
    /// operator's own credentials, where its installer allows them. Once the instance exists, other credentials must
    /// belong to the same project and endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,

    /// Version of Redis, in quotes: "3.0", "4.0", "5.0", "6.0", "7.0" …, as far as the region offers it. Cannot
    /// change once the instance exists: to move to another version, create a second instance and copy the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), extend("x-kubernetes-validations" = validations(rules::ENGINE_VERSION)))]
    pub engine_version: Option<String>,

    /// Memory: 128Mi, 256Mi, 512Mi, or whole Gi up to 1024Gi, as far as the region offers it. This version cannot
    /// resize an instance: a change is refused (Stalled/UnsupportedChange).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "capacity_schema")]
    pub capacity: Option<Quantity>,

    /// Name in the cloud: 4 to 64 letters, digits, '-' and '_', the first a letter. If absent, the operator derives the
    /// name of a new instance from namespace and name, and an adopted instance keeps its name. Can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = validations(rules::CLOUD_NAME)))]
    pub name: Option<String>,

    /// Description in the cloud. Can be changed; "" empties it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,

    /// Architecture; "ha" if absent. single: one node; its data is lost with it. ha: a master and replicas.
    /// ha_rw_split: as ha, with a separate address for reading. proxy: shards behind proxies, for any client. cluster:
    /// Redis Cluster, for clients that support it. Not together with specCode. This version cannot change it on an
    /// existing instance (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_mode: Option<CacheMode>,

    /// CPU architecture of the nodes: x86_64 or aarch64. If absent, `cpuType` of the credentials Secret, else what the
    /// region offers. Not together with specCode. This version cannot change it on an existing instance
    /// (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_type: Option<CpuType>,

    /// Copies of the data, the master included: 1 for single, 2 or more for ha and ha_rw_split. If absent, the usual
    /// number of the flavor. Not together with specCode. This version cannot change it on an existing instance
    /// (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub replicas: Option<i32>,

    /// Shards, for proxy and cluster only. If absent, the usual number of the flavor. Not together with specCode. This
    /// version cannot change it on an existing instance (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub shards: Option<i32>,

    /// Code of the flavor, such as redis.ha.xu1.large.r2.4, instead of cacheMode, cpuType, replicas and shards. This
    /// version cannot change it on an existing instance (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = validations(rules::SPEC_CODE)))]
    pub spec_code: Option<String>,

    /// Codes of the availability zones, such as cn-north-4a, for master and replicas. If absent, `availabilityZones` of
    /// the credentials Secret, else zones that offer the flavor. This version cannot change them on an existing instance
    /// (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 8),
        inner(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9-]*$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub availability_zones: Option<Vec<String>>,

    /// The network of the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,

    /// Port that clients connect to; DCS uses 6379 if absent. Redis 4.0 and later only. This version cannot change it on
    /// an existing instance (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// How clients authenticate. If absent, a new instance gets a generated password, and an adopted instance keeps its
    /// own. A change of type or secretRef sets a new password on an existing instance. This version does not remove a
    /// password (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// When DCS may do maintenance; DCS chooses if absent. Only windows that the site offers. Can be changed. It does not
    /// delay changes that the operator makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<MaintenanceWindow>,

    /// Tags in the cloud, at most 16. A tag that is removed here is removed there; the operator leaves other tags of the
    /// instance alone. Keys have 1 to 36 characters, values up to 43: letters, digits, spaces and _ . : = + - @, values
    /// also /. Can be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tags_schema")]
    pub tags: Option<BTreeMap<String, String>>,

    /// ID of the enterprise project, or "0" for the default one; DCS chooses if absent. Cannot change once the instance
    /// exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36), extend("x-kubernetes-validations" = validations(rules::ENTERPRISE_PROJECT)))]
    pub enterprise_project_id: Option<String>,

    /// Managed (if absent): the operator makes the instance match this spec. Observe: the operator only reports; it
    /// changes and deletes nothing in the cloud. Observe needs adopt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,

    /// What happens to the instance when this object is deleted. Delete: the instance is deleted, with its data and all
    /// its backups. Retain: the instance stays and no longer belongs to this object. If absent: Delete for an instance
    /// that the operator created, Retain for an adopted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// What to do when the instance is deleted in the cloud. Report (if absent): set Stalled/ExternallyDeleted and wait,
    /// so that an empty cache does not silently replace a full one. Recreate: create a new, empty instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_external_deletion: Option<OnExternalDeletion>,

    /// What to do, before a new instance is created, about an instance that an earlier object of this namespace and name
    /// left behind. Released (if absent, unless the installer chose None): take back the one that it released, if exactly
    /// one exists, the Secret `<name>-auth` in this namespace notes its ID, and the fields that cannot change agree; else
    /// set Stalled/ReclaimBlocked. Orphaned: also take the one of an object that vanished without releasing it, as in a
    /// cluster that was rebuilt from manifests, and without that Secret too; this needs the former cluster ID, and that no
    /// other cluster uses it. None: create a new instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reclaim_policy: Option<ReclaimPolicy>,

    /// Take over an existing instance. No other field is then needed; fields that are set are compared and applied as
    /// usual. It can be added later only while this object has no other instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,

    /// While true, the operator changes nothing in the cloud; it does not delete the instance either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// Architecture of an instance, as DCS spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = described_by_field)]
pub enum CacheMode {
    /// One node.
    Single,
    /// A master and replicas.
    Ha,
    /// As `ha`, with a separate address for reading.
    HaRwSplit,
    /// Shards behind proxies.
    Proxy,
    /// Redis Cluster.
    Cluster,
}

/// CPU architecture, as DCS spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = described_by_field)]
pub enum CpuType {
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
    /// Arm.
    #[serde(rename = "aarch64")]
    Aarch64,
}

/// A string, unlike the integer-or-string of built-in kinds: a number without a unit would mean bytes.
fn capacity_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 16,
        "x-kubernetes-validations": validations(rules::CAPACITY),
    })
}

fn tags_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 43 },
        "x-kubernetes-validations": validations(rules::TAGS),
    })
}
