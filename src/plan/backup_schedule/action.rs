//! The actions of a DcsBackupSchedule: it makes and deletes DcsBackups, and calls nothing in the cloud.

use crate::{
    api::{DcsBackup, DcsBackupScheduleStatus, words::OperationType},
    plan::{self, operation::MutatingAction},
};

/// A plan for a DcsBackupSchedule.
pub type Plan = plan::Plan<DcsBackupScheduleStatus, Lookup, KubeAction, CloudAction>;
/// A step of it.
pub(super) type Step = plan::Step<Lookup, KubeAction, CloudAction>;

/// A read that a plan asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The DcsBackup of this name, as the API server has it now.
    Child {
        /// Its name.
        name: String,
    },
}

/// A write to Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub enum KubeAction {
    /// Make a DcsBackup.
    Create(Box<DcsBackup>),
    /// Delete a DcsBackup.
    Delete {
        /// Its name.
        name: String,
        /// Its uid: another object of the name stays.
        uid: String,
        /// The version that the plan was made from: it may have been pinned since.
        version: String,
        /// Why, for the log.
        why: &'static str,
    },
}

/// A mutating request to the cloud: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudAction {}

// === impl CloudAction ===

impl MutatingAction for CloudAction {
    fn operation_type(&self) -> OperationType {
        match *self {}
    }

    fn instance_id(&self) -> Option<&str> {
        match *self {}
    }
}
