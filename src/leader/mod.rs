//! Leader election by a Lease: among all running processes, only the holder of the Lease changes the cloud.
//!
//! The election never compares clocks of different machines. A candidate takes over another process's Lease only after
//! it has observed no change for the duration of that Lease. The leader counts the duration from before it sends each
//! renewal, so the lease expires here before it can expire for any other process. Both rules assume only that clocks
//! run at the same rate; callers of [`Leadership::covers`] add a margin for the difference.
//!
//! A process that has lost the lease never leads again. It exits, and a new process starts without its state.
//!
//! Two running processes may have been given the same identity. A random word in the Lease tells them apart, so that
//! only one leads; the other one waits for the lease, or exits at its next renewal.
//!
//! One gap remains, and only users can open it: if a Lease is deleted, or its holder is edited away, another process
//! can acquire it before the leader notices at its next renewal.

mod lease_state;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease;

use self::lease_state::{AcquireDecision, LeaseObserver, LeaseState};
pub use self::{
    lease_state::LossReason,
    settings::{LeaseSettings, SettingsError},
    store::{KubeLeaseApi, LeaseApi, LeaseError},
};
use crate::clock::Clock;

/// Time limit of a release. After it, other processes wait until the lease expires.
pub const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);
/// Delay between attempts to release.
const RELEASE_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Tells whether this process leads. Clones share the state.
#[derive(Debug, Clone)]
pub struct Leadership {
    clock: Arc<dyn Clock>,
    state: SharedState,
}

#[derive(Debug, Clone, Default)]
struct SharedState(Arc<Mutex<LeaseState>>);

/// A process that wants to lead.
#[derive(Debug)]
pub struct Candidate<L> {
    client: LeaseClient<L>,
    observer: LeaseObserver,
}

/// The acquired lease. It must be [renewed](LeaseGuard::renew_until_lost); dropping it lets the lease expire.
#[derive(Debug)]
pub struct LeaseGuard<L> {
    client: LeaseClient<L>,
    /// Time of the next renewal, on the monotonic clock.
    next_renewal: Duration,
}

/// Result of an attempt to acquire the lease.
enum Attempt {
    /// This process holds the lease, by a write sent at this time.
    Acquired { sent: Duration },
    /// Another process holds it, at least until this time.
    HeldByOther { holder: String, until: Duration },
}

/// Reads and writes the Lease, for candidate and leader.
struct LeaseClient<L> {
    leases: L,
    settings: LeaseSettings,
    /// `leaseDurationSeconds` of the Lease.
    duration_seconds: i32,
    clock: Arc<dyn Clock>,
    state: SharedState,
    /// The response to our last write; `None` if the Lease may have changed since.
    cached: Option<Lease>,
}

// === impl Leadership ===

impl Leadership {
    /// Whether this process holds the lease, and holds it past `until` on the monotonic clock without another renewal.
    pub fn covers(&self, until: Duration) -> bool {
        let state = self.state.lock();
        // The clock is read with the lock held, so that a later answer never turns from false back to true.
        state.covers(until, self.clock.monotonic())
    }

    /// Whether this process holds the lease now. Before an action, ask whether the lease [`covers`](Self::covers) it.
    pub fn is_leader(&self) -> bool {
        self.covers(Duration::ZERO)
    }
}

// === impl SharedState ===

impl SharedState {
    fn lock(&self) -> MutexGuard<'_, LeaseState> {
        // A panic cannot leave the state half written: every change is a single assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Candidate ===

impl<L: LeaseApi> Candidate<L> {
    /// Creates a candidate without sending a request.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if the settings are unsafe.
    pub fn new(leases: L, settings: LeaseSettings, clock: Arc<dyn Clock>) -> Result<Self, SettingsError> {
        let duration_seconds = settings.duration_seconds()?;
        let state = SharedState::default();
        let client = LeaseClient { leases, settings, duration_seconds, clock, state, cached: None };
        Ok(Self { client, observer: LeaseObserver::default() })
    }

