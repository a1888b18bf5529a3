//! Candidates and leaders on manual clocks, against a fake Lease API with faults.

mod fake;
mod random;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease;

use self::fake::{Scripted, Store, poll};
use super::{Candidate, Leadership, LeaseGuard, LeaseSettings, LossReason, lease_state};
use crate::clock::{Clock, testing::TestClock};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn candidate(store: &Store, time: &TestClock, identity: &str, offset: Duration) -> Candidate<Store> {
    let settings = LeaseSettings::new("system", "leader", identity);
    Candidate::new(store.clone(), settings, Arc::new(time.skewed(offset))).unwrap()
}

/// Runs `future` to its end; fails after `limit` on the clock.
fn run<T>(store: &Store, time: &TestClock, limit: Duration, mut future: BoxFuture<'_, T>) -> T {
    attempt(store, time, limit, &mut future).unwrap_or_else(|| panic!("not within {limit:?}"))
}

/// Runs `future` to its end, or for `limit` on the clock.
fn attempt<T>(store: &Store, time: &TestClock, limit: Duration, future: &mut BoxFuture<'_, T>) -> Option<T> {
    let end = time.monotonic() + limit;
    loop {
        // Several times: a response can lead to another request at the same time.
        for _ in 0..5 {
            store.run();
            if let Some(done) = poll(future) {
                return Some(done);
            }
        }
        if time.monotonic() >= end {
            return None;
        }
        time.advance_to_next_timer(end - time.monotonic());
    }
}

fn lead(store: &Store, time: &TestClock, identity: &str) -> (LeaseGuard<Store>, Leadership) {
    let held =
        run(store, time, seconds(1), Box::pin(candidate(store, time, identity, seconds(77)).acquire()));
    let leadership = held.leadership();
    assert!(leadership.is_leader());
    (held, leadership)
}

fn holder(store: &Store) -> Option<String> {
    store.lease().as_ref().and_then(lease_state::holder).map(str::to_owned)
}

fn setup() -> (TestClock, Store) {
    let time = TestClock::manual();
    (time.clone(), Store::new(&time))
}

#[test]
fn the_guard_renews_the_lease_while_it_is_polled() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(600), &mut renewing), None);
    assert!(leadership.covers(time.monotonic() + seconds(77) + seconds(20)));
    assert_eq!(store.writes(), 121, "one write every 5 s");
    let spec = store.lease().unwrap().spec.unwrap();
    assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(0), Some(30)));
}

#[test]
fn the_lease_expires_when_the_api_server_hangs() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    let begun = time.monotonic() + seconds(77);
    store.script_all(Scripted::HANGS);
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, Duration::from_millis(29_999), &mut renewing), None);
    assert!(leadership.is_leader() && leadership.covers(begun + Duration::from_millis(29_999)));
    assert!(!leadership.covers(begun + seconds(30)));
    let lost = run(&store, &time, Duration::from_millis(1), renewing);
    assert_eq!(lost, LossReason::Expired { failure: Some("no response within 5 s".to_owned()) });
    assert!(!leadership.is_leader());
    store.clear_script();
    assert_eq!(
        run(&store, &time, seconds(600), Box::pin(held.renew_until_lost())),
        lost,
        "the loss is final"
    );
    assert!(!leadership.is_leader());
}

#[test]
fn failed_renewals_are_retried_before_the_expiry() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    // From 5 s on: three timeouts of 5 s, two errors, and 1 s after each take 25 s of the 30.
    store.script_next([
        Scripted::HANGS,
        Scripted::REFUSED,
        Scripted::REFUSED,
        Scripted::HANGS,
        Scripted::HANGS,
    ]);
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    for _ in 0..50 {
        assert_eq!(attempt(&store, &time, seconds(1), &mut renewing), None);
        assert!(leadership.is_leader());
    }
}

#[test]
fn a_write_with_a_lost_response_is_recognised() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    store.script_next([Scripted { answered_after: None, ..Scripted::OK }]);
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(60), &mut renewing), None);
    assert!(leadership.is_leader());
}

#[test]
fn a_paused_process_no_longer_leads() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(7), &mut renewing), None);
    time.advance(seconds(28));
    assert!(!leadership.is_leader(), "before any of its code runs again");
    store.run();
    assert_eq!(poll(&mut renewing), Some(LossReason::Expired { failure: None }));
}

#[test]
fn the_lease_ends_when_another_holder_or_none_is_found() {
    let named = |by: &str| {
        let mut lease = Lease::default();
        lease.spec.get_or_insert_default().holder_identity = Some(by.to_owned());
        Some(lease)
    };
    for (other, expected) in [
        (named("b"), LossReason::Taken { by: Some("b".to_owned()) }),
        (named(""), LossReason::Taken { by: None }),
        (None, LossReason::Deleted),
    ] {
        let (time, store) = setup();
        let (mut held, leadership) = lead(&store, &time, "a");
        store.put(other.clone());
        assert_eq!(run(&store, &time, seconds(7), Box::pin(held.renew_until_lost())), expected);
        assert!(!leadership.is_leader());
        run(&store, &time, seconds(3), Box::pin(held.release()));
        assert_eq!(
            store.lease().map(|lease| lease.spec),
            other.map(|lease| lease.spec),
            "a lease of another process is not released"
        );
    }
}

