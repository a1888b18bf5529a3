//! Bodies and parameters of requests (API reference 4.1.1, 4.1.2, 4.1.6, 4.1.7, 4.2.3, 4.8.1, 4.9.1). Absent fields are not sent.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use super::{
    capacity::Capacity,
    instance::{BackupPolicy, Tag},
    lenient::wire,
    time,
    words::{CacheMode, ChangeType, CpuType, InstanceStatus, TagsAction},
};

/// The largest page of a list (4.1.2). Without a limit the service sends 10 entries.
pub const MAX_PAGE: u32 = 1000;

/// A new instance (4.1.1). The fields up to `subnet_id` are required; the default leaves everything out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CreateInstance {
    /// 4 to 64 letters, digits, hyphens, underscores; the first a letter.
    pub name: String,
    /// `Redis`.
    pub engine: String,
    /// Such as `6.0`.
    pub engine_version: String,
    /// One of the flavor's capacities.
    pub capacity: Capacity,
    /// Flavor code.
    pub spec_code: String,
    /// Zone codes, the master's first.
    pub az_codes: Vec<String>,
    /// VPC id.
    pub vpc_id: String,
    /// Subnet id.
    pub subnet_id: String,
    /// Redis 3.0 only, and required there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group_id: Option<String>,
    /// At most 1,024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// An address of the subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_ip: Option<String>,
    /// Number of instances; the operator creates one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_num: Option<u32>,
    /// Beginning of the maintenance window, UTC, `HH:mm:ss`; only together with its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintain_begin: Option<String>,
    /// End of the maintenance window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintain_end: Option<String>,
    /// Required unless `no_password_access`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_secret")]
    pub password: Option<SecretString>,
    /// Whether clients need no password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_password_access: Option<bool>,
    /// Automatic backups; not for `single`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_backup_policy: Option<BackupPolicy>,
    /// Tags, ownership tags included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// 4.0 and later; 6379 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// New names for dangerous commands, 4.0 and later.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename_commands: BTreeMap<String, String>,
    /// Parameter template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    /// Enterprise project id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise_project_id: Option<String>,
}

/// Filter and page of the instance list (4.1.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceQuery {
    /// Only this instance.
    pub instance_id: Option<String>,
    /// Only names that contain this.
    pub name: Option<String>,
    /// Whether `name` must be the whole name.
    pub name_equal: bool,
    /// Only this status.
    pub status: Option<InstanceStatus>,
    /// Whether failed creations count (documented as a count; some sites list them).
    pub include_failure: bool,
    /// Entries to skip.
    pub offset: u32,
    /// Entries at most, 1 to [`MAX_PAGE`]; 10 if absent.
    pub limit: Option<u32>,
}

/// Changes to an instance (4.1.6).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UpdateInstance {
    /// 4 to 64 letters, digits, hyphens, underscores; the first a letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most 1,024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Cuts all connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// New names for dangerous commands; restarts the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rename_commands: Option<BTreeMap<String, String>>,
    /// Beginning of the maintenance window; only together with its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintain_begin: Option<String>,
    /// End of the maintenance window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintain_end: Option<String>,
    /// Redis 3.0 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group_id: Option<String>,
    /// Automatic backups; not for `single`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_backup_policy: Option<BackupPolicy>,
}

/// A change of size (4.1.7).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResizeInstance {
    /// New flavor.
    pub spec_code: String,
    /// New capacity.
    pub new_capacity: Capacity,
    /// Kind of change; absent for capacity and shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_type: Option<ChangeType>,
    /// A zone code for each new replica; for clusters also when replicas are removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub available_zones: Vec<String>,
    /// The replica to remove (`ha`, `ha_rw_split`): one at a time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_list: Vec<String>,
    /// Addresses to keep when a cluster shrinks; without them the service chooses at random.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reserved_ip: Vec<String>,
    /// `false` requests execution in the maintenance window, which not every site supports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execute_immediately: Option<bool>,
}

/// A new password, or none (4.2.3).
#[derive(Debug, Clone, Default, Serialize)]
pub struct ResetPassword {
    /// New password.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_secret")]
    pub new_password: Option<SecretString>,
    /// `true` removes the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_password_access: Option<bool>,
}

/// Tags to add, overwrite or remove.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagsChange {
    /// Action.
    pub action: TagsAction,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// Filter and page of an instance's background tasks (4.8.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Entries to skip.
    pub offset: u32,
    /// Entries at most.
    pub limit: Option<u32>,
    /// Earliest start.
    pub start_time: Option<DateTime<Utc>>,
    /// Latest start.
    pub end_time: Option<DateTime<Utc>>,
}

