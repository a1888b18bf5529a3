//! Which object an instance belongs to, by its tags.

use std::sync::Arc;

use super::observed::{AccountLists, Subject};
use crate::{
    dcs::model::{InstanceFacts, InstanceStatus},
    formats::{OWNER_TAG, Origin, OwnershipReading, OwnershipTags, UID_TAG},
};

/// Which object an instance's tags name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan::instance) enum Ownership {
    /// The object's.
    Ours(Origin),
    /// No object's, or the object's with a part of its tags missing.
    Unowned,
    /// Another object's.
    Foreign,
}

/// Live instances whose tags name the object.
#[derive(Debug, Default)]
pub(in crate::plan::instance) struct Claims {
    /// Those with the object's uid.
    pub(in crate::plan::instance) ours: Vec<Arc<InstanceFacts>>,
    /// Those with the object's owner hash and another uid: an earlier object of the same name left them behind.
    pub(in crate::plan::instance) stale_owner: Vec<Arc<InstanceFacts>>,
}

// === impl Claims ===

impl Claims {
    /// More than one instance could be the object's.
    pub(in crate::plan::instance) fn is_ambiguous(&self) -> bool {
        self.ours.len() > 1 || !self.stale_owner.is_empty()
    }
}

/// Reads the ownership tags of an instance.
pub(in crate::plan::instance) fn ownership_of(facts: &InstanceFacts, subject: &Subject) -> Ownership {
    match OwnershipTags::read(facts.tags()) {
        OwnershipReading::Complete(tags) if tags.uid == subject.uid => Ownership::Ours(tags.origin),
        OwnershipReading::Complete(_) => Ownership::Foreign,
        OwnershipReading::Partial { uid: Some(uid), .. } if uid != subject.uid => Ownership::Foreign,
        OwnershipReading::Partial { uid: None, owner: Some(owner) } if owner != subject.owner.as_str() => {
            Ownership::Foreign
        }
        OwnershipReading::Partial { .. } | OwnershipReading::Absent => Ownership::Unowned,
    }
}

/// The instance exists and is not being deleted.
pub(in crate::plan::instance) fn is_live(facts: &InstanceFacts) -> bool {
    !matches!(
        facts.status,
        Some(InstanceStatus::Deleting | InstanceStatus::Deleted | InstanceStatus::CreateFailed)
    )
}

/// Claims from the two newest lists: an instance that only the older one shows may have been left out of the newer.
pub(in crate::plan::instance) fn claims(lists: &AccountLists, subject: &Subject) -> Claims {
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

/// The ids of instances, for a message.
pub(in crate::plan::instance) fn ids(instances: &[Arc<InstanceFacts>]) -> String {
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
            retry_token: None,
        }
    }

    fn facts(tags: &[(&str, &str)]) -> InstanceFacts {
        let tag =
            |(key, value): &(&str, &str)| Tag { key: (*key).to_owned(), value: Some((*value).to_owned()) };
        InstanceFacts { tags: tags.iter().map(tag).collect(), ..InstanceFacts::default() }
    }

    #[test]
    fn ownership_follows_the_tags() {
        let subject = subject();
        let other = OwnerHash::new("c", "shop", "other");
        let ours = OwnershipTags::new("u1", &subject.owner, Origin::Adopted);
        let foreign = OwnershipTags::new("u2", &other, Origin::Created);
        for (tags, expected) in [
            (ours.tags().to_vec(), Ownership::Ours(Origin::Adopted)),
            (foreign.tags().to_vec(), Ownership::Foreign),
            (vec![], Ownership::Unowned),
            (vec![("team", "shop")], Ownership::Unowned),
            (ours.tags()[..1].to_vec(), Ownership::Unowned),
            (ours.tags()[1..].to_vec(), Ownership::Unowned),
            (foreign.tags()[..1].to_vec(), Ownership::Foreign),
            (foreign.tags()[1..].to_vec(), Ownership::Foreign),
        ] {
            assert_eq!(ownership_of(&facts(&tags), &subject), expected, "{tags:?}");
        }
    }
}
