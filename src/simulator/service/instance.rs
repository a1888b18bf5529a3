//! The state of an instance.

use std::{collections::BTreeMap, net::Ipv4Addr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    api_error::{ApiError, Result},
    backup::{AutomaticBackup, BackupRecord, RestoreRecord},
    catalogue::{Flavor, Size},
    password::Password,
    task::Task,
};
use crate::dcs::model::{BackupPolicy, CacheMode, Capacity, CpuType, InstanceStatus, Tag};

/// An instance of the simulated cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Instance id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// Redis version.
    pub(crate) engine_version: String,
    /// Flavor and dimensions.
    pub(crate) shape: Shape,
    /// Nodes, grouped by shard, with the master first.
    pub(crate) nodes: Vec<Node>,
    /// Address of the proxies, if the instance has any.
    #[serde(rename = "front")]
    pub(crate) proxy_address: Option<Ipv4Addr>,
    /// Port.
    pub(crate) port: u16,
    /// Zone codes, the master's first.
    pub(crate) zones: Vec<String>,
    /// VPC id.
    pub(crate) vpc_id: String,
    /// Subnet id.
    pub(crate) subnet_id: String,
    /// Security group (Redis 3.0).
    pub(crate) security_group_id: Option<String>,
    /// Start of the maintenance window, UTC, `HH:mm:ss`.
    pub maintain_begin: String,
    /// End of the maintenance window.
    pub(crate) maintain_end: String,
    /// Automatic backup policy.
    pub(crate) backup: Option<Backup>,
    /// Tags in the order they were added.
    pub tags: Vec<Tag>,
    /// Renamed commands; the service never returns them.
    pub(crate) rename_commands: BTreeMap<String, String>,
    /// Enterprise project id.
    pub(crate) enterprise_project_id: String,
    /// 0 for pay-per-use, 1 for prepaid.
    pub(crate) charging_mode: i64,
    /// Sub-status; `normal` by default.
    pub(crate) sub_status: String,
    /// Task that keeps a RUNNING instance busy.
    pub(crate) task: Option<String>,
    /// Fixed memory usage in MB; simulated if `None`.
    pub(crate) used_memory: Option<i64>,
    /// Whether password resets are rejected, as after too many wrong passwords.
    pub(crate) locked: bool,
    /// Creation time.
    pub(crate) created_at: DateTime<Utc>,
    /// Time at which the instance started; its data and counters have the same age.
    pub(crate) launched_at: Option<DateTime<Utc>>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
    /// Background tasks, oldest first.
    pub(crate) tasks: Vec<Task>,
    /// Backups, oldest first.
    #[serde(default)]
    pub(crate) backups: Vec<BackupRecord>,
    /// Restores, oldest first.
    #[serde(default)]
    pub(crate) restores: Vec<RestoreRecord>,
    /// The next automatic backup.
    #[serde(default)]
    pub(crate) automatic: Option<AutomaticBackup>,
    pub(super) password: Option<Password>,
    pub(super) visible_at: DateTime<Utc>,
    pub(super) status: InstanceStatus,
    /// Status override.
    pub(super) forced: Option<ForcedStatus>,
    /// Current transition.
    pub(super) pending: Option<PendingTransition>,
    /// A resize deferred to the maintenance window.
    pub(super) scheduled: Option<ScheduledResize>,
    /// Number of reads that still show the status before the last operation.
    pub(super) stale_reads: u8,
}

/// A flavor with its dimensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Flavor name.
    pub(crate) spec_code: String,
    /// Nominal capacity.
    pub(crate) capacity: Capacity,
    /// Cache mode.
    pub(crate) mode: CacheMode,
    /// CPU type.
    pub(crate) cpu: CpuType,
    /// Copies of each shard, including the master.
    pub(crate) replicas: u32,
    /// Number of shards.
    pub(crate) shards: u32,
    /// Memory for data in MB.
    pub(crate) max_memory: u32,
    /// Bandwidth in Mbit/s.
    pub(crate) bandwidth: u32,
    /// Number of databases.
    pub(crate) databases: u32,
}

/// A node of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Node id.
    pub(crate) id: String,
    /// Shard index, from 0.
    pub(crate) shard: u32,
    /// Whether the node is the master of its shard.
    pub(crate) master: bool,
    /// Zone code.
    pub(crate) zone: String,
    /// Address; `None` behind proxies.
    pub(crate) ip: Option<Ipv4Addr>,
}

