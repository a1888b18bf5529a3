//! Order, rates, pauses and lives of grants, by cases and by properties.

use proptest::prelude::*;

use super::*;

const LIFE: Duration = Duration::from_secs(5);

fn queue(rate: u32) -> Queue {
    Queue::new(NonZeroU32::new(rate).unwrap(), LIFE)
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn is_granted(admission: Admission) -> bool {
    matches!(admission, Admission::Granted { .. })
}

fn exhaust(queue: &mut Queue, now: Duration) {
    while is_granted(queue.request(Priority::Periodic, "other", now)) {}
    queue.forget("other");
}

/// Lets callers ask at the given times and then when they may ask again; returns the grants.
fn run(queue: &mut Queue, arrivals: &[(Duration, Priority)]) -> Vec<(Duration, usize)> {
    let mut agenda: BTreeSet<_> =
        arrivals.iter().enumerate().map(|(n, (at, _))| (*at, arrivals[n].1, n)).collect();
    let mut granted = Vec::new();
    for _ in 0..arrivals.len() * 100 {
        let Some((now, priority, n)) = agenda.pop_first() else { break };
        match queue.request(priority, n.to_string().as_str(), now) {
            Admission::Granted { expires } => {
                assert_eq!(expires, now + LIFE);
                granted.push((now, n));
            }
            Admission::NotBefore(at) => {
                assert!(at > now, "in the future");
                agenda.insert((at, priority, n));
            }
        }
    }
    assert!(agenda.is_empty(), "not all are granted: {agenda:?}");
    assert_eq!(queue.waiting(), 0);
    granted
}

#[test]
fn a_burst_of_one_second_then_the_rate() {
    let mut queue = queue(10);
    let now = ms(60_000);
    for n in 0..10 {
        assert!(is_granted(queue.request(Priority::Periodic, n.to_string().as_str(), now)), "{n}");
    }
    assert_eq!(queue.request(Priority::Periodic, "a", now), Admission::NotBefore(now + ms(100)));
    assert_eq!(queue.request(Priority::Periodic, "b", now), Admission::NotBefore(now + ms(200)));
    assert_eq!(queue.request(Priority::Periodic, "b", now + ms(99)), Admission::NotBefore(now + ms(200)));
    assert!(is_granted(queue.request(Priority::Periodic, "b", now + ms(200))), "one call is reserved for a");
    assert!(is_granted(queue.request(Priority::Periodic, "a", now + ms(200))));
}

#[test]
fn urgent_calls_go_first_and_a_key_can_be_raised() {
    let mut queue = queue(10);
    exhaust(&mut queue, ms(0));
    for n in 0..50 {
        assert!(!is_granted(queue.request(Priority::Periodic, n.to_string().as_str(), ms(0))));
    }
    assert_eq!(queue.request(Priority::Urgent, "edit", ms(0)), Admission::NotBefore(ms(100)));
    assert_eq!(queue.request(Priority::Urgent, "49", ms(0)), Admission::NotBefore(ms(200)));
    assert_eq!(
        queue.request(Priority::Periodic, "49", ms(0)),
        Admission::NotBefore(ms(200)),
        "priority is not lowered"
    );
    assert_eq!(queue.request(Priority::Shared, "list", ms(0)), Admission::NotBefore(ms(100)));
    assert_eq!(queue.request(Priority::Periodic, "0", ms(0)), Admission::NotBefore(ms(400)));
    assert_eq!(queue.waiting(), 52);
}

#[test]
fn an_absent_caller_blocks_no_other() {
    let mut queue = queue(1);
    exhaust(&mut queue, ms(0));
    for n in 0..3 {
        assert!(!is_granted(queue.request(Priority::Periodic, n.to_string().as_str(), ms(0))));
    }
    assert_eq!(queue.request(Priority::Periodic, "late", ms(1000)), Admission::NotBefore(ms(4000)));
    assert!(is_granted(queue.request(Priority::Periodic, "late", ms(4000))), "a call that would be lost");
    assert_eq!(queue.request(Priority::Periodic, "next", ms(4000)), Admission::NotBefore(ms(8000)));
    assert_eq!(
        queue.request(Priority::Periodic, "next", ms(6001)),
        Admission::Granted { expires: ms(11_001) }
    );
    assert_eq!(queue.request(Priority::Periodic, "next", ms(6001)), Admission::NotBefore(ms(9001)));
    assert_eq!(
        queue.request(Priority::Periodic, "next", ms(8001)),
        Admission::Granted { expires: ms(13_001) }
    );
    assert_eq!(queue.waiting(), 0, "the three lost their places");
    assert!(!is_granted(queue.request(Priority::Periodic, "0", ms(8001))), "and can come again");
}

#[test]
fn further_pages_make_a_debt() {
    let mut queue = queue(10);
    queue.charge(30, ms(0));
    assert_eq!(queue.request(Priority::Shared, "list", ms(0)), Admission::NotBefore(ms(2100)));
    assert!(is_granted(queue.request(Priority::Shared, "list", ms(2100))));
}

#[test]
fn a_pause_is_kept_in_full() {
    let mut queue = queue(10);
    assert_eq!(queue.request(Priority::Urgent, "a", ms(0)), Admission::Granted { expires: LIFE });
    queue.pause_until(ms(7000));
    queue.pause_until(ms(3000));
    assert_eq!(queue.request(Priority::Urgent, "a", ms(6999)), Admission::NotBefore(ms(7000)));
    assert!(is_granted(queue.request(Priority::Urgent, "a", ms(7000))));
    assert_eq!(queue.request(Priority::Urgent, "a", ms(7000)), Admission::NotBefore(ms(7100)), "no burst");
}

#[test]
fn a_thousand_callers_are_granted_in_order() {
    let arrivals = vec![(ms(0), Priority::Periodic); 1000];
    let granted = run(&mut queue(10), &arrivals);
    let order: Vec<_> = granted.iter().map(|(_, n)| *n).collect();
    assert_eq!(order, (0..1000).collect::<Vec<_>>());
    assert_eq!(granted.last().unwrap().0, ms(99_000));
}

#[test]
fn each_tenant_has_its_share_whatever_others_ask_for() {
    let mut queue = queue(5);
    exhaust(&mut queue, ms(0));
    fn caller<'a>(tenant: &'a str, key: &'a str) -> Caller<'a> {
        Caller { tenant, key }
    }
    for n in 0..10_000 {
        let key = format!("flood/{n}");
        assert!(!is_granted(queue.request(Priority::Urgent, caller("flood", key.as_str()), ms(0))));
    }
    // The victim's periodic calls share each second with the other tenant's urgent ones.
    let mut now = ms(0);
    for n in 0..20 {
        let key = format!("victim/{n}");
        loop {
            match queue.request(Priority::Periodic, caller("victim", key.as_str()), now) {
                Admission::Granted { .. } => break,
                Admission::NotBefore(at) => {
                    assert!(at <= now + ms(400), "{n} at {now:?}: {at:?}");
                    now = at;
                }
            }
            let first = queue.tenants["flood"].line.ahead((Priority::Urgent, 0));
            assert_eq!(first, 0);
            let key = format!("flood/{n}");
            let _ = queue.request(Priority::Urgent, caller("flood", key.as_str()), now);
        }
    }
    assert!(now <= ms(8_200), "20 of 41 calls at 5 calls each second: {now:?}");
    assert_eq!(queue.first_of(["flood", "victim", "new"].into_iter()), Some("new"));
}

#[test]
fn nothing_overflows() {
    let mut queue = queue(u32::MAX);
    queue.charge(u32::MAX, Duration::MAX);
    queue.pause_until(Duration::MAX);
    assert!(is_granted(queue.request(Priority::Urgent, "a", Duration::MAX)));
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Urgent), Just(Priority::Periodic)]
}

