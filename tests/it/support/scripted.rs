//! A transport that answers from a script, without sockets.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use dcs_operator::dcs::{
    AccountConfig, Client, HttpRequest, HttpResponse, RetryPolicy, Transport, error::Failure,
};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::test_clock::TestClock;

/// Returns the answers of the script in order, and records the requests.
#[derive(Debug)]
pub(crate) struct Scripted {
    script: Mutex<VecDeque<(Duration, Result<HttpResponse, Failure>)>>,
    requests: Mutex<Vec<HttpRequest>>,
    clock: Arc<TestClock>,
}

/// A client with its scripted transport and its clock.
pub(crate) struct ClientHarness {
    pub(crate) client: Client,
    pub(crate) service: Arc<Scripted>,
    pub(crate) clock: Arc<TestClock>,
}

pub(crate) fn harness(account: AccountConfig, script: Vec<Result<HttpResponse, Failure>>) -> ClientHarness {
    let clock = Arc::new(TestClock::default());
    let script = script.into_iter().map(|answer| (Duration::ZERO, answer)).collect();
    let service =
        Arc::new(Scripted { script: Mutex::new(script), requests: Mutex::default(), clock: clock.clone() });
    let client = Client::over(service.clone(), account, RetryPolicy::default(), clock.clone(), 7);
    ClientHarness { client, service, clock }
}

/// An answer with a body and headers.
pub(crate) fn answer(
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<HttpResponse, Failure> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    Ok(HttpResponse { status, headers, body: body.as_bytes().to_vec() })
}

/// A refusal in the service's current format.
pub(crate) fn refusal(
    status: u16,
    code: &str,
    headers: &[(&'static str, &str)],
) -> Result<HttpResponse, Failure> {
    let body = serde_json::json!({ "error_code": code, "error_msg": "refused" });
    answer(status, headers, &body.to_string())
}

// === impl Scripted ===

impl Transport for Scripted {
    fn send(&self, request: HttpRequest, _limit: Duration) -> BoxFuture<'_, Result<HttpResponse, Failure>> {
        self.requests.lock().unwrap().push(request);
        let next = self.script.lock().unwrap().pop_front();
        let (late, answer) = next.expect("an answer in the script");
        Box::pin(async move {
            tokio::task::yield_now().await;
            if !late.is_zero() {
                self.clock.advance(late);
            }
            answer
        })
    }
}

impl Scripted {
    /// Appends a delayed answer to the script.
    pub(crate) fn answer_later(&self, late: Duration, answer: Result<HttpResponse, Failure>) {
        self.script.lock().unwrap().push_back((late, answer));
    }

    /// The requests so far. Fails unless the whole script was used.
    pub(crate) fn requests(&self) -> Vec<HttpRequest> {
        let left = self.script.lock().unwrap().len();
        assert_eq!(left, 0, "unused answers of the script");
        self.requests.lock().unwrap().clone()
    }
}

/// A header of a request, empty if it has none.
pub(crate) fn header(request: &HttpRequest, name: &str) -> String {
    request.headers.get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}
