//! Instances as the list and the detail show them (API reference 4.1.1, 4.1.2, 4.1.4, 4.2.4).

use std::ops::Deref;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    capacity::Capacity,
    lenient::{self, Lenient, MAX_WORD, wire},
    text,
    words::{BackupType, CacheMode, CpuType, InstanceStatus},
};

/// The literal that some sites send for an instance without security group.
const NO_SECURITY_GROUP: &str = "securityGroupId";

/// More zones than a region has.
const MAX_ZONES: usize = 32;

/// One page of the list (4.1.2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstancePage {
    /// Number of matching instances on all pages.
    #[serde(deserialize_with = "lenient::required")]
    pub instance_num: i64,
    /// Entries of this page.
    #[serde(deserialize_with = "lenient::field")]
    pub instances: Vec<InstanceSummary>,
}

/// The answer to a create (4.1.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreatedInstances {
    /// Order id, for prepaid instances only.
    #[serde(default, deserialize_with = "lenient::field")]
    pub order_id: Option<String>,
    /// The new instances.
    #[serde(deserialize_with = "lenient::field")]
    pub instances: Vec<CreatedInstance>,
}

/// Number of instances by status (4.2.4).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusCounts {
    /// All engines together.
    #[serde(flatten)]
    pub total: StatusStatistic,
    /// Redis alone.
    #[serde(default, deserialize_with = "lenient::field")]
    pub redis: Option<StatusStatistic>,
    /// Memcached alone.
    #[serde(default, deserialize_with = "lenient::field")]
    pub memcached: Option<StatusStatistic>,
}

/// A task that keeps an instance busy. Neither the reference nor the SDK has the field, and one public description
/// gives its type as "any", so every value that is not empty counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct BusyTask(pub String);

impl Lenient for Option<BusyTask> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => None,
            Value::String(name) => (!name.is_empty()).then(|| BusyTask(text::bounded(&name, MAX_WORD))),
            Value::Object(map) if map.is_empty() => None,
            other => Some(BusyTask(text::bounded(&other.to_string(), MAX_WORD))),
        })
    }
}

