//! A second kind, for tests only: what a kind has to add, and that no code assumes DcsInstance.
//!
//! A Probe tags one instance with its name and value, once, by an operation of its own.

mod api;
mod plan;
mod reconciler;

pub(crate) use self::{
    api::{Probe, ProbeSpec},
    reconciler::Probes,
};

/// The key of the tag of a Probe.
pub(crate) fn tag_key(name: &str) -> String {
    format!("probe-{name}")
}
