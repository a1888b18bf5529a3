//! A proxy in front of the API server that injects faults.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use futures::stream;
use kube::config::Kubeconfig;
use tokio::{net::TcpListener, sync::watch};

use super::control_plane::ControlPlane;

/// An injected response.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// HTTP method.
    pub(crate) method: &'static str,
    /// Substring of path and query.
    pub(crate) part: &'static str,
    pub(crate) status: u16,
    /// Remaining uses.
    pub(crate) left: u32,
}

/// Pseudo status: the request gets no response.
const NO_RESPONSE: u16 = 0;

/// Pseudo status: the request is forwarded, and its answer is lost.
const LOST_ANSWER: u16 = 1;

/// A plain HTTP proxy. Clones share it.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<Inner>);

struct Inner {
    address: String,
    upstream: Mutex<(String, reqwest::Client)>,
    faults: Mutex<Vec<Fault>>,
    is_unavailable: AtomicBool,
    delay: AtomicU64,
    /// Requests whose path and query contain this are not answered, and their answers stop, but stay open.
    silent: watch::Sender<Option<&'static str>>,
    /// Watches are aborted when this changes.
    abort: watch::Sender<u64>,
    response_counts: Mutex<BTreeMap<u16, u64>>,
    /// Path and query of each request, and its Accept header.
    accept_headers: Mutex<Vec<(String, String)>>,
}

fn upstream(control_plane: &ControlPlane) -> (String, reqwest::Client) {
    let config = Kubeconfig::read_from(&control_plane.ready.kubeconfig).unwrap();
    let cluster = config.clusters[0].cluster.clone().unwrap();
    let encoded = cluster.certificate_authority_data.unwrap();
    let authority = serde_json::from_value::<k8s_openapi::ByteString>(encoded.into()).unwrap().0;
    let authority = reqwest::Certificate::from_pem(&authority).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    (cluster.server.unwrap(), client)
}

// === impl Proxy ===

impl Proxy {
    pub(crate) async fn in_front_of(control_plane: &ControlPlane) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self(Arc::new(Inner {
            address: format!("http://{}", listener.local_addr().unwrap()),
            upstream: Mutex::new(upstream(control_plane)),
            faults: Mutex::default(),
            is_unavailable: AtomicBool::default(),
            delay: AtomicU64::default(),
            silent: watch::Sender::new(None),
            abort: watch::Sender::new(0),
            response_counts: Mutex::default(),
            accept_headers: Mutex::default(),
        }));
        let router = Router::new().fallback(forward).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    pub(crate) fn address(&self) -> &str {
        &self.0.address
    }

    /// Forwards further requests to this API server.
    pub(crate) fn set_upstream(&self, control_plane: &ControlPlane) {
        *self.0.upstream.lock().unwrap() = upstream(control_plane);
    }

    /// Answers `left` matching requests with `status`.
    pub(crate) fn fault(&self, method: &'static str, part: &'static str, status: u16, left: u32) {
        self.0.faults.lock().unwrap().push(Fault { method, part, status, left });
    }

    /// Leaves `left` matching requests without a response.
    pub(crate) fn hang(&self, method: &'static str, part: &'static str, left: u32) {
        self.fault(method, part, NO_RESPONSE, left);
    }

    /// Forwards `left` matching requests, and answers them with 502.
    pub(crate) fn lose_answer(&self, method: &'static str, part: &'static str, left: u32) {
        self.fault(method, part, LOST_ANSWER, left);
    }

    /// Whether all faults were used.
    pub(crate) fn all_faults_used(&self) -> bool {
        self.0.faults.lock().unwrap().iter().all(|fault| fault.left == 0)
    }

    /// Answers all requests with 503, or forwards them again.
    pub(crate) fn set_unavailable(&self, is_unavailable: bool) {
        self.0.is_unavailable.store(is_unavailable, Ordering::Relaxed);
        if is_unavailable {
            self.abort_watches();
        }
    }

    /// Delays every request.
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.0.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    /// Accepts matching requests and is silent, also in the middle of an answer.
    pub(crate) fn set_silent(&self, part: Option<&'static str>) {
        self.0.silent.send_replace(part);
    }

