//! Validation and generation of passwords.

use secrecy::{ExposeSecret, SecretString};

use super::Problem;

/// The length limits of the most permissive site; some sites accept at most 32 characters.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=64;
/// The special characters that at least one site accepts.
const SPECIAL: &str = "`~!@#$%^&*()-_=+\\|{}:,<.>/?";

const LOWER: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8; 10] = b"0123456789";
/// Characters that need no escaping in URLs, shells and configuration files. 64 of them: six bits each, without bias.
const SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Checks that at least one site accepts this password (API reference 4.1.1, 4.2.3). The operator does not know the
/// rules of its site: DCS itself enforces stricter ones.
///
/// # Errors
/// No site accepts it: the problem describes valid passwords and reveals nothing of this one.
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
            "the password in this Secret has a character that DCS does not accept: write one of letters, digits and \
             {SPECIAL} with no line break at its end"
        ));
    }
    if kinds.iter().filter(|kind| password.chars().any(kind)).count() < 3 {
        return problem(format!(
            "the password in this Secret is too simple for DCS: write one with three of these: lower case, upper case, \
             digits, {SPECIAL}"
        ));
    }
    Ok(())
}

/// Generates a password that every site accepts. `random` must come from a secure source and be used once.
///
/// It has 32 characters, the shortest limit of any site. The first three are a lower case letter, an upper case letter
/// and a digit: the three required kinds, and no leading hyphen, which commands would parse as an option. The other 29
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

    fn message(password: &str) -> Option<String> {
        check(&password.into()).err().map(|problem| problem.message)
    }

    #[test]
    fn a_password_that_no_site_accepts_is_a_problem() {
        for (password, part) in [
            ("", "wrong length"),
            ("Abcdef1", "wrong length"),
            (&format!("aA1{}", "x".repeat(62)), "wrong length"),
            ("abcdefg1", "too simple"),
            ("ABCDEFG!", "too simple"),
            ("Abc defg1", "does not accept"),
            ("Abcdefg1\n", "does not accept"),
            ("Abcdefg1\"", "does not accept"),
            ("Abcdefg1é", "does not accept"),
        ] {
            let message = message(password).expect(password);
            assert!(message.contains(part), "{password:?}: {message}");
        }
    }

    #[test]
    fn a_password_that_some_site_accepts_is_valid() {
        for password in ["Abcdefg1", "abcdef1!", "ABCDEF1`", "abcdEF\\:", &format!("aA1{}", "x".repeat(61))] {
            assert_eq!(message(password), None, "{password:?}");
        }
    }

    #[test]
    fn generation_is_deterministic() {
        let password = generate(&std::array::from_fn(|n| (n * 8) as u8));
        assert_eq!(password.expose_secret(), "aI6Ygow4AIQYgow4AIQYgow4AIQYgow4");
    }

    proptest! {
        #[test]
        fn a_generated_password_is_valid_on_every_site(random in any::<[u8; 32]>()) {
            let password = generate(&random);
            prop_assert!(check(&password).is_ok());
            let password = password.expose_secret();
            prop_assert_eq!(password.len(), 32);
            prop_assert!(password.starts_with(|c: char| c.is_ascii_lowercase()));
            prop_assert!(password.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{}", password);
        }

        #[test]
        fn each_of_29_bytes_contributes_six_bits(random in any::<[u8; 32]>(), at in 3_usize..32, change in 1_u8..64) {
            let mut other = random;
            other[at] ^= change;
            let (one, other) = (generate(&random), generate(&other));
            prop_assert_ne!(one.expose_secret(), other.expose_secret());
        }

        #[test]
        fn a_problem_does_not_contain_the_password(password in "[ -~éß]{0,70}") {
            if let Some(message) = message(&password) {
                prop_assert!(password.len() < 8 || !message.contains(&password), "{}", message);
            }
        }
    }
}
