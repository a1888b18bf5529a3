//! The actions of a DcsRestore: lookups, writes to Kubernetes, the request to the cloud.

use std::time::Duration;

use crate::{
    api::{DcsBackup, DcsRestoreStatus, words::OperationType},
    dcs::model::Remark,
    plan::{self, Consent, operation::MutatingAction},
};

/// A plan for a DcsRestore.
pub type Plan = plan::Plan<DcsRestoreStatus, Lookup, KubeAction, CloudAction>;
/// A step of it.
pub(super) type Step = plan::Step<Lookup, KubeAction, CloudAction>;

/// A read that a plan asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The restores of an instance.
    Restores {
        /// The id of the instance.
        instance: String,
        /// The list must have begun at this time or later, by the monotonic clock.
        since: Duration,
    },
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
#[derive(Debug, Clone, PartialEq)]
pub enum KubeAction {
    /// Make the DcsBackup of the data that the restore replaces.
    CreateBackup(Box<DcsBackup>),
}

/// A mutating request to the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudAction {
    /// Replace the data of the instance.
    Restore {
        /// The id of the instance.
        instance: String,
        /// The id of the backup.
        backup: String,
        /// The mark of the restore.
        remark: Remark,
        /// The consent.
        consent: Consent,
    },
}

// === impl CloudAction ===

impl MutatingAction for CloudAction {
    fn operation_type(&self) -> OperationType {
        match self {
            Self::Restore { .. } => OperationType::Restore,
        }
    }

    /// A new restore has no id yet.
    fn instance_id(&self) -> Option<&str> {
        match self {
            Self::Restore { .. } => None,
        }
    }

    fn consent(&self) -> Option<&'static str> {
        match self {
            Self::Restore { consent, .. } => Some(consent.ground()),
        }
    }
}
