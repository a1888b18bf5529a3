//! The three shapes in which the cloud refuses, as answers.

use serde_json::{Value, json};

use super::call::Reply;

/// The gateway's shape. It names the request, whose id is filled in when the answer is written.
pub(super) fn gateway(status: u16, code: &str, message: &str) -> Reply {
    refused(status, code, json!({ "error_code": code, "error_msg": message, "request_id": null }))
}

/// The service's shape.
pub(super) fn service(status: u16, code: &str, message: &str) -> Reply {
    refused(status, code, json!({ "error_code": code, "error_msg": message, "error_ext_msg": null }))
}

/// IAM's shape.
pub(super) fn iam(status: u16, title: &str, message: &str) -> Reply {
    refused(status, title, json!({ "error": { "code": status, "message": message, "title": title } }))
}

/// What the gateway says to a request that cannot be authenticated by its signature.
pub(super) fn signature(reason: &str) -> Reply {
    gateway(401, "APIGW.0301", &format!("Incorrect IAM authentication information: {reason}"))
}

fn refused(status: u16, code: &str, body: Value) -> Reply {
    Reply { status, body, effect: format!("refused: {code}") }
}
