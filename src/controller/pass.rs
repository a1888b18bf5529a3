//! The pass: gather, plan, execute, publish. Written once, for every kind.
//!
//! It may be dropped at any await, and the process may end there: whatever was not written down is found out again.

use std::{future::Future, sync::Arc, time::Duration};

use kube::{Resource, ResourceExt};

use super::{
    cluster::{ClusterError, Key, Managed, Objects, spoken},
    memory::{Memories, Next, Version},
};
use crate::{
    clock::Clock,
    plan::{
        Plan, Step,
        schedule::{MOMENT, Pace, Pacing},
    },
};

/// Looks that one pass may take.
const MOST_LOOKS: usize = 6;

/// The plan of a kind.
pub type PlanOf<T> = Plan<
    <<T as Kind>::Object as Managed>::Status,
    <T as Kind>::Look,
    <T as Kind>::Preparation,
    <T as Kind>::Change,
>;

/// What a kind brings along. Nothing here decides: what to do is said by `plan`.
pub trait Kind: Send + Sync {
    /// The objects.
    type Object: Managed;
    /// Everything that a plan rests on, and what is needed to carry it out.
    type View: Send + Sync;
    /// What is remembered of an object from pass to pass.
    type Memory: Default + Clone + Send;
    /// What can be looked up.
    type Look: Send + Sync;
    /// What can be made in Kubernetes.
    type Preparation: Send + Sync;
    /// What can be changed in the cloud.
    type Change: Send + Sync;
    /// What becomes of a change.
    type Fate: Send + Sync;

    /// The finalizer that its objects carry while there may be something in the cloud.
    const FINALIZER: &'static str;

    /// The objects in Kubernetes.
    fn objects(&self) -> &impl Objects<Self::Object>;
    /// What is remembered of them.
    fn memories(&self) -> &Memories<Self::Object, Self::Memory>;
    /// The time.
    fn clock(&self) -> &dyn Clock;
    /// How long to wait for what.
    fn pacing(&self) -> &Pacing;

