//! Instances, as lists and details show them (API reference 4.1.1, 4.1.2, 4.1.4, 4.2.4).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    capacity::Capacity,
    lenient::{self, Lenient, wire},
    words::{BackupType, CacheMode, CpuType, InstanceStatus},
};

/// The literal that some sites send where an instance has no security group.
const NO_SECURITY_GROUP: &str = "securityGroupId";

/// One page of the list (4.1.2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstancePage {
    /// How many instances match, on all pages together.
    #[serde(deserialize_with = "lenient::required")]
    pub instance_num: i64,
    /// Those of this page.
    #[serde(deserialize_with = "lenient::field")]
    pub instances: Vec<InstanceSummary>,
}

/// The answer to a create (4.1.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreatedInstances {
    /// The order, for prepaid instances only.
    #[serde(default, deserialize_with = "lenient::field")]
    pub order_id: Option<String>,
    /// The new instances.
    #[serde(deserialize_with = "lenient::field")]
    pub instances: Vec<CreatedInstance>,
}

/// How many instances are in each status (4.2.4).
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

/// The task that keeps an instance busy. Neither reference nor SDK know the field; one public description calls
/// its type "any", so anything that is not nothing counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct BusyTask(pub String);

impl Lenient for Option<BusyTask> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => None,
            Value::String(name) => (!name.is_empty()).then_some(BusyTask(name)),
            Value::Object(map) if map.is_empty() => None,
            other => Some(BusyTask(other.to_string())),
        })
    }
}

