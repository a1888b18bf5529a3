//! Candidates for a new instance, and the requirements that they are compared with.

use std::cmp::Reverse;

use super::selection::SelectedFlavor;
use crate::dcs::model::{CacheMode, Capacity, CpuType, Flavor};

/// A flavor in one of its capacities.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlavorCandidate<'a> {
    pub(super) flavor: &'a Flavor,
    pub(super) mode: &'a CacheMode,
    pub(super) capacity: Capacity,
}

/// The requirements: from the spec, and from the defaults of the credentials Secret.
#[derive(Debug)]
pub(super) struct FlavorRequirements<'a> {
    pub(super) version: &'a str,
    pub(super) mode: CacheMode,
    pub(super) cpu: Option<CpuType>,
    /// `cpu` comes from the credentials Secret.
    pub(super) default_cpu: bool,
    pub(super) replicas: Option<i64>,
    pub(super) shards: Option<i64>,
    pub(super) capacity: Capacity,
}

/// A property that a candidate and the requirements may differ in.
#[derive(Debug, Clone, Copy)]
enum Field {
    Mode,
    Cpu,
    Replicas,
    Shards,
}

// === impl Field ===

impl Field {
    /// All fields, in the order of messages.
    const ALL: [Self; 4] = [Self::Mode, Self::Cpu, Self::Replicas, Self::Shards];
}

// === impl FlavorCandidate ===

impl<'a> FlavorCandidate<'a> {
    /// `None` for another engine than Redis, and for a flavor without a cache mode.
    pub(super) fn new(flavor: &'a Flavor, capacity: Capacity) -> Option<Self> {
        let is_redis = flavor.engine.as_deref().is_none_or(|engine| engine.eq_ignore_ascii_case("redis"));
        let mode = flavor.cache_mode.as_ref().filter(|_| is_redis)?;
        Some(Self { flavor, mode, capacity })
    }

    /// All candidates.
    pub(super) fn all(flavors: &'a [Flavor]) -> impl Iterator<Item = Self> + use<'a> {
        let sizes = |flavor: &'a Flavor| {
            flavor.capacity.iter().filter_map(move |capacity| Self::new(flavor, *capacity))
        };
        flavors.iter().flat_map(sizes)
    }

    /// Whether it belongs to the basic edition. Another edition is another product at another price: only specCode
    /// selects it.
    pub(super) fn is_basic(&self) -> bool {
        let edition = self.flavor.product_type.as_deref();
        edition.is_none_or(|edition| edition.eq_ignore_ascii_case("generic"))
    }

    pub(super) fn has_version(&self, version: &str) -> bool {
        self.flavor.engine_versions().any(|own| own == version)
    }

    pub(super) fn cpu(&self) -> Option<&'a CpuType> {
        self.flavor.cpu_type.as_ref()
    }

    pub(super) fn replicas(&self) -> Option<i64> {
        self.flavor.replica_count
    }

    /// Number of shards; `None` for a mode without shards, for which DCS lists one.
    pub(super) fn shards(&self) -> Option<i64> {
        match self.mode {
            CacheMode::Single | CacheMode::Ha | CacheMode::HaRwSplit => None,
            CacheMode::Proxy | CacheMode::Cluster | CacheMode::Other(_) => {
                self.flavor.attribute(self.capacity, "sharding_num")?.trim().parse().ok()
            }
        }
    }

    /// Codes of the zones that offer it, in alphabetical order.
    pub(super) fn zones(&self) -> Vec<&'a str> {
        let mut zones: Vec<_> = self.flavor.zones(self.capacity).collect();
        zones.sort_unstable();
        zones.dedup();
        zones
    }

    /// The deviation from the usual number of copies; the lowest is best.
    pub(super) fn unusual_replicas(&self) -> impl Ord + use<> {
        let replicas = self.replicas().unwrap_or(0);
        let least = if *self.mode == CacheMode::Single { 1 } else { 2 };
        let too_few = replicas < least;
        // Below the usual number, more copies are better.
        (too_few, if too_few { -replicas } else { replicas })
    }

    /// The preference among CPU types; the lowest is best.
    pub(super) fn cpu_rank(&self) -> (u8, &'a str) {
        match self.cpu() {
            Some(CpuType::X86_64) => (0, ""),
            Some(CpuType::Aarch64) => (1, ""),
            Some(CpuType::Other(word)) => (2, word),
            None => (3, ""),
        }
    }

    /// The preference among codes; the lowest is best: the shortest, then alphabetical order. The other properties make
    /// the order total, so that the order of the list does not matter.
    pub(super) fn rank(&self) -> impl Ord + use<'a> {
        let code = self.flavor.spec_code.as_str();
        let rest = (self.capacity, self.mode.as_str(), self.cpu_rank(), self.replicas(), self.shards());
        (code.len(), code, rest, Reverse(self.zones()))
    }

    /// Selects it, in these zones.
    pub(super) fn select(&self, zones: Vec<String>) -> SelectedFlavor {
        SelectedFlavor {
            spec_code: self.flavor.spec_code.clone(),
            cache_mode: self.mode.clone(),
            cpu_type: self.cpu().cloned(),
            capacity: self.capacity,
            replicas: self.replicas(),
            shards: self.shards(),
            zones,
        }
    }
}

