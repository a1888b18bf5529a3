//! The operations of the service as data: method, path, idempotency and timeout.

use std::time::Duration;

use http::Method;

/// One operation of the service.
#[derive(Debug)]
pub struct Operation {
    /// Name in the vendor's SDK.
    pub name: &'static str,
    /// Answering service.
    pub service: Service,
    /// HTTP method.
    pub method: Method,
    /// Path with `{placeholders}`.
    pub path: &'static str,
    /// Effect of a repeated request.
    pub idempotency: Idempotency,
    /// Time limit of one attempt, answer included; of the whole call for a mutating operation.
    pub timeout: Duration,
    /// Section of the API reference; empty for an operation that only the vendor's SDK has.
    pub section: &'static str,
}

/// A service of the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Distributed Cache Service.
    Dcs,
    /// Identity and access management.
    Iam,
}

/// The effect of a repeated request. It decides what is retried, and whether a lost answer is *ambiguous*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// Changes nothing; repeated freely.
    Read,
    /// A repetition has no further effect; repeated, but a lost answer stays ambiguous.
    Idempotent,
    /// A repetition may take effect twice; repeated only if the first request certainly had no effect.
    Once,
}

// === impl Operation ===

impl Operation {
    /// Whether the path names an instance, so that an answer can state its absence.
    pub fn names_an_instance(&self) -> bool {
        self.path.contains("{instance_id}")
    }

    /// The largest answer in bytes; for a list of the project, what the transport takes. A decoded answer takes many times its length.
    pub fn max_answer(&self) -> usize {
        let is_list = self.idempotency == Idempotency::Read && !self.path.contains("{instance_id}");
        if is_list { usize::MAX } else { MAX_SINGLE_BYTES }
    }
}

// === impl Idempotency ===

impl Idempotency {
    /// Whether the operation may change something in the cloud.
    pub const fn mutates(self) -> bool {
        !matches!(self, Self::Read)
    }
}

/// The largest answer about one instance.
const MAX_SINGLE_BYTES: usize = 1024 * 1024;

const READ: Duration = Duration::from_secs(20);
const LIST: Duration = Duration::from_secs(30);
/// Limits a whole mutating call, retries included. The lease must cover it before the call starts.
const MUTATE: Duration = Duration::from_secs(15);

const fn operation(
    section: &'static str,
    name: &'static str,
    method: Method,
    path: &'static str,
    idempotency: Idempotency,
    timeout: Duration,
) -> Operation {
    Operation { name, service: Service::Dcs, method, path, idempotency, timeout, section }
}

const fn iam(name: &'static str, method: Method, path: &'static str) -> Operation {
    Operation {
        name,
        service: Service::Iam,
        method,
        path,
        idempotency: Idempotency::Read,
        timeout: READ,
        section: "3.2",
    }
}

use Idempotency::{Idempotent, Once, Read};

/// Creates an instance. Without an idempotency token, a repetition creates a second, paid instance.
pub static CREATE_INSTANCE: Operation =
    operation("4.1.1", "CreateInstance", Method::POST, "/v2/{project_id}/instances", Once, MUTATE);
/// One page of the instances.
pub static LIST_INSTANCES: Operation =
    operation("4.1.2", "ListInstances", Method::GET, "/v2/{project_id}/instances", Read, LIST);
/// One instance in detail.
pub static SHOW_INSTANCE: Operation =
    operation("4.1.4", "ShowInstance", Method::GET, "/v2/{project_id}/instances/{instance_id}", Read, READ);
