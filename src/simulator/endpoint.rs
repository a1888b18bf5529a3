//! Request handling: routing, authentication, faults, the service and the journal.

use std::time::Duration;

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;

use super::{
    authenticate::Authenticator,
    call::{Call, Reply},
    cloud_clock::{CloudClock, InvalidSpeed},
    control,
    directory::Directory,
    error_response,
    faults::{Fault, FaultDecision, Faults, Interception, ResponseDraft},
    history::History,
    iam,
    journal::{self, Caller, Entry, Journal},
    message::{Delivery, DeliveryKind, Request, Response},
    options::Options,
    route::route,
    service::Service,
};
use crate::dcs::operation::{self, Operation};

/// Configuration of a [`Simulator`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Configuration of the simulated service.
    pub service: Options,
    /// Account with its credentials.
    pub directory: Directory,
    /// Simulated seconds per real second; 0 stops the clock.
    pub speed: f64,
    /// Whether five consecutive failures lock a key for five minutes, as the gateway may do.
    pub locks_keys: bool,
    /// Maximum number of calls that the journal keeps.
    pub journal_entries: usize,
}

/// The complete endpoint: DCS, IAM and `/_simulator`. It does no IO and reads no clock; the HTTP server and tests
/// drive it the same way.
#[derive(Debug)]
pub struct Simulator {
    pub(super) service: Service,
    pub(super) clock: CloudClock,
    pub(super) directory: Directory,
    pub(super) journal: Journal,
    pub(super) faults: Faults,
    authenticator: Authenticator,
    history: History,
    pub(super) project_id: String,
    pub(super) region: String,
    seed: u64,
    requests: u64,
    revision: u64,
}

/// Arrival of a request by the wall clock and by the simulated clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestTimes {
    pub(super) wall: DateTime<Utc>,
    pub(super) cloud: DateTime<Utc>,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: Options::default(),
            directory: Directory::new("simulator"),
            speed: 1.0,
            locks_keys: false,
            journal_entries: 100_000,
        }
    }
}

// === impl Simulator ===

impl Simulator {
    /// An empty cloud whose clock starts at `wall`.
    ///
    /// # Errors
    /// [`InvalidSpeed`] if the speed in `settings` is invalid.
    pub fn new(settings: Settings, wall: DateTime<Utc>, monotonic: Duration) -> Result<Self, InvalidSpeed> {
        let Settings { service, mut directory, speed, locks_keys, journal_entries } = settings;
        let mut clock = CloudClock::new(wall, monotonic);
        clock.set_speed(monotonic, speed)?;
        directory.serve_project(&service.project_id, &service.region);
        Ok(Self {
            clock,
            directory,
            journal: Journal::new(journal_entries),
            faults: Faults::new(service.seed),
            authenticator: Authenticator::new(locks_keys),
            history: History::default(),
            project_id: service.project_id.clone(),
            region: service.region.clone(),
            seed: service.seed,
            requests: 0,
            revision: 0,
            service: Service::new(service),
        })
    }

    /// Handles `request`. Its effect is complete on return; only the delivery may be delayed.
    pub fn handle(&mut self, wall: DateTime<Utc>, monotonic: Duration, request: Request) -> Delivery {
        if let Some(path) = control::strip_prefix(&request.path) {
            return control::handle(self, wall, monotonic, path, &request);
        }
        let times = RequestTimes { wall, cloud: self.clock.now(monotonic) };
        let id = self.next_request_id();
        let mut entry = Entry {
            sequence: 0,
            time: wall,
            cloud_time: times.cloud,
            request_id: id.clone(),
            method: request.method.to_string(),
            path: request.path.clone(),
            query: request.query.clone(),
            operation: None,
            caller: Caller::None,
            status: None,
            effect: String::new(),
            faults: Vec::new(),
            body: journal::redacted_body(&request.body),
        };
        let (draft, delay) = self.answer(times, &request, &mut entry);
        entry.effect.clone_from(&draft.effect);
        entry.status = (!draft.dropped).then_some(draft.status);
        self.journal.push(entry);
        Delivery { delay, kind: into_delivery(draft, wall, &id) }
    }

