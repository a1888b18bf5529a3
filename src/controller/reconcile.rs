//! The reconcile, written once for every kind: gather, plan, execute, publish.
//!
//! It may be dropped at any await, and the process may end there. The next one then finds out what happened.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    accounts::{AccountUnavailable, ClientFactory},
    calls::RetryAt,
    event_sink::Action,
    ids::ObjectId,
    local_state::{LocalStateStore, Requeue, Version},
    ports::{ClusterError, ManagedResource, ObjectApi, SecretApi, prune_empty},
    shared::Shared,
};
use crate::{
    dcs::Error,
    inventory::{AccountKey, AccountSnapshot, Priority, Subscription, Work},
    plan::{
        Blocker, Plan, Step,
        conditions::transitions,
        instance::observed::ResolvedAccount,
        operation::{ChangeOutcome, HasOperation, MutatingAction, record_outcome},
        schedule::{INITIAL_STATUS_GRACE, RequeuePolicy, RetryClass},
    },
};
use chrono::{DateTime, Utc};
use kube::Resource;

/// Lookups in one reconcile, at most.
const MAX_LOOKUPS: usize = 6;

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
    /// The account, or why there is none.
    pub account: Result<ResolvedAccount, Blocker>,
    /// The lists of the account.
    pub snapshot: Option<AccountSnapshot>,
    /// When this process first saw the object.
    pub first_seen: Duration,
    /// When this process first saw the present attempt in `status.operation`.
    pub intent_seen: Option<Duration>,
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
    /// What the planner decides from.
    pub observed: O,
    /// What only executing needs.
    pub scratch: X,
}

/// Reconciles one object: at most one change in the cloud, or one in Kubernetes.
pub async fn reconcile<T: Reconciler>(kind: &T, id: &ObjectId) -> Requeue {
    let object = match newest(kind, id).await {
        Ok(Some(object)) => object,
        Ok(None) => {
            forget(kind, id);
            return Requeue::Gone;
        }
        Err(error) => return requeue_after_error(kind, id, &error),
    };
    let before = kind.local_states().failures(id);
    match run(kind, &object).await {
        Ok(next) => {
            // A failed lookup was counted, though the reconcile succeeded.
            if kind.local_states().failures(id) == before {
                kind.local_states().succeeded(id);
            }
            Requeue::At(next)
        }
        Err(error) => {
            kind.local_states().invalidate(&object);
            requeue_after_error(kind, id, &error)
        }
    }
}

/// Drops the state of an object that no longer exists.
pub(super) fn forget<T: Reconciler>(kind: &T, id: &ObjectId) {
    kind.local_states().forget(id);
    kind.shared().inventory.unsubscribe(id);
}

/// Requests one call from the budget. Returns when the grant expires.
///
/// # Errors
/// [`RetryAt`] if the budget has no room.
pub fn request<T: Reconciler>(kind: &T, context: &ContextOf<T>, work: Work) -> Result<Duration, RetryAt> {
    let shared = kind.shared();
    let Some((account, _)) = &context.cloud else { return Err(RetryAt(shared.clock.monotonic())) };
    let priority = if context.observed.is_urgent() { Priority::Urgent } else { Priority::Periodic };
    shared.request(account, work, priority, &context.object.object_id())
}

/// The time now.
pub(super) fn now<T: Reconciler>(kind: &T) -> Time {
    let clock = &kind.shared().clock;
    Time { wall: clock.now(), monotonic: clock.monotonic() }
}

/// The object, never older than the last write of this process.
async fn newest<T: Reconciler>(kind: &T, id: &ObjectId) -> Result<Option<Arc<T::Object>>, ClusterError> {
    match kind.local_states().newest(id, kind.objects().cached(id)) {
        Version::Is(object) => Ok(Some(object)),
        Version::None => Ok(None),
        Version::Ask => {
            let object = kind.objects().get(id).await?.map(Arc::new);
            if let Some(object) = &object {
                kind.local_states().wrote(object);
            }
            Ok(object)
        }
    }
}

