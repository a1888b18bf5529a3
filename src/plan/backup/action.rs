//! The actions of a DcsBackup: lookups, writes to Kubernetes, requests to the cloud.

use std::time::Duration;

use crate::{
    api::{DcsBackupStatus, words::OperationType},
    dcs::model::{BackupFormat, Remark},
    plan::{self, Consent, operation::MutatingAction},
};

/// A plan for a DcsBackup.
pub type Plan = plan::Plan<DcsBackupStatus, Lookup, KubeAction, CloudAction>;
/// A step of it.
pub(super) type Step = plan::Step<Lookup, KubeAction, CloudAction>;

/// A read that a plan asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The backups of an instance.
    Backups {
        /// The id of the instance.
        instance: String,
        /// The list must have begun at this time or later, by the monotonic clock.
        since: Duration,
    },
    /// The detail of the instance.
    Instance {
        /// Its id.
        id: String,
    },
    /// The object's CustomResourceDefinition.
    Definition,
}

/// A write to Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubeAction {
    /// Put the in-use finalizer on the Secret with the credentials.
    AddInUseFinalizer,
}

/// A mutating request to the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudAction {
    /// Back the instance up.
    Create {
        /// The id of the instance.
        instance: String,
        /// The mark of the object, and the description.
        remark: Remark,
        /// The file format.
        format: BackupFormat,
    },
    /// Delete a backup.
    Delete {
        /// The id of the instance.
        instance: String,
        /// The id of the backup.
        id: String,
        /// The consent.
        consent: Consent,
    },
}

// === impl CloudAction ===

impl MutatingAction for CloudAction {
    fn operation_type(&self) -> OperationType {
        match self {
            Self::Create { .. } => OperationType::Backup,
            Self::Delete { .. } => OperationType::DeleteBackup,
        }
    }

    /// The backup; a new one has no id yet.
    fn instance_id(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Delete { id, .. } => Some(id),
        }
    }

    fn consent(&self) -> Option<&'static str> {
        match self {
            Self::Create { .. } => None,
            Self::Delete { consent, .. } => Some(consent.ground()),
        }
    }
}
