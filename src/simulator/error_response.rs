//! The three error formats of the cloud.

use serde_json::{Value, json};

use super::call::Reply;

/// Error format of the API gateway. The request id is filled in when the response is written.
pub(super) fn gateway(status: u16, code: &str, message: &str) -> Reply {
    refused(status, code, json!({ "error_code": code, "error_msg": message, "request_id": null }))
}

/// Error format of DCS.
pub(super) fn service(status: u16, code: &str, message: &str) -> Reply {
    refused(status, code, json!({ "error_code": code, "error_msg": message, "error_ext_msg": null }))
}

/// Error format of IAM.
pub(super) fn iam(status: u16, title: &str, message: &str) -> Reply {
    refused(status, title, json!({ "error": { "code": status, "message": message, "title": title } }))
}

/// Response of the gateway to an invalid signature.
pub(super) fn signature(reason: &str) -> Reply {
    gateway(401, "APIGW.0301", &format!("Incorrect IAM authentication information: {reason}"))
}

fn refused(status: u16, code: &str, body: Value) -> Reply {
    Reply { status, body, effect: format!("refused: {code}") }
}
