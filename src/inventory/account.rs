//! Keys of accounts and sites.

/// An account: a project, and the credentials to read it.
///
/// A list serves only the credentials that read it, so the key includes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// The service's address.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
    /// A keyed hash of all credential values, computed by the caller. It reveals no secret.
    pub credentials: String,
}

/// A project at an address: the unit by which the service limits calls, whatever the credentials.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The service's address.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
}

// === impl AccountKey ===

impl AccountKey {
    /// The site of the account.
    pub fn site(&self) -> Site {
        Site { endpoint: self.endpoint.clone(), project_id: self.project_id.clone() }
    }
}
