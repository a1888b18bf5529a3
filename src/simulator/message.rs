//! What arrives and what goes out: the simulator's side of HTTP, without a connection.

use std::{fmt, time::Duration};

use http::{HeaderMap, Method};

/// A request, as it came off the wire.
#[derive(Clone)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Path, percent-encoded as it came.
    pub path: String,
    /// Query, percent-encoded as it came, without the question mark; empty if there is none.
    pub query: String,
    /// Every header, `Host` included.
    pub headers: HeaderMap,
    /// The exact bytes of the body.
    pub body: Vec<u8>,
}

/// A complete answer.
#[derive(Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Its headers, `Date` and `X-Request-Id` among them; the length is left to whoever carries it.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// What the client is to see, and when. Whatever the request did has been done already.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How long to hold it back.
    pub delay: Duration,
    /// How it arrives.
    pub kind: DeliveryKind,
}

/// How an answer arrives.
#[derive(Debug, Clone)]
pub enum DeliveryKind {
    /// Complete.
    Full(Response),
    /// Its head, which announces the whole length, and the first bytes of its body; then the connection breaks.
    Cut {
        /// The whole answer.
        response: Response,
        /// How many bytes of its body arrive: fewer than it has.
        after_bytes: usize,
    },
    /// Not at all: the connection is reset.
    Reset,
}

// === impl Request ===

impl Request {
    /// The value of a header, if it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The query's parameters, decoded, in the order they came.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }
}

/// Neither headers nor bodies are shown: both hold secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, self.path)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}
