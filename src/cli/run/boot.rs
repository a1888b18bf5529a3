//! Startup: the identity of the process, its client of the API server, and what it reads from the cluster.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        CustomResourceDefinition, CustomResourceDefinitionCondition,
    },
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ObjectMeta, PostParams},
};

use super::{definition, flags::RunArgs, proxy};
use crate::{
    cli::Failure,
    clock::Clock,
    controller::{NoRandomness, Random, SystemRandom, WatchHealth},
    formats::HashKey,
};

/// File with the namespace of the pod.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const DEFAULT_NAMESPACE: &str = "dcs-operator-system";
/// Secret with the key of the hashes in status.
const HASH_KEY_SECRET: &str = "dcs-operator-hash-key";
const HASH_KEY: &str = "key";
/// Delay between attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Timeout of one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Upper bound of the connect timeout.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One of this many failed attempts is logged.
const LOG_EVERY: u32 = 15;

/// Identity of this process: --identity, name and uid of the pod, or random.
pub(super) fn identity(args: &RunArgs) -> Result<String, Failure> {
    if let Some(identity) = args.leader.identity.clone().filter(|identity| !identity.is_empty()) {
        return Ok(identity);
    }
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(name), Some(uid)) = (set("POD_NAME"), set("POD_UID")) {
        return Ok(format!("{name}_{uid}"));
    }
    Ok(format!("dcs-operator-{}", nonce()?))
}

/// Whether no other running process can have this identity: containers of one pod follow each other.
pub(super) fn is_identity_unique(args: &RunArgs) -> bool {
    args.leader.identity.as_deref().unwrap_or_default().is_empty()
}

