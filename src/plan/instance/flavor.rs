//! Which flavor a wish means, and in which zones.
//!
//! The answer does not depend on the order in which the cloud lists its flavors. Where several would do:
//!
//! 1. the number of copies that is usual: the least from two on, one for `single`;
//! 2. of these, the shortest code, then the first by the alphabet: where shards have their usual size the code does
//!    not mention it (`redis.cluster.xu1.large.r2.8`), where the size was chosen it does (`…r2.s1.8`);
//! 3. x86_64 before aarch64, unless only the latter has zones left.

mod candidate;
mod nearest;
mod zones;

use std::fmt;

use self::{
    candidate::{FlavorCandidate, FlavorRequirements},
    zones::ZoneWish,
};
use super::input::{Defaults, Desired, FlavorSpec, Problem};
use crate::dcs::model::{CacheMode, Capacity, CpuType, Flavor};

/// What will be bought.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SelectedFlavor {
    /// The flavor's code, as the cloud spells it.
    pub spec_code: String,
    /// How it is built.
    pub cache_mode: CacheMode,
    /// Processor of the nodes, where the cloud says it.
    pub cpu_type: Option<CpuType>,
    /// One that the flavor has.
    pub capacity: Capacity,
    /// Copies of the data, the master included, where the cloud says it.
    pub replicas: Option<i64>,
    /// Parts that the data is divided into; `proxy` and `cluster` only.
    pub shards: Option<i64>,
    /// Codes of zones, the master's first; at least one.
    pub zones: Vec<String>,
}

/// How an existing instance is built, by its flavor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How it is built.
    pub cache_mode: CacheMode,
    /// Copies of the data, the master included, where the cloud says it.
    pub replicas: Option<i64>,
    /// Parts that the data is divided into; `proxy` and `cluster` only.
    pub shards: Option<i64>,
}

/// Why nothing can be bought.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Unavailable {
    /// There is no such flavor: somebody has to wish for something else.
    NoSuch {
        /// What there is instead.
        message: String,
    },
    /// It exists, but not in these zones, or in none at present.
    SoldOut {
        /// Where it exists.
        message: String,
    },
}

/// Which flavor, and where.
///
/// # Errors
/// None, with what comes nearest; or none is left where it is wanted, with where there is some.
pub fn select(
    desired: &Desired,
    defaults: &Defaults,
    flavors: &[Flavor],
) -> Result<SelectedFlavor, Unavailable> {
    let Some(version) = desired.engine_version.as_deref() else {
        return Err(no_such("a new instance needs engineVersion: write one, such as \"6.0\""));
    };
    let zones = ZoneWish::of(desired, defaults)?;
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
            by_wish(&requirements, flavors)?
        }
    };
    // The first that is left where it is wanted; without any, what is missing of the first.
    let mut answer = Err(no_such("the cloud lists no flavors"));
    for (n, candidate) in candidates.iter().enumerate() {
        match zones.pick(candidate) {
            Ok(zones) => return Ok(candidate.choose(zones)),
            Err(unavailable) if n == 0 => answer = Err(unavailable),
            Err(_) => {}
        }
    }
    answer
}

/// How the instance with this flavor and capacity is built; `None` if the flavor is not listed.
pub fn describe(spec_code: &str, capacity: Capacity, flavors: &[Flavor]) -> Option<Shape> {
    let with_code = flavors.iter().filter(|flavor| flavor.spec_code.eq_ignore_ascii_case(spec_code));
    let candidates = with_code.filter_map(|flavor| FlavorCandidate::new(flavor, capacity));
    let candidate = candidates.min_by_key(FlavorCandidate::rank)?;
    let (replicas, shards) = (candidate.replicas(), candidate.shards());
    Some(Shape { cache_mode: candidate.mode.clone(), replicas, shards })
}

/// The flavor of this code.
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
    let is_wanted =
        |candidate: &&FlavorCandidate<'a>| capacity.is_none_or(|wanted| candidate.capacity == wanted);
    let best = of_version.iter().filter(is_wanted).min_by_key(|candidate| candidate.rank()).copied();
    let of_another_size =
        |best: FlavorCandidate<'_>| of_version.iter().any(|candidate| candidate.capacity != best.capacity);
    let message = match (best, capacity) {
        (Some(best), Some(_)) => return Ok(best),
        (Some(best), None) if !of_another_size(best) => return Ok(best),
        (None, _) if with_code.is_empty() => {
            nearest::codes(code, version, capacity, &FlavorCandidate::all(flavors).collect::<Vec<_>>())
        }
        (None, _) if of_version.is_empty() => nearest::versions_of(code, version, &with_code),
        (None, Some(capacity)) => nearest::capacities_of(code, capacity, &of_version),
        (_, None) => nearest::choose_capacity(code, &of_version),
    };
    Err(Unavailable::NoSuch { message })
}

/// For each processor the best flavor that is as wished, the preferred processor first; at least one.
fn by_wish<'a>(
    requirements: &FlavorRequirements<'_>,
    flavors: &'a [Flavor],
) -> Result<Vec<FlavorCandidate<'a>>, Unavailable> {
    let basic = || FlavorCandidate::all(flavors).filter(FlavorCandidate::is_basic);
    let mut fitting: Vec<_> =
        FlavorCandidate::all(flavors).filter(|candidate| requirements.is_met_by(candidate)).collect();
    fitting.retain(FlavorCandidate::is_basic);
    let usual = fitting.iter().map(|candidate| candidate.unusual_replicas()).min();
    fitting.retain(|candidate| Some(candidate.unusual_replicas()) == usual);
    fitting.sort_by_cached_key(|candidate| (candidate.cpu_rank(), candidate.rank()));
    fitting.dedup_by(|next, best| next.cpu_rank() == best.cpu_rank());
    if fitting.is_empty() {
        return Err(Unavailable::NoSuch {
            message: nearest::wish(requirements, &basic().collect::<Vec<_>>()),
        });
    }
    Ok(fitting)
}

fn no_such(message: &str) -> Unavailable {
    Unavailable::NoSuch { message: message.to_owned() }
}

// === impl Unavailable ===

impl Unavailable {
    /// What to tell the user.
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
    /// A default that makes no sense leaves nothing to choose from.
    fn from(problem: Problem) -> Self {
        Self::NoSuch { message: problem.to_string() }
    }
}

#[cfg(test)]
mod tests;
