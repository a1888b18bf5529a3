//! Password rules and salted password hashes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    api_error::{ApiError, Result},
    ids::fingerprint,
};

/// Allowed special characters.
const SPECIAL: &str = "`~!@#$%^&*()-_=+\\|{}:,<.>/?";

/// A salted hash of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Password {
    salt: String,
    hash: String,
}

// === impl Password ===

impl Password {
    pub(super) fn new(password: &str, salt: String) -> Self {
        let hash = hash(&salt, password);
        Self { salt, hash }
    }

    /// Whether `password` has this hash.
    pub(super) fn matches(&self, password: &str) -> bool {
        hash(&self.salt, password) == self.hash
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

fn hash(salt: &str, password: &str) -> String {
    fingerprint(&[b"password", salt.as_bytes(), password.as_bytes()])
}

/// Requires 8 to `longest` characters of three of four kinds: `DCS.4019`.
pub(super) fn check_complexity(password: &str, longest: usize) -> Result<()> {
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_digit(),
        |c| SPECIAL.contains(c),
    ];
    let allowed = password.chars().all(|c| kinds.iter().any(|kind| kind(c)));
    let used = kinds.into_iter().filter(|kind| password.chars().any(kind)).count();
    // Only ASCII is allowed, so bytes equal characters.
    if allowed && used >= 3 && (8..=longest).contains(&password.len()) {
        Ok(())
    } else {
        Err(ApiError::new("DCS.4019"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complexity_rules() {
        let long = |length: usize| format!("aA1{}", "x".repeat(length - 3));
        for (password, good) in [
            ("Abcdefg1".to_owned(), true),
            ("abcdef1!".to_owned(), true),
            ("ABCDEF1!".to_owned(), true),
            ("Abcdef1".to_owned(), false),
            ("abcdefg1".to_owned(), false),
            ("abcdefgh".to_owned(), false),
            ("Abc defg1".to_owned(), false),
            ("Abcdéfg1".to_owned(), false),
            ("Abcdef1\"".to_owned(), false),
            (String::new(), false),
            (long(32), true),
            (long(33), true),
            (long(64), true),
            (long(65), false),
        ] {
            assert_eq!(check_complexity(&password, 64).is_ok(), good, "{password}");
        }
        assert!(check_complexity(&long(32), 32).is_ok() && check_complexity(&long(33), 32).is_err());
    }

    #[test]
    fn no_output_contains_a_password() {
        let password = Password::new("Secret-123", "salt".to_owned());
        assert!(password.matches("Secret-123") && !password.matches("Secret-124"));
        let written = format!("{password:?} {}", serde_json::to_string(&password).unwrap());
        assert!(!written.contains("Secret"), "{written}");
    }
}
