//! Objects of one kind over kube's client, and the store that a watch fills.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::DeserializeGuard,
    runtime::reflector::{ObjectRef, Store},
};
use serde_json::{Value, json};

use super::{
    answer::{answer, found, is_failed_test, is_missing, refusal},
    prune::prune_entries,
};
use crate::{
    api::DcsBackup,
    controller::{
        backup::is_about,
        ids::{NamespacedName, ObjectId},
        ports::{ClusterError, ManagedResource, ObjectApi, PinApi, has_finalizer, prune_empty},
    },
    formats::FIELD_MANAGER,
    plan::Definition,
};

/// Objects of one kind. The client should have `default_retry: false`: its retries share the time limit.
#[derive(Clone)]
pub struct KubeObjects<K: ManagedResource> {
    client: Client,
    store: Store<K>,
    timeout: Duration,
}

/// The outcome of a JSON patch.
enum Patched<K> {
    /// It was applied, or changed nothing.
    Done(K),
    /// No object of that name exists.
    Missing,
    /// A test in it failed, so nothing was changed. The API server does not name the test.
    Unmet,
}

// === impl KubeObjects ===

impl<K: ManagedResource> KubeObjects<K> {
    /// Over a client, and a store that a watch of the same cluster fills. Requests fail after `timeout`.
    pub fn new(client: Client, store: Store<K>, timeout: Duration) -> Self {
        Self { client, store, timeout }
    }

    fn api(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Applies `operations` if the object has this uid and, in this order, these finalizers.
    async fn patch_finalizers(
        &self,
        object: &K,
        operations: impl IntoIterator<Item = Value>,
    ) -> Result<Patched<K>, ClusterError> {
        // A test for null passes where the field is absent: kube's own finalizer helper relies on it, too.
        let present = object.meta().finalizers.as_ref().filter(|finalizers| !finalizers.is_empty());
        let tests = [
            json!({"op": "test", "path": "/metadata/uid", "value": object.meta().uid}),
            json!({"op": "test", "path": "/metadata/finalizers", "value": present}),
        ];
        let patch = serde_json::from_value(tests.into_iter().chain(operations).collect())
            .map_err(|error| ClusterError::Invalid(error.to_string()))?;
        let patch = Patch::<()>::Json(patch);
        let key = NamespacedName::of(object);
        let api = self.api(&key.namespace);
        match answer(self.timeout, api.patch(&key.name, &PatchParams::default(), &patch)).await? {
            Ok(object) => Ok(Patched::Done(pruned(object))),
            Err(status) if is_missing(&status) => Ok(Patched::Missing),
            Err(status) if is_failed_test(&status) => Ok(Patched::Unmet),
            Err(status) => Err(refusal(&status)),
        }
    }

    /// The object in the API server; `None` also if another uid has its name.
    async fn present(&self, object: &K) -> Result<Option<K>, ClusterError> {
        let found = self.get(&object.object_id()).await?;
        Ok(found.filter(|found| found.meta().uid == object.meta().uid))
    }
}

impl PinApi for KubeObjects<DcsBackup> {
    fn pins<'a>(
        &'a self,
        instance: &'a ObjectId,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, ClusterError>> {
        Box::pin(async move {
            let api: Api<DeserializeGuard<DcsBackup>> =
                Api::namespaced(self.client.clone(), &instance.namespace);
            let listed = answer(self.timeout, api.list(&ListParams::default())).await?;
            let mut pins = Vec::new();
            for object in listed.map_err(|status| refusal(&status))?.items {
                match object.0 {
                    Ok(backup) if backup.pins_instance() && is_about(&backup, instance, id) => {
                        pins.push(backup.name_any());
                    }
                    Ok(_) => {}
                    Err(invalid) => {
                        let name = invalid.metadata.name.unwrap_or_default();
                        return Err(ClusterError::Unavailable(format!("DcsBackup {name} cannot be decoded")));
                    }
                }
            }
            Ok(pins)
        })
    }
}

impl<K: ManagedResource> ObjectApi<K> for KubeObjects<K> {
    fn cached(&self, id: &ObjectId) -> Option<Arc<K>> {
        self.store.get(&ObjectRef::new(&id.name).within(&id.namespace))
    }

    async fn get(&self, id: &ObjectId) -> Result<Option<K>, ClusterError> {
        let found = found(answer(self.timeout, self.api(&id.namespace).get(&id.name)).await?)?;
        Ok(found.map(pruned))
    }

