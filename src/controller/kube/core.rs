//! What all kinds share while they run, and the loop that polls the accounts.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::sync::Notify;

use super::{secrets::KubeSecrets, watch::Watches};
use crate::controller::{accounts::ClientFactory, local_state::Requeue, shared::Shared};

/// Observes the run.
pub trait RunObserver: Send + Sync {
    /// A reconcile of an object of `kind` ended, after this time.
    fn on_reconcile_end(&self, kind: &'static str, next: Requeue, took: Duration);

    /// The first lists of all kinds and of Secrets are complete.
    fn on_synced(&self);

    /// The poll loop is alive.
    fn heartbeat(&self);
}

/// What all kinds share.
pub(super) struct Core<N: ClientFactory> {
    pub(super) shared: Arc<Shared<KubeSecrets, N>>,
    pub(super) watches: Arc<Watches>,
    pub(super) observer: Arc<dyn RunObserver>,
    /// Another account may be due next.
    pub(super) due: Notify,
}

/// The longest wait of the poll loop, so that its heartbeat shows that it is alive.
const MAX_POLL_WAIT: Duration = Duration::from_secs(10);
/// Polls that run at a time, at most: each holds a connection.
const MAX_POLLS: usize = 128;

// === impl Core ===

impl<N> Core<N>
where
    N: ClientFactory<Cloud: 'static> + 'static,
{
    /// Polls each account when it is due, and wakes the objects that its lists concern.
    pub(super) async fn poll_accounts(self: Arc<Self>) {
        let (clock, inventory) = (&self.shared.clock, &self.shared.inventory);
        // In one task: a poll is marked as running when it is created, so that the next round finds another account.
        let mut polls = FuturesUnordered::new();
        loop {
            self.observer.heartbeat();
            let now = clock.monotonic();
            let due = inventory.next_poll().filter(|_| polls.len() < MAX_POLLS);
            if let Some((_, account)) = due.as_ref().filter(|(at, _)| *at <= now) {
                polls.push(inventory.poll(account));
                continue;
            }
            let wait = due.map_or(MAX_POLL_WAIT, |(at, _)| at.saturating_sub(now).min(MAX_POLL_WAIT));
            tokio::select! {
                Some(polled) = polls.next() => self.watches.queues.wake_all(polled.wake),
                () = clock.sleep(wait) => {}
                () = self.due.notified() => {}
            }
        }
    }
}
