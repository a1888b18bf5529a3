//! Kubernetes quantities (`4Gi`, `4096Mi`, `0.5Gi`, `4e9`), parsed exactly, without rounding.

use crate::dcs::model::Capacity;

/// A parsed quantity: `digits` times 2^`binary` times 10^`decimal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount {
    negative: bool,
    digits: u128,
    binary: u32,
    decimal: i32,
}

/// Whether the text is a valid quantity.
pub(in crate::plan::instance) fn is_quantity(text: &str) -> bool {
    Amount::read(text).is_some()
}

/// A quantity as a capacity: 128, 256 or 512 MiB, or whole GiB from 1 to 1024. `None` for any other amount, such as
/// `4G`, which is less than 4Gi.
pub(in crate::plan::instance) fn capacity(text: &str) -> Option<Capacity> {
    const MIB: u128 = 1 << 20;
    let bytes = Amount::read(text)?.whole()?;
    let mib = u32::try_from(bytes / MIB).ok().filter(|_| bytes.is_multiple_of(MIB))?;
    let offered =
        matches!(mib, 128 | 256 | 512) || (mib.is_multiple_of(1024) && (1024..=1024 * 1024).contains(&mib));
    offered.then(|| Capacity::from_mib(mib))
}

// === impl Amount ===

impl Amount {
    fn read(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at_checked(end)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let (binary, exponent) = scale(suffix)?;
        // This fails for a second dot, and for a text without digits.
        let digits = format!("{whole}{fraction}").parse().ok()?;
        let decimal = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Some(Self { negative, digits, binary, decimal })
    }

    /// The amount, if it is a whole number that fits.
    fn whole(self) -> Option<u128> {
        if self.digits == 0 {
            return Some(0);
        }
        let digits = self.digits.checked_mul(1_u128.checked_shl(self.binary)?)?;
        let power = 10_u128.checked_pow(self.decimal.unsigned_abs())?;
        let whole = if self.decimal >= 0 {
            digits.checked_mul(power)
        } else {
            digits.is_multiple_of(power).then(|| digits / power)
        };
        whole.filter(|_| !self.negative)
    }
}

/// The exponents of 2 and of 10 that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    let scale = match suffix {
        "" => (0, 0),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quantity_of_an_offered_size_is_a_capacity() {
        for (text, mib) in [
            ("4Gi", Some(4096)),
            ("4096Mi", Some(4096)),
            ("4194304Ki", Some(4096)),
            ("4294967296", Some(4096)),
            ("4294967296000m", Some(4096)),
            ("4294967.296k", Some(4096)),
            ("4.294967296e9", Some(4096)),
            ("4294967296E+0", Some(4096)),
            ("+4Gi", Some(4096)),
            ("4.Gi", Some(4096)),
            ("4.000Gi", Some(4096)),
            ("0.5Gi", Some(512)),
            (".125Gi", Some(128)),
            ("256Mi", Some(256)),
            ("1Ti", Some(1_048_576)),
            ("4G", None),
            ("4000M", None),
            ("1.5Gi", None),
            ("64Mi", None),
            ("384Mi", None),
            ("1025Gi", None),
            ("2Ti", None),
            ("0", None),
            ("0Gi", None),
            ("-4Gi", None),
            ("0.0000000000001Gi", None),
            ("1e2147483647", None),
            ("1e-2147483648", None),
        ] {
            assert!(is_quantity(text) || text.starts_with("1e-"), "{text}");
            assert_eq!(capacity(text).map(Capacity::mib), mib, "{text}");
        }
    }

    #[test]
    fn other_text_is_no_quantity() {
        for text in
            ["", "Gi", "4 Gi", "4gi", "4GiB", "four", "4..0Gi", "1.2.3", ".", "+", "++4", "4e", "4eGi"]
        {
            assert!(!is_quantity(text), "{text}");
            assert_eq!(capacity(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*", number in "[+-]?[0-9.]{0,50}([eE][+-]?[0-9]{0,12}|[KMGTPE]i?|[numk])?") {
            let _ = (capacity(&text), capacity(&number));
        }

        #[test]
        fn a_displayed_capacity_parses_back(gib in 1_u32..=1024) {
            let shown = Capacity::from_mib(gib * 1024);
            prop_assert_eq!(capacity(&shown.to_string()), Some(shown));
            prop_assert_eq!(capacity(&format!("{}Mi", gib * 1024)), Some(shown));
        }
    }
}
