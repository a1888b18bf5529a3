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
    KubeObjects, KubeSecrets, Patience,
    release::release_credentials,
    watch::{SecretMeta, Watches, store},
};
use crate::{
    api::DcsInstance,
    clock::Clock,
    controller::{
        account::Connect,
        cluster::{Key, Objects},
        instance::Instances,
        memory::Next,
        pass::{forget, pass},
    },
    fleet::Fleet,
};

/// DcsInstances over kube and a way to the cloud.
pub type KubeInstances<N> = Instances<KubeObjects<DcsInstance>, KubeSecrets, N>;

/// Is told how passes end, and that they go on.
pub trait Supervisor: Send + Sync {
    /// A pass ended, after so long.
    fn passed(&self, kind: &'static str, next: Next, took: Duration);

    /// Objects and Secrets are all there: passes can begin.
    fn synced(&self);

    /// Work goes on.
    fn alive(&self);
}

/// What everything that runs has in common.
pub struct Operation<N: Connect> {
    instances: Arc<KubeInstances<N>>,
    watches: Arc<Watches>,
    supervisor: Arc<dyn Supervisor>,
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
        patience: &Patience,
    ) -> (KubeObjects<DcsInstance>, KubeSecrets) {
        let timeout = patience.answer;
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

// === impl Operation ===

impl<N: Connect + 'static> Operation<N>
where
    N::Cloud: 'static,
{
    /// Of these parts.
    pub fn new(
        instances: Arc<KubeInstances<N>>,
        watches: Arc<Watches>,
        supervisor: Arc<dyn Supervisor>,
    ) -> Self {
        Self { instances, watches, supervisor, due: Arc::default() }
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
        let (seen, supervisor) = (this.watches.seen.clone(), Arc::clone(&this.supervisor));
        others.spawn(async move {
            seen.cancelled().await;
            supervisor.synced();
        });
        let remembering = Arc::clone(&this.instances);
        let watch = this.watches.instances(object_writer, move |object| remembering.memories.shown(object));
        let wakes = this.watches.wakes.stream().map(|key| ObjectRef::new(&key.name).within(&key.namespace));
        let controller = Controller::for_stream(watch, objects)
            .reconcile_on(wakes)
            .with_config(Config::default().concurrency(concurrency))
            .graceful_shutdown_on(stop.cancelled_owned());
        let ended = controller.run(reconcile, |_, error: &Infallible, _| match *error {}, Arc::clone(&this));
        let mut gone = tokio::task::JoinSet::new();
        ended
            .for_each(|ended| {
                if let Err(ControllerError::ObjectNotFound(reference)) = ended {
                    let key = Key::new(&reference.namespace.unwrap_or_default(), &reference.name);
                    gone.spawn(Arc::clone(&this).look_whether_gone(key));
                    while gone.try_join_next().is_some() {}
                }
                future::ready(())
            })
            .await;
    }

    /// Forgets an object that no watch shows, once the API server says so, too. If it is there, the watch brings it.
    async fn look_whether_gone(self: Arc<Self>, key: Key) {
        match self.instances.objects.is_there(&key).await {
            Ok(true) => {}
            Ok(false) => {
                forget(self.instances.as_ref(), &key);
                self.due.notify_one();
                // One that was made in between may have been forgotten with it.
                if self.instances.objects.cached(&key).is_some() {
                    self.watches.wakes.wake(key);
                }
            }
            Err(error) => {
                tracing::debug!(%key, %error, "whether it is gone is asked again");
                self.instances.clock.sleep(self.watches.patience.longest_gap).await;
                self.watches.wakes.wake(key);
            }
        }
    }

    /// Looks at each account when it is due, and wakes whom it concerns.
    async fn look_at_accounts(self: Arc<Self>) {
        let clock = Arc::clone(&self.instances.clock);
        let fleet = self.fleet();
        // In one task: a tick is taken as soon as it is asked for, so that the next round finds another account.
        let mut ticks = FuturesUnordered::new();
        loop {
            self.supervisor.alive();
            let now = clock.monotonic();
            let due = fleet.next_tick();
            if let Some((_, account)) = due.as_ref().filter(|(at, _)| *at <= now) {
                ticks.push(fleet.tick(account));
                continue;
            }
            let rest = due.map_or(LONGEST_REST, |(at, _)| at.saturating_sub(now).min(LONGEST_REST));
            tokio::select! {
                Some(ticked) = ticks.next() => self.watches.wakes.wake_all(ticked.wake),
                () = clock.sleep(rest) => {}
                () = self.due.notified() => {}
            }
        }
    }

    fn fleet(&self) -> &Fleet<N::Cloud, Key> {
        &self.instances.fleet
    }
}

async fn reconcile<N: Connect + 'static>(
    object: Arc<DcsInstance>,
    this: Arc<Operation<N>>,
) -> Result<Action, Infallible>
where
    N::Cloud: 'static,
{
    let key = Key::of(object.as_ref());
    let clock: &Arc<dyn Clock> = &this.instances.clock;
    let begun = clock.monotonic();
    let next = pass(this.instances.as_ref(), &key).await;
    let now = clock.monotonic();
    this.supervisor.passed("DcsInstance", next, now.saturating_sub(begun));
    // What the object is woken by may have changed, and with it when its account is due.
    this.due.notify_one();
    Ok(match next {
        Next::At(at) | Next::Failed(at) => Action::requeue(at.saturating_sub(now)),
        Next::Gone => Action::await_change(),
    })
}
