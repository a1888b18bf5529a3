//! The port to Kubernetes: what the operator asks of it, whoever answers.

use std::{fmt, future::Future, sync::Arc};

use k8s_openapi::api::core::v1::Secret;
use kube::{Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::api::DcsInstance;

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A kind that the operator manages: namespaced, with a status that only the operator writes.
pub trait ManagedResource:
    Resource<DynamicType = ()> + Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What the operator says about it.
    type Status: Clone
        + fmt::Debug
        + Default
        + PartialEq
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;

    /// What it said last.
    fn status(&self) -> Option<&Self::Status>;

    /// Whether it has said anything yet: the API server gives every new object a status that says nothing.
    fn has_conditions(&self) -> bool;
}

/// What the operator asks about the objects of one kind. Production has kube behind it; tests put a store of their
/// own there, which one contract suite holds to what the real API server does.
pub trait ObjectApi<K: ManagedResource>: Send + Sync {
    /// The object as the watch last showed it: it may be older than what the API server has. `None` also while the
    /// watch has not shown it yet.
    fn cached(&self, key: &NamespacedName) -> Option<Arc<K>>;

    /// The object as the API server has it; `None` means that it does not exist.
    fn get(&self, key: &NamespacedName) -> impl Future<Output = Result<Option<K>, ClusterError>> + Send;

    /// Writes the whole status of `object`: what an earlier write of ours said and this one does not is removed.
    /// Empty objects and lists count as not said (see [`prune_empty`]), and are absent when read back.
    /// Fails as [`ClusterError::Conflict`] unless the API server still has exactly this version of it. Returns the
    /// object as written.
    fn publish_status(
        &self,
        object: &K,
        status: &K::Status,
    ) -> impl Future<Output = Result<K, ClusterError>> + Send;

    /// Adds a finalizer to the object with this uid; that it has it already is no error. Never makes an object:
    /// [`ClusterError::Gone`] if none of this uid is there. [`ClusterError::Conflict`] if it is being deleted,
    /// or its finalizers changed in between.
    fn add_finalizer(
        &self,
        object: &K,
        finalizer: &str,
    ) -> impl Future<Output = Result<K, ClusterError>> + Send;

    /// Removes a finalizer from the object with this uid; that it, or the whole object, is not there is no error.
    /// [`ClusterError::Conflict`] if its finalizers changed in between.
    fn remove_finalizer(
        &self,
        object: &K,
        finalizer: &str,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

/// What the operator asks about Secrets.
pub trait SecretApi: Send + Sync {
    /// The Secret as the API server has it; `None` means that it does not exist.
    fn get_secret(
        &self,
        key: &NamespacedName,
    ) -> impl Future<Output = Result<Option<Secret>, ClusterError>> + Send;

    /// The version of the Secret as the watch last showed it: it may be older than what the API server has. `None`
    /// if the watch shows none.
    fn version(&self, key: &NamespacedName) -> Option<String>;

    /// Makes a Secret; [`ClusterError::Conflict`] if one of that name exists.
    fn create_secret(&self, secret: &Secret) -> impl Future<Output = Result<Secret, ClusterError>> + Send;

    /// Writes a Secret that was read before; [`ClusterError::Conflict`] if it has changed since, or
    /// [`ClusterError::Gone`] if it does not exist any more.
    fn replace_secret(&self, secret: &Secret) -> impl Future<Output = Result<Secret, ClusterError>> + Send;

    /// Deletes a Secret that was read before; that it is not there is no error. [`ClusterError::Conflict`] if it has
    /// changed since, or if another one has the name.
    fn delete_secret(&self, secret: &Secret) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

/// What went wrong with a request to Kubernetes. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The object changed, or exists already, so that the request no longer fits. Nothing was changed.
    #[error("the object changed in the meantime: {0}")]
    Conflict(String),
    /// The object that the request is about does not exist any more. Nothing was changed.
    #[error("the object does not exist any more")]
    Gone,
    /// The operator lacks a permission. Nothing was changed.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// The API server does not take what was sent. Nothing was changed.
    #[error("refused as invalid: {0}")]
    Invalid(String),
    /// No answer, or none that says what happened: the request may have been carried out.
    #[error("no answer from the API server: {0}")]
    Unavailable(String),
}

/// What a status says, without empty objects, empty lists and nulls. An API server turns an object that became
/// empty into null, and then refuses the whole status for it.
///
/// # Errors
///
/// [`ClusterError::Invalid`] if it cannot be written as JSON.
pub fn prune_empty<S: Serialize>(status: &S) -> Result<Value, ClusterError> {
    let mut value = serde_json::to_value(status).map_err(|error| ClusterError::Invalid(error.to_string()))?;
    prune(&mut value);
    Ok(value)
}

/// Members only: a list keeps its length.
fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(prune);
            members.retain(|_, member| !says_nothing(member));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

// === impl NamespacedName ===

impl NamespacedName {
    /// Of `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Of a namespaced object.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

// === impl DcsInstance ===

impl ManagedResource for DcsInstance {
    type Status = crate::api::DcsInstanceStatus;

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn has_conditions(&self) -> bool {
        self.status.as_ref().is_some_and(|status| !status.conditions.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_nothing_is_left_out() {
        let status = json!({
            "zero": 0, "no": false, "text": "", "null": null, "object": {}, "list": [],
            "outer": {"inner": {"leaf": null}}, "items": [{}, null, {"kept": 1, "left": {}}],
        });
        let expected = json!({"zero": 0, "no": false, "text": "", "items": [{}, null, {"kept": 1}]});
        assert_eq!(prune_empty(&status), Ok(expected));
        assert_eq!(prune_empty(&json!({})), Ok(json!({})), "the status itself stays an object");
    }
}
