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
mod tests;
