//! DcsBackup as a managed resource.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::{
    api::{
        DcsBackup, DcsBackupSpec, DcsBackupStatus, DcsInstance,
        instance::{CloudAccount, DeletionPolicy, Holder},
        time,
        words::JobOutcome,
    },
    controller::{
        ids::ObjectId,
        links::{Link, Relation},
        ports::{ManagedResource, has_finalizer},
    },
    dcs::model::BackupStatus,
    formats::{BACKUP_FINALIZER, RESTORE_LABEL, SCHEDULE_LABEL},
    plan::{
        backup::claims_instance,
        claims::{Claim, Urgency},
        operation::HasOperation,
    },
};

/// The DcsInstance that a backup is about.
pub(super) fn instance_of(object: &DcsBackup) -> ObjectId {
    let namespace = object.namespace().unwrap_or_default();
    ObjectId::new(DcsInstance::KIND, &namespace, &object.spec.instance_ref.name)
}

/// The conditions that the objects follow which have made a backup.
const WATCHED: [&str; 2] = ["Ready", "Stalled"];

/// The objects that have made a backup, by its labels.
fn owners(object: &DcsBackup) -> impl Iterator<Item = ObjectId> {
    let namespace = object.namespace().unwrap_or_default();
    [(SCHEDULE_LABEL, "DcsBackupSchedule"), (RESTORE_LABEL, "DcsRestore")]
        .into_iter()
        .filter_map(move |(label, kind)| Some(ObjectId::new(kind, &namespace, object.labels().get(label)?)))
}

/// Whether a DcsBackup is about the instance `id`, or about the DcsInstance that manages it. Several DcsInstances can name one
/// instance.
pub fn is_about(backup: &DcsBackup, instance: &ObjectId, id: &str) -> bool {
    let recorded = backup.status.as_ref().and_then(|status| status.instance.as_ref()?.id.as_deref());
    backup.spec.instance_ref.name == instance.name || recorded == Some(id)
}

impl ManagedResource for DcsBackup {
    type Status = DcsBackupStatus;

    const KIND: &'static str = "DcsBackup";

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    /// What the status has noted. Before that, the DcsInstance names it.
    fn credentials_ref(&self) -> Option<&str> {
        self.status.as_ref()?.account.as_ref()?.credentials.as_deref()
    }

    /// Before there is a backup, the DcsInstance holds its own.
    fn holds_credentials(&self) -> bool {
        self.credentials_ref().is_some()
    }

    /// Its deletion would delete the backup, or one that is being made, or one of which the status lost the trace.
    fn pins_instance(&self) -> bool {
        let status = self.status.as_ref();
        let has_failed = status.is_some_and(|status| status.outcome == Some(JobOutcome::Failed));
        let word = status.and_then(|status| status.cloud_status.as_deref()).map(BackupStatus::from);
        let is_gone = matches!(word, Some(BackupStatus::Deleted | BackupStatus::Expired));
        let may_exist = has_finalizer(self, BACKUP_FINALIZER) && !has_failed && !is_gone;
        self.spec.pinned == Some(true) && may_exist && !self.is_deleting()
    }

    fn from_metadata(metadata: ObjectMeta) -> Self {
        Self { metadata, spec: DcsBackupSpec::default(), status: None }
    }

    fn links(&self) -> BTreeSet<Link> {
        let instance = Link::object(Relation::Instance, instance_of(self));
        let owners = owners(self).map(|owner| Link::object(Relation::Owner, owner));
        owners.chain([instance]).collect()
    }

    /// Its end, its backup, whether that can be restored, and what keeps it.
    fn projection(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let status = self.status.as_ref();
        status.and_then(|status| status.outcome.as_ref()).map(JobOutcome::as_str).hash(&mut hasher);
        status.and_then(|status| status.id.as_ref()).hash(&mut hasher);
        status.and_then(|status| status.restorable).hash(&mut hasher);
        let conditions = status.map(DcsBackupStatus::conditions).unwrap_or_default();
        for condition in conditions.iter().filter(|condition| WATCHED.contains(&condition.type_.as_str())) {
            (&condition.type_, &condition.status, &condition.reason).hash(&mut hasher);
        }
        let keeps = self.spec.deletion_policy == Some(DeletionPolicy::Retain);
        (self.spec.pinned, keeps, self.is_deleting()).hash(&mut hasher);
        hasher.finish()
    }

    fn claim(&self) -> Option<Claim> {
        claims_instance(&self.spec, self.status.as_ref()?).then_some(())?;
        let holder = Holder {
            kind: Self::KIND.to_owned(),
            name: self.name_any(),
            uid: self.uid().unwrap_or_default(),
        };
        let since = self.creation_timestamp().map(|since| time::from_kube(&since)).unwrap_or_default();
        let is_scheduled = self.labels().contains_key(SCHEDULE_LABEL);
        let urgency = if is_scheduled { Urgency::Scheduled } else { Urgency::Requested };
        Some(Claim { holder, urgency, since })
    }

    fn recorded_account(&self) -> Option<&CloudAccount> {
        Some(&self.status.as_ref()?.account.as_ref()?.account)
    }
}
