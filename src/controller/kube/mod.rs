//! The port to Kubernetes in production: kube's client, and the store that its watch fills.
//!
//! What is relied on here was tried on a real API server; the contract suite in `tests/it` holds it to that.

mod manager;
mod release;
mod watch;
mod work_queue;

pub use self::{
    manager::{KubeInstances, Manager, RunObserver, Stores},
    watch::{WatchErrorHandler, Watches},
    work_queue::WorkQueue,
};

use std::{future::Future, sync::Arc, time::Duration};

use k8s_openapi::{NamespaceResourceScope, api::core::v1::Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, GetParams, PartialObjectMeta, Patch, PatchParams, PostParams, Preconditions},
    core::{Request, Status},
    runtime::reflector::{ObjectRef, Store},
};
use serde_json::{Value, json};

use super::{
    ports::{ClusterError, ManagedResource, NamespacedName, ObjectApi, SecretApi, prune_empty},
    reconcile::has_finalizer,
};
use crate::formats::FIELD_MANAGER;

/// How long the API server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubeTimeouts {
    /// For one answer: the client itself would wait without end.
    pub answer: Duration,
    /// A watch is asked for anew after this long: shorter than the idle limits of load balancers that were seen between
    /// a cluster and its API server (240 s).
    pub watch: Duration,
    /// From one attempt to begin a watch that broke off to the next, at most: what has changed is known again soon after
    /// the API server is back.
    pub max_backoff: Duration,
}

/// Objects of one kind. The client is best made with `default_retry: false`: what it repeats by itself is repeated
/// within the same time limit.
#[derive(Clone)]
pub struct KubeObjects<K: ManagedResource> {
    client: Client,
    store: Store<K>,
    timeout: Duration,
}

/// Secrets, read one by one: no watch holds them in memory.
#[derive(Clone)]
pub struct KubeSecrets {
    client: Client,
    store: Store<PartialObjectMeta<Secret>>,
    timeout: Duration,
}

/// What became of a JSON patch.
enum Patched<K> {
    /// It was carried out, or changed nothing.
    Done(K),
    /// No object of that name is there.
    Missing,
    /// One of its tests failed: nothing was changed. The API server does not say which one.
    Unmet,
}

// === impl KubeObjects ===

