//! Which object is reconciled next. Pure: the time is an argument.
//!
//! One reconcile of an object runs at a time, the sooner visit wins, and a trigger during a reconcile is kept. The
//! namespaces take turns. A reconcile that takes long gives its worker back and goes on. A namespace and a site start few
//! reconciles together at first, one more for each that was quick, and few again after one that took long. So a site that
//! hangs, or a namespace with many objects, delays no other.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::ids::ObjectId;
use crate::inventory::Site;

/// A reconcile that takes longer gives its worker back.
const SLOW_AFTER: Duration = Duration::from_millis(500);

/// The objects of one kind, and which of them are being reconciled.
#[derive(Debug)]
pub struct Dispatch {
    /// Reconciles that do not take long, at most.
    workers: usize,
    /// Reconciles that a site starts together at first.
    site_share: usize,
    /// Reconciles that a namespace starts together at first: more than one of its sites may take.
    namespace_share: usize,
    objects: HashMap<Arc<ObjectId>, Entry>,
    /// Objects by their next visit.
    visits: BTreeSet<(Duration, Arc<ObjectId>)>,
    namespaces: BTreeMap<String, Namespace>,
    /// Namespaces that may start a reconcile, by the round of their next one.
    turns: BTreeSet<(u64, String)>,
    /// The round of the last start: one object of each namespace belongs to a round.
    round: u64,
    /// Reconciles that have not taken long yet, by their start.
    quick: BTreeSet<(Duration, Arc<ObjectId>)>,
    sites: HashMap<Site, SiteState>,
}

#[derive(Debug)]
enum Entry {
    /// Until its next visit.
    Waiting(Duration),
    /// For a worker, or for its site.
    Ready,
    Running(Run),
}

#[derive(Debug)]
struct Run {
    begun: Duration,
    is_long: bool,
    site: Option<Site>,
    /// A trigger during the reconcile.
    again: Option<Duration>,
}

/// Reconciles of a namespace or at a site.
#[derive(Debug)]
struct Load {
    running: usize,
    /// How many may run together.
    window: usize,
}

#[derive(Debug)]
struct Namespace {
    round: u64,
    ready: VecDeque<Arc<ObjectId>>,
    load: Load,
}

#[derive(Debug)]
struct SiteState {
    load: Load,
    /// Objects that wait for the site.
    parked: VecDeque<Arc<ObjectId>>,
}

// === impl Load ===

impl Load {
    fn new(window: usize) -> Self {
        Self { running: 0, window }
    }

    fn is_full(&self) -> bool {
        self.running >= self.window
    }

    fn begin(&mut self) {
        self.running += 1;
    }

    fn end(&mut self, was_long: bool, workers: usize) {
        self.running = self.running.saturating_sub(1);
        if !was_long {
            self.window = self.window.saturating_add(1).min(workers.max(self.window));
        }
    }

    fn takes_long(&mut self, share: usize) {
        self.window = share;
    }
}

// === impl Dispatch ===

