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

/// Error codes about a parameter of the API that is made from fields of the spec with other names.
const FIELDS: &[(&str, &str)] = &[
    ("DCS.4009", "engineVersion, capacity, cacheMode, cpuType, replicas and shards, or specCode"),
    ("DCS.4013", "network.vpcId"),
    ("DCS.4014", "network.securityGroupId"),
    ("DCS.4016", "network.subnetId"),
    ("DCS.4800", "tags, of which an instance takes 20 with those of the operator"),
];

/// Answers that say that the endpoint does not know the URL or its method: nothing is said of the instance or the spec.
const UNKNOWN_URL_STATUSES: [u16; 3] = [404, 405, 501];

// === impl Blocker ===

impl Blocker {
    /// A call failed; `what` states what is missing because of it.
    pub fn of(what: &str, error: &Error) -> Self {
        let reason = reason_for(error);
        Self { reason, message: with_remedy(&format!("{what}: {}", message_of(error)), reason) }
    }

    /// A call failed that depends on the credentials alone. `credentials` names their Secret: the spec is not at fault.
    pub fn of_account(what: &str, error: &Error, credentials: &str) -> Self {
        let reason = reason_for(error);
        let at_fault = [Reason::InvalidSpec, Reason::UnsupportedChange, Reason::ReferenceInvalid];
        if !at_fault.contains(&reason) && !is_unknown_url(error) {
            return Self::of(what, error);
        }
        let message = format!("{what}: {error}; check region, projectId and the endpoints in {credentials}");
        Self { reason: Reason::CredentialsInvalid, message }
    }

    /// Whether only a person can mend the cause.
    pub fn needs_person(&self) -> bool {
        match self.retry_class() {
            RetryClass::NeedsUser | RetryClass::AccountLimit | RetryClass::Rejected => true,
            RetryClass::Kube | RetryClass::Transient | RetryClass::CreateFailed | RetryClass::Ineffective => {
                false
            }
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
    match specific_reason(error) {
        Some(reason) => reason,
        None if is_unknown_url(error) => Reason::CloudError,
        // What is being deleted has no field to correct.
        None if error.is_deletion() && matches!(error.class(), Class::Invalid | Class::Unsupported) => {
            Reason::CloudError
        }
        None if error.class() == Class::Unsupported && !error.names_an_instance() => Reason::InvalidSpec,
        None => reason_of_class(error.class()),
    }
}

fn is_unknown_url(error: &Error) -> bool {
    let is_status = |status| UNKNOWN_URL_STATUSES.contains(&status);
    error.class() == Class::Unsupported && error.refusal().is_some_and(|refusal| is_status(refusal.status))
}

/// The text of an error, with the fields of the spec that it is about, or the part of the configuration.
pub(super) fn message_of(error: &Error) -> String {
    let known = error.refusal().and_then(|refusal| refusal.code.as_deref()).and_then(lookup);
    let fields = known.and_then(|known| FIELDS.iter().find(|(code, _)| known.names.contains(code)));
    match fields {
        Some((_, fields)) => format!("{error}; it is about {fields}"),
        None if is_unknown_url(error) => {
            format!(
                "{error}; the endpoint does not know this call: if it lasts, check the endpoint in the credentials"
            )
        }
        None => error.to_string(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcs::{
        error::{Failure, Refusal},
        operation::{CREATE_INSTANCE, DELETE_INSTANCE, LIST_INSTANCES, Operation, UPDATE_INSTANCE},
    };

    fn error(operation: &Operation, status: u16, code: Option<&str>) -> Error {
        let refusal = Refusal {
            status,
            code: code.map(str::to_owned),
            message: "why".to_owned(),
            request_id: None,
            retry_after: None,
            clock_ahead: None,
        };
        Error::new(operation, Failure::Refused(refusal), 1)
    }

    /// A proxy or gateway that does not know the call says nothing about the spec.
    #[test]
    fn an_unknown_url_is_no_fault_of_the_spec() {
        for (status, code) in
            [(404, None), (404, Some("APIGW.0101")), (404, Some("DCS.4001")), (405, None), (501, None)]
        {
            for operation in [&CREATE_INSTANCE, &DELETE_INSTANCE, &UPDATE_INSTANCE] {
                let error = error(operation, status, code);
                assert_eq!(reason_for(&error), Reason::CloudError, "{} {error}", operation.name);
                assert!(message_of(&error).contains("check the endpoint in the credentials"), "{error}");
            }
            let blocker = Blocker::of_account("no list", &error(&LIST_INSTANCES, status, code), "Secret c");
            assert_eq!(blocker.reason, Reason::CredentialsInvalid, "{}", blocker.message);
        }
    }

    #[test]
    fn what_the_site_does_not_offer_depends_on_the_call() {
        let code = Some("DCS.5050");
        assert_eq!(reason_for(&error(&CREATE_INSTANCE, 400, code)), Reason::InvalidSpec);
        assert_eq!(reason_for(&error(&UPDATE_INSTANCE, 400, code)), Reason::UnsupportedChange);
        for code in ["DCS.5050", "DCS.4009", "DCS.4133"] {
            assert_eq!(reason_for(&error(&DELETE_INSTANCE, 400, Some(code))), Reason::CloudError, "{code}");
        }
    }

    #[test]
    fn a_parameter_of_the_api_is_told_by_the_fields_of_the_spec() {
        let message = message_of(&error(&CREATE_INSTANCE, 400, Some("DCS.4009")));
        assert!(message.contains("it is about engineVersion, capacity"), "{message}");
        let old_spelling = message_of(&error(&CREATE_INSTANCE, 400, Some("111400016")));
        assert!(old_spelling.ends_with("it is about network.subnetId"), "{old_spelling}");
    }
}
