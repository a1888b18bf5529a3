//! How the cloud says yes.

use serde_json::Value;

use crate::simulator::Reply;

/// An answer to a read.
pub(super) fn ok(body: Value) -> Reply {
    Reply { status: 200, body, effect: String::new() }
}

/// Done, and nothing to say.
pub(super) fn done(effect: String) -> Reply {
    Reply { status: 204, body: Value::Null, effect }
}
