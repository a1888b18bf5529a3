//! A proxy before the API server, where things go wrong when a test wants it.

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

/// What requests are answered with instead.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// HTTP method.
    pub(crate) method: &'static str,
    /// A part of path and query.
    pub(crate) part: &'static str,
    pub(crate) status: u16,
    /// How many more.
    pub(crate) left: u32,
}

/// A status that stands for no answer.
const SILENCE: u16 = 0;

/// A proxy, plain HTTP; clones share it.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<Inner>);

struct Inner {
    address: String,
    upstream: Mutex<(String, reqwest::Client)>,
    faults: Mutex<Vec<Fault>>,
    down: AtomicBool,
    delay: AtomicU64,
    /// Streams end when this changes.
    cut: watch::Sender<u64>,
    answered: Mutex<BTreeMap<u16, u64>>,
    /// Path and query of requests, and in which form they ask for an answer.
    forms: Mutex<Vec<(String, String)>>,
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
    pub(crate) async fn before(control_plane: &ControlPlane) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self(Arc::new(Inner {
            address: format!("http://{}", listener.local_addr().unwrap()),
            upstream: Mutex::new(upstream(control_plane)),
            faults: Mutex::default(),
            down: AtomicBool::default(),
            delay: AtomicU64::default(),
            cut: watch::Sender::new(0),
            answered: Mutex::default(),
            forms: Mutex::default(),
        }));
        let router = Router::new().fallback(forward).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    pub(crate) fn address(&self) -> &str {
        &self.0.address
    }

    /// From now on another API server answers.
    pub(crate) fn lead_to(&self, control_plane: &ControlPlane) {
        *self.0.upstream.lock().unwrap() = upstream(control_plane);
    }

    /// Answers so many requests so.
    pub(crate) fn fault(&self, method: &'static str, part: &'static str, status: u16, left: u32) {
        self.0.faults.lock().unwrap().push(Fault { method, part, status, left });
    }

    /// Answers so many requests not at all.
    pub(crate) fn hang(&self, method: &'static str, part: &'static str, left: u32) {
        self.fault(method, part, SILENCE, left);
    }

    /// Whether every fault that was asked for has happened.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.faults.lock().unwrap().iter().all(|fault| fault.left == 0)
    }

    /// Nobody is answered any more, or everybody is again.
    pub(crate) fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::Relaxed);
        if down {
            self.cut();
        }
    }

    /// Every request takes this much longer.
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.0.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    /// Ends every watch.
    pub(crate) fn cut(&self) {
        self.0.cut.send_modify(|number| *number += 1);
    }

    /// How often this status was answered.
    pub(crate) fn answered(&self, status: u16) -> u64 {
        self.0.answered.lock().unwrap().get(&status).copied().unwrap_or_default()
    }

    /// In which forms answers were asked for, of paths and queries with this part.
    pub(crate) fn forms(&self, part: &str) -> Vec<String> {
        let forms = self.0.forms.lock().unwrap();
        forms.iter().filter(|(path, _)| path.contains(part)).map(|(_, form)| form.clone()).collect()
    }

    fn instead(&self, method: &str, path: &str) -> Option<u16> {
        if self.0.down.load(Ordering::Relaxed) {
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

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    let method = request.method().clone();
    let form = request.headers().get(header::ACCEPT).map(|form| form.to_str().unwrap().to_owned());
    proxy.0.forms.lock().unwrap().push((path.clone(), form.unwrap_or_default()));
    let delay = proxy.0.delay.load(Ordering::Relaxed);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let note = |status: u16| *proxy.0.answered.lock().unwrap().entry(status).or_default() += 1;
    if let Some(status) = proxy.instead(method.as_str(), &path) {
        note(status);
        if status == SILENCE {
            return std::future::pending().await;
        }
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
            "reason": if status == 409 { "Conflict" } else { "TooManyRequests" }, "message": "a test's doing",
        });
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(header::RETRY_AFTER, "1".parse().unwrap());
        return answer(status, headers, Body::from(body.to_string()));
    }
    let mut cut = proxy.0.cut.subscribe();
    let (server, client) = proxy.0.upstream.lock().unwrap().clone();
    let mut headers = request.headers().clone();
    headers.remove(header::HOST);
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let sent = client.request(method, format!("{server}{path}")).headers(headers).body(body).send();
    let answered = tokio::select! {
        answered = sent => answered,
        _ = cut.changed() => return answer(502, HeaderMap::new(), Body::empty()),
    };
    let Ok(answered) = answered else {
        return answer(502, HeaderMap::new(), Body::empty());
    };
    let (status, mut headers) = (answered.status().as_u16(), answered.headers().clone());
    note(status);
    for name in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::CONNECTION] {
        headers.remove(name);
    }
    // Chunk by chunk: a watch has no end.
    let chunks = stream::unfold((answered, cut), |(mut answered, mut cut)| async move {
        let chunk = tokio::select! {
            chunk = answered.chunk() => chunk.map_err(std::io::Error::other).transpose()?,
            _ = cut.changed() => return None,
        };
        Some((chunk, (answered, cut)))
    });
    answer(status, headers, Body::from_stream(chunks))
}
