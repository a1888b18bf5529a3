//! Probes and metrics over HTTP. Nothing here asks the cloud: an outage of the cloud is no reason to restart.

use std::{
    collections::BTreeMap,
    io,
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

use crate::{clock::Clock, metrics::Metrics};

/// Work that has stood still for this long does not go on by itself.
const STANDSTILL: Duration = Duration::from_secs(60);
/// What OpenMetrics is served as.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What probes ask about. Clones share it.
#[derive(Debug, Clone)]
pub struct Probes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    /// What has to be there before this process is ready, and whether it is.
    needs: Mutex<BTreeMap<&'static str, bool>>,
    /// When work last went on.
    beat: Mutex<Duration>,
}

/// A server that listens already.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

#[derive(Debug, Clone)]
struct Shared {
    probes: Probes,
    metrics: Metrics,
}

// === impl Probes ===

impl Probes {
    /// Ready once all of `needs` are there.
    pub fn new(clock: Arc<dyn Clock>, needs: impl IntoIterator<Item = &'static str>) -> Self {
        let beat = Mutex::new(clock.monotonic());
        let needs = Mutex::new(needs.into_iter().map(|need| (need, false)).collect());
        Self(Arc::new(Inner { clock, needs, beat }))
    }

    /// Something that is needed is there, or is not.
    pub fn set(&self, need: &'static str, there: bool) {
        self.0.needs.lock().unwrap_or_else(PoisonError::into_inner).insert(need, there);
    }

    /// Work goes on.
    pub fn beat(&self) {
        *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner) = self.0.clock.monotonic();
    }

    /// What is missing.
    pub fn missing(&self) -> Vec<&'static str> {
        let needs = self.0.needs.lock().unwrap_or_else(PoisonError::into_inner);
        needs.iter().filter(|(_, there)| !**there).map(|(need, _)| *need).collect()
    }

    /// Whether work has gone on lately.
    pub fn is_alive(&self) -> bool {
        let beat = *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.clock.monotonic().saturating_sub(beat) < STANDSTILL
    }
}

// === impl Server ===

impl Server {
    /// Listens on `address`.
    ///
    /// # Errors
    /// If that is not possible.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// Where it listens: the port too, if that was chosen by the system.
    ///
    /// # Errors
    /// If the system cannot say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for as long as it is polled.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(self, probes: Probes, metrics: Metrics) -> io::Result<()> {
        let router = Router::new()
            .route("/", get(async || "/healthz\n/readyz\n/metrics\n"))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(show_metrics))
            .with_state(Shared { probes, metrics });
        axum::serve(self.listener, router).await
    }
}

async fn healthz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.probes.is_alive() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "work stands still\n")
    }
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    let missing = shared.probes.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let lines: String = missing.iter().map(|need| format!("not yet: {need}\n")).collect();
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
        assert_eq!(get("/readyz").await.2, "not yet: one\nnot yet: two\n");
        probes.set("one", true);
        let (status, _, text) = get("/readyz").await;
        assert_eq!((status, text.as_str()), (503, "not yet: two\n"));
        probes.set("two", true);
        assert_eq!(get("/readyz").await.0, 200);
        assert_eq!(get("/healthz").await.0, 200);
        let (status, kind, text) = get("/metrics").await;
        assert_eq!((status, kind.as_str()), (200, OPEN_METRICS));
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert_eq!(get("/nothing").await.0, 404);
        let posted = client.post(format!("http://{address}/metrics")).send().await.unwrap();
        assert_eq!(posted.status(), 405);
    }
}
