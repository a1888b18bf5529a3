//! One HTTP request: bounded in time and size, without redirects and retries.

use std::{
    fmt,
    future::{self, Future},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderMap, Method};
use reqwest::{Certificate, redirect};
use url::Url;

use super::{
    account::{AccountConfig, InvalidAccount, is_loopback},
    error::Failure,
};
use crate::clock::Clock;

/// The largest accepted answer in bytes. A full page of 1,000 instances has about 2 MiB.
pub const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the active poll interval, and far below the idle limit of common load balancers. A connection keeps a read
/// buffer that has grown to the largest answer, up to 408 KiB, until it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A complete, signed request.
#[derive(Clone)]
pub struct HttpRequest {
    /// HTTP method.
    pub method: Method,
    /// URL, encoded as signed.
    pub url: Url,
    /// All headers except `Host`, which follows from the URL.
    pub headers: HeaderMap,
    /// Exact bytes of the body.
    pub body: Vec<u8>,
}

/// A complete answer, not interpreted yet.
#[derive(Clone)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

/// Sends requests: [`HttpTransport`] in production, the simulator's state machine in tests.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends `request` once, and returns the whole answer or fails within `limit`.
    fn send(&self, request: HttpRequest, limit: Duration) -> BoxFuture<'_, Result<HttpResponse, Failure>>;
}

/// An HTTP client that sends at most one request for each call.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
}

// === impl HttpTransport ===

impl Transport for HttpTransport {
    fn send(&self, request: HttpRequest, limit: Duration) -> BoxFuture<'_, Result<HttpResponse, Failure>> {
        Box::pin(async move {
            let deadline = self.clock.monotonic().saturating_add(limit);
            let mut answer = pin!(self.unbounded(request));
            // Checked before every step besides the timer: after the whole process was suspended, a request past its
            // deadline must not be sent, since another process may lead by then.
            let in_time = future::poll_fn(|context| {
                let late = self.clock.monotonic() >= deadline;
                if late { Poll::Ready(Err(Failure::TimedOut(limit))) } else { answer.as_mut().poll(context) }
            });
            tokio::select! {
                answer = in_time => answer,
                () = self.clock.sleep(limit) => Err(Failure::TimedOut(limit)),
            }
        })
    }
}

impl HttpTransport {
    /// A client that trusts the account's certificates besides the system's, and uses the system's proxy.
    ///
    /// # Errors
    /// [`InvalidAccount`] if the certificates cannot be read or the HTTP client cannot be built.
    pub fn new(account: &AccountConfig, clock: Arc<dyn Clock>) -> Result<Self, InvalidAccount> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("dcs-operator/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT);
        if bypasses_proxy(account) {
            builder = builder.no_proxy();
        }
        if let Some(pem) = &account.ca_bundle {
            let certificates = Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| InvalidAccount::CaBundle(chain(&error)))?;
            if certificates.is_empty() {
                return Err(InvalidAccount::CaBundle("it is empty".to_owned()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder.build().map_err(|error| InvalidAccount::HttpClient(chain(&error)))?;
        Ok(Self { http, clock })
    }

    async fn unbounded(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let HttpRequest { method, url, headers, body } = request;
        let sent = self.http.request(method, url).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| {
            let connecting = error.is_connect();
            let reason = chain(&error.without_url());
            if connecting {
                Failure::NotSent(format!("no connection: {reason}"))
            } else {
                Failure::Broken(reason)
            }
        })?;
        let announced = response.content_length().unwrap_or_default();
        if announced > MAX_RESPONSE_BYTES as u64 {
            return Err(Failure::TooLarge(MAX_RESPONSE_BYTES));
        }
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Failure::Broken(chain(&error.without_url())))?
        {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(Failure::TooLarge(MAX_RESPONSE_BYTES));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }
}

/// Whether the account is called without the system's proxy: a proxy's loopback is another machine, and plain http
/// would show it the password.
pub(super) fn bypasses_proxy(account: &AccountConfig) -> bool {
    is_loopback(&account.endpoint) || is_loopback(&account.iam_endpoint)
}

/// Hides headers and bodies, which contain secrets.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRequest({} {})", self.method, self.url.path())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpResponse({}, {} bytes)", self.status, self.body.len())
    }
}

/// An error and its causes in one line, without repetitions.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}
