//! What the operator's own credentials may be used for on behalf of a namespace: a bare ID in an object must not reach
//! what belongs to others in the same account.

use crate::{
    api::Reason,
    dcs::model::InstanceFacts,
    formats::{ALLOW_NAMESPACE_TAG, allow_namespace_value},
    plan::instance::{
        decision::Decision,
        input::{Desired, Observed, observed::CredentialsSource},
    },
};

/// The Secret with the credentials is being deleted: nothing new is begun with it.
pub(super) fn credentials_being_deleted(o: &Observed) -> Option<Decision> {
    let begun = o.status.id.is_some() || o.status.operation.is_some();
    match &o.account.as_ref().ok()?.source {
        CredentialsSource::Namespace { secret, deleting: true, .. } if !begun => {
            let message = format!(
                "Secret {secret} with the credentials is being deleted, and nothing new is begun with it: name another \
                 Secret in credentialsRef, or create it again once it is gone"
            );
            Some(Decision::blocked(o, Reason::CredentialsMissing, message))
        }
        CredentialsSource::Namespace { .. } | CredentialsSource::Operator { .. } => None,
    }
}

/// The namespace may not choose the network that the spec names.
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
        "with the operator's own credentials an object must not set {field}: remove it to use the installer's network, \
         or create a Secret dcs-credentials in this namespace"
    );
    Some(Decision::blocked(o, Reason::NotAllowed, message))
}

/// The namespace may neither observe nor adopt the instance that the spec names.
pub(in crate::plan::instance) fn foreign_instance(o: &Observed, facts: &InstanceFacts) -> Option<Decision> {
    let namespace = allow_namespace_value(&o.subject.namespace);
    if may_name_anything(o) || facts.tag(ALLOW_NAMESPACE_TAG) == Some(&namespace) {
        return None;
    }
    let message = format!(
        "with the operator's own credentials an object can name an existing instance only if it carries the tag \
         {ALLOW_NAMESPACE_TAG}={namespace}; instance {} does not",
        facts.id
    );
    Some(Decision::blocked(o, Reason::NotAllowed, message))
}

/// What lets an object of the namespace name an instance.
pub(super) fn permission(o: &Observed) -> String {
    let namespace = allow_namespace_value(&o.subject.namespace);
    format!("the installer of the operator tags it {ALLOW_NAMESPACE_TAG}={namespace}")
}

fn may_name_anything(o: &Observed) -> bool {
    match o.account.as_ref().map(|account| &account.source) {
        Ok(CredentialsSource::Operator { trusted }) => *trusted,
        Ok(CredentialsSource::Namespace { .. }) | Err(_) => true,
    }
}
