//! Deadlines of requests to the API server, below everything that sends one, and what was last heard of each watch.
//!
//! kube's client waits for an answer without limit. Whoever reads one object sets a deadline of its own; lists and
//! watches are read inside kube's watcher, so their deadlines are here.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Method, Request, Response};
use http_body::{Body, Frame};
use kube::{
    Client, Config,
    client::{Body as RequestBody, ClientBuilder},
};
use tokio::time::{Instant, Sleep};
use tower::Service;

use crate::clock::Clock;

type BoxError = Box<dyn Error + Send + Sync>;

/// A list may be some MiB long: it gets this many times the time of an answer.
const LIST_FACTOR: u32 = 3;

/// How long lists and watches may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Until an answer begins.
    pub answer: Duration,
    /// Between two parts of a watch. The API server sends a bookmark each minute.
    pub silence: Duration,
}

/// When each watch was last heard of. Clones share it.
#[derive(Debug, Clone)]
pub struct WatchHealth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the path of the collection.
    watches: BTreeMap<String, Watch>,
    /// When the API server last answered any request.
    answered: Duration,
}

#[derive(Debug)]
struct Watch {
    kind: &'static str,
    heard: Duration,
}

/// Sets the deadlines around an inner service.
struct WithDeadlines<S> {
    inner: S,
    deadlines: Deadlines,
    health: WatchHealth,
}

/// A body that fails at its deadline. A watch that falls silent ends instead, and is resumed where it was.
struct DeadlineBody<B> {
    inner: B,
    sleep: Pin<Box<Sleep>>,
    /// The watch: it may be silent for this long.
    watch: Option<(Duration, WatchHealth, String)>,
}

// === impl WatchHealth ===

impl WatchHealth {
    /// No watches yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { clock, state: Mutex::default() }))
    }

    /// Expects a watch of the collection at `path`, from now on.
    pub(super) fn expect(&self, kind: &'static str, path: &str) {
        let heard = self.0.clock.monotonic();
        self.lock().watches.insert(path.to_owned(), Watch { kind, heard });
    }

    /// The kinds whose watch was not heard of for `limit`.
    pub fn silent(&self, limit: Duration) -> Vec<&'static str> {
        let now = self.0.clock.monotonic();
        let is_silent = |watch: &&Watch| now.saturating_sub(watch.heard) > limit;
        self.lock().watches.values().filter(is_silent).map(|watch| watch.kind).collect()
    }

    /// Whether the API server answered any request in the last `limit`.
    pub fn answers(&self, limit: Duration) -> bool {
        let now = self.0.clock.monotonic();
        let answered = self.lock().answered;
        now.saturating_sub(answered) <= limit
    }

    fn answered(&self, watch: Option<&str>) {
        let now = self.0.clock.monotonic();
        let mut state = self.lock();
        state.answered = now;
        if let Some(watch) = watch.and_then(|path| state.watches.get_mut(path)) {
            watch.heard = now;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Deadlines ===

impl Deadlines {
    /// A client of the API server whose lists and watches end in time.
    ///
    /// # Errors
    /// [`kube::Error`] if the configuration makes no client.
    pub fn client(self, config: Config, health: WatchHealth) -> Result<Client, kube::Error> {
        let layer = tower::layer::layer_fn(move |inner| WithDeadlines {
            inner,
            deadlines: self,
            health: health.clone(),
        });
        Ok(ClientBuilder::try_from(config)?.with_layer(&layer).build())
    }
}

// === impl WithDeadlines ===

impl<S, B> Service<Request<RequestBody>> for WithDeadlines<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<DeadlineBody<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let Deadlines { answer, silence } = self.deadlines;
        let health = self.health.clone();
        let is_watch = request.uri().query().is_some_and(|query| query.split('&').any(is_watch_parameter));
        let reads = request.method() == Method::GET;
        let path = request.uri().path().to_owned();
        let sent = self.inner.call(request);
        Box::pin(async move {
            let late = || -> BoxError { format!("no answer within {} s", answer.as_secs_f64()).into() };
            let answered = tokio::time::timeout(answer, sent).await.map_err(|_| late())??;
            // A list of the collection is a sign of life of its watch, too.
            let accepted = answered.status().is_success() && reads;
            health.answered(accepted.then_some(path.as_str()));
            let limit = if is_watch { silence } else { answer.saturating_mul(LIST_FACTOR) };
            let watch = is_watch.then_some((silence, health, path));
            Ok(answered.map(|inner| DeadlineBody {
                inner,
                sleep: Box::pin(tokio::time::sleep(limit)),
                watch,
            }))
        })
    }
}

