//! The hands: looks at the world, lets `plan` decide, carries out what it decided, and publishes what it found.
//!
//! Two ports lead out: [`dcs::Cloud`](crate::dcs::Cloud), and [`ObjectApi`] with [`SecretApi`] to Kubernetes. Time and
//! randomness are passed in. Nothing here decides anything about an instance. [`reconcile()`] is written once; a kind says
//! in its own folder what is gathered and how a step is carried out.

mod account;
mod endpoints;
mod event_sink;
pub mod instance;
mod kube;
mod local_state;
mod ports;
mod projects;
mod reconcile;
mod secret_users;
mod write_guard;

pub use self::{
    account::{ClientFactory, ParsedCredentials, read_credentials},
    endpoints::Endpoints,
    event_sink::{Action, EventSink, NoopSink, Outcome},
    instance::SystemRandom,
    kube::{
        KubeInstances, KubeObjects, KubeSecrets, KubeTimeouts, Manager, RunObserver, Stores,
        WatchErrorHandler, Watches, WorkQueue,
    },
    local_state::{LocalEntry, LocalStateStore, Requeue},
    ports::{ClusterError, ManagedResource, NamespacedName, ObjectApi, SecretApi, prune_empty},
    projects::Projects,
    reconcile::{PlanOf, Reconciler, RetryAt, reconcile},
    secret_users::SecretUsers,
    write_guard::{AlwaysAllowed, WriteGuard},
};