/// What is known without a call to the account. `None` while another reconcile looks the account up.
async fn gather<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
) -> Result<Option<ContextOf<T>>, ClusterError> {
    let shared = kind.shared();
    let (account, cloud) = match shared.resolve_account(object.as_ref()).await? {
        Ok((account, cloud)) => (Ok(account), Some(cloud)),
        Err(AccountUnavailable::Blocker(blocker)) => (Err(blocker), None),
        Err(AccountUnavailable::InProgress) => return Ok(None),
    };
    let now = now(kind);
    let mut status = object.status().cloned().unwrap_or_default();
    let snapshot = cloud.as_ref().and_then(|(account, _)| shared.inventory.snapshot(account));
    let known = kind.local_states().with(object, |entry| {
        entry.attempts.observe(status.operation(), now.monotonic);
        entry.attempts.restore_outcome(&mut status);
        Known {
            object: Arc::clone(object),
            status,
            account,
            snapshot,
            first_seen: entry.first_seen(now.monotonic),
            intent_seen: entry.attempts.first_seen(),
            failures: entry.failures(),
            local: entry.more.clone(),
            now,
        }
    });
    let observed = kind.observe(known);
    Ok(Some(ReconcileContext { object: Arc::clone(object), cloud, observed, scratch: T::Scratch::default() }))
}

async fn run<T: Reconciler>(kind: &T, object: &Arc<T::Object>) -> Result<Duration, ClusterError> {
    let Some(mut context) = gather(kind, object).await? else {
        return Ok(later(kind, RetryClass::Kube));
    };
    let mut plan = kind.plan(&context.observed);
    for _ in 0..MAX_LOOKUPS {
        let Step::Lookup(lookup) = &plan.step else { break };
        if let Err(RetryAt(until)) = kind.lookup(&mut context, lookup).await {
            subscribe(kind, &context, &plan);
            return Ok(until);
        }
        // The lookup took time.
        context.observed.set_time(now(kind));
        plan = kind.plan(&context.observed);
    }
    subscribe(kind, &context, &plan);
    execute(kind, object, context, plan).await
}

async fn execute<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    context: ContextOf<T>,
    plan: PlanOf<T>,
) -> Result<Duration, ClusterError> {
    let now = kind.shared().clock.monotonic();
    match &plan.step {
        // The lookups do not end.
        Step::Lookup(_) => Ok(later(kind, RetryClass::Transient)),
        Step::Nothing => {
            publish(kind, object, &plan).await?;
            Ok(now.saturating_add(plan.wait))
        }
        Step::AddFinalizer => {
            let object = kind.objects().add_finalizer(object, T::FINALIZER).await?;
            kind.local_states().wrote(&Arc::new(object));
            Ok(now)
        }
        Step::RemoveFinalizer => {
            kind.objects().remove_finalizer(object, T::FINALIZER).await?;
            // Only the API server knows whether the object still exists.
            kind.local_states().invalidate(object);
            Ok(now)
        }
        Step::Prepare(action) => {
            kind.prepare(&context, action).await?;
            Ok(now)
        }
        Step::CloudAction(action) => match reserve_write(kind, &context) {
            Ok(until) => {
                execute_cloud_action(kind, object, context, (action, plan.intent.as_deref()), until).await
            }
            Err(RetryAt(until)) => {
                // A published status already says what the object waits for; a new object gets one if the wait is long.
                if object.has_conditions() || until.saturating_sub(now) > INITIAL_STATUS_GRACE {
                    publish(kind, object, &plan).await?;
                }
                Ok(until)
            }
        },
    }
}

/// Requests a mutating call. Returns when it may be sent at the latest.
fn reserve_write<T: Reconciler>(kind: &T, context: &ContextOf<T>) -> Result<Duration, RetryAt> {
    let shared = kind.shared();
    if !shared.may_write() {
        return Err(RetryAt(shared.clock.monotonic().saturating_add(INITIAL_STATUS_GRACE)));
    }
    request(kind, context, Work::Write)
}

/// Writes the intent, sends the call, and writes the outcome.
async fn execute_cloud_action<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    mut context: ContextOf<T>,
    (action, intent): (&T::CloudAction, Option<&StatusOf<T>>),
    until: Duration,
) -> Result<Duration, ClusterError> {
    // No call without a written intent, nor without an account.
    let (Some(intent), Some((account, cloud))) = (intent, context.cloud.clone()) else {
        return Ok(later(kind, RetryClass::Transient));
    };
    let object = write_intent(kind, object, &mut context, intent).await?;
    let call = kind.execute(&context, action, &cloud);
    let outcome = kind.shared().send(&account, until, call).await;
    let action = describe(action, &outcome);
    kind.shared().event_sink.on_cloud_action(&object.object_ref(&()), &action);
    kind.local_states().with(&object, |entry| entry.attempts.record_outcome(&outcome));
    record_outcome(context.observed.status_mut(), &outcome);
    context.observed.on_change();
    context.observed.set_time(now(kind));
    let after = kind.plan(&context.observed);
    subscribe(kind, &context, &after);
    publish(kind, &object, &after).await?;
    let now = kind.shared().clock.monotonic();
    Ok(match after.step {
        Step::Nothing => now.saturating_add(after.wait),
        Step::Lookup(_)
        | Step::AddFinalizer
        | Step::RemoveFinalizer
        | Step::Prepare(_)
        | Step::CloudAction(_) => now,
    })
}

