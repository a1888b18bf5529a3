//! The port to Kubernetes.

use std::{collections::BTreeSet, fmt, future::Future, sync::Arc};

use futures::future::BoxFuture;
use k8s_openapi::{
    NamespaceResourceScope, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{CustomResourceExt, Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    ids::{NamespacedName, ObjectId},
    links::{Link, LinkFacts, Relation},
};
use crate::{
    api::instance::CloudAccount,
    formats::{APPROVE_ANNOTATION, RETRY_ANNOTATION},
    plan::{Definition, claims::Claim, operation::HasOperation},
};

/// The Secret with credentials if a spec names none.
pub(super) const DEFAULT_CREDENTIALS: &str = "dcs-credentials";

/// The longest token of an annotation that a status holds.
const MAX_TOKEN_CHARS: usize = 253;

/// A kind that the operator manages: namespaced, with a status that only the operator writes.
pub trait ManagedResource:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + CustomResourceExt
    + Clone
    + fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The status.
    type Status: HasOperation
        + Clone
        + fmt::Debug
        + Default
        + PartialEq
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;

    /// The kind, such as `DcsInstance`.
    const KIND: &'static str;

    /// The last published status.
    fn status(&self) -> Option<&Self::Status>;

    /// The Secret with credentials that the object itself names; the default one otherwise.
    fn credentials_ref(&self) -> Option<&str>;

    /// Whether the object keeps the Secret that it takes its credentials from in use.
    fn holds_credentials(&self) -> bool {
        true
    }

    /// Whether the DcsInstance that the object is about must not be deleted while the object exists.
    fn pins_instance(&self) -> bool {
        false
    }

    /// The id of the backup that the object needs until it has ended.
    fn needed_backup(&self) -> Option<&str> {
        None
    }

    /// An object of which only the metadata is known.
    fn from_metadata(metadata: ObjectMeta) -> Self;

    /// What the object refers to, besides its credentials.
    fn links(&self) -> BTreeSet<Link> {
        BTreeSet::new()
    }

    /// A hash of what objects that refer to this one depend on. A change wakes them.
    fn projection(&self) -> u64 {
        0
    }

    /// The claim of the object to operate on the DcsInstance that it is about.
    fn claim(&self) -> Option<Claim> {
        None
    }

    /// What the index of links keeps of the object.
    fn link_facts(&self) -> LinkFacts {
        let mut links = self.links();
        if self.holds_credentials() {
            links.insert(Link::secret(Relation::Credentials, self.credentials_secret()));
        }
        LinkFacts {
            links,
            projection: self.projection(),
            claim: self.claim(),
            pins: self.pins_instance(),
            backup: self.needed_backup().map(str::to_owned),
        }
    }

    /// The token of the annotation that asks for a retry, shortened to what a status holds.
    fn retry_token(&self) -> Option<String> {
        token(self, RETRY_ANNOTATION)
    }

    /// The token of the annotation that approves what the status says is pending.
    fn approval_token(&self) -> Option<String> {
        token(self, APPROVE_ANNOTATION)
    }

    /// The account in which the object has something, as its status records it.
    fn recorded_account(&self) -> Option<&CloudAccount> {
        None
    }

    /// The key of the object.
    fn object_id(&self) -> ObjectId {
        ObjectId::of(Self::KIND, self)
    }

    /// The Secret that the object takes its credentials from.
    fn credentials_secret(&self) -> NamespacedName {
        let namespace = self.meta().namespace.as_deref().unwrap_or_default();
        NamespacedName::new(namespace, self.credentials_ref().unwrap_or(DEFAULT_CREDENTIALS))
    }

    /// Whether a status was published: the API server gives every new object one without conditions.
    fn has_conditions(&self) -> bool {
        self.status().is_some_and(|status| !status.conditions().is_empty())
    }

    /// Whether the object is being deleted.
    fn is_deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }
}

fn token(object: &impl Resource, annotation: &str) -> Option<String> {
    let token = object.annotations().get(annotation)?;
    let token: String = token.trim().chars().take(MAX_TOKEN_CHARS).collect();
    (!token.is_empty()).then_some(token)
}

/// Whether an object carries a finalizer.
pub(super) fn has_finalizer<K: Resource>(object: &K, finalizer: &str) -> bool {
    object.finalizers().iter().any(|own| own == finalizer)
}

/// The objects of one kind: over kube in production, in memory in tests. One contract suite runs over both.
pub trait ObjectApi<K: ManagedResource>: Send + Sync {
    /// The object in the watch cache, which may be older than the one in the API server. `None` also while the watch has
    /// not shown it yet.
    fn cached(&self, id: &ObjectId) -> Option<Arc<K>>;

    /// The object in the API server; `None` means that it does not exist.
    fn get(&self, id: &ObjectId) -> impl Future<Output = Result<Option<K>, ClusterError>> + Send;

    /// Whether the object exists in the API server, readable or not.
    fn exists(&self, id: &ObjectId) -> impl Future<Output = Result<bool, ClusterError>> + Send;

