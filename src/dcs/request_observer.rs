//! Observation of requests.

use std::{fmt, time::Duration};

use super::error::Class;

/// Observes every request to the cloud.
pub trait RequestObserver: fmt::Debug + Send + Sync {
    /// A request of `operation` (its name in the vendor's SDK) ended after `took`: successfully, or with an error of
    /// `class`.
    fn requested(&self, operation: &'static str, class: Option<Class>, took: Duration);
}

/// Ignores requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl RequestObserver for Unobserved {
    fn requested(&self, _: &'static str, _: Option<Class>, _: Duration) {}
}
