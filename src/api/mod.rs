//! The custom resources: spec, validation rules and status.
//!
//! This module does no IO and decides nothing; `plan` converts a spec to the desired state. The doc comment of a field
//! documents it for users: `kubectl explain` shows it. The rules beside a type validate its values.

pub mod backup;
pub mod backup_schedule;
pub mod conditions;
pub mod instance;
pub mod job;
pub mod operation;
pub mod reasons;
pub mod restore;
pub mod rules;
mod schema;
pub mod time;
mod transform;
pub mod words;

pub use self::{
    backup::{DcsBackup, DcsBackupSpec, DcsBackupStatus},
    backup_schedule::{DcsBackupSchedule, DcsBackupScheduleSpec, DcsBackupScheduleStatus},
    conditions::ConditionType,
    instance::{DcsInstance, DcsInstanceSpec, DcsInstanceStatus},
    reasons::Reason,
    restore::{DcsRestore, DcsRestoreSpec, DcsRestoreStatus},
    schema::crds,
};

/// The API group of every kind.
pub const GROUP: &str = "dcs.huaweicloud.com";
/// The one version, served and stored.
pub const VERSION: &str = "v1alpha1";
