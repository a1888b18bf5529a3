//! The instance was deleted in the cloud, and not by the operator: reported, or replaced if the spec says so.

use super::{create, reclaim};
use crate::{
    api::{Reason, instance::OnExternalDeletion},
    plan::{
        conditions::Readiness,
        instance::{
            absence::{self, Absence},
            decision::Decision,
            input::{Desired, Observed, lists::AccountLists},
        },
    },
};

/// Reports that the instance `id` does not exist, or creates another one.
pub(in crate::plan::instance) fn decide(
    o: &Observed,
    desired: &Desired,
    lists: &AccountLists,
    id: &str,
) -> Decision {
    if desired.on_external_deletion == OnExternalDeletion::Report {
        return report(
            o,
            id,
            format!(
                "instance {id} was deleted in the cloud, with its data; delete this object, or set onExternalDeletion \
                 to Recreate for a new, empty instance"
            ),
        );
    }
    let so_far = u32::try_from(o.status.recreations.unwrap_or(0)).unwrap_or(0);
    let same_spec = o.status.observed_generation == Some(o.subject.generation);
    if so_far >= o.settings.max_recreations && same_spec {
        return report(
            o,
            id,
            format!(
                "instance {id} was deleted in the cloud; it was already replaced {so_far} times and is not replaced \
                 again until the spec changes"
            ),
        );
    }
    match absence::assess(o, lists) {
        Absence::Proven => {
            reclaim::before_creation(o, desired, lists).unwrap_or_else(|| create::request(o, desired))
        }
        Absence::Unproven { wait, why } => Decision::creating(o, why).until_proven(wait),
    }
}

fn report(o: &Observed, id: &str, message: String) -> Decision {
    Decision::blocked(o, Reason::ExternallyDeleted, message).ready(
        Readiness::Missing(Reason::ExternallyDeleted),
        format!("instance {id} does not exist any more"),
    )
}
