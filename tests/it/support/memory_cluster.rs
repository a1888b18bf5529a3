//! Kubernetes in memory, as processes see it: with lagging watches and faults where a test wants them.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use dcs_operator::{
    api::{DcsBackup, DcsBackupSchedule, DcsInstance, DcsInstanceSpec, DcsRestore},
    clock::Clock,
    controller::{
        ClusterError, ManagedResource, NamespacedName, ObjectApi, ObjectId, PinApi, SecretApi,
        backup::is_about, prune_empty,
    },
    formats::FIELD_MANAGER,
    plan::Definition,
};
use futures::future::BoxFuture;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::ResourceExt;
use serde_json::{Value, json};
use tokio::task::yield_now;

use super::{
    memory_store::{Id, Store, Write},
    probe::Probe,
};

/// A fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClusterFault {
    /// It is refused with a conflict.
    Conflict,
    /// The call fails without effect.
    LostBefore,
    /// The call has its effect, and the response is lost.
    LostAfter,
}

impl ClusterFault {
    pub(crate) const ALL: [Self; 3] = [Self::Conflict, Self::LostBefore, Self::LostAfter];
}

/// A cluster that several processes share.
#[derive(Clone)]
pub(crate) struct MemoryCluster {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    store: Store,
    /// The number of calls, reads included.
    calls: usize,
    faults: BTreeMap<usize, ClusterFault>,
    definition: Definition,
}

/// A write to an object.
pub(crate) struct Written {
    pub(crate) key: ObjectId,
    pub(crate) uid: String,
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
    /// Whether a watch wakes the object for it: more than the status changed, or somebody else changed that.
    pub(crate) is_news: bool,
}

/// The cluster as one process sees it.
#[derive(Clone)]
pub(crate) struct MemoryView {
    cluster: MemoryCluster,
    lag: Arc<AtomicUsize>,
    /// The version of each object that it has seen: a watch never goes back.
    shown: Arc<Mutex<BTreeMap<Id, usize>>>,
    /// What the watch shows, decoded: reconciles read the same versions many times.
    decoded: Arc<Mutex<BTreeMap<Id, Decoded>>>,
}

/// A stored version and the object that it is.
type Decoded = (Arc<Value>, Arc<dyn Any + Send + Sync>);

impl Written {
    /// Whether the write changed the status of an existing object.
    pub(crate) fn is_status(&self) -> bool {
        let status = |object: &Option<Arc<Value>>| object.as_ref().map(|object| object["status"].clone());
        self.before.is_some() && self.after.is_some() && status(&self.before) != status(&self.after)
    }
}

/// The kinds of the objects.
const KINDS: [&str; 5] =
    [DcsInstance::KIND, DcsBackup::KIND, DcsBackupSchedule::KIND, DcsRestore::KIND, Probe::KIND];

fn id(key: &ObjectId) -> Id {
    (key.kind.to_owned(), NamespacedName::new(&key.namespace, &key.name))
}

/// The object of a write; `None` if it is a Secret.
fn object_of(write: &Write) -> Option<ObjectId> {
    let kind = KINDS.into_iter().find(|kind| *kind == write.kind)?;
    Some(ObjectId::new(kind, &write.key.namespace, &write.key.name))
}

/// A Secret with its last writer as the owner of all its values.
fn written_by(manager: &str, secret: &Secret) -> Value {
    let keys = secret.data.iter().flatten().map(|(key, _)| (format!("f:{key}"), json!({})));
    let fields = json!({"f:data": keys.collect::<serde_json::Map<_, _>>()});
    let mut object = serde_json::to_value(secret).unwrap();
    object["metadata"]["managedFields"] = json!([{"manager": manager, "fieldsV1": fields}]);
    object
}

fn secret_id(key: &NamespacedName) -> Id {
    ("Secret".to_owned(), key.clone())
}

fn decode<T: serde::de::DeserializeOwned>(object: &Value) -> T {
    T::deserialize(object).unwrap()
}

fn written(write: &Write) -> Option<Written> {
    let key = object_of(write)?;
    let (before, after) = (write.before.clone(), write.after.clone());
    let metadata = |object: &Option<Arc<Value>>| {
        let object = object.as_ref()?;
        let of = |name: &str| object["metadata"][name].clone();
        Some([of("generation"), of("finalizers"), of("deletionTimestamp"), of("annotations")])
    };
    let status = |object: &Option<Arc<Value>>| object.as_ref().map(|object| object["status"].clone());
    let is_foreign_status = write.by == "user" && status(&before) != status(&after);
    let is_news = is_foreign_status || metadata(&before) != metadata(&after);
    Some(Written { key, uid: write.uid.clone(), before, after, is_news })
}

