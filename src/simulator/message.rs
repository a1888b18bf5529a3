//! HTTP requests and responses without a connection.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// An HTTP request.
#[derive(Clone)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Encoded path.
    pub path: String,
    /// Encoded query without the question mark; empty if there is none.
    pub query: String,
    /// All headers, including `Host`.
    pub headers: HeaderMap,
    /// Raw body.
    pub body: Vec<u8>,
}

/// A complete HTTP response.
#[derive(Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers including `Date` and `X-Request-Id`, without `Content-Length`.
    pub headers: HeaderMap,
    /// Raw body.
    pub body: Vec<u8>,
}

/// How and when to deliver a response. The effect of the request is already complete.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Delay before delivery.
    pub delay: Duration,
    /// Kind of delivery.
    pub kind: DeliveryKind,
}

/// Kind of delivery.
#[derive(Debug, Clone)]
pub enum DeliveryKind {
    /// The complete response.
    Full(Response),
    /// Headers with the full length and the first bytes of the body; then the connection is closed.
    Cut {
        /// Complete response.
        response: Response,
        /// Number of body bytes to send, fewer than the body has.
        after_bytes: usize,
    },
    /// No response; the connection is reset.
    Reset,
}

// === impl Request ===

impl Request {
    /// Returns a header value, if it is present and text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Decoded query parameters in request order.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }
}

/// Omits headers and bodies, which contain secrets.
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

/// Inserts the headers that every response has.
pub(super) fn insert_common_headers(headers: &mut HeaderMap, wall: DateTime<Utc>, request_id: &str) {
    let date = wall.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let (Ok(date), Ok(id)) = (HeaderValue::from_str(&date), HeaderValue::from_str(request_id)) {
        headers.insert(header::DATE, date);
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}
