//! A fault script, as it is written in JSON: rules that say what goes wrong with which calls, and how often.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dcs::operation::{self, Idempotency, Operation, Service};

/// What goes wrong with some calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Which calls it is about.
    #[serde(default)]
    pub operation: Target,
    /// How many of them pass unharmed first.
    #[serde(default)]
    pub after: u32,
    /// How many are hit before the rule is spent; null for no end.
    #[serde(default = "default_count")]
    pub count: Option<u32>,
    /// How likely each one in between is hit, from 0 to 1; drawn from the seed.
    #[serde(default = "default_probability")]
    pub probability: f64,
    /// What goes wrong.
    pub fault: Fault,
}

/// Which calls a rule is about: an operation's name, `*`, `mutating` or `reads`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    /// Every call.
    #[default]
    Any,
    /// Those that change something.
    Mutating,
    /// Those that do not. Asking for a token is one of them.
    Reads,
    /// Those of one operation.
    Named(&'static Operation),
}

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Fault {
    /// It takes effect at once, but its answer is held back. Adds to whatever else goes wrong.
    Delay {
        /// For how many milliseconds of real time.
        ms: u64,
    },
    /// It takes effect, and the connection is closed without an answer.
    DropAnswer,
    /// It fails without effect.
    ErrorBefore(ErrorResponse),
    /// It takes effect, and the answer says that it failed.
    ErrorAfter(ErrorResponse),
    /// The gateway refuses it with 429.
    Throttle {
        /// What `Retry-After` says; without it the header is left out.
        #[serde(default)]
        retry_after_seconds: Option<u64>,
    },
    /// It reads the state as it was. Hits reads of the cache service only.
    StaleList(Staleness),
    /// The last entries are missing from the list, while the number of all stays. Hits operations that list only.
    PartialList {
        /// How many are missing.
        drop: usize,
    },
    /// It takes effect, and the connection breaks within the answer's body.
    Truncate {
        /// After so many bytes, or just before the end of a body that is shorter.
        bytes: usize,
    },
    /// It takes effect, and the answer holds something else.
    WrongBody {
        /// A text is sent as it is, anything else as JSON.
        body: Value,
    },
    /// A proxy answers with a page instead; no effect.
    Html {
        /// Its HTTP status.
        #[serde(default = "default_html_status")]
        status: u16,
    },
    /// The connection is reset before the call takes effect.
    Reset,
}

/// An error answer. Without a code it has no body that the client could read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorResponse {
    /// HTTP status.
    pub status: u16,
    /// The service's error code.
    #[serde(default)]
    pub code: Option<String>,
    /// The text that goes with it.
    #[serde(default)]
    pub message: Option<String>,
}

/// How old the state is that a stale answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Staleness {
    /// So many seconds of the cloud's time.
    Seconds(u64),
    /// So many changes back: 1 is the state before the latest one.
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

/// Reads a script: one rule or a list of them.
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
    /// A rule that hits the next call of `operation` only.
    pub fn next(operation: &'static Operation, fault: Fault) -> Self {
        Self {
            operation: Target::Named(operation),
            after: 0,
            count: default_count(),
            probability: default_probability(),
            fault,
        }
    }

    /// Whether it is about calls of `operation`.
    pub(super) fn matches(&self, operation: &Operation) -> bool {
        self.operation.matches(operation) && self.fault.applies_to(operation)
    }

    fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(format!("probability {} is not between 0 and 1", self.probability));
        }
        if self.count == Some(0) {
            return Err("count 0 never hits anything: leave it out for 1, null for no end".to_owned());
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
            | Fault::Reset => return self.check_target(),
        };
        if !(200..=599).contains(&status) {
            return Err(format!("{status} is not the status of an answer (200 to 599)"));
        }
        self.check_target()
    }

    fn check_target(&self) -> Result<(), String> {
        match self.operation {
            Target::Named(operation) if !self.fault.applies_to(operation) => {
                Err(format!("{} never hits {}", self.fault.name(), operation.name))
            }
            Target::Mutating if matches!(self.fault, Fault::StaleList(_) | Fault::PartialList { .. }) => {
                Err(format!("{} hits reads only", self.fault.name()))
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

/// Operations are the same if their names are: there is one of each.
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
                format!("{name:?} is none of *, mutating, reads, {}", names.join(", "))
            }),
        }
    }
}

// === impl Fault ===

impl Fault {
    /// Its name in a script, for the journal.
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
            Self::Html { .. } => "html",
            Self::Reset => "reset",
        }
    }

    /// Whether it can happen to `operation` at all.
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
    fn every_fault_reads_and_writes_the_same() {
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
    fn what_is_wrong_with_a_script_is_told() {
        let cases = [
            (json!({"fault": "explode"}), "[0].fault: unknown variant `explode`"),
            (json!([{"fault": "reset"}, {}]), "[1]: missing field `fault`"),
            (json!({"operation": "MakeCoffee", "fault": "reset"}), "\"MakeCoffee\" is none of *, mutating"),
            (json!({"fault": "reset", "times": 3}), "unknown field `times`"),
            (json!({"fault": {"delay": {"seconds": 3}}}), "unknown field `seconds`"),
            (
                json!({"fault": "reset", "probability": 1.5}),
                "rule [0]: probability 1.5 is not between 0 and 1",
            ),
            (json!({"fault": "reset", "count": 0}), "count 0 never hits"),
            (json!({"fault": {"html": {"status": 99}}}), "99 is not the status"),
            (
                json!({"operation": "CreateInstance", "fault": {"partialList": {"drop": 1}}}),
                "partialList never hits CreateInstance",
            ),
            (json!({"operation": "mutating", "fault": {"staleList": {"versions": 1}}}), "hits reads only"),
            (json!("reset"), "invalid type: string"),
        ];
        for (script, expected) in cases {
            let error = parse(&script).expect_err(expected);
            assert!(error.contains(expected), "{script}: {error}");
        }
    }
}