fn is_watch_parameter(parameter: &str) -> bool {
    matches!(parameter, "watch=true" | "watch=1")
}

// === impl DeadlineBody ===

impl<B: Body<Error = BoxError> + Unpin> Body for DeadlineBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            if let (Some(Ok(_)), Some((silence, health, path))) = (&frame, &this.watch) {
                health.answered(Some(path));
                this.sleep.as_mut().reset(Instant::now() + *silence);
            }
            return Poll::Ready(frame);
        }
        ready!(this.sleep.as_mut().poll(context));
        Poll::Ready(match this.watch {
            Some(_) => None,
            None => Some(Err("the answer was not complete in time".into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

impl<S> fmt::Debug for WithDeadlines<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithDeadlines").field("deadlines", &self.deadlines).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, slice::Iter};

    use super::*;
    use crate::clock::testing::TestClock;

    const LIMITS: Deadlines = Deadlines { answer: Duration::from_secs(10), silence: Duration::from_secs(90) };

    /// Sends a part after each pause, in seconds, and is silent then.
    struct Parts {
        pauses: Iter<'static, u64>,
        pause: Option<Pin<Box<Sleep>>>,
    }

    impl Parts {
        fn after(pauses: &'static [u64]) -> Self {
            let mut parts = Self { pauses: pauses.iter(), pause: None };
            parts.begin_pause();
            parts
        }

        fn begin_pause(&mut self) {
            let sleep = |pause: &u64| Box::pin(tokio::time::sleep(Duration::from_secs(*pause)));
            self.pause = self.pauses.next().map(sleep);
        }
    }

    impl Body for Parts {
        type Data = &'static [u8];
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
            let Some(pause) = &mut self.pause else { return Poll::Pending };
            ready!(pause.as_mut().poll(context));
            self.begin_pause();
            Poll::Ready(Some(Ok(Frame::data(b"part"))))
        }
    }

    /// What is read of an answer with these pauses until it ends or fails, and after how many seconds that is.
    async fn parts_of(query: &str, pauses: &'static [u64]) -> (Vec<Result<(), String>>, u64) {
        let begun = Instant::now();
        let inner = tower::service_fn(async move |_| Ok::<_, BoxError>(Response::new(Parts::after(pauses))));
        let health = WatchHealth::new(Arc::new(TestClock::default()));
        let mut service = WithDeadlines { inner, deadlines: LIMITS, health };
        let request = Request::get(format!("/api/v1/secrets?{query}")).body(RequestBody::empty()).unwrap();
        let mut body = service.call(request).await.unwrap().into_body();
        let mut parts = Vec::new();
        while let Some(part) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            parts.push(part.map(drop).map_err(|error| error.to_string()));
            if parts.last().is_some_and(Result::is_err) {
                break;
            }
        }
        (parts, begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_not_complete_in_time_fails() {
        let late = || Err("the answer was not complete in time".to_owned());
        assert_eq!(parts_of("limit=500", &[]).await, (vec![late()], 30));
        assert_eq!(parts_of("limit=500", &[20, 20]).await, (vec![Ok(()), late()], 30), "from its beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_ends_once_it_is_silent() {
        assert_eq!(parts_of("watch=true", &[]).await, (vec![], 90));
        assert_eq!(
            parts_of("watch=true", &[60, 60, 60]).await,
            (vec![Ok(()); 3], 270),
            "since its last part"
        );
    }
}