    /// Id of the served project.
    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    /// Region code, which is also the name of the project.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Advances the simulated clock by `duration`.
    pub fn step(&mut self, monotonic: Duration, duration: Duration) {
        self.clock.step(duration);
        self.advance(monotonic);
        self.revision += 1;
    }

    /// Changes the speed of the simulated clock; 0 stops it.
    ///
    /// # Errors
    /// [`InvalidSpeed`] if `speed` is invalid.
    pub fn set_speed(&mut self, monotonic: Duration, speed: f64) -> Result<(), InvalidSpeed> {
        self.clock.set_speed(monotonic, speed)
    }

    /// Adds the rules of a JSON fault script (see `POST /_simulator/faults`) and returns their ids.
    ///
    /// # Errors
    /// A description of the first invalid rule; no rule is added then.
    pub fn add_faults(&mut self, monotonic: Duration, script: &Value) -> Result<Vec<u64>, String> {
        let ids = self.faults.add(script)?;
        self.start_history(monotonic);
        Ok(ids)
    }

    /// Removes all fault rules.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
        self.history.clear();
    }

    /// Journal of the calls.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Account, for changing its credentials.
    pub fn directory_mut(&mut self) -> &mut Directory {
        &mut self.directory
    }

    /// Simulated service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Changes the service out of band, without an API call.
    pub fn mutate<T>(
        &mut self,
        monotonic: Duration,
        change: impl FnOnce(&mut Service, DateTime<Utc>) -> T,
    ) -> T {
        let now = self.advance(monotonic);
        let result = change(&mut self.service, now);
        self.record_change(now);
        result
    }

    /// Applies every transition that is due.
    pub(super) fn advance(&mut self, monotonic: Duration) -> DateTime<Utc> {
        let now = self.clock.now(monotonic);
        self.service.advance(now);
        now
    }

    /// Counter of possible state changes, for detecting that the state must be stored.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Counts a change, and records the new state if a fault rule needs history.
    fn record_change(&mut self, now: DateTime<Utc>) {
        self.revision += 1;
        if self.faults.needs_history() {
            self.history.record(now, &self.service);
        } else {
            self.history.clear();
        }
    }

    /// Records the current state when the first rule that needs history is added.
    fn start_history(&mut self, monotonic: Duration) {
        if self.faults.needs_history() && self.history.is_empty() {
            self.history.record(self.clock.now(monotonic), &self.service);
        }
    }

    fn next_request_id(&mut self) -> String {
        self.requests += 1;
        let name = format!("request {} {}", self.seed, self.requests);
        let digest = digest::digest(&digest::SHA256, name.as_bytes());
        hex::encode(digest.as_ref().iter().copied().take(16).collect::<Vec<_>>())
    }

    /// Returns the response and its delay. Records operation, caller and faults in `entry`.
    fn answer(
        &mut self,
        times: RequestTimes,
        request: &Request,
        entry: &mut Entry,
    ) -> (ResponseDraft, Duration) {
        let call = match self.resolve_call(times.wall, request, entry) {
            Ok(call) => call,
            Err(reply) => return (ResponseDraft::from(reply), Duration::ZERO),
        };
        let FaultDecision { delay, fault, names } = self.faults.decide(call.operation);
        entry.faults = names;
        let Some(fault) = fault else { return (self.execute(times, request, &call, None), delay) };
        let draft = match fault.intercept() {
            Interception::Respond(draft) => *draft,
            Interception::Proceed => fault.transform(self.execute(times, request, &call, Some(&fault))),
        };
        (draft, delay)
    }

    /// Routes and authenticates a request.
    fn resolve_call(
        &mut self,
        wall: DateTime<Utc>,
        request: &Request,
        entry: &mut Entry,
    ) -> Result<Call, Reply> {
        let (operation, arguments) = route(&request.method, &request.path)?;
        entry.operation = Some(operation.name);
        if operation.name != operation::CREATE_TOKEN.name {
            let project = arguments.iter().find(|(name, _)| *name == "project_id");
            let project = project.map(|(_, id)| id.as_str());
            let admitted = self.authenticator.authenticate(wall, request, project, &self.directory);
            entry.caller = admitted.map_err(|reply| in_service_format(operation, reply))?;
        }
        let body = if request.body.iter().all(u8::is_ascii_whitespace) {
            Value::Null
        } else {
            serde_json::from_slice(&request.body).map_err(|_| malformed_body(operation))?
        };
        Ok(Call { operation, arguments, query: request.parameters(), body })
    }

    /// Executes a call.
    fn execute(
        &mut self,
        times: RequestTimes,
        request: &Request,
        call: &Call,
        fault: Option<&Fault>,
    ) -> ResponseDraft {
        let endpoint = format!("http://{}", request.header("host").unwrap_or("localhost"));
        match call.operation.service {
            operation::Service::Iam if call.operation.name == operation::CREATE_TOKEN.name => {
                let (reply, headers) =
                    iam::create_token(&mut self.directory, self.seed, times.wall, &endpoint, &call.body);
                ResponseDraft { headers, ..ResponseDraft::from(reply) }
            }
            operation::Service::Iam => {
                ResponseDraft::from(iam::list_projects(&self.directory, &endpoint, &call.query))
            }
            operation::Service::Dcs => ResponseDraft::from(self.call_service(times.cloud, call, fault)),
        }
    }

    fn call_service(&mut self, now: DateTime<Utc>, call: &Call, fault: Option<&Fault>) -> Reply {
        if let Some(Fault::StaleList(age)) = fault
            && let Some((then, mut past)) = self.history.state_at(now, *age)
        {
            return past.call(then, call);
        }
        let reply = self.service.call(now, call);
        if call.operation.idempotency.mutates() && reply.status < 300 {
            self.record_change(now);
        }
        reply
    }
}

