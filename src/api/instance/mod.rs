//! DcsInstance: one managed Redis.

// Each printer column names its type; the lint takes the second one for a repetition.
#![expect(clippy::duplicated_attributes)]

pub mod auth;
pub mod network;
pub mod operation;
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
    operation::{Holder, OperationStatus},
    policy::{
        Adopt, CredentialsRef, DeletionPolicy, MaintenanceWindow, ManagementPolicy, OnExternalDeletion,
    },
    status::{
        Applied, Binding, CloudAccount, DcsInstanceStatus, Endpoint, Endpoints, PendingApproval,
        PendingChange, Resolved, ResolvedWindow,
    },
};
use super::{rules::validations, schema::described_by_field};

/// What the instance shall be. A field that is absent is left alone: the operator compares with the cloud only what
/// is written here.
///
/// A new instance needs engineVersion and capacity (or specCode), and a network, from here or from the namespace's
/// credentials Secret. With adopt, everything is optional.
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
    doc = "DcsInstance is a cache instance of Huawei Cloud DCS (managed Redis): created, changed, observed, taken \
           over and deleted through this object. Deleting it deletes the instance with its data and its backups, \
           unless deletionPolicy says otherwise.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "clients can use it now"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "why it is ready or not"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.resolved.engineVersion",
        description = "of Redis"
    ),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".status.resolved.cacheMode",
        description = "how it is built"
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
        description = "where clients connect"
    ),
    printcolumn(
        name = "Synced",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Synced")].status"#,
        description = "the cloud matches the spec",
        priority = 1
    ),
    printcolumn(
        name = "ID",
        type_ = "string",
        json_path = ".status.id",
        description = "in the cloud",
        priority = 1
    ),
    printcolumn(
        name = "Cloud-Status",
        type_ = "string",
        json_path = ".status.cloudStatus",
        description = "the cloud's own word",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(rules::SPEC)))]
pub struct DcsInstanceSpec {
    /// The credentials to call the cloud with. If absent: the Secret "dcs-credentials" of this namespace; without
    /// that, the operator's own, where its installer allows them. Once the instance exists, other credentials must
    /// lead to the same project and endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,

    /// Version of Redis, in quotes: "3.0", "4.0", "5.0", "6.0", "7.0" …, as far as the region offers it. Cannot
    /// change once the instance exists: to move to another version, make a second instance and copy the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), extend("x-kubernetes-validations" = validations(rules::ENGINE_VERSION)))]
    pub engine_version: Option<String>,

    /// Memory: 128Mi, 256Mi, 512Mi, or whole Gi up to 1024Gi, as far as the region offers it. It can be changed;
    /// shrinking, and any change of a single instance, needs approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "capacity_schema")]
    pub capacity: Option<Quantity>,

    /// Name in the cloud: 4 to 64 letters, digits, '-' and '_', the first a letter. If absent, a new instance gets
    /// one made of namespace and name, and an adopted one keeps its own. Can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = validations(rules::CLOUD_NAME)))]
    pub name: Option<String>,

    /// Description in the cloud. Can be changed; "" empties it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,

    /// How the instance is built; "ha" if absent. single: one node, its data is lost with it. ha: a master and
    /// replicas. ha_rw_split: as ha, with an address of its own for reading. proxy: shards behind proxies, for any
    /// client. cluster: Redis Cluster, for clients that know it. Not together with specCode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_mode: Option<CacheMode>,

    /// Processor of the nodes: x86_64 or aarch64. If absent, `cpuType` of the namespace's credentials Secret, else
    /// what the region offers. Not together with specCode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_type: Option<CpuType>,

    /// Copies of the data, the master included: 1 for single, 2 or more for ha and ha_rw_split. If absent, what the
    /// flavor usually has. Removing copies needs approval. Not together with specCode.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub replicas: Option<i32>,

    /// Parts that the data is divided into, for proxy and cluster only. If absent, what the flavor usually has.
    /// Removing parts needs approval. Not together with specCode.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub shards: Option<i32>,

    /// The flavor by its code, such as redis.ha.xu1.large.r2.4, instead of cacheMode, cpuType, replicas and shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = validations(rules::SPEC_CODE)))]
    pub spec_code: Option<String>,

    /// Codes of the zones, such as cn-north-4a, for master and replicas. If absent, `availabilityZones` of the
    /// namespace's credentials Secret, else zones that offer the flavor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 8),
        inner(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9-]*$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub availability_zones: Option<Vec<String>>,

    /// Where the instance is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,

    /// Port that clients connect to; the cloud takes 6379 if absent. Redis 4.0 and later only. Changing it breaks
    /// all connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// How clients prove who they are. If absent, a new instance gets a generated password, and an adopted one
    /// keeps what it has. Changing it breaks nothing that is connected, but new connections need the new password;
    /// removing the password needs approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// When the cloud may do maintenance; the cloud chooses if absent. Only windows that the site offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<MaintenanceWindow>,

    /// Tags in the cloud, at most 16. Others that the instance carries are left alone; one that is removed here is
    /// removed there. Keys have 1 to 36 characters, values up to 43: letters, digits, spaces and _ . : = + - @,
    /// values also /.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tags_schema")]
    pub tags: Option<BTreeMap<String, String>>,

    /// ID of the enterprise project, or "0" for the default one; that of the account if absent. Cannot change once
    /// the instance exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36), extend("x-kubernetes-validations" = validations(rules::ENTERPRISE_PROJECT)))]
    pub enterprise_project_id: Option<String>,

    /// Managed (if absent): the operator makes the cloud match this spec. Observe: it only looks and reports, changes
    /// nothing in the cloud and never deletes; needs adopt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,

    /// What becomes of the instance when this object is deleted. Delete: it is deleted, with its data and all its
    /// backups. Retain: it stays and no longer belongs to this object. If absent: Delete for an instance that the
    /// operator made, Retain for one that was adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// What to do when somebody deletes the instance in the cloud. Report (if absent): say so and wait, since an
    /// empty cache must not silently replace a full one. Recreate: make a new, empty instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_external_deletion: Option<OnExternalDeletion>,

    /// Take over an instance that exists. Then no other field is needed; those that are written are compared and
    /// applied as usual. It may be added later only as long as this object has no other instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,

    /// Stop changing anything in the cloud, deletion included, until this is false again or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// How an instance is built, in the cloud's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = described_by_field)]
pub enum CacheMode {
    /// One node.
    Single,
    /// A master and replicas.
    Ha,
    /// As `ha`, with an address of its own for reading.
    HaRwSplit,
    /// Shards behind proxies.
    Proxy,
    /// Redis Cluster.
    Cluster,
}

/// Processor architecture, in the cloud's own words.
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

/// A string and not "integer or string" as in built-in kinds: a bare number would mean bytes, which nobody wants.
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
