//! One file per phase of the decision table.

pub(super) mod before;
pub(super) mod begin;
pub(super) mod follow;
pub(super) mod idle;
pub(super) mod listed;
mod request;
