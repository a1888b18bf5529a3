//! The request and response of the simulated service, independent of HTTP.

use std::fmt;

use serde_json::Value;

use crate::dcs::operation::Operation;

/// A routed and authenticated call.
#[derive(Clone)]
pub(crate) struct Call {
    /// Called operation.
    pub(crate) operation: &'static Operation,
    /// Path parameters, including `project_id`.
    pub(crate) arguments: Vec<(&'static str, String)>,
    /// Decoded query parameters in request order.
    pub(crate) query: Vec<(String, String)>,
    /// JSON body; null if the request has none.
    pub(crate) body: Value,
}

/// Omits the body, which may contain a password.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {:?} {:?})", self.operation.name, self.arguments, self.query)
    }
}

/// Status and body of a response, before any fault is applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON body; null for an empty one.
    pub(crate) body: Value,
    /// Effect of the call for the journal: `created 4a9c…`, `refused: DCS.4113`; empty for a read.
    pub(crate) effect: String,
}

// === impl Reply ===

impl Reply {
    /// Reply of a read.
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body, effect: String::new() }
    }

    /// Reply without a body.
    pub(crate) fn no_content(effect: String) -> Self {
        Self { status: 204, body: Value::Null, effect }
    }
}
