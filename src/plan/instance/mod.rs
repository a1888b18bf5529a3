//! Deciding about a DcsInstance: what is wished for, and what will be asked of the cloud.
//!
//! Pure: the same input gives the same answer, whenever and wherever.

mod blueprint;
mod defaults;
mod desired;
mod flavor;
pub mod password;
mod problem;
mod quantity;
mod window;

pub use self::{
    blueprint::{Blueprint, PasswordSource},
    defaults::Defaults,
    desired::{AuthWish, Desired, FlavorWish, NetworkWish},
    flavor::{Choice, Shape, Unavailable, describe, select},
    problem::{Invalid, Problem},
    window::Window,
};