/// A stored backup policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Backup {
    /// Policy id.
    pub(crate) id: String,
    /// Policy. The plan is kept when the type becomes manual.
    pub(crate) policy: BackupPolicy,
    /// Creation time.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

/// An override of an instance's status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ForcedStatus {
    pub(super) status: InstanceStatus,
    pub(super) until: Option<DateTime<Utc>>,
}

/// A transition that completes at `until`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PendingTransition {
    pub(super) until: DateTime<Utc>,
    #[serde(rename = "change")]
    pub(super) transition: Transition,
}

/// A resize that starts at `at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ScheduledResize {
    pub(super) at: DateTime<Utc>,
    #[serde(rename = "reshape")]
    pub(super) layout: Layout,
}

/// The effect of a completed operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Transition {
    /// The instance starts.
    Create,
    /// The creation fails.
    FailToCreate,
    /// The resize takes effect.
    #[serde(rename = "Reshape")]
    Resize(Layout),
    /// A new port, renamed commands, or both take effect.
    Configure { port: Option<u16>, rename_commands: Option<BTreeMap<String, String>> },
    /// The instance restarts; a single node loses its data.
    Restart,
    /// The password reset ends; the new password was effective immediately.
    Password,
    /// The backup with this id ends.
    Backup(String),
    /// The restore with this id ends.
    Restore(String),
    /// The instance is removed.
    Delete,
}

/// Shape, nodes and addresses after a creation or resize.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    pub(super) nodes: Vec<Node>,
    #[serde(rename = "front")]
    pub(super) proxy_address: Option<Ipv4Addr>,
}

// === impl Shape ===

impl Shape {
    /// A flavor with one of its sizes.
    pub(super) fn new(flavor: &Flavor, size: &Size) -> Self {
        Self {
            spec_code: flavor.spec_code.clone(),
            capacity: size.capacity,
            mode: flavor.mode.clone(),
            cpu: flavor.cpu.clone(),
            replicas: flavor.replicas,
            shards: size.shards,
            max_memory: size.usable,
            bandwidth: size.bandwidth,
            databases: flavor.databases(),
        }
    }

    /// Whether clients connect to proxies instead of nodes.
    pub(super) fn is_proxied(&self) -> bool {
        matches!(self.mode, CacheMode::Proxy | CacheMode::HaRwSplit)
    }
}

// === impl Instance ===

impl Instance {
    /// Whether the instance accepts this password, or `None` for password-free access.
    pub fn admits(&self, password: Option<&str>) -> bool {
        match (&self.password, password) {
            (None, None) => true,
            (Some(own), Some(password)) => own.matches(password),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Actual status, regardless of read lag.
    pub fn status(&self) -> &InstanceStatus {
        self.forced.as_ref().map_or(&self.status, |forced| &forced.status)
    }

    /// Addresses: all nodes of a cluster, otherwise one.
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        match self.proxy_address {
            Some(proxy_address) => vec![proxy_address],
            None if self.shape.mode == CacheMode::Cluster => self.nodes.iter().filter_map(|n| n.ip).collect(),
            None => self.nodes.iter().find(|node| node.master).and_then(|node| node.ip).into_iter().collect(),
        }
    }

    /// Whether the version is Redis 3.0, which has security groups but no custom port and no renamed commands.
    pub(super) fn is_version_3(&self) -> bool {
        self.engine_version == "3.0"
    }

    /// Time of the next automatic transition.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        let pending = self.pending.as_ref().map(|pending| pending.until);
        let forced = self.forced.as_ref().and_then(|forced| forced.until);
        let scheduled = self.scheduled.as_ref().map(|scheduled| scheduled.at);
        let automatic = self.automatic.as_ref().map(|automatic| automatic.due);
        [pending, forced, scheduled, automatic, self.next_expiry()].into_iter().flatten().min()
    }

    /// Status and task that a read returns; they may lag behind.
    pub(super) fn visible_status(&self) -> (&InstanceStatus, Option<&str>) {
        if self.stale_reads > 0 {
            (&InstanceStatus::Running, None)
        } else {
            (self.status(), self.task.as_deref())
        }
    }

    /// Rejects an operation on a busy instance with the code of its activity.
    pub(super) fn ensure_idle(&self) -> Result<()> {
        match self.busy_code() {
            None => Ok(()),
            Some(code) => Err(ApiError::new(code)),
        }
    }

