//! DcsInstance as a managed resource.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{
        ConditionType, DcsInstance, DcsInstanceSpec, DcsInstanceStatus,
        instance::{CloudAccount, ManagementPolicy},
    },
    controller::{
        links::{Link, Relation},
        ports::ManagedResource,
    },
    formats::{auth_secret_name, binding_secret_name, pending_auth_secret_name},
};

impl ManagedResource for DcsInstance {
    type Status = DcsInstanceStatus;

    const KIND: &'static str = "DcsInstance";

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn credentials_ref(&self) -> Option<&str> {
        self.spec.credentials_ref.as_ref().map(|named| named.name.as_str())
    }

    fn recorded_account(&self) -> Option<&CloudAccount> {
        let status = self.status.as_ref().filter(|status| status.id.is_some())?;
        status.account.as_ref()
    }

    fn from_metadata(metadata: ObjectMeta) -> Self {
        Self { metadata, spec: DcsInstanceSpec::default(), status: None }
    }

    fn links(&self) -> BTreeSet<Link> {
        let id = self.object_id();
        let chosen = self.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
        let own = [auth_secret_name, binding_secret_name, pending_auth_secret_name].map(|of| of(&id.name));
        let names = own.iter().map(String::as_str).chain(chosen.map(|chosen| chosen.name.as_str()));
        names.map(|name| Link::secret(Relation::Content, id.secret(name))).collect()
    }

    /// The instance, its mode and credentials, whether it serves, who operates on it, and whether it is only observed, paused or
    /// being deleted.
    fn projection(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let status = self.status.as_ref();
        let ready = status.and_then(|status| {
            status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str())
        });
        let holder = status.and_then(|status| status.holder.as_ref());
        status.and_then(|status| status.id.as_ref()).hash(&mut hasher);
        ready.map(|ready| (&ready.status, &ready.reason)).hash(&mut hasher);
        holder.map(|holder| (&holder.kind, &holder.name, &holder.uid)).hash(&mut hasher);
        status.and_then(|status| status.resolved.as_ref()?.cache_mode.as_ref()).hash(&mut hasher);
        let observes = self.spec.management_policy == Some(ManagementPolicy::Observe);
        (self.credentials_ref(), self.spec.paused, observes, self.is_deleting()).hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(spec: serde_json::Value) -> DcsInstance {
        let mut object = DcsInstance::new("a", serde_json::from_value(spec).unwrap());
        object.metadata.namespace = Some("shop".to_owned());
        object
    }

    #[test]
    fn an_object_refers_to_its_secrets() {
        let names = |object: &DcsInstance| -> Vec<String> {
            let secret = |link: Link| match link.referent {
                crate::controller::links::Referent::Secret(secret) => secret.to_string(),
                crate::controller::links::Referent::Object(object) => object.to_string(),
            };
            object.links().into_iter().map(secret).collect()
        };
        let plain = object(json!({}));
        assert_eq!(names(&plain), ["shop/a-auth", "shop/a-pending-auth", "shop/a-redis"]);
        assert_eq!(plain.credentials_secret().to_string(), "shop/dcs-credentials");
        let chosen = object(
            json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}, "credentialsRef": {"name": "x"}}),
        );
        assert_eq!(names(&chosen), ["shop/a-auth", "shop/a-pending-auth", "shop/a-redis", "shop/mine"]);
        assert_eq!(chosen.credentials_secret().to_string(), "shop/x");
    }

    #[test]
    fn the_projection_changes_with_the_instance_only() {
        let one = object(json!({}));
        let mut other = one.clone();
        other.spec.description = Some("x".to_owned());
        assert_eq!(one.projection(), other.projection());
        other.status = Some(DcsInstanceStatus { id: Some("i".to_owned()), ..DcsInstanceStatus::default() });
        assert_ne!(one.projection(), other.projection());
    }
}
