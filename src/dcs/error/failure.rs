//! How a single attempt of a call fails.

use std::{fmt, time::Duration};

use super::{class::Class, codes::lookup};
use crate::dcs::operation::Operation;

/// How a single attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The call was not attempted: its arguments or the account's settings are invalid.
    NotAttempted(String),
    /// The request was certainly not sent: no connection, or no time left.
    NotSent(String),
    /// No complete answer arrived in time.
    TimedOut(Duration),
    /// The connection broke before the answer was complete.
    Broken(String),
    /// The answer is larger than this many bytes.
    TooLarge(usize),
    /// The answer, or a list of several answers, has more entries than this.
    TooMany(usize),
    /// The answer is a redirect, which is not followed: the request would take its credentials there.
    Redirected {
        /// HTTP status.
        status: u16,
        /// The target host, if readable.
        host: Option<String>,
    },
    /// A successful answer without the operation's expected content.
    Unreadable {
        /// HTTP status.
        status: u16,
        /// The mismatch; never the content.
        reason: String,
    },
    /// The service or its gateway answered with an error.
    Refused(Refusal),
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The service's error code, as sent.
    pub code: Option<String>,
    /// The service's message, shortened and redacted.
    pub message: String,
    /// The cloud's request id, for its support.
    pub request_id: Option<String>,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
    /// Lead of the service's clock over the signing time, in whole seconds.
    pub clock_ahead: Option<i64>,
}

// === impl Failure ===

impl Failure {
    /// The class of this failure of an operation.
    ///
    /// A mutating request that may have been received and was not refused is always [`Class::Ambiguous`]: unknown is not
    /// absent. [`Class::NotFound`] needs an operation on an instance, HTTP 404 and a code that states its absence.
    pub fn classify(&self, operation: &Operation) -> Class {
        let unknown = if operation.idempotency.mutates() { Class::Ambiguous } else { Class::Transient };
        match self {
            Self::NotAttempted(_) => Class::Invalid,
            Self::NotSent(_) => Class::Transient,
            Self::TimedOut(_)
            | Self::Broken(_)
            | Self::TooLarge(_)
            | Self::TooMany(_)
            | Self::Redirected { .. }
            | Self::Unreadable { .. } => unknown,
            Self::Refused(refusal) => match refusal.class() {
                Class::Transient => unknown,
                Class::NotFound if refusal.status != 404 || !operation.names_an_instance() => unknown,
                class => class,
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAttempted(reason) => f.write_str(reason),
            Self::NotSent(reason) => write!(f, "not sent: {reason}"),
            Self::TimedOut(limit) => write!(f, "no complete answer within {:.1} s", limit.as_secs_f32()),
            Self::Broken(reason) => {
                write!(f, "the connection broke before the answer was complete: {reason}")
            }
            Self::TooLarge(limit) => write!(f, "the answer is larger than {limit} bytes"),
            Self::TooMany(limit) => write!(f, "the list has more than {limit} entries"),
            Self::Redirected { status, host } => {
                let host = host.as_deref().unwrap_or("an unreadable location");
                write!(
                    f,
                    "the answer (HTTP {status}) redirects to {host}, which is not followed: correct the endpoint"
                )
            }
            Self::Unreadable { status, reason } => {
                write!(f, "the answer (HTTP {status}) is not the expected one: {reason}")
            }
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The class of the answer: by its error code if known, else by the HTTP status.
    pub fn class(&self) -> Class {
        let known = self.code.as_deref().and_then(lookup);
        known.map_or_else(|| Class::of_status(self.status), |code| code.class)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, message, request_id, retry_after, clock_ahead: _ } = self;
        if let Some(code) = code {
            write!(f, "{code}: ")?;
        }
        let message = if message.is_empty() { "no message" } else { message };
        write!(f, "{message} (HTTP {status}")?;
        if let Some(id) = request_id {
            write!(f, ", request {id}")?;
        }
        if let Some(wait) = retry_after {
            write!(f, ", retry after {} s", wait.as_secs())?;
        }
        f.write_str(")")
    }
}
