//! The leader's lease: of several operators on one cluster, one changes anything.
//!
//! Every write is guarded by the version that was read. How long our own lease lasts is counted from before its last
//! renewal was sent, by the monotonic clock; somebody else's is judged by whether it changes, as seen from here. What
//! is lost once is not claimed again: the process ends, and whoever started it starts it anew.

mod kube;
mod term;

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use self::kube::KubeLease;
use self::term::{Move, Term};
use crate::clock::Clock;

/// No call may take longer: what is not renewed by then is tried again.
const CALL: Duration = Duration::from_secs(5);
/// Between tries while somebody else holds it, and after a failure.
const GAP: Duration = Duration::from_secs(1);
/// How long giving it back may take.
const RELEASE: Duration = Duration::from_secs(3);

/// How the lease is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who we are: the same identity takes its own lease again at once.
    pub identity: String,
    /// How long it lasts after a renewal.
    pub duration: Duration,
    /// How often it is renewed.
    pub renew_every: Duration,
}

/// Where the lease is kept. What it says is opaque but for [`Held`].
pub trait LeaseStore: Send + Sync {
    /// What the lease says; `None` if there is none.
    fn read(&self) -> impl Future<Output = Result<Option<Seen>, LeaseError>> + Send;

    /// Writes the lease over what was read before, or makes it; [`LeaseError::Changed`] if it is not so any more.
    fn write(
        &self,
        before: Option<&Seen>,
        write: &Written<'_>,
    ) -> impl Future<Output = Result<Seen, LeaseError>> + Send;
}

/// A lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Changes with every write to it.
    pub version: String,
    /// Who holds it; nobody once it was released.
    pub holder: Option<String>,
    /// For how long after its last renewal, by its holder's word.
    pub duration: Option<Duration>,
    /// How often it changed hands.
    pub transitions: i32,
}

/// What is written into a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// Who holds it from now on; nobody if it is given back.
    pub holder: Option<&'a str>,
    /// How long it lasts.
    pub duration: Duration,
}

/// Why a lease could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else wrote it since it was read.
    #[error("somebody else wrote the lease")]
    Changed,
    /// It did not work, or nobody knows whether it did.
    #[error("{0}")]
    Failed(String),
}

/// Why we do not lead any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Somebody else took it.
    #[error("the lease was taken by {0}")]
    Taken(String),
    /// It could not be renewed in time.
    #[error("the lease could not be renewed within {0:?}: {1}")]
    Expired(Duration, String),
}

/// Whether we lead. Clones share it.
#[derive(Debug, Clone)]
pub struct Leadership {
    clock: Arc<dyn Clock>,
    until: Arc<Mutex<Option<Duration>>>,
}

/// The lease, while it is ours.
#[derive(Debug)]
pub struct Held<S> {
    store: S,
    settings: Settings,
    leadership: Leadership,
    seen: Seen,
}

// === impl Leadership ===

