//! What can be bought, where, and how much of it; and the load of what runs (API reference 4.2.6, 4.9.1–4.9.4).

use serde::{Deserialize, Serialize};

use super::{
    capacity::Capacity,
    lenient::{self, wire},
    words::{CacheMode, CpuType, PricingType},
};

/// What can be bought (4.9.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Flavors {
    /// Everything that matches.
    #[serde(deserialize_with = "lenient::field")]
    pub flavors: Vec<Flavor>,
}

/// The hours that can be a maintenance window (4.9.2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MaintenanceWindows {
    /// All of them.
    #[serde(deserialize_with = "lenient::field")]
    pub maintain_windows: Vec<MaintenanceWindow>,
}

/// How much the tenant may have, and has (4.9.3).
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
    /// The region.
    #[serde(default, deserialize_with = "lenient::field")]
    pub region_id: Option<String>,
    /// Its zones.
    #[serde(deserialize_with = "lenient::field")]
    pub available_zones: Vec<AvailabilityZone>,
}

/// Load figures of all running instances (4.2.6).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// One an instance.
    #[serde(deserialize_with = "lenient::field")]
    pub statistics: Vec<InstanceStatistic>,
}

wire! {
    /// Something that can be bought.
    pub struct Flavor {
        required {
            /// Its name.
            pub spec_code: String,
        }
        /// How such an instance is built.
        pub cache_mode: Option<CacheMode>,
        /// `redis`.
        pub engine: Option<String>,
        /// Versions it exists in, separated by semicolons. See [`Flavor::engine_versions`].
        pub engine_version: Option<String>,
        /// Processor architecture.
        pub cpu_type: Option<CpuType>,
        /// Capacities it exists in, in GB.
        pub capacity: Vec<Capacity>,
        /// Copies of each shard, the master included.
        pub replica_count: Option<i64>,
        /// Whether one flavor has one capacity.
        pub pricing_type: Option<PricingType>,
        /// How it can be paid: `Hourly`, `Monthly` …
        pub billing_mode: Vec<String>,
        /// `generic` or `enterprise`.
        pub product_type: Option<String>,
        /// `DRAM`.
        pub storage_type: Option<String>,
        /// Addresses such an instance takes in its subnet.
        pub tenant_ip_count: Option<i64>,
        /// Whether it exists in dedicated clouds.
        pub is_dec: Option<bool>,
        /// Limits and numbers, by capacity.
        pub attrs: Vec<FlavorAttribute>,
        /// Zones that have some left, by capacity.
        pub flavors_available_zones: Vec<FlavorZones>,
        /// Its name in the price list.
        pub inquery_spec_code: Option<String>,
        /// Weight in billing.
        pub billing_factor: Option<f64>,
        /// Type of the service, for billing.
        pub cloud_service_type_code: Option<String>,
        /// Type of the resource, for billing.
        pub cloud_resource_type_code: Option<String>,
    }

    /// A limit or number of a flavor: `sharding_num`, `max_connections`, `db_number` …
    pub struct FlavorAttribute {
        /// For this capacity.
        pub capacity: Option<Capacity>,
        /// Which.
        pub name: Option<String>,
        /// How much.
        pub value: Option<String>,
    }

    /// Zones that have some of a flavor left.
    pub struct FlavorZones {
        /// For this capacity.
        pub capacity: Option<Capacity>,
        /// `GB`.
        pub unit: Option<String>,
        /// Zone ids.
        pub available_zones: Vec<String>,
        /// Zone codes.
        pub az_codes: Vec<String>,
    }

    /// An hour (on some sites four) that can be a maintenance window, UTC.
    pub struct MaintenanceWindow {
        /// Its number.
        pub seq: Option<i64>,
        /// `18`, where instances say `18:00:00`.
        pub begin: Option<String>,
        /// `19`, where instances say `19:00:00`.
        pub end: Option<String>,
        /// Whether an instance gets it unless told otherwise.
        pub default: Option<bool>,
    }

    /// How much of something the tenant may have, and has.
    pub struct QuotaResource {
        /// `instance` or `ram`.
        #[serde(rename = "type")]
        pub kind: Option<String>,
        /// `GB` for memory, nothing for instances.
        pub unit: Option<String>,
        /// What it has.
        pub used: Option<i64>,
        /// What it may have.
        pub quota: Option<i64>,
        /// The least quota that can be applied for.
        pub min: Option<i64>,
        /// The largest quota that can be applied for.
        pub max: Option<i64>,
    }

    /// A zone.
    pub struct AvailabilityZone {
        required {
            /// Its code: what creating an instance takes.
            pub code: String,
        }
        /// Its id.
        pub id: Option<String>,
        /// Its name for people.
        pub name: Option<String>,
        /// The zone's port number.
        pub port: Option<String>,
        /// Whether anything is left there.
        pub resource_availability: Option<bool>,
    }

    /// Load figures of a running instance.
    pub struct InstanceStatistic {
        required {
            /// Which instance.
            pub instance_id: String,
        }
        /// Received, kbit/s.
        pub input_kbps: Option<f64>,
        /// Sent, kbit/s.
        pub output_kbps: Option<f64>,
        /// Keys it holds.
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
    /// Versions it exists in.
    pub fn engine_versions(&self) -> impl Iterator<Item = &str> {
        let versions = self.engine_version.as_deref().unwrap_or_default();
        versions.split([';', ',']).map(str::trim).filter(|version| !version.is_empty())
    }

    /// The number under `name` for `capacity`.
    pub fn attribute(&self, capacity: Capacity, name: &str) -> Option<&str> {
        let matches = |attribute: &&FlavorAttribute| {
            attribute.capacity == Some(capacity) && attribute.name.as_deref() == Some(name)
        };
        self.attrs.iter().find(matches)?.value.as_deref()
    }

    /// Codes of the zones that have some of `capacity` left.
    pub fn zones(&self, capacity: Capacity) -> impl Iterator<Item = &str> {
        let zones = self.flavors_available_zones.iter().filter(move |zones| zones.capacity == Some(capacity));
        zones.flat_map(|zones| zones.az_codes.iter().map(String::as_str))
    }
}
