//! The planner of DcsBackups: one backup of an instance, made once.
//!
//! [`plan()`] shows the table. A phase decides; `status` composes the plan from its decision. The backup is found by its id
//! or, while the status does not know that, by the mark in its remark.

mod action;
mod decision;
mod input;
mod limit;
mod phase;
mod plan;
mod status;

pub use self::{
    action::{CloudAction, KubeAction, Lookup, Plan},
    input::{BackupList, Backups, LookupResults, Observed, Sibling, mark},
    plan::plan,
    status::claims_instance,
};

#[cfg(test)]
mod tests;
