//! Memory sizes. The service counts in GB (meaning GiB), with fractions down to an eighth.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::lenient::{FromScalar, Scalar};

/// Memory of an instance, in whole MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Capacity(u32);

// === impl Capacity ===

impl Capacity {
    /// From MiB.
    pub const fn from_mib(mib: u32) -> Self {
        Self(mib)
    }

    /// From GiB, the service's unit; `None` if negative, not a whole number of MiB, or above 1 PiB.
    pub fn from_gib(gib: f64) -> Option<Self> {
        let mib = gib * 1024.0;
        let whole = (0.0..1_073_741_824.0).contains(&mib) && mib.fract() == 0.0;
        whole.then_some(Self(mib as u32))
    }

    /// From the quantity that [`Display`](fmt::Display) writes.
    pub fn from_quantity(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u32>().ok();
        match text.strip_suffix("Gi") {
            Some(gib) => number(gib)?.checked_mul(1024).map(Self),
            None => number(text.strip_suffix("Mi")?).map(Self),
        }
    }

    /// In MiB.
    pub const fn mib(self) -> u32 {
        self.0
    }

    /// In GiB, the service's unit.
    pub fn gib(self) -> f64 {
        f64::from(self.0) / 1024.0
    }
}

impl fmt::Display for Capacity {
    /// As a Kubernetes quantity: `512Mi`, `4Gi`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1024 && self.0.is_multiple_of(1024) {
            f.pad(&format!("{}Gi", self.0 / 1024))
        } else {
            f.pad(&format!("{}Mi", self.0))
        }
    }
}

impl FromScalar for Capacity {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        Self::from_gib(f64::from_scalar(scalar)?)
    }
}

impl Serialize for Capacity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1024) {
            serializer.serialize_u32(self.0 / 1024)
        } else {
            serializer.serialize_f64(self.gib())
        }
    }
}

impl<'de> Deserialize<'de> for Capacity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_scalar(Scalar::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a capacity in GB, in steps of a MiB, was expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_from_numbers_and_texts() {
        for (text, mib) in [("4", 4096), ("\"0.125\"", 128), ("\".25\"", 256), ("0", 0)] {
            assert_eq!(serde_json::from_str::<Capacity>(text).ok().map(Capacity::mib), Some(mib), "{text}");
        }
        assert!(serde_json::from_str::<Capacity>("\"much\"").is_err());
    }

    #[test]
    fn shown_as_a_quantity_and_sent_as_a_number() {
        for (mib, shown, sent) in [
            (128, "128Mi", "0.125"),
            (512, "512Mi", "0.5"),
            (1024, "1Gi", "1"),
            (65536, "64Gi", "64"),
            (0, "0Mi", "0"),
        ] {
            let capacity = Capacity::from_mib(mib);
            assert_eq!(capacity.to_string(), shown);
            assert_eq!(serde_json::to_string(&capacity).ok().as_deref(), Some(sent));
            assert_eq!(Capacity::from_gib(capacity.gib()), Some(capacity));
            assert_eq!(Capacity::from_quantity(shown), Some(capacity));
        }
        for wrong in [-1.0, 0.0001, f64::NAN, f64::INFINITY, 1e12] {
            assert_eq!(Capacity::from_gib(wrong), None, "{wrong}");
        }
    }
}
