//! Selection of the zones.

use super::{candidate::FlavorCandidate, selection::Unavailable};
use crate::{
    dcs::model::CacheMode,
    plan::instance::{Defaults, Desired},
};

/// The zones that an instance may use.
#[derive(Debug)]
pub(super) enum ZoneSpec<'a> {
    /// Exactly these zones, from the spec.
    Exactly(&'a [String]),
    /// Some of these zones, from the credentials Secret, in order of preference.
    OneOf(Vec<&'a str>),
    /// Any zone that offers the flavor.
    Any,
}

// === impl ZoneSpec ===

impl<'a> ZoneSpec<'a> {
    /// The zones of the spec, else those of the credentials Secret, else any.
    pub(super) fn of(desired: &'a Desired, defaults: &'a Defaults) -> Result<Self, Unavailable> {
        if let Some(zones) = &desired.availability_zones {
            return Ok(Self::Exactly(zones));
        }
        let zones = defaults.zones()?;
        Ok(if zones.is_empty() { Self::Any } else { Self::OneOf(zones) })
    }

    /// The zones for a candidate, as DCS spells them: one for `single`, otherwise two if two are available.
    pub(super) fn pick(&self, candidate: &FlavorCandidate<'_>) -> Result<Vec<String>, Unavailable> {
        let is_single = *candidate.mode == CacheMode::Single;
        let count = if is_single { 1 } else { 2 };
        let available = candidate.zones();
        let spelled = |code: &str| available.iter().find(|own| own.eq_ignore_ascii_case(code)).copied();
        let name = || format!("{} with capacity {}", candidate.flavor.spec_code, candidate.capacity);
        let sold_out = |message: String| Err(Unavailable::SoldOut { message });
        if available.is_empty() {
            let message = "is sold out in every zone at present: wait, or choose another capacity, cacheMode or \
                           cpuType";
            return sold_out(format!("{} {message}", name()));
        }
        let picked: Vec<&str> = match self {
            Self::Exactly(zones) if is_single && zones.len() > 1 => {
                let message = format!("{} is one node: write one zone in availabilityZones", name());
                return Err(Unavailable::NoSuch { message });
            }
            Self::Exactly(zones) => {
                let missing: Vec<_> =
                    zones.iter().map(String::as_str).filter(|z| spelled(z).is_none()).collect();
                if !missing.is_empty() {
                    let (missing, available) = (missing.join(", "), available.join(", "));
                    let message = format!(
                        "is not available in {missing}: write availabilityZones from these: {available}"
                    );
                    return sold_out(format!("{} {message}", name()));
                }
                zones.iter().filter_map(|zone| spelled(zone)).collect()
            }
            Self::OneOf(zones) => {
                let mut picked: Vec<&str> = Vec::new();
                for zone in zones.iter().filter_map(|zone| spelled(zone)) {
                    if picked.len() < count && !picked.contains(&zone) {
                        picked.push(zone);
                    }
                }
                picked
            }
            Self::Any => available.iter().take(count).copied().collect(),
        };
        if picked.is_empty() {
            let message = "is not available in the zones that the credentials Secret names: set availabilityZones \
                           in the spec to zones from these:";
            return sold_out(format!("{} {message} {}", name(), available.join(", ")));
        }
        Ok(picked.into_iter().map(str::to_owned).collect())
    }
}
