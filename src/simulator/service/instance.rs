//! An instance: what it is, and what it is doing.

use std::{collections::BTreeMap, net::Ipv4Addr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    api_error::{ApiError, Result},
    catalogue::{Flavor, Size},
    password::Password,
    tasks::Task,
};
use crate::dcs::model::{BackupPolicy, CacheMode, Capacity, CpuType, InstanceStatus, Tag};

/// An instance of the simulated cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What people wrote about it.
    pub description: Option<String>,
    /// Version of Redis.
    pub engine_version: String,
    /// What was bought.
    pub shape: Shape,
    /// Its nodes, those of a shard together, the master first.
    pub nodes: Vec<Node>,
    /// The address before its proxies, where it has any.
    #[serde(rename = "front")]
    pub proxy_address: Option<Ipv4Addr>,
    /// Its port.
    pub port: u16,
    /// Codes of its zones, the master's first.
    pub zones: Vec<String>,
    /// VPC it is in.
    pub vpc_id: String,
    /// Subnet it is in.
    pub subnet_id: String,
    /// Its security group (Redis 3.0).
    pub security_group_id: Option<String>,
    /// Beginning of the maintenance window, UTC, `HH:mm:ss`.
    pub maintain_begin: String,
    /// End of the maintenance window.
    pub maintain_end: String,
    /// Automatic backups.
    pub backup: Option<Backup>,
    /// Its tags, in the order they were added.
    pub tags: Vec<Tag>,
    /// New names of commands; never shown by the service.
    pub rename_commands: BTreeMap<String, String>,
    /// Enterprise project it belongs to.
    pub enterprise_project_id: String,
    /// 0 if paid by the hour, 1 if prepaid.
    pub charging_mode: i64,
    /// More on its status; `normal` mostly.
    pub sub_status: String,
    /// What keeps it busy although it is RUNNING.
    pub task: Option<String>,
    /// Memory in use, in MB, if someone fixed it; it moves otherwise.
    pub used_memory: Option<i64>,
    /// Whether it takes no new password, as after too many wrong ones.
    pub locked: bool,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it began to serve; its data and counters are as old.
    pub launched_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
    /// Its background tasks, oldest first.
    pub tasks: Vec<Task>,
    pub(super) password: Option<Password>,
    pub(super) visible_at: DateTime<Utc>,
    pub(super) status: InstanceStatus,
    /// A status put over its own.
    pub(super) forced: Option<ForcedStatus>,
    /// What happens to it at the moment, and when that is over.
    pub(super) pending: Option<PendingTransition>,
    /// A resize that waits for the maintenance window.
    pub(super) scheduled: Option<ScheduledResize>,
    /// Reads that still show it as it was before the last operation.
    pub(super) stale_reads: u8,
}

/// What was bought, and its dimensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// The flavor.
    pub spec_code: String,
    /// Capacity.
    pub capacity: Capacity,
    /// How it is built.
    pub mode: CacheMode,
    /// Processors.
    pub cpu: CpuType,
    /// Copies of each shard, the master included.
    pub replicas: u32,
    /// Shards.
    pub shards: u32,
    /// Memory for data, in MB.
    pub max_memory: u32,
    /// Mbit/s.
    pub bandwidth: u32,
    /// Databases.
    pub databases: u32,
}

/// A node of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its shard, counted from 0.
    pub shard: u32,
    /// Whether it is the shard's master.
    pub master: bool,
    /// Code of its zone.
    pub zone: String,
    /// Its address, unless it is hidden behind proxies.
    pub ip: Option<Ipv4Addr>,
}

/// Automatic backups as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Id of the policy.
    pub id: String,
    /// What it says. The plan stays when the type becomes manual.
    pub policy: BackupPolicy,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// A status put over an instance's own, from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ForcedStatus {
    pub(super) status: InstanceStatus,
    pub(super) until: Option<DateTime<Utc>>,
}

/// Something under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PendingTransition {
    pub(super) until: DateTime<Utc>,
    #[serde(rename = "change")]
    pub(super) transition: Transition,
}

/// A resize that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ScheduledResize {
    pub(super) at: DateTime<Utc>,
    #[serde(rename = "reshape")]
    pub(super) layout: Layout,
}

