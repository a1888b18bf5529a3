//! The simulated account: projects, access keys, users and issued tokens.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use aws_lc_rs::{constant_time, hmac};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

/// Lifetime of an IAM token, as documented.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of stored tokens; the oldest are evicted first.
const MAX_TOKENS: usize = 10_000;

/// An account with its projects and credentials.
#[derive(Clone)]
pub struct Directory {
    domain_name: String,
    /// The served project is the first.
    projects: Vec<Project>,
    keys: BTreeMap<String, AccessKey>,
    users: BTreeMap<String, SecretString>,
    tokens: HashMap<String, Token>,
    token_lifetime: Duration,
    issued: u64,
}

/// A project of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    /// Project id.
    pub(crate) id: String,
    /// Project name; a region's default project is named after the region.
    pub(crate) name: String,
}

/// The secrets of an access key.
#[derive(Clone)]
pub struct AccessKey {
    /// Secret key for signing.
    pub secret: SecretString,
    /// Security token that every request must carry; set for temporary keys only.
    pub security_token: Option<SecretString>,
    /// Expiry by the wall clock.
    pub expires_at: Option<DateTime<Utc>>,
}

/// An issued IAM token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) user: String,
    /// Project scope; `None` for a domain-scoped token.
    pub(super) project_id: Option<String>,
    pub(super) issued_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

// === impl Directory ===

impl Directory {
    /// An account (IAM: domain) without keys and users.
    pub fn new(domain_name: &str) -> Self {
        Self {
            domain_name: domain_name.to_owned(),
            projects: Vec::new(),
            keys: BTreeMap::new(),
            users: BTreeMap::new(),
            tokens: HashMap::new(),
            token_lifetime: TOKEN_LIFETIME,
            issued: 0,
        }
    }

    /// Adds a permanent access key.
    #[must_use]
    pub fn with_key(mut self, id: &str, secret: impl Into<SecretString>) -> Self {
        let key = AccessKey { secret: secret.into(), security_token: None, expires_at: None };
        self.put_key(id, key);
        self
    }

    /// Adds a user who can request tokens.
    #[must_use]
    pub fn with_user(mut self, name: &str, password: impl Into<SecretString>) -> Self {
        self.users.insert(name.to_owned(), password.into());
        self
    }

    /// Adds a project that IAM lists. The service only serves the first project.
    #[must_use]
    pub fn with_project(mut self, id: &str, name: &str) -> Self {
        self.projects.push(Project { id: id.to_owned(), name: name.to_owned() });
        self
    }

    /// Sets the token lifetime; the default is one day.
    #[must_use]
    pub fn with_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Adds or replaces an access key.
    pub fn put_key(&mut self, id: &str, key: AccessKey) {
        self.keys.insert(id.to_owned(), key);
    }

    /// Removes an access key; `false` if it does not exist.
    pub fn remove_key(&mut self, id: &str) -> bool {
        self.keys.remove(id).is_some()
    }

    /// Revokes every token and returns their number.
    pub fn revoke_tokens(&mut self) -> usize {
        let count = self.tokens.len();
        self.tokens.clear();
        count
    }

    /// Makes a project the served one.
    pub(super) fn serve_project(&mut self, id: &str, name: &str) {
        self.projects.retain(|project| project.id != id);
        self.projects.insert(0, Project { id: id.to_owned(), name: name.to_owned() });
    }

    pub(super) fn domain_name(&self) -> &str {
        &self.domain_name
    }

    pub(super) fn projects(&self) -> &[Project] {
        &self.projects
    }

    pub(super) fn key(&self, id: &str) -> Option<&AccessKey> {
        self.keys.get(id)
    }

    pub(super) fn token(&self, value: &str) -> Option<&Token> {
        self.tokens.get(value)
    }

    pub(super) fn verify_password(&self, user: &str, password: &str) -> bool {
        self.users.get(user).is_some_and(|known| constant_time_eq(known, password))
    }

    /// Issues a token; its value is derived from `seed`.
    pub(super) fn issue_token(
        &mut self,
        seed: u64,
        wall: DateTime<Utc>,
        user: &str,
        project_id: Option<String>,
    ) -> (String, Token) {
        self.issued += 1;
        let key = hmac::Key::new(hmac::HMAC_SHA512, &seed.to_be_bytes());
        let tag = hmac::sign(&key, format!("token {} {wall}", self.issued).as_bytes());
        let value = format!("MIIS{}", hex::encode(tag));
        let lifetime = TimeDelta::from_std(self.token_lifetime).unwrap_or(TimeDelta::MAX);
        let expires_at = wall.checked_add_signed(lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let token = Token { user: user.to_owned(), project_id, issued_at: wall, expires_at };
        self.evict_oldest();
        self.tokens.insert(value.clone(), token.clone());
        (value, token)
    }

    /// Expired tokens stay stored, because the service distinguishes *expired* from *unknown*.
    fn evict_oldest(&mut self) {
        if self.tokens.len() >= MAX_TOKENS {
            let oldest = self.tokens.iter().min_by_key(|(_, token)| token.issued_at);
            if let Some(value) = oldest.map(|(value, _)| value.clone()) {
                self.tokens.remove(&value);
            }
        }
    }
}

/// Omits names and secrets.
impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("projects", &self.projects)
            .field("keys", &self.keys.len())
            .field("users", &self.users.len())
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

// === impl AccessKey ===

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.security_token.is_some() { "AccessKey(.., temporary)" } else { "AccessKey(..)" };
        f.write_str(kind)
    }
}

/// Compares in constant time.
pub(super) fn constant_time_eq(known: &SecretString, given: &str) -> bool {
    constant_time::verify_slices_are_equal(known.expose_secret().as_bytes(), given.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let mut directory =
            Directory::new("canary-domain").with_key("canary-id", "canary").with_user("canary-u", "canary");
        let temporary =
            AccessKey { secret: "canary".into(), security_token: Some("canary".into()), expires_at: None };
        assert!(!format!("{temporary:?}").contains("canary"));
        directory.put_key("canary-2", temporary);
        let (value, _) = directory.issue_token(1, DateTime::UNIX_EPOCH, "canary-u", None);
        let shown = format!("{directory:?}");
        assert!(!shown.contains("canary") && !shown.contains(&value), "{shown}");
    }

    #[test]
    fn tokens_are_bounded() {
        let mut directory = Directory::new("d");
        let (first, _) = directory.issue_token(1, DateTime::UNIX_EPOCH, "u", None);
        for second in 1..=MAX_TOKENS as i64 {
            let at = DateTime::from_timestamp(second, 0).expect("a time");
            directory.issue_token(1, at, "u", None);
        }
        assert_eq!(directory.tokens.len(), MAX_TOKENS);
        assert_eq!(directory.token(&first), None, "the oldest token is evicted");
        assert_eq!(directory.revoke_tokens(), MAX_TOKENS);
    }
}
