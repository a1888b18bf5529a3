//! Probes and metrics over HTTP. Probes send no cloud request: an outage of the cloud is no reason to restart.

mod connections;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use self::connections::{BoundedListener, Limits};
use crate::{clock::Clock, metrics::Metrics};

/// The process fails its liveness probe after this time without a heartbeat.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(60);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// State behind /healthz and /readyz. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Probes(Arc<Inner>);

/// Kinds whose watch stands still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standstill {
    /// For so long that the process is not ready.
    pub(crate) silent: Vec<&'static str>,
    /// For so long that the process should be restarted.
    pub(crate) stuck: Vec<&'static str>,
}

/// Finds watches that stand still.
type WatchCheck = Box<dyn Fn() -> Standstill + Send + Sync>;

struct Inner {
    clock: Arc<dyn Clock>,
    watches: Mutex<Option<WatchCheck>>,
    /// Requirements for readiness, and whether each is met.
    requirements: Mutex<BTreeMap<&'static str, bool>>,
    /// Time of the last heartbeat.
    heartbeat: Mutex<Duration>,
}

/// A server on a bound address.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
}

#[derive(Debug, Clone)]
struct Shared {
    probes: Probes,
    metrics: Metrics,
}

// === impl Probes ===

impl Probes {
    /// The process is ready once all `requirements` are met.
    pub(crate) fn new(clock: Arc<dyn Clock>, requirements: impl IntoIterator<Item = &'static str>) -> Self {
        let heartbeat = Mutex::new(clock.monotonic());
        let requirements =
            Mutex::new(requirements.into_iter().map(|requirement| (requirement, false)).collect());
        Self(Arc::new(Inner { clock, watches: Mutex::default(), requirements, heartbeat }))
    }

    /// Records whether a requirement is met.
    pub(crate) fn set(&self, requirement: &'static str, is_met: bool) {
        self.0.requirements.lock().unwrap_or_else(PoisonError::into_inner).insert(requirement, is_met);
    }

    /// Sets the check of the watches.
    pub(crate) fn watch(&self, check: impl Fn() -> Standstill + Send + Sync + 'static) {
        *self.0.watches.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(check));
    }

    fn standstill(&self) -> Standstill {
        let check = self.0.watches.lock().unwrap_or_else(PoisonError::into_inner);
        check.as_ref().map(|check| check()).unwrap_or_default()
    }

    /// Records that the process makes progress.
    pub(crate) fn heartbeat(&self) {
        *self.0.heartbeat.lock().unwrap_or_else(PoisonError::into_inner) = self.0.clock.monotonic();
    }

    /// Requirements that are not met.
    pub(crate) fn unmet(&self) -> Vec<String> {
        let requirements = self.0.requirements.lock().unwrap_or_else(PoisonError::into_inner);
        let unmet = requirements.iter().filter(|(_, is_met)| !**is_met);
        let unmet: Vec<_> = unmet.map(|(requirement, _)| (*requirement).to_owned()).collect();
        drop(requirements);
        let silent = self.standstill().silent;
        let silent = silent.into_iter().map(|kind| format!("no answer to the watch of {kind}"));
        unmet.into_iter().chain(silent).collect()
    }

    /// Why the process should be restarted: no recent heartbeat, or a watch that it cannot restart.
    pub(crate) fn reasons_to_restart(&self) -> Vec<String> {
        let heartbeat = *self.0.heartbeat.lock().unwrap_or_else(PoisonError::into_inner);
        let is_late = self.0.clock.monotonic().saturating_sub(heartbeat) >= HEARTBEAT_TIMEOUT;
        let late = is_late.then(|| "no progress for a minute".to_owned());
        let stuck = self.standstill().stuck;
        let stuck = stuck.into_iter().map(|kind| {
            format!("the watch of {kind} stands still, while the API server answers other requests")
        });
        late.into_iter().chain(stuck).collect()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("requirements", &self.requirements)
            .field("heartbeat", &self.heartbeat)
            .finish_non_exhaustive()
    }
}

// === impl Server ===

impl Server {
    /// Binds `address`.
    ///
    /// # Errors
    /// If the address is invalid or in use.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// The bound address, with the port that the system selected for port 0.
    ///
    /// # Errors
    /// If the system call fails.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves while the future is polled.
    ///
    /// # Errors
    /// If the listener fails.
    pub(crate) async fn serve(self, probes: Probes, metrics: Metrics) -> io::Result<()> {
        let router = Router::new()
            .route("/", get(async || "/healthz\n/readyz\n/metrics\n"))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(show_metrics))
            .with_state(Shared { probes, metrics });
        axum::serve(BoundedListener::new(self.listener, Limits::default()), router).await
    }
}

async fn healthz(State(shared): State<Shared>) -> (StatusCode, String) {
    let reasons = shared.probes.reasons_to_restart();
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.iter().map(|reason| format!("{reason}\n")).collect())
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    let unmet = shared.probes.unmet();
    if unmet.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let lines: String = unmet.iter().map(|requirement| format!("not ready: {requirement}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines)
}

async fn show_metrics(State(shared): State<Shared>) -> Response {
    match shared.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpStream};

    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn probes_and_metrics_are_served() {
        let probes = Probes::new(Arc::new(SystemClock::default()), ["one", "two"]);
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server.address().unwrap();
        tokio::spawn(server.serve(probes.clone(), Metrics::new()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let get = async |path: &str| {
            let answer = client.get(format!("http://{address}{path}")).send().await.unwrap();
            let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
            (answer.status().as_u16(), kind.unwrap_or_default(), answer.text().await.unwrap())
        };
        assert_eq!(get("/readyz").await.2, "not ready: one\nnot ready: two\n");
        probes.set("one", true);
        let (status, _, text) = get("/readyz").await;
        assert_eq!((status, text.as_str()), (503, "not ready: two\n"));
        probes.set("two", true);
        assert_eq!(get("/readyz").await.0, 200);
        assert_eq!(get("/healthz").await.0, 200);
        let (status, kind, text) = get("/metrics").await;
        assert_eq!((status, kind.as_str()), (200, OPEN_METRICS));
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert_eq!(get("/nothing").await.0, 404);
        let silent = Arc::new(Mutex::new(Standstill::default()));
        let found = Arc::clone(&silent);
        probes.watch(move || found.lock().unwrap().clone());
        assert_eq!((get("/readyz").await.0, get("/healthz").await.0), (200, 200));
        silent.lock().unwrap().silent = vec!["Secret"];
        assert_eq!(get("/readyz").await.2, "not ready: no answer to the watch of Secret\n");
        assert_eq!(get("/healthz").await.0, 200);
        silent.lock().unwrap().stuck = vec!["Secret"];
        let (status, _, text) = get("/healthz").await;
        assert!(status == 503 && text.starts_with("the watch of Secret stands still"), "{text}");
        let posted = client.post(format!("http://{address}/metrics")).send().await.unwrap();
        assert_eq!(posted.status(), 405);
    }

    /// Descriptors that silent connections hold are missing for the API server.
    #[tokio::test]
    async fn silent_connections_are_bounded() {
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server.address().unwrap();
        let probes = Probes::new(Arc::new(SystemClock::default()), []);
        tokio::spawn(server.serve(probes, Metrics::new()));
        let mut silent = Vec::new();
        for _ in 0..200 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        assert_eq!(client.get(format!("http://{address}/healthz")).send().await.unwrap().status(), 200);
        // The oldest are closed at once, long before their time for a request is over.
        for stream in &mut silent[..100] {
            let mut byte = [0];
            let end = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut byte)).await;
            assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
        }
    }
}
