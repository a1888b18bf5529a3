//! The rate budget of a site: grants calls and keeps a queue of waiting callers. Pure: the time is an argument.
//!
//! No caller sleeps. A refused caller learns when to ask again, and keeps its place until then.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    time::Duration,
};

/// Priority of a call, the highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Reads that serve all objects of an account: its lists.
    Shared,
    /// Calls that a user waits for: deletions, edits.
    Urgent,
    /// All other calls.
    Periodic,
}

/// Kind of call. Reads and writes have separate budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// The call changes nothing.
    Read,
    /// The call may change something.
    Write,
}

/// The answer to a request for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// One call may be sent.
    Granted {
        /// Monotonic time at which the grant expires.
        expires: Duration,
    },
    /// Ask again at this monotonic time, an estimate. The place is kept until then and for a grant's lifetime longer.
    NotBefore(Duration),
}

/// Calls of one kind: a rate per second, a burst of one second's calls after an idle time, and first come, first served
/// within a priority.
///
/// Each waiting caller has a reserved call, so that a caller further behind, which happens to ask first, delays none. A
/// call that would be lost, since the bucket is full and its caller did not ask, goes to the next caller that asks.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Time between calls at the full rate.
    gap: Duration,
    /// How much earlier a call may come after an idle time.
    burst: Duration,
    /// Lifetime of a grant, and how late a caller may ask again without losing its place.
    ttl: Duration,
    /// When the bucket is full again without further grants.
    full_at: Duration,
    waiting: BTreeMap<Position, Waiter>,
    places: HashMap<String, Position>,
    last_ticket: u64,
}

/// Priority, and ticket within it.
type Position = (Priority, u64);

#[derive(Debug, Clone)]
struct Waiter {
    key: String,
    /// When it may ask again.
    due: Duration,
}

/// The budget of a site for reads and writes.
#[derive(Debug, Clone)]
pub struct Budget {
    reads: Queue,
    writes: Queue,
}

// === impl Queue ===

impl Queue {
    /// A queue for `rate` calls per second, with grants that expire after `ttl`.
    pub fn new(rate: NonZeroU32, ttl: Duration) -> Self {
        // Rounded up, so that the rate is never exceeded.
        let gap = Duration::from_nanos(1_000_000_000_u64.div_ceil(u64::from(rate.get())));
        Self {
            gap,
            burst: gap.saturating_mul(rate.get()),
            ttl,
            full_at: Duration::ZERO,
            waiting: BTreeMap::new(),
            places: HashMap::new(),
            last_ticket: 0,
        }
    }

    /// Requests one call for `key`, which has one place at most. A repeated request keeps the place; one with a higher
    /// priority moves it to that priority's end.
    pub fn request(&mut self, priority: Priority, key: &str, now: Duration) -> Admission {
        let place = self.place(priority, key);
        let ahead = self.ahead(place, now);
        let start = self.full_at.max(now);
        let turn = start.saturating_add(self.gap.saturating_mul(ahead.saturating_add(1)));
        let turn = turn.saturating_sub(self.burst);
        let would_be_lost = self.full_at.saturating_add(self.gap) <= now;
        if turn <= now || would_be_lost {
            self.forget(key);
            self.full_at = start.saturating_add(self.gap);
            return Admission::Granted { expires: now.saturating_add(self.ttl) };
        }
        if let Some(former) = self.places.insert(key.to_owned(), place) {
            self.waiting.remove(&former);
        }
        self.waiting.insert(place, Waiter { key: key.to_owned(), due: turn });
        Admission::NotBefore(turn)
    }

    /// The place of `key`, or a new one.
    fn place(&mut self, priority: Priority, key: &str) -> Position {
        if let Some(place) = self.places.get(key).filter(|(own, _)| *own <= priority) {
            return *place;
        }
        self.last_ticket += 1;
        (priority, self.last_ticket)
    }

