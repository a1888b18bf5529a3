//! One call: as many attempts as its operation allows, each with a new signature, all within one deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use url::{Position, Url};

use super::{
    account::is_identifier,
    error::{Class, Error, Failure},
    operation::Operation,
    redact,
    request_observer::{RequestObserver, Unobserved},
    retry::{Retry, RetryPolicy, SHORTEST_ATTEMPT},
    sign,
    transport::{HttpRequest, HttpResponse, Transport},
};
use crate::clock::Clock;

const CONTENT_TYPE: &str = "application/json";

/// A request. It has no `Debug`, since the body may contain a password.
pub(crate) struct Request<'a> {
    pub(crate) operation: &'static Operation,
    /// Values for the placeholders of the path except `project_id`.
    pub(crate) arguments: Vec<(&'static str, &'a str)>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) retry: Retry,
}

/// Endpoint, project and authentication of a call.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) base: Url,
    pub(crate) project_id: Option<String>,
    pub(crate) authentication: Authentication,
}

/// How a request authenticates.
#[derive(Debug, Clone)]
pub(crate) enum Authentication {
    /// Not at all: for requesting a token.
    None,
    /// A signature.
    Signature { access_key: AccessKey, secret: SecretString, security_token: Option<SecretString> },
    /// A token of IAM.
    Token(SecretString),
}

/// An access key id, which is hidden from `Debug`.
#[derive(Clone)]
pub(crate) struct AccessKey(pub(crate) String);

/// Sends requests, and repeats them where that is harmless.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    policy: RetryPolicy,
    /// Seed of the next call's jitter.
    seed: AtomicU64,
    observer: Arc<dyn RequestObserver>,
    /// Measured lead of the service's clock over the local one, in seconds.
    clock_ahead: AtomicI64,
}

// === impl Dispatcher ===

impl Dispatcher {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        policy: RetryPolicy,
        seed: u64,
    ) -> Self {
        let (seed, clock_ahead) = (AtomicU64::new(seed), AtomicI64::new(0));
        Self { transport, clock, policy, seed, observer: Arc::new(Unobserved), clock_ahead }
    }

    /// Reports requests to `observer`.
    pub(crate) fn set_observer(&mut self, observer: Arc<dyn RequestObserver>) {
        self.observer = observer;
    }

    /// The deadline, on the monotonic clock, of a call of `operation` that begins now.
    pub(crate) fn deadline(&self, operation: &Operation) -> Duration {
        self.clock.monotonic().saturating_add(self.policy.budget(operation))
    }

    /// Sends `request` until `read` accepts an answer, the failure is final, or `deadline` is near.
    pub(crate) async fn call<T>(
        &self,
        request: &Request<'_>,
        session: &Session,
        deadline: Duration,
        read: impl Fn(&HttpResponse, DateTime<Utc>) -> Result<T, Failure> + Send,
    ) -> Result<T, Error> {
        let seed = self.seed.fetch_add(1, Ordering::Relaxed);
        let mut corrected = false;
        let mut maybe_applied = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let ahead = self.clock_ahead.load(Ordering::Relaxed);
            let failure = match self.attempt(request, session, self.left(deadline), ahead, &read).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let error = Error::new(request.operation, failure, attempt);
            // A refusal of this attempt does not settle an earlier one whose answer was lost. Only *not found* holds for
            // all attempts.
            maybe_applied |= error.class() == Class::Ambiguous;
            let error = if maybe_applied && error.class() != Class::NotFound {
                error.after_unknown_outcome()
            } else {
                error
            };
            if !corrected && self.correct_clock(&error, session, ahead) {
                corrected = true;
                continue;
            }
            let wait = match request.retry {
                Retry::Allowed => {
                    let idempotency = request.operation.idempotency;
                    self.policy.next_wait(idempotency, error.failure(), attempt, self.left(deadline), seed)
                }
                Retry::Never => None,
            };
            let Some(wait) = wait else { return Err(error) };
            tracing::debug!(%error, ?wait, "retrying the call");
            self.clock.sleep(wait).await;
        }
    }

    fn left(&self, deadline: Duration) -> Duration {
        deadline.saturating_sub(self.clock.monotonic())
    }

    async fn attempt<T>(
        &self,
        request: &Request<'_>,
        session: &Session,
        left: Duration,
        ahead: i64,
        read: &(impl Fn(&HttpResponse, DateTime<Utc>) -> Result<T, Failure> + Send),
    ) -> Result<T, Failure> {
        if left < SHORTEST_ATTEMPT {
            return Err(Failure::NotSent("the call's time was used up".to_owned()));
        }
        let now = self.clock.now();
        let correction = TimeDelta::try_seconds(ahead).unwrap_or_default();
        let signing_time = now.checked_add_signed(correction).unwrap_or(now);
        let outgoing = prepare(request, session, signing_time)?;
        let begun = self.clock.monotonic();
        let outcome = self.transport.send(outgoing, request.operation.timeout.min(left)).await;
        let took = self.clock.monotonic().saturating_sub(begun);
        let status = outcome.as_ref().map(|answer| answer.status).ok();
        tracing::debug!(
            operation = request.operation.name,
            status,
            took_ms = took.as_millis(),
            "request ended"
        );
        let longest = request.operation.max_answer();
        let read = outcome.and_then(|answer| {
            if answer.body.len() > longest {
                Err(Failure::TooLarge(longest))
            } else {
                read(&answer, signing_time)
            }
        });
        let failure = read.as_ref().err().cloned();
        let class = failure.map(|failure| Error::new(request.operation, failure, 1).class());
        self.observer.requested(request.operation.name, class, took);
        read
    }

    /// Adopts the service's clock if a signature was refused and the clocks differ enough to be the cause. `used` is the
    /// correction of the refused request, so that calls that fail together compute the same correction.
    ///
    /// A refusal without clock difference means a wrong key; repeated attempts would lock it.
    fn correct_clock(&self, error: &Error, session: &Session, used: i64) -> bool {
        let Authentication::Signature { .. } = session.authentication else { return false };
        let Some(ahead) = error.clock_skew() else { return false };
        let seconds = used.saturating_add(ahead);
        self.clock_ahead.store(seconds, Ordering::Relaxed);
        tracing::warn!(
            seconds,
            "local clock differs from the service's; signing with the service's time: correct the local clock"
        );
        true
    }
}

