//! The pass: gather, plan, execute, publish. Written once, for every kind.
//!
//! It may be dropped at any await, and the process may end there: whatever was not written down is found out again.

use std::{future::Future, sync::Arc, time::Duration};

use kube::{Resource, ResourceExt};

use super::{
    local_state::{LocalStateStore, Requeue, Version},
    ports::{ClusterError, ManagedResource, NamespacedName, ObjectApi, prune_empty},
};
use crate::{
    clock::Clock,
    plan::{
        Plan, Step,
        schedule::{INITIAL_STATUS_GRACE, RequeuePolicy, RetryClass},
    },
};

/// Looks that one pass may take.
const MOST_LOOKS: usize = 6;

/// The plan of a kind.
pub type PlanOf<T> = Plan<
    <<T as Reconciler>::Object as ManagedResource>::Status,
    <T as Reconciler>::Lookup,
    <T as Reconciler>::KubeAction,
    <T as Reconciler>::CloudAction,
>;

/// What a kind brings along. Nothing here decides: what to do is said by `plan`.
pub trait Reconciler: Send + Sync {
    /// The objects.
    type Object: ManagedResource;
    /// Everything that a plan rests on, and what is needed to carry it out.
    type ReconcileContext: Send + Sync;
    /// What is remembered of an object from pass to pass.
    type LocalState: Default + Clone + Send;
    /// What can be looked up.
    type Lookup: Send + Sync;
    /// What can be made in Kubernetes.
    type KubeAction: Send + Sync;
    /// What can be changed in the cloud.
    type CloudAction: Send + Sync;
    /// What becomes of a change.
    type ChangeOutcome: Send + Sync;

    /// The finalizer that its objects carry while there may be something in the cloud.
    const FINALIZER: &'static str;

    /// The objects in Kubernetes.
    fn objects(&self) -> &impl ObjectApi<Self::Object>;
    /// What is remembered of them.
    fn local_states(&self) -> &LocalStateStore<Self::Object, Self::LocalState>;
    /// The time.
    fn clock(&self) -> &dyn Clock;
    /// How long to wait for what.
    fn requeue(&self) -> &RequeuePolicy;

    /// Puts together what is known of an object, without asking the cloud about it. `None` while something that many
    /// objects need is being found out for another one.
    fn gather(
        &self,
        object: &Arc<Self::Object>,
    ) -> impl Future<Output = Result<Option<Self::ReconcileContext>, ClusterError>> + Send;
    /// Decides. Pure.
    fn plan(&self, context: &Self::ReconcileContext) -> PlanOf<Self>
    where
        Self: Sized;
    /// Looks something up. What comes of it, a failure too, goes into the view.
    fn lookup(
        &self,
        context: &mut Self::ReconcileContext,
        lookup: &Self::Lookup,
    ) -> impl Future<Output = Result<(), RetryAt>> + Send;
    /// Makes something in Kubernetes.
    fn prepare(
        &self,
        context: &Self::ReconcileContext,
        preparation: &Self::KubeAction,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Asks for the right to change something in the cloud: until when it may be sent.
    fn reserve_write(&self, context: &Self::ReconcileContext) -> Result<Duration, RetryAt>;
    /// Changes something in the cloud. `until` is when it may be sent at the latest.
    fn send(
        &self,
        context: &Self::ReconcileContext,
        send: &Self::CloudAction,
        until: Duration,
    ) -> impl Future<Output = Self::ChangeOutcome> + Send;
    /// Takes note of what an object says now, and what it said before.
    fn on_status_written(
        &self,
        object: &Self::Object,
        before: &<Self::Object as ManagedResource>::Status,
        after: &<Self::Object as ManagedResource>::Status,
    );
    /// Takes note of an intent that may have been written down or not: nothing was asked of the cloud for it.
    fn on_intent_unconfirmed(
        &self,
        object: &Self::Object,
        intent: &<Self::Object as ManagedResource>::Status,
    );
    /// Takes note of an intent that was written down, as `object`.
    fn on_intent_recorded(&self, context: &mut Self::ReconcileContext, object: &Arc<Self::Object>);
    /// Takes note of what became of it.
    fn record_outcome(&self, context: &mut Self::ReconcileContext, outcome: &Self::ChangeOutcome);
    /// Takes note of what the object is to be woken by.
    fn subscribe(&self, context: &Self::ReconcileContext, plan: &PlanOf<Self>)
    where
        Self: Sized;
    /// Forgets an object that is gone.
    fn forget(&self, key: &NamespacedName);
}

/// The budget has no room before this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAt(pub Duration);

/// One pass over one object: at most one change in the cloud, or one in Kubernetes.
pub async fn reconcile<T: Reconciler>(kind: &T, key: &NamespacedName) -> Requeue {
    let object = match newest(kind, key).await {
        Ok(Some(object)) => object,
        Ok(None) => {
            forget(kind, key);
            return Requeue::Gone;
        }
        Err(error) => return requeue_after_error(kind, key, &error),
    };
    let before = kind.local_states().failures(key);
    match run(kind, &object).await {
        Ok(next) => {
            // A look that failed was counted, though the pass as a whole went through.
            if kind.local_states().failures(key) == before {
                kind.local_states().succeeded(key);
            }
            Requeue::At(next)
        }
        Err(error) => {
            kind.local_states().invalidate(&object);
            requeue_after_error(kind, key, &error)
        }
    }
}

/// Forgets an object that does not exist any more.
pub(super) fn forget<T: Reconciler>(kind: &T, key: &NamespacedName) {
    kind.local_states().forget(key);
    kind.forget(key);
}

/// The object, never older than our own last write to it.
async fn newest<T: Reconciler>(
    kind: &T,
    key: &NamespacedName,
) -> Result<Option<Arc<T::Object>>, ClusterError> {
    match kind.local_states().newest(key, kind.objects().cached(key)) {
        Version::Is(object) => Ok(Some(object)),
        Version::None => Ok(None),
        Version::Ask => {
            let object = kind.objects().get(key).await?.map(Arc::new);
            if let Some(object) = &object {
                kind.local_states().wrote(object);
            }
            Ok(object)
        }
    }
}

async fn run<T: Reconciler>(kind: &T, object: &Arc<T::Object>) -> Result<Duration, ClusterError> {
    let Some(mut context) = kind.gather(object).await? else {
        return Ok(kind.clock().monotonic().saturating_add(kind.requeue().retry_delay(RetryClass::Kube, 1)));
    };
    let mut plan = kind.plan(&context);
    for _ in 0..MOST_LOOKS {
        let Step::Lookup(lookup) = &plan.step else { break };
        if let Err(RetryAt(until)) = kind.lookup(&mut context, lookup).await {
            kind.subscribe(&context, &plan);
            return Ok(until);
        }
        plan = kind.plan(&context);
    }
    kind.subscribe(&context, &plan);
    execute(kind, object, context, plan).await
}

async fn execute<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    context: T::ReconcileContext,
    plan: PlanOf<T>,
) -> Result<Duration, ClusterError> {
    let now = kind.clock().monotonic();
    match &plan.step {
        // Looking led nowhere: later, perhaps.
        Step::Lookup(_) => Ok(now.saturating_add(kind.requeue().retry_delay(RetryClass::Transient, 1))),
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
            // What is left of the object, if anything, only the API server knows.
            kind.local_states().invalidate(object);
            Ok(now)
        }
        Step::Prepare(preparation) => {
            kind.prepare(&context, preparation).await?;
            Ok(now)
        }
        Step::CloudAction(send) => match kind.reserve_write(&context) {
            Ok(until) => {
                execute_cloud_action(kind, object, context, (send, plan.intent.as_deref()), until).await
            }
            Err(RetryAt(until)) => {
                // An object that says something already says what it waits for; a new one only if it takes long.
                if object.has_conditions() || until.saturating_sub(now) > INITIAL_STATUS_GRACE {
                    publish(kind, object, &plan).await?;
                }
                Ok(until)
            }
        },
    }
}

