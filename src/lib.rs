//! dcs-operator: a Kubernetes operator for Huawei Cloud DCS (managed Redis).
//!
//! The rooms, from the top; each uses only rooms below it (a test holds them to that):
//!
//! - [`cli`] — the command line
//! - [`controller`] — carries out what was decided, and publishes it
//! - [`inventory`] — sees the instances of each account, and keeps to its budget
//! - [`plan`] — decides
//! - [`api`] — the custom resources
//! - [`leader`] — of several operators, one changes anything
//! - [`formats`] — what is written and has to be recognised years later
//! - [`simulator`] — a stand-in for the cloud
//! - [`dcs`] — the cloud's API
//! - [`server`] — probes and metrics over HTTP
//! - [`metrics`] — what is counted
//! - [`telemetry`] — logs
//! - `single_flight` — caches for lookups that many callers want at once
//! - `words` — enums with tolerance for unknown words
//! - [`clock`] — time, passed in

pub mod api;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod dcs;
pub mod formats;
pub mod inventory;
pub mod leader;
pub mod metrics;
pub mod plan;
pub mod server;
pub mod simulator;
pub(crate) mod single_flight;
pub mod telemetry;
pub(crate) mod words;
