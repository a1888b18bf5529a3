//! One operator process: reconciles of objects of all kinds, polls of accounts, and a queue with the rules of kube's
//! scheduler: one run per key, the sooner visit wins, a trigger during a run is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dcs_operator::{
    api::{DcsBackup, DcsBackupSchedule, DcsInstance, DcsRestore},
    clock::Clock,
    controller::{
        AlwaysAllowed, ClientFactory, Endpoints, LinkChange, LinkFacts, ManagedResource, NoRandomness,
        NoopSink, ObjectId, Random, Requeue, Shared, WriteGuard, backup::Backups, backup_schedule::Schedules,
        instance::Instances, reconcile, restore::Restores,
    },
    dcs::{AccountConfig, Client, RetryPolicy, account::InvalidAccount},
    formats::HashKey,
    inventory::{AccountKey, Inventory, InventorySettings},
    plan::instance::observed::PlannerSettings,
};
use futures::future::BoxFuture;
use serde_json::Value;

use super::wire::Wire;
use crate::support::{
    memory_cluster::MemoryView,
    probe::{Probe, Probes},
};

/// A process.
pub(crate) struct Process {
    pub(crate) shared: Arc<Shared<MemoryView, Wire>>,
    instances: Arc<Instances<MemoryView, MemoryView, Wire>>,
    backups: Arc<Backups<MemoryView, MemoryView, MemoryView, Wire>>,
    restores: Arc<Restores<MemoryView, MemoryView, MemoryView, MemoryView, Wire>>,
    schedules: Arc<Schedules<MemoryView, MemoryView, MemoryView, MemoryView, Wire>>,
    probes: Arc<Probes<MemoryView, MemoryView, MemoryView, Wire>>,
    /// When which object is visited next.
    queue: BTreeMap<ObjectId, Duration>,
    /// When the watch has something new about an object.
    news: BTreeMap<ObjectId, Duration>,
    /// How many versions its watch lags.
    lag: usize,
    pub(crate) running: Vec<Running>,
}

/// A reconcile or a poll that runs.
pub(crate) struct Running {
    pub(crate) what: What,
    pub(crate) future: BoxFuture<'static, Done>,
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Pass(ObjectId),
    Poll(AccountKey),
}

/// How it ended.
pub(crate) enum Done {
    Pass(ObjectId, Requeue),
    Poll(BTreeSet<ObjectId>),
}

impl ClientFactory for Wire {
    type Cloud = Client;

    fn connect(&self, account: &AccountConfig) -> Result<Client, InvalidAccount> {
        let policy = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        let clock = Arc::clone(self.cloud.clock());
        Ok(Client::over(Arc::new(self.clone()), account.clone(), policy, clock, 1))
    }
}

/// Bytes that differ between processes and between calls.
struct FromName(String, AtomicU64);

impl Random for FromName {
    fn bytes(&self) -> Result<[u8; 32], NoRandomness> {
        let call = self.1.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut bytes = [7; 32];
        let varied = self.0.bytes().rev().take(3).chain(call.into_iter().rev()).chain(self.0.bytes());
        varied.zip(&mut bytes).for_each(|(from, to)| *to = from);
        Ok(bytes)
    }
}

/// How processes are set up.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) inventory: InventorySettings,
    pub(crate) lag: usize,
    /// The write guard; none allows everything.
    pub(crate) lease: Option<Lease>,
    /// How many backups the operator believes that DCS keeps.
    pub(crate) backup_limit: u32,
}

/// A lease that ends when a test wants it; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Lease(Arc<Mutex<Term>>);

#[derive(Debug, Default)]
struct Term {
    /// How many more requests it covers.
    left: usize,
    /// The times that it was asked to cover.
    asked: Vec<Duration>,
}

impl Lease {
    /// A lease that covers this many requests.
    pub(crate) fn lasting(left: usize) -> Self {
        Self(Arc::new(Mutex::new(Term { left, asked: Vec::new() })))
    }

    /// Covers this many more requests from now on.
    pub(crate) fn extend(&self, left: usize) {
        self.0.lock().unwrap().left = left;
    }

    /// The times that it was asked to cover.
    pub(crate) fn asked(&self) -> Vec<Duration> {
        self.0.lock().unwrap().asked.clone()
    }
}

impl WriteGuard for Lease {
    fn covers(&self, until: Duration) -> bool {
        let mut term = self.0.lock().unwrap();
        term.asked.push(until);
        let yes = term.left > 0;
        term.left = term.left.saturating_sub(1);
        yes
    }
}