    /// A handle that tells whether this process leads.
    pub fn leadership(&self) -> Leadership {
        self.client.leadership()
    }

    /// Waits until this process holds the lease, without a time limit. If the future is dropped, it may leave behind a
    /// lease without renewals, which expires.
    pub async fn acquire(mut self) -> LeaseGuard<L> {
        let LeaseSettings { namespace, name, identity, renew_interval, .. } = self.client.settings.clone();
        let lease = format!("{namespace}/{name}");
        // Each holder and each error is logged once, not at every attempt.
        let mut logged = String::new();
        let mut is_new = move |text: &str| std::mem::replace(&mut logged, text.to_owned()) != text;
        loop {
            let next = match self.attempt().await {
                Ok(Attempt::Acquired { sent }) => {
                    tracing::info!(%lease, %identity, "became leader");
                    return LeaseGuard {
                        client: self.client,
                        next_renewal: sent.saturating_add(renew_interval),
                    };
                }
                Ok(Attempt::HeldByOther { holder, until }) => {
                    if is_new(&holder) {
                        tracing::info!(%lease, %identity, %holder, "waiting for the lease");
                    }
                    self.client.time_after(renew_interval).min(until)
                }
                Err(error) => {
                    if is_new(&error.to_string()) {
                        tracing::warn!(%lease, %identity, %error, "acquiring the lease failed; retrying");
                    }
                    self.client.time_after(self.client.settings.retry_interval())
                }
            };
            self.client.sleep_until(next).await;
        }
    }

    async fn attempt(&mut self) -> Result<Attempt, LeaseError> {
        let found = self.client.read().await?;
        let (settings, now) = (&self.client.settings, self.client.clock.monotonic());
        match self.observer.decide_acquire(found.as_ref(), settings.claimant(), settings.duration, now) {
            AcquireDecision::Acquire => Ok(Attempt::Acquired { sent: self.client.write(found).await? }),
            AcquireDecision::Wait { holder, until } => Ok(Attempt::HeldByOther { holder, until }),
        }
    }
}

// === impl LeaseGuard ===

impl<L: LeaseApi> LeaseGuard<L> {
    /// A handle that tells whether this process leads.
    pub fn leadership(&self) -> Leadership {
        self.client.leadership()
    }

    /// Renews the lease, and returns only when it is lost: all work under the lease must stop then. The future may be
    /// dropped and the method called again.
    pub async fn renew_until_lost(&mut self) -> LossReason {
        loop {
            let expiry = self.client.state.lock().expiry(self.client.clock.monotonic());
            let until = match expiry {
                Ok(until) => until,
                Err(reason) => return reason,
            };
            let expired = self.client.sleep_until(until);
            // A renewal that hangs must not hide the expiry.
            tokio::select! {
                biased;
                () = expired => {}
                () = self.renew_when_due() => {}
            }
        }
    }

    async fn renew_when_due(&mut self) {
        self.client.sleep_until(self.next_renewal).await;
        match self.renew().await {
            Ok(sent) => self.next_renewal = sent.saturating_add(self.client.settings.renew_interval),
            Err(error) => {
                self.next_renewal = self.client.time_after(self.client.settings.retry_interval());
                tracing::warn!(%error, "renewing the lease failed; retrying");
                self.client.state.lock().record_failure(error.to_string());
            }
        }
    }

    /// A lost lease is no error here: the state records it, and `renew_until_lost` reads it next.
    async fn renew(&mut self) -> Result<Duration, LeaseError> {
        let found = self.client.read().await?;
        let held = self.client.state.lock().check_holder(found.as_ref(), self.client.settings.claimant());
        match held {
            Ok(()) => self.client.write(found).await,
            Err(_) => Ok(self.client.clock.monotonic()),
        }
    }

