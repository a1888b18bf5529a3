//! Accounts: from a Secret with credentials to a project of the cloud and a client for it.

mod cache;
mod credentials;
mod endpoints;
mod own;
mod resolve;

pub(super) use self::resolve::AccountUnavailable;
pub use self::{
    cache::CredentialsCache,
    credentials::{ClientFactory, ParsedCredentials, read_credentials},
    endpoints::{Endpoints, HostPattern, HostPort},
    own::{Namespaces, OwnCredentials},
    resolve::CredentialsChoice,
};
