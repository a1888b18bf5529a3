//! Runs any number of kinds over one Secret watch, one inventory and one set of links.
//!
//! Each kind has a `Controller` of kube, which hands over keys: one run per key at a time, the sooner visit wins, a
//! trigger during a run is kept, runs end before shutdown. A queue of our own would have to do all of that again. One
//! Controller per kind also means that a kind with many objects cannot take the workers of another.

use std::{convert::Infallible, future, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use kube::runtime::{
    Controller,
    controller::{Action, Config, Error as ControllerError},
    reflector::ObjectRef,
};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    objects::KubeObjects,
    release::{UsesCredentials, release_credentials, uses_credentials},
    secrets::KubeSecrets,
    watch::{SecretMeta, WatchedStore, Watches},
};
use crate::{
    api::DcsInstance,
    controller::{
        accounts::ClientFactory,
        ids::ObjectId,
        instance::Instances,
        local_state::Requeue,
        ports::{ManagedResource, ObjectApi},
        reconcile::{forget, reconcile},
        reconciler::Reconciler,
        shared::Shared,
    },
};

/// DcsInstances over kube.
pub type KubeInstances<N> = Instances<KubeObjects<DcsInstance>, KubeSecrets, N>;

/// Observes the run.
pub trait RunObserver: Send + Sync {
    /// A reconcile of an object of `kind` ended, after this time.
    fn on_reconcile_end(&self, kind: &'static str, next: Requeue, took: Duration);

    /// The first lists of all kinds and of Secrets are complete.
    fn on_synced(&self);

    /// The poll loop is alive.
    fn heartbeat(&self);
}

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

/// What all kinds share.
struct Core<N: ClientFactory> {
    shared: Arc<Shared<KubeSecrets, N>>,
    watches: Arc<Watches>,
    observer: Arc<dyn RunObserver>,
    /// Another account may be due next.
    due: Notify,
}

/// One kind that runs.
struct Running<T, N: ClientFactory> {
    kind: Arc<T>,
    core: Arc<Core<N>>,
}

/// The longest wait of the poll loop, so that its heartbeat shows that it is alive.
const MAX_POLL_WAIT: Duration = Duration::from_secs(10);

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
        watches.expect(T::Object::KIND);
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

// === impl Core ===

impl<N> Core<N>
where
    N: ClientFactory<Cloud: 'static> + 'static,
{
    /// Polls each account when it is due, and wakes the objects that its lists concern.
    async fn poll_accounts(self: Arc<Self>) {
        let (clock, inventory) = (&self.shared.clock, &self.shared.inventory);
        // In one task: a poll is marked as running when it is created, so that the next round finds another account.
        let mut polls = FuturesUnordered::new();
        loop {
            self.observer.heartbeat();
            let now = clock.monotonic();
            let due = inventory.next_poll();
            if let Some((_, account)) = due.as_ref().filter(|(at, _)| *at <= now) {
                polls.push(inventory.poll(account));
                continue;
            }
            let wait = due.map_or(MAX_POLL_WAIT, |(at, _)| at.saturating_sub(now).min(MAX_POLL_WAIT));
            tokio::select! {
                Some(polled) = polls.next() => self.watches.queues.wake_all(polled.wake),
                () = clock.sleep(wait) => {}
                () = self.due.notified() => {}
            }
        }
    }
}

// === impl Running ===

impl<T, N> Running<T, N>
where
    T: Reconciler<Secrets = KubeSecrets, Clients = N> + 'static,
    N: ClientFactory<Cloud: 'static> + 'static,
{
    async fn run(self, store: WatchedStore<T::Object>, concurrency: u16, stop: CancellationToken) {
        let this = Arc::new(self);
        let WatchedStore { store, writer } = store;
        let (watches, kind) = (&this.core.watches, Arc::clone(&this.kind));
        let watch = watches.objects(writer, move |object, is_listed| {
            let foreign = kind.local_states().is_foreign_status(object);
            if !is_listed {
                kind.local_states().shown(object);
            }
            // A list follows a change of the definition, which may be what kept the status from being accepted.
            foreign || (is_listed && kind.local_states().is_refused(&object.object_id()))
        });
        let queue = watches.queues.of(T::Object::KIND).stream();
        let controller = Controller::for_stream(watch, store)
            .reconcile_on(queue.map(|id| ObjectRef::new(&id.name).within(&id.namespace)))
            .with_config(Config::default().concurrency(concurrency))
            .graceful_shutdown_on(stop.cancelled_owned());
        let ended = controller.run(
            |object, this| Self::run_reconcile(object, this),
            |_, error: &Infallible, _| match *error {},
            Arc::clone(&this),
        );
        let mut gone = JoinSet::new();
        ended
            .for_each(|ended| {
                if let Err(ControllerError::ObjectNotFound(reference)) = ended {
                    let namespace = reference.namespace.unwrap_or_default();
                    let id = ObjectId::new(T::Object::KIND, &namespace, &reference.name);
                    gone.spawn(Arc::clone(&this).forget_if_gone(id));
                    while gone.try_join_next().is_some() {}
                }
                future::ready(())
            })
            .await;
    }

    async fn run_reconcile(object: Arc<T::Object>, this: Arc<Self>) -> Result<Action, Infallible> {
        let clock = &this.core.shared.clock;
        let begun = clock.monotonic();
        let next = reconcile(this.kind.as_ref(), &object.object_id()).await;
        let now = clock.monotonic();
        this.core.observer.on_reconcile_end(T::Object::KIND, next, now.saturating_sub(begun));
        // The object's subscription may have changed, and with it when its account is due.
        this.core.due.notify_one();
        Ok(match next {
            Requeue::At(at) | Requeue::Failed(at) => Action::requeue(at.saturating_sub(now)),
            Requeue::Gone => Action::await_change(),
        })
    }

    /// Drops the state of an object that the watch does not show, once the API server confirms that it is gone. If it
    /// exists, the watch brings it.
    async fn forget_if_gone(self: Arc<Self>, id: ObjectId) {
        let Core { shared, watches, due, .. } = self.core.as_ref();
        match self.kind.objects().exists(&id).await {
            // The watch cannot decode it: nothing is expected of its account.
            Ok(true) => shared.inventory.unsubscribe(&id),
            Ok(false) => {
                forget(self.kind.as_ref(), &id);
                due.notify_one();
                // The state of an object created in between may have been dropped with it.
                if self.kind.objects().cached(&id).is_some() {
                    watches.queues.wake_all([id]);
                }
            }
            Err(error) => {
                tracing::debug!(object = %id, %error, "whether the object is gone is checked again");
                shared.clock.sleep(watches.timeouts.max_backoff).await;
                watches.queues.wake_all([id]);
            }
        }
    }
}
