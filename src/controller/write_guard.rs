//! Who may change the cloud: of several operators on one cluster, one.

use std::time::Duration;

/// Says how long this process may go on changing the cloud.
pub trait WriteGuard: Send + Sync {
    /// Whether it surely may until then, by the monotonic clock.
    fn covers(&self, until: Duration) -> bool;
}

/// Always: there is no other operator.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysAllowed;

impl WriteGuard for AlwaysAllowed {
    fn covers(&self, _: Duration) -> bool {
        true
    }
}
