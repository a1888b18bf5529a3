//! The lease over a store in memory, on a clock that is stepped, with faults by chance.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use super::*;

/// A clock for all; each sleeper looks whether its time has come.
#[derive(Debug, Clone, Default)]
struct Stepped(Arc<AtomicU64>);

impl Stepped {
    fn step(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Clock for Stepped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (clock, end) = (self.clone(), self.monotonic() + duration);
        Box::pin(std::future::poll_fn(
            move |_| {
                if clock.monotonic() >= end { Poll::Ready(()) } else { Poll::Pending }
            },
        ))
    }
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Before,
    After,
    Hangs,
}

/// One lease, seen by several.
#[derive(Debug, Clone, Default)]
struct Store {
    lease: Arc<Mutex<Option<Seen>>>,
    /// Faults of this one's calls, the next first.
    faults: Arc<Mutex<BTreeMap<u64, Fault>>>,
    calls: Arc<AtomicU64>,
    always: Arc<Mutex<Option<Fault>>>,
}

impl Store {
    fn beside(&self) -> Self {
        Self { lease: Arc::clone(&self.lease), ..Self::default() }
    }

    fn fault(&self) -> Fault {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let always = *self.always.lock().unwrap();
        always.or(self.faults.lock().unwrap().get(&call).copied()).unwrap_or(Fault::None)
    }

    async fn call<T>(&self, act: impl FnOnce() -> Result<T, LeaseError>) -> Result<T, LeaseError> {
        let lost = || Err(LeaseError::Failed("cut".to_owned()));
        match self.fault() {
            Fault::None => act(),
            Fault::Before => lost(),
            Fault::After => act().and_then(|_| lost()),
            Fault::Hangs => std::future::pending().await,
        }
    }
}

impl LeaseStore for Store {
    async fn read(&self) -> Result<Option<Seen>, LeaseError> {
        self.call(|| Ok(self.lease.lock().unwrap().clone())).await
    }

    async fn write(&self, before: Option<&Seen>, write: &Written<'_>) -> Result<Seen, LeaseError> {
        self.call(|| {
            let mut lease = self.lease.lock().unwrap();
            if lease.as_ref().map(|lease| &lease.version) != before.map(|before| &before.version) {
                return Err(LeaseError::Changed);
            }
            let version = lease.as_ref().map_or(0, |lease| lease.version.parse().unwrap()) + 1;
            let seen = Seen {
                version: version.to_string(),
                holder: write.holder.map(str::to_owned),
                duration: Some(write.duration),
                transitions: 0,
            };
            *lease = Some(seen.clone());
            Ok(seen)
        })
        .await
    }
}

fn settings(identity: &str) -> Settings {
    Settings {
        identity: identity.to_owned(),
        duration: Duration::from_secs(30),
        renew_every: Duration::from_secs(5),
    }
}

/// A candidate that leads as long as it may, and then is gone.
fn candidate(name: &str, store: &Store, clock: &Stepped) -> (Leadership, BoxFuture<'static, Lost>) {
    let leadership = Leadership::new(Arc::new(clock.clone()));
    let (store, settings, shared) = (store.clone(), settings(name), leadership.clone());
    (leadership, Box::pin(async move { acquire(store, settings, shared).await.keep().await }))
}

fn poll<T>(future: &mut BoxFuture<'static, T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

const STEP: Duration = Duration::from_millis(500);

#[test]
fn when_nobody_answers_it_runs_out_on_the_own_clock() {
    let (store, clock) = (Store::default(), Stepped::default());
    let (leadership, mut held) = candidate("me", &store, &clock);
    assert_eq!(poll(&mut held), None);
    assert!(leadership.is_leader() && leadership.outlasts(Duration::from_secs(30)));
    assert!(!leadership.outlasts(Duration::from_secs(31)));
    *store.always.lock().unwrap() = Some(Fault::Hangs);
    let lost = loop {
        clock.step(STEP);
        if let Some(lost) = poll(&mut held) {
            break lost;
        }
        assert!(clock.monotonic() < Duration::from_secs(40));
    };
    assert!(matches!(lost, Lost::Expired(..)), "{lost}");
    assert!(!leadership.is_leader());
}

#[test]
fn after_a_standstill_nothing_is_believed() {
    let (store, clock) = (Store::default(), Stepped::default());
    let (leadership, mut held) = candidate("me", &store, &clock);
    assert_eq!(poll(&mut held), None);
    clock.step(Duration::from_secs(31));
    assert!(!leadership.is_leader(), "though nothing has run since");
    assert!(matches!(poll(&mut held), Some(Lost::Expired(..))));
}

#[test]
fn given_back_it_is_taken_at_once() {
    let (store, clock) = (Store::default(), Stepped::default());
    let leadership = Leadership::new(Arc::new(clock.clone()));
    let mut first: BoxFuture<'static, _> = {
        let (store, leadership) = (store.clone(), leadership.clone());
        Box::pin(async move { acquire(store, settings("first"), leadership).await })
    };
    let held = poll(&mut first).unwrap();
    let (second, mut waiting) = candidate("second", &store.beside(), &clock);
    assert_eq!(poll(&mut waiting), None);
    let mut release: BoxFuture<'static, ()> = Box::pin(held.release());
    assert_eq!(poll(&mut release), Some(()));
    assert!(!leadership.is_leader() && !second.is_leader());
    clock.step(GAP);
    assert_eq!(poll(&mut waiting), None);
    assert!(second.is_leader());
}

#[test]
fn who_finds_anothers_name_in_it_has_lost_it() {
    let (store, clock) = (Store::default(), Stepped::default());
    let (leadership, mut held) = candidate("me", &store, &clock);
    assert_eq!(poll(&mut held), None);
    let seen =
        Seen { version: "9".to_owned(), holder: Some("other".to_owned()), duration: None, transitions: 1 };
    *store.lease.lock().unwrap() = Some(seen);
    clock.step(Duration::from_secs(5));
    assert_eq!(poll(&mut held), Some(Lost::Taken("other".to_owned())));
    assert!(!leadership.is_leader());
}

/// With any faults, and one of them standing still now and then, no two ever lead at the same time.
#[test]
fn never_two() {
    for seed in 1..=500_u64 {
        let mut bits = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut roll = |sides: u64| {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            bits % sides
        };
        let (store, clock) = (Store::default(), Stepped::default());
        let stores = [store.clone(), store.beside(), store.beside()];
        for store in &stores {
            let mut faults = store.faults.lock().unwrap();
            for call in 0..200 {
                let fault =
                    [Fault::Before, Fault::After, Fault::Hangs, Fault::None, Fault::None, Fault::None];
                faults.insert(call, fault[roll(6) as usize]);
            }
        }
        let mut candidates: Vec<_> = stores
            .iter()
            .enumerate()
            .map(|(n, store)| Some(candidate(&format!("c{n}"), store, &clock)))
            .collect();
        let mut still = [0_u64; 3];
        let mut led = 0;
        for _ in 0..600 {
            clock.step(STEP);
            for (n, slot) in candidates.iter_mut().enumerate() {
                if still[n] == 0 && roll(100) == 0 {
                    still[n] = roll(100);
                }
                still[n] = still[n].saturating_sub(1);
                let Some((_, future)) = slot else { continue };
                if still[n] == 0 && poll(future).is_some() {
                    *slot = None;
                }
            }
            let leaders =
                candidates.iter().flatten().filter(|(leadership, _)| leadership.is_leader()).count();
            assert!(leaders <= 1, "two lead, with seed {seed}");
            led += leaders;
        }
        assert!(led > 0, "nobody ever led, with seed {seed}");
    }
}
