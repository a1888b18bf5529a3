//! The complete input of a plan. The reconciler gathers it and decides nothing; the planner reads nothing else.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    api::{
        DcsRestoreSpec, DcsRestoreStatus,
        backup::BackedUpInstance,
        operation::OperationStatus,
        restore::RestoreSource,
        time,
        words::{JobOutcome, OperationOutcome, OperationType},
    },
    dcs::model::{BackupRecord, RestoreRecord},
    formats::{Execution, JobMark},
    plan::{
        Blocker, Definition,
        instance::observed::{Detail, Now, PlannerSettings, ResolvedAccount},
        job::{self, InstanceObject, RecordList, Records, Subject},
        operation::{AttemptContext, Creation},
    },
};

/// An object that is younger when this process first sees it, after it has seen others for a while, has asked for nothing yet.
const NEW: Duration = Duration::from_secs(10);

/// The restores of an instance.
pub type Restores = Records<RestoreRecord>;

/// The known state of an object, its instance and its account.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The object itself.
    pub subject: Subject,
    /// The token of the annotation that approves.
    pub approval_token: Option<String>,
    /// The spec.
    pub spec: DcsRestoreSpec,
    /// The last status.
    pub status: DcsRestoreStatus,
    /// The account that the credentials resolve to, or why there is none.
    pub account: Result<ResolvedAccount, Blocker>,
    /// The DcsInstance that the object is about.
    pub instance: InstanceObject,
    /// The DcsBackups of the namespace.
    pub backups: Vec<BackupObject>,
    /// Why the API server has refused to create the backup before the restore.
    pub refusal: Option<String>,
    /// The results of this reconcile's lookups.
    pub lookups: LookupResults,
    /// When this process began to look at objects.
    pub process_began: Duration,
    /// When this process last asked for a restore of the instance, whichever object it was for.
    pub last_restore: Option<Duration>,
    /// When this process first saw the object.
    pub first_seen: Duration,
    /// When this process first saw the present attempt in `status.operation`.
    pub intent_seen: Option<Duration>,
    /// The last restore that this process began, whatever the status says by now.
    pub creation: Option<Creation>,
    /// Consecutive reconciles that failed.
    pub failures: u32,
    /// The annotation asks for a retry that this process has not served.
    pub retry: bool,
    /// Random hex digits.
    pub nonce: String,
    /// The current time.
    pub now: Now,
    /// The operator's settings.
    pub settings: PlannerSettings,
}

/// A DcsBackup of the namespace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BackupObject {
    /// metadata.name.
    pub name: String,
    /// `spec.instanceRef.name`.
    pub instance_name: String,
    /// The DcsRestore that made it, by its label.
    pub restore: Option<String>,
    /// It is being deleted.
    pub deleting: bool,
    /// `status.id`, or the id to adopt.
    pub id: Option<String>,
    /// `status.outcome`.
    pub outcome: Option<JobOutcome>,
    /// `status.restorable`.
    pub restorable: bool,
    /// `status.completedAt`.
    pub completed: Option<DateTime<Utc>>,
    /// It takes over a backup that existed.
    pub adopts: bool,
    /// The instance as it was when the backup was made.
    pub instance: BackedUpInstance,
    /// The reason and the message of its condition Ready.
    pub ready: (String, String),
    /// It is Stalled.
    pub stalled: bool,
}

/// The results of the lookups that the plans of this reconcile asked for.
#[derive(Debug, Clone, Default)]
pub struct LookupResults {
    /// The instance whose restores were listed, and the result.
    pub restores: Option<(String, Restores)>,
    /// The instance whose backups were listed, and the result.
    pub backups: Option<(String, Records<BackupRecord>)>,
    /// The instance whose detail was read, and the result.
    pub instance: Option<(String, Detail)>,
    /// The object's CustomResourceDefinition.
    pub definition: Option<Result<Definition, Blocker>>,
}

/// Where the data comes from, as the manifest writes it.
pub(super) fn source_text(source: &RestoreSource) -> String {
    let RestoreSource { latest_before, backup_ref, backup_id } = source;
    let time = latest_before.as_ref().map(|at| format!("latestBefore={}", job::timestamp(at)));
    let name = backup_ref.as_ref().map(|named| format!("backupRef={}", named.name));
    let id = backup_id.as_ref().map(|id| format!("backupId={id}"));
    time.or(name).or(id).unwrap_or_default()
}

