//! The leader: of all the processes that run, the one that holds a Lease, and alone may change anything.
//!
//! No clock is compared with another one. A candidate takes the lease of another only after nothing about it has
//! changed for as long as it lasts, seen here. The leader counts its own from before each renewal was sent, so that
//! it has run out here before it can have run out for anybody else. Both assume only that clocks run equally fast;
//! whoever asks [`Leadership::covers`] leaves room for how far they do not.
//!
//! Whoever lost the lease never leads again: the process ends, and another one begins with nothing in its head.
//!
//! One gap remains, and only people can open it: a Lease that is deleted, or whose holder is edited away, can be
//! taken by a newcomer while the leader has yet to notice, which it does with its next renewal.

mod settings;
mod store;
mod term;
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

use self::term::{AcquireDecision, LeaseObserver, Term};
pub use self::{
    settings::{LeaseSettings, SettingsError},
    store::{KubeLeaseApi, LeaseApi, LeaseError},
    term::LossReason,
};
use crate::clock::Clock;

/// How long giving the lease back may take. After that the others wait until it runs out.
pub const RELEASE_LIMIT: Duration = Duration::from_secs(3);
/// From one attempt to give it back to the next.
const RELEASE_GAP: Duration = Duration::from_millis(250);

/// Whether we lead, for everybody who has to know. Clones are the same.
#[derive(Debug, Clone)]
pub struct Leadership {
    clock: Arc<dyn Clock>,
    term: SharedTerm,
}

#[derive(Debug, Clone, Default)]
struct SharedTerm(Arc<Mutex<Term>>);

/// Wants to lead.
#[derive(Debug)]
pub struct Candidate<L> {
    client: LeaseClient<L>,
    onlooker: LeaseObserver,
}

/// Leads, as long as somebody [keeps](Held::keep) it. Dropping it leaves the lease to run out.
#[derive(Debug)]
pub struct LeaseGuard<L> {
    client: LeaseClient<L>,
    /// When the next attempt to renew is due.
    due: Duration,
}

/// What an attempt to lead came to.
enum Attempt {
    /// The lease is ours, by a write that was sent then.
    Ours { sent: Duration },
    /// It belongs to another, at least until then.
    Theirs { holder: String, until: Duration },
}

/// What candidate and leader need alike.
struct LeaseClient<L> {
    leases: L,
    settings: LeaseSettings,
    /// The duration as the Lease says it.
    seconds: i32,
    clock: Arc<dyn Clock>,
    term: SharedTerm,
    /// The Lease as we wrote it last; `None` unless that is known for sure.
    known: Option<Lease>,
}

// === impl Leadership ===

impl Leadership {
    /// Whether the lease is ours, and still will be after `until` on the monotonic clock even if it cannot be renewed.
    pub fn covers(&self, until: Duration) -> bool {
        let term = self.term.lock();
        // Read with the lock held: once somebody was told no, nobody is told yes.
        term.covers(until, self.clock.monotonic())
    }

    /// Whether the lease is ours at this moment. To act on it, ask whether it [`covers`](Self::outlasts) the act.
    pub fn is_leader(&self) -> bool {
        self.covers(Duration::ZERO)
    }
}

// === impl SharedTerm ===

impl SharedTerm {
    fn lock(&self) -> MutexGuard<'_, Term> {
        // Every change of it is whole before something could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Candidate ===

impl<L: LeaseApi> Candidate<L> {
    /// Asks for nothing yet.
    ///
    /// # Errors
    ///
    /// If nobody could lead safely with such settings.
    pub fn new(leases: L, settings: LeaseSettings, clock: Arc<dyn Clock>) -> Result<Self, SettingsError> {
        let seconds = settings.seconds()?;
        let client =
            LeaseClient { leases, settings, seconds, clock, term: SharedTerm::default(), known: None };
        Ok(Self { client, onlooker: LeaseObserver::default() })
    }

    /// For those who will have to know.
    pub fn leadership(&self) -> Leadership {
        self.client.leadership()
    }

    /// Waits until the lease is ours, however long that takes. Whoever gives it up halfway may leave a lease behind
    /// that runs out.
    pub async fn acquire(mut self) -> LeaseGuard<L> {
        let LeaseSettings { namespace, name, identity, renew_every, .. } = self.client.settings.clone();
        let lease = format!("{namespace}/{name}");
        // The same is said once, not at every look.
        let mut told = String::new();
        let mut is_new = move |news: &str| std::mem::replace(&mut told, news.to_owned()) != news;
        loop {
            let next = match self.attempt().await {
                Ok(Attempt::Ours { sent }) => {
                    tracing::info!(%lease, %identity, "leads from now on");
                    return LeaseGuard { client: self.client, due: sent.saturating_add(renew_every) };
                }
                Ok(Attempt::Theirs { holder, until }) => {
                    if is_new(&holder) {
                        tracing::info!(%lease, %identity, %holder, "waits until it may lead");
                    }
                    self.client.after(renew_every).min(until)
                }
                Err(error) => {
                    if is_new(&error.to_string()) {
                        tracing::warn!(%lease, %identity, %error, "could not ask for the lease yet");
                    }
                    self.client.after(self.client.settings.gap())
                }
            };
            self.client.sleep_until(next).await;
        }
    }

