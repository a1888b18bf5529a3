//! Secrets over kube's client, read one by one: the watch holds only their metadata.

use std::time::Duration;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Client, Resource, ResourceExt,
    api::{DeleteParams, GetParams, PartialObjectMeta, PostParams, Preconditions},
    core::{Request, Status},
    runtime::reflector::{ObjectRef, Store},
};

use super::answer::{answer, found, is_missing, refusal, unreadable, unsendable};
use crate::{
    controller::{
        ids::NamespacedName,
        ports::{ClusterError, SecretApi},
    },
    formats::FIELD_MANAGER,
};

/// The Secrets.
#[derive(Clone)]
pub struct KubeSecrets {
    client: Client,
    store: Store<PartialObjectMeta<Secret>>,
    timeout: Duration,
}

// === impl KubeSecrets ===

impl KubeSecrets {
    /// Over a client, and a store that a watch of the Secrets' metadata fills. Requests fail after `timeout`.
    pub fn new(client: Client, store: Store<PartialObjectMeta<Secret>>, timeout: Duration) -> Self {
        Self { client, store, timeout }
    }

    fn requests(namespace: &str) -> Request {
        Request::new(Secret::url_path(&(), Some(namespace)))
    }

    /// Decodes the answer here: kube logs an answer that it cannot decode, values included.
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<Result<Secret, Box<Status>>, ClusterError> {
        match answer(self.timeout, self.client.request_text(request)).await? {
            Ok(text) => serde_json::from_str(&text).map(Ok).map_err(|error| unreadable(&error)),
            Err(status) => Ok(Err(status)),
        }
    }
}

impl SecretApi for KubeSecrets {
    async fn get_secret(&self, key: &NamespacedName) -> Result<Option<Secret>, ClusterError> {
        let request = Self::requests(&key.namespace).get(&key.name, &GetParams::default());
        found(self.send(request.map_err(|error| unsendable(&error))?).await?)
    }

    async fn create_secret(&self, secret: &Secret) -> Result<Secret, ClusterError> {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let key = NamespacedName::of(secret);
        let request = Self::requests(&key.namespace).create(&parameters, body(secret)?);
        let answer = self.send(request.map_err(|error| unsendable(&error))?).await?;
        answer.map_err(|status| secret_refusal(&key, &status))
    }

    fn metadata(&self, key: &NamespacedName) -> Option<ObjectMeta> {
        Some(self.store.get(&ObjectRef::new(&key.name).within(&key.namespace))?.metadata.clone())
    }

    /// By PUT, which the resourceVersion in it guards.
    async fn replace_secret(&self, secret: &Secret) -> Result<Secret, ClusterError> {
        let key = NamespacedName::of(secret);
        if secret.resource_version().is_none() {
            return Err(ClusterError::Invalid(format!("the Secret {key} has no resourceVersion")));
        }
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let request = Self::requests(&key.namespace).replace(&key.name, &parameters, body(secret)?);
        let answer = self.send(request.map_err(|error| unsendable(&error))?).await?;
        answer.map_err(|status| secret_refusal(&key, &status))
    }

    async fn delete_secret(&self, secret: &Secret) -> Result<(), ClusterError> {
        let key = NamespacedName::of(secret);
        let preconditions = Preconditions { uid: secret.uid(), resource_version: secret.resource_version() };
        let parameters = DeleteParams::default().preconditions(preconditions);
        let request = Self::requests(&key.namespace).delete(&key.name, &parameters);
        // The answer is a Secret or a status.
        let request = request.map_err(|error| unsendable(&error))?;
        match answer(self.timeout, self.client.request_text(request)).await? {
            Ok(_) => Ok(()),
            Err(status) if is_missing(&status) => Ok(()),
            Err(status) => Err(secret_refusal(&key, &status)),
        }
    }
}

/// No value of the Secret may get into an error, so the cause is left out.
fn body(secret: &Secret) -> Result<Vec<u8>, ClusterError> {
    serde_json::to_vec(secret).map_err(|_| {
        ClusterError::Invalid(format!("the Secret {} cannot be written as JSON", NamespacedName::of(secret)))
    })
}

/// Leaves out the message: the API server or a webhook may quote a value in it.
fn secret_refusal(key: &NamespacedName, status: &Status) -> ClusterError {
    let message = format!("the Secret {key}: {} {}", status.code, status.reason);
    refusal(&Status { message, ..status.clone() })
}
