//! What the spec says about what may be done. Readable from any spec: an object whose spec is otherwise invalid can
//! still be deleted, or paused.

use crate::{
    api::{
        DcsInstanceSpec,
        instance::{DeletionPolicy, ManagementPolicy, OnExternalDeletion},
    },
    formats::Origin,
};

/// What may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// Whether anything may be changed at all.
    pub management: ManagementPolicy,
    /// What becomes of the instance with the object, if the spec says so.
    pub deletion: Option<DeletionPolicy>,
    /// What to do about a lost instance.
    pub on_external_deletion: OnExternalDeletion,
    /// The instance to take over.
    pub adopt: Option<String>,
    /// Whether everything stands still.
    pub paused: bool,
}

// === impl Policies ===

impl Policies {
    /// As the spec says, or what holds if it does not.
    pub fn of(spec: &DcsInstanceSpec) -> Self {
        Self {
            management: spec.management_policy.unwrap_or(ManagementPolicy::Managed),
            deletion: spec.deletion_policy,
            on_external_deletion: spec.on_external_deletion.unwrap_or(OnExternalDeletion::Report),
            adopt: spec.adopt.as_ref().map(|adopt| adopt.instance_id.clone()),
            paused: spec.paused.unwrap_or(false),
        }
    }

    /// The operator may change the instance.
    pub fn manages(&self) -> bool {
        self.management == ManagementPolicy::Managed
    }

    /// What becomes of an instance of this origin with the object. An unknown origin counts as adopted: that
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
    fn what_is_not_said_destroys_only_what_we_made() {
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