/// A random word.
pub(super) fn nonce() -> Result<String, Failure> {
    let random = SystemRandom.bytes().map_err(|error: NoRandomness| Failure::Usage(error.to_string()))?;
    Ok(random.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Namespace of the operator.
pub(super) fn namespace(args: &RunArgs) -> String {
    let of_pod = || std::fs::read_to_string(POD_NAMESPACE).ok().map(|text| text.trim().to_owned());
    args.namespace
        .clone()
        .or_else(of_pod)
        .filter(|name| !name.is_empty())
        .unwrap_or(DEFAULT_NAMESPACE.to_owned())
}

/// A client of the API server without retries of its own: the callers decide what is retried.
pub(super) async fn client(args: &RunArgs, health: WatchHealth) -> Result<Client, Failure> {
    let usage = |error: String| {
        Failure::Usage(format!(
            "cannot find the cluster: {error}; set KUBECONFIG, or run in a pod with a service account"
        ))
    };
    let mut config = Config::infer().await.map_err(|error| usage(error.to_string()))?;
    config.default_retry = false;
    config.connect_timeout = Some(args.kubernetes.kubernetes_timeout.min(MAX_CONNECT_TIMEOUT));
    if let Some(proxy) = config.proxy_url.take().filter(|_| !proxy::is_bypassed(&config.cluster_url)) {
        return Err(usage(format!(
            "its API server would be reached through the proxy {}, which the operator does not support: add {} to NO_PROXY",
            proxy.host().unwrap_or_default(),
            config.cluster_url.host().unwrap_or_default()
        )));
    }
    args.timeouts().deadlines().client(config, health).map_err(|error| usage(error.to_string()))
}

/// Waits until the API server serves every kind.
pub(super) async fn await_definitions(client: &Client, clock: &dyn Clock) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for own in crate::api::crds() {
        let name = own.name_any();
        retry_until_ok(clock, async || {
            let found = api.get_opt(&name).await.map_err(|error| error.to_string())?;
            let Some(found) = found else {
                return Err(format!(
                    "the CustomResourceDefinition {name} is missing; run: dcs-operator crds | kubectl apply --server-side -f -"
                ));
            };
            let status = found.status.as_ref();
            let conditions = status.and_then(|status| status.conditions.clone()).unwrap_or_default();
            let is_established = |found: &CustomResourceDefinitionCondition| {
                found.type_ == "Established" && found.status == "True"
            };
            if !conditions.iter().any(is_established) {
                return Err(format!("{name} is not established yet"));
            }
            warn_of_gaps(&own, &found);
            Ok(())
        })
        .await;
    }
}

/// The definition is older than this version: it serves until something is written that it does not know.
fn warn_of_gaps(own: &CustomResourceDefinition, found: &CustomResourceDefinition) {
    let gaps = definition::gaps(own, found);
    if !gaps.is_empty() {
        tracing::warn!(
            "the CustomResourceDefinition {} in the cluster is older than this operator, and lacks {}; run: \
             dcs-operator crds | kubectl apply --server-side -f -",
            own.name_any(),
            definition::shown(&gaps)
        );
    }
}

/// `chosen`, or the uid of namespace kube-system.
pub(super) async fn cluster_id(client: &Client, chosen: Option<&str>, clock: &dyn Clock) -> String {
    if let Some(chosen) = chosen {
        return chosen.to_owned();
    }
    let api: Api<Namespace> = Api::all(client.clone());
    retry_until_ok(clock, async || {
        let found = api.get("kube-system").await.map_err(|error| error.to_string())?;
        found.uid().ok_or_else(|| "namespace kube-system has no uid".to_owned())
    })
    .await
}

/// Reads the key of the hashes in status, or creates it. It stays the same, because hashes are compared across
/// restarts.
pub(super) async fn hash_key(
    client: &Client,
    namespace: &str,
    random: &dyn Random,
    clock: &dyn Clock,
) -> Result<HashKey, Failure> {
    let generated = random.bytes().map_err(|error| Failure::Usage(error.to_string()))?;
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let key = retry_until_ok(clock, async || {
        // The message of the API server may quote the key.
        let shown = |error: kube::Error| match error {
            kube::Error::Api(status) => format!("{} {}", status.code, status.reason),
            error => error.to_string(),
        };
        let name = || format!("Secret {namespace}/{HASH_KEY_SECRET}");
        let found =
            api.get_opt(HASH_KEY_SECRET).await.map_err(|error| format!("{}: {}", name(), shown(error)))?;
        let secret = match found {
            Some(secret) => secret,
            None => {
                let secret = Secret {
                    metadata: ObjectMeta { name: Some(HASH_KEY_SECRET.to_owned()), ..ObjectMeta::default() },
                    data: Some(BTreeMap::from([(HASH_KEY.to_owned(), ByteString(generated.to_vec()))])),
                    ..Secret::default()
                };
                let created = api.create(&PostParams::default(), &secret).await;
                created.map_err(|error| format!("{}: {}", name(), shown(error)))?
            }
        };
        let key = secret.data.and_then(|mut data| data.remove(HASH_KEY)).filter(|key| key.0.len() >= 32);
        key.ok_or_else(|| {
            format!(
                "{} has no key of 32 bytes or more; delete it, and the operator creates a new one",
                name()
            )
        })
    })
    .await;
    Ok(HashKey::new(key.0))
}

/// Repeats `attempt` until it succeeds, and logs some of its errors.
async fn retry_until_ok<T>(clock: &dyn Clock, attempt: impl AsyncFn() -> Result<T, String>) -> T {
    let mut tries = 0_u32;
    loop {
        let problem = match tokio::time::timeout(TIMEOUT, attempt()).await {
            Ok(Ok(done)) => return done,
            Ok(Err(problem)) => problem,
            Err(_) => format!("no response from the API server within {} s", TIMEOUT.as_secs()),
        };
        if tries.is_multiple_of(LOG_EVERY) {
            tracing::warn!("waiting for the cluster: {problem}");
        }
        tries = tries.saturating_add(1);
        clock.sleep(RETRY_INTERVAL).await;
    }
}