/// Writes the intent. Without a confirmation from the API server, no call follows.
async fn write_intent<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    context: &mut ContextOf<T>,
    intent: &StatusOf<T>,
) -> Result<Arc<T::Object>, ClusterError> {
    let written = match write(kind, object, intent).await {
        Ok(written) => written,
        Err(error) => {
            let operation = intent.operation();
            kind.local_states().with(object, |entry| entry.attempts.on_intent_unconfirmed(operation));
            return Err(error);
        }
    };
    let now = kind.shared().clock.monotonic();
    let status = written.status().cloned().unwrap_or_default();
    let first_seen = kind.local_states().with(&written, |entry| {
        entry.attempts.on_intent_recorded(status.operation(), now);
        entry.attempts.first_seen()
    });
    context.object = Arc::clone(&written);
    context.observed.on_intent_recorded(status, first_seen);
    Ok(written)
}

fn describe<'a>(action: &'a impl MutatingAction, outcome: &'a ChangeOutcome) -> Action<'a> {
    let created = match outcome {
        ChangeOutcome::Accepted { instance_id } => instance_id.as_deref(),
        ChangeOutcome::Refused { .. } | ChangeOutcome::Unknown { .. } => None,
    };
    Action {
        type_: action.operation_type(),
        instance: action.instance_id().or(created),
        outcome,
        consent: action.consent(),
    }
}

/// Subscribes the object to changes of its account.
fn subscribe<T: Reconciler>(kind: &T, context: &ContextOf<T>, plan: &PlanOf<T>) {
    let (inventory, id) = (&kind.shared().inventory, context.object.object_id());
    match &context.cloud {
        Some((account, _)) => {
            let subscription = kind.subscription(&context.observed, plan);
            inventory.subscribe(id, account, subscription);
        }
        None => inventory.unsubscribe(&id),
    }
}

/// Writes the status if it differs.
async fn publish<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    plan: &PlanOf<T>,
) -> Result<(), ClusterError> {
    if !plan.publish || is_unchanged(object.status(), &plan.status)? {
        return Ok(());
    }
    write(kind, object, &plan.status).await?;
    Ok(())
}

async fn write<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    status: &StatusOf<T>,
) -> Result<Arc<T::Object>, ClusterError> {
    let written = Arc::new(kind.objects().publish_status(object, status).await?);
    kind.local_states().wrote(&written);
    let before = object.status().map(HasOperation::conditions).unwrap_or_default();
    for transition in transitions(before, status.conditions()) {
        kind.shared().event_sink.on_transition(&written.object_ref(&()), &transition);
    }
    Ok(written)
}

/// Whether both are stored alike.
fn is_unchanged<S: PartialEq + serde::Serialize>(
    published: Option<&S>,
    status: &S,
) -> Result<bool, ClusterError> {
    let Some(published) = published else { return Ok(false) };
    Ok(published == status || prune_empty(published)? == prune_empty(status)?)
}

fn policy<T: Reconciler>(kind: &T) -> &RequeuePolicy {
    &kind.shared().settings.requeue
}

/// The time of the first retry.
fn later<T: Reconciler>(kind: &T, class: RetryClass) -> Duration {
    kind.shared().clock.monotonic().saturating_add(policy(kind).retry_delay(class, 1))
}

/// The retry of a failed reconcile. A conflict is retried at once: mostly the object has just changed.
fn requeue_after_error<T: Reconciler>(kind: &T, id: &ObjectId, error: &ClusterError) -> Requeue {
    let failures = kind.local_states().failed(id);
    let at_once = matches!(error, ClusterError::Conflict(_) | ClusterError::Gone) && failures < 3;
    let delay = if at_once { Duration::ZERO } else { policy(kind).retry_delay(RetryClass::Kube, failures) };
    tracing::debug!(object = %id, %error, "reconcile failed; it is retried");
    Requeue::Failed(kind.shared().clock.monotonic().saturating_add(delay))
}
