//! Names of objects in the cluster.

use std::{fmt, ops::Deref, sync::Arc};

use kube::{Resource, ResourceExt};

use crate::inventory::Subscriber;

/// Namespace and name of an object whose kind is known. Names Secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// metadata.namespace.
    pub namespace: String,
    /// metadata.name.
    pub name: String,
}

/// Kind, namespace and name of an object that the operator manages: the key of its queue entry, subscription, budget,
/// local state and metrics. Many indexes hold it, so its clones share the names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(Arc<ObjectNames>);

/// The parts of an [`ObjectId`].
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectNames {
    /// The kind, such as `DcsInstance`.
    pub kind: &'static str,
    /// metadata.namespace.
    pub namespace: String,
    /// metadata.name.
    pub name: String,
}

// === impl NamespacedName ===

impl NamespacedName {
    /// `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The name of a namespaced object.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

// === impl ObjectId ===

impl ObjectId {
    /// `name` of `kind` in `namespace`.
    pub fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self(Arc::new(ObjectNames { kind, namespace, name }))
    }

    /// An object of `kind`.
    pub fn of<K: Resource>(kind: &'static str, object: &K) -> Self {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        Self(Arc::new(ObjectNames { kind, namespace, name }))
    }

    /// The Secret `name` in the namespace of the object.
    pub fn secret(&self, name: &str) -> NamespacedName {
        NamespacedName::new(&self.namespace, name)
    }
}

impl Deref for ObjectId {
    type Target = ObjectNames;

    fn deref(&self) -> &ObjectNames {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

impl Subscriber for ObjectId {
    fn tenant(&self) -> &str {
        &self.namespace
    }
}
