//! Request handling: routing, authentication, faults, the service and the journal.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderValue, header};
use serde_json::Value;

use super::{
    call::{Call, Reply},
    control, error_response,
    faults::{Fault, FaultDecision, Interception, ResponseDraft},
    hash::stable_id,
    iam,
    journal::{self, Caller, Entry},
    message::{Delivery, DeliveryKind, Request, Response, insert_common_headers},
    route::route,
    state::Simulator,
};
use crate::dcs::operation::{self, Operation};

/// Arrival of a request by the wall clock and by the simulated clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestTimes {
    pub(super) wall: DateTime<Utc>,
    pub(super) cloud: DateTime<Utc>,
}

// === impl Simulator ===

impl Simulator {
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

    fn next_request_id(&mut self) -> String {
        self.requests += 1;
        stable_id(&format!("request {} {}", self.seed, self.requests))
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
