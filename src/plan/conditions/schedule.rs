//! The truth table of the conditions of a schedule. `LastRunSucceeded` is written when a run ends.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::writer::{ConditionValue, Writer};
use crate::api::{ConditionType, Reason};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScheduleSituation {
    /// The object was not observed yet.
    NotObservedYet,
    /// Runs begin when they are due.
    Armed,
    /// The user has suspended it.
    Suspended,
    /// It cannot run yet, and needs nothing from the user.
    Waiting(Reason),
    /// The user has to act.
    Blocked(Reason),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunResult {
    /// `Succeeded`, or why the run made nothing.
    pub reason: Reason,
    /// What happened.
    pub message: String,
}

// === impl ScheduleSituation ===

impl ScheduleSituation {
    /// The values of Ready, Reconciling and Stalled.
    fn values(self) -> [ConditionValue; 3] {
        use ConditionValue::{False, True, Unknown};
        const AS_EXPECTED: ConditionValue = ConditionValue::False(Reason::AsExpected);
        match self {
            Self::NotObservedYet => {
                [Unknown(Reason::ObservationPending), True(Reason::ObservationPending), AS_EXPECTED]
            }
            Self::Armed => [True(Reason::Armed), AS_EXPECTED, AS_EXPECTED],
            Self::Suspended => [True(Reason::Suspended), AS_EXPECTED, AS_EXPECTED],
            Self::Waiting(reason) => [False(reason), True(reason), AS_EXPECTED],
            Self::Blocked(reason) => [False(reason), AS_EXPECTED, True(reason)],
        }
    }
}

/// The conditions of a schedule. Without a `result`, `LastRunSucceeded` stays as it is: its `observedGeneration` is the one of
/// the spec by which the run was made.
pub fn schedule_conditions(
    situation: ScheduleSituation,
    message: &str,
    result: Option<&RunResult>,
    before: &[Condition],
    (generation, now): (i64, DateTime<Utc>),
) -> Vec<Condition> {
    let [ready, reconciling, stalled] = situation.values();
    let writer = Writer { before, generation, now };
    let last_run = ConditionType::LastRunSucceeded;
    let kept = before.iter().find(|condition| condition.type_ == last_run.as_str()).cloned();
    let last_run = match result {
        Some(RunResult { reason: Reason::Succeeded, message }) => {
            Some(writer.write(last_run, ConditionValue::True(Reason::Succeeded), message))
        }
        Some(RunResult { reason, message }) => {
            Some(writer.write(last_run, ConditionValue::False(*reason), message))
        }
        None => kept,
    };
    let mut conditions = vec![
        writer.write(ConditionType::Ready, ready, message),
        writer.write(ConditionType::Reconciling, reconciling, message),
        writer.write(ConditionType::Stalled, stalled, message),
    ];
    conditions.extend(last_run);
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(
        situation: ScheduleSituation,
        result: Option<Reason>,
        before: &[Condition],
        generation: i64,
    ) -> Vec<Condition> {
        let result = result.map(|reason| RunResult { reason, message: "because".to_owned() });
        schedule_conditions(situation, "why", result.as_ref(), before, (generation, DateTime::UNIX_EPOCH))
    }

    fn row(conditions: &[Condition]) -> Vec<String> {
        conditions.iter().map(|c| format!("{}/{}", c.status, c.reason)).collect()
    }

    #[test]
    fn conditions_follow_the_table() {
        const FINE: &str = "False/AsExpected";
        for (situation, expected) in [
            (
                ScheduleSituation::NotObservedYet,
                ["Unknown/ObservationPending", "True/ObservationPending", FINE],
            ),
            (ScheduleSituation::Armed, ["True/Armed", FINE, FINE]),
            (ScheduleSituation::Suspended, ["True/Suspended", FINE, FINE]),
            (
                ScheduleSituation::Waiting(Reason::WaitingForReference),
                ["False/WaitingForReference", "True/WaitingForReference", FINE],
            ),
            (
                ScheduleSituation::Blocked(Reason::InvalidSpec),
                ["False/InvalidSpec", FINE, "True/InvalidSpec"],
            ),
        ] {
            assert_eq!(row(&shown(situation, None, &[], 1)), expected, "{situation:?}");
        }
    }

    #[test]
    fn the_result_of_the_last_run_stays_with_its_generation() {
        let armed = ScheduleSituation::Armed;
        let succeeded = shown(armed, Some(Reason::Succeeded), &[], 1);
        assert_eq!(row(&succeeded)[3], "True/Succeeded");
        let later = shown(armed, None, &succeeded, 2);
        assert_eq!((later[3].observed_generation, later[0].observed_generation), (Some(1), Some(2)));
        let failed = shown(armed, Some(Reason::Missed), &later, 2);
        assert_eq!((row(&failed)[3].as_str(), failed[3].observed_generation), ("False/Missed", Some(2)));
    }
}
