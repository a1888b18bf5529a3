//! What a phase decided. `status` composes the plan from it.

use std::time::Duration;

use super::{action::Step, input::Observed, record::observe};
use crate::{
    api::{ConditionType, DcsRestoreStatus, Reason, words::JobOutcome},
    dcs::model::RestoreRecord,
    plan::{
        Blocker, Warning,
        conditions::{JobResult, JobSituation},
        job::REFERENCE_GRACE,
    },
};

/// What a phase decided.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) step: Step,
    pub(super) situation: JobSituation,
    pub(super) message: String,
    /// The status as the phase leaves it, but for the conditions.
    pub(super) status: DcsRestoreStatus,
    pub(super) warnings: Vec<Warning>,
    /// The next visit is due after this at the latest.
    pub(super) wait: Duration,
    pub(super) publish: bool,
}

// === impl Decision ===

impl Decision {
    /// Takes no step; the next visit is due at the resync interval.
    pub(super) fn new(o: &Observed, situation: JobSituation, message: impl Into<String>) -> Self {
        Self {
            step: Step::Nothing,
            situation,
            message: message.into(),
            status: o.status.clone(),
            warnings: Vec::new(),
            wait: o.settings.requeue.resync_interval(&o.subject.uid),
            publish: true,
        }
    }

    /// The operator has just started.
    pub(super) fn not_observed_yet(o: &Observed) -> Self {
        let message = "the operator has just started";
        Self { publish: false, ..Self::new(o, JobSituation::NotObservedYet, message) }
    }

    /// The job waits for something, or runs.
    pub(super) fn in_progress(o: &Observed, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(o, JobSituation::InProgress(reason), message)
    }

    /// A person has to act.
    pub(super) fn blocked(o: &Observed, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(o, JobSituation::Blocked(reason), message).wait(o.settings.requeue.needs_user.first)
    }

    /// A lookup failed. It is repeated, and blocks the object if only a person can mend the cause.
    pub(super) fn lookup_failed(o: &Observed, blocker: &Blocker) -> Self {
        let situation = if blocker.needs_person() {
            JobSituation::Blocked(blocker.reason)
        } else {
            JobSituation::Unreachable(blocker.reason)
        };
        Self::new(o, situation, &blocker.message).wait(o.retry_delay(blocker))
    }

    /// The job has ended without success.
    pub(super) fn failed(o: &Observed, reason: Reason, message: impl Into<String>) -> Self {
        let mut decision = Self::new(o, JobSituation::Failed(reason), message);
        decision.status.outcome = Some(JobOutcome::Failed);
        decision.status.pending_approval = None;
        decision
    }

    /// The data was replaced. `again`: for an earlier object.
    pub(super) fn succeeded(o: &Observed, again: bool, message: impl Into<String>) -> Self {
        let reason = if again { Reason::AlreadyCompleted } else { Reason::Completed };
        let situation = JobSituation::Succeeded { again, result: JobResult::Usable(reason) };
        let mut decision = Self::new(o, situation, message);
        decision.status.outcome = Some(JobOutcome::Succeeded);
        decision
    }

    /// The object is being deleted.
    pub(super) fn deleting(o: &Observed) -> Self {
        let message = if o.has_begun() {
            "DCS goes on with the restore, which cannot be stopped"
        } else {
            "the restore has not begun, and will not"
        };
        Self::new(o, JobSituation::Deleting, message)
    }

    /// The end stays what it was.
    pub(super) fn ended(o: &Observed) -> Self {
        let last = |type_: ConditionType| {
            let found = o.status.conditions.iter().find(|condition| condition.type_ == type_.as_str());
            found.map(|condition| (condition.reason.clone(), condition.message.clone())).unwrap_or_default()
        };
        if o.status.outcome == Some(JobOutcome::Succeeded) {
            let (reason, message) = last(ConditionType::Complete);
            return Self::succeeded(o, reason == Reason::AlreadyCompleted.as_str(), message);
        }
        let (word, message) = last(ConditionType::Failed);
        Self::failed(o, Reason::from_word(&word).unwrap_or(Reason::OperationFailed), message)
    }

    /// An object that a `field` of the spec names does not exist.
    pub(super) fn missing(o: &Observed, what: &str, field: &str) -> Self {
        let poll = o.settings.requeue.resync_interval(&o.subject.uid);
        match REFERENCE_GRACE.checked_sub(o.age()).filter(|rest| !rest.is_zero()) {
            Some(rest) => {
                let message = format!("{what} does not exist yet");
                Self::in_progress(o, Reason::WaitingForReference, message).wait(rest.min(poll))
            }
            None => {
                let namespace = &o.subject.namespace;
                let message =
                    format!("{what} does not exist in namespace {namespace}: create it, or correct {field}");
                Self::blocked(o, Reason::ReferenceNotFound, message).wait(poll)
            }
        }
    }

    pub(super) fn step(self, step: Step) -> Self {
        Self { step, ..self }
    }

    pub(super) fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Changes the status.
    pub(super) fn with(mut self, change: impl FnOnce(&mut DcsRestoreStatus)) -> Self {
        change(&mut self.status);
        self
    }

    /// What the cloud shows of the restore.
    pub(super) fn with_record(self, o: &Observed, record: &RestoreRecord) -> Self {
        self.with(|status| observe(o, record, status))
    }
}
