//! A simulator and the real client, connected over HTTP or in process.

use std::{
    future::Future,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use dcs_operator::{
    clock::{Clock, SystemClock},
    dcs::{
        AccountConfig, Client, Credentials, HttpTransport, RetryPolicy, Transport,
        model::{Capacity, CreateInstance},
    },
    simulator::{
        Directory, Entry, Filter, Options, Settings, Simulator,
        http::{self, Shared},
    },
};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{in_process::InProcess, test_clock::TestClock};

pub(crate) const ACCESS_KEY: &str = "AK";
pub(crate) const SECRET_KEY: &str = "canary-secret";
pub(crate) const PASSWORD: &str = "canary-Passw0rd";

/// A simulator, a transport to it, and a client with an access key.
pub(crate) struct SimHarness {
    pub(crate) shared: Shared,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
    pub(crate) base: String,
}

/// A stopped cloud clock, one access key, one user, and a large quota.
pub(crate) fn settings() -> Settings {
    Settings {
        service: Options {
            provisioning: Duration::from_secs(100),
            deletion: Duration::from_secs(10),
            quota_instances: 100_000,
            quota_ram_gb: 1_000_000,
            ..Options::default()
        },
        directory: Directory::new("domain").with_key(ACCESS_KEY, SECRET_KEY).with_user("user", PASSWORD),
        speed: 0.0,
        ..Settings::default()
    }
}

/// No retries, so that a fault reaches the test.
pub(crate) fn single_attempt() -> RetryPolicy {
    RetryPolicy { attempts: 1, ..RetryPolicy::default() }
}

pub(crate) fn access_key(secret: &str, security_token: Option<&str>) -> Credentials {
    Credentials::AccessKey {
        id: ACCESS_KEY.to_owned(),
        secret: SecretString::from(secret),
        security_token: security_token.map(SecretString::from),
    }
}

pub(crate) fn user(password: &str) -> Credentials {
    Credentials::Password {
        domain_name: "domain".to_owned(),
        user_name: "user".to_owned(),
        password: SecretString::from(password),
    }
}

pub(crate) fn instance(name: &str) -> CreateInstance {
    CreateInstance {
        name: name.to_owned(),
        engine: "Redis".to_owned(),
        engine_version: "6.0".to_owned(),
        capacity: Capacity::from_mib(512),
        spec_code: "redis.ha.xu1.tiny.r2.512".to_owned(),
        az_codes: vec!["sim-region-1a".to_owned(), "sim-region-1b".to_owned()],
        vpc_id: "0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
        subnet_id: "0a1b2c3d-0000-4000-8000-000000000002".to_owned(),
        instance_num: Some(1),
        password: Some(SecretString::from(PASSWORD)),
        ..CreateInstance::default()
    }
}

/// Fails a test that takes longer than 30 s.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("done before the deadline")
}

/// Ports of simulated clouds: an operator is told at its start which ports it may call, and clouds may start later.
static RESERVED: LazyLock<(String, Mutex<Vec<std::net::TcpListener>>)> = LazyLock::new(|| {
    let bind = |_| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    let listeners: Vec<_> = (0..128).map(bind).collect();
    let ports = listeners.iter().map(|listener| listener.local_addr().unwrap().to_string());
    (ports.collect::<Vec<_>>().join(","), Mutex::new(listeners))
});

/// The reserved ports of this process, as the flag `--allow-insecure-endpoint` takes them.
pub(crate) fn reserved_ports() -> &'static str {
    &RESERVED.0
}

// === impl SimHarness ===

impl SimHarness {
    /// Connects over HTTP, in real time.
    pub(crate) async fn over_http(settings: Settings) -> Self {
        Self::behind(TcpListener::bind("127.0.0.1:0").await.unwrap(), settings)
    }

    /// Connects over HTTP, in real time, on a port that operators under test may call ([`reserved_ports`]).
    pub(crate) fn on_reserved_port(settings: Settings) -> Self {
        let listener = RESERVED.1.lock().unwrap().pop().expect("more simulated clouds than reserved ports");
        Self::behind(TcpListener::from_std(listener).unwrap(), settings)
    }

