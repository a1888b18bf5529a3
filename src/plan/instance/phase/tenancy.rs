//! What the operator's own credentials may be used for on behalf of a namespace: whoever writes an object there must
//! not reach, by a bare ID, what belongs to others in the same account.

use super::{
    decision::Decision,
    desired::Desired,
    observed::{CredentialsSource, Observed},
};
use crate::{
    api::Reason,
    dcs::model::InstanceFacts,
    formats::{ALLOW_NAMESPACE_TAG, allow_namespace_value},
};

/// What stands in the way of beginning anything with these credentials.
pub(super) fn nothing_new(o: &Observed) -> Option<Decision> {
    let begun = o.status.id.is_some() || o.status.operation.is_some();
    match &o.account.as_ref().ok()?.source {
        CredentialsSource::Namespace { secret, leaving: true, .. } if !begun => {
            let message = format!("Secret {secret} with the credentials is being deleted: make it anew");
            Some(Decision::blocked(o, Reason::CredentialsMissing, message))
        }
        CredentialsSource::Namespace { .. } | CredentialsSource::Operator { .. } => None,
    }
}

/// Why a new instance may not be put where the spec says, if it may not.
pub(super) fn foreign_network(o: &Observed, desired: &Desired) -> Option<Decision> {
    if may_name_anything(o) {
        return None;
    }
    let network = &desired.network;
    let named = [
        ("network.vpcId", network.vpc_id.is_some()),
        ("network.subnetId", network.subnet_id.is_some()),
        ("network.securityGroupId", network.security_group_id.is_some()),
        ("enterpriseProjectId", desired.enterprise_project_id.is_some()),
    ];
    let (field, _) = named.into_iter().find(|(_, named)| *named)?;
    let message = format!(
        "with the operator's own credentials {field} cannot be chosen: remove it to use the installer's network, or \
         make a Secret dcs-credentials in this namespace"
    );
    Some(Decision::blocked(o, Reason::NotAllowed, message))
}

/// Why an instance that the spec names may not be looked at or taken over, if it may not.
pub(super) fn foreign_instance(o: &Observed, facts: &InstanceFacts) -> Option<Decision> {
    let namespace = allow_namespace_value(&o.subject.namespace);
    if may_name_anything(o) || facts.tag(ALLOW_NAMESPACE_TAG) == Some(&namespace) {
        return None;
    }
    let message = format!(
        "with the operator's own credentials an existing instance can be named only if it carries the tag \
         {ALLOW_NAMESPACE_TAG}={namespace}; instance {} does not",
        facts.id
    );
    Some(Decision::blocked(o, Reason::NotAllowed, message))
}

fn may_name_anything(o: &Observed) -> bool {
    match o.account.as_ref().map(|account| &account.source) {
        Ok(CredentialsSource::Operator { trusted }) => *trusted,
        Ok(CredentialsSource::Namespace { .. }) | Err(_) => true,
    }
}
