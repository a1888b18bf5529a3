//! A service that answers from a script, without sockets.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use dcs_operator::dcs::{Account, Answer, Client, Exchange, Outgoing, RetryPolicy, error::Failure};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::leaping_clock::LeapingClock;

/// Answers what the script says, in order, and remembers what was asked.
#[derive(Debug)]
pub(crate) struct Scripted {
    script: Mutex<VecDeque<(Duration, Result<Answer, Failure>)>>,
    asked: Mutex<Vec<Outgoing>>,
    clock: Arc<LeapingClock>,
}

/// A client, the service it talks to, and the clock it lives by.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) service: Arc<Scripted>,
    pub(crate) clock: Arc<LeapingClock>,
}

pub(crate) fn bench(account: Account, script: Vec<Result<Answer, Failure>>) -> Bench {
    let clock = Arc::new(LeapingClock::default());
    let script = script.into_iter().map(|answer| (Duration::ZERO, answer)).collect();
    let service =
        Arc::new(Scripted { script: Mutex::new(script), asked: Mutex::default(), clock: clock.clone() });
    let client = Client::over(service.clone(), account, RetryPolicy::default(), clock.clone(), 7);
    Bench { client, service, clock }
}

/// An answer with a body and headers.
pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Result<Answer, Failure> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    Ok(Answer { status, headers, body: body.as_bytes().to_vec() })
}

/// A refusal in the service's present form.
pub(crate) fn refusal(status: u16, code: &str, headers: &[(&'static str, &str)]) -> Result<Answer, Failure> {
    let body = serde_json::json!({ "error_code": code, "error_msg": "refused" });
    answer(status, headers, &body.to_string())
}

// === impl Scripted ===

impl Exchange for Scripted {
    fn exchange(&self, request: Outgoing, _limit: Duration) -> BoxFuture<'_, Result<Answer, Failure>> {
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
    pub(crate) fn answer_later(&self, late: Duration, answer: Result<Answer, Failure>) {
        self.script.lock().unwrap().push_back((late, answer));
    }

    /// What was asked so far. The whole script must have been used up.
    pub(crate) fn asked(&self) -> Vec<Outgoing> {
        let left = self.script.lock().unwrap().len();
        assert_eq!(left, 0, "answers of the script that nobody asked for");
        self.asked.lock().unwrap().clone()
    }
}

/// A header of a request, empty if it has none.
pub(crate) fn header(request: &Outgoing, name: &str) -> String {
    request.headers.get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}
