//! The truth table of the conditions of long-lived kinds: their status and reason in each situation.
//!
//! `Ready` follows the last observation of the instance ([`Readiness`]); the other three follow the [`Situation`].
//! Where several situations apply, the one with the lowest [`Situation::rank`] is reported.

mod job;
mod schedule;
mod transitions;
mod writer;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use self::writer::{ConditionValue, Writer};
pub use self::{
    job::{JobResult, JobSituation, job_conditions},
    schedule::{RunResult, ScheduleSituation, schedule_conditions},
    transitions::{Transition, transitions},
};
use crate::api::{ConditionType, Reason};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Situation {
    /// The object was not observed yet.
    NotObservedYet,
    /// The instance is being created.
    Creating,
    /// The instance matches the spec.
    InSync,
    /// A change is in progress, and the instance serves meanwhile.
    Changing(Reason),
    /// The instance does not serve.
    NotServing {
        /// The reason, from the cloud's status word.
        why: Reason,
        /// An operation causes it, and ends it.
        ours: bool,
        /// The spec asks for changes that wait for it.
        waits: bool,
    },
    /// A change waits for a time or for the user, and nothing is wrong.
    Waiting(Reason),
    /// The object is paused.
    Paused,
    /// The last request to the cloud failed, or its answer was incomplete.
    Unreachable(Reason),
    /// The last observation is too old to describe the present.
    TooOld,
    /// The user has to act.
    Blocked(Reason),
    /// The instance is being deleted or released.
    Deleting,
    /// The object is being deleted, and is paused.
    DeletionPaused,
    /// The object is being deleted, and the user has to act first.
    DeletionBlocked(Reason),
}

/// Whether clients can use the instance, as last observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// It serves.
    Serving,
    /// It exists and does not serve.
    NotServing(Reason),
    /// It does not exist: not yet, or no longer.
    Missing(Reason),
    /// This process has not observed it yet: the condition keeps its value.
    Unchanged,
    /// The last observation is too old.
    TooOld,
}

/// A situation, with a message for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The row of the table.
    pub situation: Situation,
    /// What is the matter, and what happens next.
    pub message: String,
}

// === impl Situation ===

impl Situation {
    /// The precedence where several situations apply; the lowest is reported. In order: deletion, invalid spec, paused,
    /// ownership and credentials, unreachable, not serving, changing, waiting, in sync.
    pub fn rank(self) -> u8 {
        match self {
            Self::DeletionPaused => 0,
            Self::DeletionBlocked(_) => 1,
            Self::Deleting => 2,
            Self::Blocked(Reason::InvalidSpec) => 3,
            Self::Paused => 4,
            Self::Blocked(_) => 5,
            Self::TooOld => 6,
            Self::Unreachable(_) => 7,
            Self::NotObservedYet => 8,
            Self::NotServing { .. } => 9,
            Self::Creating => 10,
            Self::Changing(_) => 11,
            Self::Waiting(_) => 12,
            Self::InSync => 13,
        }
    }

    /// The operator works on it, and needs nothing from the user.
    pub fn is_in_progress(self) -> bool {
        match self {
            Self::Creating | Self::Changing(_) | Self::Deleting => true,
            Self::NotObservedYet
            | Self::InSync
            | Self::NotServing { .. }
            | Self::Waiting(_)
            | Self::Paused
            | Self::Unreachable(_)
            | Self::TooOld
            | Self::Blocked(_)
            | Self::DeletionPaused
            | Self::DeletionBlocked(_) => false,
        }
    }

