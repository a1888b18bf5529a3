//! Whose an instance is, by its tags.

use std::sync::Arc;

use super::observed::{Lists, Subject};
use crate::{
    dcs::model::{InstanceFacts, InstanceStatus},
    formats::{Mark, MarkReading, OWNER_TAG, Origin, UID_TAG},
};

/// What an instance's tags say about this object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// It is this object's.
    Us(Origin),
    /// It is nobody's, or was this object's until somebody took part of its mark away.
    Nobody,
    /// It is another object's.
    Another,
}

/// Instances that claim to be this object's.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// With our uid, and live.
    pub(super) ours: Vec<Arc<InstanceFacts>>,
    /// At our place but with another uid, and live: left by an earlier object of the same name.
    pub(super) strangers: Vec<Arc<InstanceFacts>>,
}

pub(super) fn belongs(facts: &InstanceFacts, subject: &Subject) -> Belongs {
    match Mark::read(facts.tags()) {
        MarkReading::Whole(mark) if mark.uid == subject.uid => Belongs::Us(mark.origin),
        MarkReading::Whole(_) => Belongs::Another,
        MarkReading::Damaged { uid: Some(uid), .. } if uid != subject.uid => Belongs::Another,
        MarkReading::Damaged { uid: None, owner: Some(owner) } if owner != subject.owner.as_str() => {
            Belongs::Another
        }
        MarkReading::Damaged { .. } | MarkReading::Absent => Belongs::Nobody,
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
pub(super) fn claims(lists: &Lists, subject: &Subject) -> Claims {
    let mut claims = Claims::default();
    for facts in lists.marked.iter().chain(&lists.vanished).filter(|facts| is_live(facts)) {
        if facts.tag(UID_TAG) == Some(&subject.uid) {
            claims.ours.push(Arc::clone(facts));
        } else if facts.tag(OWNER_TAG) == Some(subject.owner.as_str()) {
            claims.strangers.push(Arc::clone(facts));
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
    use crate::{dcs::model::Tag, formats::Owner};

    fn subject() -> Subject {
        Subject {
            namespace: "shop".to_owned(),
            name: "sessions".to_owned(),
            uid: "u1".to_owned(),
            owner: Owner::new("c", "shop", "sessions"),
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
        let other = Owner::new("c", "shop", "other");
        let ours = Mark::new("u1", &subject.owner, Origin::Adopted);
        let theirs = Mark::new("u2", &other, Origin::Created);
        for (tags, expected) in [
            (ours.tags().to_vec(), Belongs::Us(Origin::Adopted)),
            (theirs.tags().to_vec(), Belongs::Another),
            (vec![], Belongs::Nobody),
            (vec![("team", "shop")], Belongs::Nobody),
            (ours.tags()[..1].to_vec(), Belongs::Nobody),
            (ours.tags()[1..].to_vec(), Belongs::Nobody),
            (theirs.tags()[..1].to_vec(), Belongs::Another),
            (theirs.tags()[1..].to_vec(), Belongs::Another),
        ] {
            assert_eq!(belongs(&facts(&tags), &subject), expected, "{tags:?}");
        }
    }
}
