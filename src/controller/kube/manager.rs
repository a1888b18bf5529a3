//! Everything that runs: kube's controller hands over keys, the fleet looks at the cloud, Secrets are let go.

use std::{convert::Infallible, future, sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use kube::runtime::{
    Controller,
    controller::{Action, Config, Error as ControllerError},
    reflector::{ObjectRef, Store, store::Writer},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    KubeObjects, KubeSecrets, KubeTimeouts,
    release::release_credentials,
    watch::{SecretMeta, Watches, store},
};
use crate::{
    api::DcsInstance,
    clock::Clock,
    controller::{
        account::ClientFactory,
        instance::Instances,
        local_state::Requeue,
        ports::{NamespacedName, ObjectApi},
        reconcile::{forget, reconcile},
    },
    inventory::Inventory,
};

/// DcsInstances over kube and a way to the cloud.
pub type KubeInstances<N> = Instances<KubeObjects<DcsInstance>, KubeSecrets, N>;

/// Is told how passes end, and that they go on.
pub trait RunObserver: Send + Sync {
    /// A pass ended, after so long.
    fn on_reconcile_end(&self, kind: &'static str, next: Requeue, took: Duration);

    /// Objects and Secrets are all there: passes can begin.
    fn on_synced(&self);

    /// Work goes on.
    fn heartbeat(&self);
}

/// What everything that runs has in common.
pub struct Manager<N: ClientFactory> {
    instances: Arc<KubeInstances<N>>,
    watches: Arc<Watches>,
    observer: Arc<dyn RunObserver>,
    /// The account that is due next may be another one now.
    due: Arc<Notify>,
}

/// Stores that watches fill.
pub struct Stores {
    objects: Store<DcsInstance>,
    object_writer: Writer<DcsInstance>,
    secrets: Store<SecretMeta>,
    secret_writer: Writer<SecretMeta>,
}

/// How long the fleet waits at most without a look at what is due: work that stands still is noticed by that.
const LONGEST_REST: Duration = Duration::from_secs(10);

// === impl Stores ===

impl Stores {
    /// Empty ones.
    pub fn new() -> Self {
        let ((objects, object_writer), (secrets, secret_writer)) = (store(), store());
        Self { objects, object_writer, secrets, secret_writer }
    }

    /// The ports that read from them.
    pub fn ports(
        &self,
        client: &kube::Client,
        timeouts: &KubeTimeouts,
    ) -> (KubeObjects<DcsInstance>, KubeSecrets) {
        let timeout = timeouts.answer;
        let objects = KubeObjects::new(client.clone(), self.objects.clone(), timeout);
        (objects, KubeSecrets::new(client.clone(), self.secrets.clone(), timeout))
    }

    /// The DcsInstances that were seen.
    pub fn objects(&self) -> Store<DcsInstance> {
        self.objects.clone()
    }
}

impl Default for Stores {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Manager ===

impl<N: ClientFactory + 'static> Manager<N>
where
    N::Cloud: 'static,
{
    /// Of these parts.
    pub fn new(
        instances: Arc<KubeInstances<N>>,
        watches: Arc<Watches>,
        observer: Arc<dyn RunObserver>,
    ) -> Self {
        Self { instances, watches, observer, due: Arc::default() }
    }

    /// Runs until `stop`, and then until the passes under way have ended.
    pub async fn run(self, stores: Stores, concurrency: u16, stop: CancellationToken) {
        let this = Arc::new(self);
        let Stores { objects, object_writer, secrets, secret_writer } = stores;
        let watched = Arc::clone(&this.watches).secrets(secret_writer, secrets.clone());
        let mut others = tokio::task::JoinSet::new();
        others.spawn(watched);
        others.spawn(release_credentials(Arc::clone(&this.watches), this.instances.secrets.clone()));
        others.spawn(Arc::clone(&this).look_at_accounts());
        // Without the Secrets' versions a pass would read what it need not read. A watch that dies ends the process
        // elsewhere; here nothing has to be decided on it.
        tokio::select! {
            _ = secrets.wait_until_ready() => {}
            () = stop.cancelled() => return,
        }
        let (seen, observer) = (this.watches.seen.clone(), Arc::clone(&this.observer));
        others.spawn(async move {
            seen.cancelled().await;
            observer.on_synced();
        });
        let remembering = Arc::clone(&this.instances);
        let watch =
            this.watches.instances(object_writer, move |object| remembering.local_states.shown(object));
        let queue = this.watches.queue.stream().map(|key| ObjectRef::new(&key.name).within(&key.namespace));
        let controller = Controller::for_stream(watch, objects)
            .reconcile_on(queue)
            .with_config(Config::default().concurrency(concurrency))
            .graceful_shutdown_on(stop.cancelled_owned());
        let ended =
            controller.run(run_reconcile, |_, error: &Infallible, _| match *error {}, Arc::clone(&this));
        let mut gone = tokio::task::JoinSet::new();
        ended
            .for_each(|ended| {
                if let Err(ControllerError::ObjectNotFound(reference)) = ended {
                    let key = NamespacedName::new(&reference.namespace.unwrap_or_default(), &reference.name);
                    gone.spawn(Arc::clone(&this).look_whether_gone(key));
                    while gone.try_join_next().is_some() {}
                }
                future::ready(())
            })
            .await;
    }

    /// Forgets an object that no watch shows, once the API server says so, too. If it is there, the watch brings it.
    async fn look_whether_gone(self: Arc<Self>, key: NamespacedName) {
        match self.instances.objects.is_there(&key).await {
            Ok(true) => {}
            Ok(false) => {
                forget(self.instances.as_ref(), &key);
                self.due.notify_one();
                // One that was made in between may have been forgotten with it.
                if self.instances.objects.cached(&key).is_some() {
                    self.watches.queue.wake(key);
                }
            }
            Err(error) => {
                tracing::debug!(%key, %error, "whether it is gone is asked again");
                self.instances.clock.sleep(self.watches.timeouts.max_backoff).await;
                self.watches.queue.wake(key);
            }
        }
    }

    /// Looks at each account when it is due, and wakes whom it concerns.
    async fn look_at_accounts(self: Arc<Self>) {
        let clock = Arc::clone(&self.instances.clock);
        let inventory = self.inventory();
        // In one task: a tick is taken as soon as it is asked for, so that the next round finds another account.
        let mut polls = FuturesUnordered::new();
        loop {
            self.observer.heartbeat();
            let now = clock.monotonic();
            let due = inventory.next_poll();
            if let Some((_, account)) = due.as_ref().filter(|(at, _)| *at <= now) {
                polls.push(inventory.poll(account));
                continue;
            }
            let rest = due.map_or(LONGEST_REST, |(at, _)| at.saturating_sub(now).min(LONGEST_REST));
            tokio::select! {
                Some(polled) = polls.next() => self.watches.queue.wake_all(polled.wake),
                () = clock.sleep(rest) => {}
                () = self.due.notified() => {}
            }
        }
    }

    fn inventory(&self) -> &Inventory<N::Cloud, NamespacedName> {
        &self.instances.inventory
    }
}

async fn run_reconcile<N: ClientFactory + 'static>(
    object: Arc<DcsInstance>,
    this: Arc<Manager<N>>,
) -> Result<Action, Infallible>
where
    N::Cloud: 'static,
{
    let key = NamespacedName::of(object.as_ref());
    let clock: &Arc<dyn Clock> = &this.instances.clock;
    let begun = clock.monotonic();
    let next = reconcile(this.instances.as_ref(), &key).await;
    let now = clock.monotonic();
    this.observer.on_reconcile_end("DcsInstance", next, now.saturating_sub(begun));
    // What the object is woken by may have changed, and with it when its account is due.
    this.due.notify_one();
    Ok(match next {
        Requeue::At(at) | Requeue::Failed(at) => Action::requeue(at.saturating_sub(now)),
        Requeue::Gone => Action::await_change(),
    })
}