wire! {
    /// A requested instance.
    pub struct CreatedInstance {
        id {
            /// Id.
            pub instance_id: String,
        }
        /// Name.
        pub instance_name: Option<String>,
    }

    /// An instance as the list shows it.
    pub struct InstanceSummary {
        id {
            /// Id.
            pub instance_id: String,
        }
        /// Name; not unique.
        pub name: Option<String>,
        /// Description by the user.
        pub description: Option<String>,
        /// Lifecycle status.
        pub status: Option<InstanceStatus>,
        /// Detail of the status; usually `normal`.
        pub sub_status: Option<String>,
        /// `Redis`.
        pub engine: Option<String>,
        /// Such as `6.0`.
        pub engine_version: Option<String>,
        /// In GB; 0 for sizes below 1 GB. See [`InstanceSummary::capacity`].
        pub capacity: Option<Capacity>,
        /// In GB, for sizes below 1 GB.
        pub capacity_minor: Option<Capacity>,
        /// Flavor code.
        pub spec_code: Option<String>,
        /// Processor architecture.
        pub cpu_type: Option<CpuType>,
        /// In the list, zones of the region that have resources; in the detail, the zones of the instance.
        pub az_codes: Vec<String>,
        /// IP address; several, separated by commas, for a cluster.
        pub ip: Option<String>,
        /// Port.
        pub port: Option<i64>,
        /// Name in the private DNS.
        pub domain_name: Option<String>,
        /// Name of the read-only endpoint.
        pub readonly_domain_name: Option<String>,
        /// Whether clients need no password.
        pub no_password_access: Option<bool>,
        /// User name for authentication, if one is needed.
        pub access_user: Option<String>,
        /// VPC id.
        pub vpc_id: Option<String>,
        /// VPC name.
        pub vpc_name: Option<String>,
        /// Subnet id.
        pub subnet_id: Option<String>,
        /// Security group id, or a placeholder. See [`InstanceSummary::security_group`].
        pub security_group_id: Option<String>,
        /// Tags.
        pub tags: Vec<Tag>,
        /// Supported features.
        pub features: Option<Features>,
        /// Usable memory in MB.
        pub max_memory: Option<i64>,
        /// Memory in use, in MB.
        pub used_memory: Option<i64>,
        /// Beginning of the maintenance window, UTC, `HH:mm:ss`.
        pub maintain_begin: Option<String>,
        /// End of the maintenance window, UTC, `HH:mm:ss`.
        pub maintain_end: Option<String>,
        /// 0 for pay-per-use.
        pub charging_mode: Option<i64>,
        /// Order id of a prepaid instance.
        pub order_id: Option<String>,
        /// Enterprise project id.
        pub enterprise_project_id: Option<String>,
        /// Whether an upgrade is pending or running.
        pub service_upgrade: Option<bool>,
        /// Task id of that upgrade.
        pub service_task_id: Option<String>,
        /// Unused by the service; see the SSL operations.
        pub enable_ssl: Option<bool>,
        /// Unused by the service.
        pub enable_publicip: Option<bool>,
        /// Unused by the service.
        pub publicip_id: Option<String>,
        /// Unused by the service.
        pub publicip_address: Option<String>,
        /// Id of the creating user.
        pub user_id: Option<String>,
        /// Name of that user.
        pub user_name: Option<String>,
        /// Creation time.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// Time of the last change.
        #[serde(serialize_with = "lenient::write_time", skip_serializing_if = "Option::is_none")]
        pub updated_at: Option<DateTime<Utc>>,
    }

    /// An instance as the detail shows it (4.1.4).
    pub struct InstanceDetail {
        flatten {
            /// The fields that the list has too, with the same meaning.
            pub summary: InstanceSummary,
        }
        /// A task that keeps the instance busy whatever `status` is. Undocumented, but observed.
        pub task: Option<BusyTask>,
        /// Topology.
        pub cache_mode: Option<CacheMode>,
        /// Flavor code for pricing.
        pub inquery_spec_code: Option<String>,
        /// Replicas of each shard, master included.
        pub replica_count: Option<i64>,
        /// Number of shards.
        pub sharding_count: Option<i64>,
        /// Number of databases.
        pub db_number: Option<i64>,
        /// Zone ids of the instance.
        pub available_zones: Vec<String>,
        /// Node addresses of a cluster.
        pub backend_addrs: Option<String>,
        /// Properties of the domain names.
        pub domain_name_info: Option<DomainNameInfo>,
        /// Whether the instance sees the addresses of clients.
        pub transparent_client_ip_enable: Option<bool>,
        /// Subnet name.
        pub subnet_name: Option<String>,
        /// Subnet address range.
        pub subnet_cidr: Option<String>,
        /// Security group name, or the same placeholder.
        pub security_group_name: Option<String>,
        /// Bandwidth, and its temporary increase.
        pub bandwidth_info: Option<BandwidthInfo>,
        /// Automatic backup policy.
        pub instance_backup_policy: Option<InstanceBackupPolicy>,
        /// Enterprise project name.
        pub enterprise_project_name: Option<String>,
        /// `generic` or `enterprise`.
        pub product_type: Option<String>,
        /// `DRAM`.
        pub storage_type: Option<String>,
        /// Service type for billing.
        pub cloud_service_type_code: Option<String>,
        /// Resource type for billing.
        pub cloud_resource_type_code: Option<String>,
        /// Whether slow queries are logged.
        pub support_slow_log_flag: Option<String>,
        /// Time of the first start.
        #[serde(serialize_with = "lenient::write_time")]
        pub launched_at: Option<DateTime<Utc>>,
        /// Time of the last change, as most sites spell it in the detail.
        #[serde(serialize_with = "lenient::write_time")]
        pub update_at: Option<DateTime<Utc>>,
    }

    /// A tag.
    pub struct Tag {
        required {
            /// Unique within an instance.
            pub key: String,
        }
        /// May be empty.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub value: Option<String>,
    }

    /// Supported features of an instance.
    pub struct Features {
        /// Several users with separate permissions.
        pub support_acl: Option<bool>,
        /// The instance sees the addresses of clients.
        pub support_transparent_client_ip: Option<bool>,
        /// TLS connections.
        pub support_ssl: Option<bool>,
        /// Audit logs.
        pub support_audit_log: Option<bool>,
    }

    /// Stored backup policy of an instance.
    pub struct InstanceBackupPolicy {
        /// Id.
        pub backup_policy_id: Option<String>,
        /// Tenant id.
        pub tenant_id: Option<String>,
        /// The policy.
        pub policy: Option<BackupPolicy>,
        /// Creation time.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// Time of the last change.
        #[serde(serialize_with = "lenient::write_time")]
        pub updated_at: Option<DateTime<Utc>>,
    }

    /// Automatic backups: schedule and retention.
    pub struct BackupPolicy {
        /// Whether the service takes backups by the plan.
        pub backup_type: Option<BackupType>,
        /// Retention in days, 1 to 7.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub save_days: Option<i64>,
        /// Schedule; kept when the type becomes manual.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub periodical_backup_plan: Option<BackupPlan>,
    }

    /// Backup schedule.
    pub struct BackupPlan {
        /// Deprecated, has no effect.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub timezone_offset: Option<String>,
        /// Days of the week: 1 is Monday, 7 is Sunday.
        pub backup_at: Vec<i64>,
        /// `weekly`.
        pub period_type: Option<String>,
        /// One whole hour, UTC: `00:00-01:00`.
        pub begin_at: Option<String>,
    }

    /// Properties of an instance's domain names.
    pub struct DomainNameInfo {
        /// Whether the names resolve in the public DNS.
        pub support_public_resolve: Option<bool>,
        /// Whether the names follow the current rules.
        pub is_latest_rules: Option<bool>,
        /// DNS zone.
        pub zone_name: Option<String>,
        /// Former names that still resolve.
        pub history_domain_names: Vec<DomainNameEntity>,
    }

    /// A former domain name.
    pub struct DomainNameEntity {
        /// Name.
        pub domain_name: Option<String>,
        /// Whether the name is read-only.
        pub is_readonly: Option<bool>,
    }

    /// Bandwidth, and its temporary increase. Times are epoch milliseconds.
    pub struct BandwidthInfo {
        /// Current Mbit/s.
        pub bandwidth: Option<i64>,
        /// Begin of the increase.
        pub begin_time: Option<i64>,
        /// End of the increase.
        pub end_time: Option<i64>,
        /// Current time of the service.
        pub current_time: Option<i64>,
        /// Number of increases so far.
        pub expand_count: Option<i64>,
        /// Duration of an increase in ms.
        pub expand_effect_time: Option<i64>,
        /// Shortest time between increases in ms.
        pub expand_interval_time: Option<i64>,
        /// Allowed number of increases.
        pub max_expand_count: Option<i64>,
        /// Earliest next increase.
        pub next_expand_time: Option<i64>,
        /// Whether a change is running.
        pub task_running: Option<bool>,
    }

    /// Number of instances by status.
    pub struct StatusStatistic {
        /// Instances in status PAYING.
        pub paying_count: Option<i64>,
        /// Instances in status FREEZING.
        pub freezing_count: Option<i64>,
        /// Instances in status MIGRATING.
        pub migrating_count: Option<i64>,
        /// Instances in status FLUSHING.
        pub flushing_count: Option<i64>,
        /// Instances in status UPGRADING.
        pub upgrading_count: Option<i64>,
        /// Instances in status RESTORING.
        pub restoring_count: Option<i64>,
        /// Instances in status EXTENDING.
        pub extending_count: Option<i64>,
        /// Instances in status CREATING.
        pub creating_count: Option<i64>,
        /// Instances in status RUNNING.
        pub running_count: Option<i64>,
        /// Instances in status ERROR.
        pub error_count: Option<i64>,
        /// Instances in status FROZEN.
        pub frozen_count: Option<i64>,
        /// Instances in status CREATEFAILED.
        pub createfailed_count: Option<i64>,
        /// Instances in status RESTARTING.
        pub restarting_count: Option<i64>,
    }
}

