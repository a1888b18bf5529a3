//! The port to the cloud.

use std::future::Future;

use super::{
    error::Error,
    model::{
        AvailabilityZones, CreateInstance, CreatedInstance, Flavor, FlavorQuery, InstanceDetail,
        InstancePage, InstanceQuery, InstanceStatistic, Job, MaintenanceWindow, QuotaResource, ResetPassword,
        ResizeInstance, StatusCounts, TagsChange, TaskPage, TaskQuery, UpdateInstance,
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

    /// An instance's background tasks, newest first (4.8.1).
    fn list_tasks(
        &self,
        instance_id: &str,
        query: &TaskQuery,
    ) -> impl Future<Output = Result<TaskPage, Error>> + Send;

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
