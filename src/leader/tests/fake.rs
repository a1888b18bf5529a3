//! A fake Lease API and a manual clock. A request outlives its sender: it may take effect long after the sender has
//! stopped waiting.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{channel::oneshot, future::BoxFuture};
use k8s_openapi::api::coordination::v1::Lease;

use crate::{
    clock::{Clock, testing::TestClock},
    leader::{LeaseApi, LeaseError},
};

/// When a request takes effect and is answered; `None` means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scripted {
    pub(super) applied_after: Option<Duration>,
    pub(super) answered_after: Option<Duration>,
    /// The response is an error, whatever the effect.
    pub(super) garbled: bool,
}

type Answer = Result<Option<Lease>, LeaseError>;

enum Call {
    Get,
    Create(Lease),
    Replace(Lease),
}

struct Request {
    call: Call,
    apply_at: Option<Duration>,
    answer_at: Option<Duration>,
    garbled: bool,
    answer: Option<Answer>,
    responder: Option<oneshot::Sender<Answer>>,
}

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    version: u64,
    requests: Vec<Request>,
    script: VecDeque<Scripted>,
    writes: usize,
}

/// A [`LeaseApi`] with one Lease.
#[derive(Clone)]
pub(super) struct Store {
    time: TestClock,
    state: Arc<Mutex<State>>,
}

/// Polls `future` once.
pub(super) fn poll<T>(future: &mut BoxFuture<'_, T>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

// === impl Scripted ===

impl Scripted {
    pub(super) const OK: Self =
        Self { applied_after: Some(Duration::ZERO), answered_after: Some(Duration::ZERO), garbled: false };
    pub(super) const HANGS: Self = Self { applied_after: None, answered_after: None, garbled: false };
    pub(super) const REFUSED: Self =
        Self { applied_after: None, answered_after: Some(Duration::ZERO), garbled: true };
}

// === impl Store ===

impl Store {
    pub(super) fn new(time: &TestClock) -> Self {
        Self { time: time.clone(), state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Scripts the next requests in this order. Later requests succeed.
    pub(super) fn script_next(&self, script: impl IntoIterator<Item = Scripted>) {
        self.lock().script.extend(script);
    }

    /// Scripts all following requests.
    pub(super) fn script_all(&self, scripted: Scripted) {
        self.lock().script = std::iter::repeat_n(scripted, 1000).collect();
    }

    /// All following requests succeed.
    pub(super) fn clear_script(&self) {
        self.lock().script.clear();
    }

    pub(super) fn lease(&self) -> Option<Lease> {
        self.lock().lease.clone()
    }

    /// Number of writes that took effect.
    pub(super) fn writes(&self) -> usize {
        self.lock().writes
    }

    /// Replaces or deletes the Lease, as another client.
    pub(super) fn put(&self, lease: Option<Lease>) {
        let mut state = self.lock();
        match lease {
            Some(lease) => {
                state.write(&lease);
            }
            None => state.lease = None,
        }
    }

    /// Applies and answers requests that are due.
    pub(super) fn run(&self) {
        let now = self.time.monotonic();
        let mut state = self.lock();
        let mut requests = std::mem::take(&mut state.requests);
        for request in &mut requests {
            if request.apply_at.is_some_and(|time| time <= now) {
                request.apply_at = None;
                request.answer = Some(state.apply(&request.call));
            }
        }
        for mut request in requests {
            if request.answer_at.is_some_and(|time| time <= now) {
                request.answer_at = None;
                let broken = LeaseError::Failed("broken".to_owned());
                let answer = request.answer.take().filter(|_| !request.garbled).unwrap_or(Err(broken));
                // The sender may have stopped waiting.
                let _ = request.responder.take().unwrap().send(answer);
            }
            if request.apply_at.is_some() || request.answer_at.is_some() {
                state.requests.push(request);
            }
        }
    }

    async fn send(&self, call: Call) -> Answer {
        let answer = {
            let now = self.time.monotonic();
            let mut state = self.lock();
            let scripted = state.script.pop_front().unwrap_or(Scripted::OK);
            let (responder, answer) = oneshot::channel();
            // A request that is never answered stays open, so that its sender sees no error.
            let answer_at = Some(scripted.answered_after.map_or(Duration::MAX, |delay| now + delay));
            let apply_at = scripted.applied_after.map(|delay| now + delay);
            let garbled = scripted.garbled;
            state.requests.push(Request {
                call,
                apply_at,
                answer_at,
                garbled,
                answer: None,
                responder: Some(responder),
            });
            answer
        };
        answer.await.unwrap_or(Err(LeaseError::Failed("dropped".to_owned())))
    }
}

impl State {
    fn write(&mut self, lease: &Lease) -> Lease {
        self.version += 1;
        self.writes += 1;
        let mut lease = lease.clone();
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        lease
    }

    fn apply(&mut self, call: &Call) -> Answer {
        match call {
            Call::Get => Ok(self.lease.clone()),
            Call::Create(_) if self.lease.is_some() => Err(LeaseError::Changed),
            Call::Create(lease) => Ok(Some(self.write(lease))),
            Call::Replace(lease) => match &self.lease {
                None => Err(LeaseError::Failed("not found".to_owned())),
                Some(now) if now.metadata.resource_version != lease.metadata.resource_version => {
                    Err(LeaseError::Changed)
                }
                Some(_) => Ok(Some(self.write(lease))),
            },
        }
    }
}

impl LeaseApi for Store {
    async fn get(&self, _: &str, _: &str) -> Result<Option<Lease>, LeaseError> {
        self.send(Call::Get).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.send(Call::Create(lease.clone())).await.map(Option::unwrap)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.send(Call::Replace(lease.clone())).await.map(Option::unwrap)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
