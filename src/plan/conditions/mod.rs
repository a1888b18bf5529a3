//! The truth table of the conditions of long-lived kinds: what an object says in which situation.
//!
//! `Ready` follows what was last seen of the instance ([`Readiness`]); the other three follow the [`Situation`].
//! Where several situations meet, the first in the order of [`Situation::rank`] is told.

mod transitions;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use self::transitions::{Transition, transitions};
use crate::api::{ConditionType, Reason, time};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Situation {
    /// Nobody has looked at the object yet.
    NotObservedYet,
    /// The instance is being made.
    Creating,
    /// The cloud matches the spec.
    InSync,
    /// A change is on its way, and the instance serves meanwhile.
    Changing(Reason),
    /// The instance does not serve.
    NotServing {
        /// In the cloud's word.
        why: Reason,
        /// Whether it is so because of what we do.
        ours: bool,
    },
    /// Something waits for a time or a person, and nothing is wrong.
    Waiting(Reason),
    /// The object is paused.
    Paused,
    /// The cloud did not answer, or not fully, the last time it was asked.
    Unreachable(Reason),
    /// The cloud did not answer for so long that nothing can be said about the instance.
    TooOld,
    /// A person is needed.
    Blocked(Reason),
    /// The instance is being removed.
    Deleting,
    /// The object is to be removed, but it is paused.
    DeletionPaused,
    /// The object is to be removed, but a person is needed first.
    DeletionBlocked(Reason),
}

/// What is known of whether clients can use the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// It serves.
    Serving,
    /// It exists and does not serve.
    NotServing(Reason),
    /// There is none: not yet, or no longer.
    Missing(Reason),
    /// This process has not seen it yet: what was said before stands.
    Unchanged,
    /// It was last seen too long ago.
    TooOld,
}

/// A situation with the words that explain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// Which row.
    pub situation: Situation,
    /// What is the matter, and what happens next.
    pub message: String,
}

/// A cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConditionValue {
    True(Reason),
    False(Reason),
    Unknown(Reason),
    /// What was said before stands; if nothing was, the cell within.
    KeepPrevious(&'static ConditionValue),
}

// === impl Situation ===

impl Situation {
    /// Its place where several meet; the smallest is told. Deletion, invalid spec, paused, ownership and credentials,
    /// unreachable, not serving, changing, waiting, in sync.
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

    /// Synced, Reconciling, Stalled.
    fn values(self) -> [ConditionValue; 3] {
        use ConditionValue::{False, KeepPrevious, True, Unknown};
        const FINE: ConditionValue = ConditionValue::False(Reason::AsExpected);
        const NOT_COMPARED: ConditionValue = ConditionValue::Unknown(Reason::ObservationPending);
        const NOT_BEGUN: ConditionValue = ConditionValue::True(Reason::ObservationPending);
        match self {
            Self::NotObservedYet => [NOT_COMPARED, NOT_BEGUN, FINE],
            Self::Creating => [False(Reason::Applying), True(Reason::Creating), FINE],
            Self::InSync => [True(Reason::InSync), FINE, FINE],
            Self::Changing(what) => [False(Reason::Applying), True(what), FINE],
            Self::NotServing { why, ours: true } => [KeepPrevious(&NOT_COMPARED), True(why), FINE],
            Self::NotServing { why: _, ours: false } => {
                [KeepPrevious(&NOT_COMPARED), FINE, KeepPrevious(&FINE)]
            }
            Self::Waiting(reason) => [False(reason), FINE, FINE],
            Self::Paused | Self::DeletionPaused => [Unknown(Reason::Paused), FINE, FINE],
            Self::Unreachable(reason) => [Unknown(reason), KeepPrevious(&NOT_BEGUN), FINE],
            Self::TooOld => [Unknown(Reason::ObservationTooOld), KeepPrevious(&NOT_BEGUN), FINE],
            Self::Blocked(reason) | Self::DeletionBlocked(reason) => [False(reason), FINE, True(reason)],
            Self::Deleting => [False(Reason::Deleting), True(Reason::Deleting), FINE],
        }
    }

    fn ready(self, readiness: Readiness) -> ConditionValue {
        const UNSEEN: ConditionValue = ConditionValue::Unknown(Reason::ObservationPending);
        match (self, readiness) {
            (Self::Deleting | Self::DeletionPaused | Self::DeletionBlocked(_), _) => {
                ConditionValue::False(Reason::Deleting)
            }
            (Self::TooOld, _) | (_, Readiness::TooOld) => ConditionValue::Unknown(Reason::ObservationTooOld),
            (Self::NotObservedYet, _) => UNSEEN,
            (_, Readiness::Serving) => ConditionValue::True(Reason::Available),
            (_, Readiness::NotServing(why)) => ConditionValue::False(why),
            // What stands in the way says more than that there is nothing.
            (Self::Blocked(reason), Readiness::Missing(_)) => ConditionValue::False(reason),
            (Self::Paused | Self::Unreachable(_), Readiness::Missing(_)) => {
                ConditionValue::KeepPrevious(&UNSEEN)
            }
            (_, Readiness::Missing(why)) => ConditionValue::False(why),
            (_, Readiness::Unchanged) => ConditionValue::KeepPrevious(&UNSEEN),
        }
    }
}

/// The finding that is told, of several; there is always one.
pub fn most_important(first: Assessment, others: impl IntoIterator<Item = Assessment>) -> Assessment {
    others.into_iter().fold(
        first,
        |told, other| {
            if other.situation.rank() < told.situation.rank() { other } else { told }
        },
    )
}

/// The conditions of an object. Times are kept where the status stays the same, and texts where all that a condition
/// says was said before.
pub fn conditions(
    assessment: &Assessment,
    (readiness, ready_message): (Readiness, &str),
    before: &[Condition],
    generation: i64,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    let [synced, reconciling, stalled] = assessment.situation.values();
    let ready = assessment.situation.ready(readiness);
    // Of a generation that was not compared yet it cannot be said that nothing is left to do.
    let compared =
        before.iter().any(|c| c.type_ == "Reconciling" && c.observed_generation == Some(generation));
    let reconciling = match reconciling {
        ConditionValue::KeepPrevious(otherwise) if !compared => *otherwise,
        value => value,
    };
    let explained = &assessment.message;
    let writer = Writer { before, generation, now };
    vec![
        writer.write(ConditionType::Ready, ready, ready_message),
        writer.write(ConditionType::Synced, synced, explained),
        writer.write(ConditionType::Reconciling, reconciling, explained),
        writer.write(ConditionType::Stalled, stalled, explained),
    ]
}

/// Whether the binding Secret can be relied on, said as the others are.
pub fn binding_published(
    (published, reason, message): (bool, Reason, &str),
    before: &[Condition],
    generation: i64,
    now: DateTime<Utc>,
) -> Condition {
    let value = if published { ConditionValue::True(reason) } else { ConditionValue::False(reason) };
    Writer { before, generation, now }.write(ConditionType::BindingPublished, value, message)
}

/// Writes one condition after another.
struct Writer<'a> {
    before: &'a [Condition],
    generation: i64,
    now: DateTime<Utc>,
}

// === impl Writer ===

impl Writer<'_> {
    fn write(&self, type_: ConditionType, value: ConditionValue, message: &str) -> Condition {
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
            message: if reason == Reason::AsExpected { String::new() } else { message.to_owned() },
            observed_generation: Some(self.generation),
            last_transition_time: unchanged
                .map_or_else(|| time::to_kube(self.now), |before| before.last_transition_time.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
