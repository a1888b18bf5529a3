//! Leases as candidates and holders see them, on the own clock.

use super::*;

const OWN: Duration = at(30);

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A Lease of `(holder, duration, version)`.
fn lease((holder, seconds, version): (&str, i32, &str)) -> Lease {
    let spec = LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: Some(seconds),
        ..LeaseSpec::default()
    };
    let mut lease = Lease { spec: Some(spec), ..Lease::default() };
    lease.metadata.resource_version = Some(version.to_owned());
    lease
}

fn wait(holder: &str, until: u64) -> AcquireDecision {
    AcquireDecision::Wait { holder: holder.to_owned(), until: at(until) }
}

fn wall(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

#[test]
fn a_candidate_waits_for_the_holders_lease_duration_without_a_change() {
    type Read = (u64, Option<(&'static str, i32, &'static str)>, AcquireDecision);
    let cases: &[(&str, &[Read])] = &[
        ("the Lease never existed", &[(0, None, AcquireDecision::Acquire)]),
        ("the Lease has no holder", &[(0, Some(("", 1, "5")), AcquireDecision::Acquire)]),
        ("the holder has the own identity", &[(0, Some(("me", 30, "5")), AcquireDecision::Acquire)]),
        (
            "the holder renews",
            &[
                (100, Some(("you", 15, "5")), wait("you", 115)),
                (114, Some(("you", 15, "6")), wait("you", 129)),
                (128, Some(("you", 15, "7")), wait("you", 143)),
            ],
        ),
        (
            "the holder stops renewing",
            &[
                (100, Some(("you", 15, "5")), wait("you", 115)),
                (114, Some(("you", 15, "5")), wait("you", 115)),
                (115, Some(("you", 15, "5")), AcquireDecision::Acquire),
                (116, Some(("them", 15, "6")), wait("them", 131)),
            ],
        ),
        (
            "reads failed for long, and the holder renewed",
            &[
                (100, Some(("you", 15, "5")), wait("you", 115)),
                (900, Some(("you", 15, "6")), wait("you", 915)),
            ],
        ),
        (
            "the holder releases the Lease",
            &[
                (100, Some(("you", 15, "5")), wait("you", 115)),
                (101, Some(("", 1, "6")), AcquireDecision::Acquire),
            ],
        ),
        (
            "the Lease is deleted while held",
            &[
                (100, Some(("you", 15, "5")), wait("you", 115)),
                (110, None, wait("you", 125)),
                (120, None, wait("you", 125)),
                (125, None, AcquireDecision::Acquire),
            ],
        ),
        (
            "the Lease is deleted after its release",
            &[
                (100, Some(("you", 15, "5")), wait("you", 115)),
                (110, Some(("", 1, "6")), AcquireDecision::Acquire),
                (111, None, AcquireDecision::Acquire),
            ],
        ),
        (
            "the duration of the Lease is not positive",
            &[
                (100, Some(("you", 0, "5")), wait("you", 130)),
                (129, Some(("you", -1, "6")), wait("you", 159)),
            ],
        ),
    ];
    for (name, reads) in cases {
        let mut observer = LeaseObserver::default();
        for (now, found, expected) in *reads {
            let found = found.map(lease);
            let decision = observer.decide_acquire(found.as_ref(), "me", OWN, at(*now));
            assert_eq!(decision, *expected, "{name}, at {now}");
        }
    }
}

#[test]
fn any_change_counts_even_without_a_resource_version() {
    let mut observer = LeaseObserver::default();
    let mut found = lease(("you", 15, "5"));
    found.metadata.resource_version = None;
    assert_eq!(observer.decide_acquire(Some(&found), "me", OWN, at(0)), wait("you", 15));
    found.spec.as_mut().unwrap().renew_time = Some(micro_time(wall(0)));
    assert_eq!(observer.decide_acquire(Some(&found), "me", OWN, at(14)), wait("you", 29));
}

#[test]
fn absent_fields_are_accepted() {
    let mut observer = LeaseObserver::default();
    let empty = Lease::default();
    assert_eq!(observer.decide_acquire(Some(&empty), "me", OWN, at(0)), AcquireDecision::Acquire);
    let spec = LeaseSpec { holder_identity: Some("you".to_owned()), ..LeaseSpec::default() };
    let bare = Lease { spec: Some(spec), ..Lease::default() };
    assert_eq!(
        observer.decide_acquire(Some(&bare), "me", OWN, at(0)),
        wait("you", 30),
        "the own duration applies"
    );
    let spec = with_holder(empty, "me", 30, wall(0)).spec.unwrap();
    assert_eq!((spec.lease_transitions, spec.acquire_time), (Some(0), Some(micro_time(wall(0)))));
}

#[test]
fn the_lease_counts_from_when_the_write_was_sent() {
    let mut state = LeaseState::default();
    assert!(!state.covers(at(0), at(0)), "not acquired yet");
    assert!(state.record_renewal(at(10), OWN, at(14)));
    for (until, now, expected) in
        [(39, 14, true), (40, 14, false), (14, 39, true), (14, 40, false), (50, 14, false)]
    {
        assert_eq!(state.covers(at(until), at(now)), expected, "{until} at {now}");
    }
    assert!(state.record_renewal(at(15), OWN, at(39)));
    assert_eq!(state.expiry(at(44)), Ok(at(45)));
}

#[test]
fn a_response_after_the_expiry_is_refused() {
    let mut state = LeaseState::default();
    assert!(!state.record_renewal(at(10), OWN, at(40)));
    assert!(!state.covers(at(0), at(40)));
    assert!(state.record_renewal(at(40), OWN, at(41)), "a candidate may retry");
    assert!(!state.record_renewal(at(69), OWN, at(70)), "a leader may not retry");
    let lost = LossReason::Expired { failure: None };
    assert_eq!(state.expiry(at(70)), Err(lost));
}

#[test]
fn another_holder_ends_the_lease() {
    let named = |by: Option<&str>| Err(LossReason::Taken { by: by.map(str::to_owned) });
    for (found, expected) in [
        (Some(lease(("me", 30, "9"))), Ok(())),
        (Some(lease(("you", 30, "9"))), named(Some("you"))),
        (Some(lease(("", 1, "9"))), named(None)),
        (Some(Lease::default()), named(None)),
        (None, Err(LossReason::Deleted)),
    ] {
        let mut state = LeaseState::default();
        assert!(state.record_renewal(at(0), OWN, at(1)));
        assert_eq!(state.check_holder(found.as_ref(), "me"), expected);
        assert_eq!(state.covers(at(2), at(2)), expected.is_ok());
    }
}

#[test]
fn an_ended_lease_never_begins_again() {
    for reason in [
        LossReason::Expired { failure: None },
        LossReason::Taken { by: Some("you".to_owned()) },
        LossReason::Deleted,
        LossReason::Released,
    ] {
        let mut state = LeaseState::default();
        assert!(state.record_renewal(at(0), OWN, at(1)));
        assert_eq!(state.end(reason.clone()), reason);
        assert!(!state.record_renewal(at(2), OWN, at(3)), "{reason:?}");
        assert!(!state.covers(at(4), at(4)), "{reason:?}");
        assert_eq!(state.end(LossReason::Deleted), reason, "the first reason stays");
        assert_eq!(state.expiry(at(4)), Err(reason));
    }
}

#[test]
fn an_expired_lease_names_the_last_error() {
    let mut state = LeaseState::default();
    assert!(state.record_renewal(at(0), OWN, at(1)));
    state.record_failure("no response within 5 s".to_owned());
    let lost = state.expiry(at(30)).unwrap_err();
    assert_eq!(lost.to_string(), "the lease expired before it was renewed (no response within 5 s)");
    let mut state = LeaseState::default();
    assert!(state.record_renewal(at(0), OWN, at(1)));
    state.record_failure("no response within 5 s".to_owned());
    assert!(state.record_renewal(at(9), OWN, at(10)));
    assert_eq!(
        state.expiry(at(39)),
        Err(LossReason::Expired { failure: None }),
        "a renewal clears the error"
    );
}

#[test]
fn a_write_counts_transitions_and_keeps_other_fields() {
    let mut found = lease(("you", 15, "5"));
    found.metadata.labels = Some([("kept".to_owned(), "yes".to_owned())].into());
    let acquired = with_holder(found.clone(), "me", 30, wall(0));
    assert_eq!(acquired.metadata, found.metadata);
    let renewed = with_holder(acquired.clone(), "me", 30, wall(5));
    let free = without_holder(renewed.clone(), wall(6));
    assert_eq!(holder(&free), None);
    let next = with_holder(free.clone(), "you", 30, wall(7));
    let facts = |lease: &Lease| {
        let spec = lease.spec.clone().unwrap();
        let time = |time: Option<MicroTime>| time.unwrap().0.as_second() - 1_800_000_000;
        let times = (time(spec.acquire_time), time(spec.renew_time));
        (times, spec.lease_transitions.unwrap(), spec.lease_duration_seconds.unwrap())
    };
    assert_eq!(facts(&acquired), ((0, 0), 1, 30));
    assert_eq!(facts(&renewed), ((0, 5), 1, 30));
    assert_eq!(facts(&free), ((0, 6), 1, 1));
    assert_eq!(facts(&next), ((7, 7), 2, 30));
}
