//! Stable ids.

use aws_lc_rs::digest;

/// An id of 32 hexadecimal digits, derived from `name`.
pub(super) fn stable_id(name: &str) -> String {
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    hex::encode(digest.as_ref().iter().take(16).copied().collect::<Vec<_>>())
}