wire! {
    /// An instance just asked for.
    pub struct CreatedInstance {
        required {
            /// Its id.
            pub instance_id: String,
        }
        /// Its name.
        pub instance_name: Option<String>,
    }

    /// An instance as the list shows it.
    pub struct InstanceSummary {
        required {
            /// Its id.
            pub instance_id: String,
        }
        /// Its name; need not be unique.
        pub name: Option<String>,
        /// What people wrote about it.
        pub description: Option<String>,
        /// What it is doing.
        pub status: Option<InstanceStatus>,
        /// More on what it is doing; `normal` mostly.
        pub sub_status: Option<String>,
        /// `Redis`.
        pub engine: Option<String>,
        /// Such as `6.0`.
        pub engine_version: Option<String>,
        /// In GB; zero for less than one. See [`InstanceSummary::capacity`].
        pub capacity: Option<Capacity>,
        /// In GB, for less than one.
        pub capacity_minor: Option<Capacity>,
        /// The flavor.
        pub spec_code: Option<String>,
        /// Processor architecture.
        pub cpu_type: Option<CpuType>,
        /// Zones of the region that have resources; not where the instance is.
        pub az_codes: Vec<String>,
        /// Its address, several separated by commas for a cluster.
        pub ip: Option<String>,
        /// Its port.
        pub port: Option<i64>,
        /// Its name in the private DNS.
        pub domain_name: Option<String>,
        /// The name for reading, where there is one.
        pub readonly_domain_name: Option<String>,
        /// Whether it can be used without a password.
        pub no_password_access: Option<bool>,
        /// User name to authenticate with, where one is needed.
        pub access_user: Option<String>,
        /// VPC it is in.
        pub vpc_id: Option<String>,
        /// That VPC's name.
        pub vpc_name: Option<String>,
        /// Subnet it is in.
        pub subnet_id: Option<String>,
        /// Its security group, or a placeholder. See [`InstanceSummary::security_group`].
        pub security_group_id: Option<String>,
        /// Its tags.
        pub tags: Vec<Tag>,
        /// What the instance can do.
        pub features: Option<Features>,
        /// Usable memory in MB.
        pub max_memory: Option<i64>,
        /// Memory in use, in MB.
        pub used_memory: Option<i64>,
        /// Beginning of the maintenance window, UTC, `HH:mm:ss`.
        pub maintain_begin: Option<String>,
        /// End of the maintenance window, UTC, `HH:mm:ss`.
        pub maintain_end: Option<String>,
        /// 0 when paid by the hour.
        pub charging_mode: Option<i64>,
        /// The order of a prepaid instance.
        pub order_id: Option<String>,
        /// Enterprise project it belongs to.
        pub enterprise_project_id: Option<String>,
        /// Whether an upgrade waits or runs.
        pub service_upgrade: Option<bool>,
        /// That upgrade's task.
        pub service_task_id: Option<String>,
        /// Not in use; see the SSL operations.
        pub enable_ssl: Option<bool>,
        /// Not in use.
        pub enable_publicip: Option<bool>,
        /// Not in use.
        pub publicip_id: Option<String>,
        /// Not in use.
        pub publicip_address: Option<String>,
        /// Who made it.
        pub user_id: Option<String>,
        /// That user's name.
        pub user_name: Option<String>,
        /// When it was made.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// When it was changed last.
        #[serde(serialize_with = "lenient::write_time")]
        pub updated_at: Option<DateTime<Utc>>,
    }

    /// An instance in detail. What the list says too has the same meaning here.
    pub struct InstanceDetail {
        required {
            /// Its id.
            pub instance_id: String,
        }
        /// Its name; need not be unique.
        pub name: Option<String>,
        /// What people wrote about it.
        pub description: Option<String>,
        /// What it is doing.
        pub status: Option<InstanceStatus>,
        /// More on what it is doing; `normal` mostly.
        pub sub_status: Option<String>,
        /// The task that keeps it busy, whatever `status` says; in no documentation, but real.
        pub task: Option<BusyTask>,
        /// `Redis`.
        pub engine: Option<String>,
        /// Such as `6.0`.
        pub engine_version: Option<String>,
        /// How it is built.
        pub cache_mode: Option<CacheMode>,
        /// In GB; zero for less than one. See [`InstanceDetail::capacity`].
        pub capacity: Option<Capacity>,
        /// In GB, for less than one.
        pub capacity_minor: Option<Capacity>,
        /// The flavor.
        pub spec_code: Option<String>,
        /// The flavor's name in the price list.
        pub inquery_spec_code: Option<String>,
        /// Processor architecture.
        pub cpu_type: Option<CpuType>,
        /// Copies of each shard, the master included.
        pub replica_count: Option<i64>,
        /// Shards.
        pub sharding_count: Option<i64>,
        /// Databases.
        pub db_number: Option<i64>,
        /// Codes of the zones it is in.
        pub az_codes: Vec<String>,
        /// Ids of the zones it is in.
        pub available_zones: Vec<String>,
        /// Its address, several separated by commas for a cluster.
        pub ip: Option<String>,
        /// Addresses of a cluster's nodes.
        pub backend_addrs: Option<String>,
        /// Its port.
        pub port: Option<i64>,
        /// Its name in the private DNS.
        pub domain_name: Option<String>,
        /// The name for reading, where there is one.
        pub readonly_domain_name: Option<String>,
        /// On its domain names.
        pub domain_name_info: Option<DomainNameInfo>,
        /// Whether clients' addresses reach it.
        pub transparent_client_ip_enable: Option<bool>,
        /// Whether it can be used without a password.
        pub no_password_access: Option<bool>,
        /// User name to authenticate with, where one is needed.
        pub access_user: Option<String>,
        /// VPC it is in.
        pub vpc_id: Option<String>,
        /// That VPC's name.
        pub vpc_name: Option<String>,
        /// Subnet it is in.
        pub subnet_id: Option<String>,
        /// That subnet's name.
        pub subnet_name: Option<String>,
        /// That subnet's addresses.
        pub subnet_cidr: Option<String>,
        /// Its security group, or a placeholder. See [`InstanceDetail::security_group`].
        pub security_group_id: Option<String>,
        /// That group's name, or the same placeholder.
        pub security_group_name: Option<String>,
        /// Its tags.
        pub tags: Vec<Tag>,
        /// What the instance can do.
        pub features: Option<Features>,
        /// Usable memory in MB.
        pub max_memory: Option<i64>,
        /// Memory in use, in MB.
        pub used_memory: Option<i64>,
        /// Bandwidth, and how far it can be raised for a while.
        pub bandwidth_info: Option<BandwidthInfo>,
        /// Beginning of the maintenance window, UTC, `HH:mm:ss`.
        pub maintain_begin: Option<String>,
        /// End of the maintenance window, UTC, `HH:mm:ss`.
        pub maintain_end: Option<String>,
        /// Automatic backups.
        pub instance_backup_policy: Option<InstanceBackupPolicy>,
        /// 0 when paid by the hour.
        pub charging_mode: Option<i64>,
        /// The order of a prepaid instance.
        pub order_id: Option<String>,
        /// Enterprise project it belongs to.
        pub enterprise_project_id: Option<String>,
        /// That project's name.
        pub enterprise_project_name: Option<String>,
        /// `generic` or `enterprise`.
        pub product_type: Option<String>,
        /// `DRAM`.
        pub storage_type: Option<String>,
        /// Type of the service, for billing.
        pub cloud_service_type_code: Option<String>,
        /// Type of the resource, for billing.
        pub cloud_resource_type_code: Option<String>,
        /// Whether slow commands are logged.
        pub support_slow_log_flag: Option<String>,
        /// Whether an upgrade waits or runs.
        pub service_upgrade: Option<bool>,
        /// That upgrade's task.
        pub service_task_id: Option<String>,
        /// Not in use; see the SSL operations.
        pub enable_ssl: Option<bool>,
        /// Not in use.
        pub enable_publicip: Option<bool>,
        /// Not in use.
        pub publicip_id: Option<String>,
        /// Not in use.
        pub publicip_address: Option<String>,
        /// Who made it.
        pub user_id: Option<String>,
        /// That user's name.
        pub user_name: Option<String>,
        /// When it was made.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// When it began to serve.
        #[serde(serialize_with = "lenient::write_time")]
        pub launched_at: Option<DateTime<Utc>>,
        /// When it was changed last.
        #[serde(serialize_with = "lenient::write_time")]
        pub update_at: Option<DateTime<Utc>>,
        /// The same, as the list spells it; some sites send it here too.
        #[serde(serialize_with = "lenient::write_time", skip_serializing_if = "Option::is_none")]
        pub updated_at: Option<DateTime<Utc>>,
    }

    /// A tag.
    pub struct Tag {
        required {
            /// Unique among an instance's tags.
            pub key: String,
        }
        /// May be empty.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub value: Option<String>,
    }

    /// What an instance can do.
    pub struct Features {
        /// Several users with rights of their own.
        pub support_acl: Option<bool>,
        /// Clients' addresses reach the instance.
        pub support_transparent_client_ip: Option<bool>,
        /// Encrypted connections.
        pub support_ssl: Option<bool>,
        /// Audit logs.
        pub support_audit_log: Option<bool>,
    }

    /// Automatic backups of an instance, as stored.
    pub struct InstanceBackupPolicy {
        /// Its id.
        pub backup_policy_id: Option<String>,
        /// Whose it is.
        pub tenant_id: Option<String>,
        /// What it says.
        pub policy: Option<BackupPolicy>,
        /// When it was made.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// When it was changed last.
        #[serde(serialize_with = "lenient::write_time")]
        pub updated_at: Option<DateTime<Utc>>,
    }

    /// Automatic backups: whether, when, how long they are kept.
    pub struct BackupPolicy {
        /// Whether the service makes backups by itself.
        pub backup_type: Option<BackupType>,
        /// Days a backup is kept, 1 to 7.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub save_days: Option<i64>,
        /// When; stays stored when the type becomes manual.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub periodical_backup_plan: Option<BackupPlan>,
    }

    /// When backups are made.
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

    /// On an instance's domain names.
    pub struct DomainNameInfo {
        /// Whether they resolve in the public DNS.
        pub support_public_resolve: Option<bool>,
        /// Whether they follow the present rules.
        pub is_latest_rules: Option<bool>,
        /// What they end in.
        pub zone_name: Option<String>,
        /// Former ones that still work.
        pub history_domain_names: Vec<DomainNameEntity>,
    }

    /// A former domain name.
    pub struct DomainNameEntity {
        /// The name.
        pub domain_name: Option<String>,
        /// Whether it is for reading only.
        pub is_readonly: Option<bool>,
    }

    /// Bandwidth, and how far it can be raised for a while. Times are epoch milliseconds.
    pub struct BandwidthInfo {
        /// Mbit/s now.
        pub bandwidth: Option<i64>,
        /// The raise began then.
        pub begin_time: Option<i64>,
        /// The raise ends then.
        pub end_time: Option<i64>,
        /// The service's clock.
        pub current_time: Option<i64>,
        /// Raises so far.
        pub expand_count: Option<i64>,
        /// How long a raise lasts, in ms.
        pub expand_effect_time: Option<i64>,
        /// Shortest time between raises, in ms.
        pub expand_interval_time: Option<i64>,
        /// Raises allowed.
        pub max_expand_count: Option<i64>,
        /// When the next raise is possible.
        pub next_expand_time: Option<i64>,
        /// Whether a change is under way.
        pub task_running: Option<bool>,
    }

    /// How many instances are in each status.
    pub struct StatusStatistic {
        /// Waiting for payment.
        pub paying_count: Option<i64>,
        /// Being frozen.
        pub freezing_count: Option<i64>,
        /// Being moved.
        pub migrating_count: Option<i64>,
        /// Being emptied.
        pub flushing_count: Option<i64>,
        /// Being upgraded.
        pub upgrading_count: Option<i64>,
        /// Being restored.
        pub restoring_count: Option<i64>,
        /// Being resized.
        pub extending_count: Option<i64>,
        /// Being made.
        pub creating_count: Option<i64>,
        /// Serving.
        pub running_count: Option<i64>,
        /// Broken.
        pub error_count: Option<i64>,
        /// Frozen.
        pub frozen_count: Option<i64>,
        /// Could not be made.
        pub createfailed_count: Option<i64>,
        /// Restarting.
        pub restarting_count: Option<i64>,
    }
}

