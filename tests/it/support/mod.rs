//! Shared test support.

// `clock/testing.rs` names it `super::Clock`.
use dcs_operator::clock::Clock;

pub(crate) mod account;
pub(crate) mod answers;
pub(crate) mod api_proxy;
pub(crate) mod control_plane;
pub(crate) mod eventually;
pub(crate) mod in_process;
pub(crate) mod leaks;
pub(crate) mod many;
pub(crate) mod memory_cluster;
pub(crate) mod memory_store;
pub(crate) mod operator;
pub(crate) mod probe;
pub(crate) mod raw_server;
pub(crate) mod scripted;
pub(crate) mod sim_harness;
pub(crate) mod tenant;
#[path = "../../../src/clock/testing.rs"]
pub(crate) mod test_clock;
pub(crate) mod world;
