//! The truth table of the conditions of kinds that do one job: their status and reason in each situation.
//!
//! `Ready` of a job that succeeded follows the last observation of what it made ([`JobResult`]).

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::writer::{ConditionValue, Writer};
use crate::api::{ConditionType, Reason};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobSituation {
    /// The object was not observed yet.
    NotObservedYet,
    /// The job waits for something, or runs.
    InProgress(Reason),
    /// The last request to the cloud failed, or its answer was incomplete.
    Unreachable(Reason),
    /// The user has to act.
    Blocked(Reason),
    /// The job is done. `again`: for an earlier object.
    Succeeded {
        /// An earlier object stood for it.
        again: bool,
        /// What it made.
        result: JobResult,
    },
    /// The job has ended without success.
    Failed(Reason),
    /// The object is being deleted.
    Deleting,
    /// The object is being deleted, and the user has to act first.
    DeletionBlocked(Reason),
}

/// What the job made, as last observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobResult {
    /// It is of use.
    Usable(Reason),
    /// It is not.
    Unusable(Reason),
    /// It could not be observed.
    Unknown(Reason),
    /// It could not be observed just now: the condition keeps its value.
    Unchanged,
}

// === impl JobSituation ===

impl JobSituation {
    /// The values of Complete, Failed, Ready, Reconciling and Stalled.
    fn values(self) -> [ConditionValue; 5] {
        use ConditionValue::{False, KeepPrevious, True, Unknown};
        const AS_EXPECTED: ConditionValue = ConditionValue::False(Reason::AsExpected);
        const NOT_OBSERVED: ConditionValue = ConditionValue::Unknown(Reason::ObservationPending);
        const NOT_STARTED: ConditionValue = ConditionValue::True(Reason::ObservationPending);
        match self {
            Self::NotObservedYet => [NOT_OBSERVED, AS_EXPECTED, NOT_OBSERVED, NOT_STARTED, AS_EXPECTED],
            Self::InProgress(reason) => {
                [False(reason), AS_EXPECTED, False(reason), True(reason), AS_EXPECTED]
            }
            Self::Unreachable(reason) => {
                [False(reason), AS_EXPECTED, Unknown(reason), KeepPrevious(&NOT_STARTED), AS_EXPECTED]
            }
            Self::Blocked(reason) => [False(reason), AS_EXPECTED, False(reason), AS_EXPECTED, True(reason)],
            Self::Succeeded { again, result } => {
                let why = if again { Reason::AlreadyCompleted } else { Reason::Completed };
                let ready = match result {
                    JobResult::Usable(reason) => True(reason),
                    JobResult::Unusable(reason) => False(reason),
                    JobResult::Unknown(reason) => Unknown(reason),
                    JobResult::Unchanged => KeepPrevious(&NOT_OBSERVED),
                };
                // kstatus takes an object that is neither ready nor stalled for one in progress.
                let stalled = match result {
                    JobResult::Unusable(reason) => True(reason),
                    JobResult::Usable(_) | JobResult::Unknown(_) => AS_EXPECTED,
                    JobResult::Unchanged => KeepPrevious(&AS_EXPECTED),
                };
                [True(why), AS_EXPECTED, ready, AS_EXPECTED, stalled]
            }
            Self::Failed(reason) => [False(reason), True(reason), False(reason), AS_EXPECTED, True(reason)],
            Self::Deleting => {
                let deleting = Reason::Deleting;
                let before = KeepPrevious(&AS_EXPECTED);
                [before, before, False(deleting), True(deleting), AS_EXPECTED]
            }
            Self::DeletionBlocked(reason) => {
                let before = KeepPrevious(&AS_EXPECTED);
                [before, before, False(Reason::Deleting), AS_EXPECTED, True(reason)]
            }
        }
    }
}