// === impl InstanceSummary ===

impl InstanceSummary {
    /// What it holds, small sizes included.
    pub fn capacity(&self) -> Option<Capacity> {
        whole_or_minor(self.capacity, self.capacity_minor)
    }

    /// Its security group, if it has one.
    pub fn security_group(&self) -> Option<&str> {
        real_security_group(self.security_group_id.as_deref())
    }
}

// === impl InstanceDetail ===

impl InstanceDetail {
    /// What it holds, small sizes included.
    pub fn capacity(&self) -> Option<Capacity> {
        whole_or_minor(self.capacity, self.capacity_minor)
    }

    /// Its security group, if it has one.
    pub fn security_group(&self) -> Option<&str> {
        real_security_group(self.security_group_id.as_deref())
    }

    /// When it was changed last, whichever way the site spells it.
    pub fn changed_at(&self) -> Option<DateTime<Utc>> {
        self.update_at.or(self.updated_at)
    }

    /// Whether it must be left alone for now: not running, or running with a task under way.
    pub fn is_busy(&self) -> bool {
        self.task.is_some() || self.status != Some(InstanceStatus::Running)
    }
}

fn whole_or_minor(whole: Option<Capacity>, minor: Option<Capacity>) -> Option<Capacity> {
    whole.filter(|capacity| capacity.mib() > 0).or(minor).or(whole)
}

fn real_security_group(id: Option<&str>) -> Option<&str> {
    id.filter(|id| *id != NO_SECURITY_GROUP)
}
