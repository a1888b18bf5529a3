//! A service that answers from a script, without sockets.

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

use super::leaping_clock::LeapingClock;

/// Answers what the script says, in order, and remembers what was asked.
#[derive(Debug)]
pub(crate) struct Scripted {
    script: Mutex<VecDeque<(Duration, Result<HttpResponse, Failure>)>>,
    asked: Mutex<Vec<HttpRequest>>,
    clock: Arc<LeapingClock>,
}

/// A client, the service it talks to, and the clock it lives by.
pub(crate) struct SimHarness {
    pub(crate) client: Client,
    pub(crate) service: Arc<Scripted>,
    pub(crate) clock: Arc<LeapingClock>,
}

pub(crate) fn harness(account: AccountConfig, script: Vec<Result<HttpResponse, Failure>>) -> SimHarness {
    let clock = Arc::new(LeapingClock::default());
    let script = script.into_iter().map(|answer| (Duration::ZERO, answer)).collect();
    let service =
        Arc::new(Scripted { script: Mutex::new(script), asked: Mutex::default(), clock: clock.clone() });
    let client = Client::over(service.clone(), account, RetryPolicy::default(), clock.clone(), 7);
    SimHarness { client, service, clock }
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

/// A refusal in the service's present form.
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
    fn exchange(
        &self,
        request: HttpRequest,
        _limit: Duration,
    ) -> BoxFuture<'_, Result<HttpResponse, Failure>> {
        self.asked.lock().unwrap().push(request);
        let next = self.script.lock().unwrap().pop_front();
        let (late, answer) = next.expect("the script has an answer for every call");
        Box::pin(async move {
            tokio::task::yield_now().await;
            if !late.is_zero() {
                self.clock.leap(late);
            }
            answer
        })
    }
}

impl Scripted {
    /// Adds to the script: an answer that takes some time.
    pub(crate) fn answer_later(&self, late: Duration, answer: Result<HttpResponse, Failure>) {
        self.script.lock().unwrap().push_back((late, answer));
    }

    /// What was asked so far. The whole script must have been used up.
    pub(crate) fn asked(&self) -> Vec<HttpRequest> {
        let left = self.script.lock().unwrap().len();
        assert_eq!(left, 0, "answers of the script that nobody asked for");
        self.asked.lock().unwrap().clone()
    }
}

/// A header of a request, empty if it has none.
pub(crate) fn header(request: &HttpRequest, name: &str) -> String {
    request.headers.get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}
