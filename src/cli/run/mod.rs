//! `dcs-operator run`: builds the operator and runs it until a signal arrives or the lease is lost.

mod boot;
mod definition;
mod flags;
mod proxy;
mod requirements;
mod telemetry_sink;

use std::{future, io, sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub(crate) use self::flags::RunArgs;
pub(super) use self::flags::{help_all, name_present_flag};
use self::{
    requirements::{DEFINITIONS, WATCHES},
    telemetry_sink::TelemetrySink,
};
use super::Failure;
use crate::{
    api::DcsBackup,
    clock::{Clock, SystemClock},
    controller::{
        ClientFactory, KubeBackups, KubeInstances, KubeObjects, KubeRestores, KubeSchedules, KubeSecrets,
        Manager, Shared, SystemRandom, WatchHealth, WatchedStore, Watches, WriteGuard,
    },
    dcs::{AccountConfig, Client, HttpClients, RetryPolicy, account::InvalidAccount},
    inventory::Inventory,
    leader::{self, Candidate, KubeLeaseApi, Leadership, LeaseGuard, LossReason},
    metrics::Metrics,
    server::{Probes, Server},
};

/// Default log filter. It drops lines of kube that repeat what the operator logs itself.
pub(crate) const DEFAULT_LOG_FILTER: &str = "info,kube_runtime=warn,kube_client::client::builder=off";

/// Creates clients over HTTP.
struct HttpConnect {
    http: HttpClients,
    policy: RetryPolicy,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

// === impl HttpConnect ===

impl ClientFactory for HttpConnect {
    type Cloud = Client;

    fn connect(&self, account: &AccountConfig) -> Result<Client, InvalidAccount> {
        // The seed spreads the retries of clients that are created together.
        let seed = self.clock.now().timestamp_subsec_nanos().into();
        let http = self.http.get(account)?;
        let client = Client::over(http, account.clone(), self.policy.clone(), Arc::clone(&self.clock), seed);
        Ok(client.observed_by(Arc::new(telemetry_sink::CloudRequestMetrics(self.metrics.clone()))))
    }
}

/// Permits changes of the cloud while this process leads, until shutdown.
struct LeaderWriteGuard {
    halt: CancellationToken,
    /// `None` without leader election.
    leadership: Option<Leadership>,
}

// === impl LeaderWriteGuard ===

impl WriteGuard for LeaderWriteGuard {
    fn covers(&self, until: Duration) -> bool {
        !self.halt.is_cancelled()
            && self.leadership.as_ref().is_none_or(|leadership| leadership.covers(until))
    }
}

/// SIGTERM and SIGINT.
struct StopSignals {
    term: Signal,
    interrupt: Signal,
}

// === impl StopSignals ===

impl StopSignals {
    fn listen() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs the operator.
///
/// # Errors
/// [`Failure`] if settings are invalid, the process cannot start, or the lease is lost.
pub(crate) async fn run(args: RunArgs) -> Result<(), Failure> {
    args.check()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut stop = StopSignals::listen().map_err(Failure::Start)?;
    let metrics = Metrics::new();
    let probes = Probes::new(Arc::clone(&clock), [DEFINITIONS, WATCHES]);
    let cannot_listen = |error: io::Error| {
        let message =
            format!("cannot listen on {}: {error}; choose another address with --listen", args.listen);
        Failure::Start(io::Error::new(error.kind(), message))
    };
    let server = Server::bind(args.listen).await.map_err(cannot_listen)?;
    tracing::info!(
        address = %server.address().map_err(Failure::Start)?,
        version = env!("CARGO_PKG_VERSION"),
        "serving probes and metrics"
    );
    let serving = server.serve(probes.clone(), metrics.clone());
    let manager_started = CancellationToken::new();
    tokio::select! {
        result = serving => result.map_err(Failure::Start),
        () = heartbeat_while_waiting(&probes, &clock, &manager_started) => Ok(()),
        result = manager(args, clock.clone(), probes.clone(), metrics, &mut stop, manager_started.clone()) => result,
    }
}

/// Keeps the process alive for its liveness probe while it waits for the definition or the lease. The manager sends the
/// heartbeats afterwards.
async fn heartbeat_while_waiting(
    probes: &Probes,
    clock: &Arc<dyn Clock>,
    manager_started: &CancellationToken,
) {
    while !manager_started.is_cancelled() {
        probes.heartbeat();
        clock.sleep(Duration::from_secs(5)).await;
    }
    future::pending().await
}

async fn manager(
    args: RunArgs,
    clock: Arc<dyn Clock>,
    probes: Probes,
    metrics: Metrics,
    stop: &mut StopSignals,
    manager_started: CancellationToken,
) -> Result<(), Failure> {
    let identity = boot::identity(&args)?;
    let namespace = boot::namespace(&args);
    let health = WatchHealth::new(Arc::clone(&clock));
    let client = boot::client(&args, health.clone()).await?;
    tokio::select! {
        () = boot::await_definitions(&client, clock.as_ref()) => probes.set(DEFINITIONS, true),
        () = stop.received() => return Ok(()),
    }
    let mut held = None;
    if args.leader.leader_elect {
        let settings = leader::LeaseSettings {
            duration: args.leader.leader_elect_lease_duration,
            renew_interval: args.leader.leader_elect_renew_interval,
            nonce: boot::nonce()?,
            unique_identity: boot::is_identity_unique(&args),
            ..leader::LeaseSettings::new(&namespace, &args.leader.lease_name, &identity)
        };
        let candidate = Candidate::new(KubeLeaseApi::new(client.clone()), settings, Arc::clone(&clock))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        // A standby reports ready.
        probes.set(WATCHES, true);
        held = tokio::select! {
            held = candidate.acquire() => Some(held),
            () = stop.received() => return Ok(()),
        };
        probes.set(WATCHES, false);
    }
    let leadership = held.as_ref().map(LeaseGuard::leadership);
    let leader = Leader {
        args,
        clock,
        probes,
        metrics,
        client,
        health,
        identity,
        namespace,
        leadership,
        manager_started,
    };
    leader.run(held, stop).await
}

/// A process that leads, or runs without leader election.
struct Leader {
    args: RunArgs,
    clock: Arc<dyn Clock>,
    probes: Probes,
    metrics: Metrics,
    client: kube::Client,
    health: WatchHealth,
    identity: String,
    namespace: String,
    /// `None` without leader election.
    leadership: Option<Leadership>,
    /// Cancelled when the manager starts, which then sends the heartbeats.
    manager_started: CancellationToken,
}

// === impl Leader ===

impl Leader {
    /// Runs the manager until a signal arrives or the lease is lost.
    async fn run(
        self,
        held: Option<LeaseGuard<KubeLeaseApi>>,
        stop: &mut StopSignals,
    ) -> Result<(), Failure> {
        let mut held = held;
        let halt = CancellationToken::new();
        let manager = self.run_manager(halt.clone());
        tokio::pin!(manager);
        let lost = async {
            match &mut held {
                Some(held) => held.renew_until_lost().await,
                None => future::pending().await,
            }
        };
        let end = tokio::select! {
            result = &mut manager => End::Manager(result),
            reason = lost => End::LeaseLost(reason),
            () = stop.received() => End::Signal,
        };
        match end {
            // The next process determines the outcome of open requests from the cloud.
            End::LeaseLost(reason) => return Err(Failure::Lease(reason)),
            End::Manager(result) => result?,
            End::Signal => {
                tracing::info!("received SIGTERM or SIGINT; finishing running reconciles");
                halt.cancel();
                // The release of the lease takes a part of the time.
                let release = if held.is_some() { leader::RELEASE_TIMEOUT } else { Duration::ZERO };
                let limit = self.args.kubernetes.shutdown.saturating_sub(release);
                if tokio::time::timeout(limit, manager).await.is_err() {
                    tracing::warn!(
                        "some reconciles did not finish in time and were aborted; the lease is left to expire, because \
                         their cloud requests may still take effect"
                    );
                    return Ok(());
                }
            }
        }
        if let Some(held) = held {
            held.release().await;
        }
        Ok(())
    }

    async fn run_manager(&self, halt: CancellationToken) -> Result<(), Failure> {
        let (clock, client) = (Arc::clone(&self.clock), self.client.clone());
        let hash_key = tokio::select! {
            key = boot::hash_key(&client, &self.namespace, &SystemRandom, clock.as_ref()) => key?,
            () = halt.cancelled() => return Ok(()),
        };
        let cluster_id = tokio::select! {
            id = boot::cluster_id(&client, self.args.cluster_id.as_deref(), clock.as_ref()) => id,
            () = halt.cancelled() => return Ok(()),
        };
        let timeouts = self.args.timeouts();
        let (instance_store, backup_store) = (WatchedStore::new(), WatchedStore::new());
        let (schedule_store, restore_store) = (WatchedStore::new(), WatchedStore::new());
        let secret_store = WatchedStore::new();
        let (sink, events) = TelemetrySink::new(self.metrics.clone(), self.probes.clone());
        let sink = Arc::new(sink);
        let publishing = tokio::spawn(telemetry_sink::publish(events, client.clone(), self.identity.clone()));
        let write_guard = LeaderWriteGuard { halt: halt.clone(), leadership: self.leadership.clone() };
        let shared = Arc::new(Shared {
            secrets: KubeSecrets::new(client.clone(), secret_store.reader(), timeouts.answer),
            client_factory: HttpConnect {
                http: HttpClients::new(Arc::clone(&clock)),
                policy: self.args.retry_policy(),
                clock: Arc::clone(&clock),
                metrics: self.metrics.clone(),
            },
            inventory: Inventory::new(self.args.inventory_settings(), Arc::clone(&clock)),
            links: Arc::default(),
            backup_lists: Default::default(),
            restore_lists: Default::default(),
            details: Default::default(),
            pins: Arc::new(KubeObjects::<DcsBackup>::new(
                client.clone(),
                backup_store.reader(),
                timeouts.answer,
            )),
            clock,
            random: Arc::new(SystemRandom),
            hash_key,
            cluster_id,
            settings: self.args.settings(&self.identity),
            endpoints: self.args.endpoints(),
            own_credentials: self.args.own_credentials(),
            write_guard: Arc::new(write_guard),
            event_sink: Arc::clone(&sink) as _,
            credentials_cache: Default::default(),
            projects: Default::default(),
            account_limits: Default::default(),
        });
        let instances = KubeInstances {
            objects: KubeObjects::new(client.clone(), instance_store.reader(), timeouts.answer),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
        };
        let backups = KubeBackups {
            objects: KubeObjects::new(client.clone(), backup_store.reader(), timeouts.answer),
            instances: instances.objects.clone(),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
        };
        let restores = KubeRestores {
            objects: KubeObjects::new(client.clone(), restore_store.reader(), timeouts.answer),
            backups: backups.objects.clone(),
            instances: instances.objects.clone(),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
            began: shared.clock.monotonic(),
            requested: Default::default(),
        };
        let schedules = KubeSchedules {
            objects: KubeObjects::new(client.clone(), schedule_store.reader(), timeouts.answer),
            backups: backups.objects.clone(),
            instances: instances.objects.clone(),
            shared: Arc::clone(&shared),
            local_states: Default::default(),
        };
        let own_secret = self.args.own_credentials().map(|own| own.secret);
        let health = self.health.clone();
        let (links, handler) = (Arc::clone(&shared.links), Arc::clone(&sink));
        let watches =
            Arc::new(Watches::new(client, links, own_secret, timeouts, health.clone(), handler as _));
        self.probes.watch(requirements::watch_checks(health, timeouts.standstill()));
        self.metrics.set_snapshot_source(telemetry_sink::snapshot(
            instance_store.reader(),
            backup_store.reader(),
            schedule_store.reader(),
            restore_store.reader(),
            Arc::clone(&shared),
            self.leadership.clone(),
        ));
        let mut manager = Manager::new(shared, watches, secret_store, sink, self.args.concurrency);
        manager.add(Arc::new(instances), instance_store);
        manager.add(Arc::new(backups), backup_store);
        manager.add(Arc::new(schedules), schedule_store);
        manager.add(Arc::new(restores), restore_store);
        self.manager_started.cancel();
        manager.run(halt).await;
        publishing.abort();
        Ok(())
    }
}

/// Why the manager stopped.
enum End {
    Manager(Result<(), Failure>),
    LeaseLost(LossReason),
    Signal,
}
