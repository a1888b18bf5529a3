//! The result of a selection.

use crate::dcs::model::{CacheMode, Capacity, CpuType};

/// The flavor and the zones of a new instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SelectedFlavor {
    /// The flavor's code, as DCS spells it.
    pub spec_code: String,
    /// Cache mode.
    pub cache_mode: CacheMode,
    /// CPU type of the nodes, if DCS lists it.
    pub cpu_type: Option<CpuType>,
    /// One of the flavor's capacities.
    pub capacity: Capacity,
    /// Copies of the data, including the master, if DCS lists them.
    pub replicas: Option<i64>,
    /// Number of shards; `proxy` and `cluster` only.
    pub shards: Option<i64>,
    /// Codes of zones, the master's first; at least one.
    pub zones: Vec<String>,
}

/// Why no flavor can be selected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Unavailable {
    /// No flavor matches the spec: the user has to change it.
    NoSuch {
        /// The problem, and the alternatives.
        message: String,
    },
    /// The flavor is sold out, in the declared zones or in all.
    SoldOut {
        /// The problem, and the zones that offer the flavor.
        message: String,
    },
}
