//! What an answer of the API server means.

use std::{future::Future, time::Duration};

use kube::core::Status;

use crate::controller::ports::ClusterError;

/// The answer of the API server, refusals included. Fails if there is none, or none that can be decoded.
pub(super) async fn answer<T>(
    timeout: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Result<T, Box<Status>>, ClusterError> {
    match tokio::time::timeout(timeout, request).await {
        Err(_) => Err(ClusterError::Unavailable(format!("none within {} s", timeout.as_secs_f64()))),
        Ok(Ok(object)) => Ok(Ok(object)),
        Ok(Err(kube::Error::Api(status))) => Ok(Err(status)),
        Ok(Err(kube::Error::BuildRequest(error))) => Err(unsendable(&error)),
        Ok(Err(kube::Error::SerdeError(error))) => Err(unreadable(&error)),
        Ok(Err(error)) => Err(ClusterError::Unavailable(error.to_string())),
    }
}

/// The answer to a read: `None` if the object does not exist.
pub(super) fn found<T>(answer: Result<T, Box<Status>>) -> Result<Option<T>, ClusterError> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(status) if is_missing(&status) => Ok(None),
        Err(status) => Err(refusal(&status)),
    }
}

pub(super) fn unsendable(error: &kube::core::request::Error) -> ClusterError {
    ClusterError::Invalid(error.to_string())
}

/// Names the place only: serde quotes the value that it could not decode.
pub(super) fn unreadable(error: &serde_json::Error) -> ClusterError {
    let (line, column) = (error.line(), error.column());
    ClusterError::Unavailable(format!("cannot read it at line {line}, column {column}"))
}

/// The object does not exist. The code 404 alone does not mean that: the API server or a proxy also answers with it
/// while the kind is unknown.
pub(super) fn is_missing(status: &Status) -> bool {
    status.code == 404 && status.reason == "NotFound"
}

/// A test of a JSON patch failed. An object that breaks a rule has causes, too.
pub(super) fn is_failed_test(status: &Status) -> bool {
    let causes = status.details.as_ref().is_some_and(|details| !details.causes.is_empty());
    status.code == 422 && !causes
}

/// The definition in the cluster is older than the operator: it lacks a field, or has another type for it. The API
/// server answers with an internal error, although the request is at fault.
fn is_misfit(status: &Status) -> bool {
    status.code == 500 && status.message.starts_with("failed to create typed patch object")
}

pub(super) fn refusal(status: &Status) -> ClusterError {
    let message = if status.message.is_empty() { &status.reason } else { &status.message };
    let message = message.clone();
    match status.code {
        404 if is_missing(status) => ClusterError::Gone,
        409 => ClusterError::Conflict(message),
        401 | 403 => ClusterError::Forbidden(message),
        500 if is_misfit(status) => ClusterError::Invalid(message),
        // The request was not handled, or its outcome is unknown.
        404 | 408 | 429 => ClusterError::Unavailable(message),
        400..500 => ClusterError::Invalid(message),
        _ => ClusterError::Unavailable(message),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;

    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> Status {
        Status::failure(message, reason).with_code(code)
    }

    #[test]
    fn each_refusal_has_its_class() {
        let said = || "said".to_owned();
        for (code, reason, expected) in [
            (404, "NotFound", ClusterError::Gone),
            (404, "Failed to parse error data", ClusterError::Unavailable(said())),
            (409, "Conflict", ClusterError::Conflict(said())),
            (409, "AlreadyExists", ClusterError::Conflict(said())),
            (401, "Unauthorized", ClusterError::Forbidden(said())),
            (403, "Forbidden", ClusterError::Forbidden(said())),
            (400, "BadRequest", ClusterError::Invalid(said())),
            (413, "RequestEntityTooLarge", ClusterError::Invalid(said())),
            (422, "Invalid", ClusterError::Invalid(said())),
            (408, "Timeout", ClusterError::Unavailable(said())),
            (429, "TooManyRequests", ClusterError::Unavailable(said())),
            (500, "InternalError", ClusterError::Unavailable(said())),
            (503, "ServiceUnavailable", ClusterError::Unavailable(said())),
            (504, "Timeout", ClusterError::Unavailable(said())),
            (0, "", ClusterError::Unavailable(said())),
        ] {
            assert_eq!(refusal(&status(code, reason, "said")), expected, "{code} {reason}");
        }
    }

    #[test]
    fn a_definition_older_than_the_operator_is_invalid() {
        let text =
            "failed to create typed patch object (shop/a; …): .status.someday: field not declared in schema";
        assert_eq!(refusal(&status(500, "", text)), ClusterError::Invalid(text.to_owned()));
    }

    #[test]
    fn an_unknown_kind_is_not_a_missing_object() {
        assert_eq!(found::<Secret>(Err(status(404, "NotFound", "").boxed())), Ok(None));
        let unknown = status(404, "Failed to parse error data", "404 page not found").boxed();
        assert!(matches!(found::<Secret>(Err(unknown)), Err(ClusterError::Unavailable(_))));
    }

    #[test]
    fn an_undecodable_answer_is_not_quoted() {
        let error = serde_json::from_str::<Secret>(r#"{"data": "canary"}"#).unwrap_err();
        assert!(error.to_string().contains("canary"), "{error}");
        assert!(!unreadable(&error).to_string().contains("canary"));
    }
}
