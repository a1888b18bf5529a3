//! The reconciler of DcsInstances, and what it keeps per object.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

use crate::{
    api::DcsInstance,
    controller::{
        accounts::ClientFactory, local_state::LocalStateStore, reconciler::ReconcileContext, shared::Shared,
    },
    plan::instance::{Observed, observed::LocalState},
};

/// The reconciler of DcsInstances.
pub struct Instances<O, S, N: ClientFactory> {
    /// The objects in Kubernetes.
    pub objects: O,
    /// What all kinds share.
    pub shared: Arc<Shared<S, N>>,
    /// What the process keeps per object.
    pub local_states: LocalStateStore<DcsInstance, InstanceLocalState>,
}

/// What the process keeps per DcsInstance.
#[derive(Debug, Clone, Default)]
pub struct InstanceLocalState {
    /// What plans may rest on.
    pub(super) local: LocalState,
    /// The version of the Secret with the pending password that was deleted, or has to stay.
    pub(super) settled_pending: Option<String>,
    /// Secrets that exist, since this process created them, though the watch need not show them yet.
    pub(super) created_secrets: BTreeSet<String>,
}

/// What only executing a step needs.
#[derive(Default)]
pub struct Scratch {
    /// The password for a new instance, once it was looked up.
    pub(super) password: Option<SecretString>,
    /// The binding Secret to write, once it was compared.
    pub(super) binding: Option<BindingDraft>,
}

/// The binding Secret to write.
pub(super) struct BindingDraft {
    pub(super) secret: Secret,
    /// Whether it replaces one.
    pub(super) replaces: bool,
    /// The Secret with the pending password, which is deleted once this one is written.
    pub(super) superseded: Option<Secret>,
}

/// The context of a reconcile.
pub(super) type Context<C> = ReconcileContext<DcsInstance, C, Observed, Scratch>;
