//! A store for Leases. A request survives its sender: the store may carry it out long after the sender is gone.

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

/// What becomes of a request. Without a time for it, it is never carried out, or never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) carried_out: Option<Duration>,
    pub(super) answered: Option<Duration>,
    /// The answer says nothing of what happened.
    pub(super) garbled: bool,
}

type Answer = Result<Option<Lease>, LeaseError>;

enum Act {
    Get,
    Create(Lease),
    Replace(Lease),
}

struct Request {
    act: Act,
    carried_out: Option<Duration>,
    answered: Option<Duration>,
    garbled: bool,
    answer: Option<Answer>,
    to: Option<oneshot::Sender<Answer>>,
}

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    version: u64,
    requests: Vec<Request>,
    fates: VecDeque<Fate>,
    writes: usize,
}

/// One Lease.
#[derive(Clone)]
pub(super) struct Store {
    time: TestClock,
    state: Arc<Mutex<State>>,
}

/// Polls once.
pub(super) fn poll<T>(future: &mut BoxFuture<'_, T>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

// === impl Fate ===

impl Fate {
    pub(super) const WELL: Self =
        Self { carried_out: Some(Duration::ZERO), answered: Some(Duration::ZERO), garbled: false };
    pub(super) const HANGS: Self = Self { carried_out: None, answered: None, garbled: false };
    pub(super) const REFUSED: Self =
        Self { carried_out: None, answered: Some(Duration::ZERO), garbled: true };
}

// === impl Store ===

impl Store {
    pub(super) fn new(time: &TestClock) -> Self {
        Self { time: time.clone(), state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What becomes of the next requests, in this order; those after them go well.
    pub(super) fn foretell(&self, fates: impl IntoIterator<Item = Fate>) {
        self.lock().fates.extend(fates);
    }

    /// From now on, this becomes of every request.
    pub(super) fn always(&self, fate: Fate) {
        self.lock().fates = std::iter::repeat_n(fate, 1000).collect();
    }

    pub(super) fn recover(&self) {
        self.lock().fates.clear();
    }

    pub(super) fn lease(&self) -> Option<Lease> {
        self.lock().lease.clone()
    }

    /// Writes that were carried out.
    pub(super) fn writes(&self) -> usize {
        self.lock().writes
    }

    /// Somebody else writes.
    pub(super) fn put(&self, lease: Option<Lease>) {
        let mut state = self.lock();
        match lease {
            Some(lease) => {
                state.write(&lease);
            }
            None => state.lease = None,
        }
    }

    /// Carries out and answers what is due.
    pub(super) fn run(&self) {
        let now = self.time.monotonic();
        let mut state = self.lock();
        let mut requests = std::mem::take(&mut state.requests);
        for request in &mut requests {
            if request.carried_out.is_some_and(|time| time <= now) {
                request.carried_out = None;
                request.answer = Some(state.carry_out(&request.act));
            }
        }
        for mut request in requests {
            if request.answered.is_some_and(|time| time <= now) {
                request.answered = None;
                let broken = LeaseError::Failed("broken".to_owned());
                let answer = request.answer.take().filter(|_| !request.garbled).unwrap_or(Err(broken));
                // Whoever asked may be gone.
                let _ = request.to.take().unwrap().send(answer);
            }
            if request.carried_out.is_some() || request.answered.is_some() {
                state.requests.push(request);
            }
        }
    }

    async fn ask(&self, act: Act) -> Answer {
        let answer = {
            let now = self.time.monotonic();
            let mut state = self.lock();
            let fate = state.fates.pop_front().unwrap_or(Fate::WELL);
            let (to, answer) = oneshot::channel();
            // Without an answer it hangs: whoever asked does not even hear of an end.
            let answered = Some(fate.answered.map_or(Duration::MAX, |delay| now + delay));
            let carried_out = fate.carried_out.map(|delay| now + delay);
            let garbled = fate.garbled;
            state.requests.push(Request { act, carried_out, answered, garbled, answer: None, to: Some(to) });
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

    fn carry_out(&mut self, act: &Act) -> Answer {
        match act {
            Act::Get => Ok(self.lease.clone()),
            Act::Create(_) if self.lease.is_some() => Err(LeaseError::Changed),
            Act::Create(lease) => Ok(Some(self.write(lease))),
            Act::Replace(lease) => match &self.lease {
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
        self.ask(Act::Get).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.ask(Act::Create(lease.clone())).await.map(Option::unwrap)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.ask(Act::Replace(lease.clone())).await.map(Option::unwrap)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
