//! Where the Lease is kept: what is asked of it, and how Kubernetes answers.

use std::future::Future;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, ResourceExt, api::PostParams};

/// What the leader asks of Kubernetes. No call needs a time limit of its own.
pub trait LeaseApi: Send + Sync {
    /// The Lease as it is now; `None` means that it does not exist.
    fn get(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Lease>, LeaseError>> + Send;

    /// Makes a Lease; [`LeaseError::Changed`] if one of that name exists.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseError>> + Send;

    /// Writes the whole Lease; [`LeaseError::Changed`] unless it still has the resourceVersion that is in `lease`.
    fn replace(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseError>> + Send;
}

/// Why a request was not carried out, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The Lease is not any more as it was read. Nothing was changed.
    #[error("it changed in the meantime")]
    Changed,
    /// Anything else; it may have been carried out all the same.
    #[error("{0}")]
    Failed(String),
}

/// Leases of a cluster, over kube's client.
#[derive(Clone)]
pub struct KubeLeaseApi {
    client: Client,
}

// === impl KubeLeaseApi ===

impl KubeLeaseApi {
    /// Over a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    fn api(&self, namespace: &str) -> Api<Lease> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

impl LeaseApi for KubeLeaseApi {
    async fn get(&self, namespace: &str, name: &str) -> Result<Option<Lease>, LeaseError> {
        found(self.api(namespace).get(name).await)
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let api = self.api(&lease.namespace().unwrap_or_default());
        api.create(&PostParams::default(), lease).await.map_err(|error| failure(&error))
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        if lease.resource_version().is_none_or(|version| version.is_empty()) {
            return Err(LeaseError::Failed("it has no resourceVersion to guard a write with".to_owned()));
        }
        let api = self.api(&lease.namespace().unwrap_or_default());
        let name = lease.name_any();
        api.replace(&name, &PostParams::default(), lease).await.map_err(|error| failure(&error))
    }
}

/// That there is none is an answer, too.
fn found(answer: Result<Lease, kube::Error>) -> Result<Option<Lease>, LeaseError> {
    match answer {
        Ok(lease) => Ok(Some(lease)),
        // A proxy also answers 404, but without this reason: that says nothing about the Lease.
        Err(kube::Error::Api(status)) if status.code == 404 && status.reason == "NotFound" => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &kube::Error) -> LeaseError {
    match error {
        kube::Error::Api(status) if status.code == 409 => LeaseError::Changed,
        kube::Error::Api(status) if !status.message.is_empty() => LeaseError::Failed(status.message.clone()),
        other => LeaseError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn only_a_lease_that_is_not_there_is_missing() {
        let failed = |text: &str| Err(LeaseError::Failed(text.to_owned()));
        for (code, reason, message, expected) in [
            (404, "NotFound", "leases \"a\" not found", Ok(None)),
            (404, "Failed to parse error data", "404 page not found", failed("404 page not found")),
            (409, "Conflict", "changed", Err(LeaseError::Changed)),
            (409, "AlreadyExists", "exists", Err(LeaseError::Changed)),
            (403, "Forbidden", "not you", failed("not you")),
            (503, "ServiceUnavailable", "later", failed("later")),
        ] {
            let status = Status::failure(message, reason).with_code(code).boxed();
            assert_eq!(found(Err(kube::Error::Api(status))), expected, "{code} {reason}");
        }
    }
}
