//! The request and response of the simulated service, independent of HTTP.

use std::fmt;

use serde_json::Value;

use crate::dcs::operation::Operation;

/// A routed and authenticated call.
#[derive(Clone)]
pub struct Call {
    /// Called operation.
    pub operation: &'static Operation,
    /// Path parameters, including `project_id`.
    pub arguments: Vec<(&'static str, String)>,
    /// Decoded query parameters in request order.
    pub query: Vec<(String, String)>,
    /// JSON body; null if the request has none.
    pub body: Value,
}

/// Omits the body, which may contain a password.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {:?} {:?})", self.operation.name, self.arguments, self.query)
    }
}

/// Status and body of a response, before any fault is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON body; null for an empty one.
    pub body: Value,
    /// Effect of the call for the journal: `created 4a9c…`, `refused: DCS.4113`; empty for a read.
    pub effect: String,
}
