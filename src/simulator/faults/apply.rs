//! Applies a fault to a call or to its response.

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value};

use super::script::{ErrorResponse, Fault};
use crate::simulator::{call::Reply, error_response};

/// A response under construction, to which faults apply.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct ResponseDraft {
    pub(in crate::simulator) status: u16,
    pub(in crate::simulator) headers: HeaderMap,
    pub(in crate::simulator) content: Content,
    /// Effect of the call, for the journal.
    pub(in crate::simulator) effect: String,
    /// Number of body bytes after which the connection is closed.
    pub(in crate::simulator) cut_after: Option<usize>,
    /// Whether the connection is reset without a response.
    pub(in crate::simulator) dropped: bool,
}

/// Body of a response.
#[derive(Debug, Clone)]
pub(in crate::simulator) enum Content {
    /// JSON; null for an empty body.
    Json(Value),
    /// Any other content with its content type.
    Text(&'static str, String),
}

/// Decision before a call is executed.
#[derive(Debug)]
pub(in crate::simulator) enum Interception {
    /// Execute the call.
    Proceed,
    /// Send this response without executing the call.
    Respond(Box<ResponseDraft>),
}

const PROXY_ERROR_PAGE: &str = "<html>\r\n<head><title>Bad Gateway</title></head>\r\n<body>The proxy server received an \
                    invalid response from an upstream server.</body>\r\n</html>\r\n";

// === impl Fault ===

impl Fault {
    /// Decides whether the fault replaces the execution of the call.
    pub(in crate::simulator) fn intercept(&self) -> Interception {
        let draft = match self {
            Self::ErrorBefore(response) => response.draft(),
            Self::Throttle { retry_after_seconds } => throttled(*retry_after_seconds),
            Self::Html { status } => ResponseDraft {
                content: Content::Text("text/html", PROXY_ERROR_PAGE.to_owned()),
                ..ResponseDraft::empty(*status)
            },
            Self::Reset => ResponseDraft { dropped: true, ..ResponseDraft::empty(0) },
            Self::Delay { .. }
            | Self::DropAnswer
            | Self::ErrorAfter(_)
            | Self::StaleList(_)
            | Self::PartialList { .. }
            | Self::Truncate { .. }
            | Self::WrongBody { .. }
            | Self::WrongFields { .. } => return Interception::Proceed,
        };
        Interception::Respond(Box::new(draft))
    }

    /// Applies the fault to the response of an executed call.
    pub(in crate::simulator) fn transform(&self, draft: ResponseDraft) -> ResponseDraft {
        match self {
            Self::DropAnswer => ResponseDraft { dropped: true, ..draft },
            Self::ErrorAfter(response) => ResponseDraft { effect: draft.effect, ..response.draft() },
            Self::PartialList { drop } => without_last(draft, *drop),
            Self::Truncate { bytes } => ResponseDraft { cut_after: Some(*bytes), ..draft },
            Self::WrongBody { body } => {
                let content = match body {
                    Value::String(text) => Content::Text("application/json", text.clone()),
                    value => Content::Json(value.clone()),
                };
                ResponseDraft { content, ..draft }
            }
            Self::WrongFields { fields } => {
                let content = match draft.content {
                    Content::Json(mut body) => {
                        set_fields(&mut body, fields);
                        Content::Json(body)
                    }
                    text @ Content::Text(..) => text,
                };
                ResponseDraft { content, ..draft }
            }
            // Handled before the call, or by the state that it read.
            Self::Delay { .. }
            | Self::ErrorBefore(_)
            | Self::Throttle { .. }
            | Self::StaleList(_)
            | Self::Html { .. }
            | Self::Reset => draft,
        }
    }
}

// === impl ErrorResponse ===

impl ErrorResponse {
    fn draft(&self) -> ResponseDraft {
        let Self { status, code, message } = self;
        let message = message.as_deref().unwrap_or("Injected by a fault rule.");
        let mut draft = match code {
            Some(code) if code.starts_with("APIGW") => {
                ResponseDraft::from(error_response::gateway(*status, code, message))
            }
            Some(code) => ResponseDraft::from(error_response::service(*status, code, message)),
            None => ResponseDraft {
                content: Content::Text("text/plain", message.to_owned()),
                ..ResponseDraft::empty(*status)
            },
        };
        draft.effect = String::new();
        draft
    }
}

fn throttled(retry_after_seconds: Option<u64>) -> ResponseDraft {
    let message =
        "The throttling threshold has been reached: policy user over ratelimit,limit:10,time:1 second";
    let mut draft = ResponseDraft::from(error_response::gateway(429, "APIGW.0308", message));
    if let Some(seconds) = retry_after_seconds {
        draft.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    draft.effect = String::new();
    draft
}

/// Removes the last entries of a list and keeps the total.
fn without_last(mut draft: ResponseDraft, drop: usize) -> ResponseDraft {
    if let Content::Json(Value::Object(fields)) = &mut draft.content {
        for list in fields.values_mut().filter_map(Value::as_array_mut) {
            list.truncate(list.len().saturating_sub(drop));
        }
    }
    draft
}

fn set_fields(body: &mut Value, fields: &Map<String, Value>) {
    match body {
        Value::Object(object) => {
            for (name, value) in object {
                match fields.get(name) {
                    Some(other) => value.clone_from(other),
                    None => set_fields(value, fields),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| set_fields(item, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

// === impl ResponseDraft ===

impl From<Reply> for ResponseDraft {
    fn from(reply: Reply) -> Self {
        let Reply { status, body, effect } = reply;
        Self {
            status,
            headers: HeaderMap::new(),
            content: Content::Json(body),
            effect,
            cut_after: None,
            dropped: false,
        }
    }
}

impl ResponseDraft {
    /// A response with an empty body.
    fn empty(status: u16) -> Self {
        Self::from(Reply { status, body: Value::Null, effect: String::new() })
    }
}

// === impl Content ===

impl Content {
    /// Returns content type and bytes. Fills in the request id of a gateway error.
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
