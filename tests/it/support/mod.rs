//! What several tests use.

pub(crate) mod account;
pub(crate) mod control_plane;
pub(crate) mod patience;
pub(crate) mod raw_server;
pub(crate) mod scripted;
