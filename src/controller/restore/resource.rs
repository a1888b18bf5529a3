//! DcsRestore as a managed resource.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::{
    api::{
        DcsBackup, DcsInstance, DcsRestore, DcsRestoreSpec, DcsRestoreStatus,
        instance::{CloudAccount, Holder},
        time,
    },
    controller::{
        ids::ObjectId,
        links::{Link, Relation},
        ports::ManagedResource,
    },
    plan::{
        claims::{Claim, Urgency},
        restore::claims_instance,
    },
};

/// The DcsInstance that a restore is about.
pub(super) fn instance_of(object: &DcsRestore) -> ObjectId {
    let namespace = object.namespace().unwrap_or_default();
    ObjectId::new(DcsInstance::KIND, &namespace, &object.spec.instance_ref.name)
}

/// The restore has not ended and is not cancelled.
fn is_open(object: &DcsRestore) -> bool {
    object.status.as_ref().is_none_or(|status| status.outcome.is_none()) && !object.is_deleting()
}

impl ManagedResource for DcsRestore {
    type Status = DcsRestoreStatus;

    const KIND: &'static str = "DcsRestore";

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    /// What the status has noted. Before that, the DcsInstance names it.
    fn credentials_ref(&self) -> Option<&str> {
        self.status.as_ref()?.account.as_ref()?.credentials.as_deref()
    }

    /// Nothing in the cloud belongs to it: its deletion needs no credentials, and the DcsInstance holds its own.
    fn holds_credentials(&self) -> bool {
        false
    }

    fn needed_backup(&self) -> Option<&str> {
        let backup = self.status.as_ref()?.backup.as_ref()?;
        is_open(self).then_some(backup.id.as_str())
    }

    fn from_metadata(metadata: ObjectMeta) -> Self {
        Self { metadata, spec: DcsRestoreSpec::default(), status: None }
    }

    /// The instance, and the DcsBackups that it needs until it has ended.
    fn links(&self) -> BTreeSet<Link> {
        let namespace = self.namespace().unwrap_or_default();
        let named = self.spec.source.backup_ref.as_ref().map(|named| named.name.as_str());
        let chosen = self.status.as_ref().and_then(|status| status.backup.as_ref()?.name.as_deref());
        let needed = [named, chosen].into_iter().flatten().filter(|_| is_open(self));
        needed
            .map(|name| Link::object(Relation::Source, ObjectId::new(DcsBackup::KIND, &namespace, name)))
            .chain([
                Link::object(Relation::Instance, instance_of(self)),
                // Corrected credentials wake it.
                Link::secret(Relation::Content, self.credentials_secret()),
            ])
            .collect()
    }

    fn claim(&self) -> Option<Claim> {
        (claims_instance(self.status.as_ref()?) && !self.is_deleting()).then_some(())?;
        let holder = Holder {
            kind: Self::KIND.to_owned(),
            name: self.name_any(),
            uid: self.uid().unwrap_or_default(),
        };
        let since = self.creation_timestamp().map(|since| time::from_kube(&since)).unwrap_or_default();
        Some(Claim { holder, urgency: Urgency::Requested, since })
    }

    fn recorded_account(&self) -> Option<&CloudAccount> {
        Some(&self.status.as_ref()?.account.as_ref()?.account)
    }
}
