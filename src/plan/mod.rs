//! The planner: decides, from the desired and the observed state, the next step and the status to publish.
//!
//! Pure: no IO, no clock, no randomness. Shared by all kinds: [`operation`] (exactly-once: intent, attempt, outcome),
//! [`claims`] (one operation at a time on an instance), [`job`] (what kinds that do one job have in common),
//! [`blocker`] (why an object cannot go on), [`conditions`], [`approval`] (by annotation), [`consent`] (a destructive step needs a [`Consent`], and a
//! complete [`Definition`]) and
//! [`schedule`] (waits). Each kind adds a module.

pub mod approval;
pub mod backup;
pub mod backup_limit;
pub mod backup_schedule;
pub mod blocker;
pub mod claims;
pub mod conditions;
pub mod consent;
mod definition;
pub mod instance;
pub mod job;
pub mod operation;
pub mod restore;
pub mod schedule;
mod step;

pub use self::{
    blocker::Blocker,
    consent::Consent,
    definition::Definition,
    step::{Plan, Step, Warning},
};
