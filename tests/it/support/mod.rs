//! What several tests use.

pub(crate) mod account;
pub(crate) mod answers;
pub(crate) mod bench;
pub(crate) mod control_plane;
pub(crate) mod in_process;
pub(crate) mod leaping_clock;
pub(crate) mod patience;
pub(crate) mod raw_server;
pub(crate) mod scripted;
