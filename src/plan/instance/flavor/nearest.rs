//! What there is instead of what was asked for, in a sentence.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{FlavorCandidate, FlavorRequirements};
use crate::dcs::model::{CacheMode, Capacity};

/// How many alternatives are named at most.
const NAMED: usize = 3;

/// For a wish that no flavor meets.
pub(super) fn wish(requirements: &FlavorRequirements<'_>, candidates: &[FlavorCandidate<'_>]) -> String {
    let of_version: Vec<_> =
        candidates.iter().filter(|candidate| candidate.has_version(requirements.version)).collect();
    if of_version.is_empty() {
        let message = format!("no flavor has engineVersion {}", requirements.version);
        return match versions(candidates.iter()) {
            None => format!("{message}: the cloud lists no flavors"),
            Some(versions) => format!("{message}; there are {versions}"),
        };
    }
    let nearest = alternatives(requirements, &of_version);
    let verb = if nearest.len() == 1 { "is" } else { "are" };
    format!("no flavor has {}; the nearest {verb} {}", requirements.describe(), nearest.join(", "))
}

/// What would have to be written instead. First the capacities around the one asked for, all else as asked; then
/// what is built otherwise, in as little as possible, and in another capacity too only where nothing else is left of
/// the mode.
fn alternatives(requirements: &FlavorRequirements<'_>, candidates: &[&FlavorCandidate<'_>]) -> Vec<String> {
    let as_asked = candidates.iter().filter(|candidate| requirements.fits(candidate));
    let around: Vec<_> = neighbours(requirements.capacity, as_asked.map(|candidate| candidate.capacity));
    let mut named: Vec<_> = around.iter().map(|capacity| vec![format!("capacity {capacity}")]).collect();
    let mut others: Vec<_> = candidates.iter().filter(|candidate| !requirements.fits(candidate)).collect();
    let is_near = |candidate: &FlavorCandidate<'_>| {
        candidate.capacity == requirements.capacity
            || (around.is_empty() && *candidate.mode == requirements.mode)
    };
    if !around.is_empty() || others.iter().any(|candidate| is_near(candidate)) {
        others.retain(|candidate| is_near(candidate));
    }
    others.sort_by_cached_key(|candidate| {
        // One node only is last: it keeps no copy of the data.
        let mode = (*candidate.mode != requirements.mode, *candidate.mode == CacheMode::Single);
        let distance = requirements.capacity.mib().abs_diff(candidate.capacity.mib());
        let far = [(requirements.replicas, candidate.replicas()), (requirements.shards, candidate.shards())]
            .map(|(wanted, own)| wanted.zip(own).map(|(wanted, own)| wanted.abs_diff(own)));
        (
            mode,
            requirements.built_otherwise(candidate).len(),
            distance,
            candidate.unusual_replicas(),
            far,
            candidate.rank(),
        )
    });
    for differences in others.into_iter().map(|candidate| requirements.differences(candidate)) {
        // Whoever changes something anyway need not change more than was named already.
        let is_more = named.iter().any(|less| less.iter().all(|difference| differences.contains(difference)));
        if named.len() < NAMED && !is_more {
            named.push(differences);
        }
    }
    named.iter().map(|differences| differences.join(" and ")).collect()
}

/// For a code that is not listed: the codes that begin most like it, of this version and capacity if there are any.
pub(super) fn codes(
    code: &str,
    version: &str,
    capacity: Option<Capacity>,
    candidates: &[FlavorCandidate<'_>],
) -> String {
    let fits = |candidate: &&FlavorCandidate<'_>| {
        candidate.has_version(version) && capacity.is_none_or(|wanted| candidate.capacity == wanted)
    };
    let mut similar: Vec<&str> =
        candidates.iter().filter(fits).map(|o| o.flavor.spec_code.as_str()).collect();
    similar.sort_by_key(|own| (Reverse(common(code, own)), own.len().abs_diff(code.len()), *own));
    similar.dedup();
    similar.truncate(NAMED);
    let message = format!("there is no flavor {code}");
    if similar.is_empty() {
        let capacity = capacity.map(|capacity| format!(" and capacity {capacity}")).unwrap_or_default();
        return format!("{message}, and no flavor with engineVersion {version}{capacity}");
    }
    format!("{message}; with engineVersion {version}, similar ones are {}", similar.join(", "))
}

/// For a code that does not exist in this version.
pub(super) fn versions_of(code: &str, version: &str, candidates: &[FlavorCandidate<'_>]) -> String {
    let versions = versions(candidates.iter()).unwrap_or_else(|| "none".to_owned());
    format!("specCode {code} does not exist with engineVersion {version}, only with {versions}")
}

/// For a code that does not exist in this capacity.
pub(super) fn capacities_of(code: &str, capacity: Capacity, candidates: &[FlavorCandidate<'_>]) -> String {
    let around = neighbours(capacity, candidates.iter().map(|candidate| candidate.capacity));
    let around = join(&around, " and ");
    format!("specCode {code} does not have capacity {capacity}; the nearest that it has: {around}")
}

/// For a code that leaves the capacity open, where none was written.
pub(super) fn choose_capacity(code: &str, candidates: &[FlavorCandidate<'_>]) -> String {
    let capacities: BTreeSet<_> = candidates.iter().map(|candidate| candidate.capacity).collect();
    let capacities = join(&capacities.into_iter().collect::<Vec<_>>(), ", ");
    format!("specCode {code} has several capacities: write capacity, one of {capacities}")
}

/// The next smaller and the next larger of the capacities.
fn neighbours(wanted: Capacity, capacities: impl Iterator<Item = Capacity>) -> Vec<Capacity> {
    let all: BTreeSet<_> = capacities.collect();
    let below = all.range(..wanted).next_back();
    let above = all.range(wanted..).find(|capacity| **capacity != wanted);
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

/// How many bytes two texts begin with in common.
fn common(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

fn join(capacities: &[Capacity], separator: &str) -> String {
    capacities.iter().map(Capacity::to_string).collect::<Vec<_>>().join(separator)
}
