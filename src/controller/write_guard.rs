//! Whether this process may change the cloud: only the leader may.

use std::time::Duration;

/// Tells how long this process may change the cloud.
pub trait WriteGuard: Send + Sync {
    /// Whether this process certainly may until then, by the monotonic clock.
    fn covers(&self, until: Duration) -> bool;
}

/// Always: no other process runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysAllowed;

impl WriteGuard for AlwaysAllowed {
    fn covers(&self, _: Duration) -> bool {
        true
    }
}
