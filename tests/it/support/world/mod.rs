//! The whole loop in one thread: objects, processes, inventory and the simulated cloud on one stepped clock, with
//! faults where a test wants them. The invariants are checked after every step.

pub(crate) mod invariants;
pub(crate) mod objects;
pub(crate) mod process;
pub(crate) mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use chrono::{DateTime, Utc};
use dcs_operator::{
    api::DcsInstance,
    clock::Clock,
    controller::{ManagedResource, ObjectId},
    simulator::{Settings as CloudSettings, Simulator, http::Shared, service::Service},
};

use self::{
    invariants::Invariants,
    process::{Process, Setup},
    wire::{Traffic, Wire},
};
use crate::support::{memory_cluster::MemoryCluster, test_clock::TestClock};

/// Whether to try everything, however long it takes (`make soak`).
pub(crate) fn soaks() -> bool {
    std::env::var_os("DCS_OPERATOR_SOAK").is_some()
}

/// Everything.
pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) cloud: Shared,
    pub(crate) cluster: MemoryCluster,
    pub(crate) traffic: Arc<Mutex<Traffic>>,
    pub(crate) processes: Vec<Process>,
    pub(crate) invariants: Invariants,
    setup: Setup,
    /// Awaits so far: polls of a reconcile or an inventory poll that did not end it.
    pub(crate) awaits: usize,
    /// The interruption at each await.
    pub(crate) interruptions: BTreeMap<usize, Interruption>,
    /// The random bits that mix the reconciles of the processes, if they are mixed.
    pub(crate) mixer: Option<u64>,
    started: usize,
    seen_writes: usize,
}

/// An interruption at an await.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// It is dropped; the process goes on.
    Dropped,
    /// Its process is replaced by another.
    Replaced,
}

/// Runs a future that never waits.
pub(crate) fn drive<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}

impl World {
    pub(crate) fn new(settings: CloudSettings, setup: Setup) -> Self {
        Self::with_clock(settings, setup, TestClock::default())
    }

    /// At this time of the calendar.
    pub(crate) fn at(time: DateTime<Utc>, settings: CloudSettings, setup: Setup) -> Self {
        let clock = TestClock::ahead_by(time - TestClock::default().now());
        Self::with_clock(settings, setup, clock)
    }

    fn with_clock(settings: CloudSettings, setup: Setup, clock: TestClock) -> Self {
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let settings = CloudSettings { speed: 1.0, ..settings };
        let simulator = Simulator::new(settings, clock.now(), clock.monotonic()).unwrap();
        let cloud = Shared::new(simulator, Arc::clone(&shared));
        let cluster = MemoryCluster::new();
        cluster.set_clock(shared);
        let mut world = Self {
            invariants: Invariants::new(cloud.clone(), cluster.clone()),
            clock,
            cloud,
            cluster,
            traffic: Arc::default(),
            processes: Vec::new(),
            setup,
            awaits: 0,
            interruptions: BTreeMap::new(),
            mixer: None,
            started: 0,
            seen_writes: 0,
        };
        world.add_credentials();
        world.add_process();
        world
    }

    /// One more process, which believes that it leads.
    pub(crate) fn add_process(&mut self) {
        let process = self.new_process();
        self.processes.push(process);
    }

    fn new_process(&mut self) -> Process {
        self.started += 1;
        let name = format!("operator-{}", self.started);
        let wire = Wire {
            process: name.clone(),
            cloud: self.cloud.clone(),
            traffic: Arc::clone(&self.traffic),
            judge: self.invariants.judge(),
        };
        let view = self.cluster.view();
        let mut process = Process::start(&name, &view, wire, Arc::new(self.clock.clone()), &self.setup);
        let now = self.clock.monotonic();
        for (key, object) in self.cluster.all() {
            process.show(&key, Some(&object));
        }
        process.shared.links.on_complete();
        for key in self.cluster.keys() {
            process.visit(&key, now);
            // The first list may be old; the watch after it is not.
            process.inform(&key, now + Duration::from_secs(1));
        }
        process
    }

    /// Ends every process.
    pub(crate) fn stop(&mut self) {
        self.invariants.check(&self.traffic);
        self.processes.clear();
    }

    /// Replaces every process by another.
    pub(crate) fn restart(&mut self) {
        (0..self.processes.len()).for_each(|n| self.replace(n));
    }

    /// Checks the invariants first: they depend on what the process received.
    fn replace(&mut self, process: usize) {
        self.invariants.check(&self.traffic);
        let name = self.processes[process].shared.settings.process.clone();
        self.traffic.lock().unwrap().reported.remove(&name);
        self.processes[process] = self.new_process();
    }

    /// Changes the cloud outside the operator.
    pub(crate) fn mutate_cloud<T>(&self, change: impl FnOnce(&mut Service) -> T) -> T {
        self.cloud.lock().mutate(self.clock.monotonic(), |service, _| change(service))
    }

    /// The time, by the monotonic clock.
    pub(crate) fn clock_now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The object, as it is.
    pub(crate) fn object(&self, key: &ObjectId) -> Option<DcsInstance> {
        self.cluster.read(key)
    }

