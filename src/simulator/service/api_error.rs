//! Errors of the service API.

use crate::{
    dcs::error,
    simulator::{call::Reply, error_response},
};

/// A documented error code with an optional message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    /// `DCS.` code.
    pub(super) code: &'static str,
    /// Message; empty for the documented meaning of the code.
    pub(super) detail: String,
}

/// Result of a handler.
pub(super) type Result<T> = std::result::Result<T, ApiError>;

// === impl ApiError ===

impl ApiError {
    /// An error with the documented meaning of its code as message.
    pub(super) fn new(code: &'static str) -> Self {
        Self { code, detail: String::new() }
    }

    /// An error with its own message.
    pub(super) fn with_detail(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// `DCS.4800` for a field.
    pub(super) fn invalid_field(parameter: &str) -> Self {
        Self::with_detail("DCS.4800", format!("Invalid {parameter} in the request."))
    }

    /// `DCS.4063` for a parameter.
    pub(super) fn invalid_parameter(parameter: &str) -> Self {
        Self::with_detail("DCS.4063", format!("Invalid {parameter} parameter in the request."))
    }

    /// The error response in the current format.
    pub(super) fn reply(&self) -> Reply {
        let known = error::lookup(self.code);
        let message = match (self.detail.as_str(), known) {
            ("", Some(code)) => code.meaning,
            (detail, _) => detail,
        };
        error_response::service(known.map_or(400, |code| code.status), self.code, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_message_come_from_the_code() {
        for (error, status, message) in [
            (ApiError::new("DCS.3022"), 404, "There is no such instance."),
            (ApiError::new("DCS.4113"), 400, "A resize of the instance is under way."),
            (ApiError::invalid_field("limit"), 400, "Invalid limit in the request."),
            (ApiError::invalid_parameter("port"), 400, "Invalid port parameter in the request."),
        ] {
            let reply = error.reply();
            assert_eq!(reply.status, status);
            assert_eq!(reply.body["error_code"], error.code);
            assert_eq!(reply.body["error_msg"], message);
            assert_eq!(reply.effect, format!("refused: {}", error.code));
        }
    }
}