fn id_of(write: &Write) -> Id {
    (write.kind.clone(), write.key.clone())
}

impl MemoryCluster {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                store: Store::default(),
                calls: 0,
                faults: BTreeMap::new(),
                definition: Definition::Complete,
            })),
        }
    }

    /// From now on, the API server has the time of this clock.
    pub(crate) fn set_clock(&self, clock: Arc<dyn Clock>) {
        self.with(|store| store.clock = Some(clock));
    }

    pub(crate) fn view(&self) -> MemoryView {
        MemoryView {
            cluster: self.clone(),
            lag: Arc::default(),
            shown: Arc::default(),
            decoded: Arc::default(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        act(&mut self.inner.lock().unwrap().store)
    }

    /// The number of calls.
    pub(crate) fn calls(&self) -> usize {
        self.inner.lock().unwrap().calls
    }

    /// Sets what the definitions of all kinds say.
    pub(crate) fn set_definition(&self, definition: Definition) {
        self.inner.lock().unwrap().definition = definition;
    }

    /// Removes all faults.
    pub(crate) fn stop_failing(&self) {
        self.inner.lock().unwrap().faults.clear();
    }

    /// Sets the fault of the call of this number.
    pub(crate) fn fail(&self, call: usize, fault: ClusterFault) {
        self.inner.lock().unwrap().faults.insert(call, fault);
    }

    pub(crate) fn create(&self, object: impl ManagedResource) {
        let id = id(&object.object_id());
        let object = serde_json::to_value(object).unwrap();
        self.with(|store| store.create("user", &id, object)).unwrap();
    }

    pub(crate) fn put_secret(&self, secret: Secret) {
        let id = secret_id(&NamespacedName::of(&secret));
        let object = written_by("user", &secret);
        self.with(|store| match store.get(&id) {
            None => store.create("user", &id, object),
            Some(_) => store.change("user", &id, |present| present["data"] = object["data"].clone()),
        })
        .unwrap();
    }

    pub(crate) fn edit(&self, key: &ObjectId, change: impl FnOnce(&mut DcsInstanceSpec)) {
        self.change(key, |object: &mut DcsInstance| change(&mut object.spec));
    }

    /// Anything that a user may change.
    pub(crate) fn change<K: ManagedResource>(&self, key: &ObjectId, change: impl FnOnce(&mut K)) {
        let id = id(key);
        let edit = |value: &mut Value| {
            let mut object: K = decode(value);
            change(&mut object);
            *value = serde_json::to_value(object).unwrap();
        };
        self.with(|store| store.change("user", &id, edit)).unwrap();
    }

    pub(crate) fn delete(&self, key: &ObjectId) {
        let id = id(key);
        self.with(|store| store.delete("user", &id)).unwrap();
    }

    /// Deletes the Secrets of a deleted object, as the garbage collector does.
    pub(crate) fn collect_garbage(&self, uid: &str) {
        self.with(|store| {
            let secrets: Vec<Id> =
                store.writes.iter().filter(|write| write.kind == "Secret").map(id_of).collect();
            for id in secrets {
                let owners = store.get(&id).map(|secret| secret["metadata"]["ownerReferences"].clone());
                let owned = |owner: &Value| owner["uid"] == uid;
                if owners
                    .is_some_and(|owners| owners.as_array().is_some_and(|owners| owners.iter().any(owned)))
                {
                    store.delete("garbage collector", &id).unwrap();
                }
            }
        });
    }

    /// As a restore from a backup of the cluster does.
    pub(crate) fn wipe_status(&self, key: &ObjectId) {
        let id = id(key);
        self.with(|store| store.change_status("user", &id, |status| *status = Value::Null)).unwrap();
    }

    pub(crate) fn read<K: ManagedResource>(&self, key: &ObjectId) -> Option<K> {
        let id = id(key);
        self.with(|store| store.get(&id)).map(|object| decode(&object))
    }

    pub(crate) fn read_secret(&self, key: &NamespacedName) -> Option<Secret> {
        self.with(|store| store.get(&secret_id(key))).map(|secret| decode(&secret))
    }

    /// All Secrets.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.with(|store| store.all("Secret")).iter().map(|secret| decode(secret)).collect()
    }

    /// Anything that a user may change in a Secret.
    pub(crate) fn change_secret(&self, key: &NamespacedName, change: impl FnOnce(&mut Secret)) {
        let edit = |value: &mut Value| {
            let mut secret: Secret = decode(value);
            change(&mut secret);
            *value = written_by("user", &secret);
        };
        self.with(|store| store.change("user", &secret_id(key), edit)).unwrap();
    }

    /// A user deletes a Secret.
    pub(crate) fn delete_secret(&self, key: &NamespacedName) {
        self.with(|store| store.delete("user", &secret_id(key))).unwrap();
    }

    /// The Secrets written since `seen`, which is advanced.
    pub(crate) fn secrets_since(&self, seen: &mut usize) -> Vec<NamespacedName> {
        self.with(|store| {
            let new = store.writes.iter().skip(std::mem::replace(seen, store.writes.len()));
            new.filter(|write| write.kind == "Secret").map(|write| write.key.clone()).collect()
        })
    }

    /// All objects that were ever written, those that are gone too.
    pub(crate) fn keys(&self) -> Vec<ObjectId> {
        let all: std::collections::BTreeSet<_> =
            self.with(|store| store.writes.iter().filter_map(object_of).collect());
        all.into_iter().collect()
    }

    /// The writes to objects since `seen`, which is advanced.
    pub(crate) fn written_since(&self, seen: &mut usize) -> Vec<Written> {
        self.with(|store| {
            let new = store.writes.iter().skip(std::mem::replace(seen, store.writes.len()));
            new.filter_map(written).collect()
        })
    }

    /// The number of writes, including those to Secrets.
    pub(crate) fn writes(&self) -> usize {
        self.with(|store| store.writes.len())
    }

    /// All stored objects, by their keys.
    pub(crate) fn all(&self) -> Vec<(ObjectId, Arc<Value>)> {
        let key = |object: &Value, kind| {
            let of = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            ObjectId::new(kind, &of("namespace"), &of("name"))
        };
        let of = |store: &mut Store, kind| {
            store.all(kind).into_iter().map(|object| (key(&object, kind), object)).collect::<Vec<_>>()
        };
        self.with(|store| KINDS.into_iter().flat_map(|kind| of(store, kind)).collect())
    }

    /// All stored objects.
    pub(crate) fn objects(&self) -> Vec<Arc<Value>> {
        self.with(|store| KINDS.iter().flat_map(|kind| store.all(kind)).collect())
    }

    /// One call: yields before and after its effect, and fails where a fault is set.
    async fn call<T>(
        &self,
        act: impl FnOnce(&mut Store) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        yield_now().await;
        let outcome = {
            let mut inner = self.inner.lock().unwrap();
            let call = inner.calls;
            inner.calls += 1;
            let fault = inner.faults.get(&call).copied();
            let lost = || ClusterError::Unavailable("cut".to_owned());
            match fault {
                None => act(&mut inner.store),
                Some(ClusterFault::Conflict) => Err(ClusterError::Conflict("the object changed".to_owned())),
                Some(ClusterFault::LostBefore) => Err(lost()),
                Some(ClusterFault::LostAfter) => act(&mut inner.store).and_then(|_| Err(lost())),
            }
        };
        yield_now().await;
        outcome
    }
}