/// The conditions of a job. A condition keeps its transition time while its status stays the same, and its message where it
/// keeps its previous value. `ready_message` replaces `message` for Ready.
pub fn job_conditions(
    situation: JobSituation,
    (message, ready_message): (&str, &str),
    before: &[Condition],
    generation: i64,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    use ConditionType::{Complete, Failed, Ready, Reconciling, Stalled};
    let [complete, failed, ready, reconciling, stalled] = situation.values();
    let writer = Writer { before, generation, now };
    vec![
        writer.write(Complete, complete, message),
        writer.write(Failed, failed, message),
        writer.write(Ready, ready, ready_message),
        writer.write(Reconciling, reconciling, message),
        writer.write(Stalled, stalled, if is_unusable(situation) { ready_message } else { message }),
    ]
}

/// The message of Ready explains why a person is needed.
fn is_unusable(situation: JobSituation) -> bool {
    matches!(situation, JobSituation::Succeeded { result: JobResult::Unusable(_), .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn written(situation: JobSituation, before: &[Condition]) -> Vec<Condition> {
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        job_conditions(situation, ("because", "seen"), before, 1, now)
    }

    fn row(conditions: &[Condition]) -> [String; 5] {
        ["Complete", "Failed", "Ready", "Reconciling", "Stalled"].map(|type_| {
            let condition = conditions.iter().find(|condition| condition.type_ == type_).unwrap();
            format!("{}/{}", condition.status, condition.reason)
        })
    }

    #[test]
    fn conditions_follow_the_table() {
        const FINE: &str = "False/AsExpected";
        const UNSEEN: &str = "Unknown/ObservationPending";
        let running = written(JobSituation::InProgress(Reason::Running), &[]);
        let usable = JobResult::Usable(Reason::Restorable);
        let done = written(JobSituation::Succeeded { again: false, result: usable }, &running);
        let succeeded = |again, result| JobSituation::Succeeded { again, result };
        let gone = JobResult::Unusable(Reason::ExternallyDeleted);
        let rows: &[(JobSituation, &[Condition], [&str; 5])] = &[
            (JobSituation::NotObservedYet, &[], [UNSEEN, FINE, UNSEEN, "True/ObservationPending", FINE]),
            (
                JobSituation::InProgress(Reason::Running),
                &[],
                ["False/Running", FINE, "False/Running", "True/Running", FINE],
            ),
            (
                JobSituation::Unreachable(Reason::CloudUnreachable),
                &running,
                ["False/CloudUnreachable", FINE, "Unknown/CloudUnreachable", "True/Running", FINE],
            ),
            (
                JobSituation::Blocked(Reason::BackupLimitReached),
                &running,
                [
                    "False/BackupLimitReached",
                    FINE,
                    "False/BackupLimitReached",
                    FINE,
                    "True/BackupLimitReached",
                ],
            ),
            (succeeded(false, usable), &running, ["True/Completed", FINE, "True/Restorable", FINE, FINE]),
            (
                succeeded(true, gone),
                &[],
                ["True/AlreadyCompleted", FINE, "False/ExternallyDeleted", FINE, "True/ExternallyDeleted"],
            ),
            (
                succeeded(false, JobResult::Unchanged),
                &done,
                ["True/Completed", FINE, "True/Restorable", FINE, FINE],
            ),
            (
                succeeded(false, JobResult::Unknown(Reason::Forbidden)),
                &done,
                ["True/Completed", FINE, "Unknown/Forbidden", FINE, FINE],
            ),
            (
                JobSituation::Failed(Reason::Expired),
                &running,
                ["False/Expired", "True/Expired", "False/Expired", FINE, "True/Expired"],
            ),
            (
                JobSituation::Deleting,
                &done,
                ["True/Completed", FINE, "False/Deleting", "True/Deleting", FINE],
            ),
            (
                JobSituation::DeletionBlocked(Reason::Forbidden),
                &done,
                ["True/Completed", FINE, "False/Deleting", FINE, "True/Forbidden"],
            ),
        ];
        for (situation, before, expected) in rows {
            let conditions = written(*situation, before);
            assert_eq!(row(&conditions), *expected, "{situation:?}");
            let both = conditions
                .iter()
                .filter(|c| ["Reconciling", "Stalled"].contains(&c.type_.as_str()) && c.status == "True");
            assert!(both.count() < 2, "{situation:?}");
        }
    }
}
