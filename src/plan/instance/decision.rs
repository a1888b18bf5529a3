//! What a phase decided. `status` composes the plan from it.

use std::time::Duration;

use super::{
    action::Step,
    input::observed::{Blocker, Observed},
    intent::Refusal,
};
use crate::{
    api::{
        Reason,
        instance::{OperationStatus, PendingChange, Resolved},
        words::OperationOutcome,
    },
    dcs::model::InstanceFacts,
    plan::conditions::{Assessment, Readiness, Situation},
    plan::schedule::RetryClass,
};

/// Condition message from the accepted create request until the instance is created.
pub(super) const BEING_CREATED: &str = "DCS is creating the instance";

/// What a phase decided. What a decision does not set stays as the status has it.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) step: Step,
    pub(super) assessment: Assessment,
    /// Replaces the readiness that follows from the last observation.
    pub(super) readiness: Option<(Readiness, String)>,
    /// The newest facts of the object's instance, if they were observed.
    pub(super) facts: Option<InstanceFacts>,
    pub(super) id: Option<String>,
    pub(super) operation: Option<OperationStatus>,
    /// What a new instance is going to be.
    pub(super) resolved: Option<Resolved>,
    pub(super) pending: Vec<PendingChange>,
    /// The next visit is due after this at the latest.
    pub(super) wait: Duration,
    /// Newer lists of every topic have to prove something first.
    pub(super) needs_lists: bool,
    pub(super) without_status_write: bool,
    /// The instance that the status reported turned out to be another object's.
    pub(super) disowned: bool,
}

// === impl Decision ===

impl Decision {
    /// Takes no step; the next visit is due at the resync interval.
    pub(super) fn new(o: &Observed, situation: Situation, message: impl Into<String>) -> Self {
        Self {
            step: Step::Nothing,
            assessment: Assessment { situation, message: message.into() },
            readiness: None,
            facts: None,
            id: o.status.id.clone(),
            operation: o.status.operation.clone(),
            resolved: None,
            pending: Vec::new(),
            wait: o.settings.requeue.resync_interval(&o.subject.uid),
            needs_lists: false,
            without_status_write: false,
            disowned: false,
        }
    }

    /// A person has to act.
    pub(super) fn blocked(o: &Observed, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(o, Situation::Blocked(reason), message)
    }

    /// A lookup failed. It is repeated, and blocks the object if only a person can mend the cause.
    pub(super) fn lookup_failed(o: &Observed, blocker: &Blocker) -> Self {
        let situation = match blocker.retry_class() {
            RetryClass::Kube
            | RetryClass::Transient
            | RetryClass::CreateFailed
            | RetryClass::Ineffective
            | RetryClass::Rejected => Situation::Unreachable(blocker.reason),
            RetryClass::NeedsUser | RetryClass::AccountLimit => Situation::Blocked(blocker.reason),
        };
        Self::new(o, situation, &blocker.message).wait(o.retry_delay_for(blocker))
    }

    /// The read of an existing instance failed.
    pub(super) fn unreadable(o: &Observed, blocker: &Blocker) -> Self {
        Self::lookup_failed(o, blocker)
    }

    /// The instance is being created, or is about to be.
    pub(super) fn creating(o: &Observed, message: &str) -> Self {
        Self::new(o, Situation::Creating, message)
            .ready(Readiness::Missing(Reason::Creating), message)
            .wait(o.settings.requeue.operation_check_interval)
    }

    /// An existing instance is being adopted; `why` says what it waits for, if anything.
    pub(super) fn adopting(o: &Observed, id: &str, why: &str) -> Self {
        let separator = if why.is_empty() { "" } else { ": " };
        let message = format!("instance {id} is being adopted{separator}{why}");
        let message = match o.last_refusal_of_adoption() {
            Some(problem) => format!("{message}; the last attempt failed: {problem}"),
            None => message,
        };
        Self::new(o, Situation::Changing(Reason::Adopting), message)
            .wait(o.settings.requeue.operation_check_interval)
    }

    /// The object's instance is being deleted or released.
    pub(super) fn deleting(o: &Observed, message: &str) -> Self {
        Self::new(o, Situation::Deleting, message)
            .ready(Readiness::Unchanged, message)
            .wait(o.settings.requeue.operation_check_interval)
    }

    /// The deletion waits for a person.
    pub(super) fn deletion_blocked(o: &Observed, reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(o, Situation::DeletionBlocked(reason), &message).ready(Readiness::Unchanged, &message)
    }

    /// Something that the deletion needs failed. It is repeated, and blocks the deletion if only a person can mend it.
    pub(super) fn deletion_failed(o: &Observed, blocker: &Blocker) -> Self {
        let message = format!("{}; until then the instance is not deleted", blocker.message);
        let decision = if blocker.needs_person() {
            Self::deletion_blocked(o, blocker.reason, message)
        } else {
            Self::deleting(o, &message)
        };
        decision.wait(o.retry_delay_for(blocker))
    }

    /// DCS refused to put the ownership tags on an instance.
    pub(super) fn adoption_refused(o: &Observed, id: &str, refusal: &Refusal) -> Self {
        let message = format!("instance {id} cannot be adopted: {}", refusal.message);
        Self::blocked(o, refusal.reason, message)
            .ready(Readiness::NotServing(Reason::Adopting), format!("instance {id} is not adopted yet"))
            .wait(o.needs_user())
    }

    pub(super) fn step(self, step: Step) -> Self {
        Self { step, ..self }
    }

    pub(super) fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Newer lists of every topic are needed, and prove nothing before `wait`.
    pub(super) fn until_proven(self, wait: Option<Duration>) -> Self {
        Self { needs_lists: true, wait: wait.unwrap_or(self.wait), ..self }
    }

    pub(super) fn ready(self, readiness: Readiness, message: impl Into<String>) -> Self {
        Self { readiness: Some((readiness, message.into())), ..self }
    }

    /// Sets the newest facts of the object's instance.
    pub(super) fn with_observation(self, facts: &InstanceFacts) -> Self {
        Self { id: Some(facts.id.clone()), facts: Some(facts.clone()), ..self }
    }

    pub(super) fn resolved(self, resolved: Resolved) -> Self {
        Self { resolved: Some(resolved), ..self }
    }

    pub(super) fn pending(self, pending: Vec<PendingChange>) -> Self {
        Self { pending, ..self }
    }

    /// The instance is another object's: nothing of it is reported any more.
    pub(super) fn disowned(self) -> Self {
        Self { disowned: true, ..self }
    }

    /// No operation is in progress any more.
    pub(super) fn clear_operation(self) -> Self {
        Self { operation: None, ..self }
    }

    /// Writes no status.
    pub(super) fn without_status_write(self) -> Self {
        Self { without_status_write: true, ..self }
    }

    /// The last request may still have an effect, or had one.
    pub(super) fn has_effective_operation(&self) -> bool {
        self.operation.as_ref().is_some_and(|operation| operation.outcome != Some(OperationOutcome::Refused))
    }
}
