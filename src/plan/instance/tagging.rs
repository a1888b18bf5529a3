//! The order in which ownership tags are written and removed. An instance has room for 20 tags, and the operator may end
//! between two requests: after each of them the tags still name the owner, and none needs more room than the mark.

use super::input::{observed::Subject, ownership::tag};
use crate::{
    dcs::model::InstanceFacts,
    formats::{OWNER_TAG, OwnerHash, OwnershipTags, RELEASED_TAG, UID_TAG},
};

/// One change of the ownership tags: one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnershipChange {
    /// Write all tags of the mark.
    SetMark(OwnershipTags),
    /// Write the owner hash.
    SetOwner(OwnerHash),
    /// Remove the note of a release.
    RemoveReleased,
    /// Remove the uid.
    RemoveUid,
    /// Note which owner released the instance.
    SetReleased(OwnerHash),
    /// Remove the owner hash.
    RemoveOwner,
}

// === impl OwnershipChange ===

impl OwnershipChange {
    /// The next change towards `mark`. Writing the whole mark is the last one.
    pub(super) fn towards_mark(facts: &InstanceFacts, subject: &Subject, mark: OwnershipTags) -> Self {
        let owner = subject.owner.as_str();
        match tag(facts, RELEASED_TAG) {
            // The instance was found by this note: it goes once the owner hash is back.
            Some(released) if released == owner && tag(facts, OWNER_TAG) != Some(owner) => {
                Self::SetOwner(subject.owner.clone())
            }
            Some(_) => Self::RemoveReleased,
            None => Self::SetMark(mark),
        }
    }

    /// The next change towards a released instance, which keeps its origin; `None` once it is released, or if it is not
    /// the object's.
    pub(super) fn towards_release(facts: &InstanceFacts, subject: &Subject) -> Option<Self> {
        let owner = subject.owner.as_str();
        match (tag(facts, UID_TAG), tag(facts, OWNER_TAG), tag(facts, RELEASED_TAG)) {
            (Some(uid), _, _) if uid == subject.uid => Some(Self::RemoveUid),
            (None, Some(own), Some(released)) if own == owner && released == owner => Some(Self::RemoveOwner),
            (None, Some(own), _) if own == owner => Some(Self::SetReleased(subject.owner.clone())),
            _ => None,
        }
    }

    /// The tags to write.
    pub fn written(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::SetMark(mark) => mark.tags().to_vec(),
            Self::SetOwner(owner) => vec![(OWNER_TAG, owner.as_str())],
            Self::SetReleased(owner) => vec![(RELEASED_TAG, owner.as_str())],
            Self::RemoveReleased | Self::RemoveUid | Self::RemoveOwner => Vec::new(),
        }
    }

    /// The tag to remove.
    pub const fn removed(&self) -> Option<&'static str> {
        match self {
            Self::RemoveReleased => Some(RELEASED_TAG),
            Self::RemoveUid => Some(UID_TAG),
            Self::RemoveOwner => Some(OWNER_TAG),
            Self::SetMark(_) | Self::SetOwner(_) | Self::SetReleased(_) => None,
        }
    }
}
