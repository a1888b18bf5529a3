//! dcs-operator: a Kubernetes operator for Huawei Cloud DCS (managed Redis).
//!
//! Modules from the top. Each uses only modules below it; `tests/it/layering.rs` checks this:
//!
//! - [`cli`] — the command line
//! - [`controller`] — reconciles objects: executes plans and publishes status
//! - [`inventory`] — lists the instances of each account within its request budget
//! - [`plan`] — computes the next step from spec, status and observation; pure
//! - [`api`] — the custom resources
//! - [`leader`] — leader election by a Lease
//! - [`formats`] — persistent formats: tags, finalizers, Secret names, hashes
//! - [`simulator`] — a simulated cloud
//! - [`dcs`] — client of the DCS and IAM APIs
//! - `server` — probes and metrics over HTTP
//! - `metrics` — Prometheus metrics
//! - `telemetry` — logging
//! - `single_flight` — caches for lookups that many callers need at once
//! - `lru` — a bounded map
//! - `words` — enums that tolerate unknown words
//! - [`clock`] — clocks

pub mod api;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod dcs;
pub mod formats;
pub mod inventory;
pub mod leader;
pub(crate) mod lru;
pub(crate) mod metrics;
pub mod plan;
pub(crate) mod server;
pub mod simulator;
pub(crate) mod single_flight;
pub(crate) mod telemetry;
pub(crate) mod words;
