//! What the state machine is asked, and what it answers.

use std::fmt;

use serde_json::Value;

use crate::dcs::operation::Operation;

/// A call that has been routed and authenticated.
#[derive(Clone)]
pub struct Call {
    /// Which operation.
    pub operation: &'static Operation,
    /// The values of the path's placeholders, `project_id` included.
    pub arguments: Vec<(&'static str, String)>,
    /// Query parameters, decoded, in the order they came.
    pub query: Vec<(String, String)>,
    /// The body; null if there was none.
    pub body: Value,
}

/// Without the body, which may hold a password.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {:?} {:?})", self.operation.name, self.arguments, self.query)
    }
}

/// What is answered: a status and a body, before any fault is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON body; null for none.
    pub body: Value,
    /// What the call did, for the journal: `created 4a9c…`, `refused: DCS.4113`; empty for a read.
    pub effect: String,
}
