//! Errors of calls, classified once: callers match on [`Class`].

mod class;
pub mod codes;
mod envelope;
mod failure;

use std::{fmt, time::Duration};

use http::Method;

pub(crate) use self::envelope::parse_refusal;
pub use self::{
    class::Class,
    codes::lookup,
    failure::{Failure, Refusal},
};
use super::operation::Operation;

/// A failed call with operation, failure and class. Contains no secret.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    operation: &'static str,
    names_an_instance: bool,
    is_deletion: bool,
    class: Class,
    failure: Failure,
    attempts: u32,
}

// === impl Inner ===

impl Inner {
    fn of(operation: &Operation, class: Class, failure: Failure) -> Self {
        Self {
            operation: operation.name,
            names_an_instance: operation.names_an_instance(),
            is_deletion: operation.method == Method::DELETE,
            class,
            failure,
            attempts: 1,
        }
    }
}

// === impl Error ===

impl Error {
    pub(crate) fn new(operation: &Operation, failure: Failure, attempts: u32) -> Self {
        let class = failure.classify(operation);
        Self(Box::new(Inner { attempts, ..Inner::of(operation, class, failure) }))
    }

    /// An error whose class does not follow from the failure, but from a code in a successful answer's body.
    pub(crate) fn with_class(operation: &Operation, class: Class, failure: Failure) -> Self {
        Self(Box::new(Inner::of(operation, class, failure)))
    }

    /// The same error as ambiguous: an earlier attempt of the call may have been applied.
    pub(crate) fn after_unknown_outcome(mut self) -> Self {
        self.0.class = Class::Ambiguous;
        self
    }

    /// The class.
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// The failed operation's name.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Whether the operation was one on an existing instance.
    pub fn names_an_instance(&self) -> bool {
        self.0.names_an_instance
    }

    /// Whether the operation was a deletion.
    pub fn is_deletion(&self) -> bool {
        self.0.is_deletion
    }

    /// How the last attempt failed.
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// Number of attempts.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The service's error answer, if there was one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.0.failure {
            Failure::Refused(refusal) => Some(refusal),
            Failure::NotAttempted(_)
            | Failure::NotSent(_)
            | Failure::TimedOut(_)
            | Failure::Broken(_)
            | Failure::TooLarge(_)
            | Failure::TooMany(_)
            | Failure::Redirected { .. }
            | Failure::Unreadable { .. } => None,
        }
    }

    /// How long the service asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }

    /// Difference of the clocks in seconds, if the credentials were refused and the difference is large enough to be the
    /// cause. Positive if the service's clock is ahead.
    pub fn clock_skew(&self) -> Option<i64> {
        let refusal = self.refusal().filter(|_| self.class() == Class::Credentials)?;
        refusal.clock_ahead.filter(|ahead| ahead.abs() >= SKEW_SECONDS)
    }
}