/// What is different once something under way is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Transition {
    /// It serves for the first time.
    Create,
    /// It could not be made.
    FailToCreate,
    /// It has another size.
    #[serde(rename = "Reshape")]
    Resize(Layout),
    /// It has another port, other command names, or both.
    Configure { port: Option<u16>, rename_commands: Option<BTreeMap<String, String>> },
    /// It serves again; a single node has lost its data.
    Restart,
    /// It has another password; that was effective at once.
    Password,
    /// It is gone.
    Delete,
}

/// What an instance is after a resize.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    pub(super) nodes: Vec<Node>,
    #[serde(rename = "front")]
    pub(super) proxy_address: Option<Ipv4Addr>,
}

// === impl Shape ===

impl Shape {
    /// A flavor in one of its capacities.
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

    /// Whether clients see proxies instead of nodes.
    pub(super) fn is_proxied(&self) -> bool {
        matches!(self.mode, CacheMode::Proxy | CacheMode::HaRwSplit)
    }
}

// === impl Instance ===

impl Instance {
    /// Whether clients get in with this password; with none, if it is open.
    pub fn admits(&self, password: Option<&str>) -> bool {
        match (&self.password, password) {
            (None, None) => true,
            (Some(own), Some(password)) => own.matches(password),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// What it is doing.
    pub fn status(&self) -> &InstanceStatus {
        self.forced.as_ref().map_or(&self.status, |forced| &forced.status)
    }

    /// Its addresses: all nodes' for a cluster, one otherwise.
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        match self.proxy_address {
            Some(proxy_address) => vec![proxy_address],
            None if self.shape.mode == CacheMode::Cluster => self.nodes.iter().filter_map(|n| n.ip).collect(),
            None => self.nodes.iter().find(|node| node.master).and_then(|node| node.ip).into_iter().collect(),
        }
    }

    /// Whether it is Redis 3.0, which knows neither ports nor renamed commands but security groups.
    pub(super) fn is_version_3(&self) -> bool {
        self.engine_version == "3.0"
    }

    /// When something happens to it next, all by itself.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        let pending = self.pending.as_ref().map(|pending| pending.until);
        let forced = self.forced.as_ref().and_then(|forced| forced.until);
        let scheduled = self.scheduled.as_ref().map(|scheduled| scheduled.at);
        [pending, forced, scheduled].into_iter().flatten().min()
    }

    /// The status and task that a read shows, which may lag one behind.
    pub(super) fn visible_status(&self) -> (&InstanceStatus, Option<&str>) {
        if self.stale_reads > 0 {
            (&InstanceStatus::Running, None)
        } else {
            (self.status(), self.task.as_deref())
        }
    }

    /// Refuses what needs an idle instance, with the code for what it is doing.
    pub(super) fn ensure_idle(&self) -> Result<()> {
        match self.busy_code() {
            None => Ok(()),
            Some(code) => Err(ApiError::new(code)),
        }
    }

    /// The code for what it is doing, if it is doing anything.
    fn busy_code(&self) -> Option<&'static str> {
        use InstanceStatus as Status;
        match self.status() {
            Status::Running => match &self.task {
                Some(task) => Some(task_busy_code(task)),
                // Made to look idle from outside; what is under way must not be lost.
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

    /// Refuses to delete what is not at rest.
    pub(super) fn ensure_deletable(&self) -> Result<()> {
        use InstanceStatus as Status;
        match self.status() {
            Status::Creating | Status::Starting | Status::Restarting | Status::Closing | Status::Deleting => {
                Err(ApiError::new("DCS.4099"))
            }
            // Prepaid ones are unsubscribed through the billing service.
            _ if self.charging_mode != 0 => Err(ApiError::new("DCS.4026")),
            Status::Error | Status::CreateFailed | Status::Frozen | Status::Closed => Ok(()),
            _ => self.ensure_idle(),
        }
    }
}

/// The code for a task under way. Of the words only `BACKUPING` is known from the service itself.
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
    fn busy_codes() {
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
    fn prepaid_instances_are_not_deleted_here() {
        let instance = Instance { charging_mode: 1, ..fixtures::instance() };
        assert_eq!(instance.ensure_deletable(), Err(ApiError::new("DCS.4026")));
    }

    #[test]
    fn a_forced_status_covers_its_own() {
        let mut instance = fixtures::instance();
        instance.forced = Some(ForcedStatus { status: InstanceStatus::Error, until: None });
        assert_eq!(instance.status(), &InstanceStatus::Error);
        assert_eq!(instance.next_due(), None);
    }
}
