//! The three formats of errors: the service's current one, its old one (also IAM's), the gateway's.

use serde::Deserialize;
use serde_json::Value;

use super::failure::Refusal;

/// The fields of all formats. Other fields are skipped, since they may hold a large page.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    error: Value,
    error_code: Value,
    error_msg: Value,
    error_ext_msg: Value,
    request_id: Value,
}

/// The error in an answer's body, if there is one: code, message and request id.
///
/// - current API, and the gateway: `{"error_code", "error_msg", "request_id"?}`
/// - old API, and IAM: `{"error": {"code", "message"}}`
///
/// Applies to successful answers too, since some refusals come with HTTP 200. Ignores a nested `error_code`, which a
/// task of a list may have.
pub(crate) fn parse_refusal(body: &[u8]) -> Option<Refusal> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let (code, message) = match &envelope.error {
        Value::Object(error) => (word(error.get("code")), word(error.get("message"))),
        error @ Value::String(_) => (word(Some(&envelope.error_code)), word(Some(error))),
        _ => (word(Some(&envelope.error_code)), word(Some(&envelope.error_msg))),
    };
    if code.is_none() && message.is_none() {
        return None;
    }
    let message = message.or_else(|| word(Some(&envelope.error_ext_msg))).unwrap_or_default();
    Some(Refusal { code, message, request_id: word(Some(&envelope.request_id)), ..Refusal::default() })
}

/// A non-empty string, or a number; the service sends null, `""` and `{}` for an absent value.
fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code_and_message(body: &Value) -> Option<(Option<String>, String)> {
        parse_refusal(body.to_string().as_bytes()).map(|refusal| (refusal.code, refusal.message))
    }

    #[test]
    fn every_envelope() {
        let cases = [
            (json!({"error_code": "DCS.4800", "error_msg": "bad", "error_ext_msg": null}), "DCS.4800", "bad"),
            (
                json!({"error": {"code": "111400113", "message": "extending", "ext_message": ""}}),
                "111400113",
                "extending",
            ),
            (
                json!({"error_code": "APIGW.0201", "error_msg": "timeout", "request_id": "r1"}),
                "APIGW.0201",
                "timeout",
            ),
            (
                json!({"error": {"code": 401, "message": "wrong password", "title": "Unauthorized"}}),
                "401",
                "wrong password",
            ),
            (json!({"error_code": 111400017, "error_msg": {}, "error_ext_msg": "busy"}), "111400017", "busy"),
        ];
        for (body, code, message) in cases {
            assert_eq!(code_and_message(&body), Some((Some(code.to_owned()), message.to_owned())), "{body}");
        }
        let gateway = json!({"error_code": "APIGW.0201", "error_msg": "timeout", "request_id": "r1"});
        assert_eq!(
            parse_refusal(gateway.to_string().as_bytes()).and_then(|refusal| refusal.request_id),
            Some("r1".to_owned())
        );
    }

    #[test]
    fn answers_that_are_no_errors() {
        for body in [
            json!({"instances": []}),
            json!({"error_code": null, "error_msg": ""}),
            json!({"error_code": {}}),
            json!({"error": null}),
            json!({"tasks": [{"error_code": "DCS.5000"}]}),
            json!([]),
            json!("text"),
        ] {
            assert_eq!(parse_refusal(body.to_string().as_bytes()), None, "{body}");
        }
        assert_eq!(parse_refusal(b""), None);
        assert_eq!(parse_refusal(b"<html>"), None);
    }
}
