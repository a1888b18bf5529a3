//! Passwords: which ones the cloud takes, and making one.

use secrecy::{ExposeSecret, SecretString};

use super::Problem;

/// How long a password can be on the site that is most generous; some stop at 32.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=64;
/// What may occur besides letters and digits, on all sites taken together.
const SPECIAL: &str = "`~!@#$%^&*()-_=+\\|{}:,<.>/?";

const LOWER: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8; 10] = b"0123456789";
/// What needs no escaping in URLs, shells and configuration files. 64 characters: six bits each, none preferred.
const SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Whether some site takes this password. What only some refuse is left to them: which site this is cannot be known
/// here (API reference 4.1.1, 4.2.3).
///
/// # Errors
/// None takes it: the problem says what a password is made of, and nothing about this one.
pub fn check(password: &SecretString) -> Result<(), Problem> {
    let password = password.expose_secret();
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_digit(),
        |c| SPECIAL.contains(c),
    ];
    let problem = |message: String| Err(Problem::new("auth.secretRef", message));
    if !LENGTH.contains(&password.chars().count()) {
        return problem(format!(
            "the password in this Secret has the wrong length: write one of {} to {} characters (at most 32 on \
             some sites), with no line break at its end",
            LENGTH.start(),
            LENGTH.end()
        ));
    }
    if !password.chars().all(|c| kinds.iter().any(|kind| kind(c))) {
        return problem(format!(
            "the password in this Secret has a character that the cloud does not take: write one of letters, digits \
             and {SPECIAL} with no line break at its end"
        ));
    }
    if kinds.iter().filter(|kind| password.chars().any(kind)).count() < 3 {
        return problem(format!(
            "the password in this Secret is too simple for the cloud: write one with three of these: lower case, \
             upper case, digits, {SPECIAL}"
        ));
    }
    Ok(())
}

/// A password that every site takes, from `random`, which must come from a secure source and be used once.
///
/// 32 characters: the shortest limit of any site. The first three are a letter of either case and a digit, which
/// makes three kinds, and keeps a hyphen from the front, where commands would take it for an option. The other 29
/// hold 174 bits.
pub fn generate(random: &[u8; 32]) -> SecretString {
    let password: String = random
        .iter()
        .enumerate()
        .filter_map(|(n, byte)| {
            let alphabet: &[u8] = match n {
                0 => LOWER,
                1 => UPPER,
                2 => DIGITS,
                _ => SAFE,
            };
            alphabet.get(usize::from(*byte) % alphabet.len()).copied().map(char::from)
        })
        .collect();
    password.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn complaint(password: &str) -> Option<String> {
        check(&password.into()).err().map(|problem| problem.message)
    }

    #[test]
    fn what_no_site_takes() {
        for (password, part) in [
            ("", "wrong length"),
            ("Abcdef1", "wrong length"),
            (&format!("aA1{}", "x".repeat(62)), "wrong length"),
            ("abcdefg1", "too simple"),
            ("ABCDEFG!", "too simple"),
            ("Abc defg1", "does not take"),
            ("Abcdefg1\n", "does not take"),
            ("Abcdefg1\"", "does not take"),
            ("Abcdefg1é", "does not take"),
        ] {
            let complaint = complaint(password).expect(password);
            assert!(complaint.contains(part), "{password:?}: {complaint}");
        }
    }

    #[test]
    fn what_some_site_takes() {
        for password in ["Abcdefg1", "abcdef1!", "ABCDEF1`", "abcdEF\\:", &format!("aA1{}", "x".repeat(61))] {
            assert_eq!(complaint(password), None, "{password:?}");
        }
    }

    #[test]
    fn golden() {
        let made = generate(&std::array::from_fn(|n| (n * 8) as u8));
        assert_eq!(made.expose_secret(), "aI6Ygow4AIQYgow4AIQYgow4AIQYgow4");
    }

    proptest! {
        #[test]
        fn generated_ones_are_taken_everywhere(random in any::<[u8; 32]>()) {
            let made = generate(&random);
            prop_assert!(check(&made).is_ok());
            let made = made.expose_secret();
            prop_assert_eq!(made.len(), 32);
            prop_assert!(made.starts_with(|c: char| c.is_ascii_lowercase()));
            prop_assert!(made.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{}", made);
        }

        #[test]
        fn six_bits_of_each_of_29_bytes_count(random in any::<[u8; 32]>(), at in 3_usize..32, change in 1_u8..64) {
            let mut other = random;
            other[at] ^= change;
            let (one, other) = (generate(&random), generate(&other));
            prop_assert_ne!(one.expose_secret(), other.expose_secret());
        }

        #[test]
        fn a_complaint_does_not_tell_the_password(password in "[ -~éß]{0,70}") {
            if let Some(complaint) = complaint(&password) {
                prop_assert!(password.len() < 8 || !complaint.contains(&password), "{}", complaint);
            }
        }
    }
}