    /// Creates an object; [`ClusterError::Conflict`] if one of that name exists.
    fn create(&self, object: &K) -> impl Future<Output = Result<K, ClusterError>> + Send;

    /// Deletes an object that was read before. Succeeds if it does not exist. [`ClusterError::Conflict`] if it has changed
    /// since, or if another one has the name.
    fn delete(&self, object: &K) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// Writes the whole status of `object`: fields of our earlier writes that this one lacks are removed. Empty objects
    /// and lists count as absent (see [`prune_empty`]). Returns the object as written.
    /// [`ClusterError::Conflict`] unless the API server still has exactly this version of the object.
    fn publish_status(
        &self,
        object: &K,
        status: &K::Status,
    ) -> impl Future<Output = Result<K, ClusterError>> + Send;

    /// The kind's CustomResourceDefinition, as the API server has it now.
    fn definition(&self) -> impl Future<Output = Result<Definition, ClusterError>> + Send;

    /// Adds a finalizer to the object with this uid. Succeeds if the object has it already. Never creates an object:
    /// [`ClusterError::Gone`] if none has this uid. [`ClusterError::Conflict`] if it is being deleted, or if its
    /// finalizers changed since it was read.
    fn add_finalizer(
        &self,
        object: &K,
        finalizer: &str,
    ) -> impl Future<Output = Result<K, ClusterError>> + Send;

    /// Removes a finalizer from the object with this uid. Succeeds if the finalizer or the object does not exist.
    /// [`ClusterError::Conflict`] if its finalizers changed since it was read.
    fn remove_finalizer(
        &self,
        object: &K,
        finalizer: &str,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

/// What keeps an instance from being deleted.
pub trait PinApi: Send + Sync {
    /// The names of the DcsBackups in the namespace of a DcsInstance that pin the instance `id`, as the API server has them
    /// now. [`ClusterError::Unavailable`] also if one of the namespace cannot be decoded.
    fn pins<'a>(
        &'a self,
        instance: &'a ObjectId,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, ClusterError>>;
}

/// The Secrets.
pub trait SecretApi: Send + Sync {
    /// The Secret in the API server; `None` means that it does not exist.
    fn get_secret(
        &self,
        key: &NamespacedName,
    ) -> impl Future<Output = Result<Option<Secret>, ClusterError>> + Send;

    /// The metadata of the Secret in the watch cache, which may be older than the Secret in the API server. Of labels and
    /// annotations, it has the operator's own. `None` if the watch shows no such Secret.
    fn metadata(&self, key: &NamespacedName) -> Option<ObjectMeta>;

    /// The version of the Secret in the watch cache.
    fn version(&self, key: &NamespacedName) -> Option<String> {
        self.metadata(key)?.resource_version
    }

    /// Creates a Secret; [`ClusterError::Conflict`] if one of that name exists.
    fn create_secret(&self, secret: &Secret) -> impl Future<Output = Result<Secret, ClusterError>> + Send;

    /// Writes a Secret that was read before; [`ClusterError::Conflict`] if it has changed since, or
    /// [`ClusterError::Gone`] if it no longer exists.
    fn replace_secret(&self, secret: &Secret) -> impl Future<Output = Result<Secret, ClusterError>> + Send;

    /// Deletes a Secret that was read before. Succeeds if it does not exist. [`ClusterError::Conflict`] if it has changed
    /// since, or if another one has the name.
    fn delete_secret(&self, secret: &Secret) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

/// An error of a request to Kubernetes. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The object has changed, or exists already. The request had no effect.
    #[error("the object changed in the meantime: {0}")]
    Conflict(String),
    /// The object no longer exists. The request had no effect.
    #[error("the object no longer exists")]
    Gone,
    /// The operator lacks a permission. The request had no effect.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// The API server rejected the request as invalid. It had no effect.
    #[error("refused as invalid: {0}")]
    Invalid(String),
    /// No answer, or one that leaves open whether the request had an effect.
    #[error("no answer from the API server: {0}")]
    Unavailable(String),
}

/// The status as JSON without empty objects, empty lists and nulls. An API server turns an object that became empty
/// into null, and then rejects the whole status.
///
/// # Errors
///
/// [`ClusterError::Invalid`] if it cannot be written as JSON.
pub fn prune_empty<S: Serialize>(status: &S) -> Result<Value, ClusterError> {
    let mut value = serde_json::to_value(status).map_err(|error| ClusterError::Invalid(error.to_string()))?;
    prune(&mut value);
    Ok(value)
}

/// Removes members only: a list keeps its length.
fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(prune);
            members.retain(|_, member| !is_empty(member));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_members_are_removed() {
        let status = json!({
            "zero": 0, "no": false, "text": "", "null": null, "object": {}, "list": [],
            "outer": {"inner": {"leaf": null}}, "items": [{}, null, {"kept": 1, "left": {}}],
        });
        let expected = json!({"zero": 0, "no": false, "text": "", "items": [{}, null, {"kept": 1}]});
        assert_eq!(prune_empty(&status), Ok(expected));
        assert_eq!(prune_empty(&json!({})), Ok(json!({})), "the status itself stays an object");
    }
}
