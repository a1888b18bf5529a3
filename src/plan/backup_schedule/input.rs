//! The complete input of a plan. The reconciler gathers it and decides nothing; the planner reads nothing else.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    api::{DcsBackupScheduleSpec, DcsBackupScheduleStatus, Reason, words::JobOutcome},
    dcs::model::{BackupStatus, InstanceStatus},
    formats,
    plan::{
        Blocker,
        instance::observed::{Now, PlannerSettings},
        job::{InstanceObject, Subject},
        schedule::RetryClass,
    },
};

/// The known state of an object, its backups and its instance.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The object itself.
    pub subject: Subject,
    /// The spec.
    pub spec: DcsBackupScheduleSpec,
    /// The last status.
    pub status: DcsBackupScheduleStatus,
    /// The DcsInstance that the object is about.
    pub instance: InstanceObject,
    /// The status of the instance that DCS reports.
    pub cloud_status: Option<String>,
    /// What is known of all backups of the instance.
    pub instance_backups: Option<InstanceBackups>,
    /// The DcsBackups of the schedule and its instance.
    pub children: Vec<Child>,
    /// The results of this reconcile's lookups.
    pub lookups: LookupResults,
    /// The API server has refused to create a DcsBackup, and the status does not say so yet.
    pub refusal: Option<Refusal>,
    /// Consecutive reconciles that failed.
    pub failures: u32,
    /// The current time.
    pub now: Now,
    /// The operator's settings.
    pub settings: PlannerSettings,
}

/// The API server has refused to create a DcsBackup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it said.
    pub message: String,
    /// How many attempts it has refused in a row.
    pub attempts: u32,
}

/// All backups of an instance that DCS keeps, those of its own policy and of the console too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceBackups {
    /// How many there are.
    pub total: u32,
    /// How many of them the backup policy of DCS has made.
    pub automatic: u32,
    /// The id of the newest one that can be restored.
    pub last_successful_id: Option<String>,
}

/// A DcsBackup with the label of the schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Child {
    /// metadata.name.
    pub name: String,
    /// metadata.uid.
    pub uid: String,
    /// metadata.resourceVersion.
    pub version: String,
    /// The instance that its backup is of.
    pub instance: Option<String>,
    /// `status.cloudStatus`.
    pub cloud_status: Option<String>,
    /// metadata.creationTimestamp.
    pub created: DateTime<Utc>,
    /// metadata.deletionTimestamp is set.
    pub deleting: bool,
    /// `spec.pinned`, or deletionPolicy Retain.
    pub keeps: bool,
    /// A job that has not ended needs it.
    pub used: bool,
    /// `status.id`.
    pub id: Option<String>,
    /// `status.outcome`.
    pub outcome: Option<JobOutcome>,
    /// Status and reason of Ready.
    pub ready: Option<(String, String)>,
    /// The reason of Stalled, while that is True.
    pub stalled: Option<String>,
    /// Reason and message of Failed, while that is True.
    pub failure: Option<(String, String)>,
    /// `status.completedAt`.
    pub completed: Option<DateTime<Utc>>,
}

/// The results of the lookups that the plans of this reconcile asked for.
#[derive(Debug, Clone, Default)]
pub struct LookupResults {
    /// The DcsBackups that were read, by name.
    pub children: BTreeMap<String, ChildLookup>,
}

/// A DcsBackup, as the API server has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildLookup {
    /// None has the name.
    Absent,
    /// It is of this schedule.
    Own(Box<Child>),
    /// It is not of this schedule.
    Foreign,
    /// It could not be read.
    Failed(Blocker),
}

/// What a child is to the retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildState {
    /// It waits or runs, or is being deleted, or what became of its backup is not known just now.
    Open,
    /// Its backup can be restored.
    Restorable,
    /// Its backup exists, and cannot be restored to the instance as that is now.
    Unfit,
    /// It has no backup, or not any more.
    Failed,
}

// === impl Child ===

