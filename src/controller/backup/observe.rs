//! What the planner of DcsBackups decides from, before any lookup.

use kube::ResourceExt;

use super::{
    reconciler::Backups,
    resource::{instance_of, is_about},
};
use crate::{
    api::{DcsBackup, DcsInstance, instance::DeletionPolicy},
    controller::{
        accounts::{ClientFactory, CredentialsChoice},
        ids::ObjectId,
        job::{instance_object, subject},
        ports::{ManagedResource, ObjectApi, SecretApi},
        reconciler::Known,
    },
    formats::{BACKUP_FINALIZER, RESTORE_LABEL},
    plan::{
        backup::{LookupResults, Observed, Sibling, mark},
        instance::observed::Now,
    },
};

// === impl Backups ===

impl<O, I, S, N> Backups<O, I, S, N>
where
    O: ObjectApi<DcsBackup>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    pub(super) fn observed(&self, known: Known<Self>) -> Observed {
        let object = known.object;
        Observed {
            subject: subject(object.as_ref(), BACKUP_FINALIZER),
            spec: object.spec.clone(),
            instance: instance_object(&self.shared, &self.instances, &instance_of(&object)),
            restore: object.labels().get(RESTORE_LABEL).cloned(),
            used_by: self.user_of(&object),
            needed: self.needed(&object),
            siblings: self.siblings(&object),
            has_unreadable: self.shared.links.has_unreadable(&instance_of(&object)),
            status: known.status,
            account: known.account,
            lookups: LookupResults::default(),
            first_seen: known.first_seen,
            intent_seen: known.intent_seen,
            creation: known.creation,
            finalizer_added: known.finalizer_added,
            failures: known.failures,
            retry: known.retry,
            now: Now { wall: known.now.wall, monotonic: known.now.monotonic },
            settings: self.shared.settings.clone(),
        }
    }

    /// The credentials of the DcsInstance while it stands for the instance of the backup, and afterwards those that were noted.
    pub(super) fn choose_credentials(&self, object: &DcsBackup) -> CredentialsChoice {
        let namespace = object.namespace().unwrap_or_default();
        let status = object.status.as_ref();
        let recorded = status.and_then(|status| status.instance.as_ref()?.id.as_deref());
        let current = self.instances.cached(&instance_of(object)).filter(|instance| {
            let id = instance.status.as_ref().and_then(|status| status.id.as_deref());
            recorded.is_none() || recorded == id
        });
        let name = match &current {
            Some(instance) => instance.credentials_ref(),
            None => object.credentials_ref(),
        };
        CredentialsChoice::named(&namespace, name)
    }

    /// The DcsRestore that needs the backup of an object until it has ended.
    fn user_of(&self, object: &DcsBackup) -> Option<String> {
        let status = object.status.as_ref().and_then(|status| status.id.as_deref());
        let adopted = object.spec.adopt.as_ref().map(|adopt| adopt.backup_id.as_str());
        let own = object.object_id();
        self.shared.links.user_of(&own, status.or(adopted)).map(|user| shown_to(&own, &user))
    }

    /// The ids of the backups that DcsRestores need until they have ended.
    fn needed(&self, object: &DcsBackup) -> Vec<(String, String)> {
        let own = object.object_id();
        let needed = self.shared.links.needed_backups();
        needed.into_iter().map(|(user, id)| (id, shown_to(&own, &user))).collect()
    }

    /// The other DcsBackups of the same instance in the namespace.
    fn siblings(&self, object: &DcsBackup) -> Vec<Sibling> {
        let (own, about) = (object.object_id(), instance_of(object));
        let instance = self.instances.cached(&about);
        let instance = instance.and_then(|instance| instance.status.as_ref()?.id.clone());
        let others = self.shared.links.in_namespace(DcsBackup::KIND, &own.namespace);
        let others = others.iter().filter(|id| **id != own).filter_map(|id| self.objects.cached(id));
        let id = instance.as_deref();
        others
            .filter(|other| is_about(other, &about, id.unwrap_or_default()))
            .map(|other| Sibling { used_by: self.user_of(&other), ..sibling(&other, id) })
            .collect()
    }
}

/// The name of an object in messages of another one: names of other namespaces are none of its business.
fn shown_to(own: &ObjectId, other: &ObjectId) -> String {
    if own.namespace == other.namespace { other.name.clone() } else { "of another namespace".to_owned() }
}

fn sibling(object: &DcsBackup, instance: Option<&str>) -> Sibling {
    let status = object.status.as_ref();
    let retains = match object.spec.deletion_policy {
        Some(policy) => policy == DeletionPolicy::Retain,
        None => object.spec.adopt.is_some(),
    };
    let id = status.and_then(|status| status.id.clone());
    let adopted = object.spec.adopt.as_ref().map(|adopt| adopt.backup_id.clone());
    let (namespace, uid) = (object.namespace().unwrap_or_default(), object.uid().unwrap_or_default());
    let name = object.name_any();
    Sibling {
        mark: instance.map(|instance| mark((&namespace, &name, &uid), &object.spec, instance)),
        id: id.or(adopted),
        name,
        used_by: None,
        keeps: !object.is_deleting() && (object.spec.pinned == Some(true) || retains),
    }
}
