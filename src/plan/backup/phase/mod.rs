//! The phases of a DcsBackup.

pub(super) mod begin;
pub(super) mod delete;
pub(super) mod ended;
pub(super) mod follow;
pub(super) mod listed;
