//! The input of a plan: the parsed spec and the observed state.

pub mod binding;
mod defaults;
mod desired;
mod invalid;
pub mod lists;
pub mod local;
pub mod observed;
pub(super) mod ownership;
pub mod password;
pub mod policies;
mod quantity;
pub mod secrets;
mod window;

pub use self::{
    defaults::Defaults,
    desired::{AuthSpec, Desired, FlavorSpec, NetworkSpec},
    invalid::{Invalid, Problem},
    observed::Observed,
    policies::Policies,
    window::Window,
};