/// IAM reports authentication failures in its own error format.
fn in_service_format(operation: &Operation, reply: Reply) -> Reply {
    let by_token = reply.body.get("error_ext_msg").is_some();
    match operation.service {
        operation::Service::Iam if by_token => {
            error_response::iam(401, "Unauthorized", "The request you have made requires authentication.")
        }
        operation::Service::Iam | operation::Service::Dcs => reply,
    }
}

fn malformed_body(operation: &Operation) -> Reply {
    match operation.service {
        operation::Service::Dcs => {
            error_response::service(400, "DCS.4005", "Invalid JSON or parameter in the request body.")
        }
        operation::Service::Iam => error_response::iam(400, "Bad Request", "The request body is invalid."),
    }
}

/// Completes the headers and applies a truncation or drop.
fn into_delivery(draft: ResponseDraft, wall: DateTime<Utc>, request_id: &str) -> DeliveryKind {
    let ResponseDraft { status, mut headers, content, effect: _, cut_after, dropped } = draft;
    if dropped {
        return DeliveryKind::Reset;
    }
    let (kind, body) = content.into_bytes(request_id);
    insert_common_headers(&mut headers, wall, request_id);
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let response = Response { status, headers, body };
    match (cut_after, response.body.len()) {
        (None, _) => DeliveryKind::Full(response),
        // An empty body cannot be truncated, so the whole response is dropped.
        (Some(_), 0) => DeliveryKind::Reset,
        (Some(bytes), length) => DeliveryKind::Cut { response, after_bytes: bytes.min(length - 1) },
    }
}

/// Inserts the headers that every response has.
pub(super) fn insert_common_headers(headers: &mut HeaderMap, wall: DateTime<Utc>, request_id: &str) {
    let date = wall.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let (Ok(date), Ok(id)) = (HeaderValue::from_str(&date), HeaderValue::from_str(request_id)) {
        headers.insert(header::DATE, date);
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}