    /// Aborts every watch. Other requests go on: an abort each 200 ms would end every request on a busy machine.
    pub(crate) fn abort_watches(&self) {
        self.0.abort.send_modify(|number| *number += 1);
    }

    /// Number of responses with this status.
    pub(crate) fn response_count(&self, status: u16) -> u64 {
        self.0.response_counts.lock().unwrap().get(&status).copied().unwrap_or_default()
    }

    /// Accept headers of requests whose path and query contain `part`.
    pub(crate) fn accept_headers(&self, part: &str) -> Vec<String> {
        let headers = self.0.accept_headers.lock().unwrap();
        headers.iter().filter(|(path, _)| path.contains(part)).map(|(_, accept)| accept.clone()).collect()
    }

    fn injected_status(&self, method: &str, path: &str) -> Option<u16> {
        if self.0.is_unavailable.load(Ordering::Relaxed) {
            return Some(503);
        }
        let mut faults = self.0.faults.lock().unwrap();
        let hit = |fault: &&mut Fault| fault.left > 0 && fault.method == method && path.contains(fault.part);
        let fault = faults.iter_mut().find(hit)?;
        fault.left -= 1;
        Some(fault.status)
    }
}

fn answer(status: u16, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers;
    response
}

/// The aborts of one request.
struct Abort {
    number: watch::Receiver<u64>,
    is_watch: bool,
}

// === impl Abort ===

impl Abort {
    /// Returns when the request is to be aborted.
    async fn asked(&mut self) {
        if !self.is_watch || self.number.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

fn is_silent(silent: &watch::Receiver<Option<&'static str>>, path: &str) -> bool {
    silent.borrow().is_some_and(|part| path.contains(part))
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    let method = request.method().clone();
    let accept = request.headers().get(header::ACCEPT).map(|accept| accept.to_str().unwrap().to_owned());
    proxy.0.accept_headers.lock().unwrap().push((path.clone(), accept.unwrap_or_default()));
    let delay = proxy.0.delay.load(Ordering::Relaxed);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let count = |status: u16| *proxy.0.response_counts.lock().unwrap().entry(status).or_default() += 1;
    let injected = proxy.injected_status(method.as_str(), &path);
    let is_lost = injected == Some(LOST_ANSWER);
    if let Some(status) = injected.filter(|_| !is_lost) {
        count(status);
        if status == NO_RESPONSE {
            return std::future::pending().await;
        }
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
            "reason": if status == 409 { "Conflict" } else { "TooManyRequests" }, "message": "injected by a test",
        });
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(header::RETRY_AFTER, "1".parse().unwrap());
        return answer(status, headers, Body::from(body.to_string()));
    }
    let mut silent = proxy.0.silent.subscribe();
    if is_silent(&silent, &path) {
        count(NO_RESPONSE);
        return std::future::pending().await;
    }
    let mut abort = Abort { number: proxy.0.abort.subscribe(), is_watch: path.contains("watch=true") };
    let (server, client) = proxy.0.upstream.lock().unwrap().clone();
    let mut headers = request.headers().clone();
    headers.remove(header::HOST);
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let sent = client.request(method, format!("{server}{path}")).headers(headers).body(body).send();
    let answered = tokio::select! {
        answered = sent => answered,
        () = abort.asked() => return answer(502, HeaderMap::new(), Body::empty()),
    };
    let Some(answered) = answered.ok().filter(|_| !is_lost) else {
        return answer(502, HeaderMap::new(), Body::empty());
    };
    let (status, mut headers) = (answered.status().as_u16(), answered.headers().clone());
    count(status);
    for name in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::CONNECTION] {
        headers.remove(name);
    }
    // The body is streamed, because a watch does not end.
    silent.mark_unchanged();
    let chunks = stream::unfold(
        (answered, abort, silent, path),
        |(mut answered, mut abort, mut silent, path)| async move {
            let chunk = loop {
                tokio::select! {
                    biased;
                    _ = silent.changed() => {
                        if is_silent(&silent, &path) {
                            return std::future::pending().await;
                        }
                    }
                    chunk = answered.chunk() => break chunk.map_err(std::io::Error::other).transpose()?,
                    () = abort.asked() => return None,
                }
            };
            Some((chunk, (answered, abort, silent, path)))
        },
    );
    answer(status, headers, Body::from_stream(chunks))
}
