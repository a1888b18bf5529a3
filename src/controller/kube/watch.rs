//! The watches: one per kind, and one of the metadata of Secrets. They fill the stores and wake objects.

use std::{
    collections::BTreeSet,
    future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use kube::{
    Api, Client, Resource,
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

use super::{
    deadlines::WatchHealth,
    prune::{prune_metadata, prune_secret},
    timeouts::KubeTimeouts,
    work_queue::{WorkQueue, WorkQueues},
};
use crate::{
    controller::{
        ids::{NamespacedName, ObjectId},
        links::{Link, LinkChange, LinkIndex, Referent},
        ports::{ManagedResource, has_finalizer},
    },
    formats::IN_USE_FINALIZER,
};

/// The wait before a watch is restarted: kube's own, capped.
struct CappedBackoff {
    waits: watcher::DefaultBackoff,
    longest: Duration,
}

/// Receives the errors of watches.
pub trait WatchErrorHandler: Send + Sync {
    /// A watch failed. It is restarted.
    fn on_watch_error(&self, kind: &'static str, error: &watcher::Error);

    /// An object cannot be decoded: the definition in the cluster allows what this operator does not know.
    fn on_unreadable_object(&self, kind: &'static str, object: &ObjectReference, error: &str);
}

/// The objects that a list wakes. The store shows what a list contains once the list has ended: a reconcile that began
/// before would see what the store showed until then. The objects of a list that failed wait for the end of the next one.
#[derive(Debug, Default)]
struct ListedWakes {
    is_listing: bool,
    held: BTreeSet<ObjectId>,
}

/// A store, and the writer that a watch fills it by.
pub struct WatchedStore<K: reflector::Lookup<DynamicType = ()> + Clone + 'static> {
    pub(super) store: Store<K>,
    pub(super) writer: Writer<K>,
}

/// What all watches share.
pub struct Watches {
    pub(super) client: Client,
    links: Arc<LinkIndex>,
    /// Objects to reconcile.
    pub(super) queues: WorkQueues,
    /// Secrets with credentials that may have lost their last user.
    pub(super) released: WorkQueue<NamespacedName>,
    own_credentials: Option<NamespacedName>,
    /// Kinds whose first list is not complete.
    unsynced: Mutex<BTreeSet<&'static str>>,
    /// Cancelled once the first list of every kind is complete. The store's own `wait_until_ready` wakes only the last
    /// of several waiters, and the runner of the kind is one.
    pub(super) synced: CancellationToken,
    pub(super) timeouts: KubeTimeouts,
    health: WatchHealth,
    error_handler: Arc<dyn WatchErrorHandler>,
}

/// Metadata of a Secret.
pub type SecretMeta = PartialObjectMeta<Secret>;

// === impl WatchedStore ===

impl<K: reflector::Lookup<DynamicType = ()> + Clone + 'static> WatchedStore<K> {
    /// An empty store.
    pub fn new() -> Self {
        let (store, writer) = reflector::store();
        Self { store, writer }
    }

    /// A reader of the store.
    pub fn reader(&self) -> Store<K> {
        self.store.clone()
    }
}

impl<K: reflector::Lookup<DynamicType = ()> + Clone + 'static> Default for WatchedStore<K> {
    fn default() -> Self {
        Self::new()
    }
}

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

// === impl ListedWakes ===

impl ListedWakes {
    /// Notes the begin and the end of a list; returns the objects to wake now.
    fn on_event<K>(&mut self, event: &Event<K>) -> BTreeSet<ObjectId> {
        match event {
            Event::Init => self.is_listing = true,
            Event::InitDone => {
                self.is_listing = false;
                return std::mem::take(&mut self.held);
            }
            Event::InitApply(_) | Event::Apply(_) | Event::Delete(_) => {}
        }
        BTreeSet::new()
    }

    /// Whether the object, which has to be woken, waits for the end of the list.
    fn holds(&mut self, id: &ObjectId) -> bool {
        if self.is_listing {
            self.held.insert(id.clone());
        }
        self.is_listing
    }
}

// === impl Watches ===

impl Watches {
    /// For a cluster. The watches write `links`; `own_credentials` is the Secret with the operator's own credentials.
    pub fn new(
        client: Client,
        links: Arc<LinkIndex>,
        own_credentials: Option<NamespacedName>,
        timeouts: KubeTimeouts,
        health: WatchHealth,
        error_handler: Arc<dyn WatchErrorHandler>,
    ) -> Self {
        Self {
            client,
            links,
            queues: WorkQueues::default(),
            released: WorkQueue::default(),
            own_credentials,
            unsynced: Mutex::default(),
            synced: CancellationToken::new(),
            timeouts,
            health,
            error_handler,
        }
    }

    /// Registers a kind, before any watch runs.
    pub(super) fn expect<K: ManagedResource>(&self) {
        self.health.expect(K::KIND, &K::url_path(&(), None));
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(K::KIND);
    }

    /// The first list of a kind is complete.
    fn listed(&self, kind: &'static str) {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        unsynced.remove(kind);
        if unsynced.is_empty() {
            self.queues.wake_all(self.links.on_complete());
            self.synced.cancel();
        }
    }

    /// Fills `writer` and yields the objects that a user has changed, as the watch shows them; those that a list shows are
    /// woken at its end. `shown` is called with every object of an event, and whether that is part of a list; an object for
    /// which it returns true is woken. The stream does not end by itself.
    pub(super) fn objects<K: ManagedResource, F: Fn(&K, bool) -> bool + Send + 'static>(
        self: &Arc<Self>,
        writer: Writer<K>,
        shown: F,
    ) -> impl Stream<Item = watcher::Result<K>> + Send + use<K, F> {
        let api: Api<DeserializeGuard<K>> = Api::all(self.client.clone());
        let (on_error, decode, index) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        let mut listed = Vec::new();
        let wakes = Arc::new(Mutex::new(ListedWakes::default()));
        let held = Arc::clone(&wakes);
        // A finalizer does not change the generation, but lets a reconcile go on. A status is written by the operator
        // itself, and would wake its own writer.
        let changed = predicates::generation.combine(predicates::finalizers).combine(predicates::annotations);
        watcher(api, self.config())
            .inspect(move |event| on_error.report(K::KIND, event))
            .backoff(self.backoff())
            .filter_map(move |event| future::ready(decode.decode(event)))
            .modify(|object| prune_metadata(object.meta_mut()))
            .reflect(writer)
            .inspect(move |event| {
                if let Ok(event) = event {
                    let referrers = index.on_event(event, &mut listed);
                    let woken = match event {
                        Event::Apply(object) => Some(object).filter(|object| shown(object, false)),
                        Event::InitApply(object) => Some(object).filter(|object| shown(object, true)),
                        Event::Init | Event::InitDone | Event::Delete(_) => None,
                    };
                    let woken = woken.map(ManagedResource::object_id).into_iter().chain(referrers);
                    let mut wakes = wakes.lock().unwrap_or_else(PoisonError::into_inner);
                    let ended = wakes.on_event(event);
                    index.queues.wake_all(woken.filter(|id| !wakes.holds(id)).chain(ended));
                }
            })
            .applied_objects()
            .filter(|object| future::ready(object.is_ok()))
            .predicate_filter(changed, PredicateConfig::default())
            .filter(move |object| {
                let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                let is_held = object.as_ref().is_ok_and(|object| held.holds(&object.object_id()));
                future::ready(!is_held)
            })
    }

    /// Fills a store with the metadata of all Secrets, for as long as it runs.
    pub(super) async fn secrets(self: Arc<Self>, secrets: WatchedStore<SecretMeta>) {
        let WatchedStore { store, writer } = secrets;
        let api: Api<SecretMeta> = Api::all(self.client.clone());
        self.health.expect("Secret", &Secret::url_path(&(), None));
        let on_error = Arc::clone(&self);
        watcher(api, self.config())
            .inspect(move |event| on_error.report("Secret", event))
            .backoff(self.backoff())
            .modify(prune_secret)
            .reflect(writer)
            .for_each(|event| {
                if let Ok(event) = event {
                    self.on_secret_event(&event, &store);
                }
                future::ready(())
            })
            .await;
    }

    fn report<K>(&self, kind: &'static str, event: &watcher::Result<Event<K>>) {
        if let Err(error) = event {
            self.error_handler.on_watch_error(kind, error);
        }
    }

    /// Filters out undecodable objects: one must not stop the watch of all others. It also leaves the store, since its
    /// former state no longer holds.
    fn decode<K: ManagedResource>(
        &self,
        event: watcher::Result<Event<DeserializeGuard<K>>>,
    ) -> Option<watcher::Result<Event<K>>> {
        let event = match event {
            Ok(event) => event,
            Err(error) => return Some(Err(error)),
        };
        let unreadable = |invalid: InvalidObject| {
            let object = K::from_metadata(invalid.metadata);
            self.links.on_unreadable(object.object_id());
            self.error_handler.on_unreadable_object(K::KIND, &object.object_ref(&()), &invalid.error);
            object
        };
        Some(Ok(match event {
            Event::Init => {
                self.links.on_list(K::KIND);
                Event::Init
            }
            Event::InitDone => Event::InitDone,
            Event::InitApply(DeserializeGuard(Ok(object))) => Event::InitApply(object),
            Event::Apply(DeserializeGuard(Ok(object))) => Event::Apply(object),
            Event::Delete(DeserializeGuard(Ok(object))) => Event::Delete(object),
            Event::InitApply(DeserializeGuard(Err(invalid))) => {
                unreadable(invalid);
                return None;
            }
            Event::Apply(DeserializeGuard(Err(invalid))) => Event::Delete(unreadable(invalid)),
            Event::Delete(DeserializeGuard(Err(invalid))) => {
                let object = K::from_metadata(invalid.metadata);
                self.links.on_unreadable_gone(&object.object_id());
                Event::Delete(object)
            }
        }))
    }

    /// Updates the links, and returns the referrers of the object that have to be woken. Wakes an object that is gone, so that
    /// its state is dropped, and its referrers. `listed`: the objects of a list so far.
    fn on_event<K: ManagedResource>(&self, event: &Event<K>, listed: &mut Vec<ObjectId>) -> Vec<ObjectId> {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                listed.push(object.object_id());
                return self.on_object(object);
            }
            Event::Apply(object) => return self.on_object(object),
            Event::Delete(object) => self.on_gone(&object.object_id()),
            Event::InitDone => {
                let listed: BTreeSet<_> = std::mem::take(listed).into_iter().collect();
                let is_gone = |id: &&ObjectId| id.kind == K::KIND && !listed.contains(*id);
                let links = self.links.lock();
                let gone: Vec<_> = links.objects().filter(is_gone).cloned().collect();
                drop(links);
                gone.iter().for_each(|id| self.on_gone(id));
                self.listed(K::KIND);
            }
        }
        Vec::new()
    }

    /// Updates the links of an object, and returns the other objects that have to be woken.
    fn on_object<K: ManagedResource>(&self, object: &K) -> Vec<ObjectId> {
        let LinkChange { wake, dropped } = self.links.on_object(&object.object_id(), object.link_facts());
        self.on_dropped(&dropped);
        wake
    }

    fn on_gone(&self, id: &ObjectId) {
        let LinkChange { wake, dropped } = self.links.on_gone(id);
        self.on_dropped(&dropped);
        self.queues.wake_all(wake);
    }

    fn on_dropped(&self, links: &BTreeSet<Link>) {
        self.released.wake_all(links.iter().filter_map(Link::credentials).cloned());
    }

    fn on_secret_event(&self, event: &Event<SecretMeta>, store: &Store<SecretMeta>) {
        match event {
            Event::Init | Event::InitApply(_) => {}
            // A list does not report what is gone: every object checks its Secrets.
            Event::InitDone => {
                store.state().iter().for_each(|secret| self.release_if_unused(secret));
                self.queues.wake_all(self.links.lock().objects().cloned());
            }
            Event::Apply(secret) | Event::Delete(secret) => {
                self.release_if_unused(secret);
                let key = NamespacedName::of(secret);
                let links = self.links.lock();
                if self.own_credentials.as_ref() == Some(&key) {
                    self.queues.wake_all(links.objects().cloned());
                } else {
                    self.queues.wake_all(links.referrers(&Referent::Secret(key)).cloned());
                }
            }
        }
    }

    fn release_if_unused(&self, secret: &SecretMeta) {
        let key = NamespacedName::of(secret);
        // Objects that name a Secret which leads elsewhere do not keep it from being deleted.
        let may_go = secret.metadata.deletion_timestamp.is_some() || self.is_unused(&key);
        if has_finalizer(secret, IN_USE_FINALIZER) && may_go {
            self.released.wake(key);
        }
    }

    /// Whether no object uses the credentials in a Secret, as far as the watches show.
    pub(super) fn is_unused(&self, secret: &NamespacedName) -> bool {
        !self.links.lock().has_credentials_from(secret)
    }

    fn config(&self) -> watcher::Config {
        let seconds = u32::try_from(self.timeouts.watch.as_secs()).unwrap_or(u32::MAX);
        watcher::Config::default().timeout(seconds)
    }

    fn backoff(&self) -> CappedBackoff {
        CappedBackoff { waits: watcher::DefaultBackoff::default(), longest: self.timeouts.max_backoff }
    }
}

#[cfg(test)]
mod tests;
