//! The eyes.

pub mod account;
pub mod budget;
pub mod followers;
pub mod snapshot;
