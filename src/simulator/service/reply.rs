//! Constructors of successful replies.

use serde_json::Value;

use crate::simulator::Reply;

/// Reply of a read.
pub(super) fn ok(body: Value) -> Reply {
    Reply { status: 200, body, effect: String::new() }
}

/// Reply without a body.
pub(super) fn done(effect: String) -> Reply {
    Reply { status: 204, body: Value::Null, effect }
}
