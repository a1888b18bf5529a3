//! The JSON format of fault scripts.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dcs::operation::{self, Idempotency, Operation, Service};

/// A fault rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rule {
    /// Calls that the rule applies to.
    #[serde(default)]
    pub(crate) operation: Target,
    /// Number of matching calls to skip first.
    #[serde(default)]
    pub(crate) after: u32,
    /// Number of calls to fail; null for unlimited.
    #[serde(default = "default_count")]
    pub(crate) count: Option<u32>,
    /// Probability per call, from 0 to 1, drawn from the seed.
    #[serde(default = "default_probability")]
    pub(crate) probability: f64,
    /// Fault to apply.
    pub(crate) fault: Fault,
}

/// Calls that a rule applies to: an operation name, `*`, `mutating` or `reads`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum Target {
    /// Every call.
    #[default]
    Any,
    /// Calls that change state.
    Mutating,
    /// Calls that do not change state, including token requests.
    Reads,
    /// Calls of one operation.
    Named(&'static Operation),
}

/// A fault of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Fault {
    /// The call is executed and its response is delayed. Combines with other faults.
    Delay {
        /// Delay in milliseconds of real time.
        ms: u64,
    },
    /// The call is executed and the connection is closed without a response.
    DropAnswer,
    /// The call fails without being executed.
    ErrorBefore(ErrorResponse),
    /// The call is executed and an error is returned.
    ErrorAfter(ErrorResponse),
    /// The gateway rejects the call with 429.
    Throttle {
        /// Value of `Retry-After`; the header is omitted if unset.
        #[serde(default)]
        retry_after_seconds: Option<u64>,
    },
    /// The call reads a past state. Applies to DCS reads only.
    StaleList(Staleness),
    /// The last entries are missing from a list, while its total is unchanged. Applies to list operations only.
    PartialList {
        /// Number of missing entries.
        drop: usize,
    },
    /// The call is executed and the connection breaks within the response body.
    Truncate {
        /// Number of bytes to send; a shorter body is cut before its last byte.
        bytes: usize,
    },
    /// The call is executed and the response body is replaced.
    WrongBody {
        /// Replacement; a string is sent verbatim, anything else as JSON.
        body: Value,
    },
    /// The call is executed, and these fields have other values wherever they are in the response.
    WrongFields {
        /// Values by name.
        fields: Map<String, Value>,
    },
    /// A proxy returns an HTML page and the call is not executed.
    Html {
        /// HTTP status.
        #[serde(default = "default_html_status")]
        status: u16,
    },
    /// The connection is reset and the call is not executed.
    Reset,
}

/// An error response. Without a code, its body is plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorResponse {
    /// HTTP status.
    pub(crate) status: u16,
    /// Service error code.
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// Error message.
    #[serde(default)]
    pub(crate) message: Option<String>,
}

/// Age of the state that a stale read returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Staleness {
    /// Seconds of simulated time.
    Seconds(u64),
    /// Number of changes; 1 is the state before the latest change.
    Versions(usize),
}

const fn default_count() -> Option<u32> {
    Some(1)
}

const fn default_probability() -> f64 {
    1.0
}

const fn default_html_status() -> u16 {
    502
}

/// Parses a script: one rule or a list of rules.
pub(super) fn parse(script: &Value) -> Result<Vec<Rule>, String> {
    let script = match script {
        Value::Array(_) => script.clone(),
        rule => Value::Array(vec![rule.clone()]),
    };
    let rules: Vec<Rule> = serde_path_to_error::deserialize(script)
        .map_err(|error| format!("rule {}: {}", error.path(), error.inner()))?;
    for (index, rule) in rules.iter().enumerate() {
        rule.check().map_err(|reason| format!("rule [{index}]: {reason}"))?;
    }
    Ok(rules)
}

// === impl Rule ===

impl Rule {
    /// Whether the rule applies to calls of `operation`.
    pub(super) fn matches(&self, operation: &Operation) -> bool {
        self.operation.matches(operation) && self.fault.applies_to(operation)
    }

    fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(format!("probability {} is not between 0 and 1", self.probability));
        }
        if self.count == Some(0) {
            return Err("count must be at least 1, or null for unlimited".to_owned());
        }
        let status = match &self.fault {
            Fault::ErrorBefore(response) | Fault::ErrorAfter(response) => response.status,
            Fault::Html { status } => *status,
            Fault::Delay { .. }
            | Fault::DropAnswer
            | Fault::Throttle { .. }
            | Fault::StaleList(_)
            | Fault::PartialList { .. }
            | Fault::Truncate { .. }
            | Fault::WrongBody { .. }
            | Fault::WrongFields { .. }
            | Fault::Reset => return self.check_target(),
        };
        if !(200..=599).contains(&status) {
            return Err(format!("status {status} is outside 200 to 599"));
        }
        self.check_target()
    }

    fn check_target(&self) -> Result<(), String> {
        match self.operation {
            Target::Named(operation) if !self.fault.applies_to(operation) => {
                Err(format!("{} does not apply to {}", self.fault.name(), operation.name))
            }
            Target::Mutating if matches!(self.fault, Fault::StaleList(_) | Fault::PartialList { .. }) => {
                Err(format!("{} applies to reads only", self.fault.name()))
            }
            Target::Any | Target::Mutating | Target::Reads | Target::Named(_) => Ok(()),
        }
    }
}

