//! Which object an instance belongs to, by its tags. Nothing else says so: the status is only a hint.

use std::sync::Arc;

use super::{lists::AccountLists, observed::Subject};
use crate::{
    dcs::model::{InstanceFacts, InstanceStatus},
    formats::{ORIGIN_TAG, OWNER_TAG, Origin, OwnershipReading, OwnershipTags, RELEASED_TAG, UID_TAG},
};

/// Which object an instance's tags name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan::instance) enum Ownership {
    /// The object's.
    Ours(Origin),
    /// No object's: an object of the same namespace and name released it, or has begun to.
    Released,
    /// An earlier object's of the same namespace and name, which did not release it.
    Orphaned,
    /// No object's, or the object's with a part of its tags missing.
    Unowned,
    /// Another object's.
    Foreign,
}

/// Instances whose tags name the object, or an earlier one of its name. All but the last are live.
#[derive(Debug, Default)]
pub(in crate::plan::instance) struct Claims {
    /// Those with the object's uid.
    pub(in crate::plan::instance) ours: Vec<Arc<InstanceFacts>>,
    /// Those that an earlier object left behind without releasing them.
    pub(in crate::plan::instance) orphaned: Vec<Arc<InstanceFacts>>,
    /// Those that an earlier object released.
    pub(in crate::plan::instance) released: Vec<Arc<InstanceFacts>>,
    /// Those of the object that are being deleted.
    pub(in crate::plan::instance) deleting: Vec<Arc<InstanceFacts>>,
}

/// The value of a tag; an empty one counts as absent.
pub(in crate::plan::instance) fn tag<'a>(facts: &'a InstanceFacts, key: &str) -> Option<&'a str> {
    facts.tag(key).filter(|value| !value.is_empty())
}

/// Reads the ownership tags of an instance.
pub(in crate::plan::instance) fn ownership_of(facts: &InstanceFacts, subject: &Subject) -> Ownership {
    let owner = subject.owner.as_str();
    match (tag(facts, UID_TAG), tag(facts, OWNER_TAG)) {
        (Some(uid), _) if uid == subject.uid => match OwnershipTags::read(facts.tags()) {
            OwnershipReading::Complete(tags) => Ownership::Ours(tags.origin),
            OwnershipReading::Partial { .. } | OwnershipReading::Absent => Ownership::Unowned,
        },
        (Some(_), Some(own)) if own == owner => Ownership::Orphaned,
        (None, Some(own)) if own == owner => Ownership::Released,
        (Some(_), _) | (None, Some(_)) => Ownership::Foreign,
        (None, None) if tag(facts, RELEASED_TAG) == Some(owner) => Ownership::Released,
        (None, None) => Ownership::Unowned,
    }
}

/// The origin that the tags of an instance of this owner still state. Without it, the instance counts as adopted, which
/// destroys nothing.
pub(in crate::plan::instance) fn kept_origin(facts: &InstanceFacts, subject: &Subject) -> Origin {
    let kept = match ownership_of(facts, subject) {
        Ownership::Ours(origin) => Some(origin),
        Ownership::Released | Ownership::Orphaned => tag(facts, ORIGIN_TAG).and_then(Origin::from_tag),
        Ownership::Unowned if tag(facts, UID_TAG).is_some() => {
            tag(facts, ORIGIN_TAG).and_then(Origin::from_tag)
        }
        Ownership::Unowned | Ownership::Foreign => None,
    };
    kept.unwrap_or(Origin::Adopted)
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
    for facts in lists.marked.iter().chain(&lists.vanished) {
        claims.add(facts, subject);
    }
    for facts in lists.named.iter().filter(|facts| is_live(facts)) {
        // Early versions noted the uid of the object and took everything else off: only the name is left.
        if is_released_by_uid(facts) {
            claims.released.push(Arc::clone(facts));
        } else {
            claims.add(facts, subject);
        }
    }
    claims
}

fn is_released_by_uid(facts: &InstanceFacts) -> bool {
    let is_uid = |value: &str| value.contains('-');
    tag(facts, RELEASED_TAG).is_some_and(is_uid)
        && tag(facts, UID_TAG).is_none()
        && tag(facts, OWNER_TAG).is_none()
}

// === impl Claims ===

impl Claims {
    /// More than one instance could be the object's.
    pub(in crate::plan::instance) fn is_ambiguous(&self) -> bool {
        self.ours.len() > 1
    }

    fn add(&mut self, facts: &Arc<InstanceFacts>, subject: &Subject) {
        let kind = match ownership_of(facts, subject) {
            Ownership::Ours(_) if facts.status == Some(InstanceStatus::Deleting) => &mut self.deleting,
            _ if !is_live(facts) => return,
            Ownership::Ours(_) => &mut self.ours,
            Ownership::Unowned if tag(facts, UID_TAG).is_some() => &mut self.ours,
            Ownership::Orphaned => &mut self.orphaned,
            Ownership::Released => &mut self.released,
            Ownership::Unowned | Ownership::Foreign => return,
        };
        kind.push(Arc::clone(facts));
    }
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
            guard: None,
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
        let orphaned = OwnershipTags::new("u0", &subject.owner, Origin::Created);
        for (tags, expected) in [
            (ours.tags().to_vec(), Ownership::Ours(Origin::Adopted)),
            (foreign.tags().to_vec(), Ownership::Foreign),
            (vec![], Ownership::Unowned),
            (vec![("team", "shop")], Ownership::Unowned),
            (ours.tags()[..1].to_vec(), Ownership::Unowned),
            (ours.tags()[1..].to_vec(), Ownership::Released),
            (vec![(RELEASED_TAG, subject.owner.as_str())], Ownership::Released),
            (vec![(RELEASED_TAG, "u0-uid-of-an-early-version")], Ownership::Unowned),
            (orphaned.tags().to_vec(), Ownership::Orphaned),
            ([&foreign.tags()[..], &[(RELEASED_TAG, subject.owner.as_str())]].concat(), Ownership::Foreign),
            (
                [&ours.tags()[..], &[(RELEASED_TAG, subject.owner.as_str())]].concat(),
                Ownership::Ours(Origin::Adopted),
            ),
            (foreign.tags()[..1].to_vec(), Ownership::Foreign),
            (foreign.tags()[1..].to_vec(), Ownership::Foreign),
        ] {
            assert_eq!(ownership_of(&facts(&tags), &subject), expected, "{tags:?}");
        }
    }
}
