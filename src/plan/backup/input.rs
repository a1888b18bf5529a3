//! The complete input of a plan. The reconciler gathers it and decides nothing; the planner reads nothing else.

use std::time::Duration;

use crate::{
    api::{
        DcsBackupSpec, DcsBackupStatus,
        instance::{DeletionPolicy, Holder},
        operation::OperationStatus,
        time,
        words::{OperationOutcome, OperationType},
    },
    dcs::model::{BackupRecord, BackupStatus},
    formats::{Execution, JobMark},
    plan::{
        Blocker, Definition,
        instance::observed::{Detail, Now, PlannerSettings, ResolvedAccount},
        job::{self, InstanceObject, InstanceView, RecordList, Records, Subject, before_name, timestamp},
        operation::{AttemptContext, Creation, is_unresolved},
    },
};

/// The known state of an object, its instance and its account.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The object itself.
    pub subject: Subject,
    /// The spec.
    pub spec: DcsBackupSpec,
    /// The last status.
    pub status: DcsBackupStatus,
    /// The account that the credentials resolve to, or why there is none.
    pub account: Result<ResolvedAccount, Blocker>,
    /// The DcsInstance that the object is about.
    pub instance: InstanceObject,
    /// The DcsRestore that made the object, by its label.
    pub restore: Option<String>,
    /// The DcsRestore that needs the backup until it has ended.
    pub used_by: Option<String>,
    /// The ids of the backups of the instance that DcsRestores need until they have ended, and the names of those.
    pub needed: Vec<(String, String)>,
    /// The other DcsBackups of the same DcsInstance.
    pub siblings: Vec<Sibling>,
    /// An object of the namespace cannot be decoded: it may be another one.
    pub has_unreadable: bool,
    /// The results of this reconcile's lookups.
    pub lookups: LookupResults,
    /// When this process first saw the object.
    pub first_seen: Duration,
    /// When this process first saw the present attempt in `status.operation`.
    pub intent_seen: Option<Duration>,
    /// The last backup that this process began, whatever the status says by now.
    pub creation: Option<Creation>,
    /// This process put its finalizer on the object.
    pub finalizer_added: bool,
    /// Consecutive reconciles that failed.
    pub failures: u32,
    /// The annotation asks for a retry that this process has not served.
    pub retry: bool,
    /// The current time.
    pub now: Now,
    /// The operator's settings.
    pub settings: PlannerSettings,
}

/// Another DcsBackup of the same DcsInstance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sibling {
    /// metadata.name.
    pub name: String,
    /// `status.id`.
    pub id: Option<String>,
    /// The mark that its backup carries, if the instance is known.
    pub mark: Option<JobMark>,
    /// Its backup has to stay: it is pinned, or stays when the object is deleted.
    pub keeps: bool,
    /// The DcsRestore that needs the backup until it has ended.
    pub used_by: Option<String>,
}

/// The results of the lookups that the plans of this reconcile asked for.
#[derive(Debug, Clone, Default)]
pub struct LookupResults {
    /// The instance whose backups were listed, and the result.
    pub backups: Option<(String, Backups)>,
    /// The instance whose detail was read, and the result.
    pub instance: Option<(String, Detail)>,
    /// The object's CustomResourceDefinition.
    pub definition: Option<Result<Definition, Blocker>>,
}

/// The backups of an instance.
pub type Backups = Records<BackupRecord>;
/// A complete list of them.
pub type BackupList = RecordList<BackupRecord>;

// === impl BackupList ===

impl BackupList {
    /// The backup with this id.
    pub fn find(&self, id: &str) -> Option<&BackupRecord> {
        self.records.iter().find(|record| record.backup_id == id)
    }

    /// The backup with this mark. Of several, one that exists, and of those the one that was made first.
    pub fn marked(&self, mark: &JobMark) -> Option<&BackupRecord> {
        let has_mark = |record: &&BackupRecord| record.remark.as_deref().is_some_and(|text| mark.is_in(text));
        let order = |record: &&BackupRecord| {
            let is_gone = matches!(record.status, Some(BackupStatus::Deleted | BackupStatus::Expired));
            (is_gone, record.created_at, record.backup_id.clone())
        };
        self.records.iter().filter(has_mark).min_by_key(order)
    }
}

/// The mark that an object's backup of an instance carries. With an absolute time in the spec it stands for one execution,
/// whichever object asks.
pub fn mark((namespace, name, uid): (&str, &str, &str), spec: &DcsBackupSpec, instance: &str) -> JobMark {
    let Some(before) = &spec.start_before else { return JobMark::of_uid(uid) };
    JobMark::of_execution(&Execution {
        kind: "DcsBackup",
        namespace,
        name,
        instances: &[instance],
        time: &timestamp(before),
        source: None,
    })
}

/// The request for the backup that a status records, unless it was refused.
pub(super) fn open_request(status: &DcsBackupStatus) -> Option<&OperationStatus> {
    status.operation.as_ref().filter(|operation| {
        operation.type_ == OperationType::Backup && operation.outcome != Some(OperationOutcome::Refused)
    })
}

