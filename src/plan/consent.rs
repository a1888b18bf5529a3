//! Consent: without it no step that destroys something can be put together.

use crate::{
    api::instance::{DeletionPolicy, ManagementPolicy},
    dcs::model::InstanceStatus,
};

/// Somebody has agreed that something is destroyed. Only the functions here make one, each from what it is that
/// somebody agreed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent(Ground);

/// What the consent rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// The object was deleted, and its policy is to delete the instance with it.
    Deletion,
    /// There is nothing to destroy: the record of an instance that never came to be.
    NeverMade,
}

// === impl Consent ===

impl Consent {
    /// By deleting an object whose policy says that its instance goes with it. `policy` is the one in force.
    pub fn by_deletion(deleting: bool, management: ManagementPolicy, policy: DeletionPolicy) -> Option<Self> {
        let agreed = match (management, policy) {
            (ManagementPolicy::Managed, DeletionPolicy::Delete) => deleting,
            (ManagementPolicy::Observe, _) | (_, DeletionPolicy::Retain) => false,
        };
        agreed.then_some(Self(Ground::Deletion))
    }

    /// By there being nothing to destroy: `status` is what the cloud says of the instance just now.
    pub fn never_made(status: Option<&InstanceStatus>) -> Option<Self> {
        (status == Some(&InstanceStatus::CreateFailed)).then_some(Self(Ground::NeverMade))
    }

    /// Why, for logs.
    pub fn ground(self) -> &'static str {
        match self.0 {
            Ground::Deletion => "its object was deleted",
            Ground::NeverMade => "it never came to be",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_deleted_object_that_manages_and_deletes() {
        for deleting in [true, false] {
            for management in [ManagementPolicy::Managed, ManagementPolicy::Observe] {
                for policy in [DeletionPolicy::Delete, DeletionPolicy::Retain] {
                    let all = (true, ManagementPolicy::Managed, DeletionPolicy::Delete);
                    let consent = Consent::by_deletion(deleting, management, policy);
                    assert_eq!(consent.is_some(), (deleting, management, policy) == all);
                }
            }
        }
    }

    #[test]
    fn only_what_never_came_to_be() {
        assert!(Consent::never_made(Some(&InstanceStatus::CreateFailed)).is_some());
        for word in InstanceStatus::KNOWN.iter().filter(|word| **word != "CREATEFAILED") {
            assert_eq!(Consent::never_made(Some(&InstanceStatus::from(*word))), None, "{word}");
        }
        assert_eq!(Consent::never_made(None), None);
    }
}
