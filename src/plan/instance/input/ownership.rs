//! Whose an instance is, by its tags.

use std::sync::Arc;

use super::observed::{AccountLists, Subject};
use crate::{
    dcs::model::{InstanceFacts, InstanceStatus},
    formats::{OWNER_TAG, Origin, OwnershipReading, OwnershipTags, UID_TAG},
};

/// What an instance's tags say about this object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    /// It is this object's.
    Ours(Origin),
    /// It is nobody's, or was this object's until somebody took part of its mark away.
    Unowned,
    /// It is another object's.
    Foreign,
}

/// Instances that claim to be this object's.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// With our uid, and live.
    pub(super) ours: Vec<Arc<InstanceFacts>>,
    /// At our place but with another uid, and live: left by an earlier object of the same name.
    pub(super) stale_owner: Vec<Arc<InstanceFacts>>,
}

pub(super) fn ownership_of(facts: &InstanceFacts, subject: &Subject) -> Ownership {
    match OwnershipTags::read(facts.tags()) {
        OwnershipReading::Complete(mark) if mark.uid == subject.uid => Ownership::Ours(mark.origin),
        OwnershipReading::Complete(_) => Ownership::Foreign,
        OwnershipReading::Partial { uid: Some(uid), .. } if uid != subject.uid => Ownership::Foreign,
        OwnershipReading::Partial { uid: None, owner: Some(owner) } if owner != subject.owner.as_str() => {
            Ownership::Foreign
        }
        OwnershipReading::Partial { .. } | OwnershipReading::Absent => Ownership::Unowned,
    }
}

/// Whether it exists, and is not on its way out.
pub(super) fn is_live(facts: &InstanceFacts) -> bool {
    !matches!(
        facts.status,
        Some(InstanceStatus::Deleting | InstanceStatus::Deleted | InstanceStatus::CreateFailed)
    )
}

/// From both newest lists: one that the newest does not show may only have been left out.
pub(super) fn claims(lists: &AccountLists, subject: &Subject) -> Claims {
    let mut claims = Claims::default();
    for facts in lists.marked.iter().chain(&lists.vanished).filter(|facts| is_live(facts)) {
        if facts.tag(UID_TAG) == Some(&subject.uid) {
            claims.ours.push(Arc::clone(facts));
        } else if facts.tag(OWNER_TAG) == Some(subject.owner.as_str()) {
            claims.stale_owner.push(Arc::clone(facts));
        }
    }
    claims
}

/// Ids, for a message.
pub(super) fn ids(instances: &[Arc<InstanceFacts>]) -> String {
    instances.iter().map(|facts| facts.id.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dcs::model::Tag, formats::OwnerHash};

    fn subject() -> Subject {
        Subject {
            namespace: "shop".to_owned(),
            name: "sessions".to_owned(),
            uid: "u1".to_owned(),
            owner: OwnerHash::new("c", "shop", "sessions"),
            generation: 1,
            deleting: false,
            finalizer: true,
        }
    }

    fn facts(tags: &[(&str, &str)]) -> InstanceFacts {
        let tag =
            |(key, value): &(&str, &str)| Tag { key: (*key).to_owned(), value: Some((*value).to_owned()) };
        InstanceFacts { tags: tags.iter().map(tag).collect(), ..InstanceFacts::default() }
    }

    #[test]
    fn whose_it_is() {
        let subject = subject();
        let other = OwnerHash::new("c", "shop", "other");
        let ours = OwnershipTags::new("u1", &subject.owner, Origin::Adopted);
        let theirs = OwnershipTags::new("u2", &other, Origin::Created);
        for (tags, expected) in [
            (ours.tags().to_vec(), Ownership::Ours(Origin::Adopted)),
            (theirs.tags().to_vec(), Ownership::Foreign),
            (vec![], Ownership::Unowned),
            (vec![("team", "shop")], Ownership::Unowned),
            (ours.tags()[..1].to_vec(), Ownership::Unowned),
            (ours.tags()[1..].to_vec(), Ownership::Unowned),
            (theirs.tags()[..1].to_vec(), Ownership::Foreign),
            (theirs.tags()[1..].to_vec(), Ownership::Foreign),
        ] {
            assert_eq!(ownership_of(&facts(&tags), &subject), expected, "{tags:?}");
        }
    }
}
