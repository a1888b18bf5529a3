//! Removes the in-use finalizer from Secrets with credentials once no object of any kind uses them.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt, api::ListParams, core::DeserializeGuard};
use url::Url;

use super::{
    answer::{answer, refusal},
    secrets::KubeSecrets,
    watch::Watches,
};
use crate::{
    api::instance::CloudAccount,
    controller::{
        ids::NamespacedName,
        ports::{ClusterError, ManagedResource, SecretApi, has_finalizer},
    },
    formats::IN_USE_FINALIZER,
};

/// Whether an object of one kind uses the credentials in a Secret, by a live list.
pub(super) type UsesCredentials =
    Box<dyn Fn(Secret) -> BoxFuture<'static, Result<bool, ClusterError>> + Send + Sync>;

/// The check for one kind.
pub(super) fn uses_credentials<K: ManagedResource>(client: Client, timeout: Duration) -> UsesCredentials {
    Box::new(move |secret| {
        let key = NamespacedName::of(&secret);
        let api: Api<DeserializeGuard<K>> = Api::namespaced(client.clone(), &key.namespace);
        Box::pin(async move {
            let listed = answer(timeout, api.list(&ListParams::default())).await?;
            let objects = listed.map_err(|status| refusal(&status))?.items;
            let uses = |object: &DeserializeGuard<K>| {
                object.0.as_ref().is_ok_and(|object| {
                    object.holds_credentials()
                        && object.credentials_secret() == key
                        && !leads_elsewhere(&secret, object.recorded_account())
                })
            };
            if objects.iter().any(uses) {
                return Ok(true);
            }
            // An unreadable object may use it. No watch reports when that changes.
            if objects.iter().any(|object| object.0.is_err()) {
                let kind = K::KIND;
                return Err(ClusterError::Unavailable(format!("a {kind} of its namespace cannot be read")));
            }
            Ok(false)
        })
    })
}

/// Whether the credentials lead to another account than the one in which an object has something. Such an object does
/// not use them.
fn leads_elsewhere(secret: &Secret, recorded: Option<&CloudAccount>) -> bool {
    let Some(CloudAccount { region, project_id, endpoint }) = recorded else { return false };
    let value = |key: &str| {
        let value = secret.data.as_ref()?.get(key)?;
        std::str::from_utf8(&value.0).ok().map(str::trim).filter(|text| !text.is_empty())
    };
    let url = |text: &str| Url::parse(text).ok();
    let differs = |key: &str, recorded: &Option<String>| {
        recorded.as_deref().zip(value(key)).is_some_and(|(recorded, own)| recorded != own)
    };
    let other_endpoint = endpoint
        .as_deref()
        .zip(value("endpoint"))
        .is_some_and(|(recorded, own)| url(recorded).is_some() && url(recorded) != url(own));
    differs("region", region) || differs("projectId", project_id) || other_endpoint
}

/// Checks every Secret that may have lost its last user, for as long as it runs.
pub(super) async fn release_credentials(
    watches: Arc<Watches>,
    secrets: KubeSecrets,
    kinds: Vec<UsesCredentials>,
) {
    // Before all objects of all kinds were seen, every Secret seems to be unused.
    watches.synced.cancelled().await;
    loop {
        let secret = watches.released.next().await;
        if let Err(error) = release(&watches, &secrets, &kinds, &secret).await {
            tracing::debug!(%secret, %error, "the in-use finalizer cannot be removed yet");
            let (queue, delay) = (watches.released.clone(), watches.timeouts.max_backoff);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                queue.wake(secret);
            });
        }
    }
}

/// Removes the finalizer if the API server itself, not only a watch, lists no user of any kind.
async fn release(
    watches: &Watches,
    secrets: &KubeSecrets,
    kinds: &[UsesCredentials],
    key: &NamespacedName,
) -> Result<(), ClusterError> {
    let Some(mut secret) =
        secrets.get_secret(key).await?.filter(|secret| has_finalizer(secret, IN_USE_FINALIZER))
    else {
        return Ok(());
    };
    if secret.metadata.deletion_timestamp.is_none() && !watches.is_unused(key) {
        return Ok(());
    }
    for uses in kinds {
        if uses(secret.clone()).await? {
            return Ok(());
        }
    }
    // An object created since the lists, which saw the finalizer, is woken by this write and adds it again.
    secret.finalizers_mut().retain(|finalizer| finalizer != IN_USE_FINALIZER);
    match secrets.replace_secret(&secret).await {
        Ok(_) | Err(ClusterError::Gone) => {
            tracing::info!(secret = %key, "no object uses the Secret; its in-use finalizer is removed");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