// === impl Observed ===

impl Observed {
    /// The mark of the object's backup of an instance.
    pub(super) fn mark(&self, instance: &str) -> JobMark {
        let Subject { namespace, name, uid, .. } = &self.subject;
        mark((namespace, name, uid), &self.spec, instance)
    }

    /// The id of the instance: the one that the backup was requested from, else that of the DcsInstance now.
    pub(super) fn instance_id(&self) -> Option<&str> {
        let recorded = self.status.instance.as_ref().and_then(|instance| instance.id.as_deref());
        let current = self.instance.id();
        if self.has_begun() { recorded.or(current) } else { current }
    }

    /// The backup exists, or was requested.
    pub(super) fn has_begun(&self) -> bool {
        self.status.id.is_some() || self.open_request().is_some()
    }

    /// The request for the backup, unless it was refused.
    pub(super) fn open_request(&self) -> Option<&OperationStatus> {
        open_request(&self.status)
    }

    /// The detail of an instance, if this reconcile has read it.
    pub(super) fn detail(&self, instance: &str) -> Option<&Detail> {
        self.lookups.instance.as_ref().filter(|(id, _)| id == instance).map(|(_, detail)| detail)
    }

    /// The id of the backup: the one recorded, else the one to adopt.
    pub(super) fn known_id(&self) -> Option<&str> {
        let adopted = self.spec.adopt.as_ref().map(|adopt| adopt.backup_id.as_str());
        self.status.id.as_deref().or(adopted)
    }

    /// It is the object's turn, or that of the DcsRestore that made it and waits for its backup.
    pub(super) fn is_turn(&self, view: &InstanceView) -> bool {
        let is_maker = |holder: &Holder| {
            holder.kind == "DcsRestore"
                && self.restore.as_ref() == Some(&holder.name)
                && self.subject.name == before_name(&holder.name, &holder.uid)
        };
        view.holder.as_ref().is_some_and(|holder| holder.uid == self.subject.uid || is_maker(holder))
    }

    /// What happens to the backup when the object is deleted.
    pub(super) fn deletion_policy(&self) -> DeletionPolicy {
        let default = if self.spec.adopt.is_some() { DeletionPolicy::Retain } else { DeletionPolicy::Delete };
        self.spec.deletion_policy.unwrap_or(default)
    }

    /// What decides about the attempts of the object.
    pub(super) fn attempts(&self) -> AttemptContext<'_> {
        let settings = (&self.settings, self.now);
        job::attempts(&self.subject, &self.account, settings, (self.intent_seen, self.retry))
    }

    /// Until when a request with an unknown outcome, or one of which the status has lost the trace, can take effect unseen.
    pub(super) fn unseen_until(&self) -> Option<Duration> {
        let window = self.settings.window();
        let operation = self.status.operation.as_ref();
        let open = self.open_request().filter(|operation| is_unresolved(operation));
        let open = open.map(|operation| self.attempts().window_end(Some(operation)));
        let own =
            self.creation.as_ref().filter(|creation| creation.id != self.status.id || creation.id.is_none());
        let own = own.map(|creation| creation.begun.saturating_add(window));
        let lost = operation.is_none() && self.has_foreign_finalizer();
        let lost = lost.then(|| self.first_seen.saturating_add(window));
        open.max(own).max(lost)
    }

    /// An earlier process put the finalizer on the object, and the status does not say what for.
    pub(super) fn has_foreign_finalizer(&self) -> bool {
        self.status.id.is_none() && self.subject.finalizer && !self.finalizer_added
    }

    /// The status was lost: an object has conditions before it has the finalizer.
    pub(super) fn has_lost_status(&self) -> bool {
        self.has_foreign_finalizer() && self.status.conditions.is_empty() && self.status.operation.is_none()
    }

    /// How long the backup may take, by the spec.
    pub(super) fn running_limit(&self) -> Duration {
        let seconds = self.spec.running_deadline_seconds.unwrap_or(14_400);
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    /// How long ago the backup was requested, by the clocks of operator processes: that of the cloud may differ.
    pub(super) fn running_for(&self) -> Option<Duration> {
        let began = time::from_kube(self.open_request()?.attempted_at.as_ref()?);
        Some(self.now.wall.signed_duration_since(began).to_std().unwrap_or_default())
    }

    /// The backup should have ended. An adopted one has no deadline.
    pub(super) fn is_overdue(&self) -> bool {
        let over = self.running_for().is_some_and(|elapsed| elapsed >= self.running_limit());
        over && self.status.outcome.is_none()
    }

    /// How long ago the object was created.
    pub(super) fn age(&self) -> Duration {
        self.now.wall.signed_duration_since(self.subject.created).to_std().unwrap_or_default()
    }

    /// How fast to retry what failed for this reason.
    pub(super) fn retry_delay(&self, blocker: &Blocker) -> Duration {
        self.settings.requeue.retry_delay(blocker.retry_class(), self.failures.max(1))
    }
}
