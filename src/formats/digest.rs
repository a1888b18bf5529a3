//! Digests in names and tags.

/// The first `digits` hex digits of SHA-256.
pub(super) fn sha256_hex(data: &[u8], digits: usize) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data);
    hex::encode(digest).chars().take(digits).collect()
}
