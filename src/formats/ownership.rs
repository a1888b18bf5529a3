//! Ownership tags of an instance in the cloud.

use super::{digest::sha256_hex, owner::OwnerHash};

/// Prefix of the operator's tag keys. A spec must not declare such a key.
pub const RESERVED_PREFIX: &str = "dcs-operator-";
/// uid of the object that owns the instance.
pub const UID_TAG: &str = "dcs-operator-uid";
/// [`OwnerHash`] of that object.
pub const OWNER_TAG: &str = "dcs-operator-owner";
/// Whether the operator created or adopted the instance.
pub const ORIGIN_TAG: &str = "dcs-operator-origin";
/// [`OwnerHash`] of the object that released the instance. Early versions wrote the uid of that object. It counts only on
/// an instance without [`UID_TAG`] and [`OWNER_TAG`].
pub const RELEASED_TAG: &str = "dcs-operator-released";
/// Set by an administrator: the namespace whose objects may refer to this resource by ID with the operator's own
/// credentials.
pub const ALLOW_NAMESPACE_TAG: &str = "dcs-operator-allow-namespace";

/// Longest tag value that every site accepts.
const MAX_VALUE: usize = 43;

/// Whether the operator created or adopted an instance. It determines the default of `deletionPolicy`. It is a tag
/// because status can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Created by the operator.
    Created,
    /// Adopted by the operator.
    Adopted,
}

/// Ownership of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnershipTags {
    /// metadata.uid of the object.
    pub uid: String,
    /// [`OwnerHash`] of the object.
    pub owner: String,
    /// Created or adopted.
    pub origin: Origin,
}

/// Ownership as read from the tags of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OwnershipReading {
    /// No ownership tag: the operator does not manage the instance.
    Absent,
    /// Some ownership tags are missing or invalid. The operator must not change the instance; the remaining tags hint
    /// at its owner.
    Partial {
        /// The uid, if its tag is present.
        uid: Option<String>,
        /// The owner hash, if its tag is present.
        owner: Option<String>,
    },
    /// All ownership tags.
    Complete(OwnershipTags),
}

// === impl Origin ===

impl Origin {
    /// Value of [`ORIGIN_TAG`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Adopted => "adopted",
        }
    }

    /// Parses the value of [`ORIGIN_TAG`].
    pub fn from_tag(value: &str) -> Option<Self> {
        [Self::Created, Self::Adopted].into_iter().find(|origin| origin.as_str() == value)
    }

    /// The word in `status.resolved.origin`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Adopted => "Adopted",
        }
    }

    /// Parses the word in `status.resolved.origin`.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Created, Self::Adopted].into_iter().find(|origin| origin.word() == word)
    }
}

// === impl OwnershipTags ===

impl OwnershipTags {
    /// Ownership by the object of `uid` and `owner`.
    pub fn new(uid: &str, owner: &OwnerHash, origin: Origin) -> Self {
        Self { uid: uid.to_owned(), owner: owner.as_str().to_owned(), origin }
    }

