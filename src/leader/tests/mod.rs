//! The loops of candidates and leaders on a manual clock, against a store with faults.

mod double;
mod random;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease;

use self::double::{Fate, Store, poll};
use super::{Candidate, Leadership, LeaseGuard, LeaseSettings, LossReason, term};
use crate::clock::{Clock, testing::TestClock};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn candidate(store: &Store, time: &TestClock, identity: &str, offset: Duration) -> Candidate<Store> {
    let settings = LeaseSettings::new("system", "leader", identity);
    Candidate::new(store.clone(), settings, Arc::new(time.skewed(offset))).unwrap()
}

/// Runs it until it is done; fails if that takes longer than `limit` on the clock.
fn run<T>(store: &Store, time: &TestClock, limit: Duration, mut future: BoxFuture<'_, T>) -> T {
    attempt(store, time, limit, &mut future).unwrap_or_else(|| panic!("not within {limit:?}"))
}

/// Runs it until it is done or `limit` has passed on the clock.
fn attempt<T>(store: &Store, time: &TestClock, limit: Duration, future: &mut BoxFuture<'_, T>) -> Option<T> {
    let end = time.monotonic() + limit;
    loop {
        // A few times, since an answer leads to the next request at the same time.
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
    store.lease().as_ref().and_then(term::holder).map(str::to_owned)
}

fn setup() -> (TestClock, Store) {
    let time = TestClock::manual();
    (time.clone(), Store::new(&time))
}

#[test]
fn it_is_renewed_for_as_long_as_it_is_kept() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    let mut keeping: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(600), &mut keeping), None);
    assert!(leadership.covers(time.monotonic() + seconds(77) + seconds(20)));
    assert_eq!(store.writes(), 121, "one every 5 s");
    let spec = store.lease().unwrap().spec.unwrap();
    assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(0), Some(30)));
}

#[test]
fn an_api_server_that_hangs_costs_it_in_time() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    let begun = time.monotonic() + seconds(77);
    store.always(Fate::HANGS);
    let mut keeping: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, Duration::from_millis(29_999), &mut keeping), None);
    assert!(leadership.is_leader() && leadership.covers(begun + Duration::from_millis(29_999)));
    assert!(!leadership.covers(begun + seconds(30)));
    let lost = run(&store, &time, Duration::from_millis(1), keeping);
    assert_eq!(lost, LossReason::Expired { failure: Some("no answer within 5 s".to_owned()) });
    assert!(!leadership.is_leader());
    store.recover();
    assert_eq!(run(&store, &time, seconds(600), Box::pin(held.renew_until_lost())), lost, "for good");
    assert!(!leadership.is_leader());
}

#[test]
fn refusals_are_overcome_while_there_is_time() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    // From 5 s on: three that hang for 5 s, two refusals, and 1 s after each of them, come to 25 s of the 30.
    store.foretell([Fate::HANGS, Fate::REFUSED, Fate::REFUSED, Fate::HANGS, Fate::HANGS]);
    let mut keeping: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    for _ in 0..50 {
        assert_eq!(attempt(&store, &time, seconds(1), &mut keeping), None);
        assert!(leadership.is_leader());
    }
}

#[test]
fn a_write_whose_answer_was_lost_is_found_again() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    store.foretell([Fate { answered: None, ..Fate::WELL }]);
    let mut keeping: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(60), &mut keeping), None);
    assert!(leadership.is_leader());
}

#[test]
fn a_process_that_stood_still_leads_no_more() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    let mut keeping: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(7), &mut keeping), None);
    time.advance(seconds(28));
    assert!(!leadership.is_leader(), "before anything of it has run again");
    store.run();
    assert_eq!(poll(&mut keeping), Some(LossReason::Expired { failure: None }));
}

#[test]
fn it_ends_with_whatever_is_found_in_its_place() {
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
            "not ours to release"
        );
    }
}

#[test]
fn a_change_by_others_that_leaves_the_holder_is_no_loss() {
    let (time, store) = setup();
    let (mut held, leadership) = lead(&store, &time, "a");
    let mut lease = store.lease().unwrap();
    lease.metadata.labels = Some([("seen".to_owned(), "yes".to_owned())].into());
    store.put(Some(lease));
    let mut keeping: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
    assert_eq!(attempt(&store, &time, seconds(60), &mut keeping), None);
    assert!(leadership.is_leader());
    assert!(store.lease().unwrap().metadata.labels.is_some(), "and it stays");
}

#[test]
fn a_released_lease_is_taken_at_the_next_look() {
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
    assert!(third.is_leader(), "a newcomer has it at once");
}

#[test]
fn releasing_is_given_up_after_its_time_and_ends_the_term_at_once() {
    let (time, store) = setup();
    let (held, leadership) = lead(&store, &time, "a");
    store.always(Fate::HANGS);
    let mut releasing: BoxFuture<'_, ()> = Box::pin(held.release());
    assert!(attempt(&store, &time, Duration::from_millis(2_999), &mut releasing).is_none());
    assert!(!leadership.is_leader());
    run(&store, &time, Duration::from_millis(1), releasing);
    assert_eq!(holder(&store).as_deref(), Some("a"));
}

#[test]
fn releasing_overcomes_a_renewal_that_is_still_on_its_way() {
    let (time, store) = setup();
    let (mut held, _) = lead(&store, &time, "a");
    let late = Fate { carried_out: Some(Duration::from_millis(100)), answered: None, garbled: false };
    store.foretell([late, Fate::WELL, Fate { carried_out: Some(Duration::from_millis(200)), ..Fate::WELL }]);
    {
        let mut keeping: BoxFuture<'_, LossReason> = Box::pin(held.renew_until_lost());
        assert_eq!(attempt(&store, &time, seconds(5), &mut keeping), None);
    }
    run(&store, &time, seconds(3), Box::pin(held.release()));
    assert_eq!(holder(&store), None);
}

#[test]
fn the_same_identity_takes_its_own_lease_again_at_once() {
    let (time, store) = setup();
    let (held, _) = lead(&store, &time, "a");
    drop(held);
    let (_, leadership) = lead(&store, &time, "a");
    assert!(leadership.is_leader());
    assert_eq!(store.lease().unwrap().spec.unwrap().lease_transitions, Some(0));
}

#[test]
fn a_silent_holder_is_waited_for_as_long_as_its_own_lease_lasts() {
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
