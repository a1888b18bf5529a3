//! The planner of DcsInstance.
//!
//! [`plan()`] holds the decision table. It reads the inputs in `input`, asks `locate` once where the object's instance
//! is, and hands over to one file of `phase`. Every phase returns a `Decision`; `status` composes the plan from it.

mod absence;
mod action;
mod backups;
mod create_spec;
mod decision;
mod diff;
mod flavor;
mod holder;
mod input;
pub mod intent;
mod locate;
mod phase;
mod plan;
mod repeats;
mod status;
mod tagging;

pub use self::{
    action::{CloudAction, KubeAction, Lookup, Plan, RecordLookup, Step},
    create_spec::{CreateSpec, PasswordSource},
    diff::Differences,
    flavor::{SelectedFlavor, Shape, Unavailable, describe, select},
    input::{
        AuthSpec, Defaults, Desired, FlavorSpec, Invalid, NetworkSpec, Observed, Policies, Problem, Window,
        binding, lists, local, observed, password, policies, secrets,
    },
    intent::ChangeOutcome,
    plan::plan,
    tagging::OwnershipChange,
};

#[cfg(test)]
mod tests;
