//! The planner of DcsRestores: one restore of a backup to its instance, at most once.
//!
//! [`plan()`] shows the table. A phase decides; `status` composes the plan from its decision. A restore is found by its id
//! or, while the status does not know that, by the mark in its remark.

mod action;
mod decision;
mod input;
mod phase;
mod plan;
mod record;
mod source;
mod status;

pub use self::{
    action::{CloudAction, KubeAction, Lookup, Plan},
    input::{BackupObject, LookupResults, Observed, Restores},
    plan::plan,
    source::{latest_before, misfit},
    status::claims_instance,
};

#[cfg(test)]
mod tests;
