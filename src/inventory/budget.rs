//! The rate budget of a site: grants calls and keeps a queue of waiting callers. Pure: the time is an argument.
//!
//! No caller sleeps. A refused caller learns when to ask again, and keeps its place until then.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use super::line::{Line, Position};

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

/// Who requests a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// Shares the budget with the other tenants, however many callers each has.
    pub tenant: &'a str,
    /// Has one place in each queue.
    pub key: &'a str,
}

/// Calls of one kind: a rate per second, a burst of one second's calls after an idle time. The calls go to the waiting
/// tenants in turn, and within a tenant first come, first served by priority.
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
    /// The waiting tenants, and those whose last call is ahead of the round.
    tenants: BTreeMap<Arc<str>, Tenant>,
    places: HashMap<Arc<str>, Place>,
    /// When each caller may ask again.
    dues: BTreeSet<(Duration, Arc<str>)>,
    /// The round that is being served: one call of each tenant belongs to a round.
    round: u64,
}

#[derive(Debug, Clone, Default)]
struct Tenant {
    /// The round of its next call.
    round: u64,
    line: Line<Priority>,
}

#[derive(Debug, Clone)]
struct Place {
    tenant: Arc<str>,
    position: Position<Priority>,
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
            tenants: BTreeMap::new(),
            places: HashMap::new(),
            dues: BTreeSet::new(),
            round: 0,
        }
    }

    /// Requests one call for `caller`, which has one place at most. A repeated request keeps the place; one with a
    /// higher priority moves it to that priority's end.
    pub fn request<'a>(
        &mut self,
        priority: Priority,
        caller: impl Into<Caller<'a>>,
        now: Duration,
    ) -> Admission {
        let caller = caller.into();
        let (key, place) = self.place(priority, caller, now);
        self.drop_late(now);
        let ahead = u32::try_from(self.ahead(&place)).unwrap_or(u32::MAX);
        let start = self.full_at.max(now);
        let turn = start.saturating_add(self.gap.saturating_mul(ahead.saturating_add(1)));
        let turn = turn.saturating_sub(self.burst);
        let would_be_lost = self.full_at.saturating_add(self.gap) <= now;
        if turn <= now || would_be_lost {
            self.leave(&place);
            self.serve(&place.tenant);
            self.full_at = start.saturating_add(self.gap);
            return Admission::Granted { expires: now.saturating_add(self.ttl) };
        }
        self.dues.insert((turn, Arc::clone(&key)));
        self.places.insert(key, Place { due: turn, ..place });
        Admission::NotBefore(turn)
    }

    /// Takes out the place of `caller`, or a new one. Its position in the line stays.
    fn place(&mut self, priority: Priority, caller: Caller<'_>, now: Duration) -> (Arc<str>, Place) {
        let key: Arc<str> = match self.places.remove_entry(caller.key) {
            Some((key, place)) => {
                self.dues.remove(&(place.due, Arc::clone(&key)));
                if place.position.0 <= priority {
                    return (key, place);
                }
                self.leave(&place);
                key
            }
            None => Arc::from(caller.key),
        };
        let round = self.round;
        let name = self.tenants.get_key_value(caller.tenant).map(|(name, _)| Arc::clone(name));
        let name = name.unwrap_or_else(|| Arc::from(caller.tenant));
        let tenant = self.tenants.entry(Arc::clone(&name)).or_default();
        if tenant.line.is_empty() {
            tenant.round = tenant.round.max(round);
        }
        let position = tenant.line.push(priority, Arc::clone(&key));
        (key, Place { tenant: name, position, due: now })
    }

    /// Number of callers ahead of `place`: of its own tenant, and of each other tenant those in earlier rounds.
    fn ahead(&self, place: &Place) -> u64 {
        let Some(own) = self.tenants.get(&place.tenant) else { return 0 };
        let own_ahead = own.line.ahead(place.position);
        let round = own.round.saturating_add(own_ahead);
        let others = self.tenants.iter().filter(|(name, _)| **name != place.tenant).map(|(name, other)| {
            let in_same_round = u64::from(*name < place.tenant && other.round <= round);
            round.saturating_sub(other.round).saturating_add(in_same_round).min(other.line.len())
        });
        others.fold(own_ahead, u64::saturating_add)
    }

    /// One call of the tenant is served.
    fn serve(&mut self, name: &Arc<str>) {
        if let Some(tenant) = self.tenants.get_mut(name) {
            self.round = self.round.max(tenant.round);
            tenant.round = tenant.round.saturating_add(1);
        }
        let round = self.round;
        self.tenants.retain(|_, tenant| !tenant.line.is_empty() || tenant.round > round);
    }

    /// Callers that did not ask again in time lose their places.
    fn drop_late(&mut self, now: Duration) {
        while let Some((due, _)) = self.dues.first()
            && due.saturating_add(self.ttl) < now
            && let Some((_, key)) = self.dues.pop_first()
        {
            if let Some(place) = self.places.remove(&key) {
                self.leave(&place);
            }
        }
    }

    fn leave(&mut self, place: &Place) {
        if let Some(tenant) = self.tenants.get_mut(&place.tenant) {
            tenant.line.remove(place.position);
        }
    }

    /// Of these tenants, the one whose next call comes first.
    pub fn first_of<'a>(&self, tenants: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let round = |name: &str| {
            let tenant = self.tenants.get(name);
            tenant.map_or(self.round, |tenant| tenant.round.max(self.round))
        };
        tenants.min_by_key(|name| (round(name), *name))
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
        if let Some((key, place)) = self.places.remove_entry(key) {
            self.leave(&place);
            self.dues.remove(&(place.due, key));
        }
    }

    /// Number of waiting callers.
    pub fn waiting(&self) -> usize {
        self.places.len()
    }

    /// Whether the queue equals a new one.
    fn is_at_rest(&self, now: Duration) -> bool {
        self.places.is_empty() && self.full_at <= now
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
impl<'a> From<&'a str> for Caller<'a> {
    fn from(key: &'a str) -> Self {
        Self { tenant: "", key }
    }
}

#[cfg(test)]
mod tests {
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
}
