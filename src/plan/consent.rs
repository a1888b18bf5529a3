//! Consent: a destructive step cannot be constructed without it.

use super::Definition;
use crate::{
    api::instance::{DeletionPolicy, ManagementPolicy},
    dcs::model::InstanceStatus,
};

/// Agreement to destroy something. Only the functions here construct one, each from what the user agreed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent(Ground);

/// What the consent is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// The object was deleted, and its policy is to delete the instance with it.
    Deletion,
    /// The cloud could not create the instance: its record holds no data.
    NeverCreated,
}

// === impl Consent ===

impl Consent {
    /// The object is being deleted, and the effective `policy` deletes the instance with it. The policy counts only under
    /// a complete definition, and only if the object is not deleted because its definition is.
    pub fn by_deletion(
        deleting: bool,
        management: ManagementPolicy,
        policy: DeletionPolicy,
        definition: &Definition,
    ) -> Option<Self> {
        let agreed = match (management, policy, definition) {
            (ManagementPolicy::Managed, DeletionPolicy::Delete, Definition::Complete) => deleting,
            (ManagementPolicy::Observe, _, _)
            | (_, DeletionPolicy::Retain, _)
            | (_, _, Definition::BeingDeleted | Definition::Lacks(_)) => false,
        };
        agreed.then_some(Self(Ground::Deletion))
    }

    /// The cloud reports `status` CREATEFAILED: the instance never existed.
    pub fn never_created(status: Option<&InstanceStatus>) -> Option<Self> {
        (status == Some(&InstanceStatus::CreateFailed)).then_some(Self(Ground::NeverCreated))
    }

    /// The ground of the consent, for logs.
    pub fn ground(self) -> &'static str {
        match self.0 {
            Ground::Deletion => "its object was deleted",
            Ground::NeverCreated => "it was never created",
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
                    let under = |definition| Consent::by_deletion(deleting, management, policy, &definition);
                    assert_eq!(under(Definition::Complete).is_some(), (deleting, management, policy) == all);
                    assert_eq!(under(Definition::BeingDeleted), None);
                    assert_eq!(under(Definition::Lacks(vec!["spec.deletionPolicy".to_owned()])), None);
                }
            }
        }
    }

    #[test]
    fn only_a_failed_creation() {
        assert!(Consent::never_created(Some(&InstanceStatus::CreateFailed)).is_some());
        for word in InstanceStatus::KNOWN.iter().filter(|word| **word != "CREATEFAILED") {
            assert_eq!(Consent::never_created(Some(&InstanceStatus::from(*word))), None, "{word}");
        }
        assert_eq!(Consent::never_created(None), None);
    }
}
