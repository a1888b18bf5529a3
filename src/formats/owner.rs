//! Hash of the object that owns an instance. It outlives the object.

use std::fmt;

use super::digest::sha256_hex;

/// Hash of cluster, namespace and name of an object. Unlike the uid, it stays the same when the object or the cluster
/// is restored from a backup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerHash(String);

// === impl OwnerHash ===

impl OwnerHash {
    /// The first 40 hex digits of SHA-256(cluster id, NUL, namespace, NUL, name). None of the three can contain NUL.
    pub fn new(cluster_id: &str, namespace: &str, name: &str) -> Self {
        Self(sha256_hex([cluster_id, namespace, name].join("\0").as_bytes(), 40))
    }

    /// 40 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 8 digits, for names.
    pub(super) fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl fmt::Display for OwnerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        // printf '7f1d6c1e-…\0shop\0sessions' | sha256sum | head -c 40
        let owner = OwnerHash::new("7f1d6c1e-4b0a-4f0e-9a43-2d9c35a0b7f1", "shop", "sessions");
        assert_eq!(owner.as_str(), "f195efcf6093b83a48e33ca62e02a067c79a3b94");
        assert_eq!(owner.short(), "f195efcf");
    }

    #[test]
    fn the_parts_are_separated() {
        assert_ne!(OwnerHash::new("c", "ab", "c"), OwnerHash::new("c", "a", "bc"));
        assert_ne!(OwnerHash::new("ca", "b", "c"), OwnerHash::new("c", "ab", "c"));
    }
}
