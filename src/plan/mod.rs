//! The planner: computes the next step and the status from the spec and the observations.
//!
//! Pure: no IO, no clock, no randomness. [`conditions`] is the truth table of the conditions; destructive actions need
//! a [`Consent`]; [`schedule`] holds the retry delays; each kind has a folder of its own.

pub mod conditions;
pub mod consent;
pub mod instance;
pub mod schedule;
mod step;

pub use self::{
    consent::Consent,
    step::{Plan, Step},
};