impl Dispatch {
    /// No objects. `workers` reconciles run at a time, besides those that take long.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            site_share: (workers / 4).max(1),
            namespace_share: (workers / 2).max(2),
            objects: HashMap::new(),
            visits: BTreeSet::new(),
            namespaces: BTreeMap::new(),
            turns: BTreeSet::new(),
            round: 0,
            quick: BTreeSet::new(),
            sites: HashMap::new(),
        }
    }

    /// Asks for a visit at this time.
    pub fn wake(&mut self, id: &ObjectId, at: Duration) {
        match self.objects.get_mut(id) {
            None => {
                let id = Arc::new(id.clone());
                self.visits.insert((at, Arc::clone(&id)));
                self.objects.insert(id, Entry::Waiting(at));
            }
            Some(Entry::Waiting(former)) if at < *former => {
                let former = std::mem::replace(former, at);
                if let Some((id, _)) = self.objects.get_key_value(id) {
                    let id = Arc::clone(id);
                    self.visits.remove(&(former, Arc::clone(&id)));
                    self.visits.insert((at, id));
                }
            }
            Some(Entry::Running(run)) => run.again = Some(run.again.map_or(at, |former| former.min(at))),
            Some(Entry::Waiting(_) | Entry::Ready) => {}
        }
    }

    /// Takes the next object to reconcile; `None` if none is due or may start. `site` tells where an object's calls go,
    /// if that is known.
    pub fn next(&mut self, now: Duration, site: impl Fn(&ObjectId) -> Option<Site>) -> Option<Arc<ObjectId>> {
        self.mark_long(now);
        self.collect_due(now);
        while self.quick.len() < self.workers {
            let (_, name) = self.turns.pop_first()?;
            let Some(id) = self.namespaces.get_mut(&name).and_then(|namespace| namespace.ready.pop_front())
            else {
                continue;
            };
            let site = site(&id);
            if let Some(site) = &site {
                let share = self.site_share;
                let new = || SiteState { load: Load::new(share), parked: VecDeque::new() };
                let state = self.sites.entry(site.clone()).or_insert_with(new);
                if state.load.is_full() {
                    state.parked.push_back(id);
                    self.enlist(&name);
                    continue;
                }
                state.load.begin();
            }
            if let Some(namespace) = self.namespaces.get_mut(&name) {
                self.round = self.round.max(namespace.round);
                namespace.round = namespace.round.saturating_add(1);
                namespace.load.begin();
            }
            self.enlist(&name);
            self.quick.insert((now, Arc::clone(&id)));
            let run = Run { begun: now, is_long: false, site, again: None };
            self.objects.insert(Arc::clone(&id), Entry::Running(run));
            return Some(id);
        }
        None
    }

    /// When [`next`](Self::next) may return something without another call of `wake` or `ended`.
    pub fn next_at(&self) -> Option<Duration> {
        let visit = self.visits.first().map(|(at, _)| *at);
        let long = self.quick.first().map(|(begun, _)| begun.saturating_add(SLOW_AFTER));
        let long = long.filter(|_| !self.turns.is_empty() || visit.is_some());
        [visit, long].into_iter().flatten().min()
    }

    /// A reconcile has ended. Without a next visit the object is dropped, unless it was woken meanwhile.
    pub fn ended(&mut self, id: &ObjectId, next: Option<Duration>) {
        let Some((id, Entry::Running(run))) = self.objects.remove_entry(id) else { return };
        if !run.is_long {
            self.quick.remove(&(run.begun, Arc::clone(&id)));
        }
        if let Some(site) = run.site {
            self.leave_site(&site, run.is_long);
        }
        if let Some(namespace) = self.namespaces.get_mut(&id.namespace) {
            namespace.load.end(run.is_long, self.workers);
        }
        self.enlist(&id.namespace);
        if let Some(at) = run.again.into_iter().chain(next).min() {
            self.visits.insert((at, Arc::clone(&id)));
            self.objects.insert(id, Entry::Waiting(at));
        }
    }

    /// Lets the objects go on that waited for the site.
    fn leave_site(&mut self, site: &Site, was_long: bool) {
        let Some(state) = self.sites.get_mut(site) else { return };
        state.load.end(was_long, self.workers);
        let count = state.load.window.saturating_sub(state.load.running).min(state.parked.len());
        let freed: Vec<_> = state.parked.drain(..count).collect();
        if state.load.running == 0 && state.parked.is_empty() {
            self.sites.remove(site);
        }
        freed.into_iter().for_each(|id| self.make_ready(id));
    }

    /// Moves the objects whose visit is due to the queues of their namespaces.
    fn collect_due(&mut self, now: Duration) {
        while self.visits.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, id)) = self.visits.pop_first()
        {
            self.objects.insert(Arc::clone(&id), Entry::Ready);
            self.make_ready(id);
        }
    }

    fn make_ready(&mut self, id: Arc<ObjectId>) {
        let name = id.namespace.clone();
        let load = Load::new(self.namespace_share);
        let new = || Namespace { round: 0, ready: VecDeque::new(), load };
        self.namespaces.entry(name.clone()).or_insert_with(new).ready.push_back(id);
        self.enlist(&name);
    }

    /// Gives the workers of reconciles back that take long.
    fn mark_long(&mut self, now: Duration) {
        while self.quick.first().is_some_and(|(begun, _)| begun.saturating_add(SLOW_AFTER) <= now)
            && let Some((_, id)) = self.quick.pop_first()
        {
            let Some(Entry::Running(run)) = self.objects.get_mut(&id) else { continue };
            run.is_long = true;
            if let Some(site) = run.site.as_ref().and_then(|site| self.sites.get_mut(site)) {
                site.load.takes_long(self.site_share);
            }
            if let Some(namespace) = self.namespaces.get_mut(&id.namespace) {
                namespace.load.takes_long(self.namespace_share);
            }
            self.enlist(&id.namespace);
        }
    }

    /// Gives the namespace a turn, or takes it away, as it may start a reconcile.
    fn enlist(&mut self, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(name) else { return };
        let former = (namespace.round, name.to_owned());
        if namespace.ready.is_empty() || namespace.load.is_full() {
            self.turns.remove(&former);
            if namespace.ready.is_empty() && namespace.load.running == 0 {
                self.namespaces.remove(name);
            }
        } else if !self.turns.contains(&former) {
            namespace.round = namespace.round.max(self.round);
            self.turns.insert((namespace.round, name.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn id(namespace: &str, n: usize) -> ObjectId {
        ObjectId::new("DcsInstance", namespace, &format!("{n:05}"))
    }

    fn site(name: &str) -> Option<Site> {
        Some(Site { endpoint: name.to_owned(), project_id: String::new() })
    }

    /// Each namespace has a site of its own.
    fn by_namespace(id: &ObjectId) -> Option<Site> {
        site(&id.namespace)
    }

    fn start_all(dispatch: &mut Dispatch, now: Duration) -> Vec<Arc<ObjectId>> {
        std::iter::from_fn(|| dispatch.next(now, by_namespace)).collect()
    }

    #[test]
    fn one_run_of_an_object_the_sooner_visit_and_triggers_during_a_run() {
        let mut dispatch = Dispatch::new(4);
        let a = id("shop", 1);
        dispatch.wake(&a, ms(500));
        dispatch.wake(&a, ms(100));
        dispatch.wake(&a, ms(900));
        assert_eq!(dispatch.next_at(), Some(ms(100)));
        assert_eq!(dispatch.next(ms(99), by_namespace), None);
        assert_eq!(dispatch.next(ms(100), by_namespace).as_deref(), Some(&a));
        dispatch.wake(&a, ms(150));
        dispatch.wake(&a, ms(120));
        assert_eq!(dispatch.next(ms(200), by_namespace), None, "it runs");
        dispatch.ended(&a, Some(ms(60_000)));
        assert_eq!(dispatch.next(ms(200), by_namespace).as_deref(), Some(&a), "the trigger was kept");
        dispatch.ended(&a, Some(ms(60_000)));
        assert_eq!(dispatch.next_at(), Some(ms(60_000)));
        assert_eq!(dispatch.next(ms(60_000), by_namespace).as_deref(), Some(&a));
        dispatch.ended(&a, None);
        assert!(dispatch.objects.is_empty() && dispatch.namespaces.is_empty() && dispatch.sites.is_empty());
        assert!(dispatch.visits.is_empty() && dispatch.turns.is_empty() && dispatch.quick.is_empty());
    }

    #[test]
    fn namespaces_take_turns() {
        let mut dispatch = Dispatch::new(16);
        (0..1000).for_each(|n| dispatch.wake(&id("many", n), ms(0)));
        let mut now = ms(0);
        let mut running = VecDeque::from(start_all(&mut dispatch, now));
        (0..10).for_each(|n| dispatch.wake(&id("victim", n), ms(1)));
        let mut victims = 0;
        for _ in 0..40 {
            now += ms(10);
            let done = running.pop_front().unwrap();
            victims += usize::from(done.namespace == "victim");
            dispatch.ended(&done, None);
            running.extend(start_all(&mut dispatch, now));
        }
        assert_eq!(victims, 10, "of 40");
    }

    /// Ends all that run, after a short time, and starts others, until nothing is left.
    fn finish(dispatch: &mut Dispatch, mut running: Vec<Arc<ObjectId>>, mut now: Duration) -> usize {
        let mut finished = 0;
        while let Some(done) = running.pop() {
            now += ms(1);
            dispatch.ended(&done, None);
            finished += 1;
            running.extend(start_all(dispatch, now));
            assert!(running.len() <= 16);
        }
        finished
    }

    #[test]
    fn a_site_that_hangs_keeps_no_worker_and_few_reconciles() {
        let mut dispatch = Dispatch::new(16);
        (0..1000).for_each(|n| dispatch.wake(&id("silent", n), ms(0)));
        let silent = start_all(&mut dispatch, ms(0));
        assert_eq!(silent.len(), 4);
        (0..100).for_each(|n| dispatch.wake(&id("victim", n), ms(1)));
        let victims = start_all(&mut dispatch, ms(1));
        assert_eq!(victims.len(), 4);
        assert_eq!(finish(&mut dispatch, victims, ms(1)), 100, "the silent site holds nobody up");
        assert_eq!(start_all(&mut dispatch, ms(30_000)), [], "the other 996 wait for the site");
        // It answers at last: one more for each answer in time.
        dispatch.ended(&silent[0], None);
        let first = start_all(&mut dispatch, ms(60_000));
        assert_eq!(first.len(), 1);
        silent[1..].iter().for_each(|id| dispatch.ended(id, None));
        let running = [first, start_all(&mut dispatch, ms(60_001))].concat();
        assert_eq!(running.len(), 4);
        assert_eq!(finish(&mut dispatch, running, ms(60_001)), 996);
        assert!(dispatch.objects.is_empty() && dispatch.sites.is_empty() && dispatch.namespaces.is_empty());
    }

    #[test]
    fn long_reconciles_give_their_workers_back() {
        let mut dispatch = Dispatch::new(4);
        let anywhere = |_: &ObjectId| None;
        for namespace in ["a", "b", "c", "d"] {
            (0..10).for_each(|n| dispatch.wake(&id(namespace, n), ms(0)));
        }
        let start =
            |dispatch: &mut Dispatch, now| std::iter::from_fn(|| dispatch.next(now, anywhere)).count();
        assert_eq!(start(&mut dispatch, ms(0)), 4);
        assert_eq!((start(&mut dispatch, ms(499)), dispatch.next_at()), (0, Some(ms(500))));
        assert_eq!(start(&mut dispatch, ms(500)), 4, "the second of each namespace");
        assert_eq!(start(&mut dispatch, ms(1000)), 0, "more of each may not take long");
        dispatch.wake(&id("e", 0), ms(1000));
        assert_eq!(start(&mut dispatch, ms(1000)), 1);
    }

    #[test]
    fn two_sites_of_one_namespace_and_one_site_of_many() {
        let mut dispatch = Dispatch::new(16);
        let odd = |id: &ObjectId| site(if id.name.ends_with('1') { "silent" } else { "sound" });
        (0..200).for_each(|n| dispatch.wake(&id("shop", n), ms(0)));
        let mut running: VecDeque<_> = std::iter::from_fn(|| dispatch.next(ms(0), odd)).collect();
        let mut finished = 0;
        for step in 1..2000_u64 {
            let now = ms(step * 10);
            running.retain(|id| {
                let ends = !id.name.ends_with('1');
                if ends {
                    dispatch.ended(id, None);
                    finished += 1;
                }
                !ends
            });
            running.extend(std::iter::from_fn(|| dispatch.next(now, odd)));
        }
        assert_eq!(running.len(), 4, "{running:?}");
        assert_eq!(finished, 180, "all that the sound site serves");
    }

    #[test]
    fn a_hundred_hostile_namespaces_delay_a_victim_by_seconds() {
        let mut dispatch = Dispatch::new(16);
        for namespace in 0..100 {
            (0..100).for_each(|n| dispatch.wake(&id(&format!("hostile-{namespace}"), n), ms(0)));
        }
        start_all(&mut dispatch, ms(0));
        dispatch.wake(&id("victim", 0), ms(1));
        let mut now = ms(1);
        while !start_all(&mut dispatch, now).iter().any(|id| id.namespace == "victim") {
            now += ms(100);
            assert!(now < ms(5_000), "no turn within 5 s");
        }
    }
}
