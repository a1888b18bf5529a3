//! The lease as a Kubernetes object (coordination.k8s.io/v1).

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, PostParams},
};

use super::{LeaseError, LeaseStore, Seen, Written};
use crate::clock::Clock;

/// A Lease in a namespace.
#[derive(Debug, Clone)]
pub struct KubeLease {
    api: Api<Lease>,
    name: String,
    namespace: String,
    clock: Arc<dyn Clock>,
}

// === impl KubeLease ===

impl KubeLease {
    /// The Lease of this name.
    pub fn new(client: Client, namespace: &str, name: &str, clock: Arc<dyn Clock>) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, name: name.to_owned(), namespace: namespace.to_owned(), clock }
    }

    /// For people only: nobody's lease is judged by it.
    fn now(&self) -> Option<MicroTime> {
        Timestamp::from_microsecond(self.clock.now().timestamp_micros()).ok().map(MicroTime)
    }
}

impl LeaseStore for KubeLease {
    async fn read(&self) -> Result<Option<Seen>, LeaseError> {
        let lease = self.api.get_opt(&self.name).await.map_err(|error| failed(&error))?;
        Ok(lease.as_ref().map(seen))
    }

    async fn write(&self, before: Option<&Seen>, write: &Written<'_>) -> Result<Seen, LeaseError> {
        let holder = write.holder.map(str::to_owned);
        let same = before.is_some_and(|before| before.holder == holder);
        let transitions = before.map_or(0, |before| before.transitions);
        let handed_over = before.is_some() && !same && holder.is_some();
        let transitions = transitions.saturating_add(i32::from(handed_over));
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                resource_version: before.map(|before| before.version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                // An empty name, not none, is what others write who give a lease back.
                holder_identity: Some(holder.unwrap_or_default()),
                lease_duration_seconds: i32::try_from(write.duration.as_secs()).ok(),
                lease_transitions: Some(transitions),
                renew_time: self.now(),
                ..LeaseSpec::default()
            }),
        };
        let parameters = PostParams::default();
        let written = match before {
            None => self.api.create(&parameters, &lease).await,
            Some(_) => self.api.replace(&self.name, &parameters, &lease).await,
        };
        match written {
            Ok(lease) => Ok(seen(&lease)),
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                Err(LeaseError::Changed)
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

fn seen(lease: &Lease) -> Seen {
    let spec = lease.spec.clone().unwrap_or_default();
    let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Seen {
        version: lease.resource_version().unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: duration.map(Duration::from_secs),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

fn failed(error: &kube::Error) -> LeaseError {
    LeaseError::Failed(error.to_string())
}