// === impl FlavorRequirements ===

impl FlavorRequirements<'_> {
    /// Whether a candidate meets all requirements. Runs for every candidate, so the cheapest comparison comes first,
    /// and no text is built.
    pub(super) fn is_met_by(&self, candidate: &FlavorCandidate<'_>) -> bool {
        self.capacity == candidate.capacity && self.fits(candidate) && candidate.has_version(self.version)
    }

    /// Whether a candidate meets the requirements other than version and capacity.
    pub(super) fn fits(&self, candidate: &FlavorCandidate<'_>) -> bool {
        Field::ALL.into_iter().all(|field| !self.differs(field, candidate))
    }

    fn differs(&self, field: Field, candidate: &FlavorCandidate<'_>) -> bool {
        match field {
            Field::Mode => self.mode != *candidate.mode,
            Field::Cpu => self.cpu.is_some() && self.cpu.as_ref() != candidate.cpu(),
            Field::Replicas => self.replicas.is_some() && self.replicas != candidate.replicas(),
            Field::Shards => self.shards.is_some() && self.shards != candidate.shards(),
        }
    }

    /// The differences of a candidate of the version: fields of the spec, with the candidate's values.
    pub(super) fn differences(&self, candidate: &FlavorCandidate<'_>) -> Vec<String> {
        let mut fields = self.property_differences(candidate);
        if self.capacity != candidate.capacity {
            fields.push(format!("capacity {}", candidate.capacity));
        }
        fields
    }

    /// The differences other than the capacity.
    pub(super) fn property_differences(&self, candidate: &FlavorCandidate<'_>) -> Vec<String> {
        let written = |field: &str, own: Option<String>| match own {
            Some(own) => format!("{field} {own}"),
            None => format!("no {field}"),
        };
        let text = |field| match field {
            Field::Mode => written("cacheMode", Some(candidate.mode.to_string())),
            Field::Cpu => written("cpuType", candidate.cpu().map(CpuType::to_string)),
            Field::Replicas => written("replicas", candidate.replicas().map(|own| own.to_string())),
            Field::Shards => written("shards", candidate.shards().map(|own| own.to_string())),
        };
        Field::ALL.into_iter().filter(|field| self.differs(*field, candidate)).map(text).collect()
    }

    /// The requirements, as fields of the spec.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("engineVersion {}, cacheMode {}", self.version, self.mode);
        if let Some(cpu) = &self.cpu {
            let origin = if self.default_cpu { " (from the credentials Secret)" } else { "" };
            text += &format!(", cpuType {cpu}{origin}");
        }
        text += &self.replicas.map(|replicas| format!(", replicas {replicas}")).unwrap_or_default();
        text += &self.shards.map(|shards| format!(", shards {shards}")).unwrap_or_default();
        text + &format!(", capacity {}", self.capacity)
    }
}
