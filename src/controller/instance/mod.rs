//! DcsInstance: what is gathered, and how a step is carried out.

mod binding;
pub mod credentials;
mod gather;
mod lookup;
mod reconciler;
mod secret;
mod send;

use std::sync::Arc;

use secrecy::SecretString;

use self::{
    binding::Draft,
    credentials::{CredentialsCache, OwnCredentials},
};
use super::{
    account::ClientFactory,
    endpoints::Endpoints,
    event_sink::EventSink,
    local_state::LocalStateStore,
    ports::{NamespacedName, ObjectApi, SecretApi},
    projects::Projects,
    write_guard::WriteGuard,
};
use crate::{
    api::DcsInstance,
    clock::Clock,
    formats::HashKey,
    inventory::{AccountKey, Inventory},
    plan::instance::{
        ChangeOutcome, Observed,
        observed::{LocalState, PlannerSettings},
    },
};

/// Everything that passes over DcsInstances need.
pub struct Instances<O, S, N: ClientFactory> {
    /// The objects in Kubernetes.
    pub objects: O,
    /// The Secrets in Kubernetes.
    pub secrets: S,
    /// Makes clients for accounts.
    pub connect: N,
    /// Sees the instances.
    pub inventory: Inventory<N::Cloud, NamespacedName>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where random bytes come from.
    pub random: Arc<dyn Random>,
    /// What hashes of secrets are made with.
    pub hash_key: HashKey,
    /// Which cluster this is, in marks: the uid of its namespace kube-system, unless chosen otherwise.
    pub cluster_id: String,
    /// How the operator is set up.
    pub settings: PlannerSettings,
    /// Where credentials may lead.
    pub endpoints: Endpoints,
    /// The operator's own credentials, if it has any.
    pub own_credentials: Option<OwnCredentials>,
    /// Whether this process may change the cloud.
    pub write_guard: Arc<dyn WriteGuard>,
    /// Is told what happens.
    pub event_sink: Arc<dyn EventSink>,
    /// Credentials that were read.
    pub credentials_cache: CredentialsCache,
    /// Projects that were looked up.
    pub projects: Projects,
    /// What is remembered of the objects.
    pub local_states: LocalStateStore<DcsInstance, InstanceLocalState>,
}

/// Where random bytes come from; tests make their own.
pub trait Random: Send + Sync {
    /// 32 bytes that nobody can guess.
    ///
    /// # Errors
    /// Where the system has none to give.
    fn bytes(&self) -> Result<[u8; 32], NoRandomness>;
}

/// The system has no random bytes to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

/// The system's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

/// What is remembered of an object from pass to pass.
#[derive(Debug, Clone, Default)]
pub struct InstanceLocalState {
    /// What plans may rest on.
    local: LocalState,
    /// When this process first saw it, once it has.
    seen: bool,
    /// The attempt that `local.intent_seen` is about.
    attempt: Option<Attempt>,
    /// What became of it, until that is written down.
    outcome: Option<ChangeOutcome>,
    /// The attempt that was to be written down last, if the API server did not confirm that: it was not made.
    unconfirmed: Option<Attempt>,
    /// The version of the Secret with the unpublished password that was dropped, or has to stay.
    settled_pending: Option<String>,
    /// Whether there is a Secret with a new password, though the watch need not show it yet.
    made_password: bool,
    /// The same of the binding Secret.
    made_binding: bool,
}

/// Which attempt: no two in the life of an object are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    process: Option<String>,
    at: Option<i64>,
    generation: Option<i64>,
    attempt: i32,
    operation: String,
    instance: Option<String>,
}

/// Everything that a pass knows.
pub struct ReconcileContext<C> {
    pub(super) observed: Observed,
    pub(super) object: Arc<DcsInstance>,
    /// The account and the way to it, where the credentials lead anywhere.
    pub(super) cloud: Option<(AccountKey, Arc<C>)>,
    /// The password for a new instance, once it was looked up.
    pub(super) password: Option<SecretString>,
    /// The binding Secret, once it was compared and is to be written.
    binding: Option<Draft>,
}

// === impl SystemRandom ===

impl Random for SystemRandom {
    fn bytes(&self) -> Result<[u8; 32], NoRandomness> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }
}

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// The name that the budget knows an object by.
    pub(super) fn budget_key(key: &NamespacedName) -> String {
        format!("DcsInstance/{key}")
    }
}