/// Deletes an instance and its backups.
pub static DELETE_INSTANCE: Operation = operation(
    "4.1.5",
    "DeleteInstance",
    Method::DELETE,
    "/v2/{project_id}/instances/{instance_id}",
    Idempotent,
    MUTATE,
);
/// Changes name, description, port, maintenance window, backup policy, command names.
pub static UPDATE_INSTANCE: Operation = operation(
    "4.1.6",
    "UpdateInstance",
    Method::PUT,
    "/v2/{project_id}/instances/{instance_id}",
    Idempotent,
    MUTATE,
);
/// Changes flavor, capacity, replicas, shards. A late repetition may undo a change made in between.
pub static RESIZE_INSTANCE: Operation = operation(
    "4.1.7",
    "ResizeInstance",
    Method::POST,
    "/v2/{project_id}/instances/{instance_id}/resize",
    Once,
    MUTATE,
);
/// Sets or removes the password. The service refuses the current password, so a repetition looks like a failure.
pub static RESET_PASSWORD: Operation = operation(
    "4.2.3",
    "ResetPassword",
    Method::POST,
    "/v2/{project_id}/instances/{instance_id}/password/reset",
    Once,
    MUTATE,
);
/// Counts instances by status.
pub static COUNT_INSTANCES: Operation = operation(
    "4.2.4",
    "ListNumberOfInstancesInDifferentStatus",
    Method::GET,
    "/v2/{project_id}/instances/status",
    Read,
    READ,
);
/// Load figures of all running instances.
pub static LIST_STATISTICS: Operation = operation(
    "4.2.6",
    "ListStatisticsOfRunningInstances",
    Method::GET,
    "/v2/{project_id}/instances/statistic",
    Read,
    LIST,
);
/// Deletes the files of a backup.
pub static DELETE_BACKUP: Operation = operation(
    "4.5.1",
    "DeleteBackupFile",
    Method::DELETE,
    "/v2/{project_id}/instances/{instance_id}/backups/{backup_id}",
    Idempotent,
    MUTATE,
);
/// Overwrites the data of an instance with a backup. A repetition overwrites what was written since.
pub static RESTORE_INSTANCE: Operation = operation(
    "4.5.2",
    "RestoreInstance",
    Method::POST,
    "/v2/{project_id}/instances/{instance_id}/restores",
    Once,
    MUTATE,
);
/// One page of the restores of an instance.
pub static LIST_RESTORES: Operation = operation(
    "4.5.3",
    "ListRestoreRecords",
    Method::GET,
    "/v2/{project_id}/instances/{instance_id}/restores",
    Read,
    READ,
);
/// Issues links to the files of a backup. Counts as a read, since it changes nothing of the tenant's.
pub static LIST_BACKUP_LINKS: Operation = operation(
    "4.5.4",
    "ListBackupFileLinks",
    Method::POST,
    "/v2/{project_id}/instances/{instance_id}/backups/{backup_id}/links",
    Read,
    READ,
);
/// Backs up an instance. A repetition makes a second backup, and either may push out the oldest one.
pub static CREATE_BACKUP: Operation = operation(
    "4.5.5",
    "CopyInstance",
    Method::POST,
    "/v2/{project_id}/instances/{instance_id}/backups",
    Once,
    MUTATE,
);
/// One page of the backups of an instance.
pub static LIST_BACKUPS: Operation = operation(
    "4.5.6",
    "ListBackupRecords",
    Method::GET,
    "/v2/{project_id}/instances/{instance_id}/backups",
    Read,
    READ,
);
/// An instance's background tasks, newest first.
pub static LIST_TASKS: Operation = operation(
    "4.8.1",
    "ListBackgroundTask",
    Method::GET,
    "/v2/{project_id}/instances/{instance_id}/tasks",
    Read,
    READ,
);
/// Removes the record of a background task that has ended.
pub static DELETE_TASK: Operation = operation(
    "4.8.2",
    "DeleteBackgroundTask",
    Method::DELETE,
    "/v2/{project_id}/instances/{instance_id}/tasks/{task_id}",
    Idempotent,
    MUTATE,
);
/// Shows the progress of a background task.
pub static SHOW_TASK_PROGRESS: Operation = operation(
    "4.8.3",
    "ShowBackgroundTaskProgress",
    Method::GET,
    "/v2/{project_id}/instances/{instance_id}/tasks/{task_id}/progress",
    Read,
    READ,
);
/// Shows a job.
pub static SHOW_JOB: Operation =
    operation("4.8.4", "ShowJobInfo", Method::GET, "/v2/{project_id}/jobs/{job_id}", Read, READ);