#[test]
fn a_change_of_other_fields_keeps_the_lease() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    let mut lease = store.lease().unwrap();
    lease.metadata.labels = Some([("seen".to_owned(), "yes".to_owned())].into());
    store.put(Some(lease));
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(60), &mut renewing), None);
    assert!(leadership.is_leader());
    assert!(store.lease().unwrap().metadata.labels.is_some(), "the label stays");
}

#[test]
fn a_released_lease_is_acquired_at_the_next_attempt() {
    let (time, store) = setup();
    let (held, leadership) = lead(&store, &time, "a");
    let mut waiting: BoxFuture<'_, LeaseGuard<Store>> =
        Box::pin(candidate(&store, &time, "b", seconds(3)).acquire());
    assert!(attempt(&store, &time, seconds(2), &mut waiting).is_none());
    run(&store, &time, Duration::ZERO, Box::pin(held.release()));
    assert_eq!((leadership.is_leader(), holder(&store)), (false, None));
    let next = run(&store, &time, seconds(5), waiting);
    assert!(next.leadership().is_leader());
    assert_eq!(holder(&store).as_deref(), Some("b"));
    assert_eq!(store.lease().unwrap().spec.unwrap().lease_transitions, Some(1));
    let (_, third) = {
        run(&store, &time, Duration::ZERO, Box::pin(next.release()));
        lead(&store, &time, "c")
    };
    assert!(third.is_leader(), "a new candidate acquires it at once");
}

#[test]
fn release_times_out_and_ends_leadership_at_once() {
    let (time, store) = setup();
    let (held, leadership) = lead(&store, &time, "a");
    store.script_all(Scripted::HANGS);
    let mut releasing: BoxFuture<'_, ()> = Box::pin(held.release());
    assert!(attempt(&store, &time, Duration::from_millis(2_999), &mut releasing).is_none());
    assert!(!leadership.is_leader());
    run(&store, &time, Duration::from_millis(1), releasing);
    assert_eq!(holder(&store).as_deref(), Some("a"));
}

#[test]
fn release_succeeds_after_a_late_renewal() {
    let (time, store) = setup();
    let (mut held, _) = lead(&store, &time, "a");
    let late =
        Scripted { applied_after: Some(Duration::from_millis(100)), answered_after: None, garbled: false };
    store.script_next([
        late,
        Scripted::OK,
        Scripted { applied_after: Some(Duration::from_millis(200)), ..Scripted::OK },
    ]);
    {
        let mut renewing: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
        assert_eq!(attempt(&store, &time, seconds(5), &mut renewing), None);
    }
    run(&store, &time, seconds(3), Box::pin(held.release()));
    assert_eq!(holder(&store), None);
}

#[test]
fn a_process_of_the_same_identity_acquires_the_lease_at_once() {
    let (time, store) = setup();
    let (held, _) = lead(&store, &time, "a");
    drop(held);
    let (_, leadership) = lead(&store, &time, "a");
    assert!(leadership.is_leader());
    assert_eq!(store.lease().unwrap().spec.unwrap().lease_transitions, Some(0));
}

#[test]
fn of_two_processes_with_the_same_identity_one_leads() {
    let (time, store) = setup();
    let twin = |nonce: &str, unique_identity| {
        let settings = LeaseSettings {
            nonce: nonce.to_owned(),
            unique_identity,
            ..LeaseSettings::new("system", "leader", "a")
        };
        Candidate::new(store.clone(), settings, Arc::new(time.skewed(seconds(7)))).unwrap()
    };
    let mut held = run(&store, &time, seconds(1), Box::pin(twin("one", false).acquire()));
    let first = held.leadership();
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    let mut waiting: BoxFuture<'_, LeaseGuard<Store>> = Box::pin(twin("two", false).acquire());
    for _ in 0..60 {
        assert!(attempt(&store, &time, seconds(1), &mut renewing).is_none());
        assert!(attempt(&store, &time, Duration::ZERO, &mut waiting).is_none(), "the other one renews");
    }
    drop(renewing);
    assert!(first.is_leader());
    // The first one hangs or was killed: nothing renews.
    let mut second = run(&store, &time, seconds(11), waiting);
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(second.renew_until_lost());
    assert!(attempt(&store, &time, seconds(5), &mut renewing).is_none());
    drop(renewing);
    // A container that follows another one in its pod takes the lease at once; a process that is left over exits.
    let third = run(&store, &time, seconds(1), Box::pin(twin("three", true).acquire()));
    assert!(third.leadership().is_leader());
    let mut renewing: BoxFuture<'_, LossReason> = Box::pin(second.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(6), &mut renewing), Some(LossReason::SameIdentity));
    drop(renewing);
    run(&store, &time, seconds(3), Box::pin(second.release()));
    assert_eq!(holder(&store).as_deref(), Some("a"), "it does not release the lease of the third one");
}

#[test]
fn a_candidate_waits_for_the_duration_in_the_holders_lease() {
    let (time, store) = setup();
    let (held, _) = lead(&store, &time, "a");
    drop(held);
    let mut lease = store.lease().unwrap();
    lease.spec.as_mut().unwrap().lease_duration_seconds = Some(100);
    store.put(Some(lease));
    let mut waiting: BoxFuture<'_, LeaseGuard<Store>> =
        Box::pin(candidate(&store, &time, "b", seconds(3)).acquire());
    assert!(attempt(&store, &time, Duration::from_millis(99_999), &mut waiting).is_none());
    run(&store, &time, Duration::from_millis(1), waiting);
    assert_eq!(holder(&store).as_deref(), Some("b"));
}
