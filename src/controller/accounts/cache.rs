//! Parsed Secrets with credentials, by the version that the watch shows.

use std::sync::{Arc, Mutex, PoisonError};

use super::credentials::ParsedCredentials;
use crate::{controller::ids::NamespacedName, lru::Lru, plan::Blocker};

/// More than a cluster has Secrets with credentials.
const MAX_ENTRIES: usize = 10_000;

/// Parsed Secrets with credentials.
#[derive(Debug)]
pub struct CredentialsCache {
    entries: Mutex<Lru<NamespacedName, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    version: String,
    secret: Arc<CredentialsSecret>,
}

/// A parsed Secret with credentials.
#[derive(Debug)]
pub(super) struct CredentialsSecret {
    pub(super) credentials: Result<ParsedCredentials, Blocker>,
    /// Whether the Secret has the in-use finalizer.
    pub(super) in_use: bool,
    pub(super) deleting: bool,
}

// === impl CredentialsCache ===

impl Default for CredentialsCache {
    fn default() -> Self {
        Self { entries: Mutex::new(Lru::new(MAX_ENTRIES)) }
    }
}

impl CredentialsCache {
    pub(super) fn get(&self, key: &NamespacedName, version: &str) -> Option<Arc<CredentialsSecret>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(key).filter(|entry| entry.version == version)?;
        Some(Arc::clone(&entry.secret))
    }

    pub(super) fn put(&self, key: &NamespacedName, version: String, secret: &Arc<CredentialsSecret>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.put(key.clone(), Entry { version, secret: Arc::clone(secret) });
    }

    /// Removes a Secret.
    pub(super) fn forget(&self, key: &NamespacedName) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