    fn behind(listener: TcpListener, settings: Settings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let shared = simulator(settings, Arc::clone(&clock));
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(http::serve(listener, shared.clone(), std::future::pending()));
        let account = account(&base, access_key(SECRET_KEY, None), &shared);
        let transport = Arc::new(HttpTransport::new(&account, Arc::clone(&clock)).unwrap());
        Self::connected(shared, clock, transport, base)
    }

    /// Connects in process, on the test clock.
    pub(crate) fn in_process(settings: Settings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let shared = simulator(settings, Arc::clone(&clock));
        let transport = Arc::new(InProcess(shared.clone()));
        Self::connected(shared, clock, transport, "http://127.0.0.1:8080".to_owned())
    }

    fn connected(shared: Shared, clock: Arc<dyn Clock>, transport: Arc<dyn Transport>, base: String) -> Self {
        let account = account(&base, access_key(SECRET_KEY, None), &shared);
        let client = Client::over(Arc::clone(&transport), account, RetryPolicy::default(), clock.clone(), 1);
        Self { shared, client, clock, transport, base }
    }

    /// Another client of the same simulator.
    pub(crate) fn client(&self, credentials: Credentials, policy: RetryPolicy) -> Client {
        self.client_of(self.account(credentials), policy)
    }

    pub(crate) fn client_of(&self, account: AccountConfig, policy: RetryPolicy) -> Client {
        Client::over(Arc::clone(&self.transport), account, policy, Arc::clone(&self.clock), 1)
    }

    pub(crate) fn account(&self, credentials: Credentials) -> AccountConfig {
        account(&self.base, credentials, &self.shared)
    }

    /// Advances the clock of the cloud.
    pub(crate) fn step(&self, seconds: u64) {
        self.shared.lock().step(self.clock.monotonic(), Duration::from_secs(seconds));
    }

    pub(crate) fn add_faults(&self, script: &Value) {
        self.shared.lock().add_faults(self.clock.monotonic(), script).unwrap();
    }

    /// The names of the existing instances.
    pub(crate) fn names(&self) -> Vec<String> {
        self.shared.lock().service().instances().map(|instance| instance.name.clone()).collect()
    }

    /// The journal entries of an operation.
    pub(crate) fn calls(&self, operation: &str) -> Vec<Entry> {
        let filter = Filter { operation: Some(operation.to_owned()), ..Filter::default() };
        self.shared.lock().journal().entries(&filter).cloned().collect()
    }

    /// The whole journal as JSON.
    pub(crate) fn journal(&self) -> Value {
        let filter = Filter::default();
        let simulator = self.shared.lock();
        let entries: Vec<_> = simulator.journal().entries(&filter).collect();
        serde_json::to_value(entries).unwrap()
    }
}

fn simulator(settings: Settings, clock: Arc<dyn Clock>) -> Shared {
    let simulator = Simulator::new(settings, clock.now(), clock.monotonic()).unwrap();
    Shared::new(simulator, clock)
}

pub(crate) fn account(base: &str, credentials: Credentials, shared: &Shared) -> AccountConfig {
    let simulator = shared.lock();
    AccountConfig {
        region: simulator.region().to_owned(),
        endpoint: base.parse().unwrap(),
        iam_endpoint: base.parse().unwrap(),
        project_id: Some(simulator.project_id().to_owned()),
        credentials,
        ca_bundle: None,
    }
}

/// Runs each named scenario over HTTP and in process.
macro_rules! over_both {
    ($($(#[$doc:meta])* $scenario:ident;)*) => {$(
        mod $scenario {
            use crate::support::sim_harness::{SimHarness, in_time, settings};

            #[tokio::test]
            async fn over_http() {
                in_time(async { super::$scenario(SimHarness::over_http(settings()).await).await }).await;
            }

            #[tokio::test]
            async fn in_process() {
                in_time(super::$scenario(SimHarness::in_process(settings()))).await;
            }
        }
    )*};
}
pub(crate) use over_both;