impl Child {
    /// What the child is to the retention.
    pub(super) fn state(&self) -> ChildState {
        let (ready, reason) = match &self.ready {
            Some((status, reason)) => (status.as_str(), reason.as_str()),
            None => ("", ""),
        };
        match &self.outcome {
            _ if self.deleting => ChildState::Open,
            None => ChildState::Open,
            // It has given up, and DCS may have gone on.
            Some(JobOutcome::Failed) if self.id.is_some() => {
                match self.cloud_status.as_deref().map(BackupStatus::from) {
                    Some(BackupStatus::Failed | BackupStatus::Expired | BackupStatus::Deleted) => {
                        ChildState::Failed
                    }
                    Some(BackupStatus::Succeed) => ChildState::Unfit,
                    Some(BackupStatus::Waiting | BackupStatus::Backuping | BackupStatus::Other(_)) | None => {
                        ChildState::Open
                    }
                }
            }
            Some(JobOutcome::Failed) => ChildState::Failed,
            Some(JobOutcome::Succeeded | JobOutcome::Other(_)) => match ready {
                "True" => ChildState::Restorable,
                "False" if reason == Reason::NotRestorable.as_str() => ChildState::Unfit,
                "False" => ChildState::Failed,
                _ => ChildState::Open,
            },
        }
    }

    /// It waits for its turn or runs.
    pub(super) fn is_active(&self) -> bool {
        self.outcome.is_none()
    }

    /// The order of age: by the end of the backup, else by the object.
    pub(super) fn age_order(&self) -> (DateTime<Utc>, &str) {
        (self.completed.unwrap_or(self.created), &self.name)
    }
}

// === impl Observed ===

impl Observed {
    /// Takes over what was read: the watch may be older.
    pub fn on_lookup(&mut self, name: &str, found: ChildLookup) {
        match &found {
            ChildLookup::Absent | ChildLookup::Foreign => self.children.retain(|child| child.name != name),
            ChildLookup::Own(now) => {
                self.children.retain(|child| child.name != name);
                self.children.push(now.as_ref().clone());
            }
            ChildLookup::Failed(_) => {}
        }
        self.lookups.children.insert(name.to_owned(), found);
    }

    /// The child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Child> {
        self.children.iter().find(|child| child.name == name)
    }

    /// What the API server has by this name, if this reconcile has read it.
    pub(super) fn looked_up(&self, name: &str) -> Option<&ChildLookup> {
        self.lookups.children.get(name)
    }

    /// The name of the backup of a time of the schedule.
    pub(super) fn child_name(&self, slot: DateTime<Utc>) -> String {
        formats::scheduled_backup_name(&self.subject.name, slot)
    }

    /// The name of the backup that is made when the schedule is created.
    pub(super) fn first_child_name(&self) -> String {
        formats::first_backup_name(&self.subject.name, &self.subject.uid)
    }

    /// The time of the schedule that a backup was made for, by its name.
    pub(super) fn slot_of(&self, name: &str) -> Option<DateTime<Utc>> {
        if name == self.first_child_name() {
            return Some(self.subject.created);
        }
        formats::slot_of_backup(&self.subject.name, name)
    }

    /// The child is a run of this schedule or of an earlier one of its name, by its name, and of the present instance: a label
    /// alone can be put on any object.
    pub(super) fn is_own_run(&self, child: &Child) -> bool {
        let is_run = self.slot_of(&child.name).is_some()
            || formats::is_first_backup_name(&self.subject.name, &child.name);
        is_run && (child.instance.is_none() || child.instance.as_deref() == self.instance.id())
    }

    /// The instance is at the number of backups that DCS keeps, as last counted: one more removes the earliest.
    pub(super) fn is_full(&self) -> bool {
        let limit = self.settings.backup_limit.map(std::num::NonZeroU32::get);
        let total = self.instance_backups.as_ref().map(|backups| backups.total);
        total.zip(limit).is_some_and(|(total, limit)| total >= limit)
    }

    /// DCS has frozen the instance.
    pub(super) fn is_frozen(&self) -> bool {
        self.cloud_status.as_deref() == Some(InstanceStatus::Frozen.as_str())
    }

    /// How long ago the object was created.
    pub(super) fn age(&self) -> Duration {
        self.now.wall.signed_duration_since(self.subject.created).to_std().unwrap_or_default()
    }

    /// How fast to repeat what the API server did not answer or accept.
    pub(super) fn retry_delay(&self, retry_class: RetryClass) -> Duration {
        self.settings.requeue.retry_delay(retry_class, self.failures.max(1))
    }
}
