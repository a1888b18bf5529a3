//! `dcs-operator run`: puts everything together and runs it until it is told to stop, or may not lead any more.

mod boot;
mod flags;
mod telemetry_sink;

use std::{future, io, sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use self::flags::RunArgs;
pub(super) use self::flags::help_all;
use self::telemetry_sink::TelemetrySink;
use super::Failure;
use crate::{
    clock::{Clock, SystemClock},
    controller::{
        ClientFactory, KubeInstances, Manager, Stores, SystemRandom, Watches, WorkQueue, WriteGuard,
        instance::Instances,
    },
    dcs::{AccountConfig, Client, RetryPolicy, account::InvalidAccount},
    inventory::Inventory,
    leader::{self, Candidate, KubeLeaseApi, Leadership, LeaseGuard, LossReason},
    metrics::Metrics,
    server::{Probes, Server},
};

/// What is logged if nobody says otherwise. Of what kube logs, errors are reported too, and its spans name the object
/// as every line here does.
pub const LOGGED: &str = "info,kube_runtime=warn,kube_client::client::builder=off";

/// What has to be there before this process is ready.
const DEFINITION: &str = "the CustomResourceDefinition dcsinstances.dcs.huaweicloud.com";
const WATCHES: &str = "a first list of DcsInstances and Secrets";

/// Makes clients over HTTP.
struct HttpConnect {
    policy: RetryPolicy,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

// === impl HttpConnect ===

impl ClientFactory for HttpConnect {
    type Cloud = Client;

    fn connect(&self, account: &AccountConfig) -> Result<Client, InvalidAccount> {
        // Spreads the retries of clients that are made together.
        let seed = self.clock.now().timestamp_subsec_nanos().into();
        let client = Client::new(account.clone(), self.policy.clone(), Arc::clone(&self.clock), seed)?;
        Ok(client.observed_by(Arc::new(telemetry_sink::CloudRequestMetrics(self.metrics.clone()))))
    }
}

// === impl LeaderWriteGuard ===

impl WriteGuard for LeaderWriteGuard {
    fn covers(&self, until: Duration) -> bool {
        !self.halt.is_cancelled() && self.leadership.as_ref().is_none_or(|held| held.covers(until))
    }
}

/// May change the cloud until it is told to stop, and only while it leads.
struct LeaderWriteGuard {
    halt: CancellationToken,
    /// None if it leads without asking anybody.
    leadership: Option<Leadership>,
}

/// Whoever is told of a signal, or of the end of the lease.
struct Stop {
    term: Signal,
    interrupt: Signal,
}

// === impl Stop ===

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn signalled(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs the operator.
///
/// # Errors
/// [`Failure`]: what is missing or wrong, or that the lease was lost.
pub async fn run(args: RunArgs) -> Result<(), Failure> {
    args.check()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut stop = Stop::listen().map_err(Failure::Start)?;
    let metrics = Metrics::new();
    let probes = Probes::new(Arc::clone(&clock), [DEFINITION, WATCHES]);
    let server = Server::bind(args.listen).await.map_err(Failure::Start)?;
    tracing::info!(
        address = %server.address().map_err(Failure::Start)?,
        version = env!("CARGO_PKG_VERSION"),
        "serving probes and metrics"
    );
    let serving = server.serve(probes.clone(), metrics.clone());
    let at_work = CancellationToken::new();
    tokio::select! {
        served = serving => served.map_err(Failure::Start),
        () = beat(&probes, &clock, &at_work) => Ok(()),
        ended = manager(args, clock.clone(), probes.clone(), metrics, &mut stop, at_work.clone()) => ended,
    }
}

/// Before this process is at work, waiting is what goes on: for the definition, or for the lease, however long.
async fn beat(probes: &Probes, clock: &Arc<dyn Clock>, at_work: &CancellationToken) {
    while !at_work.is_cancelled() {
        probes.beat();
        clock.sleep(Duration::from_secs(5)).await;
    }
    future::pending().await
}

async fn manager(
    args: RunArgs,
    clock: Arc<dyn Clock>,
    probes: Probes,
    metrics: Metrics,
    stop: &mut Stop,
    at_work: CancellationToken,
) -> Result<(), Failure> {
    let identity = boot::identity(&args)?;
    let namespace = boot::namespace(&args);
    let client = boot::client(&args).await?;
    tokio::select! {
        () = boot::await_definition(&client, clock.as_ref()) => probes.set(DEFINITION, true),
        () = stop.signalled() => return Ok(()),
    }
    let mut held = None;
    if args.leader.leader_elect {
        let settings = leader::LeaseSettings {
            duration: args.leader.leader_elect_lease_duration,
            renew_interval: args.leader.leader_elect_renew_interval,
            ..leader::LeaseSettings::new(&namespace, &args.leader.lease_name, &identity)
        };
        let candidate = Candidate::new(KubeLeaseApi::new(client.clone()), settings, Arc::clone(&clock))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        // One that waits for its turn is as ready as it can be.
        probes.set(WATCHES, true);
        held = tokio::select! {
            held = candidate.acquire() => Some(held),
            () = stop.signalled() => return Ok(()),
        };
        probes.set(WATCHES, false);
    }
    let leadership = held.as_ref().map(LeaseGuard::leadership);
    let parts = Parts { args, clock, probes, metrics, client, identity, namespace, leadership, at_work };
    parts.lead(held, stop).await
}

/// What leading takes.
struct Parts {
    args: RunArgs,
    clock: Arc<dyn Clock>,
    probes: Probes,
    metrics: Metrics,
    client: kube::Client,
    identity: String,
    namespace: String,
    /// None if it leads without asking anybody.
    leadership: Option<Leadership>,
    /// Cancelled once work begins, which then is what shows that it goes on.
    at_work: CancellationToken,
}

// === impl Parts ===

impl Parts {
    /// Works until told to stop, or until the lease is lost.
    async fn lead(self, held: Option<LeaseGuard<KubeLeaseApi>>, stop: &mut Stop) -> Result<(), Failure> {
        let mut held = held;
        let halt = CancellationToken::new();
        let working = self.work(halt.clone());
        tokio::pin!(working);
        let lost = async {
            match &mut held {
                Some(held) => held.renew_until_lost().await,
                None => future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = &mut working => End::Work(ended),
            lost = lost => End::LossReason(lost),
            () = stop.signalled() => End::Told,
        };
        match ended {
            // A new process finds out from the cloud what this one may have begun.
            End::LossReason(lost) => return Err(Failure::Lease(lost)),
            End::Work(ended) => ended?,
            End::Told => {
                tracing::info!("told to stop; passes under way are finished");
                halt.cancel();
                // Giving the lease back takes a part of the time.
                let handover = if held.is_some() { leader::RELEASE_TIMEOUT } else { Duration::ZERO };
                let limit = self.args.kubernetes.shutdown.saturating_sub(handover);
                if tokio::time::timeout(limit, working).await.is_err() {
                    tracing::warn!(
                        "some passes took too long and were given up; the lease is left to run out, since what they \
                         asked of the cloud may still be on its way"
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

    async fn work(&self, halt: CancellationToken) -> Result<(), Failure> {
        let (clock, client) = (Arc::clone(&self.clock), self.client.clone());
        let hash_key = tokio::select! {
            key = boot::hash_key(&client, &self.namespace, &SystemRandom, clock.as_ref()) => key?,
            () = halt.cancelled() => return Ok(()),
        };
        let cluster_id = tokio::select! {
            id = boot::cluster_id(&client, self.args.cluster_id.as_deref(), clock.as_ref()) => id,
            () = halt.cancelled() => return Ok(()),
        };
        let stores = Stores::new();
        let timeouts = self.args.timeouts();
        let (objects, secrets) = stores.ports(&client, &timeouts);
        let (sink, events) = TelemetrySink::new(self.metrics.clone(), self.probes.clone());
        let sink = Arc::new(sink);
        let publishing = tokio::spawn(telemetry_sink::publish(events, client.clone(), self.identity.clone()));
        let write_guard = LeaderWriteGuard { halt: halt.clone(), leadership: self.leadership.clone() };
        let instances: KubeInstances<HttpConnect> = Instances {
            objects,
            secrets,
            connect: HttpConnect {
                policy: self.args.retry_policy(),
                clock: Arc::clone(&clock),
                metrics: self.metrics.clone(),
            },
            inventory: Inventory::new(self.args.inventory_settings(), Arc::clone(&clock)),
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
            local_states: Default::default(),
        };
        let instances = Arc::new(instances);
        let watches = Arc::new(Watches {
            client,
            users: Default::default(),
            queue: WorkQueue::default(),
            released: WorkQueue::default(),
            own_credentials: self.args.own_credentials().map(|own| own.secret),
            seen: CancellationToken::new(),
            timeouts,
            error_handler: Arc::clone(&sink) as _,
        });
        self.metrics.ask(telemetry_sink::snapshot(
            stores.objects(),
            Arc::clone(&instances),
            self.leadership.clone(),
        ));
        let operation = Manager::new(instances, watches, sink);
        self.at_work.cancel();
        operation.run(stores, self.args.concurrency, halt).await;
        publishing.abort();
        Ok(())
    }
}

/// Why leading ended.
enum End {
    Work(Result<(), Failure>),
    LossReason(LossReason),
    Told,
}
