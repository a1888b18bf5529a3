//! What the planner of DcsRestores decides from, before any lookup.

use std::{sync::PoisonError, time::Duration};

use kube::ResourceExt;

use super::{reconciler::Restores, resource::instance_of};
use crate::{
    api::{ConditionType, DcsBackup, DcsInstance, DcsRestore, time},
    controller::{
        accounts::{ClientFactory, CredentialsChoice},
        job::{instance_object, subject},
        ports::{ManagedResource, ObjectApi, SecretApi},
        reconciler::{Known, Reconciler},
    },
    formats::RESTORE_LABEL,
    plan::{
        instance::observed::Now,
        restore::{BackupObject, LookupResults, Observed},
    },
};

// === impl Restores ===

impl<O, B, I, S, N> Restores<O, B, I, S, N>
where
    O: ObjectApi<DcsRestore>,
    B: ObjectApi<DcsBackup>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    pub(super) fn observed(&self, known: Known<Self>) -> Observed {
        let object = known.object;
        let refusal = self.local_states.with(&object, |entry| entry.more.refusal.take());
        Observed {
            subject: subject(object.as_ref(), Self::FINALIZER),
            approval_token: object.approval_token(),
            spec: object.spec.clone(),
            instance: instance_object(&self.shared, &self.instances, &instance_of(&object)),
            backups: self.backups(&object),
            refusal,
            status: known.status,
            account: known.account,
            lookups: LookupResults::default(),
            process_began: self.began,
            last_restore: self.last_restore(&object),
            first_seen: known.first_seen,
            intent_seen: known.intent_seen,
            creation: known.creation,
            failures: known.failures,
            retry: known.retry,
            nonce: self.nonce(),
            now: Now { wall: known.now.wall, monotonic: known.now.monotonic },
            settings: self.shared.settings.clone(),
        }
    }

    /// The credentials of the DcsInstance, and those that were noted once it does not exist.
    pub(super) fn choose_credentials(&self, object: &DcsRestore) -> CredentialsChoice {
        let namespace = object.namespace().unwrap_or_default();
        let instance = self.instances.cached(&instance_of(object));
        let name = match &instance {
            Some(instance) => instance.credentials_ref(),
            None => object.credentials_ref(),
        };
        CredentialsChoice::named(&namespace, name)
    }

    /// When this process last asked for a restore of the instance of an object.
    fn last_restore(&self, object: &DcsRestore) -> Option<Duration> {
        let instance = self.instances.cached(&instance_of(object))?;
        let id = instance.status.as_ref()?.id.clone()?;
        self.requested.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }

    /// Without randomness no step can be approved until there is some.
    fn nonce(&self) -> String {
        let bytes = self.shared.random.bytes().map(|bytes| bytes.to_vec()).unwrap_or_default();
        bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The DcsBackups of the namespace.
    fn backups(&self, object: &DcsRestore) -> Vec<BackupObject> {
        let namespace = object.namespace().unwrap_or_default();
        let all = self.shared.links.in_namespace(DcsBackup::KIND, &namespace);
        all.iter().filter_map(|id| self.backups.cached(id)).map(|backup| backup_object(&backup)).collect()
    }
}

fn backup_object(object: &DcsBackup) -> BackupObject {
    let status = object.status.clone().unwrap_or_default();
    let condition =
        |type_: ConditionType| status.conditions.iter().find(|condition| condition.type_ == type_.as_str());
    let ready = condition(ConditionType::Ready);
    let adopted = object.spec.adopt.as_ref().map(|adopt| adopt.backup_id.clone());
    BackupObject {
        name: object.name_any(),
        instance_name: object.spec.instance_ref.name.clone(),
        restore: object.labels().get(RESTORE_LABEL).cloned(),
        deleting: object.is_deleting(),
        ready: ready.map(|ready| (ready.reason.clone(), ready.message.clone())).unwrap_or_default(),
        stalled: condition(ConditionType::Stalled).is_some_and(|stalled| stalled.status == "True"),
        id: status.id.or(adopted),
        adopts: object.spec.adopt.is_some(),
        completed: status.completed_at.as_ref().map(time::from_kube),
        outcome: status.outcome,
        restorable: status.restorable == Some(true),
        instance: status.instance.unwrap_or_default(),
    }
}