impl Process {
    pub(crate) fn start(
        name: &str,
        view: &MemoryView,
        wire: Wire,
        clock: Arc<dyn Clock>,
        setup: &Setup,
    ) -> Self {
        let shared = Arc::new(Shared {
            secrets: view.clone(),
            client_factory: wire,
            inventory: Inventory::new(setup.inventory.clone(), Arc::clone(&clock)),
            links: Arc::default(),
            backup_lists: Default::default(),
            restore_lists: Default::default(),
            details: Default::default(),
            pins: Arc::new(view.clone()),
            clock,
            random: Arc::new(FromName(name.to_owned(), AtomicU64::new(0))),
            hash_key: HashKey::new(vec![7; 32]),
            cluster_id: "cluster".to_owned(),
            settings: PlannerSettings {
                process: name.to_owned(),
                backup_limit: NonZeroU32::new(setup.backup_limit),
                ..PlannerSettings::default()
            },
            endpoints: Endpoints {
                insecure: vec!["127.0.0.1:8080".parse().unwrap()],
                ..Endpoints::default()
            },
            own_credentials: None,
            write_guard: match &setup.lease {
                Some(lease) => Arc::new(lease.clone()),
                None => Arc::new(AlwaysAllowed),
            },
            event_sink: Arc::new(NoopSink),
            credentials_cache: Default::default(),
            projects: Default::default(),
            account_limits: Default::default(),
        });
        let instances = Instances {
            objects: view.clone(),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
        };
        let backups = Backups {
            objects: view.clone(),
            instances: view.clone(),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
        };
        let schedules = Schedules {
            objects: view.clone(),
            backups: view.clone(),
            instances: view.clone(),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
        };
        let restores = Restores {
            objects: view.clone(),
            backups: view.clone(),
            instances: view.clone(),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
            began: shared.clock.monotonic(),
            requested: Default::default(),
        };
        let probes = Probes {
            objects: view.clone(),
            instances: view.clone(),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
        };
        Self {
            shared,
            instances: Arc::new(instances),
            backups: Arc::new(backups),
            restores: Arc::new(restores),
            schedules: Arc::new(schedules),
            probes: Arc::new(probes),
            queue: BTreeMap::new(),
            news: BTreeMap::new(),
            lag: setup.lag,
            running: Vec::new(),
        }
    }

    /// Asks for a visit; the sooner one wins.
    pub(crate) fn visit(&mut self, key: &ObjectId, at: Duration) {
        let visit = self.queue.entry(key.clone()).or_insert(at);
        *visit = at.min(*visit);
    }

    /// The watch shows something new, from `at` on.
    pub(crate) fn inform(&mut self, key: &ObjectId, at: Duration) {
        self.news.insert(key.clone(), at);
    }

    /// The watch shows what became of an object. Returns the other objects that it wakes.
    pub(crate) fn show(&self, key: &ObjectId, object: Option<&Value>) -> Vec<ObjectId> {
        fn facts<K: ManagedResource>(object: &Value) -> LinkFacts {
            serde_json::from_value::<K>(object.clone()).unwrap().link_facts()
        }
        let facts = object.map(|object| match key.kind {
            Probe::KIND => facts::<Probe>(object),
            DcsBackup::KIND => facts::<DcsBackup>(object),
            DcsRestore::KIND => facts::<DcsRestore>(object),
            DcsBackupSchedule::KIND => facts::<DcsBackupSchedule>(object),
            _ => facts::<DcsInstance>(object),
        });
        let links = &self.shared.links;
        let LinkChange { wake, .. } = match facts {
            Some(facts) => links.on_object(key, facts),
            None => links.on_gone(key),
        };
        wake.into_iter().filter(|other| other != key).collect()
    }

    /// The next thing to do, and when.
    pub(crate) fn next(&self) -> Option<(Duration, What)> {
        let is_running = |what: &What| self.running.iter().any(|running| running.what == *what);
        let passes = self.queue.iter().chain(&self.news).map(|(key, at)| (*at, What::Pass(key.clone())));
        let polls = self.shared.inventory.next_poll().map(|(at, account)| (at, What::Poll(account)));
        passes.chain(polls).filter(|(_, what)| !is_running(what)).min()
    }

    pub(crate) fn start_next(&mut self, what: What) {
        let future: BoxFuture<'static, Done> = match &what {
            What::Pass(key) => {
                self.queue.remove(key);
                let now = self.shared.clock.monotonic();
                let lag = if self.news.get(key).is_some_and(|at| *at <= now) { 0 } else { self.lag };
                if lag == 0 {
                    self.news.remove(key);
                }
                self.shared.secrets.lag(lag);
                let key = key.clone();
                let (instances, backups) = (Arc::clone(&self.instances), Arc::clone(&self.backups));
                let (schedules, restores) = (Arc::clone(&self.schedules), Arc::clone(&self.restores));
                let probes = Arc::clone(&self.probes);
                Box::pin(async move {
                    let next = match key.kind {
                        Probe::KIND => reconcile(probes.as_ref(), &key).await,
                        DcsBackup::KIND => reconcile(backups.as_ref(), &key).await,
                        DcsRestore::KIND => reconcile(restores.as_ref(), &key).await,
                        DcsBackupSchedule::KIND => reconcile(schedules.as_ref(), &key).await,
                        _ => reconcile(instances.as_ref(), &key).await,
                    };
                    Done::Pass(key, next)
                })
            }
            What::Poll(account) => {
                let (account, shared) = (account.clone(), Arc::clone(&self.shared));
                Box::pin(async move { Done::Poll(shared.inventory.poll(&account).await.wake) })
            }
        };
        self.running.push(Running { what, future });
    }

    /// Takes note of how something ended.
    pub(crate) fn finish(&mut self, done: Done, now: Duration) {
        match done {
            Done::Pass(key, Requeue::At(at) | Requeue::Failed(at)) => self.visit(&key, at.max(now)),
            Done::Pass(_, Requeue::Gone) => {}
            Done::Poll(wake) => wake.iter().for_each(|key| self.visit(key, now)),
        }
    }

    pub(crate) fn lags(&self) -> bool {
        self.lag > 0
    }
}