proptest! {
    #[test]
    fn never_more_than_the_rate(rate in 1u32..20, asks in prop::collection::vec((0u64..400, 0usize..9, priority()), 1..300)) {
        let mut queue = queue(rate);
        let (mut now, mut grants) = (ms(0), Vec::new());
        for (pause, key, priority) in asks {
            now += ms(pause);
            if is_granted(queue.request(priority, key.to_string().as_str(), now)) {
                grants.push(now);
            }
        }
        for (first, from) in grants.iter().enumerate() {
            for (count, until) in grants[first..].iter().enumerate() {
                let beyond_burst = (count as u32 + 1).saturating_sub(rate);
                prop_assert!(*until - *from >= queue.gap * beyond_burst, "{from:?} to {until:?}");
            }
        }
    }

    #[test]
    fn every_caller_is_granted_in_order(rate in 1u32..20, arrivals in prop::collection::vec((0u64..3000, priority()), 1..80)) {
        let mut arrivals: Vec<_> = arrivals.into_iter().map(|(at, priority)| (ms(at), priority)).collect();
        arrivals.sort();
        let granted = run(&mut queue(rate), &arrivals);
        prop_assert_eq!(granted.len(), arrivals.len());
        for (earlier, (at, n)) in granted.iter().enumerate() {
            for (_, later) in &granted[earlier + 1..] {
                let ((_, priority), (came, other)) = (arrivals[*n], arrivals[*later]);
                prop_assert!(priority != other || n < later, "{n} before {later}, in one lane");
                prop_assert!(priority <= other || came >= *at, "{later} was urgent and waited already");
            }
        }
    }
}
