//! Default name of an instance in the cloud, for a spec without `name`.

use super::owner::OwnerHash;

/// A name has at most 64 characters: this many, a hyphen, and 8 digits of the owner hash.
const READABLE: usize = 55;

/// `namespace-name`, truncated, and 8 digits of the owner hash, which distinguish equal prefixes.
///
/// A hyphen replaces each character that the cloud refuses. A name that does not start with a letter gets the prefix
/// `k-`.
pub fn cloud_name(namespace: &str, name: &str, owner: &OwnerHash) -> String {
    let wanted = format!("{namespace}-{name}");
    let prefix = if wanted.starts_with(|first: char| first.is_ascii_alphabetic()) { "" } else { "k-" };
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let readable: String = prefix.chars().chain(wanted.chars()).map(allowed).take(READABLE).collect();
    format!("{readable}-{}", owner.short())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_valid(name: &str) -> bool {
        (4..=64).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    }

    #[test]
    fn golden() {
        let name = |namespace: &str, name: &str| {
            cloud_name(
                namespace,
                name,
                &OwnerHash::new("7f1d6c1e-4b0a-4f0e-9a43-2d9c35a0b7f1", namespace, name),
            )
        };
        assert_eq!(name("shop", "sessions"), "shop-sessions-f195efcf");
        assert_eq!(name("shop", "sessions.v2"), "shop-sessions-v2-b34b8a5e");
        assert_eq!(name("24x7", "cache"), "k-24x7-cache-9e4487d2");
        let long =
            name("a-namespace-that-has-a-rather-long-name", "and-an-object-that-does-not-spare-letters");
        assert_eq!(long, "a-namespace-that-has-a-rather-long-name-and-an-object-t-57836651");
        assert_eq!(long.len(), 64);
    }

    proptest! {
        #[test]
        fn every_name_is_valid_in_the_cloud(namespace in ".*", name in ".*") {
            let made = cloud_name(&namespace, &name, &OwnerHash::new("cluster", &namespace, &name));
            prop_assert!(is_valid(&made), "{made:?}");
        }

        #[test]
        fn different_objects_get_different_names(one in "[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?",
                                         two in "[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?") {
            prop_assume!(one != two);
            let name = |name: &str| cloud_name("shop", name, &OwnerHash::new("cluster", "shop", name));
            prop_assert_ne!(name(&one), name(&two));
        }
    }
}