/// A smaller difference is never the cause of a refused signature: the service tolerates minutes.
const SKEW_SECONDS: i64 = 60;

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({}): {}", self.0.operation, self.0.class, self.0.failure)?;
        if self.0.attempts > 1 {
            write!(f, "; {} attempts", self.0.attempts)?;
        }
        if let Some(ahead) = self.clock_skew() {
            write!(f, "; the local clock differs from the service's by {ahead} s: correct the local clock")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{codes::CODES, *};
    use crate::dcs::operation::{CREATE_INSTANCE, DELETE_INSTANCE, LIST_INSTANCES, SHOW_INSTANCE, SHOW_JOB};

    fn documented() -> impl Iterator<Item = (u16, &'static str)> {
        let lines = include_str!("documented_codes.txt").lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split_once(' ').expect("a status and a code"))
            .map(|(status, code)| (status.parse().expect("a status"), code))
    }

    fn refused(status: u16, code: Option<&str>) -> Failure {
        Failure::Refused(Refusal { status, code: code.map(str::to_owned), ..Refusal::default() })
    }

    #[test]
    fn every_documented_code_is_mapped() {
        let codes: Vec<_> = documented().collect();
        assert_eq!(codes.len(), 286, "codes in section 7.2 of the reference");
        let unmapped: Vec<_> = codes
            .iter()
            .filter(|(status, code)| lookup(code).is_none_or(|row| row.status != *status))
            .collect();
        assert!(unmapped.is_empty(), "codes without a row, or with another status: {unmapped:?}");
    }

    #[test]
    fn codes_are_unique_and_have_meanings() {
        let mut seen = HashSet::new();
        for row in CODES {
            assert!(row.meaning.ends_with('.'), "{:?}", row.names);
            for name in row.names {
                assert!(seen.insert(name), "{name} is in two rows");
            }
        }
    }

    #[test]
    fn numeric_twins_mean_the_same() {
        for row in CODES {
            for name in row.names {
                if let Some(number) = name.strip_prefix("DCS.4").filter(|number| number.len() == 3) {
                    let twin =
                        lookup(&format!("111400{number}")).or_else(|| lookup(&format!("111404{number}")));
                    assert_eq!(twin.map(|twin| twin.class), Some(row.class), "{name}");
                }
            }
        }
        assert_eq!(lookup("111400927").map(|row| row.names[0]), Some("DCS.4927"), "an undocumented twin");
        assert_eq!(
            lookup(" dcs. 4113 ").map(|row| row.class),
            Some(Class::Busy),
            "case and blanks are ignored"
        );
        assert!(lookup("111").is_none() && lookup("DCS.9999").is_none() && lookup("").is_none());
    }

    #[test]
    fn absence_has_exactly_one_code() {
        let absent: Vec<_> =
            CODES.iter().filter(|row| row.class == Class::NotFound).flat_map(|row| row.names).collect();
        assert_eq!(absent, [&"DCS.3022", &"111404022"]);
        let vague = Error::new(&SHOW_INSTANCE, refused(404, None), 1);
        assert_eq!(vague.class(), Class::Unsupported, "a 404 without code is not absence");
        let class = |operation, status| refused(status, Some("DCS.3022")).classify(operation);
        assert_eq!(
            (class(&SHOW_INSTANCE, 404), class(&DELETE_INSTANCE, 404)),
            (Class::NotFound, Class::NotFound)
        );
        for (operation, status) in
            [(&SHOW_INSTANCE, 200), (&SHOW_INSTANCE, 502), (&LIST_INSTANCES, 404), (&SHOW_JOB, 404)]
        {
            assert_eq!(class(operation, status), Class::Transient, "{} {status}", operation.name);
        }
        assert_eq!(
            class(&CREATE_INSTANCE, 404),
            Class::Ambiguous,
            "a create names no instance that could be absent"
        );
    }

    #[test]
    fn statuses_without_a_known_code() {
        let cases = [
            (400, Class::Invalid),
            (401, Class::Credentials),
            (402, Class::Balance),
            (403, Class::Forbidden),
            (404, Class::Unsupported),
            (405, Class::Unsupported),
            (408, Class::Transient),
            (409, Class::Invalid),
            (413, Class::Invalid),
            (429, Class::Throttled),
            (500, Class::Transient),
            (501, Class::Unsupported),
            (503, Class::Transient),
            (504, Class::Transient),
            (200, Class::Transient),
        ];
        for (status, class) in cases {
            for code in [None, Some("XYZ.1"), Some("APIGW.0201")] {
                assert_eq!(
                    Error::new(&SHOW_INSTANCE, refused(status, code), 1).class(),
                    class,
                    "{status} {code:?}"
                );
            }
        }
    }

    #[test]
    fn a_lost_answer_to_a_change_is_ambiguous_and_a_refusal_is_not() {
        let lost = [
            Failure::TimedOut(Duration::ZERO),
            Failure::Broken(String::new()),
            Failure::TooLarge(1),
            Failure::Redirected { status: 302, host: None },
            Failure::Unreadable { status: 200, reason: String::new() },
            refused(500, None),
            refused(504, Some("APIGW.0201")),
            refused(500, Some("DCS.5031")),
            refused(200, Some("XYZ.1")),
        ];
        for failure in lost {
            assert_eq!(failure.classify(&SHOW_INSTANCE), Class::Transient, "{failure:?}");
            for operation in [&CREATE_INSTANCE, &DELETE_INSTANCE] {
                assert_eq!(failure.classify(operation), Class::Ambiguous, "{failure:?}");
            }
        }
        for (failure, class) in [
            (Failure::NotSent(String::new()), Class::Transient),
            (Failure::NotAttempted(String::new()), Class::Invalid),
            (refused(500, Some("DCS.4069")), Class::Busy),
            (refused(200, Some("DCS.4113")), Class::Busy),
            (refused(429, None), Class::Throttled),
            (refused(400, Some("DCS.4060")), Class::Ambiguous),
        ] {
            assert_eq!(failure.classify(&CREATE_INSTANCE), class, "{failure:?}");
        }
    }

    #[test]
    fn messages_have_code_request_id_and_advice() {
        let refusal = Refusal {
            status: 400,
            code: Some("DCS.4927".to_owned()),
            message: "spec_code is invalid".to_owned(),
            request_id: Some("r-1".to_owned()),
            retry_after: Some(Duration::from_secs(3)),
            clock_ahead: Some(900),
        };
        let error = Error::new(&CREATE_INSTANCE, Failure::Refused(refusal), 2);
        assert_eq!(
            error.to_string(),
            "CreateInstance failed (invalid): DCS.4927: spec_code is invalid (HTTP 400, request r-1, retry after 3 s); \
             2 attempts"
        );
        assert_eq!(error.clock_skew(), None, "not a matter of clocks");
        let refusal = Refusal { status: 401, clock_ahead: Some(-900), ..Refusal::default() };
        let error = Error::new(&CREATE_INSTANCE, Failure::Refused(refusal), 1);
        assert!(error.to_string().contains("differs from the service's by -900 s"), "{error}");
    }
}
