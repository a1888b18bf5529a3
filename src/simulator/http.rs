//! The HTTP server: passes requests to the [`Simulator`] and aborts connections for faults.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, State, connect_info::Connected},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response as HttpResponse,
    serve::{IncomingStream, Listener},
};
use futures::stream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::{Delivery, DeliveryKind, Request, Response, Simulator, error_response};
use crate::clock::Clock;

/// Maximum request body of the gateway.
const MAX_BODY_BYTES: usize = 12 * 1024 * 1024;
/// How long a stopping server waits for pending responses.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// A simulator shared between connections. Never locked across an await.
#[derive(Debug, Clone)]
pub struct Shared {
    simulator: Arc<Mutex<Simulator>>,
    clock: Arc<dyn Clock>,
    changed: Arc<Notify>,
}

// === impl Shared ===

impl Shared {
    /// Shares `simulator`, which reads the time from `clock`.
    pub fn new(simulator: Simulator, clock: Arc<dyn Clock>) -> Self {
        Self { simulator: Arc::new(Mutex::new(simulator)), clock, changed: Arc::new(Notify::new()) }
    }

    /// Locks the simulator.
    pub fn lock(&self) -> MutexGuard<'_, Simulator> {
        // A panic elsewhere cannot leave the simulator in an inconsistent state.
        self.simulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clock of the simulator.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Handles `request` at the current time.
    pub fn handle(&self, request: Request) -> Delivery {
        let (wall, monotonic) = (self.clock.now(), self.clock.monotonic());
        let mut simulator = self.lock();
        let before = simulator.revision();
        let delivery = simulator.handle(wall, monotonic, request);
        if simulator.revision() != before {
            self.changed.notify_one();
        }
        delivery
    }

    /// Completes when a request has changed the state since the last completion.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Serves on `listener` until `shutdown` completes, plus half a second for pending responses.
///
/// # Errors
/// Any error of the listener.
pub async fn serve(
    listener: TcpListener,
    shared: Shared,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stopping = Arc::new(Notify::new());
    let clock = Arc::clone(shared.clock());
    let app = Router::new().fallback(handle_request).with_state(shared);
    let service = app.into_make_service_with_connect_info::<ConnectionAbort>();
    let stopped = Arc::clone(&stopping);
    let server = axum::serve(AbortableListener(listener), service).with_graceful_shutdown(async move {
        shutdown.await;
        stopped.notify_one();
    });
    tokio::select! {
        outcome = server => outcome,
        () = async { stopping.notified().await; clock.sleep(SHUTDOWN_GRACE).await } => Ok(()),
    }
}

async fn handle_request(
    State(shared): State<Shared>,
    ConnectInfo(abort): ConnectInfo<ConnectionAbort>,
    request: axum::extract::Request,
) -> HttpResponse {
    let (Parts { method, uri, headers, .. }, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else { return too_large() };
    let path = uri.path().to_owned();
    let query = uri.query().unwrap_or_default().to_owned();
    let Delivery { delay, kind } = shared.handle(Request { method, path, query, headers, body: body.into() });
    if !delay.is_zero() {
        shared.clock.sleep(delay).await;
    }
    match kind {
        DeliveryKind::Full(response) => full(response),
        DeliveryKind::Cut { response, after_bytes } => truncated(response, after_bytes),
        DeliveryKind::Reset => {
            abort.trigger();
            // The connection is aborted; the response is never sent.
            HttpResponse::new(Body::empty())
        }
    }
}

fn full(response: Response) -> HttpResponse {
    let Response { status, headers, body } = response;
    into_http(status, headers, Body::from(body))
}

/// Announces the full length, sends the first bytes and aborts the connection.
fn truncated(response: Response, after_bytes: usize) -> HttpResponse {
    let Response { status, mut headers, mut body } = response;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    body.truncate(after_bytes);
    let parts = stream::unfold(Some(Bytes::from(body)), |part| async move {
        match part {
            Some(part) => Some((Ok(part), None)),
            None => {
                // Yielding lets hyper flush the bytes written so far.
                tokio::task::yield_now().await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
            }
        }
    });
    into_http(status, headers, Body::from_stream(parts))
}

fn too_large() -> HttpResponse {
    let error = error_response::gateway(413, "APIGW.0201", "Request entity too large");
    let headers =
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    into_http(error.status, headers, Body::from(error.body.to_string()))
}

fn into_http(status: u16, headers: HeaderMap, body: Body) -> HttpResponse {
    let mut response = HttpResponse::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}

/// A listener whose connections a request handler can abort.
struct AbortableListener(TcpListener);

/// A connection that its request handler can abort.
struct AbortableStream {
    stream: TcpStream,
    abort: ConnectionAbort,
}

/// Flag that aborts a connection.
#[derive(Debug, Clone, Default)]
struct ConnectionAbort(Arc<AtomicBool>);

// === impl ConnectionAbort ===

impl ConnectionAbort {
    fn trigger(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Fails once the connection is aborted.
    fn check(&self) -> io::Result<()> {
        match self.0.load(Ordering::Acquire) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl Connected<IncomingStream<'_, AbortableListener>> for ConnectionAbort {
    fn connect_info(stream: IncomingStream<'_, AbortableListener>) -> Self {
        stream.io().abort.clone()
    }
}

// === impl AbortableListener ===

impl Listener for AbortableListener {
    type Io = AbortableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (AbortableStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Sends small responses immediately. A failure only delays them.
        let _ = stream.set_nodelay(true);
        (AbortableStream { stream, abort: ConnectionAbort::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

// === impl AbortableStream ===

impl Drop for AbortableStream {
    /// Ends an aborted connection with RST instead of FIN.
    fn drop(&mut self) {
        if self.abort.check().is_err() {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for AbortableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.abort.check()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for AbortableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.abort.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.abort.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
