//! The planner of DcsBackupSchedules: a DcsBackup at each time of the schedule, and the old ones go.
//!
//! [`plan()`] shows the table. It calls nothing in the cloud: the DcsBackups do. The name of a DcsBackup stands for its run, so
//! no run is made twice, and `startBefore` of it for the time until which it may begin.

mod ability;
mod action;
mod decision;
mod due;
mod follow;
mod input;
mod plan;
mod retention;
mod status;
mod times;

pub use self::{
    action::{CloudAction, KubeAction, Lookup, Plan},
    input::{Child, ChildLookup, InstanceBackups, LookupResults, Observed, Refusal},
    plan::plan,
};

#[cfg(test)]
mod tests;
