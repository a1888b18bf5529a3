//! The reconciler of DcsInstances, and what it keeps per object.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use secrecy::SecretString;

use crate::{
    api::DcsInstance,
    controller::{
        accounts::ClientFactory, local_state::LocalStateStore, reconciler::ReconcileContext, shared::Shared,
    },
    plan::instance::{Observed, local::LocalState, secrets::Source},
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
    /// The version of a Secret with the name that earlier versions used for a pending password: it needs no attention.
    pub(super) settled_legacy: Option<String>,
    /// The last writes of this process to the object's Secrets, by name, until the watch shows them.
    pub(super) own: BTreeMap<String, OwnSecret>,
    /// The record as this process last wrote it, until the binding Secret is made from it.
    pub(super) record: Option<KeptSecret>,
}

/// A write of this process to a Secret.
#[derive(Debug, Clone)]
pub(super) struct OwnSecret {
    /// The Secret as written; `None` if it was deleted.
    pub(super) metadata: Option<ObjectMeta>,
    /// The version that was deleted.
    pub(super) deleted: String,
    /// When.
    pub(super) at: Duration,
}

/// A Secret in memory. Its values are not part of `Debug`.
#[derive(Clone)]
pub(super) struct KeptSecret(pub(super) Box<Secret>);

/// What only executing a step needs.
#[derive(Default)]
pub struct Scratch {
    /// The password for a new instance, once it was looked up.
    pub(super) password: Option<SecretString>,
    /// The record, once it was read.
    pub(super) record: Option<Secret>,
    /// The password in the user's Secret, once it was read.
    pub(super) chosen: Option<(SecretString, Source)>,
    /// The password that another Secret of the object than the record holds.
    pub(super) found: Option<SecretString>,
    /// The binding Secret to write, once it was compared.
    pub(super) binding: Option<BindingDraft>,
}

/// The binding Secret to write.
pub(super) struct BindingDraft {
    pub(super) secret: Secret,
    /// The version of the record that it is made from.
    pub(super) record: String,
}

/// The context of a reconcile.
pub(super) type Context<C> = ReconcileContext<DcsInstance, C, Observed, Scratch>;

// === impl InstanceLocalState ===

impl InstanceLocalState {
    /// Drops what is remembered of writes to a Secret. An emptied map would keep its memory.
    pub(super) fn forget_own(&mut self, name: &str) {
        self.own.remove(name);
        if self.own.is_empty() {
            self.own = BTreeMap::new();
        }
    }
}

// === impl KeptSecret ===

impl fmt::Debug for KeptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptSecret(…)")
    }
}
