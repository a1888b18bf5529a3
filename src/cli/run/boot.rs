//! What has to be known before anything can run.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ObjectMeta, PostParams},
};

use super::flags::RunArgs;
use crate::{
    cli::Failure,
    clock::Clock,
    controller::SystemRandom,
    controller::instance::{NoRandomness, Random},
    formats::HashKey,
};

/// Where a pod finds its namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const DEFAULT_NAMESPACE: &str = "dcs-operator-system";
const DEFINITION: &str = "dcsinstances.dcs.huaweicloud.com";
/// The Secret with the key of the hashes in status.
const HASH_KEY_SECRET: &str = "dcs-operator-hash-key";
const HASH_KEY: &str = "key";
/// Between tries.
const AGAIN: Duration = Duration::from_secs(2);
/// No healthy answer takes this long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of an answer's time, what a connection may take.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// Between words about the same trouble, in tries.
const TOLD_EVERY: u32 = 15;

/// Who this process is: a pod, or by chance.
pub(super) fn identity(args: &RunArgs) -> Result<String, Failure> {
    if let Some(identity) = args.leader.identity.clone().filter(|identity| !identity.is_empty()) {
        return Ok(identity);
    }
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(name), Some(uid)) = (set("POD_NAME"), set("POD_UID")) {
        return Ok(format!("{name}_{uid}"));
    }
    let random = SystemRandom.bytes().map_err(|error: NoRandomness| Failure::Usage(error.to_string()))?;
    let random: String = random.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("dcs-operator-{random}"))
}

/// The operator's own namespace.
pub(super) fn namespace(args: &RunArgs) -> String {
    let of_pod = || std::fs::read_to_string(POD_NAMESPACE).ok().map(|text| text.trim().to_owned());
    args.namespace
        .clone()
        .or_else(of_pod)
        .filter(|name| !name.is_empty())
        .unwrap_or(DEFAULT_NAMESPACE.to_owned())
}

/// A client of the cluster that repeats nothing by itself: what is tried again is decided here.
pub(super) async fn client(args: &RunArgs) -> Result<Client, Failure> {
    let usage = |error: String| {
        Failure::Usage(format!("no cluster: {error}; set KUBECONFIG, or run in a pod with a service account"))
    };
    let mut config = Config::infer().await.map_err(|error| usage(error.to_string()))?;
    config.default_retry = false;
    config.connect_timeout = Some(args.kubernetes.kubernetes_timeout.min(LONGEST_CONNECT));
    Client::try_from(config).map_err(|error| usage(error.to_string()))
}

/// Waits until the API server serves DcsInstances.
pub(super) async fn await_definition(client: &Client, clock: &dyn Clock) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    retry_until_ok(clock, async || {
        let found = api.get_opt(DEFINITION).await.map_err(|error| error.to_string())?;
        let Some(found) = found else {
            return Err(format!(
                "the CustomResourceDefinition {DEFINITION} is missing: dcs-operator crds | kubectl apply --server-side -f -"
            ));
        };
        let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
        let established = |condition: &str| {
            conditions.iter().any(|found| found.type_ == condition && found.status == "True")
        };
        if established("Established") { Ok(()) } else { Err(format!("{DEFINITION} is not established yet")) }
    })
    .await;
}

/// The uid of kube-system, or what was chosen.
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

/// The key of the hashes in status: made once, and the same for as long as they are to be compared.
pub(super) async fn hash_key(
    client: &Client,
    namespace: &str,
    random: &dyn Random,
    clock: &dyn Clock,
) -> Result<HashKey, Failure> {
    let made = random.bytes().map_err(|error| Failure::Usage(error.to_string()))?;
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let key = retry_until_ok(clock, async || {
        // What the API server quotes in a refusal must not have the key in it.
        let shown = |error: kube::Error| match error {
            kube::Error::Api(status) => format!("{} {}", status.code, status.reason),
            error => error.to_string(),
        };
        let at = || format!("Secret {namespace}/{HASH_KEY_SECRET}");
        let found =
            api.get_opt(HASH_KEY_SECRET).await.map_err(|error| format!("{}: {}", at(), shown(error)))?;
        let secret = match found {
            Some(secret) => secret,
            None => {
                let secret = Secret {
                    metadata: ObjectMeta { name: Some(HASH_KEY_SECRET.to_owned()), ..ObjectMeta::default() },
                    data: Some(BTreeMap::from([(HASH_KEY.to_owned(), ByteString(made.to_vec()))])),
                    ..Secret::default()
                };
                let created = api.create(&PostParams::default(), &secret).await;
                created.map_err(|error| format!("{}: {}", at(), shown(error)))?
            }
        };
        let key = secret.data.and_then(|mut data| data.remove(HASH_KEY)).filter(|key| key.0.len() >= 32);
        key.ok_or_else(|| {
            format!("{} has no key of 32 bytes or more: delete it to have a new one made", at())
        })
    })
    .await;
    Ok(HashKey::new(key.0))
}

/// Tries until it works, and says now and then why it does not.
async fn retry_until_ok<T>(clock: &dyn Clock, attempt: impl AsyncFn() -> Result<T, String>) -> T {
    let mut tries = 0_u32;
    loop {
        let problem = match tokio::time::timeout(TIMEOUT, attempt()).await {
            Ok(Ok(done)) => return done,
            Ok(Err(problem)) => problem,
            Err(_) => format!("no answer from the API server within {} s", TIMEOUT.as_secs()),
        };
        if tries.is_multiple_of(TOLD_EVERY) {
            tracing::warn!("waiting: {problem}");
        }
        tries = tries.saturating_add(1);
        clock.sleep(AGAIN).await;
    }
}
