//! Who counts requests.

use std::{fmt, time::Duration};

use super::error::Class;

/// Is told of every request that was sent to the cloud.
pub trait RequestObserver: fmt::Debug + Send + Sync {
    /// One request of `operation` (the name that the vendor's SDK gives it) ended after so long: well, or with an
    /// error of this class.
    fn requested(&self, operation: &'static str, class: Option<Class>, took: Duration);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl RequestObserver for Unobserved {
    fn requested(&self, _: &'static str, _: Option<Class>, _: Duration) {}
}
