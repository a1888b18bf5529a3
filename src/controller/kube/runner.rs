//! Runs the reconciles of one kind, each in a task, as [`Dispatch`] hands them out.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{core::Core, secrets::KubeSecrets, watch::WatchedStore};
use crate::controller::{
    accounts::ClientFactory,
    dispatch::Dispatch,
    ids::ObjectId,
    local_state::Requeue,
    ports::{ManagedResource, ObjectApi},
    reconcile::{forget, reconcile},
    reconciler::Reconciler,
};

/// The longest sleep of the loop.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// One kind that runs.
pub(super) struct Running<T, N: ClientFactory> {
    pub(super) kind: Arc<T>,
    pub(super) core: Arc<Core<N>>,
}

// === impl Running ===

impl<T, N> Running<T, N>
where
    T: Reconciler<Secrets = KubeSecrets, Clients = N> + 'static,
    N: ClientFactory<Cloud: 'static> + 'static,
{
    /// Runs until `stop`, and then until the running reconciles have ended.
    pub(super) async fn run(self, store: WatchedStore<T::Object>, concurrency: u16, stop: CancellationToken) {
        let this = Arc::new(self);
        let WatchedStore { store, writer } = store;
        let (watches, kind) = (&this.core.watches, Arc::clone(&this.kind));
        let mut changed = pin!(watches.objects(writer, move |object, is_listed| {
            let foreign = kind.local_states().is_foreign_status(object);
            if !is_listed {
                kind.local_states().shown(object);
            }
            // A list follows a change of the definition, which may be what kept the status from being accepted.
            foreign || (is_listed && kind.local_states().is_refused(&object.object_id()))
        }));
        let queue = watches.queues.of(T::Object::KIND);
        let clock = Arc::clone(&this.core.shared.clock);
        let mut dispatch = Dispatch::new(concurrency.into());
        let mut tasks = JoinSet::new();
        // Before the first list is complete, every other object seems to be gone.
        let mut listed = pin!(store.wait_until_ready());
        let mut is_listed = false;
        loop {
            let now = clock.monotonic();
            let site = |id: &ObjectId| this.core.shared.inventory.site(id);
            while is_listed && let Some(id) = dispatch.next(now, site) {
                tasks.spawn(Arc::clone(&this).run_one(id));
            }
            let wait = dispatch.next_at().filter(|_| is_listed);
            let wait = wait.map_or(MAX_WAIT, |at| at.saturating_sub(now).min(MAX_WAIT));
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = tasks.join_next() => {
                    if let Ok((id, next)) = ended {
                        dispatch.ended(&id, next);
                    }
                }
                id = queue.next() => dispatch.wake(&id, now),
                Some(object) = changed.next() => {
                    if let Ok(object) = object {
                        dispatch.wake(&object.object_id(), now);
                    }
                }
                _ = &mut listed, if !is_listed => is_listed = true,
                () = clock.sleep(wait) => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Reconciles an object. Returns when to visit it again.
    async fn run_one(self: Arc<Self>, id: Arc<ObjectId>) -> (Arc<ObjectId>, Option<Duration>) {
        if self.kind.objects().cached(&id).is_none() {
            let next = self.forget_if_gone(&id).await;
            return (id, next);
        }
        let clock = &self.core.shared.clock;
        let begun = clock.monotonic();
        let next = reconcile(self.kind.as_ref(), &id).await;
        let took = clock.monotonic().saturating_sub(begun);
        self.core.observer.on_reconcile_end(T::Object::KIND, next, took);
        // The object's subscription may have changed, and with it when its account is due.
        self.core.due.notify_one();
        let next = match next {
            Requeue::At(at) | Requeue::Failed(at) => Some(at),
            Requeue::Gone => None,
        };
        (id, next)
    }

    /// Drops the state of an object that the watch does not show, once the API server confirms that it is gone. If it
    /// exists, the watch brings it.
    async fn forget_if_gone(&self, id: &ObjectId) -> Option<Duration> {
        let (shared, watches) = (&self.core.shared, &self.core.watches);
        match self.kind.objects().exists(id).await {
            // The watch cannot decode it: nothing is expected of its account.
            Ok(true) => {
                shared.inventory.unsubscribe(id);
                None
            }
            Ok(false) => {
                forget(self.kind.as_ref(), id);
                self.core.due.notify_one();
                // The state of an object created in between may have been dropped with it.
                self.kind.objects().cached(id).map(|_| shared.clock.monotonic())
            }
            Err(error) => {
                tracing::debug!(object = %id, %error, "whether the object is gone is checked again");
                Some(shared.clock.monotonic().saturating_add(watches.timeouts.max_backoff))
            }
        }
    }
}