    /// Releases the lease, so that the next leader need not wait until it expires. All work under the lease must have
    /// ended. A failure is logged. The call takes [`RELEASE_TIMEOUT`] at most.
    pub async fn release(mut self) {
        self.client.state.lock().end(LossReason::Released);
        let timeout = self.client.clock.sleep(RELEASE_TIMEOUT);
        tokio::select! {
            biased;
            () = self.release_with_retries() => {}
            () = timeout => {
                tracing::warn!("releasing the lease timed out; the next leader waits until it expires");
            }
        }
    }

    async fn release_with_retries(&mut self) {
        loop {
            match self.try_release().await {
                Ok(true) => return tracing::info!("released the lease"),
                Ok(false) => return tracing::info!("another process holds the lease; nothing to release"),
                Err(error) => tracing::debug!(%error, "releasing the lease failed; retrying"),
            }
            self.client.clock.sleep(RELEASE_RETRY_INTERVAL).await;
        }
    }

    /// Returns false if this process does not hold the lease.
    async fn try_release(&mut self) -> Result<bool, LeaseError> {
        let found = self.client.read().await?;
        let is_own = |lease: &Lease| lease_state::is_held_by(lease, self.client.settings.claimant());
        let Some(found) = found.filter(is_own) else { return Ok(false) };
        let lease = lease_state::without_holder(found, self.client.clock.now());
        self.client.with_timeout(self.client.leases.replace(&lease)).await.map(|_| true)
    }
}

// === impl LeaseClient ===

impl<L: LeaseApi> LeaseClient<L> {
    fn leadership(&self) -> Leadership {
        Leadership { clock: self.clock.clone(), state: self.state.clone() }
    }

    /// The response to our last write if it is cached, else the Lease from the API server. The cache is used once: a
    /// write that follows may take effect without a response.
    async fn read(&mut self) -> Result<Option<Lease>, LeaseError> {
        match self.cached.take() {
            Some(cached) => Ok(Some(cached)),
            None => self.with_timeout(self.leases.get(&self.settings.namespace, &self.settings.name)).await,
        }
    }

    /// Writes the own identity into the Lease, and returns the time at which the request was sent.
    async fn write(&mut self, found: Option<Lease>) -> Result<Duration, LeaseError> {
        let exists = found.is_some();
        let found = found.unwrap_or_else(|| self.new_lease());
        let lease = lease_state::with_holder(
            found,
            self.settings.claimant(),
            self.duration_seconds,
            self.clock.now(),
        );
        let sent = self.clock.monotonic();
        let written = if exists {
            self.with_timeout(self.leases.replace(&lease)).await?
        } else {
            self.with_timeout(self.leases.create(&lease)).await?
        };
        let mut state = self.state.lock();
        if !state.record_renewal(sent, self.settings.duration, self.clock.monotonic()) {
            return Err(LeaseError::Failed("the response came after the lease had expired".to_owned()));
        }
        drop(state);
        self.cached = Some(written);
        Ok(sent)
    }

    fn new_lease(&self) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.namespace = Some(self.settings.namespace.clone());
        lease.metadata.name = Some(self.settings.name.clone());
        lease
    }

    async fn with_timeout<T>(
        &self,
        call: impl Future<Output = Result<T, LeaseError>>,
    ) -> Result<T, LeaseError> {
        let timeout = self.settings.call_timeout();
        tokio::select! {
            biased;
            response = call => response,
            () = self.clock.sleep(timeout) => {
                Err(LeaseError::Failed(format!("no response within {} s", timeout.as_secs_f64())))
            }
        }
    }

    fn time_after(&self, delay: Duration) -> Duration {
        self.clock.monotonic().saturating_add(delay)
    }

    fn sleep_until(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(time.saturating_sub(self.clock.monotonic()))
    }
}

impl<L> fmt::Debug for LeaseClient<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseClient")
            .field("settings", &self.settings)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
