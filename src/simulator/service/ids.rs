//! Deterministic ids: the same seed gives the same sequence.

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

/// Generates ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ids {
    seed: u64,
    drawn: u64,
}

// === impl Ids ===

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next UUID, for instances and backup policies.
    pub(super) fn uuid(&mut self) -> String {
        uuid(self.next().as_bytes())
    }

    /// The next id of 32 hexadecimal digits, for tasks, jobs and nodes.
    pub(super) fn hex(&mut self) -> String {
        // Ids of the real service begin like this: they are derived from a clock and a counter.
        format!("ff808081{}", self.next().get(..24).unwrap_or_default())
    }

    fn next(&mut self) -> String {
        self.drawn += 1;
        fingerprint(&[b"id", &self.seed.to_be_bytes(), &self.drawn.to_be_bytes()])
    }
}

/// 64 hexadecimal digits that depend on all parts and their boundaries.
pub(super) fn fingerprint(parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    hex::encode(context.finish())
}

/// 32 hexadecimal digits derived from all parts.
pub(super) fn short(parts: &[&[u8]]) -> String {
    let mut id = fingerprint(parts);
    id.truncate(32);
    id
}

/// A number derived from all parts.
pub(super) fn number(parts: &[&[u8]]) -> u64 {
    fingerprint(parts).get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

/// Formats the first 32 hexadecimal digits as a version 4 UUID.
fn uuid(digits: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (position, digit) in digits.iter().take(32).enumerate() {
        if [8, 12, 16, 20].contains(&position) {
            text.push('-');
        }
        text.push(match position {
            12 => '4',
            16 => 'a',
            _ => char::from(*digit),
        });
    }
    text
}

/// Whether `text` has the format of an instance id.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_depend_on_the_seed_alone() {
        let draw = |seed| {
            let mut ids = Ids::new(seed);
            (0..100).map(|_| ids.uuid()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert!(draw(1).iter().all(|id| is_uuid(id)));
        let all: HashSet<_> = draw(1).into_iter().chain(draw(2)).collect();
        assert_eq!(all.len(), 200);
    }

    #[test]
    fn hex_ids_have_32_digits() {
        let id = Ids::new(3).hex();
        assert_eq!(id.len(), 32);
        assert!(id.starts_with("ff808081") && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }

    #[test]
    fn part_boundaries_matter() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }

    #[test]
    fn malformed_ids_are_rejected() {
        for text in
            ["", "nope", "3c49fd6b-fc7c-419e-9644-b6cce008653", "3c49fd6b-fc7c-419e-9644-b6cce008653g"]
        {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
