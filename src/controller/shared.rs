//! What the reconcilers of all kinds share, once per process.

use std::sync::Arc;

use super::{
    account_limits::AccountLimits,
    accounts::{ClientFactory, CredentialsCache, Endpoints, OwnCredentials},
    detail_cache::DetailCache,
    event_sink::EventSink,
    ids::ObjectId,
    links::LinkIndex,
    ports::PinApi,
    projects::Projects,
    random::Random,
    record_lists::RecordLists,
    write_guard::WriteGuard,
};
use crate::{
    clock::Clock,
    dcs::model::{BackupRecord, RestoreRecord},
    formats::HashKey,
    inventory::Inventory,
    plan::instance::observed::PlannerSettings,
};

/// What the reconcilers of all kinds share. A kind adds its objects, their local states, and its part of the
/// [`Reconciler`](super::Reconciler).
pub struct Shared<S, N: ClientFactory> {
    /// The Secrets in Kubernetes.
    pub secrets: S,
    /// Makes clients for accounts.
    pub client_factory: N,
    /// The lists of each account, and the request budgets.
    pub inventory: Inventory<N::Cloud, ObjectId>,
    /// Which objects refer to what, and which claim an instance.
    pub links: Arc<LinkIndex>,
    /// The lists of backups.
    pub backup_lists: RecordLists<BackupRecord>,
    /// Details of instances that were read a moment ago.
    pub details: DetailCache,
    /// The lists of restores.
    pub restore_lists: RecordLists<RestoreRecord>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What keeps an instance from being deleted.
    pub pins: Arc<dyn PinApi>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// The key of hashes of secrets.
    pub hash_key: HashKey,
    /// The identity of the cluster in ownership tags: the uid of namespace kube-system, unless configured otherwise.
    pub cluster_id: String,
    /// The settings of the planners.
    pub settings: PlannerSettings,
    /// The endpoints that credentials may name.
    pub endpoints: Endpoints,
    /// The operator's own credentials, if it has any.
    pub own_credentials: Option<OwnCredentials>,
    /// Whether this process may change the cloud.
    pub write_guard: Arc<dyn WriteGuard>,
    /// Receives transitions and cloud actions.
    pub event_sink: Arc<dyn EventSink>,
    /// Credentials that were read.
    pub credentials_cache: CredentialsCache,
    /// Projects that were looked up.
    pub projects: Projects,
    /// Limits that accounts have reached.
    pub account_limits: AccountLimits,
}
