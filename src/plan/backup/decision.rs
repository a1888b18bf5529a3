//! What a phase decided. `status` composes the plan from it.

use std::time::Duration;

use super::{action::Step, input::Observed};
use crate::{
    api::{Reason, backup::BackedUpInstance, words::JobOutcome},
    dcs::model::BackupRecord,
    plan::{Blocker, Warning, conditions::JobSituation},
};

/// What a phase decided. What a decision does not set stays as the status has it.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) step: Step,
    pub(super) situation: JobSituation,
    pub(super) message: String,
    /// Replaces the message of Ready.
    pub(super) ready_message: Option<String>,
    /// The backup as last listed.
    pub(super) record: Option<BackupRecord>,
    /// The instance as it is when the backup is requested.
    pub(super) instance: Option<BackedUpInstance>,
    pub(super) outcome: Option<JobOutcome>,
    /// DCS does not list the backup any more.
    pub(super) is_lost: bool,
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
            ready_message: None,
            record: None,
            instance: None,
            outcome: o.status.outcome.clone(),
            is_lost: false,
            warnings: Vec::new(),
            wait: o.settings.requeue.resync_interval(&o.subject.uid),
            publish: true,
        }
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
        let outcome = Some(JobOutcome::Failed);
        Self { outcome, ..Self::new(o, JobSituation::Failed(reason), message) }
    }

    /// The object is being deleted.
    pub(super) fn deleting(o: &Observed, message: impl Into<String>) -> Self {
        Self::new(o, JobSituation::Deleting, message)
    }

    /// Something that the deletion needs failed.
    pub(super) fn deletion_failed(o: &Observed, blocker: &Blocker) -> Self {
        let message = format!(
            "{}; until then the backup is not deleted. To leave it, set deletionPolicy to Retain",
            blocker.message
        );
        let situation = if blocker.needs_person() {
            JobSituation::DeletionBlocked(blocker.reason)
        } else {
            JobSituation::Deleting
        };
        Self::new(o, situation, message).wait(o.retry_delay(blocker))
    }

    pub(super) fn step(self, step: Step) -> Self {
        Self { step, ..self }
    }

    pub(super) fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    pub(super) fn with_record(self, record: &BackupRecord) -> Self {
        Self { record: Some(record.clone()), ..self }
    }

    /// Writes no status.
    pub(super) fn without_status_write(self) -> Self {
        Self { publish: false, ..self }
    }

    pub(super) fn warn(mut self, reason: &'static str, message: String) -> Self {
        self.warnings.push(Warning { reason, message });
        self
    }
}
