//! What can be done about an error.

use std::fmt;

/// What a caller can do about an error. Closed: callers match on it exhaustively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The same call may succeed soon. A change was surely not made.
    Transient,
    /// The instance or its order is busy with something else. Nothing was changed.
    Busy,
    /// Too many requests. Nothing was changed.
    Throttled,
    /// A mutating call whose effect is unknown: it may have been applied. Look before doing it again.
    Ambiguous,
    /// The service said that the instance asked for does not exist.
    NotFound,
    /// The request is wrong, or does not fit what it names. Nothing was changed; a person has to mend it.
    Invalid,
    /// A limit of the tenant, a zone or a subnet is used up. Nothing was changed.
    Quota,
    /// Money: an unpaid order, or an account without balance. Nothing was changed.
    Balance,
    /// The credentials were not accepted.
    Credentials,
    /// The credentials were accepted but do not allow this.
    Forbidden,
    /// This site, or this kind of instance, does not offer it.
    Unsupported,
}

// === impl Class ===

impl Class {
    /// What an HTTP status means when no error code says more.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Credentials,
            402 => Self::Balance,
            403 => Self::Forbidden,
            // A path that is not there says nothing about an instance: absence has a code of its own.
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

    /// What whoever reads the error can do, in a sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Transient => "Try again; if it stays, look at the network and at the service's health.",
            Self::Busy => "Wait until the instance is done with what it is doing, then try again.",
            Self::Throttled => "Ask less often, or have the API rate limit raised.",
            Self::Ambiguous => "It may have been done: look at the instance before doing it again.",
            Self::NotFound => "Check the instance id, the project and the region.",
            Self::Invalid => "Correct the request.",
            Self::Quota => {
                "Free what is not needed, choose another zone or subnet, or have the quota raised."
            }
            Self::Balance => "Pay the open order or top up the account.",
            Self::Credentials => {
                "Check access key, secret key and project; stop trying first, since repeated failures lock the key."
            }
            Self::Forbidden => "Give the user the permission for this action in IAM.",
            Self::Unsupported => "Check the endpoint; this site or this kind of instance does not offer it.",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