/// Writes the intent down, asks the cloud, and writes down what became of it.
async fn execute_cloud_action<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    mut context: T::ReconcileContext,
    (send, intent): (&T::CloudAction, Option<&<T::Object as ManagedResource>::Status>),
    until: Duration,
) -> Result<Duration, ClusterError> {
    // Nothing is asked of the cloud that is not written down before.
    let Some(intent) = intent else {
        return Ok(kind
            .clock()
            .monotonic()
            .saturating_add(kind.requeue().retry_delay(RetryClass::Transient, 1)));
    };
    let object = match write(kind, object, intent).await {
        Ok(object) => object,
        Err(error) => {
            kind.on_intent_unconfirmed(object, intent);
            return Err(error);
        }
    };
    kind.on_intent_recorded(&mut context, &object);
    let outcome = kind.send(&context, send, until).await;
    kind.record_outcome(&mut context, &outcome);
    let after = kind.plan(&context);
    kind.subscribe(&context, &after);
    publish(kind, &object, &after).await?;
    let now = kind.clock().monotonic();
    Ok(match after.step {
        Step::Nothing => now.saturating_add(after.wait),
        Step::Lookup(_)
        | Step::AddFinalizer
        | Step::RemoveFinalizer
        | Step::Prepare(_)
        | Step::CloudAction(_) => now,
    })
}

/// Writes the status, if it says anything new.
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
    status: &<T::Object as ManagedResource>::Status,
) -> Result<Arc<T::Object>, ClusterError> {
    let written = Arc::new(kind.objects().publish_status(object, status).await?);
    kind.local_states().wrote(&written);
    kind.on_status_written(&written, &object.status().cloned().unwrap_or_default(), status);
    Ok(written)
}

/// Whether both would be stored alike.
fn is_unchanged<S: PartialEq + serde::Serialize>(
    on_status_written: Option<&S>,
    status: &S,
) -> Result<bool, ClusterError> {
    let Some(on_status_written) = on_status_written else { return Ok(false) };
    Ok(on_status_written == status || prune_empty(on_status_written)? == prune_empty(status)?)
}

/// When to try again after a failed pass. The first time at once: mostly the object just changed.
fn requeue_after_error<T: Reconciler>(kind: &T, key: &NamespacedName, error: &ClusterError) -> Requeue {
    let failures = kind.local_states().failed(key);
    let at_once = matches!(error, ClusterError::Conflict(_) | ClusterError::Gone) && failures < 3;
    let gap = if at_once { Duration::ZERO } else { kind.requeue().retry_delay(RetryClass::Kube, failures) };
    tracing::debug!(kind = %T::Object::kind(&()), %key, %error, "the pass is repeated");
    Requeue::Failed(kind.clock().monotonic().saturating_add(gap))
}

/// Whether an object is to be removed.
pub(super) fn is_deleting<K: ManagedResource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Whether it carries a finalizer.
pub(super) fn has_finalizer<K: Resource>(object: &K, finalizer: &str) -> bool {
    object.finalizers().iter().any(|own| own == finalizer)
}
