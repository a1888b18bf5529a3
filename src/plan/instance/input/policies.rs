//! The policies of a spec. They are readable from any spec: an object whose spec is otherwise invalid can still be
//! deleted or paused.

use crate::{
    api::{
        DcsInstanceSpec,
        instance::{DeletionPolicy, ManagementPolicy, OnExternalDeletion, ReclaimPolicy},
    },
    formats::Origin,
};

/// The policies of a spec, with their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// Whether the operator may change the instance.
    pub management: ManagementPolicy,
    /// The declared deletion policy.
    pub deletion: Option<DeletionPolicy>,
    /// The reaction to an instance that was deleted outside the operator.
    pub on_external_deletion: OnExternalDeletion,
    /// The declared reaction to an instance that an earlier object of the same name left behind.
    pub reclaim: Option<ReclaimPolicy>,
    /// The id of the instance to adopt.
    pub adopt: Option<String>,
    /// Whether every change in the cloud is suspended.
    pub paused: bool,
}

// === impl Policies ===

impl Policies {
    /// The policies of `spec`; an absent field has its default.
    pub fn of(spec: &DcsInstanceSpec) -> Self {
        Self {
            management: spec.management_policy.unwrap_or(ManagementPolicy::Managed),
            deletion: spec.deletion_policy,
            on_external_deletion: spec.on_external_deletion.unwrap_or(OnExternalDeletion::Report),
            reclaim: spec.reclaim_policy,
            adopt: spec.adopt.as_ref().map(|adopt| adopt.instance_id.clone()),
            paused: spec.paused.unwrap_or(false),
        }
    }

    /// The operator may change the instance.
    pub fn manages(&self) -> bool {
        self.management == ManagementPolicy::Managed
    }

    /// The effective deletion policy of an instance of this origin. An unknown origin counts as adopted, which
    /// destroys nothing.
    pub fn deletion_of(&self, origin: Option<Origin>) -> DeletionPolicy {
        match (self.management, self.deletion, origin) {
            (ManagementPolicy::Observe, _, _) => DeletionPolicy::Retain,
            (ManagementPolicy::Managed, Some(policy), _) => policy,
            (ManagementPolicy::Managed, None, Some(Origin::Created)) => DeletionPolicy::Delete,
            (ManagementPolicy::Managed, None, Some(Origin::Adopted) | None) => DeletionPolicy::Retain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_deletes_only_created_instances() {
        let of = |management, deletion, origin| {
            let spec = DcsInstanceSpec {
                management_policy: management,
                deletion_policy: deletion,
                ..DcsInstanceSpec::default()
            };
            Policies::of(&spec).deletion_of(origin)
        };
        use DeletionPolicy::{Delete, Retain};
        let observe = Some(ManagementPolicy::Observe);
        for (management, deletion, origin, expected) in [
            (None, None, Some(Origin::Created), Delete),
            (None, None, Some(Origin::Adopted), Retain),
            (None, None, None, Retain),
            (None, Some(Delete), Some(Origin::Adopted), Delete),
            (None, Some(Retain), Some(Origin::Created), Retain),
            (observe, Some(Delete), Some(Origin::Created), Retain),
        ] {
            assert_eq!(of(management, deletion, origin), expected, "{management:?} {deletion:?} {origin:?}");
        }
    }
}
