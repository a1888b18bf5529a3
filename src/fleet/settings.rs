//! How often an account is looked at, and how many calls that may take.

use std::{num::NonZeroU32, time::Duration};

/// How the fleet behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// From one list to the next while something is on its way; also the first wait after a failure.
    pub fast_tick: Duration,
    /// From one list to the next otherwise; also the longest wait after failures.
    pub steady_tick: Duration,
    /// How long an account is left alone that does not accept its credentials: asked again and again, it locks them.
    pub refused_rest: Duration,
    /// Calls that change nothing, for each site.
    pub reads_per_second: NonZeroU32,
    /// Calls that may change something, for each site.
    pub writes_per_second: NonZeroU32,
    /// How long after it was granted a call may still be sent.
    pub send_limit: Duration,
    /// How long it is believed what can be bought, and when maintenance can be.
    pub catalogue_life: Duration,
    /// Instances can be looked up by tags whose keys begin so.
    pub indexed_tag_prefix: String,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            fast_tick: Duration::from_secs(5),
            steady_tick: Duration::from_secs(60),
            refused_rest: Duration::from_secs(600),
            reads_per_second: NonZeroU32::MIN.saturating_add(9),
            writes_per_second: NonZeroU32::MIN.saturating_add(4),
            send_limit: Duration::from_secs(5),
            catalogue_life: Duration::from_secs(600),
            indexed_tag_prefix: String::new(),
        }
    }
}
