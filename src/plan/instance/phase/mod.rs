//! The phases of an instance: one file for each outcome of the decision table.

pub(super) mod adopt;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod external_deletion;
pub(super) mod failed_creation;
mod mark;
pub(super) mod observe;
pub(super) mod preconditions;
pub(super) mod reclaim;
mod release;
pub(super) mod rotation;
pub(super) mod tenancy;
pub(super) mod update;
mod window_check;