    /// Keys and values of the tags. One request writes all of them.
    pub fn tags(&self) -> [(&'static str, &str); 3] {
        [(UID_TAG, &self.uid), (OWNER_TAG, &self.owner), (ORIGIN_TAG, self.origin.as_str())]
    }

    /// Reads the ownership from all tags of an instance.
    pub fn read<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> OwnershipReading {
        let (mut uid, mut owner, mut origin) = (None, None, None);
        let mut any = false;
        for (key, value) in tags {
            match key {
                UID_TAG => uid = Some(value),
                OWNER_TAG => owner = Some(value),
                ORIGIN_TAG => origin = Some(value),
                _ => continue,
            }
            any = true;
        }
        let uid = uid.filter(|uid| !uid.is_empty()).map(str::to_owned);
        let owner = owner.filter(|owner| !owner.is_empty()).map(str::to_owned);
        let origin = origin.and_then(Origin::from_tag);
        match (uid, owner, origin) {
            (Some(uid), Some(owner), Some(origin)) => OwnershipReading::Complete(Self { uid, owner, origin }),
            (uid, owner, _) if any => OwnershipReading::Partial { uid, owner },
            _ => OwnershipReading::Absent,
        }
    }
}

/// Value of [`ALLOW_NAMESPACE_TAG`] that allows `namespace`.
///
/// A name that is too long for a tag becomes `h-` and 40 hex digits of its SHA-256. So does a name that has this form
/// itself: otherwise its namespace would match the value of another, long name.
pub fn allow_namespace_value(namespace: &str) -> String {
    let looks_hashed = namespace
        .strip_prefix("h-")
        .is_some_and(|rest| rest.len() == 40 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    if namespace.len() > MAX_VALUE || looks_hashed {
        format!("h-{}", sha256_hex(namespace.as_bytes(), 40))
    } else {
        namespace.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UID: &str = "961a292c-7592-4cf3-bb88-a695b53b2dc3";

    fn ownership() -> OwnershipTags {
        OwnershipTags::new(UID, &OwnerHash::new("cluster", "shop", "sessions"), Origin::Adopted)
    }

    #[test]
    fn golden() {
        let expected = [
            ("dcs-operator-uid", UID),
            ("dcs-operator-owner", "7aa4fc4ed327aea1d22f5c44ebb38d31df829243"),
            ("dcs-operator-origin", "adopted"),
        ];
        assert_eq!(ownership().tags(), expected);
        assert_eq!(Origin::Created.as_str(), "created");
        assert_eq!(RELEASED_TAG, "dcs-operator-released");
        assert_eq!(ALLOW_NAMESPACE_TAG, "dcs-operator-allow-namespace");
        assert_eq!(RESERVED_PREFIX, "dcs-operator-");
        for key in [UID_TAG, OWNER_TAG, ORIGIN_TAG, RELEASED_TAG, ALLOW_NAMESPACE_TAG] {
            assert!(key.starts_with(RESERVED_PREFIX) && key.len() <= 36, "{key}");
        }
    }

    #[test]
    fn golden_namespaces() {
        let fits = "a-namespace-of-exactly-forty-three-letters1";
        assert_eq!((fits.len(), allow_namespace_value(fits).as_str()), (43, fits));
        let long = "a-namespace-that-has-more-than-forty-three-letters";
        assert_eq!(allow_namespace_value(long), "h-fadc9b0b2dce629dad60e4dfbb9780281902b152");
        assert_eq!(
            allow_namespace_value("h-fadc9b0b2dce629dad60e4dfbb9780281902b152"),
            "h-f2a5c4b27e6904af225d2b840f313118f7d1efd5"
        );
        assert_eq!(allow_namespace_value("h-shop"), "h-shop");
    }

    #[test]
    fn order_and_other_tags_do_not_matter() {
        let ownership = ownership();
        let mut tags = ownership.tags().to_vec();
        tags.reverse();
        tags.push(("team", "shop"));
        assert_eq!(OwnershipTags::read(tags), OwnershipReading::Complete(ownership));
        assert_eq!(OwnershipTags::read([("team", "shop"), (RELEASED_TAG, UID)]), OwnershipReading::Absent);
    }

    #[test]
    fn a_missing_or_invalid_tag_makes_ownership_partial() {
        let ownership = ownership();
        for missing in 0..3 {
            let rest =
                ownership.tags().into_iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, tag)| tag);
            let OwnershipReading::Partial { uid, owner } = OwnershipTags::read(rest) else {
                panic!("without {missing}")
            };
            assert_eq!((uid.is_none(), owner.is_none()), (missing == 0, missing == 1));
        }
        let [uid, owner, _] = ownership.tags();
        for origin in ["", "Created", "found"] {
            let reading = OwnershipTags::read([uid, owner, (ORIGIN_TAG, origin)]);
            assert!(matches!(reading, OwnershipReading::Partial { .. }), "{origin:?}: {reading:?}");
        }
    }

    proptest! {
        #[test]
        fn every_tag_is_valid_in_the_cloud(cluster in ".*", namespace in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
                                            name in "[a-z0-9.-]{1,253}") {
            let ownership = OwnershipTags::new(UID, &OwnerHash::new(&cluster, &namespace, &name), Origin::Created);
            let allowed = allow_namespace_value(&namespace);
            for value in ownership.tags().map(|(_, value)| value).into_iter().chain([allowed.as_str()]) {
                prop_assert!(!value.is_empty() && value.len() <= MAX_VALUE, "{value:?}");
                prop_assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{value:?}");
            }
            prop_assert_eq!(OwnershipTags::read(ownership.tags()), OwnershipReading::Complete(ownership.clone()));
        }
    }
}
