//! Tags by which an instance in the cloud says whose it is.

use super::{OwnerHash, sha256_hex};

/// Keys that begin so are ours; no spec may declare one.
pub const RESERVED_PREFIX: &str = "dcs-operator-";
/// The uid of the object that the instance belongs to.
pub const UID_TAG: &str = "dcs-operator-uid";
/// Where that object is (see [`OwnerHash`]).
pub const OWNER_TAG: &str = "dcs-operator-owner";
/// Whether the operator made the instance or took it over.
pub const ORIGIN_TAG: &str = "dcs-operator-origin";
/// On an instance that was let go: the uid of the object that it belonged to.
pub const RELEASED_TAG: &str = "dcs-operator-released";
/// Set by an administrator: the namespace that may use this by its bare id, with the operator's own credentials.
pub const ALLOW_NAMESPACE_TAG: &str = "dcs-operator-allow-namespace";

/// The longest value of a tag that every site takes.
const MAX_VALUE: usize = 43;

/// Whether the operator made an instance or took it over. It decides what deleting the object does if its spec does
/// not say, so it is part of the mark: status can be lost, and must not be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Made by us.
    Created,
    /// Taken over.
    Adopted,
}

/// The mark of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnershipTags {
    /// metadata.uid of the object.
    pub uid: String,
    /// Where the object is.
    pub owner: String,
    /// Made or taken over.
    pub origin: Origin,
}

/// What the tags of an instance say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OwnershipReading {
    /// Nothing: it is not ours.
    Absent,
    /// Something, but not all: somebody took part of the mark away, or changed it. Not ours to touch; what is left
    /// tells whose it may be.
    Partial {
        /// The uid, if it is still there.
        uid: Option<String>,
        /// The owner, if it is still there.
        owner: Option<String>,
    },
    /// The whole mark.
    Complete(OwnershipTags),
}

// === impl Origin ===

impl Origin {
    /// The value of the tag.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Adopted => "adopted",
        }
    }
}

// === impl OwnershipTags ===

impl OwnershipTags {
    /// The mark of an object's instance.
    pub fn new(uid: &str, owner: &OwnerHash, origin: Origin) -> Self {
        Self { uid: uid.to_owned(), owner: owner.as_str().to_owned(), origin }
    }

    /// As tags. They are always written together, in one call.
    pub fn tags(&self) -> [(&'static str, &str); 3] {
        [(UID_TAG, &self.uid), (OWNER_TAG, &self.owner), (ORIGIN_TAG, self.origin.as_str())]
    }

    /// From all the tags of an instance, keys and values.
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
        let origin = match origin {
            Some("created") => Some(Origin::Created),
            Some("adopted") => Some(Origin::Adopted),
            _ => None,
        };
        match (uid, owner, origin) {
            (Some(uid), Some(owner), Some(origin)) => OwnershipReading::Complete(Self { uid, owner, origin }),
            (uid, owner, _) if any => OwnershipReading::Partial { uid, owner },
            _ => OwnershipReading::Absent,
        }
    }
}

/// The value of [`ALLOW_NAMESPACE_TAG`] that allows `namespace`.
///
/// A name that is too long for a tag becomes `h-` and 40 hex digits of its SHA-256; so does a name that looks like
/// such a value, or whoever may name a namespace could take the place of a long one.
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

    fn mark() -> OwnershipTags {
        OwnershipTags::new(UID, &OwnerHash::new("cluster", "shop", "sessions"), Origin::Adopted)
    }

    #[test]
    fn golden() {
        let expected = [
            ("dcs-operator-uid", UID),
            ("dcs-operator-owner", "7aa4fc4ed327aea1d22f5c44ebb38d31df829243"),
            ("dcs-operator-origin", "adopted"),
        ];
        assert_eq!(mark().tags(), expected);
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
    fn read_whatever_the_order_and_whatever_else_is_there() {
        let mark = mark();
        let mut tags = mark.tags().to_vec();
        tags.reverse();
        tags.push(("team", "shop"));
        assert_eq!(OwnershipTags::read(tags), OwnershipReading::Complete(mark));
        assert_eq!(OwnershipTags::read([("team", "shop"), (RELEASED_TAG, UID)]), OwnershipReading::Absent);
    }

    #[test]
    fn a_mark_that_lacks_anything_is_damaged() {
        let mark = mark();
        for missing in 0..3 {
            let rest = mark.tags().into_iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, tag)| tag);
            let OwnershipReading::Partial { uid, owner } = OwnershipTags::read(rest) else {
                panic!("without {missing}")
            };
            assert_eq!((uid.is_none(), owner.is_none()), (missing == 0, missing == 1));
        }
        let [uid, owner, _] = mark.tags();
        for origin in ["", "Created", "found"] {
            let reading = OwnershipTags::read([uid, owner, (ORIGIN_TAG, origin)]);
            assert!(matches!(reading, OwnershipReading::Partial { .. }), "{origin:?}: {reading:?}");
        }
    }

    proptest! {
        #[test]
        fn always_tags_that_the_cloud_takes(cluster in ".*", namespace in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
                                            name in "[a-z0-9.-]{1,253}") {
            let mark = OwnershipTags::new(UID, &OwnerHash::new(&cluster, &namespace, &name), Origin::Created);
            let allowed = allow_namespace_value(&namespace);
            for value in mark.tags().map(|(_, value)| value).into_iter().chain([allowed.as_str()]) {
                prop_assert!(!value.is_empty() && value.len() <= MAX_VALUE, "{value:?}");
                prop_assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{value:?}");
            }
            prop_assert_eq!(OwnershipTags::read(mark.tags()), OwnershipReading::Complete(mark.clone()));
        }
    }
}
