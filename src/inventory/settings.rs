//! How often an account is looked at, and how many calls that may take.

use std::{num::NonZeroU32, time::Duration};

/// How the fleet behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventorySettings {
    /// From one list to the next while something is on its way; also the first wait after a failure.
    pub poll_interval_active: Duration,
    /// From one list to the next otherwise; also the longest wait after failures.
    pub poll_interval_idle: Duration,
    /// How long an account is left alone that does not accept its credentials: asked again and again, it locks them.
    pub refused_pause: Duration,
    /// Calls that change nothing, for each site.
    pub reads_per_second: NonZeroU32,
    /// Calls that may change something, for each site.
    pub writes_per_second: NonZeroU32,
    /// How long after it was granted a call may still be sent.
    pub intent_ttl: Duration,
    /// How long it is believed what can be bought, and when maintenance can be.
    pub catalogue_ttl: Duration,
    /// Instances can be looked up by tags whose keys begin so.
    pub indexed_tag_prefix: String,
}

// === impl InventorySettings ===

impl Default for InventorySettings {
    fn default() -> Self {
        Self {
            poll_interval_active: Duration::from_secs(5),
            poll_interval_idle: Duration::from_secs(60),
            refused_pause: Duration::from_secs(600),
            reads_per_second: NonZeroU32::MIN.saturating_add(9),
            writes_per_second: NonZeroU32::MIN.saturating_add(4),
            intent_ttl: Duration::from_secs(5),
            catalogue_ttl: Duration::from_secs(600),
            indexed_tag_prefix: String::new(),
        }
    }
}