impl<K> KubeObjects<K>
where
    K: ManagedResource + Resource<Scope = NamespaceResourceScope>,
{
    /// Over a client, and a store that a watch of the same cluster fills. An answer that takes longer than `timeout`
    /// is none.
    pub fn new(client: Client, store: Store<K>, timeout: Duration) -> Self {
        Self { client, store, timeout }
    }

    fn api(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Carries `operations` out if the object has this uid and, in this order, these finalizers.
    async fn patch_finalizers(
        &self,
        object: &K,
        operations: impl IntoIterator<Item = Value>,
    ) -> Result<Patched<K>, ClusterError> {
        // A test for null also passes where there is nothing: kube's own finalizer helper relies on it, too.
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

    /// Whether an object of this name is there, readable or not.
    pub(super) async fn is_there(&self, key: &NamespacedName) -> Result<bool, ClusterError> {
        let found = found(answer(self.timeout, self.api(&key.namespace).get_metadata(&key.name)).await?)?;
        Ok(found.is_some())
    }

    /// The object itself as it is now; `None` also if one of another uid has its name.
    async fn present(&self, object: &K) -> Result<Option<K>, ClusterError> {
        let found = self.get(&NamespacedName::of(object)).await?;
        Ok(found.filter(|found| found.meta().uid == object.meta().uid))
    }
}

impl<K> ObjectApi<K> for KubeObjects<K>
where
    K: ManagedResource + Resource<Scope = NamespaceResourceScope>,
{
    fn cached(&self, key: &NamespacedName) -> Option<Arc<K>> {
        self.store.get(&ObjectRef::new(&key.name).within(&key.namespace))
    }

    async fn get(&self, key: &NamespacedName) -> Result<Option<K>, ClusterError> {
        let found = found(answer(self.timeout, self.api(&key.namespace).get(&key.name)).await?)?;
        Ok(found.map(pruned))
    }

    /// By server-side apply. The resourceVersion guards the object's identity too, since no two objects share one;
    /// a uid would not: the API server ignores it here.
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

    /// By JSON patch: server-side apply would make an object that is missing.
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

/// Without who wrote which field: only the API server needs that, and it is most of an object.
fn pruned<K: Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

fn changed_finalizers<K: Resource>(object: &K) -> ClusterError {
    ClusterError::Conflict(format!("the finalizers of {} are others now", NamespacedName::of(object)))
}

// === impl KubeSecrets ===

impl KubeSecrets {
    /// Over a client, and a store that a watch of the Secrets' metadata fills. An answer that takes longer than
    /// `timeout` is none.
    pub fn new(client: Client, store: Store<PartialObjectMeta<Secret>>, timeout: Duration) -> Self {
        Self { client, store, timeout }
    }

    fn requests(namespace: &str) -> Request {
        Request::new(Secret::url_path(&(), Some(namespace)))
    }

    /// Reads the answer here: where kube cannot read one, it logs all of it.
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<Result<Secret, Box<Status>>, ClusterError> {
        match answer(self.timeout, self.client.request_text(request)).await? {
            Ok(text) => serde_json::from_str(&text).map(Ok).map_err(|error| unreadable(&error)),
            Err(status) => Ok(Err(status)),
        }
    }
}

impl SecretApi for KubeSecrets {
    async fn get_secret(&self, key: &NamespacedName) -> Result<Option<Secret>, ClusterError> {
        let request = Self::requests(&key.namespace).get(&key.name, &GetParams::default());
        found(self.send(request.map_err(|error| unsendable(&error))?).await?)
    }

    async fn create_secret(&self, secret: &Secret) -> Result<Secret, ClusterError> {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let key = NamespacedName::of(secret);
        let request = Self::requests(&key.namespace).create(&parameters, body(secret)?);
        let answer = self.send(request.map_err(|error| unsendable(&error))?).await?;
        answer.map_err(|status| secret_refusal(&key, &status))
    }

    fn version(&self, key: &NamespacedName) -> Option<String> {
        self.store.get(&ObjectRef::new(&key.name).within(&key.namespace))?.resource_version()
    }

    /// By PUT, which the resourceVersion in it guards.
    async fn replace_secret(&self, secret: &Secret) -> Result<Secret, ClusterError> {
        let key = NamespacedName::of(secret);
        if secret.resource_version().is_none() {
            return Err(ClusterError::Invalid(format!("the Secret {key} has no resourceVersion")));
        }
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let request = Self::requests(&key.namespace).replace(&key.name, &parameters, body(secret)?);
        let answer = self.send(request.map_err(|error| unsendable(&error))?).await?;
        answer.map_err(|status| secret_refusal(&key, &status))
    }

    async fn delete_secret(&self, secret: &Secret) -> Result<(), ClusterError> {
        let key = NamespacedName::of(secret);
        let preconditions = Preconditions { uid: secret.uid(), resource_version: secret.resource_version() };
        let parameters = DeleteParams::default().preconditions(preconditions);
        let request = Self::requests(&key.namespace).delete(&key.name, &parameters);
        // The answer is a Secret, or a status: neither is of interest.
        let request = request.map_err(|error| unsendable(&error))?;
        match answer(self.timeout, self.client.request_text(request)).await? {
            Ok(_) => Ok(()),
            Err(status) if is_missing(&status) => Ok(()),
            Err(status) => Err(secret_refusal(&key, &status)),
        }
    }
}

/// Nothing that is made of the Secret may get into an error, so not even why it cannot be serialised.
fn body(secret: &Secret) -> Result<Vec<u8>, ClusterError> {
    serde_json::to_vec(secret).map_err(|_| {
        ClusterError::Invalid(format!("the Secret {} cannot be written as JSON", NamespacedName::of(secret)))
    })
}

/// Neither what the API server nor what a webhook quotes from it. Of a refusal that names no value, all of it.
fn secret_refusal(key: &NamespacedName, status: &Status) -> ClusterError {
    let message = format!("the Secret {key}: {} {}", status.code, status.reason);
    refusal(&Status { message, ..status.clone() })
}

// === what an answer means ===

/// What the API server answered, refusals included. Fails if it did not, or not readably.
async fn answer<T>(
    timeout: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Result<T, Box<Status>>, ClusterError> {
    match tokio::time::timeout(timeout, request).await {
        Err(_) => Err(ClusterError::Unavailable(format!("none within {} s", timeout.as_secs_f64()))),
        Ok(Ok(object)) => Ok(Ok(object)),
        Ok(Err(kube::Error::Api(status))) => Ok(Err(status)),
        Ok(Err(kube::Error::BuildRequest(error))) => Err(unsendable(&error)),
        Ok(Err(kube::Error::SerdeError(error))) => Err(unreadable(&error)),
        Ok(Err(error)) => Err(ClusterError::Unavailable(error.to_string())),
    }
}

/// A read that found nothing is an answer, too.
fn found<T>(answer: Result<T, Box<Status>>) -> Result<Option<T>, ClusterError> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(status) if is_missing(&status) => Ok(None),
        Err(status) => Err(refusal(&status)),
    }
}

fn unsendable(error: &kube::core::request::Error) -> ClusterError {
    ClusterError::Invalid(error.to_string())
}

/// Says where, not what: serde quotes what it could not read.
fn unreadable(error: &serde_json::Error) -> ClusterError {
    let (line, column) = (error.line(), error.column());
    ClusterError::Unavailable(format!("cannot read it at line {line}, column {column}"))
}

/// The object is not there. A 404 alone would not say so: the API server, or a proxy, also answers with it while
/// it does not know the whole kind.
fn is_missing(status: &Status) -> bool {
    status.code == 404 && status.reason == "NotFound"
}

/// A test of a JSON patch failed. Where an object would break a rule, the causes say which.
fn is_failed_test(status: &Status) -> bool {
    let causes = status.details.as_ref().is_some_and(|details| !details.causes.is_empty());
    status.code == 422 && !causes
}

/// The definition in the cluster lacks a field, or has another type for it: it is older than the operator. This
/// comes as an internal error, although it is one of the request.
fn is_misfit(status: &Status) -> bool {
    status.code == 500 && status.message.starts_with("failed to create typed patch object")
}

fn refusal(status: &Status) -> ClusterError {
    let message = if status.message.is_empty() { &status.reason } else { &status.message };
    let message = message.clone();
    match status.code {
        404 if is_missing(status) => ClusterError::Gone,
        409 => ClusterError::Conflict(message),
        401 | 403 => ClusterError::Forbidden(message),
        500 if is_misfit(status) => ClusterError::Invalid(message),
        // It never was looked at, or nobody knows what became of it.
        404 | 408 | 429 => ClusterError::Unavailable(message),
        400..500 => ClusterError::Invalid(message),
        _ => ClusterError::Unavailable(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> Status {
        Status::failure(message, reason).with_code(code)
    }

    #[test]
    fn each_refusal_says_whether_anything_can_have_happened() {
        let said = || "said".to_owned();
        for (code, reason, expected) in [
            (404, "NotFound", ClusterError::Gone),
            (404, "Failed to parse error data", ClusterError::Unavailable(said())),
            (409, "Conflict", ClusterError::Conflict(said())),
            (409, "AlreadyExists", ClusterError::Conflict(said())),
            (401, "Unauthorized", ClusterError::Forbidden(said())),
            (403, "Forbidden", ClusterError::Forbidden(said())),
            (400, "BadRequest", ClusterError::Invalid(said())),
            (413, "RequestEntityTooLarge", ClusterError::Invalid(said())),
            (422, "Invalid", ClusterError::Invalid(said())),
            (408, "Timeout", ClusterError::Unavailable(said())),
            (429, "TooManyRequests", ClusterError::Unavailable(said())),
            (500, "InternalError", ClusterError::Unavailable(said())),
            (503, "ServiceUnavailable", ClusterError::Unavailable(said())),
            (504, "Timeout", ClusterError::Unavailable(said())),
            (0, "", ClusterError::Unavailable(said())),
        ] {
            assert_eq!(refusal(&status(code, reason, "said")), expected, "{code} {reason}");
        }
    }

    #[test]
    fn a_definition_older_than_the_operator_is_no_outage() {
        let text =
            "failed to create typed patch object (shop/a; …): .status.someday: field not declared in schema";
        assert_eq!(refusal(&status(500, "", text)), ClusterError::Invalid(text.to_owned()));
    }

    #[test]
    fn only_the_object_can_be_missing_not_its_whole_kind() {
        assert_eq!(found::<Secret>(Err(status(404, "NotFound", "").boxed())), Ok(None));
        let unknown = status(404, "Failed to parse error data", "404 page not found").boxed();
        assert!(matches!(found::<Secret>(Err(unknown)), Err(ClusterError::Unavailable(_))));
    }

    #[test]
    fn what_cannot_be_read_is_not_quoted() {
        let error = serde_json::from_str::<Secret>(r#"{"data": "canary"}"#).unwrap_err();
        assert!(error.to_string().contains("canary"), "{error}");
        assert!(!unreadable(&error).to_string().contains("canary"));
    }
}
