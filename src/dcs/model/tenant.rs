//! Flavors, zones, quota, maintenance windows, and load figures (API reference 4.2.6, 4.9.1–4.9.4).

use serde::{Deserialize, Serialize};

use super::{
    capacity::Capacity,
    lenient::{self, wire},
    text::is_code,
    words::{CacheMode, CpuType, PricingType},
};

/// Flavors on offer (4.9.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Flavors {
    /// All matches.
    #[serde(deserialize_with = "lenient::field")]
    pub flavors: Vec<Flavor>,
}

/// Hours on offer as a maintenance window (4.9.2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MaintenanceWindows {
    /// All windows.
    #[serde(deserialize_with = "lenient::field")]
    pub maintain_windows: Vec<MaintenanceWindow>,
}

/// Quota and usage of the tenant (4.9.3).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quotas {
    /// By resource.
    pub quotas: Quota,
}

/// Quota by resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// One for instances, one for memory.
    #[serde(deserialize_with = "lenient::field")]
    pub resources: Vec<QuotaResource>,
}

/// The region's zones (4.9.4).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AvailabilityZones {
    /// Region id.
    #[serde(default, deserialize_with = "lenient::field")]
    pub region_id: Option<String>,
    /// Zones of the region.
    #[serde(deserialize_with = "lenient::field")]
    pub available_zones: Vec<AvailabilityZone>,
}

/// Load figures of all running instances (4.2.6).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// One entry for each instance.
    #[serde(deserialize_with = "lenient::field")]
    pub statistics: Vec<InstanceStatistic>,
}

wire! {
    /// A flavor on offer.
    pub struct Flavor {
        code {
            /// Name.
            pub spec_code: String,
        }
        /// Topology of its instances.
        pub cache_mode: Option<CacheMode>,
        /// `redis`.
        pub engine: Option<String>,
        /// Engine versions, separated by semicolons. See [`Flavor::engine_versions`].
        pub engine_version: Option<String>,
        /// Processor architecture.
        pub cpu_type: Option<CpuType>,
        /// Capacities in GB.
        pub capacity: Vec<Capacity>,
        /// Replicas of each shard, master included.
        pub replica_count: Option<i64>,
        /// Whether the flavor has a single capacity.
        pub pricing_type: Option<PricingType>,
        /// Billing modes: `Hourly`, `Monthly` …
        pub billing_mode: Vec<String>,
        /// `generic` or `enterprise`.
        pub product_type: Option<String>,
        /// `DRAM`.
        pub storage_type: Option<String>,
        /// Subnet addresses that an instance occupies.
        pub tenant_ip_count: Option<i64>,
        /// Whether dedicated clouds offer it.
        pub is_dec: Option<bool>,
        /// Attributes by capacity.
        pub attrs: Vec<FlavorAttribute>,
        /// Zones in stock, by capacity.
        pub flavors_available_zones: Vec<FlavorZones>,
        /// Flavor code for pricing.
        pub inquery_spec_code: Option<String>,
        /// Billing factor.
        pub billing_factor: Option<f64>,
        /// Service type for billing.
        pub cloud_service_type_code: Option<String>,
        /// Resource type for billing.
        pub cloud_resource_type_code: Option<String>,
    }

    /// An attribute of a flavor: `sharding_num`, `max_connections`, `db_number` …
    pub struct FlavorAttribute {
        /// Capacity it applies to.
        pub capacity: Option<Capacity>,
        /// Name.
        pub name: Option<String>,
        /// Value.
        pub value: Option<String>,
    }

    /// Zones that have a flavor in stock.
    pub struct FlavorZones {
        /// Capacity it applies to.
        pub capacity: Option<Capacity>,
        /// `GB`.
        pub unit: Option<String>,
        /// Zone ids.
        pub available_zones: Vec<String>,
        /// Zone codes.
        pub az_codes: Vec<String>,
    }

    /// An hour (four on some sites) on offer as a maintenance window, UTC.
    pub struct MaintenanceWindow {
        /// Sequence number.
        pub seq: Option<i64>,
        /// Such as `18`; instances have `18:00:00`.
        pub begin: Option<String>,
        /// Such as `19`; instances have `19:00:00`.
        pub end: Option<String>,
        /// Whether instances get this window by default.
        pub default: Option<bool>,
    }

    /// Quota and usage of a resource.
    pub struct QuotaResource {
        /// `instance` or `ram`.
        #[serde(rename = "type")]
        pub kind: Option<String>,
        /// `GB` for memory, empty for instances.
        pub unit: Option<String>,
        /// Usage.
        pub used: Option<i64>,
        /// Quota.
        pub quota: Option<i64>,
        /// Smallest quota to apply for.
        pub min: Option<i64>,
        /// Largest quota to apply for.
        pub max: Option<i64>,
    }

    /// An availability zone.
    pub struct AvailabilityZone {
        code {
            /// Code; creating an instance takes it.
            pub code: String,
        }
        /// Id.
        pub id: Option<String>,
        /// Display name.
        pub name: Option<String>,
        /// The zone's port number.
        pub port: Option<String>,
        /// Whether the zone has resources.
        pub resource_availability: Option<bool>,
    }

    /// Load figures of a running instance.
    pub struct InstanceStatistic {
        id {
            /// Instance id.
            pub instance_id: String,
        }
        /// Incoming kbit/s.
        pub input_kbps: Option<f64>,
        /// Outgoing kbit/s.
        pub output_kbps: Option<f64>,
        /// Number of keys.
        pub keys: Option<i64>,
        /// Memory in use, MB.
        pub used_memory: Option<i64>,
        /// Usable memory, MB.
        pub max_memory: Option<i64>,
        /// `GET` commands so far.
        pub cmd_get_count: Option<i64>,
        /// `SET` commands so far.
        pub cmd_set_count: Option<i64>,
        /// Seconds of processor time by the reference, percent by the SDK.
        pub used_cpu: Option<f64>,
    }
}

// === impl Flavor ===

impl Flavor {
    /// Engine versions.
    pub fn engine_versions(&self) -> impl Iterator<Item = &str> {
        let versions = self.engine_version.as_deref().unwrap_or_default();
        versions.split([';', ',']).map(str::trim).filter(|version| is_code(version))
    }

    /// The attribute `name` for `capacity`.
    pub fn attribute(&self, capacity: Capacity, name: &str) -> Option<&str> {
        let matches = |attribute: &&FlavorAttribute| {
            attribute.capacity == Some(capacity) && attribute.name.as_deref() == Some(name)
        };
        self.attrs.iter().find(matches)?.value.as_deref()
    }

    /// Codes of the zones that have `capacity` in stock.
    pub fn zones(&self, capacity: Capacity) -> impl Iterator<Item = &str> {
        let zones = self.flavors_available_zones.iter().filter(move |zones| zones.capacity == Some(capacity));
        zones.flat_map(|zones| zones.az_codes.iter().map(String::as_str)).filter(|code| is_code(code))
    }
}
