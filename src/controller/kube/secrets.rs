//! Secrets over kube's client, read one by one: the watch holds only their metadata.

use std::time::Duration;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Client, Resource, ResourceExt,
    api::{DeleteParams, GetParams, PartialObjectMeta, PostParams, Preconditions},
    core::{Request, Status},
    runtime::reflector::{ObjectRef, Store},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::{answer, found, is_missing, refusal, unreadable, unsendable};
use crate::{
    controller::{
        ids::NamespacedName,
        ports::{ClusterError, SecretApi},
    },
    dcs::model::text,
    formats::FIELD_MANAGER,
};

/// The longest shown message of a refusal.
const MAX_REFUSAL: usize = 512;
/// So many characters in a row of a value are a quotation of it.
const MIN_QUOTE: usize = 6;
/// Keys of a binding Secret whose values are no secret.
const PUBLIC_KEYS: [&str; 5] = ["type", "provider", "host", "port", "read-host"];

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
        answer.map_err(|status| secret_refusal(secret, &status))
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
        answer.map_err(|status| secret_refusal(secret, &status))
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
            Err(status) => Err(secret_refusal(secret, &status)),
        }
    }
}

/// No value of the Secret may get into an error, so the cause is left out.
fn body(secret: &Secret) -> Result<Vec<u8>, ClusterError> {
    serde_json::to_vec(secret).map_err(|_| {
        ClusterError::Invalid(format!("the Secret {} cannot be written as JSON", NamespacedName::of(secret)))
    })
}

/// The refusal of a write. Its message is left out where it may quote a value: a policy or a webhook may have written it.
fn secret_refusal(secret: &Secret, status: &Status) -> ClusterError {
    let why = if quotes_a_value(secret, &status.message) {
        "its message is not shown, since it may quote the Secret".to_owned()
    } else {
        text::bounded(&status.message, MAX_REFUSAL)
    };
    let message = format!("{}: {why} ({} {})", NamespacedName::of(secret), status.code, status.reason);
    refusal(&Status { message, ..status.clone() })
}

/// Whether a text may hold a part of a value of the Secret: as it is, in base64, or as it stands in an address. What a
/// Secret without values holds is not known.
fn quotes_a_value(secret: &Secret, message: &str) -> bool {
    let Some(data) = &secret.data else { return true };
    let forms = data.iter().flat_map(|(key, value)| {
        let encoded = serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned()));
        let is_address = key == "uri";
        let plain = String::from_utf8_lossy(&value.0).into_owned();
        let escaped = utf8_percent_encode(&plain, NON_ALPHANUMERIC).to_string();
        let shown = PUBLIC_KEYS.contains(&key.as_str());
        // The rest of an address is no secret.
        let plain = (!is_address).then_some([plain, escaped]);
        encoded.into_iter().chain(plain.into_iter().flatten()).filter(move |_| !shown)
    });
    let mut forms = forms.map(|form| form.chars().collect::<Vec<_>>());
    forms.any(|form| {
        let length = MIN_QUOTE.min(form.len());
        length > 0 && form.windows(length).any(|run| message.contains(&run.iter().collect::<String>()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn a_refusal_says_why_and_quotes_no_value() {
        let uri = "redis://:Pass%2Dw0rd%21x@10.0.0.1:6379";
        let values = [("password", "Pass-w0rd!x"), ("uri", uri), ("host", "10.0.0.1"), ("type", "redis")];
        let values = values.map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())));
        let secret = Secret {
            metadata: ObjectMeta { name: Some("sessions-redis".to_owned()), ..ObjectMeta::default() },
            data: Some(BTreeMap::from(values)),
            ..Secret::default()
        };
        let refused = |secret: &Secret, message: &str| {
            secret_refusal(secret, &Status::failure(message, "Invalid").with_code(422)).to_string()
        };
        for plain in [
            "Secret \"sessions-redis\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
            "ValidatingAdmissionPolicy 'deny' denied request: company policy 42, host 10.0.0.1, type redis",
        ] {
            assert!(refused(&secret, plain).contains(plain), "{plain}");
        }
        for quoting in ["got Pass-w0", "got Pass%2Dw0", "got UGFzcy13MHJkIXg=", "got cmVkaXM6Ly86UGFz"] {
            let shown = refused(&secret, quoting);
            assert!(shown.contains("not shown") && !shown.contains("got"), "{shown}");
        }
        assert!(refused(&Secret { data: None, ..secret }, "whatever").contains("not shown"));
    }
}