/// The restore with this mark. Of several, the one that was requested first.
pub(super) fn marked<'a>(list: &'a RecordList<RestoreRecord>, mark: &JobMark) -> Option<&'a RestoreRecord> {
    let has_mark =
        |record: &&RestoreRecord| record.restore_remark.as_deref().is_some_and(|remark| mark.is_in(remark));
    list.records.iter().filter(has_mark).min_by_key(|record| (record.created_at, &record.restore_id))
}

/// The request for the restore that a status records, unless it was refused.
pub(super) fn open_request(status: &DcsRestoreStatus) -> Option<&OperationStatus> {
    status.operation.as_ref().filter(|operation| {
        operation.type_ == OperationType::Restore && operation.outcome != Some(OperationOutcome::Refused)
    })
}

// === impl Observed ===

impl Observed {
    /// The mark of the object's restore of an instance. With an absolute time in the spec it stands for one execution,
    /// whichever object asks. The backup that a source resolves to is no part of it: it may be another one later.
    pub(super) fn mark(&self, instance: &str) -> JobMark {
        let Subject { namespace, name, uid, .. } = &self.subject;
        let Some(consent) = &self.spec.consent else { return JobMark::of_uid(uid) };
        JobMark::of_execution(&Execution {
            kind: "DcsRestore",
            namespace,
            name,
            instances: &[instance],
            time: &job::timestamp(&consent.not_after),
            source: Some(&source_text(&self.spec.source)),
        })
    }

    /// The id of the instance: the one that was asked to restore, else that of the DcsInstance now.
    pub(super) fn instance_id(&self) -> Option<&str> {
        let recorded = self.status.instance.as_ref().and_then(|instance| instance.id.as_deref());
        let current = self.instance.id();
        if self.has_begun() { recorded.or(current) } else { current }
    }

    /// The restore was requested.
    pub(super) fn has_begun(&self) -> bool {
        self.status.restore_id.is_some() || self.open_request().is_some()
    }

    /// The request for the restore, unless it was refused.
    pub(super) fn open_request(&self) -> Option<&OperationStatus> {
        open_request(&self.status)
    }

    /// The detail of an instance, if this reconcile has read it.
    pub(super) fn detail(&self, instance: &str) -> Option<&Detail> {
        self.lookups.instance.as_ref().filter(|(id, _)| id == instance).map(|(_, detail)| detail)
    }

    /// What decides about the attempts of the object.
    pub(super) fn attempts(&self) -> AttemptContext<'_> {
        let settings = (&self.settings, self.now);
        job::attempts(&self.subject, &self.account, settings, (self.intent_seen, self.retry))
    }

    /// Until when a request that was sent, as far as the status or this process knows, and that no id of a restore shows, can take
    /// effect unseen.
    pub(super) fn unresolved_until(&self) -> Option<Duration> {
        let open = self.open_request().filter(|_| self.status.restore_id.is_none());
        let open = open.map(|operation| self.attempts().window_end(Some(operation)));
        let own = self.creation.as_ref().filter(|_| self.status.restore_id.is_none());
        let own = own.map(|creation| creation.begun.saturating_add(self.settings.window()));
        open.max(own)
    }

    /// Until when a request of an earlier process, or for an earlier object with this manifest, can take effect unseen: an object
    /// that is not new may have lost its status.
    pub(super) fn settled_from(&self) -> Duration {
        let window = self.settings.window();
        let of_others = self.last_restore.map(|at| at.saturating_add(window)).unwrap_or_default();
        let seen_for = self.now.monotonic.saturating_sub(self.first_seen);
        let was_young = self.age().saturating_sub(seen_for) < NEW;
        if was_young && self.first_seen.saturating_sub(self.process_began) >= window {
            return of_others;
        }
        of_others.max(self.first_seen.saturating_add(window))
    }

    /// The DcsBackup of the data that the restore replaces.
    pub(super) fn before(&self) -> Option<&BackupObject> {
        let name = job::before_name(&self.subject.name, &self.subject.uid);
        self.backups.iter().find(|backup| backup.name == name)
    }

    /// How long ago the object was created.
    pub(super) fn age(&self) -> Duration {
        self.now.wall.signed_duration_since(self.subject.created).to_std().unwrap_or_default()
    }

    /// The consent has a deadline, which has passed.
    pub(super) fn is_expired(&self) -> bool {
        let consent = self.spec.consent.as_ref();
        consent.is_some_and(|consent| time::from_kube(&consent.not_after) <= self.now.wall)
    }

    /// How fast to retry what failed for this reason.
    pub(super) fn retry_delay(&self, blocker: &Blocker) -> Duration {
        self.settings.requeue.retry_delay(blocker.retry_class(), self.failures.max(1))
    }
}
