//! DcsBackupSchedule as a managed resource.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::{
    api::{DcsBackupSchedule, DcsBackupScheduleSpec, DcsBackupScheduleStatus, DcsInstance},
    controller::{
        ids::ObjectId,
        links::{Link, Relation},
        ports::ManagedResource,
    },
};

/// The DcsInstance that a schedule is about.
pub(super) fn instance_of(object: &DcsBackupSchedule) -> ObjectId {
    let namespace = object.namespace().unwrap_or_default();
    ObjectId::new(DcsInstance::KIND, &namespace, &object.spec.instance_ref.name)
}

impl ManagedResource for DcsBackupSchedule {
    type Status = DcsBackupScheduleStatus;

    const KIND: &'static str = "DcsBackupSchedule";

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn credentials_ref(&self) -> Option<&str> {
        None
    }

    /// It calls nothing in the cloud.
    fn holds_credentials(&self) -> bool {
        false
    }

    fn from_metadata(metadata: ObjectMeta) -> Self {
        Self { metadata, spec: DcsBackupScheduleSpec::default(), status: None }
    }

    fn links(&self) -> BTreeSet<Link> {
        [Link::object(Relation::Instance, instance_of(self))].into()
    }
}
