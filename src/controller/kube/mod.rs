//! The port to Kubernetes in production: kube's client, and the stores that watches fill.
//!
//! The contract suite in `tests/it` runs over this code and a real API server.

mod answer;
mod core;
mod deadlines;
mod manager;
mod objects;
mod prune;
mod release;
mod runner;
mod secrets;
mod timeouts;
mod watch;
mod work_queue;

pub use self::{
    core::RunObserver,
    deadlines::{Deadlines, WatchHealth},
    manager::{KubeBackups, KubeInstances, KubeRestores, KubeSchedules, Manager},
    objects::KubeObjects,
    secrets::KubeSecrets,
    timeouts::KubeTimeouts,
    watch::{SecretMeta, WatchErrorHandler, WatchedStore, Watches},
    work_queue::{WorkQueue, WorkQueues},
};