// === impl InstanceSummary ===

impl InstanceSummary {
    /// Capacity, also below 1 GB.
    pub fn capacity(&self) -> Option<Capacity> {
        self.capacity.filter(|capacity| capacity.mib() > 0).or(self.capacity_minor).or(self.capacity)
    }

    /// Security group id, without the placeholder.
    pub fn security_group(&self) -> Option<&str> {
        self.security_group_id.as_deref().filter(|id| *id != NO_SECURITY_GROUP)
    }
}

// === impl InstanceDetail ===

impl InstanceDetail {
    /// Time of the last change, under either spelling.
    pub fn changed_at(&self) -> Option<DateTime<Utc>> {
        self.update_at.or(self.updated_at)
    }

    /// Codes of the zones of the instance, without anything else that the answer may have there.
    pub fn zones(&self) -> Vec<String> {
        self.az_codes.iter().filter(|code| text::is_code(code)).take(MAX_ZONES).cloned().collect()
    }

    /// Whether the instance accepts no change now: it is not running, or a task is running on it.
    pub fn is_busy(&self) -> bool {
        self.task.is_some() || self.status != Some(InstanceStatus::Running)
    }
}

impl Deref for InstanceDetail {
    type Target = InstanceSummary;

    fn deref(&self) -> &InstanceSummary {
        &self.summary
    }
}
