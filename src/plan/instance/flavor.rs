//! Selection of the flavor and of the zones of a new instance.
//!
//! The selection does not depend on the order in which DCS lists its flavors. Of several that match, it prefers:
//!
//! 1. the usual number of copies: the lowest from two on, one for `single`;
//! 2. the shortest code, then the first in alphabetical order: a code contains the shard size only if that is not the
//!    usual one (`redis.cluster.xu1.large.r2.8`, `…r2.s1.8`);
//! 3. x86_64 before aarch64, unless x86_64 is sold out.

mod candidate;
mod nearest;
mod selection;
mod zones;

use std::fmt;

pub use self::selection::{SelectedFlavor, Unavailable};
use self::{
    candidate::{FlavorCandidate, FlavorRequirements},
    zones::ZoneSpec,
};
use super::input::{Defaults, Desired, FlavorSpec, Problem};
use crate::dcs::model::{CacheMode, Capacity, Flavor};

/// The properties of an existing instance that follow from its flavor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Cache mode.
    pub cache_mode: CacheMode,
    /// Copies of the data, including the master, if DCS lists them.
    pub replicas: Option<i64>,
    /// Number of shards; `proxy` and `cluster` only.
    pub shards: Option<i64>,
}

/// Selects the flavor and the zones of a new instance.
///
/// # Errors
/// No flavor matches, or the one that does is sold out in the zones in question. The message lists alternatives.
pub fn select(
    desired: &Desired,
    defaults: &Defaults,
    flavors: &[Flavor],
) -> Result<SelectedFlavor, Unavailable> {
    let Some(version) = desired.engine_version.as_deref() else {
        return Err(no_such("a new instance needs engineVersion: write one, such as \"6.0\""));
    };
    let zones = ZoneSpec::of(desired, defaults)?;
    let candidates = match &desired.flavor {
        FlavorSpec::SpecCode(code) => vec![by_code(code, version, desired.capacity, flavors)?],
        FlavorSpec::Select { cache_mode, cpu_type, replicas, shards } => {
            let Some(capacity) = desired.capacity else {
                return Err(no_such("a new instance needs capacity: write one, such as 4Gi"));
            };
            let default_cpu = if cpu_type.is_none() { defaults.cpu()? } else { None };
            let requirements = FlavorRequirements {
                version,
                mode: cache_mode.clone().unwrap_or(CacheMode::Ha),
                default_cpu: default_cpu.is_some(),
                cpu: cpu_type.clone().or(default_cpu),
                replicas: *replicas,
                shards: *shards,
                capacity,
            };
            by_requirements(&requirements, flavors)?
        }
    };
    // The first candidate with zones; without any, the error of the first candidate.
    let mut result = Err(no_such("DCS lists no flavors"));
    for (index, candidate) in candidates.iter().enumerate() {
        match zones.pick(candidate) {
            Ok(zones) => return Ok(candidate.select(zones)),
            Err(unavailable) if index == 0 => result = Err(unavailable),
            Err(_) => {}
        }
    }
    result
}

/// The shape of an instance with this flavor and capacity; `None` if DCS does not list the flavor.
pub fn describe(spec_code: &str, capacity: Capacity, flavors: &[Flavor]) -> Option<Shape> {
    let with_code = flavors.iter().filter(|flavor| flavor.spec_code.eq_ignore_ascii_case(spec_code));
    let candidates = with_code.filter_map(|flavor| FlavorCandidate::new(flavor, capacity));
    let candidate = candidates.min_by_key(FlavorCandidate::rank)?;
    let (replicas, shards) = (candidate.replicas(), candidate.shards());
    Some(Shape { cache_mode: candidate.mode.clone(), replicas, shards })
}

/// The best candidate with this code.
fn by_code<'a>(
    code: &str,
    version: &str,
    capacity: Option<Capacity>,
    flavors: &'a [Flavor],
) -> Result<FlavorCandidate<'a>, Unavailable> {
    let has_code = |candidate: &FlavorCandidate<'_>| candidate.flavor.spec_code.eq_ignore_ascii_case(code);
    let with_code: Vec<FlavorCandidate<'a>> = FlavorCandidate::all(flavors).filter(has_code).collect();
    let of_version: Vec<_> =
        with_code.iter().filter(|candidate| candidate.has_version(version)).copied().collect();
    let has_capacity =
        |candidate: &&FlavorCandidate<'a>| capacity.is_none_or(|wanted| candidate.capacity == wanted);
    let best = of_version.iter().filter(has_capacity).min_by_key(|candidate| candidate.rank()).copied();
    let has_other_capacities =
        |best: FlavorCandidate<'_>| of_version.iter().any(|candidate| candidate.capacity != best.capacity);
    let message = match (best, capacity) {
        (Some(best), Some(_)) => return Ok(best),
        (Some(best), None) if !has_other_capacities(best) => return Ok(best),
        (None, _) if with_code.is_empty() => {
            nearest::codes(code, version, capacity, &FlavorCandidate::all(flavors).collect::<Vec<_>>())
        }
        (None, _) if of_version.is_empty() => nearest::versions_of(code, version, &with_code),
        (None, Some(capacity)) => nearest::capacities_of(code, capacity, &of_version),
        (_, None) => nearest::choose_capacity(code, &of_version),
    };
    Err(Unavailable::NoSuch { message })
}

/// The best candidate for each CPU type, the preferred CPU type first; at least one.
fn by_requirements<'a>(
    requirements: &FlavorRequirements<'_>,
    flavors: &'a [Flavor],
) -> Result<Vec<FlavorCandidate<'a>>, Unavailable> {
    let basic = || FlavorCandidate::all(flavors).filter(FlavorCandidate::is_basic);
    let mut matching: Vec<_> =
        FlavorCandidate::all(flavors).filter(|candidate| requirements.is_met_by(candidate)).collect();
    matching.retain(FlavorCandidate::is_basic);
    let usual = matching.iter().map(|candidate| candidate.unusual_replicas()).min();
    matching.retain(|candidate| Some(candidate.unusual_replicas()) == usual);
    matching.sort_by_cached_key(|candidate| (candidate.cpu_rank(), candidate.rank()));
    matching.dedup_by(|next, best| next.cpu_rank() == best.cpu_rank());
    if matching.is_empty() {
        return Err(Unavailable::NoSuch {
            message: nearest::requirements(requirements, &basic().collect::<Vec<_>>()),
        });
    }
    Ok(matching)
}

fn no_such(message: &str) -> Unavailable {
    Unavailable::NoSuch { message: message.to_owned() }
}

// === impl Unavailable ===

impl Unavailable {
    /// The message for the user.
    pub fn message(&self) -> &str {
        match self {
            Self::NoSuch { message } | Self::SoldOut { message } => message,
        }
    }
}

impl std::error::Error for Unavailable {}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.message())
    }
}

impl From<Problem> for Unavailable {
    /// An invalid default in the credentials Secret: no flavor can be selected.
    fn from(problem: Problem) -> Self {
        Self::NoSuch { message: problem.to_string() }
    }
}

#[cfg(test)]
mod tests;
