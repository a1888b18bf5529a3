//! What a fault does to a call: instead of its effect, or to its answer.

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::script::{ErrorAnswer, Fault};
use crate::simulator::{call::Reply, refusal};

/// An answer on its way, with whatever a fault has made of it.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Outcome {
    pub(in crate::simulator) status: u16,
    pub(in crate::simulator) headers: HeaderMap,
    pub(in crate::simulator) content: Content,
    /// What the call did.
    pub(in crate::simulator) effect: String,
    /// After how many bytes of its body the connection breaks, if it does.
    pub(in crate::simulator) cut: Option<usize>,
    /// Whether nothing is sent at all.
    pub(in crate::simulator) lost: bool,
}

/// What an answer holds.
#[derive(Debug, Clone)]
pub(in crate::simulator) enum Content {
    /// JSON; null for an empty body.
    Json(Value),
    /// Something else, with its type.
    Text(&'static str, String),
}

/// What happens before a call takes effect.
#[derive(Debug)]
pub(in crate::simulator) enum Before {
    /// It goes on.
    Proceed,
    /// This is sent instead.
    Answer(Box<Outcome>),
}

const PAGE: &str = "<html>\r\n<head><title>Bad Gateway</title></head>\r\n<body>The proxy server received an \
                    invalid response from an upstream server.</body>\r\n</html>\r\n";

// === impl Fault ===

impl Fault {
    /// What it does before the call takes effect.
    pub(in crate::simulator) fn before(&self) -> Before {
        let outcome = match self {
            Self::ErrorBefore(answer) => answer.outcome(),
            Self::Throttle { retry_after_seconds } => throttled(*retry_after_seconds),
            Self::Html { status } => {
                Outcome { content: Content::Text("text/html", PAGE.to_owned()), ..Outcome::empty(*status) }
            }
            Self::Reset => Outcome { lost: true, ..Outcome::empty(0) },
            Self::Delay { .. }
            | Self::DropAnswer
            | Self::ErrorAfter(_)
            | Self::StaleList(_)
            | Self::PartialList { .. }
            | Self::Truncate { .. }
            | Self::WrongBody { .. } => return Before::Proceed,
        };
        Before::Answer(Box::new(outcome))
    }

    /// What it makes of the answer to a call that took effect.
    pub(in crate::simulator) fn after(&self, outcome: Outcome) -> Outcome {
        match self {
            Self::DropAnswer => Outcome { lost: true, ..outcome },
            Self::ErrorAfter(answer) => Outcome { effect: outcome.effect, ..answer.outcome() },
            Self::PartialList { drop } => without_last(outcome, *drop),
            Self::Truncate { bytes } => Outcome { cut: Some(*bytes), ..outcome },
            Self::WrongBody { body } => {
                let content = match body {
                    Value::String(text) => Content::Text("application/json", text.clone()),
                    value => Content::Json(value.clone()),
                };
                Outcome { content, ..outcome }
            }
            // These were at work before, or on the state that was asked.
            Self::Delay { .. }
            | Self::ErrorBefore(_)
            | Self::Throttle { .. }
            | Self::StaleList(_)
            | Self::Html { .. }
            | Self::Reset => outcome,
        }
    }
}

// === impl ErrorAnswer ===

impl ErrorAnswer {
    fn outcome(&self) -> Outcome {
        let Self { status, code, message } = self;
        let message = message.as_deref().unwrap_or("A rule of the fault script asked for this.");
        let mut outcome = match code {
            Some(code) if code.starts_with("APIGW") => {
                Outcome::from(refusal::gateway(*status, code, message))
            }
            Some(code) => Outcome::from(refusal::service(*status, code, message)),
            None => Outcome {
                content: Content::Text("text/plain", message.to_owned()),
                ..Outcome::empty(*status)
            },
        };
        outcome.effect = String::new();
        outcome
    }
}

fn throttled(retry_after_seconds: Option<u64>) -> Outcome {
    let message =
        "The throttling threshold has been reached: policy user over ratelimit,limit:10,time:1 second";
    let mut outcome = Outcome::from(refusal::gateway(429, "APIGW.0308", message));
    if let Some(seconds) = retry_after_seconds {
        outcome.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    outcome.effect = String::new();
    outcome
}

/// The answer lacks the last entries of its list and still tells the number of all.
fn without_last(mut outcome: Outcome, drop: usize) -> Outcome {
    if let Content::Json(Value::Object(fields)) = &mut outcome.content {
        for list in fields.values_mut().filter_map(Value::as_array_mut) {
            list.truncate(list.len().saturating_sub(drop));
        }
    }
    outcome
}

// === impl Outcome ===

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        let Reply { status, body, effect } = reply;
        Self {
            status,
            headers: HeaderMap::new(),
            content: Content::Json(body),
            effect,
            cut: None,
            lost: false,
        }
    }
}

impl Outcome {
    /// An answer that holds nothing.
    fn empty(status: u16) -> Self {
        Self::from(Reply { status, body: Value::Null, effect: String::new() })
    }
}

// === impl Content ===

impl Content {
    /// Its bytes and their type; the gateway's errors get the id of their request.
    pub(in crate::simulator) fn into_bytes(self, request_id: &str) -> (Option<&'static str>, Vec<u8>) {
        match self {
            Self::Json(Value::Null) => (None, Vec::new()),
            Self::Json(mut value) => {
                if let Some(id) = value.get_mut("request_id").filter(|id| id.is_null()) {
                    *id = Value::from(request_id);
                }
                (Some("application/json"), value.to_string().into_bytes())
            }
            Self::Text(kind, text) => (Some(kind), text.into_bytes()),
        }
    }
}