/// Lists the flavors on offer.
pub static LIST_FLAVORS: Operation =
    operation("4.9.1", "ListFlavors", Method::GET, "/v2/{project_id}/flavors", Read, LIST);
/// Lists the hours on offer as a maintenance window.
pub static LIST_MAINTENANCE_WINDOWS: Operation =
    operation("4.9.2", "ListMaintenanceWindows", Method::GET, "/v2/instances/maintain-windows", Read, READ);
/// Shows quota and usage of the tenant.
pub static SHOW_QUOTA: Operation =
    operation("4.9.3", "ShowQuotaOfTenant", Method::GET, "/v2/{project_id}/quota", Read, READ);
/// Lists the region's zones.
pub static LIST_AVAILABILITY_ZONES: Operation =
    operation("4.9.4", "ListAvailableZones", Method::GET, "/v2/available-zones", Read, READ);
/// Adds, overwrites or removes tags of an instance.
pub static CHANGE_TAGS: Operation = operation(
    "",
    "BatchCreateOrDeleteTags",
    Method::POST,
    "/v2/{project_id}/dcs/{instance_id}/tags/action",
    Idempotent,
    MUTATE,
);
/// Issues a token for a name and password. Counts as a read, since it changes nothing of the tenant's.
pub static CREATE_TOKEN: Operation =
    iam("KeystoneCreateUserTokenByPassword", Method::POST, "/v3/auth/tokens");
/// Finds a project by its name.
pub static LIST_PROJECTS: Operation = iam("KeystoneListProjects", Method::GET, "/v3/projects");

/// All operations.
pub static ALL: [&Operation; 26] = [
    &CREATE_INSTANCE,
    &LIST_INSTANCES,
    &SHOW_INSTANCE,
    &DELETE_INSTANCE,
    &UPDATE_INSTANCE,
    &RESIZE_INSTANCE,
    &RESET_PASSWORD,
    &COUNT_INSTANCES,
    &LIST_STATISTICS,
    &DELETE_BACKUP,
    &RESTORE_INSTANCE,
    &LIST_RESTORES,
    &LIST_BACKUP_LINKS,
    &CREATE_BACKUP,
    &LIST_BACKUPS,
    &LIST_TASKS,
    &DELETE_TASK,
    &SHOW_TASK_PROGRESS,
    &SHOW_JOB,
    &LIST_FLAVORS,
    &LIST_MAINTENANCE_WINDOWS,
    &SHOW_QUOTA,
    &LIST_AVAILABILITY_ZONES,
    &CHANGE_TAGS,
    &CREATE_TOKEN,
    &LIST_PROJECTS,
];

/// The operation with this name in the vendor's SDK.
pub fn by_name(name: &str) -> Option<&'static Operation> {
    ALL.into_iter().find(|operation| operation.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_routes_are_unique() {
        let names: HashSet<_> = ALL.iter().map(|operation| operation.name).collect();
        let routes: HashSet<_> = ALL.iter().map(|operation| (&operation.method, operation.path)).collect();
        assert_eq!((names.len(), routes.len()), (ALL.len(), ALL.len()));
    }

    #[test]
    fn only_reads_use_get_and_all_get_are_reads() {
        for operation in ALL.iter().filter(|operation| operation.service == Service::Dcs) {
            // The links are secrets that expire: the service issues them on POST.
            let is_get = operation.method == Method::GET || operation.name == LIST_BACKUP_LINKS.name;
            assert_eq!(is_get, !operation.idempotency.mutates(), "{}", operation.name);
        }
    }

    #[test]
    fn the_lease_covers_every_mutating_call() {
        for operation in ALL.iter().filter(|operation| operation.idempotency.mutates()) {
            assert!(operation.timeout <= Duration::from_secs(15), "{}", operation.name);
        }
    }
}