impl MemoryView {
    /// Sets how many versions of each object the watch lags.
    pub(crate) fn lag(&self, versions: usize) {
        self.lag.store(versions, Ordering::Relaxed);
    }

    /// The object in the watch.
    fn shown(&self, id: &Id) -> Option<Arc<Value>> {
        self.cluster.with(|store| {
            let all = store.versions(id);
            let mut seen = self.shown.lock().unwrap();
            let shown = seen.entry(id.clone()).or_default();
            *shown = all.saturating_sub(self.lag.load(Ordering::Relaxed)).max(*shown);
            if *shown == 0 { None } else { store.get_past(id, all - *shown) }
        })
    }
}

impl<K: ManagedResource> ObjectApi<K> for MemoryView {
    fn cached(&self, key: &ObjectId) -> Option<Arc<K>> {
        let id = id(key);
        let stored = self.shown(&id)?;
        let mut decoded = self.decoded.lock().unwrap();
        let known = decoded.get(&id).filter(|(version, _)| Arc::ptr_eq(version, &stored));
        if let Some(object) = known.and_then(|(_, object)| Arc::clone(object).downcast::<K>().ok()) {
            return Some(object);
        }
        let object: Arc<K> = Arc::new(decode(stored.as_ref()));
        decoded.insert(id, (stored, Arc::clone(&object) as _));
        Some(object)
    }

