//! Whose instances are seen.

/// An account: a project, and the credentials it is seen with.
///
/// What one set of credentials has seen is shown to nobody who holds another: whoever uses it must have been able
/// to read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// The service's address.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
    /// A keyed hash of all values of the credentials, made by the caller. No secret can be told from it.
    pub credentials: String,
}

/// A project at an address: what the service counts calls by, whoever makes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The service's address.
    pub endpoint: String,
    /// The project.
    pub project_id: String,
}

// === impl AccountKey ===

impl AccountKey {
    /// Where the account is.
    pub fn site(&self) -> Site {
        Site { endpoint: self.endpoint.clone(), project_id: self.project_id.clone() }
    }
}
