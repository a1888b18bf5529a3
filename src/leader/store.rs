//! Access to the Lease in Kubernetes.

use std::future::Future;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, ResourceExt, api::PostParams};

/// Requests for Leases. The caller limits the time of each.
pub trait LeaseApi: Send + Sync {
    /// Reads the Lease; `None` if it does not exist.
    fn get(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Lease>, LeaseError>> + Send;

    /// Creates a Lease; [`LeaseError::Changed`] if one of that name exists.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseError>> + Send;

    /// Replaces the Lease; [`LeaseError::Changed`] if its resourceVersion differs from that of `lease`.
    fn replace(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseError>> + Send;
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The Lease changed since it was read. The request had no effect.
    #[error("the Lease changed since it was read")]
    Changed,
    /// Any other failure. The request may have taken effect.
    #[error("{0}")]
    Failed(String),
}

/// [`LeaseApi`] over a kube client.
#[derive(Clone)]
pub struct KubeLeaseApi {
    client: Client,
}

// === impl KubeLeaseApi ===

impl KubeLeaseApi {
    /// Sends requests with `client`.
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
            return Err(LeaseError::Failed(
                "the Lease has no resourceVersion, so it cannot be replaced safely".to_owned(),
            ));
        }
        let api = self.api(&lease.namespace().unwrap_or_default());
        let name = lease.name_any();
        api.replace(&name, &PostParams::default(), lease).await.map_err(|error| failure(&error))
    }
}

/// Maps "not found" to `None`.
fn found(response: Result<Lease, kube::Error>) -> Result<Option<Lease>, LeaseError> {
    match response {
        Ok(lease) => Ok(Some(lease)),
        // A 404 from a proxy lacks this reason, and does not mean that the Lease is absent.
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
    fn only_reason_not_found_means_absent() {
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