    async fn get(&self, key: &ObjectId) -> Result<Option<K>, ClusterError> {
        let id = id(key);
        self.cluster.call(|store| Ok(store.get(&id).map(|object| decode(&object)))).await
    }

    async fn exists(&self, key: &ObjectId) -> Result<bool, ClusterError> {
        let id = id(key);
        self.cluster.call(|store| Ok(store.get(&id).is_some())).await
    }

    async fn create(&self, object: &K) -> Result<K, ClusterError> {
        let id = id(&object.object_id());
        let object = serde_json::to_value(object).unwrap();
        self.cluster.call(|store| Ok(decode(store.create("create", &id, object)?.as_ref()))).await
    }

    async fn delete(&self, object: &K) -> Result<(), ClusterError> {
        let id = id(&object.object_id());
        let read = (object.uid().unwrap(), object.resource_version().unwrap());
        self.cluster.call(|store| store.delete_read("delete", &id, &read)).await
    }

    async fn publish_status(&self, object: &K, status: &K::Status) -> Result<K, ClusterError> {
        let id = id(&object.object_id());
        let version = object.resource_version().unwrap();
        let status = prune_empty(status)?;
        self.cluster
            .call(|store| Ok(decode(store.apply_status("status", &id, &version, status)?.as_ref())))
            .await
    }

    async fn definition(&self) -> Result<Definition, ClusterError> {
        let definition = self.cluster.inner.lock().unwrap().definition.clone();
        self.cluster.call(|_| Ok(definition)).await
    }

    async fn add_finalizer(&self, object: &K, finalizer: &str) -> Result<K, ClusterError> {
        let id = id(&object.object_id());
        let seen = (object.uid().unwrap(), object.finalizers().to_vec());
        self.cluster
            .call(|store| {
                let object = store.add_finalizer("finalizer", &id, (&seen.0, &seen.1), finalizer)?;
                Ok(decode(object.as_ref()))
            })
            .await
    }

    async fn remove_finalizer(&self, object: &K, finalizer: &str) -> Result<(), ClusterError> {
        let id = id(&object.object_id());
        let seen = (object.uid().unwrap(), object.finalizers().to_vec());
        self.cluster
            .call(|store| store.remove_finalizer("finalizer", &id, (&seen.0, &seen.1), finalizer))
            .await
    }
}

impl PinApi for MemoryView {
    fn pins<'a>(
        &'a self,
        instance: &'a ObjectId,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, ClusterError>> {
        Box::pin(self.cluster.call(move |store| {
            let all = store.all(DcsBackup::KIND).into_iter().map(|object| decode::<DcsBackup>(&object));
            let pins = all.filter(|backup| {
                backup.pins_instance()
                    && backup.namespace().as_ref() == Some(&instance.namespace)
                    && is_about(backup, instance, id)
            });
            Ok(pins.map(|backup| backup.name_any()).collect())
        }))
    }
}

impl SecretApi for MemoryView {
    async fn get_secret(&self, key: &NamespacedName) -> Result<Option<Secret>, ClusterError> {
        let id = secret_id(key);
        self.cluster.call(|store| Ok(store.get(&id).map(|object| decode(&object)))).await
    }

    async fn create_secret(&self, secret: &Secret) -> Result<Secret, ClusterError> {
        let id = secret_id(&NamespacedName::of(secret));
        let object = written_by(FIELD_MANAGER, secret);
        self.cluster.call(|store| Ok(decode(store.create("secret", &id, object)?.as_ref()))).await
    }

    fn metadata(&self, key: &NamespacedName) -> Option<ObjectMeta> {
        Some(decode(&self.shown(&secret_id(key))?["metadata"]))
    }

    async fn replace_secret(&self, secret: &Secret) -> Result<Secret, ClusterError> {
        let id = secret_id(&NamespacedName::of(secret));
        let object = written_by(FIELD_MANAGER, secret);
        self.cluster.call(|store| Ok(decode(store.replace("secret", &id, object)?.as_ref()))).await
    }

    async fn delete_secret(&self, secret: &Secret) -> Result<(), ClusterError> {
        let id = secret_id(&NamespacedName::of(secret));
        let read = (secret.uid().unwrap(), secret.resource_version().unwrap());
        self.cluster.call(|store| store.delete_read("secret", &id, &read)).await
    }
}