    /// Goes on until `reached`, or fails after `limit`.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, limit: Duration, mut reached: impl FnMut(&Self) -> bool) {
        let end = self.clock.monotonic() + limit;
        while !reached(self) {
            assert!(self.clock.monotonic() <= end, "not {what} within {limit:?}: {}", self.describe());
            self.turn();
        }
    }

    /// Goes on for a time.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.clock.monotonic() + time;
        self.watch();
        while self.next_at().is_some_and(|at| at <= end) {
            self.turn();
        }
        self.clock.advance(end.saturating_sub(self.clock.monotonic()));
    }

    /// When something happens next.
    fn next_at(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        if self.processes.iter().any(|process| !process.running.is_empty()) {
            return Some(now);
        }
        self.processes.iter().filter_map(Process::next).map(|(at, _)| at.max(now)).min()
    }

    /// One step: a future is polled, or a due one starts after its wait.
    fn turn(&mut self) {
        self.watch();
        if let Some((process, running)) = self.choose() {
            self.poll(process, running);
        } else {
            let next = |process: &Process| process.next();
            let due = self.processes.iter().enumerate().filter_map(|(n, process)| Some((next(process)?, n)));
            let ((at, what), process) = due.min().expect("there is always a next visit");
            self.clock.advance(at.saturating_sub(self.clock.monotonic()));
            self.processes[process].start_next(what);
        }
        self.invariants.check(&self.traffic);
    }

    /// The future to poll. Unless they are mixed, one runs to its end before another starts.
    fn choose(&mut self) -> Option<(usize, usize)> {
        let running: Vec<_> = (0..self.processes.len())
            .flat_map(|process| (0..self.processes[process].running.len()).map(move |n| (process, n)))
            .collect();
        let Some(bits) = self.mixer.as_mut() else { return running.first().copied() };
        // xorshift64: any choice will do, as long as the same seed makes the same.
        *bits ^= *bits << 13;
        *bits ^= *bits >> 7;
        *bits ^= *bits << 17;
        let now = self.clock.monotonic();
        let startable = self
            .processes
            .iter()
            .any(|process| process.running.len() < 2 && process.next().is_some_and(|(at, _)| at <= now));
        let choices = running.len() + usize::from(startable);
        if choices == 0 {
            return None;
        }
        running.get((*bits % choices as u64) as usize).copied()
    }

    fn poll(&mut self, process: usize, running: usize) {
        let mut context = Context::from_waker(Waker::noop());
        let polled = self.processes[process].running[running].future.as_mut().poll(&mut context);
        let now = self.clock.monotonic();
        match polled {
            Poll::Ready(done) => {
                drop(self.processes[process].running.remove(running));
                self.processes[process].finish(done, now);
            }
            Poll::Pending => {
                let here = self.awaits;
                self.awaits += 1;
                match self.interruptions.get(&here) {
                    None => {}
                    Some(Interruption::Dropped) => {
                        let dropped = self.processes[process].running.remove(running);
                        if let process::What::Pass(key) = dropped.what {
                            // A reconcile always follows another.
                            let later = now + Duration::from_secs(1);
                            self.processes[process].visit(&key, later);
                            // What a watch has shown stays shown.
                            if self.processes[process].lags() {
                                self.processes[process].inform(&key, later);
                            }
                        }
                    }
                    Some(Interruption::Replaced) => self.replace(process),
                }
            }
        }
    }

    /// Delivers the writes to the watches: at once, or a second later where they lag.
    fn watch(&mut self) {
        let mut seen = self.seen_writes;
        let writes = self.cluster.written_since(&mut self.seen_writes);
        let now = self.clock.monotonic();
        for secret in self.cluster.secrets_since(&mut seen) {
            let of = |suffix: &str| secret.name.strip_suffix(suffix);
            // `sessions-password` is the name that the tests give a user's Secret.
            let names = ["-redis", "-pending-auth", "-auth", "-password"];
            if let Some(name) = names.into_iter().find_map(of) {
                let key = ObjectId::new(DcsInstance::KIND, &secret.namespace, name);
                for process in &mut self.processes {
                    process.inform(&key, now + Duration::from_secs(u64::from(process.lags())));
                }
            }
        }
        for write in writes {
            if write.after.is_none() {
                self.cluster.collect_garbage(&write.uid);
            }
            for process in &mut self.processes {
                let mut woken = process.show(&write.key, write.after.as_deref());
                if write.is_news || process.lags() {
                    woken.push(write.key.clone());
                }
                for key in woken {
                    if process.lags() {
                        process.inform(&key, now + Duration::from_secs(1));
                    } else {
                        process.visit(&key, now);
                    }
                }
            }
        }
    }

    /// All there is, for a failed test.
    pub(crate) fn describe(&self) -> String {
        let objects = self.cluster.objects();
        let simulator = self.cloud.lock();
        let instances: Vec<_> =
            simulator.service().instances().map(|i| (&i.id, i.status(), &i.tags)).collect();
        let secrets: Vec<_> = self.cluster.secrets_since(&mut 0).iter().map(|key| key.name.clone()).collect();
        let objects: Vec<_> = objects.iter().map(ToString::to_string).collect();
        let objects = objects.join("\n");
        format!("{objects}\n{instances:#?}\nSecrets written, the last one last: {secrets:?}")
    }
}
