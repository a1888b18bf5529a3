//! What the planner of DcsBackupSchedules decides from, before any lookup.

use kube::ResourceExt;

use super::{
    reconciler::{NO_FINALIZER, Schedules},
    resource::instance_of,
};
use crate::{
    api::{
        ConditionType, DcsBackup, DcsBackupSchedule, DcsInstance, Reason, instance, instance::DeletionPolicy,
        time,
    },
    controller::{
        accounts::ClientFactory,
        ids::ObjectId,
        job::{instance_object, subject},
        ports::{ManagedResource, ObjectApi, SecretApi},
        reconciler::Known,
    },
    formats::SCHEDULE_LABEL,
    plan::{
        Blocker,
        backup_schedule::{Child, ChildLookup, InstanceBackups, LookupResults, Observed},
        instance::observed::Now,
        operation::HasOperation,
    },
};

// === impl Schedules ===

impl<O, B, I, S, N> Schedules<O, B, I, S, N>
where
    O: ObjectApi<DcsBackupSchedule>,
    B: ObjectApi<DcsBackup>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    pub(super) fn observed(&self, known: Known<Self>) -> Observed {
        let object = known.object;
        // It is told once for each attempt.
        let refusal = self.local_states.with(&object, |entry| entry.more.refusal.take());
        let about = self.instances.cached(&instance_of(&object));
        let status = about.as_ref().and_then(|about| about.status.as_ref());
        Observed {
            subject: subject(object.as_ref(), NO_FINALIZER),
            spec: object.spec.clone(),
            instance: instance_object(&self.shared, &self.instances, &instance_of(&object)),
            cloud_status: status.and_then(|status| status.cloud_status.clone()),
            instance_backups: status.and_then(|status| status.backups.as_ref()).map(counts),
            children: self.children(&object),
            status: known.status,
            lookups: LookupResults::default(),
            refusal,
            failures: known.failures,
            now: Now { wall: known.now.wall, monotonic: known.now.monotonic },
            settings: self.shared.settings.clone(),
        }
    }

    fn children(&self, object: &DcsBackupSchedule) -> Vec<Child> {
        let own = self.shared.links.owned(&object.object_id());
        let backups = own.iter().filter_map(|id| Some((id, self.backups.cached(id)?)));
        let children = backups.filter(|(_, backup)| is_child(backup, object));
        let mut children: Vec<_> = children.map(|(id, backup)| self.child(id, &backup)).collect();
        // The watch may still show what this process has deleted.
        self.local_states.with(object, |entry| {
            let deleted = &mut entry.more.deleted;
            deleted.retain(|uid| children.iter().any(|child| child.uid == *uid));
            for child in &mut children {
                child.deleting |= deleted.contains(&child.uid);
            }
        });
        children
    }

    /// The DcsBackup of a name, as the API server has it now.
    pub(super) async fn look_up(&self, schedule: &DcsBackupSchedule, name: &str) -> ChildLookup {
        match self.backups.get(&self.backup_id(schedule, name)).await {
            Ok(None) => ChildLookup::Absent,
            Ok(Some(backup)) if is_child(&backup, schedule) => {
                ChildLookup::Own(Box::new(self.child(&self.backup_id(schedule, name), &backup)))
            }
            Ok(Some(_)) => ChildLookup::Foreign,
            Err(error) => ChildLookup::Failed(Blocker {
                reason: Reason::ClusterError,
                message: format!("DcsBackup {name} cannot be read: {error}"),
            }),
        }
    }

    fn child(&self, id: &ObjectId, backup: &DcsBackup) -> Child {
        let backup_id = backup.status.as_ref().and_then(|status| status.id.as_deref());
        Child { used: self.shared.links.is_used(id, backup_id), ..child(backup) }
    }
}

/// A DcsBackup with the label of the schedule. One of another instance would be counted as a backup of this one.
fn is_child(backup: &DcsBackup, schedule: &DcsBackupSchedule) -> bool {
    let is_own = backup.labels().get(SCHEDULE_LABEL) == Some(&schedule.name_any());
    is_own && backup.spec.instance_ref == schedule.spec.instance_ref
}

/// The numbers in the status of a DcsInstance.
fn counts(backups: &instance::InstanceBackups) -> InstanceBackups {
    InstanceBackups {
        total: u32::try_from(backups.total).unwrap_or_default(),
        automatic: u32::try_from(backups.automatic).unwrap_or_default(),
        last_successful_id: backups.last_successful_id.clone(),
    }
}

fn child(backup: &DcsBackup) -> Child {
    let retains = match backup.spec.deletion_policy {
        Some(policy) => policy == DeletionPolicy::Retain,
        None => backup.spec.adopt.is_some(),
    };
    let status = backup.status.clone().unwrap_or_default();
    let condition =
        |type_: ConditionType| status.conditions().iter().find(|c| c.type_ == type_.as_str()).cloned();
    let is_true = |type_| condition(type_).filter(|condition| condition.status == "True");
    Child {
        name: backup.name_any(),
        uid: backup.uid().unwrap_or_default(),
        version: backup.resource_version().unwrap_or_default(),
        instance: status.instance.as_ref().and_then(|instance| instance.id.clone()),
        cloud_status: status.cloud_status.clone(),
        created: backup.creation_timestamp().map(|at| time::from_kube(&at)).unwrap_or_default(),
        deleting: backup.is_deleting(),
        keeps: backup.spec.pinned == Some(true) || retains,
        used: false,
        ready: condition(ConditionType::Ready).map(|ready| (ready.status, ready.reason)),
        stalled: is_true(ConditionType::Stalled).map(|stalled| stalled.reason),
        failure: is_true(ConditionType::Failed).map(|failed| (failed.reason, failed.message)),
        completed: status.completed_at.as_ref().map(time::from_kube),
        id: status.id,
        outcome: status.outcome,
    }
}
