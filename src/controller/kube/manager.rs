//! Runs any number of kinds over one Secret watch, one inventory and one set of links.
//!
//! Each kind has a queue and workers of its own, so that a kind with many objects cannot take the workers of another.
//! kube's `Controller` is not used: it knows no namespaces, so that one of them can take all its workers.

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    core::{Core, RunObserver},
    objects::KubeObjects,
    release::{UsesCredentials, release_credentials, uses_credentials},
    runner::Running,
    secrets::KubeSecrets,
    watch::{SecretMeta, WatchedStore, Watches},
};
use crate::{
    api::{DcsBackup, DcsBackupSchedule, DcsInstance, DcsRestore},
    controller::{
        accounts::ClientFactory, backup::Backups, backup_schedule::Schedules, instance::Instances,
        reconciler::Reconciler, restore::Restores, shared::Shared,
    },
};

/// DcsInstances over kube.
pub type KubeInstances<N> = Instances<KubeObjects<DcsInstance>, KubeSecrets, N>;

/// DcsBackups over kube.
pub type KubeBackups<N> = Backups<KubeObjects<DcsBackup>, KubeObjects<DcsInstance>, KubeSecrets, N>;

/// DcsRestores over kube.
pub type KubeRestores<N> =
    Restores<KubeObjects<DcsRestore>, KubeObjects<DcsBackup>, KubeObjects<DcsInstance>, KubeSecrets, N>;

/// DcsBackupSchedules over kube.
pub type KubeSchedules<N> = Schedules<
    KubeObjects<DcsBackupSchedule>,
    KubeObjects<DcsBackup>,
    KubeObjects<DcsInstance>,
    KubeSecrets,
    N,
>;

/// Runs kinds until it is stopped.
pub struct Manager<N: ClientFactory> {
    core: Arc<Core<N>>,
    secrets: WatchedStore<SecretMeta>,
    concurrency: u16,
    kinds: Vec<Start<N>>,
    uses_credentials: Vec<UsesCredentials>,
}

/// Starts one kind.
type Start<N> = Box<dyn FnOnce(Arc<Core<N>>, CancellationToken) -> BoxFuture<'static, ()> + Send>;

// === impl Manager ===

impl<N> Manager<N>
where
    N: ClientFactory<Cloud: 'static> + 'static,
{
    /// Without kinds yet. `concurrency` limits the reconciles of each kind.
    pub fn new(
        shared: Arc<Shared<KubeSecrets, N>>,
        watches: Arc<Watches>,
        secrets: WatchedStore<SecretMeta>,
        observer: Arc<dyn RunObserver>,
        concurrency: u16,
    ) -> Self {
        let core = Arc::new(Core { shared, watches, observer, due: Notify::new() });
        Self { core, secrets, concurrency, kinds: Vec::new(), uses_credentials: Vec::new() }
    }

    /// Adds a kind, with the store that its objects are read from.
    pub fn add<T>(&mut self, kind: Arc<T>, store: WatchedStore<T::Object>)
    where
        T: Reconciler<Secrets = KubeSecrets, Clients = N> + 'static,
    {
        let watches = &self.core.watches;
        watches.expect::<T::Object>();
        let uses = uses_credentials::<T::Object>(watches.client.clone(), watches.timeouts.answer);
        self.uses_credentials.push(uses);
        let concurrency = self.concurrency;
        self.kinds
            .push(Box::new(move |core, stop| Box::pin(Running { kind, core }.run(store, concurrency, stop))));
    }

    /// Runs until `stop`, and then until the running reconciles have ended.
    pub async fn run(self, stop: CancellationToken) {
        let Self { core, secrets, concurrency: _, kinds, uses_credentials } = self;
        let reader = secrets.reader();
        let mut background = JoinSet::new();
        background.spawn(Arc::clone(&core.watches).secrets(secrets));
        let own = core.shared.clone();
        let watches = Arc::clone(&core.watches);
        background.spawn(async move {
            release_credentials(watches, own.secrets.clone(), uses_credentials).await;
        });
        background.spawn(Arc::clone(&core).poll_accounts());
        // Without the versions of the Secrets, reconciles would read Secrets needlessly.
        tokio::select! {
            _ = reader.wait_until_ready() => {}
            () = stop.cancelled() => return,
        }
        let (synced, observer) = (core.watches.synced.clone(), Arc::clone(&core.observer));
        background.spawn(async move {
            synced.cancelled().await;
            observer.on_synced();
        });
        join_all(kinds.into_iter().map(|start| start(Arc::clone(&core), stop.clone()))).await;
    }
}