    /// Error code of the current activity, if any.
    fn busy_code(&self) -> Option<&'static str> {
        use InstanceStatus as Status;
        match self.status() {
            Status::Running => match &self.task {
                Some(task) => Some(task_busy_code(task)),
                // The status was overridden; the pending transition must not be lost.
                None => self.pending.as_ref().map(|_| "DCS.4026"),
            },
            Status::Creating => Some("DCS.4118"),
            Status::Restarting | Status::Starting => Some("DCS.4111"),
            Status::Extending => Some("DCS.4113"),
            Status::Restoring => Some("DCS.4097"),
            Status::Upgrading => Some("DCS.4116"),
            Status::Freezing => Some("DCS.4120"),
            Status::CreateFailed
            | Status::Error
            | Status::Flushing
            | Status::Frozen
            | Status::Paying
            | Status::Migrating
            | Status::Deleting
            | Status::Deleted
            | Status::Closing
            | Status::Closed
            | Status::Other(_) => Some("DCS.4026"),
        }
    }

    /// Rejects deleting a busy instance.
    pub(super) fn ensure_deletable(&self) -> Result<()> {
        use InstanceStatus as Status;
        match self.status() {
            Status::Creating | Status::Starting | Status::Restarting | Status::Closing | Status::Deleting => {
                Err(ApiError::new("DCS.4099"))
            }
            // Prepaid instances are unsubscribed through the billing service.
            _ if self.charging_mode != 0 => Err(ApiError::new("DCS.4026")),
            Status::Error | Status::CreateFailed | Status::Frozen | Status::Closed => Ok(()),
            _ => self.ensure_idle(),
        }
    }
}

/// Error code of a task. Only `BACKUPING` is known from the real service.
fn task_busy_code(task: &str) -> &'static str {
    match task {
        "BACKUPING" => "DCS.4096",
        "RESTORING" => "DCS.4097",
        "RESTARTING" => "DCS.4111",
        "EXTENDING" => "DCS.4113",
        "CONFIGURING" => "DCS.4114",
        "CHANGING_PASSWORD" => "DCS.4115",
        "UPGRADING" => "DCS.4116",
        _ => "DCS.4026",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::service::fixtures;

    #[test]
    fn busy_instances_are_rejected_with_the_code_of_their_activity() {
        for (status, task, change, delete) in [
            ("RUNNING", None, None, None),
            ("RUNNING", Some("BACKUPING"), Some("DCS.4096"), Some("DCS.4096")),
            ("RUNNING", Some("CONFIGURING"), Some("DCS.4114"), Some("DCS.4114")),
            ("RUNNING", Some("CHANGING_PASSWORD"), Some("DCS.4115"), Some("DCS.4115")),
            ("RUNNING", Some("TIDYING"), Some("DCS.4026"), Some("DCS.4026")),
            ("CREATING", None, Some("DCS.4118"), Some("DCS.4099")),
            ("RESTARTING", None, Some("DCS.4111"), Some("DCS.4099")),
            ("EXTENDING", None, Some("DCS.4113"), Some("DCS.4113")),
            ("RESTORING", None, Some("DCS.4097"), Some("DCS.4097")),
            ("UPGRADING", None, Some("DCS.4116"), Some("DCS.4116")),
            ("FREEZING", None, Some("DCS.4120"), Some("DCS.4120")),
            ("FLUSHING", None, Some("DCS.4026"), Some("DCS.4026")),
            ("FROZEN", None, Some("DCS.4026"), None),
            ("ERROR", None, Some("DCS.4026"), None),
            ("CREATEFAILED", None, Some("DCS.4026"), None),
            ("DELETING", None, Some("DCS.4026"), Some("DCS.4099")),
            ("DEFRAGMENTING", None, Some("DCS.4026"), Some("DCS.4026")),
        ] {
            let mut instance = fixtures::instance();
            instance.status = InstanceStatus::from(status);
            instance.task = task.map(str::to_owned);
            let code = |result: Result<()>| result.err().map(|error| error.code);
            assert_eq!(code(instance.ensure_idle()), change, "{status} {task:?}");
            assert_eq!(code(instance.ensure_deletable()), delete, "{status} {task:?}");
        }
    }

    #[test]
    fn prepaid_instances_cannot_be_deleted() {
        let instance = Instance { charging_mode: 1, ..fixtures::instance() };
        assert_eq!(instance.ensure_deletable(), Err(ApiError::new("DCS.4026")));
    }

    #[test]
    fn a_forced_status_overrides_the_own_status() {
        let mut instance = fixtures::instance();
        instance.forced = Some(ForcedStatus { status: InstanceStatus::Error, until: None });
        assert_eq!(instance.status(), &InstanceStatus::Error);
        assert_eq!(instance.next_due(), None);
    }
}
