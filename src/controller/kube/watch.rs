//! What is watched, and who is woken by it: DcsInstances, and the metadata of Secrets.

use std::{
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PartialObjectMeta,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        Predicate, WatchStreamExt, predicates,
        reflector::{self, Store, store::Writer},
        utils::PredicateConfig,
        watcher::{self, Event, watcher},
    },
};

use tokio_util::sync::CancellationToken;

use super::{KubeTimeouts, work_queue::WorkQueue};
use crate::{
    api::{DcsInstance, DcsInstanceSpec, GROUP},
    controller::{ports::NamespacedName, reconcile::has_finalizer, secret_users::SecretUsers},
    formats::IN_USE_FINALIZER,
};

/// How long a watch that broke off is left alone: kube's own waits, but not as long as those grow.
struct CappedBackoff {
    waits: watcher::DefaultBackoff,
    longest: Duration,
}

/// Is told what a watch has trouble with.
pub trait WatchErrorHandler: Send + Sync {
    /// A watch broke off; it is begun again.
    fn on_watch_error(&self, kind: &'static str, error: &watcher::Error);

    /// An object cannot be read: its kind's definition in the cluster allows what this operator does not know.
    fn on_unreadable_object(
        &self,
        kind: &'static str,
        object: &k8s_openapi::api::core::v1::ObjectReference,
        error: &str,
    );
}

/// What the watches have in common.
pub struct Watches {
    /// The cluster.
    pub client: Client,
    /// Who needs which Secret.
    pub users: Mutex<SecretUsers>,
    /// Objects to visit.
    pub queue: WorkQueue<NamespacedName>,
    /// Secrets with credentials that nobody may need any more.
    pub released: WorkQueue<NamespacedName>,
    /// The Secret with the operator's own credentials.
    pub own_credentials: Option<NamespacedName>,
    /// Cancelled once all DcsInstances were seen. The store's own `wait_until_ready` wakes only the last of several who
    /// wait, and kube's controller is one.
    pub seen: CancellationToken,
    /// How long the API server is waited for.
    pub timeouts: KubeTimeouts,
    /// Is told of trouble.
    pub error_handler: Arc<dyn WatchErrorHandler>,
}

/// Metadata of a Secret.
pub(super) type SecretMeta = PartialObjectMeta<Secret>;

// === impl CappedBackoff ===

impl Iterator for CappedBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.waits.next().map(|wait| wait.min(self.longest))
    }
}

impl kube::runtime::utils::Backoff for CappedBackoff {
    fn reset(&mut self) {
        self.waits.reset();
    }
}

// === impl Watches ===