// === impl Target ===

impl Target {
    fn matches(self, operation: &Operation) -> bool {
        match self {
            Self::Any => true,
            Self::Mutating => operation.idempotency.mutates(),
            Self::Reads => !operation.idempotency.mutates(),
            Self::Named(named) => named.name == operation.name,
        }
    }
}

/// Operations are equal if their names are equal.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Mutating => "mutating",
            Self::Reads => "reads",
            Self::Named(operation) => operation.name,
        })
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "*" => Ok(Self::Any),
            "mutating" => Ok(Self::Mutating),
            "reads" => Ok(Self::Reads),
            name => operation::by_name(name).map(Self::Named).ok_or_else(|| {
                let names: Vec<_> = operation::ALL.iter().map(|operation| operation.name).collect();
                format!("unknown operation {name:?}: expected *, mutating, reads, {}", names.join(", "))
            }),
        }
    }
}

// === impl Fault ===

impl Fault {
    /// Name of the fault in a script and in the journal.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::DropAnswer => "dropAnswer",
            Self::ErrorBefore(_) => "errorBefore",
            Self::ErrorAfter(_) => "errorAfter",
            Self::Throttle { .. } => "throttle",
            Self::StaleList(_) => "staleList",
            Self::PartialList { .. } => "partialList",
            Self::Truncate { .. } => "truncate",
            Self::WrongBody { .. } => "wrongBody",
            Self::WrongFields { .. } => "wrongFields",
            Self::Html { .. } => "html",
            Self::Reset => "reset",
        }
    }

    /// Whether the fault can apply to `operation`.
    fn applies_to(&self, operation: &Operation) -> bool {
        match self {
            Self::StaleList(_) => {
                operation.service == Service::Dcs && operation.idempotency == Idempotency::Read
            }
            Self::PartialList { .. } => operation.name.starts_with("List"),
            Self::Delay { .. }
            | Self::DropAnswer
            | Self::ErrorBefore(_)
            | Self::ErrorAfter(_)
            | Self::Throttle { .. }
            | Self::Truncate { .. }
            | Self::WrongBody { .. }
            | Self::WrongFields { .. }
            | Self::Html { .. }
            | Self::Reset => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_round_trips() {
        let faults = [
            json!({"delay": {"ms": 5}}),
            json!("dropAnswer"),
            json!({"errorBefore": {"status": 500, "code": "DCS.5000", "message": "x"}}),
            json!({"errorAfter": {"status": 502, "code": null, "message": null}}),
            json!({"throttle": {"retryAfterSeconds": 3}}),
            json!({"staleList": {"seconds": 30}}),
            json!({"staleList": {"versions": 1}}),
            json!({"partialList": {"drop": 2}}),
            json!({"truncate": {"bytes": 10}}),
            json!({"wrongBody": {"body": {"a": 1}}}),
            json!({"wrongFields": {"fields": {"port": 70000}}}),
            json!({"html": {"status": 503}}),
            json!("reset"),
        ];
        for fault in faults {
            let rules = parse(&json!({"fault": fault})).expect("a rule");
            let written = serde_json::to_value(&rules[0]).expect("JSON");
            assert_eq!(written["fault"], fault);
            assert_eq!(written["operation"], "*");
            assert_eq!(written["count"], 1);
        }
    }

    #[test]
    fn invalid_scripts_are_rejected_with_a_reason() {
        let cases = [
            (json!({"fault": "explode"}), "[0].fault: unknown variant `explode`"),
            (json!([{"fault": "reset"}, {}]), "[1]: missing field `fault`"),
            (
                json!({"operation": "MakeCoffee", "fault": "reset"}),
                "unknown operation \"MakeCoffee\": expected *, mutating",
            ),
            (json!({"fault": "reset", "times": 3}), "unknown field `times`"),
            (json!({"fault": {"delay": {"seconds": 3}}}), "unknown field `seconds`"),
            (
                json!({"fault": "reset", "probability": 1.5}),
                "rule [0]: probability 1.5 is not between 0 and 1",
            ),
            (json!({"fault": "reset", "count": 0}), "count must be at least 1"),
            (json!({"fault": {"html": {"status": 99}}}), "status 99 is outside"),
            (
                json!({"operation": "CreateInstance", "fault": {"partialList": {"drop": 1}}}),
                "partialList does not apply to CreateInstance",
            ),
            (
                json!({"operation": "mutating", "fault": {"staleList": {"versions": 1}}}),
                "applies to reads only",
            ),
            (json!("reset"), "invalid type: string"),
        ];
        for (script, expected) in cases {
            let error = parse(&script).expect_err(expected);
            assert!(error.contains(expected), "{script}: {error}");
        }
    }
}