    /// Puts together what is known of an object, without asking the cloud about it. `None` while something that many
    /// objects need is being found out for another one.
    fn gather(
        &self,
        object: &Arc<Self::Object>,
    ) -> impl Future<Output = Result<Option<Self::View>, ClusterError>> + Send;
    /// Decides. Pure.
    fn plan(&self, view: &Self::View) -> PlanOf<Self>
    where
        Self: Sized;
    /// Looks something up. What comes of it, a failure too, goes into the view.
    fn look(
        &self,
        view: &mut Self::View,
        look: &Self::Look,
    ) -> impl Future<Output = Result<(), NotNow>> + Send;
    /// Makes something in Kubernetes.
    fn prepare(
        &self,
        view: &Self::View,
        preparation: &Self::Preparation,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Asks for the right to change something in the cloud: until when it may be sent.
    fn admit(&self, view: &Self::View) -> Result<Duration, NotNow>;
    /// Changes something in the cloud. `until` is when it may be sent at the latest.
    fn change(
        &self,
        view: &Self::View,
        change: &Self::Change,
        until: Duration,
    ) -> impl Future<Output = Self::Fate> + Send;
    /// Takes note of what an object says now, and what it said before.
    fn said(
        &self,
        object: &Self::Object,
        before: &<Self::Object as Managed>::Status,
        after: &<Self::Object as Managed>::Status,
    );
    /// Takes note of an intent that may have been written down or not: nothing was asked of the cloud for it.
    fn unconfirmed(&self, object: &Self::Object, intent: &<Self::Object as Managed>::Status);
    /// Takes note of an intent that was written down, as `object`.
    fn intended(&self, view: &mut Self::View, object: &Arc<Self::Object>);
    /// Takes note of what became of it.
    fn settle(&self, view: &mut Self::View, fate: &Self::Fate);
    /// Takes note of what the object is to be woken by.
    fn follow(&self, view: &Self::View, plan: &PlanOf<Self>)
    where
        Self: Sized;
    /// Forgets an object that is gone.
    fn forget(&self, key: &Key);
}

/// The budget has no room before this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotNow(pub Duration);

/// One pass over one object: at most one change in the cloud, or one in Kubernetes.
pub async fn pass<T: Kind>(kind: &T, key: &Key) -> Next {
    let object = match newest(kind, key).await {
        Ok(Some(object)) => object,
        Ok(None) => {
            forget(kind, key);
            return Next::Gone;
        }
        Err(error) => return again(kind, key, &error),
    };
    let before = kind.memories().failures(key);
    match run(kind, &object).await {
        Ok(next) => {
            // A look that failed was counted, though the pass as a whole went through.
            if kind.memories().failures(key) == before {
                kind.memories().succeeded(key);
            }
            Next::At(next)
        }
        Err(error) => {
            kind.memories().distrust(&object);
            again(kind, key, &error)
        }
    }
}

/// Forgets an object that does not exist any more.
pub(super) fn forget<T: Kind>(kind: &T, key: &Key) {
    kind.memories().forget(key);
    kind.forget(key);
}

/// The object, never older than our own last write to it.
async fn newest<T: Kind>(kind: &T, key: &Key) -> Result<Option<Arc<T::Object>>, ClusterError> {
    match kind.memories().newest(key, kind.objects().cached(key)) {
        Version::Is(object) => Ok(Some(object)),
        Version::None => Ok(None),
        Version::Ask => {
            let object = kind.objects().get(key).await?.map(Arc::new);
            if let Some(object) = &object {
                kind.memories().wrote(object);
            }
            Ok(object)
        }
    }
}

async fn run<T: Kind>(kind: &T, object: &Arc<T::Object>) -> Result<Duration, ClusterError> {
    let Some(mut view) = kind.gather(object).await? else {
        return Ok(kind.clock().monotonic().saturating_add(kind.pacing().gap(Pace::Brisk, 1)));
    };
    let mut plan = kind.plan(&view);
    for _ in 0..MOST_LOOKS {
        let Step::Look(look) = &plan.step else { break };
        if let Err(NotNow(until)) = kind.look(&mut view, look).await {
            kind.follow(&view, &plan);
            return Ok(until);
        }
        plan = kind.plan(&view);
    }
    kind.follow(&view, &plan);
    execute(kind, object, view, plan).await
}

async fn execute<T: Kind>(
    kind: &T,
    object: &Arc<T::Object>,
    view: T::View,
    plan: PlanOf<T>,
) -> Result<Duration, ClusterError> {
    let now = kind.clock().monotonic();
    match &plan.step {
        // Looking led nowhere: later, perhaps.
        Step::Look(_) => Ok(now.saturating_add(kind.pacing().gap(Pace::Soon, 1))),
        Step::Nothing => {
            publish(kind, object, &plan).await?;
            Ok(now.saturating_add(plan.wait))
        }
        Step::AddFinalizer => {
            let object = kind.objects().add_finalizer(object, T::FINALIZER).await?;
            kind.memories().wrote(&Arc::new(object));
            Ok(now)
        }
        Step::RemoveFinalizer => {
            kind.objects().remove_finalizer(object, T::FINALIZER).await?;
            // What is left of the object, if anything, only the API server knows.
            kind.memories().distrust(object);
            Ok(now)
        }
        Step::Prepare(preparation) => {
            kind.prepare(&view, preparation).await?;
            Ok(now)
        }
        Step::Change(change) => match kind.admit(&view) {
            Ok(until) => carry_out(kind, object, view, (change, plan.intent.as_deref()), until).await,
            Err(NotNow(until)) => {
                // An object that says something already says what it waits for; a new one only if it takes long.
                if object.has_conditions() || until.saturating_sub(now) > MOMENT {
                    publish(kind, object, &plan).await?;
                }
                Ok(until)
            }
        },
    }
}

/// Writes the intent down, asks the cloud, and writes down what became of it.
async fn carry_out<T: Kind>(
    kind: &T,
    object: &Arc<T::Object>,
    mut view: T::View,
    (change, intent): (&T::Change, Option<&<T::Object as Managed>::Status>),
    until: Duration,
) -> Result<Duration, ClusterError> {
    // Nothing is asked of the cloud that is not written down before.
    let Some(intent) = intent else {
        return Ok(kind.clock().monotonic().saturating_add(kind.pacing().gap(Pace::Soon, 1)));
    };
    let object = match write(kind, object, intent).await {
        Ok(object) => object,
        Err(error) => {
            kind.unconfirmed(object, intent);
            return Err(error);
        }
    };
    kind.intended(&mut view, &object);
    let fate = kind.change(&view, change, until).await;
    kind.settle(&mut view, &fate);
    let after = kind.plan(&view);
    kind.follow(&view, &after);
    publish(kind, &object, &after).await?;
    let now = kind.clock().monotonic();
    Ok(match after.step {
        Step::Nothing => now.saturating_add(after.wait),
        Step::Look(_) | Step::AddFinalizer | Step::RemoveFinalizer | Step::Prepare(_) | Step::Change(_) => {
            now
        }
    })
}

/// Writes the status, if it says anything new.
async fn publish<T: Kind>(kind: &T, object: &Arc<T::Object>, plan: &PlanOf<T>) -> Result<(), ClusterError> {
    if !plan.publish || says_the_same(object.status(), &plan.status)? {
        return Ok(());
    }
    write(kind, object, &plan.status).await?;
    Ok(())
}

async fn write<T: Kind>(
    kind: &T,
    object: &Arc<T::Object>,
    status: &<T::Object as Managed>::Status,
) -> Result<Arc<T::Object>, ClusterError> {
    let written = Arc::new(kind.objects().publish_status(object, status).await?);
    kind.memories().wrote(&written);
    kind.said(&written, &object.status().cloned().unwrap_or_default(), status);
    Ok(written)
}

/// Whether both would be stored alike.
fn says_the_same<S: PartialEq + serde::Serialize>(
    said: Option<&S>,
    status: &S,
) -> Result<bool, ClusterError> {
    let Some(said) = said else { return Ok(false) };
    Ok(said == status || spoken(said)? == spoken(status)?)
}

/// When to try again after a failed pass. The first time at once: mostly the object just changed.
fn again<T: Kind>(kind: &T, key: &Key, error: &ClusterError) -> Next {
    let failures = kind.memories().failed(key);
    let at_once = matches!(error, ClusterError::Conflict(_) | ClusterError::Gone) && failures < 3;
    let gap = if at_once { Duration::ZERO } else { kind.pacing().gap(Pace::Brisk, failures) };
    tracing::debug!(kind = %T::Object::kind(&()), %key, %error, "the pass is repeated");
    Next::Failed(kind.clock().monotonic().saturating_add(gap))
}

/// Whether an object is to be removed.
pub(super) fn is_deleting<K: Managed>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Whether it carries a finalizer.
pub(super) fn has_finalizer<K: Resource>(object: &K, finalizer: &str) -> bool {
    object.finalizers().iter().any(|own| own == finalizer)
}