/// Builds and signs the HTTP request.
fn prepare(request: &Request<'_>, session: &Session, now: DateTime<Utc>) -> Result<HttpRequest, Failure> {
    let url = url(request, session)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if let Some(project) = &session.project_id {
        headers.insert(HeaderName::from_static("x-project-id"), plain("project id", project)?);
    }
    match &session.authentication {
        Authentication::None => {}
        Authentication::Token(token) => {
            headers.insert(HeaderName::from_static("x-auth-token"), secret("token", token.expose_secret())?);
        }
        Authentication::Signature { access_key, secret: key, security_token } => {
            if let Some(token) = security_token {
                let token = secret("security token", token.expose_secret())?;
                headers.insert(HeaderName::from_static("x-security-token"), token);
            }
            let date = sign::format_date(now);
            headers.insert(HeaderName::from_static(sign::DATE_HEADER), plain("date", &date)?);
            let authorization = authorization(request, &url, &headers, access_key, key, &date);
            headers.insert(header::AUTHORIZATION, secret("access key", &authorization)?);
        }
    }
    Ok(HttpRequest { method: request.operation.method.clone(), url, headers, body: request.body.clone() })
}

fn authorization(
    request: &Request<'_>,
    url: &Url,
    headers: &HeaderMap,
    access_key: &AccessKey,
    key: &SecretString,
    date: &str,
) -> String {
    let mut signed = vec![("host", &url[Position::BeforeHost..Position::AfterPort])];
    signed.extend(headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))));
    let message = sign::Message {
        method: request.operation.method.as_str(),
        path: url.path(),
        query: url.query().unwrap_or_default(),
        headers: &signed,
        body: &request.body,
    };
    sign::sign(&access_key.0, key, date, &message).to_string()
}

/// Fills the operation's path and adds the query, encoded exactly as it is signed.
fn url(request: &Request<'_>, session: &Session) -> Result<Url, Failure> {
    let mut path = request.operation.path.to_owned();
    let project = session.project_id.as_deref().map(|id| ("project_id", id));
    for (name, value) in request.arguments.iter().copied().chain(project) {
        if !is_identifier(value) {
            let (value, what) = (redact::word(value, []), name.replace('_', " "));
            let reason =
                format!("{value:?} is not a valid {what}: use letters, digits, hyphens and underscores only");
            return Err(Failure::NotAttempted(reason));
        }
        path = path.replace(&format!("{{{name}}}"), value);
    }
    if path.contains('{') {
        return Err(Failure::NotAttempted(format!("the path {path} has an unfilled placeholder")));
    }
    let mut url = session.base.clone();
    let prefix = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{prefix}{path}"));
    let query = sign::canonical_query(&request.query);
    url.set_query((!query.is_empty()).then_some(query.as_str()));
    Ok(url)
}

fn plain(what: &str, value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(value)
        .map_err(|_| Failure::NotAttempted(format!("the {what} has characters that a header cannot carry: remove line breaks and spaces that were copied with it")))
}

fn secret(what: &str, value: &str) -> Result<HeaderValue, Failure> {
    let mut value = plain(what, value)?;
    value.set_sensitive(true);
    Ok(value)
}

// === impl Authentication ===

impl Authentication {
    /// The secret value that the account's credentials do not include.
    pub(crate) fn secrets(&self) -> Option<&str> {
        match self {
            Self::None | Self::Signature { .. } => None,
            Self::Token(token) => Some(token.expose_secret()),
        }
    }
}

// === impl AccessKey ===

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessKey(..)")
    }
}
