//! Classes of errors by possible reaction.

use std::fmt;

/// The possible reaction to an error. Callers match exhaustively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The same call may succeed soon. Nothing was changed.
    Transient,
    /// The instance or its order is busy. Nothing was changed.
    Busy,
    /// Too many requests. Nothing was changed.
    Throttled,
    /// A mutating call may have been applied. Check the state before a repetition.
    Ambiguous,
    /// The service stated that the requested instance does not exist.
    NotFound,
    /// The request is invalid, or does not fit its target. Nothing was changed; the user must correct it.
    Invalid,
    /// A limit of the tenant, a zone or a subnet is exhausted. Nothing was changed.
    Quota,
    /// An order is unpaid, or the account has no balance. Nothing was changed.
    Balance,
    /// The service refused the credentials.
    Credentials,
    /// The credentials lack the permission.
    Forbidden,
    /// The site or the kind of instance does not support the operation.
    Unsupported,
}

// === impl Class ===

impl Class {
    /// The class of an HTTP status without a known error code.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Credentials,
            402 => Self::Balance,
            403 => Self::Forbidden,
            // A missing path does not mean a missing instance: absence has its own code.
            404 | 405 | 501 => Self::Unsupported,
            408 => Self::Transient,
            429 => Self::Throttled,
            400..=499 => Self::Invalid,
            _ => Self::Transient,
        }
    }

    /// A word for metrics labels and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Busy => "busy",
            Self::Throttled => "throttled",
            Self::Ambiguous => "ambiguous",
            Self::NotFound => "not found",
            Self::Invalid => "invalid",
            Self::Quota => "quota",
            Self::Balance => "balance",
            Self::Credentials => "credentials",
            Self::Forbidden => "forbidden",
            Self::Unsupported => "unsupported",
        }
    }

    /// Advice to the user, in one sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Transient => {
                "Try again; if the error persists, check the network and the service's health."
            }
            Self::Busy => "Wait until the instance is no longer busy, then try again.",
            Self::Throttled => "Reduce the rate of calls, or have the API rate limit raised.",
            Self::Ambiguous => "The change may have been applied: check the instance before you repeat it.",
            Self::NotFound => "Check the instance id, the project and the region.",
            Self::Invalid => "Correct the request.",
            Self::Quota => "Free unused resources, choose another zone or subnet, or have the quota raised.",
            Self::Balance => "Pay the open order or top up the account.",
            Self::Credentials => {
                "Check access key, secret key and project before the next attempt: repeated failures lock the key."
            }
            Self::Forbidden => "Grant the user the permission for this action in IAM.",
            Self::Unsupported => {
                "Check the endpoint; the site or the kind of instance does not support the operation."
            }
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
