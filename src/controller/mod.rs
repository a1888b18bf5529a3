//! The reconcilers: read what a planner decides from, execute its step, publish the status.
//!
//! Two ports lead out: [`dcs::Cloud`](crate::dcs::Cloud) to the cloud, [`ObjectApi`] and [`SecretApi`] to Kubernetes.
//! Time and randomness are passed in. Nothing here decides: planners do. [`reconcile()`] is written once for all kinds,
//! with what they share in [`Shared`]; a kind adds a folder with its [`Reconciler`].

mod account_limits;
mod accounts;
pub mod backup;
pub mod backup_schedule;
mod calls;
mod detail_cache;
mod dispatch;
mod event_sink;
mod field_managers;
mod ids;
pub mod instance;
mod job;
mod kube;
mod links;
mod local_state;
mod ports;
mod projects;
mod random;
mod reconcile;
mod reconciler;
mod record_lists;
pub mod restore;
mod shared;
mod write_guard;

pub use self::{
    account_limits::AccountLimits,
    accounts::{
        ClientFactory, CredentialsCache, CredentialsChoice, Endpoints, HostPattern, HostPort, Namespaces,
        OwnCredentials, ParsedCredentials, read_credentials,
    },
    calls::RetryAt,
    detail_cache::DetailCache,
    dispatch::Dispatch,
    event_sink::{Action, EventSink, NoopSink},
    ids::{NamespacedName, ObjectId, ObjectNames},
    kube::{
        Deadlines, KubeBackups, KubeInstances, KubeObjects, KubeRestores, KubeSchedules, KubeSecrets,
        KubeTimeouts, Manager, RunObserver, SecretMeta, WatchErrorHandler, WatchHealth, WatchedStore,
        Watches, WorkQueue, WorkQueues,
    },
    links::{Link, LinkChange, LinkFacts, LinkIndex, Links, Referent, Relation},
    local_state::{LocalEntry, LocalStateStore, Requeue},
    ports::{ClusterError, ManagedResource, ObjectApi, PinApi, SecretApi, prune_empty},
    projects::Projects,
    random::{NoRandomness, Random, SystemRandom},
    reconcile::{reconcile, request},
    reconciler::{
        CloudOf, ContextOf, Known, ObservedState, PlanOf, ReconcileContext, Reconciler, StatusOf, Time,
    },
    record_lists::RecordLists,
    shared::Shared,
    write_guard::{AlwaysAllowed, WriteGuard},
};
