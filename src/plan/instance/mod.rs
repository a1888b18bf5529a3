//! Deciding about a DcsInstance.
//!
//! - What is wished for: [`Desired`], with `window`, `quantity`, `password`, [`policies`]; checked once, here.
//! - What is known: [`observed`]. Whose an instance is: `ownership`. Whether lists can be relied on: `lookup`.
//! - What is decided: [`plan()`], which hands over to `create`, `adopt`, `existing`, `observe`, `failed`, `delete`.
//! - What is asked for: [`step`], a [`CreateSpec`] of a flavor for a new instance, the `diff` of one that exists.
//! - What is said: `decision` puts the status together, with `says` for what was seen and [`intent`] for what is
//!   about to be done.

mod absence;
mod adopt;
pub mod binding;
mod create;
mod create_spec;
mod decision;
mod defaults;
mod delete;
mod desired;
mod diff;
mod existing;
mod failed;
mod flavor;
pub mod intent;
mod invalid;
mod observe;
pub mod observed;
mod ownership;
pub mod password;
mod plan;
pub mod policies;
mod quantity;
mod says;
pub mod step;
mod tenancy;
mod window;

pub use self::{
    create_spec::{CreateSpec, PasswordSource},
    defaults::Defaults,
    desired::{AuthSpec, Desired, FlavorSpec, NetworkSpec},
    diff::Differences,
    flavor::{SelectedFlavor, Shape, Unavailable, describe, select},
    intent::ChangeOutcome,
    invalid::{Invalid, Problem},
    observed::Observed,
    plan::plan,
    policies::Policies,
    step::{CloudAction, KubeAction, Lookup, Plan, Step},
    window::Window,
};

#[cfg(test)]
mod tests;
