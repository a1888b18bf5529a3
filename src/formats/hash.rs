//! Keyed hashes of secrets for status. They show whether a secret has changed, and nothing else.

use std::fmt;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretSlice};

/// Kind of the hashed secret. The same text has different hashes for different purposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// All values of cloud credentials.
    Credentials,
    /// Renamed Redis commands: names and new names.
    RenamedCommands,
}

/// Key of the hashes. Without a key, a reader of status could guess a secret by comparing hashes. The key must stay
/// the same while hashes in status are compared.
#[derive(Clone)]
pub struct HashKey(SecretSlice<u8>);

// === impl Purpose ===

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::RenamedCommands => "renamed-commands",
        }
    }
}

// === impl HashKey ===

impl HashKey {
    /// Creates a key from at least 32 random bytes.
    pub fn new(key: Vec<u8>) -> Self {
        Self(key.into())
    }

    /// The first 40 hex digits of HMAC-SHA-256 over the purpose and the values. Each is prefixed with its length, so
    /// that `["ab", "c"]` and `["a", "bc"]` differ.
    ///
    /// If equal secrets of two objects must not be recognisable, pass the uid of the object as a value.
    pub fn hash<'a>(&self, purpose: Purpose, values: impl IntoIterator<Item = &'a str>) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret());
        let mut context = hmac::Context::with_key(&key);
        for value in std::iter::once(purpose.label()).chain(values) {
            context.update(&(value.len() as u64).to_be_bytes());
            context.update(value.as_bytes());
        }
        hex::encode(context.sign()).chars().take(40).collect()
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> HashKey {
        HashKey::new(vec![7; 32])
    }

    #[test]
    fn golden() {
        assert_eq!(
            key().hash(Purpose::Credentials, ["AK", "SK"]),
            "60221468f09fd74cd6cf9dac17339c4a35ebeade"
        );
        assert_eq!(key().hash(Purpose::RenamedCommands, []), "ed2d2a4c060ffc6cc5a7b75b21b0b4715360810b");
    }

    #[test]
    fn every_value_and_the_purpose_change_the_hash() {
        let hash = key().hash(Purpose::RenamedCommands, ["ab", "c"]);
        assert_ne!(hash, key().hash(Purpose::RenamedCommands, ["a", "bc"]));
        assert_ne!(hash, key().hash(Purpose::RenamedCommands, ["ab", "c", ""]));
        assert_ne!(hash, key().hash(Purpose::Credentials, ["ab", "c"]));
        assert_ne!(hash, HashKey::new(vec![8; 32]).hash(Purpose::RenamedCommands, ["ab", "c"]));
    }

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", key()), "HashKey(…)");
    }
}
