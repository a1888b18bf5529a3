//! The operator's own credentials.

use crate::controller::ids::NamespacedName;

/// The operator's own credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCredentials {
    /// The Secret that holds them.
    pub secret: NamespacedName,
    /// The namespaces whose objects may use them.
    pub namespaces: Namespaces,
    /// Of these, the namespaces that may name anything in the account by its ID.
    pub trusted: Namespaces,
}

/// A set of namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All.
    All,
    /// These.
    Some(Vec<String>),
}

// === impl Namespaces ===

impl Namespaces {
    /// Whether `namespace` is one of them.
    pub fn contain(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.iter().any(|name| name == namespace),
        }
    }
}
