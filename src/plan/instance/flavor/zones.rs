//! In which zones.

use super::{FlavorCandidate, Unavailable};
use crate::{
    dcs::model::CacheMode,
    plan::instance::{Defaults, Desired},
};

/// Where an instance shall be.
#[derive(Debug)]
pub(super) enum ZoneWish<'a> {
    /// In exactly these zones, of the spec.
    These(&'a [String]),
    /// In zones out of these, of the credentials Secret, the first ones first.
    Among(Vec<&'a str>),
    /// Wherever there is room.
    Any,
}

// === impl ZoneWish ===

impl<'a> ZoneWish<'a> {
    /// The spec's; else the Secret's; else any.
    pub(super) fn of(desired: &'a Desired, defaults: &'a Defaults) -> Result<Self, Unavailable> {
        if let Some(zones) = &desired.availability_zones {
            return Ok(Self::These(zones));
        }
        let zones = defaults.zones()?;
        Ok(if zones.is_empty() { Self::Any } else { Self::Among(zones) })
    }

    /// The zones for an offer, as the cloud spells them: one for `single`, otherwise two if there are two.
    pub(super) fn pick(&self, candidate: &FlavorCandidate<'_>) -> Result<Vec<String>, Unavailable> {
        let is_single = *candidate.mode == CacheMode::Single;
        let count = if is_single { 1 } else { 2 };
        let left = candidate.zones();
        let spelled = |code: &str| left.iter().find(|own| own.eq_ignore_ascii_case(code)).copied();
        let what = || format!("{} with capacity {}", candidate.flavor.spec_code, candidate.capacity);
        let sold_out = |message: String| Err(Unavailable::SoldOut { message });
        if left.is_empty() {
            let message = "is sold out in every zone at present: wait, or choose another capacity, cacheMode or \
                           cpuType";
            return sold_out(format!("{} {message}", what()));
        }
        let picked: Vec<&str> = match self {
            Self::These(zones) if is_single && zones.len() > 1 => {
                let message = format!("{} is one node: write one zone in availabilityZones", what());
                return Err(Unavailable::NoSuch { message });
            }
            Self::These(zones) => {
                let missing: Vec<_> =
                    zones.iter().map(String::as_str).filter(|z| spelled(z).is_none()).collect();
                if !missing.is_empty() {
                    let (missing, left) = (missing.join(", "), left.join(", "));
                    let message =
                        format!("is not to be had in {missing}: write availabilityZones out of {left}");
                    return sold_out(format!("{} {message}", what()));
                }
                zones.iter().filter_map(|zone| spelled(zone)).collect()
            }
            Self::Among(zones) => {
                let mut picked: Vec<&str> = Vec::new();
                for zone in zones.iter().filter_map(|zone| spelled(zone)) {
                    if picked.len() < count && !picked.contains(&zone) {
                        picked.push(zone);
                    }
                }
                picked
            }
            Self::Any => left.iter().take(count).copied().collect(),
        };
        if picked.is_empty() {
            let message = "is not to be had in the zones that the credentials Secret names: write availabilityZones \
                           in the spec, out of";
            return sold_out(format!("{} {message} {}", what(), left.join(", ")));
        }
        Ok(picked.into_iter().map(str::to_owned).collect())
    }
}
