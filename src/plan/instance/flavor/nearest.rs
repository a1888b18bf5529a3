//! What there is instead of what was asked for, in a sentence.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{Ask, Offer};
use crate::dcs::model::{CacheMode, Capacity};

/// How many alternatives are named at most.
const NAMED: usize = 3;

/// For a wish that no flavor meets.
pub(super) fn wish(ask: &Ask<'_>, offers: &[Offer<'_>]) -> String {
    let of_version: Vec<_> = offers.iter().filter(|offer| offer.has_version(ask.version)).collect();
    if of_version.is_empty() {
        let message = format!("no flavor has engineVersion {}", ask.version);
        return match versions(offers.iter()) {
            None => format!("{message}: the cloud lists no flavors"),
            Some(versions) => format!("{message}; there are {versions}"),
        };
    }
    let nearest = alternatives(ask, &of_version);
    let verb = if nearest.len() == 1 { "is" } else { "are" };
    format!("no flavor has {}; the nearest {verb} {}", ask.describe(), nearest.join(", "))
}

/// What would have to be written instead. First the capacities around the one asked for, all else as asked; then
/// what is built otherwise, in as little as possible, and in another capacity too only where nothing else is left of
/// the mode.
fn alternatives(ask: &Ask<'_>, offers: &[&Offer<'_>]) -> Vec<String> {
    let as_asked = offers.iter().filter(|offer| ask.fits(offer));
    let around: Vec<_> = neighbours(ask.capacity, as_asked.map(|offer| offer.capacity));
    let mut named: Vec<_> = around.iter().map(|capacity| vec![format!("capacity {capacity}")]).collect();
    let mut others: Vec<_> = offers.iter().filter(|offer| !ask.fits(offer)).collect();
    let is_near =
        |offer: &Offer<'_>| offer.capacity == ask.capacity || (around.is_empty() && *offer.mode == ask.mode);
    if !around.is_empty() || others.iter().any(|offer| is_near(offer)) {
        others.retain(|offer| is_near(offer));
    }
    others.sort_by_cached_key(|offer| {
        // One node only is last: it keeps no copy of the data.
        let mode = (*offer.mode != ask.mode, *offer.mode == CacheMode::Single);
        let distance = ask.capacity.mib().abs_diff(offer.capacity.mib());
        let far = [(ask.replicas, offer.replicas()), (ask.shards, offer.shards())]
            .map(|(wanted, own)| wanted.zip(own).map(|(wanted, own)| wanted.abs_diff(own)));
        (mode, ask.built_otherwise(offer).len(), distance, offer.unusual_replicas(), far, offer.rank())
    });
    for differences in others.into_iter().map(|offer| ask.differences(offer)) {
        // Whoever changes something anyway need not change more than was named already.
        let is_more = named.iter().any(|less| less.iter().all(|difference| differences.contains(difference)));
        if named.len() < NAMED && !is_more {
            named.push(differences);
        }
    }
    named.iter().map(|differences| differences.join(" and ")).collect()
}

/// For a code that is not listed: the codes that begin most like it, of this version and capacity if there are any.
pub(super) fn codes(code: &str, version: &str, capacity: Option<Capacity>, offers: &[Offer<'_>]) -> String {
    let fits = |offer: &&Offer<'_>| {
        offer.has_version(version) && capacity.is_none_or(|wanted| offer.capacity == wanted)
    };
    let mut similar: Vec<&str> = offers.iter().filter(fits).map(|o| o.flavor.spec_code.as_str()).collect();
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
pub(super) fn versions_of(code: &str, version: &str, offers: &[Offer<'_>]) -> String {
    let versions = versions(offers.iter()).unwrap_or_else(|| "none".to_owned());
    format!("specCode {code} does not exist with engineVersion {version}, only with {versions}")
}

/// For a code that does not exist in this capacity.
pub(super) fn capacities_of(code: &str, capacity: Capacity, offers: &[Offer<'_>]) -> String {
    let around = neighbours(capacity, offers.iter().map(|offer| offer.capacity));
    let around = join(&around, " and ");
    format!("specCode {code} does not have capacity {capacity}; the nearest that it has: {around}")
}

/// For a code that leaves the capacity open, where none was written.
pub(super) fn choose_capacity(code: &str, offers: &[Offer<'_>]) -> String {
    let capacities: BTreeSet<_> = offers.iter().map(|offer| offer.capacity).collect();
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

fn versions<'a>(offers: impl Iterator<Item = &'a Offer<'a>>) -> Option<String> {
    let versions: BTreeSet<_> = offers
        .flat_map(|offer| offer.flavor.engine_versions())
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
