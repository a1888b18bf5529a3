//! Messages for a spec that no flavor meets: the problem, and the nearest alternatives.

use std::{cmp::Reverse, collections::BTreeSet};

use super::candidate::{FlavorCandidate, FlavorRequirements};
use crate::dcs::model::{CacheMode, Capacity};

/// The maximum number of listed alternatives.
const MAX_ALTERNATIVES: usize = 3;

/// The message if no flavor meets the requirements.
pub(super) fn requirements(
    requirements: &FlavorRequirements<'_>,
    candidates: &[FlavorCandidate<'_>],
) -> String {
    let of_version: Vec<_> =
        candidates.iter().filter(|candidate| candidate.has_version(requirements.version)).collect();
    if of_version.is_empty() {
        let message = format!("no flavor has engineVersion {}", requirements.version);
        return match versions(candidates.iter()) {
            None => format!("{message}: DCS lists no flavors"),
            Some(versions) => format!("{message}; there are {versions}"),
        };
    }
    let nearest = alternatives(requirements, &of_version);
    let verb = if nearest.len() == 1 { "is" } else { "are" };
    format!("no flavor has {}; the nearest {verb} {}", requirements.describe(), nearest.join(", "))
}

/// The nearest alternatives, as fields of the spec. First the capacities around the required one, with every other
/// requirement met; then candidates with the fewest other differences. Those differ in capacity too only if no
/// alternative with the required cache mode is left.
fn alternatives(requirements: &FlavorRequirements<'_>, candidates: &[&FlavorCandidate<'_>]) -> Vec<String> {
    let matching = candidates.iter().filter(|candidate| requirements.fits(candidate));
    let around: Vec<_> = neighbours(requirements.capacity, matching.map(|candidate| candidate.capacity));
    let mut listed: Vec<_> = around.iter().map(|capacity| vec![format!("capacity {capacity}")]).collect();
    let mut others: Vec<_> = candidates.iter().filter(|candidate| !requirements.fits(candidate)).collect();
    let is_near = |candidate: &FlavorCandidate<'_>| {
        candidate.capacity == requirements.capacity
            || (around.is_empty() && *candidate.mode == requirements.mode)
    };
    if !around.is_empty() || others.iter().any(|candidate| is_near(candidate)) {
        others.retain(|candidate| is_near(candidate));
    }
    others.sort_by_cached_key(|candidate| {
        // A single node comes last: it has no copy of the data.
        let mode = (*candidate.mode != requirements.mode, *candidate.mode == CacheMode::Single);
        let distance = requirements.capacity.mib().abs_diff(candidate.capacity.mib());
        let deviations =
            [(requirements.replicas, candidate.replicas()), (requirements.shards, candidate.shards())]
                .map(|(required, own)| required.zip(own).map(|(required, own)| required.abs_diff(own)));
        (
            mode,
            requirements.property_differences(candidate).len(),
            distance,
            candidate.unusual_replicas(),
            deviations,
            candidate.rank(),
        )
    });
    for differences in others.into_iter().map(|candidate| requirements.differences(candidate)) {
        // An alternative that contains all changes of a listed one is redundant.
        let is_redundant =
            listed.iter().any(|other| other.iter().all(|difference| differences.contains(difference)));
        if listed.len() < MAX_ALTERNATIVES && !is_redundant {
            listed.push(differences);
        }
    }
    listed.iter().map(|differences| differences.join(" and ")).collect()
}

/// The message for a code that DCS does not list: the codes of this version and capacity with the longest common
/// prefix.
pub(super) fn codes(
    code: &str,
    version: &str,
    capacity: Option<Capacity>,
    candidates: &[FlavorCandidate<'_>],
) -> String {
    let fits = |candidate: &&FlavorCandidate<'_>| {
        candidate.has_version(version) && capacity.is_none_or(|required| candidate.capacity == required)
    };
    let mut similar: Vec<&str> =
        candidates.iter().filter(fits).map(|candidate| candidate.flavor.spec_code.as_str()).collect();
    similar.sort_by_key(|own| (Reverse(common_prefix(code, own)), own.len().abs_diff(code.len()), *own));
    similar.dedup();
    similar.truncate(MAX_ALTERNATIVES);
    let message = format!("there is no flavor {code}");
    if similar.is_empty() {
        let capacity = capacity.map(|capacity| format!(" and capacity {capacity}")).unwrap_or_default();
        return format!("{message}, and no flavor with engineVersion {version}{capacity}");
    }
    format!("{message}; similar codes with engineVersion {version}: {}", similar.join(", "))
}

/// The message for a code that does not exist in this version.
pub(super) fn versions_of(code: &str, version: &str, candidates: &[FlavorCandidate<'_>]) -> String {
    let versions = versions(candidates.iter()).unwrap_or_else(|| "none".to_owned());
    format!("specCode {code} does not exist with engineVersion {version}, only with {versions}")
}

/// The message for a code that does not exist in this capacity.
pub(super) fn capacities_of(code: &str, capacity: Capacity, candidates: &[FlavorCandidate<'_>]) -> String {
    let around = neighbours(capacity, candidates.iter().map(|candidate| candidate.capacity));
    let around = join(&around, " and ");
    format!("specCode {code} does not have capacity {capacity}; nearest: {around}")
}

/// The message for a code with several capacities, if the spec declares none.
pub(super) fn choose_capacity(code: &str, candidates: &[FlavorCandidate<'_>]) -> String {
    let capacities: BTreeSet<_> = candidates.iter().map(|candidate| candidate.capacity).collect();
    let capacities = join(&capacities.into_iter().collect::<Vec<_>>(), ", ");
    format!("specCode {code} has several capacities: write capacity, one of {capacities}")
}

/// The next smaller and the next larger of the capacities.
fn neighbours(required: Capacity, capacities: impl Iterator<Item = Capacity>) -> Vec<Capacity> {
    let all: BTreeSet<_> = capacities.collect();
    let below = all.range(..required).next_back();
    let above = all.range(required..).find(|capacity| **capacity != required);
    below.into_iter().chain(above).copied().collect()
}

fn versions<'a>(candidates: impl Iterator<Item = &'a FlavorCandidate<'a>>) -> Option<String> {
    let versions: BTreeSet<_> = candidates
        .flat_map(|candidate| candidate.flavor.engine_versions())
        .map(|version| (version.len(), version))
        .collect();
    let names: Vec<_> = versions.into_iter().map(|(_, version)| version).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The length of the common prefix, in bytes; case does not matter.
fn common_prefix(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

fn join(capacities: &[Capacity], separator: &str) -> String {
    capacities.iter().map(Capacity::to_string).collect::<Vec<_>>().join(separator)
}