/// Filter of the flavors (4.9.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlavorQuery {
    /// Only this flavor.
    pub spec_code: Option<String>,
    /// Only this topology.
    pub cache_mode: Option<CacheMode>,
    /// Only this version.
    pub engine_version: Option<String>,
    /// Only this architecture.
    pub cpu_type: Option<CpuType>,
    /// Only this capacity.
    pub capacity: Option<Capacity>,
    /// Only what this instance can change to (in the SDK; not in the reference).
    pub instance_id: Option<String>,
}

wire! {
    /// The answer to a password reset. HTTP 200 alone is no success: see [`PasswordReset::outcome`].
    pub struct PasswordReset {
        /// `1` is success, `3` a locked instance (newer sites).
        pub code: Option<String>,
        /// `success`, or the error (newer sites).
        pub message: Option<String>,
        /// Further details.
        pub ext_message: Option<String>,
        /// Attempts left before a lock.
        pub retry_times_left: Option<String>,
        /// Duration of the lock.
        pub lock_time: Option<String>,
        /// Remaining time of the lock.
        pub lock_time_left: Option<String>,
    }
}

/// The outcome of a password reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetOutcome {
    /// The password was set.
    Done,
    /// The instance is locked after too many failed attempts.
    Locked,
    /// The answer states no outcome.
    Unclear,
}

// === impl PasswordReset ===

impl PasswordReset {
    /// Interprets both forms of the answer: a code (newer sites), or only the figures of the lock (4.2.3).
    pub fn outcome(&self) -> ResetOutcome {
        let Self { code, message, ext_message: _, retry_times_left, lock_time, lock_time_left } = self;
        let success = message.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("success"));
        match code.as_deref() {
            Some("1") => ResetOutcome::Done,
            Some("3") => ResetOutcome::Locked,
            Some(_) => ResetOutcome::Unclear,
            None if lock_time_left.as_deref().is_some_and(|left| left != "0") => ResetOutcome::Locked,
            None if success
                || retry_times_left.is_some()
                || lock_time.is_some()
                || lock_time_left.is_some() =>
            {
                ResetOutcome::Done
            }
            None => ResetOutcome::Unclear,
        }
    }
}

// === impl UpdateInstance ===

impl UpdateInstance {
    /// Whether the change cuts connections (`port`) or restarts the instance (`rename_commands`), which loses the data
    /// of an instance without persistence.
    pub fn is_disruptive(&self) -> bool {
        self.port.is_some() || self.rename_commands.is_some()
    }
}

// === impl InstanceQuery ===

impl InstanceQuery {
    /// As query parameters.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let Self { instance_id, name, name_equal, status, include_failure, offset, limit } = self;
        let mut parameters = vec![("offset", offset.to_string())];
        parameters.extend(limit.map(|limit| ("limit", limit.clamp(1, MAX_PAGE).to_string())));
        parameters.extend(instance_id.clone().map(|id| ("instance_id", id)));
        if let Some(name) = name {
            parameters.push(("name", name.clone()));
            parameters.push(("name_equal", name_equal.to_string()));
        }
        parameters.extend(status.as_ref().map(|status| ("status", status.to_string())));
        if *include_failure {
            parameters.push(("include_failure", "true".to_owned()));
        }
        parameters
    }
}

// === impl TaskQuery ===

impl TaskQuery {
    /// As query parameters.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let Self { offset, limit, start_time, end_time } = self;
        let mut parameters = vec![("offset", offset.to_string())];
        parameters.extend(limit.map(|limit| ("limit", limit.to_string())));
        parameters.extend(start_time.map(|time| ("start_time", time::format_query(time))));
        parameters.extend(end_time.map(|time| ("end_time", time::format_query(time))));
        parameters
    }
}

// === impl FlavorQuery ===

impl FlavorQuery {
    /// As query parameters. The engine is always Redis: Memcached is not managed.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let Self { spec_code, cache_mode, engine_version, cpu_type, capacity, instance_id } = self;
        let mut parameters = vec![("engine", "Redis".to_owned())];
        parameters.extend(spec_code.clone().map(|code| ("spec_code", code)));
        parameters.extend(cache_mode.as_ref().map(|mode| ("cache_mode", mode.to_string())));
        parameters.extend(engine_version.clone().map(|version| ("engine_version", version)));
        parameters.extend(cpu_type.as_ref().map(|cpu| ("cpu_type", cpu.to_string())));
        parameters.extend(capacity.map(|capacity| ("capacity", capacity.gib().to_string())));
        parameters.extend(instance_id.clone().map(|id| ("instance_id", id)));
        parameters
    }
}

fn write_secret<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
}
