//! How often accounts are polled, and how many calls a site gets.

use std::{num::NonZeroU32, time::Duration};

/// Settings of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventorySettings {
    /// Poll interval while a change is expected; also the first wait after a failure, and the shortest time between
    /// two polls of an account.
    pub poll_interval_active: Duration,
    /// Poll interval otherwise; also the longest wait after failures.
    pub poll_interval_idle: Duration,
    /// Pause after the account refused its credentials: repeated calls lock them.
    pub refused_pause: Duration,
    /// The age from which a list is overdue: the subscribers are woken, since they may report it.
    pub overdue_after: Duration,
    /// Calls without effect, for each site.
    pub reads_per_second: NonZeroU32,
    /// Calls that may change something, for each site.
    pub writes_per_second: NonZeroU32,
    /// How long a granted call may still be sent.
    pub intent_ttl: Duration,
    /// How long to cache the flavor catalogue and the maintenance windows.
    pub catalogue_ttl: Duration,
    /// Tags whose keys begin so are indexed.
    pub indexed_tag_prefix: String,
}

// === impl InventorySettings ===

impl Default for InventorySettings {
    fn default() -> Self {
        Self {
            poll_interval_active: Duration::from_secs(5),
            poll_interval_idle: Duration::from_secs(60),
            refused_pause: Duration::from_secs(600),
            overdue_after: Duration::from_secs(90),
            reads_per_second: NonZeroU32::MIN.saturating_add(9),
            writes_per_second: NonZeroU32::MIN.saturating_add(4),
            intent_ttl: Duration::from_secs(5),
            catalogue_ttl: Duration::from_secs(600),
            indexed_tag_prefix: String::new(),
        }
    }
}