    async fn exists(&self, id: &ObjectId) -> Result<bool, ClusterError> {
        let found = found(answer(self.timeout, self.api(&id.namespace).get_metadata(&id.name)).await?)?;
        Ok(found.is_some())
    }

    async fn definition(&self) -> Result<Definition, ClusterError> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let found = answer(self.timeout, api.get(K::crd_name())).await?;
        found.map(|live| Definition::of(&live, &K::crd())).map_err(|status| refusal(&status))
    }

    async fn create(&self, object: &K) -> Result<K, ClusterError> {
        let api = self.api(object.meta().namespace.as_deref().unwrap_or_default());
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let created = answer(self.timeout, api.create(&parameters, object)).await?;
        created.map(pruned).map_err(|status| refusal(&status))
    }

    async fn delete(&self, object: &K) -> Result<(), ClusterError> {
        let key = NamespacedName::of(object);
        let preconditions = Preconditions { uid: object.uid(), resource_version: object.resource_version() };
        let parameters = DeleteParams::default().preconditions(preconditions);
        let api = self.api(&key.namespace);
        match answer(self.timeout, api.delete(&key.name, &parameters)).await? {
            Ok(_) => Ok(()),
            Err(status) if is_missing(&status) => Ok(()),
            Err(status) => Err(refusal(&status)),
        }
    }

    /// By server-side apply. The resourceVersion also guards the object's identity, since no two objects share one. The
    /// API server ignores a uid here.
    async fn publish_status(&self, object: &K, status: &K::Status) -> Result<K, ClusterError> {
        let key = NamespacedName::of(object);
        let Some(version) = object.resource_version() else {
            return Err(ClusterError::Invalid(format!("{key} has no resourceVersion")));
        };
        let patch = Patch::Apply(json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": key.name, "namespace": key.namespace, "resourceVersion": version},
            "status": prune_empty(status)?,
        }));
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let api = self.api(&key.namespace);
        let written = answer(self.timeout, api.patch_status(&key.name, &parameters, &patch)).await?;
        written.map(pruned).map_err(|status| refusal(&status))
    }

    /// By JSON patch: server-side apply would create a missing object.
    async fn add_finalizer(&self, object: &K, finalizer: &str) -> Result<K, ClusterError> {
        let mut operations =
            vec![json!({"op": "test", "path": "/metadata/deletionTimestamp", "value": null})];
        if !has_finalizer(object, finalizer) {
            operations.push(match object.finalizers() {
                [] => json!({"op": "add", "path": "/metadata/finalizers", "value": [finalizer]}),
                _ => json!({"op": "add", "path": "/metadata/finalizers/-", "value": finalizer}),
            });
        }
        match self.patch_finalizers(object, operations).await? {
            Patched::Done(object) => Ok(object),
            Patched::Missing => Err(ClusterError::Gone),
            Patched::Unmet => match self.present(object).await? {
                None => Err(ClusterError::Gone),
                Some(now) if now.meta().deletion_timestamp.is_some() => {
                    Err(ClusterError::Conflict(format!("{} is being deleted", NamespacedName::of(object))))
                }
                Some(now) if has_finalizer(&now, finalizer) => Ok(now),
                Some(_) => Err(changed_finalizers(object)),
            },
        }
    }

    async fn remove_finalizer(&self, object: &K, finalizer: &str) -> Result<(), ClusterError> {
        let index = object.finalizers().iter().position(|present| present == finalizer);
        let operation =
            index.map(|index| json!({"op": "remove", "path": format!("/metadata/finalizers/{index}")}));
        match self.patch_finalizers(object, operation).await? {
            Patched::Done(_) | Patched::Missing => Ok(()),
            Patched::Unmet => match self.present(object).await? {
                Some(now) if has_finalizer(&now, finalizer) => Err(changed_finalizers(object)),
                Some(_) | None => Ok(()),
            },
        }
    }
}

/// Without the metadata that the operator does not read. All finalizers stay: a patch names them by position.
fn pruned<K: Resource>(mut object: K) -> K {
    prune_entries(object.meta_mut());
    object
}

fn changed_finalizers<K: Resource>(object: &K) -> ClusterError {
    ClusterError::Conflict(format!("the finalizers of {} have changed", NamespacedName::of(object)))
}
