//! Deciding about a DcsInstance.
//!
//! - What is wished for: [`Desired`], with `window`, `quantity`, `password`, [`policies`]; checked once, here.
//! - What is known: [`observed`]. Whose an instance is: `ownership`. Whether lists can be relied on: `lookup`.
//! - What is decided: [`plan()`], which hands over to `create`, `adopt`, `existing`, `observe`, `failed`, `delete`.
//! - What is asked for: [`step`], a [`Blueprint`] of a flavor for a new instance, the `diff` of one that exists.
//! - What is said: `decision` puts the status together, with `says` for what was seen and [`intent`] for what is
//!   about to be done.

mod adopt;
pub mod binding;
mod blueprint;
mod create;
mod decision;
mod defaults;
mod delete;
mod desired;
mod diff;
mod existing;
mod failed;
mod flavor;
pub mod intent;
mod lookup;
mod observe;
pub mod observed;
mod ownership;
pub mod password;
mod plan;
pub mod policies;
mod problem;
mod quantity;
mod says;
pub mod step;
mod tenancy;
mod window;

pub use self::{
    blueprint::{Blueprint, PasswordSource},
    defaults::Defaults,
    desired::{AuthWish, Desired, FlavorWish, NetworkWish},
    diff::Differences,
    flavor::{Choice, Shape, Unavailable, describe, select},
    intent::Fate,
    observed::Observed,
    plan::plan,
    policies::Policies,
    problem::{Invalid, Problem},
    step::{Change, Look, Plan, Preparation, Step},
    window::Window,
};

#[cfg(test)]
mod tests;