    /// Number of callers ahead of `place`. Callers that did not ask again in time lose their places.
    fn ahead(&mut self, place: Position, now: Duration) -> u32 {
        let is_late = |waiter: &Waiter| waiter.due.saturating_add(self.ttl) < now;
        let (late, waiting): (Vec<_>, Vec<_>) =
            self.waiting.range(..place).partition(|(_, waiter)| is_late(waiter));
        let ahead = waiting.len();
        for place in late.into_iter().map(|(place, _)| *place).collect::<Vec<_>>() {
            if let Some(waiter) = self.waiting.remove(&place) {
                self.places.remove(&waiter.key);
            }
        }
        u32::try_from(ahead).unwrap_or(u32::MAX)
    }

    /// Charges `calls` that were made without a request. The bucket may go into debt, which delays the next grant.
    pub fn charge(&mut self, calls: u32, now: Duration) {
        self.full_at = self.full_at.max(now).saturating_add(self.gap.saturating_mul(calls));
    }

    /// Grants nothing before `until`, and then starts with an empty bucket, since the service reported too many calls.
    pub fn pause_until(&mut self, until: Duration) {
        let empty = until.saturating_add(self.burst).saturating_sub(self.gap);
        self.full_at = self.full_at.max(empty);
    }

    /// Gives up the place of `key`.
    pub fn forget(&mut self, key: &str) {
        if let Some(place) = self.places.remove(key) {
            self.waiting.remove(&place);
        }
    }

    /// Number of waiting callers.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the queue equals a new one.
    fn is_at_rest(&self, now: Duration) -> bool {
        self.waiting.is_empty() && self.full_at <= now
    }
}

// === impl Budget ===

impl Budget {
    /// A budget of reads and writes per second, with grants that expire after `ttl`.
    pub fn new(reads: NonZeroU32, writes: NonZeroU32, ttl: Duration) -> Self {
        Self { reads: Queue::new(reads, ttl), writes: Queue::new(writes, ttl) }
    }

    /// The queue for a kind of work.
    pub fn queue(&mut self, work: Work) -> &mut Queue {
        match work {
            Work::Read => &mut self.reads,
            Work::Write => &mut self.writes,
        }
    }

    /// Grants nothing before `until`.
    pub fn pause_until(&mut self, until: Duration) {
        self.reads.pause_until(until);
        self.writes.pause_until(until);
    }

    /// Gives up the places of `key`.
    pub fn forget(&mut self, key: &str) {
        self.reads.forget(key);
        self.writes.forget(key);
    }

    /// Whether the budget equals a new one.
    pub fn is_at_rest(&self, now: Duration) -> bool {
        self.reads.is_at_rest(now) && self.writes.is_at_rest(now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
            match queue.request(priority, &n.to_string(), now) {
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
            assert!(is_granted(queue.request(Priority::Periodic, &n.to_string(), now)), "{n}");
        }
        assert_eq!(queue.request(Priority::Periodic, "a", now), Admission::NotBefore(now + ms(100)));
        assert_eq!(queue.request(Priority::Periodic, "b", now), Admission::NotBefore(now + ms(200)));
        assert_eq!(queue.request(Priority::Periodic, "b", now + ms(99)), Admission::NotBefore(now + ms(200)));
        assert!(
            is_granted(queue.request(Priority::Periodic, "b", now + ms(200))),
            "one call is reserved for a"
        );
        assert!(is_granted(queue.request(Priority::Periodic, "a", now + ms(200))));
    }

    #[test]
    fn urgent_calls_go_first_and_a_key_can_be_raised() {
        let mut queue = queue(10);
        exhaust(&mut queue, ms(0));
        for n in 0..50 {
            assert!(!is_granted(queue.request(Priority::Periodic, &n.to_string(), ms(0))));
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
            assert!(!is_granted(queue.request(Priority::Periodic, &n.to_string(), ms(0))));
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
        assert_eq!(
            queue.request(Priority::Urgent, "a", ms(7000)),
            Admission::NotBefore(ms(7100)),
            "no burst"
        );
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
                if is_granted(queue.request(priority, &key.to_string(), now)) {
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
}
