//! Consent: a destructive step cannot be constructed without it.

use chrono::{DateTime, Utc};

use super::{Definition, approval::Approval};
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
    /// The manifest consents until a time that has not come.
    Deadline,
    /// The user approved exactly this step.
    Approval,
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

    /// The manifest consents to the change of `target` until `not_after`, and `wanted` is to be changed `now`. It counts only
    /// under a complete definition.
    pub fn by_deadline(
        (target, not_after): (&str, DateTime<Utc>),
        (wanted, now): (&str, DateTime<Utc>),
        definition: &Definition,
    ) -> Option<Self> {
        let agreed = target == wanted && now < not_after && *definition == Definition::Complete;
        agreed.then_some(Self(Ground::Deadline))
    }

    /// The user approved the step by the token in the status. It counts only under a complete definition.
    pub fn by_approval(approval: &Approval, definition: &Definition) -> Option<Self> {
        let agreed = *approval == Approval::Given && *definition == Definition::Complete;
        agreed.then_some(Self(Ground::Approval))
    }

    /// The ground of the consent, for logs.
    pub fn ground(self) -> &'static str {
        match self.0 {
            Ground::Deletion => "its object was deleted",
            Ground::NeverCreated => "it was never created",
            Ground::Deadline => "the manifest consents until a time that has not come",
            Ground::Approval => "the user approved it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::job::PendingApproval;

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
    fn only_for_the_named_target_and_in_time() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let ask = |target, now| {
            Consent::by_deadline((target, at(100)), ("sessions", at(now)), &Definition::Complete)
        };
        assert!(ask("sessions", 99).is_some());
        assert_eq!((ask("sessions", 100), ask("sessions", 101), ask("orders", 99)), (None, None, None));
        for definition in [Definition::BeingDeleted, Definition::Lacks(Vec::new())] {
            assert_eq!(Consent::by_deadline(("a", at(100)), ("a", at(1)), &definition), None);
            assert_eq!(Consent::by_approval(&Approval::Given, &definition), None);
        }
        assert!(Consent::by_approval(&Approval::Given, &Definition::Complete).is_some());
        let pending = PendingApproval { token: "t".to_owned(), reason: String::new(), nonce: String::new() };
        assert_eq!(Consent::by_approval(&Approval::Pending(pending), &Definition::Complete), None);
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
