//! Why an object cannot go on: a reason and a message, the same for every kind.

use super::schedule::RetryClass;
use crate::{
    api::Reason,
    dcs::error::{Class, Error, lookup},
};

/// Why something cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// The reason of the condition.
    pub reason: Reason,
    /// What is the matter and what to do about it.
    pub message: String,
}

/// Error codes that say more than their class (API reference 7.2).
const SPECIFIC: &[(&str, Reason)] = &[
    ("DCS.4018", Reason::ReferenceInvalid),
    ("DCS.4042", Reason::ReferenceInvalid),
    ("DCS.4046", Reason::ReferenceInvalid),
    ("DCS.4068", Reason::ReferenceInvalid),
    ("DCS.4054", Reason::SoldOut),
    ("DCS.4019", Reason::PasswordInvalid),
    // Answers a create. Its class is ambiguous: the instance that has the name may be one of our own.
    ("DCS.4060", Reason::NameTaken),
];

// === impl Blocker ===

impl Blocker {
    /// A call failed; `what` states what is missing because of it.
    pub fn of(what: &str, error: &Error) -> Self {
        let reason = reason_for(error);
        Self { reason, message: with_remedy(&format!("{what}: {error}"), reason) }
    }

    /// A call failed that depends on the credentials alone. `credentials` names their Secret: the spec is not at fault.
    pub fn of_account(what: &str, error: &Error, credentials: &str) -> Self {
        match reason_for(error) {
            Reason::InvalidSpec | Reason::UnsupportedChange | Reason::ReferenceInvalid => {
                let reason = Reason::CredentialsInvalid;
                let message =
                    format!("{what}: {error}; check region, projectId and the endpoints in {credentials}");
                Self { reason, message }
            }
            _ => Self::of(what, error),
        }
    }

    /// How fast to retry.
    pub fn retry_class(&self) -> RetryClass {
        retry_class(self.reason)
    }
}

/// The reason of a code that has one of its own.
pub(super) fn specific_reason(error: &Error) -> Option<Reason> {
    let known = error.refusal().and_then(|refusal| refusal.code.as_deref()).and_then(lookup)?;
    SPECIFIC.iter().find(|(code, _)| known.names.contains(code)).map(|(_, reason)| *reason)
}

/// The reason of an error.
pub(super) fn reason_for(error: &Error) -> Reason {
    specific_reason(error).unwrap_or_else(|| reason_of_class(error.class()))
}

/// The message, followed by the remedy if the user has to act.
pub(super) fn with_remedy(message: &str, reason: Reason) -> String {
    match retry_class(reason) {
        RetryClass::NeedsUser => format!("{message}. {}", reason.remedy().trim_end_matches('.')),
        RetryClass::Kube
        | RetryClass::Transient
        | RetryClass::CreateFailed
        | RetryClass::AccountLimit
        | RetryClass::Ineffective
        | RetryClass::Rejected => message.to_owned(),
    }
}

fn reason_of_class(class: Class) -> Reason {
    match class {
        Class::Transient => Reason::CloudUnreachable,
        Class::Busy => Reason::WaitingForInstance,
        Class::Throttled => Reason::Throttled,
        Class::Ambiguous | Class::NotFound => Reason::CloudError,
        Class::Invalid => Reason::InvalidSpec,
        Class::Quota => Reason::QuotaExceeded,
        Class::Balance => Reason::InsufficientBalance,
        Class::Credentials => Reason::CredentialsInvalid,
        Class::Forbidden => Reason::Forbidden,
        Class::Unsupported => Reason::UnsupportedChange,
    }
}

/// Whether the cause of a reason can pass by itself or the user has to act.
pub fn retry_class(reason: Reason) -> RetryClass {
    match reason {
        Reason::CloudUnreachable
        | Reason::CloudError
        | Reason::Throttled
        | Reason::ListIncomplete
        | Reason::ClusterError
        | Reason::WaitingForInstance => RetryClass::Transient,
        _ => RetryClass::NeedsUser,
    }
}
