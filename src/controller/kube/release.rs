//! Lets Secrets with credentials go once nobody needs them any more.

use std::sync::Arc;

use kube::{Api, Client, ResourceExt, api::ListParams, core::DeserializeGuard};

use super::{KubeSecrets, answer, refusal, watch::Watches};
use crate::{
    api::DcsInstance,
    controller::{
        instance::credentials::credentials_secret,
        ports::{ClusterError, NamespacedName, SecretApi},
        reconcile::has_finalizer,
    },
    formats::IN_USE_FINALIZER,
};

/// Looks at every Secret that nobody may need any more, for as long as it runs.
pub(super) async fn release_credentials(watches: Arc<Watches>, secrets: KubeSecrets) {
    // Before all objects were seen, every Secret seems to be unused.
    watches.seen.cancelled().await;
    loop {
        let key = watches.released.next().await;
        if !watches.is_unused(&key) {
            continue;
        }
        if let Err(error) = release(&watches.client, &secrets, &key).await {
            tracing::debug!(secret = %key, %error, "the Secret cannot be let go yet");
            let (queue, gap) = (watches.released.clone(), watches.timeouts.max_backoff);
            tokio::spawn(async move {
                tokio::time::sleep(gap).await;
                queue.wake(key);
            });
        }
    }
}

/// Takes our finalizer off, if the API server itself, and not only a watch, shows nobody who needs the Secret.
async fn release(client: &Client, secrets: &KubeSecrets, key: &NamespacedName) -> Result<(), ClusterError> {
    let Some(mut secret) =
        secrets.get_secret(key).await?.filter(|secret| has_finalizer(secret, IN_USE_FINALIZER))
    else {
        return Ok(());
    };
    let instances: Api<DeserializeGuard<DcsInstance>> = Api::namespaced(client.clone(), &key.namespace);
    let listed = answer(secrets.timeout, instances.list(&ListParams::default()))
        .await?
        .map_err(|status| refusal(&status))?;
    let needs = |object: &DeserializeGuard<DcsInstance>| {
        object.0.as_ref().is_ok_and(|object| credentials_secret(&object.spec) == key.name)
    };
    if listed.items.iter().any(needs) {
        return Ok(());
    }
    // What cannot be read may need it. Nobody tells when that changes.
    if listed.items.iter().any(|object| object.0.is_err()) {
        return Err(ClusterError::Unavailable("an object of its namespace cannot be read".to_owned()));
    }
    // An object that came since the list, and saw the Secret held, is woken by this and holds it again.
    secret.finalizers_mut().retain(|finalizer| finalizer != IN_USE_FINALIZER);
    match secrets.replace_secret(&secret).await {
        Ok(_) | Err(ClusterError::Gone) => {
            tracing::info!(secret = %key, "nobody needs the Secret any more; it can go");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
