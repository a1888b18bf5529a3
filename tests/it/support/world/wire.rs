//! The transport from a process to the simulated cloud: counts calls, injects faults, and checks each mutating call
//! before it arrives.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use dcs_operator::{
    dcs::{HttpRequest, HttpResponse, Transport, error::Failure, model::InstanceStatus},
    simulator::http::Shared,
};
use futures::future::BoxFuture;
use http::{HeaderMap, Method};

use crate::support::in_process::InProcess;

/// A fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloudFault {
    /// No connection comes about.
    NotSent,
    /// The connection breaks before the request has an effect.
    LostBefore,
    /// The request has its effect, and the answer is lost.
    LostAfter,
    /// The gateway answers that there are too many calls.
    Throttled,
}

/// What the wires of all processes share.
#[derive(Default)]
pub(crate) struct Traffic {
    /// Calls so far.
    pub(crate) calls: usize,
    /// Which calls go wrong, and how.
    pub(crate) faults: BTreeMap<usize, CloudFault>,
    /// What each process received in its last two lists, the latest last: a reconcile that began before the last one
    /// arrived uses the one before. After them, what it received in detail reads since.
    pub(crate) reported: BTreeMap<String, [BTreeMap<String, InstanceStatus>; 3]>,
    /// Violations by mutating calls.
    pub(crate) wrong: Vec<String>,
    /// Changes whose answers were lost.
    pub(crate) lost_changes: usize,
    /// Changes that arrived, per process.
    pub(crate) changes: BTreeMap<String, usize>,
}

/// Checks a mutating call before it arrives. Returns the violation, if any.
pub(crate) type Judge = Arc<dyn Fn(&str, &HttpRequest) -> Option<String> + Send + Sync>;

/// One process's wire.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) process: String,
    pub(crate) cloud: Shared,
    pub(crate) traffic: Arc<Mutex<Traffic>>,
    pub(crate) judge: Judge,
}

impl CloudFault {
    pub(crate) const ALL: [Self; 4] = [Self::NotSent, Self::LostBefore, Self::LostAfter, Self::Throttled];
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({})", self.process)
    }
}

impl Wire {
    /// Counts a call. Returns its fault, if any.
    fn count(&self, request: &HttpRequest) -> Option<CloudFault> {
        let wrong = if request.method == Method::GET { None } else { (self.judge)(&self.process, request) };
        let mut traffic = self.traffic.lock().unwrap();
        let call = traffic.calls;
        traffic.calls += 1;
        traffic.wrong.extend(wrong);
        traffic.faults.get(&call).copied()
    }

    /// Records the answer.
    fn record_answer(&self, request: &HttpRequest) {
        let mut traffic = self.traffic.lock().unwrap();
        if request.method != Method::GET {
            *traffic.changes.entry(self.process.clone()).or_default() += 1;
            return;
        }
        let now = self.cloud.clock().monotonic();
        let mut simulator = self.cloud.lock();
        // What is due by now happens before the answer.
        simulator.mutate(now, |_, _| ());
        let all = simulator.service().instances().map(|seen| (seen.id.clone(), seen.status().clone()));
        let [before, last, closely] = traffic.reported.entry(self.process.clone()).or_default();
        match request.url.path().rsplit_once("/instances") {
            Some((_, "")) => {
                *before = std::mem::replace(last, all.collect());
                closely.clear();
            }
            // A detail read counts until the next list.
            Some((_, one)) => closely.extend(all.filter(|(id, _)| one.strip_prefix('/') == Some(id))),
            None => {}
        }
    }
}

impl Transport for Wire {
    fn send(&self, request: HttpRequest, limit: Duration) -> BoxFuture<'_, Result<HttpResponse, Failure>> {
        Box::pin(async move {
            let lost = || Err(Failure::Broken("cut".to_owned()));
            match self.count(&request) {
                None => {}
                Some(CloudFault::NotSent) => return Err(Failure::NotSent("refused".to_owned())),
                Some(CloudFault::LostBefore) => return lost(),
                Some(CloudFault::Throttled) => {
                    let body = br#"{"error_code": "APIGW.0308", "error_msg": "too much"}"#.to_vec();
                    return Ok(HttpResponse { status: 429, headers: HeaderMap::new(), body });
                }
                Some(CloudFault::LostAfter) => {
                    if request.method != Method::GET {
                        self.traffic.lock().unwrap().lost_changes += 1;
                    }
                    self.record_answer(&request);
                    let _ = InProcess(self.cloud.clone()).send(request, limit).await;
                    return lost();
                }
            }
            self.record_answer(&request);
            InProcess(self.cloud.clone()).send(request, limit).await
        })
    }
}
