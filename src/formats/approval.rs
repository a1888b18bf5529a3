//! The token by which a user approves a step.

use super::digest::sha256_hex;

/// The first 10 hex digits of SHA-256 over the uid of the object, the step and a nonce, separated by NUL. None of them can
/// contain NUL.
pub fn approval_token(uid: &str, step: &str, nonce: &str) -> String {
    sha256_hex([uid, step, nonce].join("\0").as_bytes(), 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let step = "restore 4631832a-14c6-45b0-a0b3-3abd8f591ad1";
        assert_eq!(approval_token("961a292c-7592-4cf3-bb88-a695b53b2dc3", step, "0102030405"), "12aa73a3a0");
    }

    #[test]
    fn every_part_changes_the_token() {
        let all = [("u", "s", "n"), ("v", "s", "n"), ("u", "t", "n"), ("u", "s", "m"), ("us", "", "n")];
        let tokens: std::collections::BTreeSet<_> =
            all.iter().map(|(uid, step, nonce)| approval_token(uid, step, nonce)).collect();
        assert_eq!(tokens.len(), all.len());
    }
}
