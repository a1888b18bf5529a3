//! Formats that outlive releases: what the operator writes into the cloud, into objects and into their status, and
//! has to recognise years later.
//!
//! Pure: bytes in, text out. **Nothing here may change its output**; a new format gets a new name beside the old
//! one. Golden tests hold the code to that, with values computed by other tools.

mod hash;
mod name;
mod object;
mod owner;
mod ownership;

pub use self::{
    hash::{HashKey, Purpose},
    name::cloud_name,
    object::{
        APPROVE_ANNOTATION, FIELD_MANAGER, IN_USE_FINALIZER, INSTANCE_FINALIZER, binding_secret_name,
        pending_auth_secret_name,
    },
    owner::OwnerHash,
    ownership::{
        ALLOW_NAMESPACE_TAG, ORIGIN_TAG, OWNER_TAG, Origin, OwnershipReading, OwnershipTags, RELEASED_TAG,
        RESERVED_PREFIX, UID_TAG, allow_namespace_value,
    },
};

/// The first `digits` hex digits of SHA-256.
fn sha256_hex(data: &[u8], digits: usize) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data);
    hex::encode(digest).chars().take(digits).collect()
}