impl Watches {
    /// Fills `writer`, and brings the objects that a user has changed. `shown` is told what the store holds from now on,
    /// but for what a list brings. It never ends by itself.
    pub fn instances<F: Fn(&DcsInstance) + Send + 'static>(
        self: &Arc<Self>,
        writer: Writer<DcsInstance>,
        shown: F,
    ) -> impl Stream<Item = watcher::Result<DcsInstance>> + Send + use<F> {
        let api: Api<DeserializeGuard<DcsInstance>> = Api::all(self.client.clone());
        let (on_error, decode, inform) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        let mut seen = Vec::new();
        // What a user changes, and what makes a pass go on: a finalizer is no change of the generation. A status is
        // ours, and would wake its own writer.
        let news = predicates::generation.combine(predicates::finalizers).combine(predicates::annotations);
        watcher(api, self.config())
            .inspect(move |event| on_error.note("DcsInstance", event))
            .backoff(self.backoff())
            .filter_map(move |event| future::ready(decode.decode(event)))
            .modify(|object| {
                object.managed_fields_mut().clear();
                // What kubectl notes down there is as long as the object.
                object.annotations_mut().retain(|key, _| key.starts_with(GROUP));
            })
            .reflect(writer)
            .inspect(move |event| {
                if let Ok(event) = event {
                    inform.instance_seen(event, &mut seen);
                    if let Event::Apply(object) = event {
                        shown(object);
                    }
                }
            })
            .applied_objects()
            // The controller would hold back everything else for a watch that is being begun again.
            .filter(|object| future::ready(object.is_ok()))
            .predicate_filter(news, PredicateConfig::default())
    }

    /// Fills `writer` with the metadata of all Secrets, for as long as it runs.
    pub async fn secrets(self: Arc<Self>, writer: Writer<SecretMeta>, store: Store<SecretMeta>) {
        let api: Api<SecretMeta> = Api::all(self.client.clone());
        let on_error = Arc::clone(&self);
        watcher(api, self.config())
            .inspect(move |event| on_error.note("Secret", event))
            .backoff(self.backoff())
            .modify(|secret| {
                // Name, version, finalizers: nothing else is needed of some thousand Secrets.
                let metadata = &mut secret.metadata;
                (metadata.managed_fields, metadata.annotations, metadata.labels) = (None, None, None);
                metadata.owner_references = None;
                secret.types = None;
            })
            .reflect(writer)
            .for_each(|event| {
                if let Ok(event) = event {
                    self.secret_seen(&event, &store);
                }
                future::ready(())
            })
            .await;
    }

    fn note<K>(&self, kind: &'static str, event: &watcher::Result<Event<K>>) {
        if let Err(error) = event {
            self.error_handler.on_watch_error(kind, error);
        }
    }

    /// Takes out what cannot be read: one such object must not stop the watch of all others. It leaves the store, too,
    /// if it could be read before: what was known of it is no longer so.
    fn decode(
        &self,
        event: watcher::Result<Event<DeserializeGuard<DcsInstance>>>,
    ) -> Option<watcher::Result<Event<DcsInstance>>> {
        let event = match event {
            Ok(event) => event,
            Err(error) => return Some(Err(error)),
        };
        let unreadable = |invalid: InvalidObject| {
            let object = metadata_only(invalid.metadata);
            self.error_handler.on_unreadable_object("DcsInstance", &object.object_ref(&()), &invalid.error);
            object
        };
        Some(Ok(match event {
            Event::Init => Event::Init,
            Event::InitDone => Event::InitDone,
            Event::InitApply(DeserializeGuard(Ok(object))) => Event::InitApply(object),
            Event::Apply(DeserializeGuard(Ok(object))) => Event::Apply(object),
            Event::Delete(DeserializeGuard(Ok(object))) => Event::Delete(object),
            Event::InitApply(DeserializeGuard(Err(invalid))) => {
                unreadable(invalid);
                return None;
            }
            Event::Apply(DeserializeGuard(Err(invalid))) => Event::Delete(unreadable(invalid)),
            Event::Delete(DeserializeGuard(Err(invalid))) => Event::Delete(metadata_only(invalid.metadata)),
        }))
    }

    /// Keeps the index of Secrets, and wakes what is gone, so that it is forgotten. `seen`: what a list under way has
    /// shown so far.
    fn instance_seen(&self, event: &Event<DcsInstance>, seen: &mut Vec<NamespacedName>) {
        let mut users = self.users();
        match event {
            Event::Init => seen.clear(),
            Event::InitApply(object) => {
                seen.push(NamespacedName::of(object));
                self.set(&mut users, object);
            }
            Event::Apply(object) => self.set(&mut users, object),
            Event::Delete(object) => self.gone(&mut users, &NamespacedName::of(object)),
            Event::InitDone => {
                let shown: std::collections::BTreeSet<_> = std::mem::take(seen).into_iter().collect();
                let gone: Vec<_> = users.objects().filter(|key| !shown.contains(key)).cloned().collect();
                gone.iter().for_each(|key| self.gone(&mut users, key));
                self.seen.cancel();
            }
        }
    }

    fn set(&self, users: &mut SecretUsers, object: &DcsInstance) {
        if let Some(secret) = users.set(object) {
            self.released.wake(secret);
        }
    }

    fn gone(&self, users: &mut SecretUsers, key: &NamespacedName) {
        if let Some(secret) = users.remove(key) {
            self.released.wake(secret);
        }
        self.queue.wake(key.clone());
    }

    fn secret_seen(&self, event: &Event<SecretMeta>, store: &Store<SecretMeta>) {
        match event {
            Event::Init | Event::InitApply(_) => {}
            // A list tells nothing of what is gone: whoever needs any Secret looks whether it is still there.
            Event::InitDone => {
                store.state().iter().for_each(|secret| self.consider(secret));
                let users = self.users();
                self.queue.wake_all(users.objects().cloned());
            }
            Event::Apply(secret) | Event::Delete(secret) => {
                self.consider(secret);
                let key = NamespacedName::of(secret);
                let users = self.users();
                if self.own_credentials.as_ref() == Some(&key) {
                    self.queue.wake_all(users.objects().cloned());
                } else {
                    self.queue.wake_all(users.of(&key).cloned());
                }
            }
        }
    }

    /// A Secret that we keep from going, and that nobody takes credentials from.
    fn consider(&self, secret: &SecretMeta) {
        let held = has_finalizer(secret, IN_USE_FINALIZER);
        let key = NamespacedName::of(secret);
        if held && !self.users().has_credentials_from(&key) {
            self.released.wake(key);
        }
    }

    fn users(&self) -> MutexGuard<'_, SecretUsers> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn config(&self) -> watcher::Config {
        let seconds = u32::try_from(self.timeouts.watch.as_secs()).unwrap_or(u32::MAX);
        watcher::Config::default().timeout(seconds)
    }

    fn backoff(&self) -> CappedBackoff {
        CappedBackoff { waits: watcher::DefaultBackoff::default(), longest: self.timeouts.max_backoff }
    }

    /// Whether nobody takes credentials from a Secret, as far as the watch shows.
    pub fn is_unused(&self, secret: &NamespacedName) -> bool {
        !self.users().has_credentials_from(secret)
    }
}

/// An object of which only the metadata can be told.
fn metadata_only(metadata: ObjectMeta) -> DcsInstance {
    DcsInstance { metadata, spec: DcsInstanceSpec::default(), status: None }
}

/// A store, and what fills it.
pub(super) fn store<K>() -> (Store<K>, Writer<K>)
where
    K: reflector::Lookup<DynamicType = ()> + Clone + 'static,
{
    reflector::store()
}