    /// Looks, and takes the lease if it may.
    async fn attempt(&mut self) -> Result<Attempt, LeaseError> {
        let found = self.client.find().await?;
        let (settings, now) = (&self.client.settings, self.client.clock.monotonic());
        match self.onlooker.decide_acquire(found.as_ref(), &settings.identity, settings.duration, now) {
            AcquireDecision::Take => Ok(Attempt::Ours { sent: self.client.claim(found).await? }),
            AcquireDecision::Wait { holder, until } => Ok(Attempt::Theirs { holder, until }),
        }
    }
}

// === impl LeaseGuard ===

impl<L: LeaseApi> LeaseGuard<L> {
    /// For those who have to know.
    pub fn leadership(&self) -> Leadership {
        self.client.leadership()
    }

    /// Renews the lease, and ends only once it is lost: whatever leads has to end then, too. May be dropped and
    /// called again.
    pub async fn renew_until_lost(&mut self) -> LossReason {
        loop {
            let standing = self.client.term.lock().standing(self.client.clock.monotonic());
            let until = match standing {
                Ok(until) => until,
                Err(lost) => return lost,
            };
            let over = self.client.sleep_until(until);
            // Whatever hangs, the end of the lease is noticed.
            tokio::select! {
                biased;
                () = over => {}
                () = self.renew_when_due() => {}
            }
        }
    }

    async fn renew_when_due(&mut self) {
        self.client.sleep_until(self.due).await;
        match self.renew().await {
            Ok(sent) => self.due = sent.saturating_add(self.client.settings.renew_every),
            Err(error) => {
                self.due = self.client.after(self.client.settings.gap());
                tracing::warn!(%error, "could not renew the lease yet");
                self.client.term.lock().failed(error.to_string());
            }
        }
    }

    /// Finding it lost is no failure here: the term knows, and says so when it is looked at next.
    async fn renew(&mut self) -> Result<Duration, LeaseError> {
        let found = self.client.find().await?;
        let confirmed = self.client.term.lock().confirm(found.as_ref(), &self.client.settings.identity);
        match confirmed {
            Ok(()) => self.client.claim(found).await,
            Err(_) => Ok(self.client.clock.monotonic()),
        }
    }

    /// Gives the lease back, so that the next leader need not wait until it runs out. Nothing that the lease guards
    /// may be on its way any more. It may fail, which is logged, and takes 3 s at most.
    pub async fn release(mut self) {
        self.client.term.lock().end(LossReason::Released);
        let limit = self.client.clock.sleep(RELEASE_LIMIT);
        tokio::select! {
            biased;
            () = self.give_back() => {}
            () = limit => tracing::warn!("could not give the lease back: the next leader waits until it runs out"),
        }
    }

    async fn give_back(&mut self) {
        loop {
            match self.try_give_back().await {
                Ok(true) => return tracing::info!("gave the lease back"),
                Ok(false) => return tracing::info!("the lease is not ours any more: nothing to give back"),
                Err(error) => tracing::debug!(%error, "could not give the lease back yet"),
            }
            self.client.clock.sleep(RELEASE_GAP).await;
        }
    }

    /// Whether it was ours to give back.
    async fn try_give_back(&mut self) -> Result<bool, LeaseError> {
        let found = self.client.find().await?;
        let ours = |lease: &Lease| term::holder(lease) == Some(&self.client.settings.identity);
        let Some(found) = found.filter(ours) else { return Ok(false) };
        let lease = term::released(found, self.client.clock.now());
        self.client.answer(self.client.leases.replace(&lease)).await.map(|_| true)
    }
}

// === impl LeaseClient ===

impl<L: LeaseApi> LeaseClient<L> {
    fn leadership(&self) -> Leadership {
        Leadership { clock: self.clock.clone(), term: self.term.clone() }
    }

    /// The Lease as we left it, or else as it is. What was known is used once: a write may change it even if we never
    /// hear of that.
    async fn find(&mut self) -> Result<Option<Lease>, LeaseError> {
        match self.known.take() {
            Some(known) => Ok(Some(known)),
            None => self.answer(self.leases.get(&self.settings.namespace, &self.settings.name)).await,
        }
    }

    /// Writes us into the Lease that was found, and returns when that was sent.
    async fn claim(&mut self, found: Option<Lease>) -> Result<Duration, LeaseError> {
        let exists = found.is_some();
        let found = found.unwrap_or_else(|| self.blank());
        let lease = term::claimed(found, &self.settings.identity, self.seconds, self.clock.now());
        let sent = self.clock.monotonic();
        let written = if exists {
            self.answer(self.leases.replace(&lease)).await?
        } else {
            self.answer(self.leases.create(&lease)).await?
        };
        let mut term = self.term.lock();
        if !term.granted(sent, self.settings.duration, self.clock.monotonic()) {
            return Err(LeaseError::Failed("the answer came too late".to_owned()));
        }
        drop(term);
        self.known = Some(written);
        Ok(sent)
    }

    fn blank(&self) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.namespace = Some(self.settings.namespace.clone());
        lease.metadata.name = Some(self.settings.name.clone());
        lease
    }

    /// Waits for an answer, but not for ever.
    async fn answer<T>(&self, call: impl Future<Output = Result<T, LeaseError>>) -> Result<T, LeaseError> {
        let limit = self.settings.call_limit();
        tokio::select! {
            biased;
            answer = call => answer,
            () = self.clock.sleep(limit) => {
                Err(LeaseError::Failed(format!("no answer within {} s", limit.as_secs_f64())))
            }
        }
    }

    fn after(&self, wait: Duration) -> Duration {
        self.clock.monotonic().saturating_add(wait)
    }

    fn sleep_until(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(time.saturating_sub(self.clock.monotonic()))
    }
}

impl<L> fmt::Debug for LeaseClient<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("settings", &self.settings)
            .field("term", &self.term)
            .finish_non_exhaustive()
    }
}
