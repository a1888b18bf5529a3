//! What a kind adds to the generic reconcile.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    accounts::{ClientFactory, CredentialsChoice},
    calls::RetryAt,
    local_state::LocalStateStore,
    ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
    shared::Shared,
};
use crate::{
    dcs::Error,
    inventory::{AccountKey, AccountSnapshot, Subscription},
    plan::{
        Blocker, Plan,
        instance::{lists::AccountLimit, observed::ResolvedAccount},
        operation::{Creation, MutatingAction},
    },
};

/// The status of a kind.
pub type StatusOf<T> = <<T as Reconciler>::Object as ManagedResource>::Status;

/// The client for the cloud.
pub type CloudOf<T> = <<T as Reconciler>::Clients as ClientFactory>::Cloud;

/// The plan of a kind.
pub type PlanOf<T> = Plan<
    StatusOf<T>,
    <T as Reconciler>::Lookup,
    <T as Reconciler>::KubeAction,
    <T as Reconciler>::CloudAction,
>;

/// The context of a reconcile of a kind.
pub type ContextOf<T> = ReconcileContext<
    <T as Reconciler>::Object,
    CloudOf<T>,
    <T as Reconciler>::Observed,
    <T as Reconciler>::Scratch,
>;

/// What a kind adds to the reconcile. It decides nothing: its planner does.
pub trait Reconciler: Send + Sync + Sized {
    /// The objects.
    type Object: ManagedResource;
    /// The Secrets in Kubernetes.
    type Secrets: SecretApi;
    /// Makes clients for accounts.
    type Clients: ClientFactory;
    /// What its planner decides from.
    type Observed: ObservedState<StatusOf<Self>>;
    /// What lookups find and only executing needs, such as a password.
    type Scratch: Default + Send + Sync;
    /// What the process keeps per object, besides what it keeps for every kind.
    type LocalState: Default + Clone + Send;
    /// A read that a plan asks for.
    type Lookup: Send + Sync;
    /// A write to Kubernetes that a plan asks for.
    type KubeAction: Send + Sync;
    /// A mutating call that a plan asks for.
    type CloudAction: MutatingAction + Send + Sync;

    /// The finalizer of its objects while something of theirs may be in the cloud.
    const FINALIZER: &'static str;

    /// What all kinds share.
    fn shared(&self) -> &Shared<Self::Secrets, Self::Clients>;
    /// The objects in Kubernetes.
    fn objects(&self) -> &impl ObjectApi<Self::Object>;
    /// Their local state.
    fn local_states(&self) -> &LocalStateStore<Self::Object, Self::LocalState>;

    /// The Secret that an object takes its credentials from; `None` if it needs no account.
    fn credentials(&self, object: &Self::Object) -> Option<CredentialsChoice> {
        Some(CredentialsChoice::of(object))
    }

    /// Puts together what the planner decides from.
    fn observe(&self, known: Known<Self>) -> Self::Observed;
    /// Decides. Pure.
    fn plan(&self, observed: &Self::Observed) -> PlanOf<Self>;
    /// What to wake the object for.
    fn subscription(&self, observed: &Self::Observed, plan: &PlanOf<Self>) -> Subscription;
    /// Reads something. The result, or the failure, goes into the context.
    fn lookup(
        &self,
        context: &mut ContextOf<Self>,
        lookup: &Self::Lookup,
    ) -> impl Future<Output = Result<(), RetryAt>> + Send;
    /// Writes something to Kubernetes.
    fn prepare(
        &self,
        context: &ContextOf<Self>,
        action: &Self::KubeAction,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// One mutating call. Returns the id of a new instance.
    fn execute(
        &self,
        context: &ContextOf<Self>,
        action: &Self::CloudAction,
        cloud: &CloudOf<Self>,
    ) -> impl Future<Output = Result<Option<String>, Error>> + Send;
}

/// What every kind's planner decides from, as far as the reconcile changes it.
pub trait ObservedState<S>: Send + Sync {
    /// The status.
    fn status_mut(&mut self) -> &mut S;

    /// Whether a user waits for the object: its calls go ahead of periodic work.
    fn is_urgent(&self) -> bool;

    /// The intent was written, with `status`, and this process first saw it at `first_seen`.
    fn on_intent_recorded(&mut self, status: S, first_seen: Option<Duration>);

    /// A mutating call was sent: drops what was read before it.
    fn on_change(&mut self);

    /// Sets the time.
    fn set_time(&mut self, now: Time);
}

/// The time by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The wall clock, for times in objects.
    pub wall: DateTime<Utc>,
    /// The monotonic clock, for durations.
    pub monotonic: Duration,
}

/// What is known of an object of any kind before its planner asks for lookups.
pub struct Known<T: Reconciler> {
    /// The object.
    pub object: Arc<T::Object>,
    /// Its status, with the outcome of the last attempt even where the write of it failed.
    pub status: StatusOf<T>,
    /// The account, or why there is none. Of no meaning for an object that needs none.
    pub account: Result<ResolvedAccount, Blocker>,
    /// The key of the account in what all objects share.
    pub account_key: Option<AccountKey>,
    /// The lists of the account.
    pub snapshot: Option<AccountSnapshot>,
    /// The limit that keeps the account from another instance.
    pub limit: Option<AccountLimit>,
    /// The annotation asks for a retry that this process has not served.
    pub retry: bool,
    /// When this process first saw the object.
    pub first_seen: Duration,
    /// When this process first saw the present attempt in `status.operation`.
    pub intent_seen: Option<Duration>,
    /// The last creation that this process began, whatever the status says by now.
    pub creation: Option<Creation>,
    /// This process put its finalizer on the object.
    pub finalizer_added: bool,
    /// Consecutive reconciles that failed.
    pub failures: u32,
    /// The local state that the kind adds.
    pub local: T::LocalState,
    /// The time.
    pub now: Time,
}

/// Everything that one reconcile knows.
pub struct ReconcileContext<K, C, O, X> {
    /// The object.
    pub object: Arc<K>,
    /// The account and its client, if the credentials lead to one.
    pub cloud: Option<(AccountKey, Arc<C>)>,
    /// The limit of the account, as the plan knows it.
    pub limit: Option<AccountLimit>,
    /// What the planner decides from.
    pub observed: O,
    /// What only executing needs.
    pub scratch: X,
}
