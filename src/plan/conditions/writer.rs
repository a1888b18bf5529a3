//! Writes conditions from the cells of a truth table and their previous values.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{ConditionType, Reason, time},
    dcs::model::text,
};

/// The longest message of a condition: it may list instances, and a status that the API server rejects says nothing.
const MAX_MESSAGE: usize = 4096;

/// The value of one condition: a cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConditionValue {
    True(Reason),
    False(Reason),
    Unknown(Reason),
    /// The previous value, or the one within if the condition does not exist yet.
    KeepPrevious(&'static ConditionValue),
}

/// Builds conditions from their previous values.
pub(super) struct Writer<'a> {
    pub(super) before: &'a [Condition],
    pub(super) generation: i64,
    pub(super) now: DateTime<Utc>,
}

// === impl Writer ===

impl Writer<'_> {
    pub(super) fn write(&self, type_: ConditionType, value: ConditionValue, message: &str) -> Condition {
        let before = self.before.iter().find(|condition| condition.type_ == type_.as_str());
        let (status, reason) = match (value, before) {
            (ConditionValue::KeepPrevious(_), Some(before)) => {
                return Condition { observed_generation: Some(self.generation), ..before.clone() };
            }
            (ConditionValue::KeepPrevious(otherwise), None) => match otherwise {
                ConditionValue::True(reason) => ("True", *reason),
                ConditionValue::False(reason) => ("False", *reason),
                ConditionValue::Unknown(reason) => ("Unknown", *reason),
                ConditionValue::KeepPrevious(_) => ("Unknown", Reason::ObservationPending),
            },
            (ConditionValue::True(reason), _) => ("True", reason),
            (ConditionValue::False(reason), _) => ("False", reason),
            (ConditionValue::Unknown(reason), _) => ("Unknown", reason),
        };
        let unchanged = before.filter(|before| before.status == status);
        Condition {
            type_: type_.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.as_str().to_owned(),
            message: if reason == Reason::AsExpected {
                String::new()
            } else {
                text::bounded(message, MAX_MESSAGE)
            },
            observed_generation: Some(self.generation),
            last_transition_time: unchanged
                .map_or_else(|| time::to_kube(self.now), |before| before.last_transition_time.clone()),
        }
    }
}
