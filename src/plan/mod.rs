//! The mind: decides, from what is desired and what was observed, what is done next and what is said about it.
//!
//! Pure: no IO, no clock, no randomness. What an object says in which situation is [`conditions`]; what may destroy
//! something needs a [`Consent`]; how long to wait is [`schedule`]; the rest is about one kind each.

pub mod conditions;
pub mod consent;
pub mod instance;
pub mod schedule;
mod step;

pub use self::{
    consent::Consent,
    step::{Follow, Plan, Step},
};