impl Leadership {
    /// Nobody leads yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, until: Arc::default() }
    }

    /// Whether we surely lead until then, by the monotonic clock. After a standstill of the whole process the clock
    /// has gone on, so this is asked right before whatever depends on it.
    pub fn outlasts(&self, until: Duration) -> bool {
        self.until().is_some_and(|end| self.clock.monotonic() < end && until <= end)
    }

    /// Whether we lead now.
    pub fn is_leader(&self) -> bool {
        self.outlasts(self.clock.monotonic())
    }

    fn until(&self) -> Option<Duration> {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, until: Option<Duration>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Waits until the lease is ours.
pub async fn acquire<S: LeaseStore>(store: S, settings: Settings, leadership: Leadership) -> Held<S> {
    let clock = Arc::clone(&leadership.clock);
    let mut term = Term::default();
    let mut told = None;
    loop {
        let wait = match within(&clock, CALL, store.read()).await {
            Ok(seen) => {
                let record = seen.as_ref().map(term::Record::from);
                let now = clock.monotonic();
                match term.next(record.as_ref(), &settings.identity, settings.duration, now) {
                    Move::Take => {
                        if let Ok(seen) = take(&store, &settings, &leadership, seen.as_ref()).await {
                            tracing::info!(identity = %settings.identity, "this process leads");
                            return Held { store, settings, leadership, seen };
                        }
                        GAP
                    }
                    Move::Watch(until) => {
                        let holder = seen.and_then(|seen| seen.holder);
                        if told != holder {
                            tracing::info!(holder = ?holder, "another process leads; waiting");
                            told = holder;
                        }
                        until.saturating_sub(now).min(GAP)
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the lease cannot be read");
                GAP
            }
        };
        clock.sleep(wait).await;
    }
}

/// Writes our name into the lease. It is ours from before that was sent, so that nobody's clock matters but ours.
async fn take<S: LeaseStore>(
    store: &S,
    settings: &Settings,
    leadership: &Leadership,
    before: Option<&Seen>,
) -> Result<Seen, LeaseError> {
    let clock = &leadership.clock;
    let sent = clock.monotonic();
    let write = Written { holder: Some(&settings.identity), duration: settings.duration };
    let seen = within(clock, CALL, store.write(before, &write)).await?;
    leadership.set(Some(sent.saturating_add(settings.duration)));
    Ok(seen)
}

async fn within<T>(
    clock: &Arc<dyn Clock>,
    limit: Duration,
    call: impl Future<Output = Result<T, LeaseError>>,
) -> Result<T, LeaseError> {
    tokio::select! {
        outcome = call => outcome,
        () = clock.sleep(limit) => Err(LeaseError::Failed(format!("no answer within {} s", limit.as_secs()))),
    }
}

// === impl Held ===

impl<S: LeaseStore> Held<S> {
    /// Renews the lease until it is lost.
    pub async fn keep(&mut self) -> Lost {
        let lost = self.renew().await;
        self.leadership.set(None);
        lost
    }

    async fn renew(&mut self) -> Lost {
        let clock = Arc::clone(&self.leadership.clock);
        let (mut wait, mut problem) = (self.settings.renew_every, String::new());
        loop {
            let end = self.leadership.until().unwrap_or_default();
            let rest = end.saturating_sub(clock.monotonic());
            if rest.is_zero() {
                return Lost::Expired(self.settings.duration, problem);
            }
            clock.sleep(wait.min(rest)).await;
            wait = GAP;
            if clock.monotonic() >= end {
                return Lost::Expired(self.settings.duration, problem);
            }
            match take(&self.store, &self.settings, &self.leadership, Some(&self.seen)).await {
                Ok(seen) => (self.seen, wait) = (seen, self.settings.renew_every),
                Err(LeaseError::Failed(error)) => {
                    tracing::warn!(%error, "the lease cannot be renewed");
                    problem = error;
                    // What was sent may have arrived: the next write has to follow on that.
                    if let Err(lost) = self.look().await {
                        return lost;
                    }
                }
                Err(LeaseError::Changed) => {
                    if let Err(lost) = self.look().await {
                        return lost;
                    }
                }
            }
        }
    }

    /// Reads the lease again, to see whether it is still ours.
    async fn look(&mut self) -> Result<(), Lost> {
        match within(&self.leadership.clock, CALL, self.store.read()).await {
            Ok(Some(seen)) if seen.holder.as_ref() == Some(&self.settings.identity) => {
                self.seen = seen;
                Ok(())
            }
            Ok(Some(Seen { holder, .. })) => Err(Lost::Taken(holder.unwrap_or_else(|| "nobody".to_owned()))),
            Ok(None) => Err(Lost::Taken("nobody: it was deleted".to_owned())),
            Err(_) => Ok(()),
        }
    }

    /// Gives the lease back, so that the next process need not wait.
    pub async fn release(self) {
        self.leadership.set(None);
        let write = Written { holder: None, duration: Duration::from_secs(1) };
        let given = within(&self.leadership.clock, RELEASE, self.store.write(Some(&self.seen), &write)).await;
        match given {
            Ok(_) => tracing::info!("the lease was given back"),
            Err(error) => tracing::warn!(%error, "the lease was not given back; it runs out by itself"),
        }
    }
}

// === impl Record ===

impl From<&Seen> for term::Record {
    fn from(seen: &Seen) -> Self {
        let Seen { version, holder, duration, transitions } = seen.clone();
        Self { version, holder, duration, transitions }
    }
}

#[cfg(test)]
mod tests;
