//! What is decided so far: the status as it becomes, and what it takes. `status` composes the plan from it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{action::Step, input::Observed};
use crate::{
    api::{DcsBackupScheduleStatus, Reason, backup_schedule::ActiveBackup, time},
    plan::{
        Warning,
        conditions::{RunResult, ScheduleSituation},
    },
};

/// What is decided so far.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) step: Step,
    /// The status as it becomes, without conditions and counts.
    pub(super) status: DcsBackupScheduleStatus,
    pub(super) situation: ScheduleSituation,
    /// Of the conditions.
    pub(super) message: String,
    /// How a run has ended, if one has.
    pub(super) result: Option<RunResult>,
    pub(super) warnings: Vec<Warning>,
    /// The next visit is due after this at the latest.
    pub(super) wait: Duration,
    pub(super) publish: bool,
}

// === impl Decision ===

impl Decision {
    /// Nothing is decided: runs begin when they are due.
    pub(super) fn new(o: &Observed) -> Self {
        Self {
            step: Step::Nothing,
            status: o.status.clone(),
            situation: ScheduleSituation::Armed,
            message: "backups are made when they are due".to_owned(),
            result: None,
            warnings: Vec::new(),
            wait: o.settings.requeue.resync_interval(&o.subject.uid),
            publish: true,
        }
    }

    /// Sets the situation.
    pub(super) fn situation(&mut self, situation: ScheduleSituation, message: impl Into<String>) {
        (self.situation, self.message) = (situation, message.into());
    }

    /// The next visit is due after `wait` at the latest.
    pub(super) fn wait(&mut self, wait: Duration) {
        self.wait = self.wait.min(wait);
    }

    /// The next visit is due at `at` at the latest.
    pub(super) fn wait_until(&mut self, o: &Observed, at: DateTime<Utc>) {
        self.wait(at.signed_duration_since(o.now.wall).to_std().unwrap_or_default());
    }

    /// No earlier time of the schedule is owed any more.
    pub(super) fn floor(&self) -> Option<DateTime<Utc>> {
        let of = |at: &Option<_>| at.as_ref().map(time::from_kube);
        of(&self.status.last_schedule_time).max(of(&self.status.schedule_seen_at))
    }

    /// A time of the schedule is dealt with, after `missed` others that were not.
    pub(super) fn dealt_with(&mut self, slot: DateTime<Utc>, missed: i64) {
        self.status.last_schedule_time = Some(time::to_kube(slot));
        if missed > 0 {
            let message = format!(
                "{missed} times of the schedule before {} passed without a backup, for example while the operator was down",
                shown(slot)
            );
            self.warn("MissedRuns", message);
        }
        self.count_missed(missed);
    }

    /// The backup of a time of the schedule exists.
    pub(super) fn began(&mut self, slot: DateTime<Utc>, missed: i64, name: &str) {
        self.dealt_with(slot, missed);
        self.status.active = Some(ActiveBackup { name: name.to_owned(), makes_room: None });
    }

    /// A run has made a backup.
    pub(super) fn succeeded(&mut self, at: DateTime<Utc>, message: String) {
        let last = self.status.last_successful_time.as_ref().map(time::from_kube);
        self.status.last_successful_time = Some(time::to_kube(last.map_or(at, |last| last.max(at))));
        self.status.missed_runs = Some(0);
        self.ended(Reason::Succeeded, message);
    }

    /// A run has made no backup.
    pub(super) fn unsuccessful(&mut self, reason: Reason, message: String) {
        self.count_missed(1);
        self.ended(reason, message);
    }

    pub(super) fn warn(&mut self, reason: &'static str, message: String) {
        self.warnings.push(Warning { reason, message });
    }

    fn count_missed(&mut self, missed: i64) {
        self.status.missed_runs = Some(self.status.missed_runs.unwrap_or_default().saturating_add(missed));
    }

    fn ended(&mut self, reason: Reason, message: String) {
        self.result = Some(RunResult { reason, message });
    }
}

/// A time as people and manifests write it.
pub(super) fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