    /// The values of Synced, Reconciling and Stalled.
    fn values(self) -> [ConditionValue; 3] {
        use ConditionValue::{False, KeepPrevious, True, Unknown};
        const AS_EXPECTED: ConditionValue = ConditionValue::False(Reason::AsExpected);
        const NOT_COMPARED: ConditionValue = ConditionValue::Unknown(Reason::ObservationPending);
        const NOT_STARTED: ConditionValue = ConditionValue::True(Reason::ObservationPending);
        match self {
            Self::NotObservedYet => [NOT_COMPARED, NOT_STARTED, AS_EXPECTED],
            Self::Creating => [False(Reason::Applying), True(Reason::Creating), AS_EXPECTED],
            Self::InSync => [True(Reason::InSync), AS_EXPECTED, AS_EXPECTED],
            Self::Changing(reason) => [False(Reason::Applying), True(reason), AS_EXPECTED],
            Self::NotServing { why, ours: true, waits: _ } => {
                [KeepPrevious(&NOT_COMPARED), True(why), AS_EXPECTED]
            }
            Self::NotServing { why: _, ours: false, waits: true } => {
                [False(Reason::WaitingForInstance), AS_EXPECTED, KeepPrevious(&AS_EXPECTED)]
            }
            Self::NotServing { why: _, ours: false, waits: false } => {
                [KeepPrevious(&NOT_COMPARED), AS_EXPECTED, KeepPrevious(&AS_EXPECTED)]
            }
            Self::Waiting(reason) => [False(reason), AS_EXPECTED, AS_EXPECTED],
            Self::Paused => [Unknown(Reason::Paused), AS_EXPECTED, AS_EXPECTED],
            // A person waits for the deletion.
            Self::DeletionPaused => [Unknown(Reason::Paused), AS_EXPECTED, True(Reason::Paused)],
            Self::Unreachable(reason) => [Unknown(reason), KeepPrevious(&NOT_STARTED), AS_EXPECTED],
            Self::TooOld => [Unknown(Reason::ObservationTooOld), KeepPrevious(&NOT_STARTED), AS_EXPECTED],
            Self::Blocked(reason) | Self::DeletionBlocked(reason) => {
                [False(reason), AS_EXPECTED, True(reason)]
            }
            Self::Deleting => [False(Reason::Deleting), True(Reason::Deleting), AS_EXPECTED],
        }
    }

    fn ready(self, readiness: Readiness) -> ConditionValue {
        const NOT_OBSERVED: ConditionValue = ConditionValue::Unknown(Reason::ObservationPending);
        match (self, readiness) {
            (Self::DeletionPaused, _) => ConditionValue::False(Reason::Paused),
            (Self::Deleting | Self::DeletionBlocked(_), _) => ConditionValue::False(Reason::Deleting),
            (Self::TooOld, _) | (_, Readiness::TooOld) => ConditionValue::Unknown(Reason::ObservationTooOld),
            (Self::NotObservedYet, _) => NOT_OBSERVED,
            (_, Readiness::Serving) => ConditionValue::True(Reason::Available),
            (_, Readiness::NotServing(why)) => ConditionValue::False(why),
            // The cause of a block explains more than the absence of an instance.
            (Self::Blocked(reason), Readiness::Missing(_)) => ConditionValue::False(reason),
            (Self::Paused | Self::Unreachable(_), Readiness::Missing(_)) => {
                ConditionValue::KeepPrevious(&NOT_OBSERVED)
            }
            (_, Readiness::Missing(why)) => ConditionValue::False(why),
            (_, Readiness::Unchanged) => ConditionValue::KeepPrevious(&NOT_OBSERVED),
        }
    }
}

/// The assessment with the lowest rank; the first of equals.
pub fn most_important(first: Assessment, others: impl IntoIterator<Item = Assessment>) -> Assessment {
    others.into_iter().fold(
        first,
        |best, other| {
            if other.situation.rank() < best.situation.rank() { other } else { best }
        },
    )
}

/// The conditions of an object. A condition keeps its transition time while its status stays the same, and its
/// message where it keeps its previous value.
pub fn conditions(
    assessment: &Assessment,
    (readiness, ready_message): (Readiness, &str),
    before: &[Condition],
    generation: i64,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    let [synced, reconciling, stalled] = assessment.situation.values();
    let ready = assessment.situation.ready(readiness);
    // A generation that was not compared yet may need work: its previous value does not apply.
    let compared =
        before.iter().any(|c| c.type_ == "Reconciling" && c.observed_generation == Some(generation));
    let reconciling = match reconciling {
        ConditionValue::KeepPrevious(otherwise) if !compared => *otherwise,
        value => value,
    };
    let message = &assessment.message;
    let writer = Writer { before, generation, now };
    vec![
        writer.write(ConditionType::Ready, ready, ready_message),
        writer.write(ConditionType::Synced, synced, message),
        writer.write(ConditionType::Reconciling, reconciling, message),
        writer.write(ConditionType::Stalled, stalled, message),
    ]
}

/// The condition BindingPublished.
pub fn binding_published(
    (published, reason, message): (bool, Reason, &str),
    before: &[Condition],
    generation: i64,
    now: DateTime<Utc>,
) -> Condition {
    let value = if published { ConditionValue::True(reason) } else { ConditionValue::False(reason) };
    Writer { before, generation, now }.write(ConditionType::BindingPublished, value, message)
}

#[cfg(test)]
mod tests;
