//! dcs-operator: a Kubernetes operator for Huawei Cloud DCS (managed Redis).
//!
//! The rooms, from the top; each uses only rooms below it (a test holds them to that):
//!
//! - [`cli`] — the command line
//! - [`api`] — the custom resources
//! - [`formats`] — what is written and has to be recognised years later
//! - [`simulator`] — a stand-in for the cloud
//! - [`dcs`] — the cloud's API
//! - [`telemetry`] — logs
//! - [`clock`] — time, passed in

pub mod api;
pub mod cli;
pub mod clock;
pub mod dcs;
pub mod formats;
pub mod simulator;
pub mod telemetry;
