//! The port to the cloud.

use std::future::Future;

use super::{
    error::Error,
    model::{
        AvailabilityZones, BackupLinks, BackupPage, CreateBackup, CreateInstance, CreatedInstance, Flavor,
        FlavorQuery, InstanceDetail, InstancePage, InstanceQuery, InstanceStatistic, Job, LinksRequest,
        MaintenanceWindow, QuotaResource, RecordQuery, ResetPassword, ResizeInstance, RestoreBackup,
        RestorePage, StatusCounts, TagsChange, TaskPage, TaskProgress, TaskQuery, UpdateInstance,
    },
};

/// The operations that the operator uses. Production has [`Client`](super::Client); tests have the simulator's state
/// machine. Every method fails with a classified [`Error`].
pub trait Cloud: Send + Sync {
    /// Creates one instance (4.1.1). Sent only once: a repeated request creates a second instance.
    fn create_instance(
        &self,
        request: &CreateInstance,
    ) -> impl Future<Output = Result<CreatedInstance, Error>> + Send;

    /// One page of the instance list (4.1.2). A page does not prove absence: see its `instance_num`.
    fn list_instances(
        &self,
        query: &InstanceQuery,
    ) -> impl Future<Output = Result<InstancePage, Error>> + Send;

    /// One instance in detail (4.1.4). Fails as *not found* only if the service states that it does not exist.
    fn show_instance(&self, instance_id: &str) -> impl Future<Output = Result<InstanceDetail, Error>> + Send;

    /// Changes name, description, port, maintenance window, backup policy, command names (4.1.6).
    fn update_instance(
        &self,
        instance_id: &str,
        request: &UpdateInstance,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deletes an instance and its backups (4.1.5).
    fn delete_instance(&self, instance_id: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Changes flavor, capacity, replicas, shards (4.1.7). Returns when the service accepts; the status shows the end.
    fn resize_instance(
        &self,
        instance_id: &str,
        request: &ResizeInstance,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Sets or removes the password (4.2.3). Succeeds only if the body of the answer confirms it.
    fn reset_password(
        &self,
        instance_id: &str,
        request: &ResetPassword,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Adds, overwrites or removes tags.
    fn change_tags(
        &self,
        instance_id: &str,
        request: &TagsChange,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Number of instances by status (4.2.4).
    fn count_instances(
        &self,
        include_failures: bool,
    ) -> impl Future<Output = Result<StatusCounts, Error>> + Send;

    /// Load figures of all running instances (4.2.6).
    fn list_statistics(&self) -> impl Future<Output = Result<Vec<InstanceStatistic>, Error>> + Send;

    /// Backs up an instance (4.5.5) and returns the id of the backup. Sent only once: a repeated request makes a second
    /// backup. Returns when the service accepts; the list shows the end.
    fn create_backup(
        &self,
        instance_id: &str,
        request: &CreateBackup,
    ) -> impl Future<Output = Result<String, Error>> + Send;

    /// One page of the backups of an instance (4.5.6). A page does not prove absence: see
    /// [`list_all_backups`](super::list_all_backups).
    fn list_backups(
        &self,
        instance_id: &str,
        query: &RecordQuery,
    ) -> impl Future<Output = Result<BackupPage, Error>> + Send;

    /// Deletes the files of a backup (4.5.1). Succeeds also if they are already gone.
    fn delete_backup(
        &self,
        instance_id: &str,
        backup_id: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Links to the files of a backup (4.5.4). They are secrets and expire.
    fn backup_links(
        &self,
        instance_id: &str,
        backup_id: &str,
        request: &LinksRequest,
    ) -> impl Future<Output = Result<BackupLinks, Error>> + Send;

    /// Overwrites the data of an instance with one of its backups (4.5.2) and returns the id of the restore. Sent only
    /// once. Returns when the service accepts; the list shows the end.
    fn restore_instance(
        &self,
        instance_id: &str,
        request: &RestoreBackup,
    ) -> impl Future<Output = Result<String, Error>> + Send;

    /// One page of the restores of an instance (4.5.3). A page does not prove absence: see
    /// [`list_all_restores`](super::list_all_restores).
    fn list_restores(
        &self,
        instance_id: &str,
        query: &RecordQuery,
    ) -> impl Future<Output = Result<RestorePage, Error>> + Send;

    /// An instance's background tasks, newest first (4.8.1).
    fn list_tasks(
        &self,
        instance_id: &str,
        query: &TaskQuery,
    ) -> impl Future<Output = Result<TaskPage, Error>> + Send;

    /// Removes the record of a background task that has ended (4.8.2).
    fn delete_task(&self, instance_id: &str, task_id: &str)
    -> impl Future<Output = Result<(), Error>> + Send;

    /// Progress of a background task (4.8.3).
    fn show_task_progress(
        &self,
        instance_id: &str,
        task_id: &str,
    ) -> impl Future<Output = Result<TaskProgress, Error>> + Send;

    /// A job (4.8.4).
    fn show_job(&self, job_id: &str) -> impl Future<Output = Result<Job, Error>> + Send;

    /// Flavors on offer (4.9.1).
    fn list_flavors(&self, query: &FlavorQuery) -> impl Future<Output = Result<Vec<Flavor>, Error>> + Send;

    /// Hours on offer as a maintenance window (4.9.2).
    fn list_maintenance_windows(&self) -> impl Future<Output = Result<Vec<MaintenanceWindow>, Error>> + Send;

    /// Quota and usage of the tenant (4.9.3).
    fn show_quota(&self) -> impl Future<Output = Result<Vec<QuotaResource>, Error>> + Send;

    /// Id of the account's project: the given one, else the one named as the region (API reference 3.2, IAM).
    fn find_project(&self) -> impl Future<Output = Result<String, Error>> + Send;

    /// The region's zones (4.9.4).
    fn list_availability_zones(&self) -> impl Future<Output = Result<AvailabilityZones, Error>> + Send;
}
