//! Calls to the cloud: every one within the budget, and one guarded way to send those that change something.

use std::{future::Future, time::Duration};

use super::{accounts::ClientFactory, ids::ObjectId, shared::Shared};
use crate::{
    api::Reason,
    dcs::{Class, Error},
    inventory::{AccountKey, Admission, Caller, Priority, Work},
    plan::operation::ChangeOutcome,
};

/// How much longer than the timeout of a mutating call the write guard has to cover.
const WRITE_GUARD_MARGIN: Duration = Duration::from_secs(5);

/// Retry at this time, by the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAt(pub Duration);

// === impl Shared ===

impl<S, N: ClientFactory> Shared<S, N> {
    /// Whether a call sent now ends before another process could lead.
    pub(super) fn may_write(&self) -> bool {
        let timeout = self.settings.call_timeout.saturating_add(WRITE_GUARD_MARGIN);
        self.write_guard.covers(self.clock.monotonic().saturating_add(timeout))
    }

    /// Requests one call from the budget of the account's site. Returns when the grant expires.
    pub(super) fn request(
        &self,
        account: &AccountKey,
        work: Work,
        priority: Priority,
        id: &ObjectId,
    ) -> Result<Duration, RetryAt> {
        let key = id.to_string();
        let caller = Caller { tenant: &id.namespace, key: &key };
        match self.inventory.request(account, work, priority, caller) {
            Admission::Granted { expires } => Ok(expires),
            Admission::NotBefore(at) => {
                self.event_sink.on_budget_wait(work, at.saturating_sub(self.clock.monotonic()));
                Err(RetryAt(at))
            }
        }
    }

    /// Sends a mutating call: the only way to do so. `call` is not polled after `until`, since its intent promises that
    /// it takes no effect later, nor if the lease may end before the answer. Its value is the id of a new instance.
    pub(super) async fn send(
        &self,
        account: &AccountKey,
        until: Duration,
        call: impl Future<Output = Result<Option<String>, Error>> + Send,
    ) -> ChangeOutcome {
        if self.clock.monotonic() > until {
            return ChangeOutcome::not_sent(Reason::ClusterError, "writing the intent took too long");
        }
        if !self.may_write() {
            let why = "the lease of this operator process may end before the cloud answers";
            return ChangeOutcome::not_sent(Reason::ClusterError, why);
        }
        let answer = call.await;
        self.details.forget(account);
        self.apply_throttling(account, answer.as_ref().err());
        match answer {
            Ok(instance_id) => ChangeOutcome::Accepted { instance_id },
            Err(error) => ChangeOutcome::of(&error),
        }
    }

    /// Pauses all calls to the account's site if it answered that there were too many.
    pub fn apply_throttling(&self, account: &AccountKey, error: Option<&Error>) {
        if let Some(error) = error.filter(|error| error.class() == Class::Throttled) {
            self.inventory.pause_until(account, error.retry_after().unwrap_or(self.settings.throttled));
        }
    }
}
