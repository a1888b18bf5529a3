//! The objects of a namespace, by the caller's own rights in the cluster, and the account that they use.

use std::{collections::BTreeMap, fmt, str::FromStr};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Config, Resource, ResourceExt, api::ListParams, core::NamespaceResourceScope};
use serde::de::DeserializeOwned;

use super::{
    Failure,
    account::{account_of_secret, client},
};
use crate::{
    api::{ConditionType, DcsBackup, DcsInstance},
    controller::CredentialsChoice,
    dcs::{Class, Client, list_all_backups, model::BackupRecord},
};

/// `NAMESPACE/NAME`.
#[derive(Debug, Clone)]
pub(super) struct ObjectName {
    pub(super) namespace: String,
    pub(super) name: String,
}

// === impl ObjectName ===

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("write NAMESPACE/NAME".to_owned()),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A namespace of the cluster, as the caller may read it.
pub(super) struct Namespace {
    client: kube::Client,
    name: String,
}

/// A DcsInstance that has an instance, and what DCS lists of its backups.
pub(super) struct InstanceWithBackups {
    pub(super) instance: DcsInstance,
    /// In the order of the cloud.
    pub(super) records: Vec<BackupRecord>,
    /// The DcsBackups of the namespace.
    pub(super) objects: Vec<DcsBackup>,
}

// === impl Namespace ===

impl Namespace {
    /// Connects to the cluster of the caller's kubeconfig.
    pub(super) async fn connect(name: &str) -> Result<Self, Failure> {
        let config = Config::infer()
            .await
            .map_err(|error| Failure::Usage(format!("cannot find the cluster: {error}; set KUBECONFIG")))?;
        let client = kube::Client::try_from(config).map_err(|error| unreadable("the cluster", &error))?;
        Ok(Self { client, name: name.to_owned() })
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Reads an object.
    pub(super) async fn get<K>(&self, name: &str) -> Result<K, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + fmt::Debug,
    {
        let what = format!("{} {}/{name}", K::kind(&()), self.name);
        self.api().get(name).await.map_err(|error| unreadable(&what, &error))
    }

    /// A client with the credentials in a Secret, those of the namespace if it is not named.
    pub(super) async fn cloud(&self, secret: Option<&str>) -> Result<Client, Failure> {
        let named = CredentialsChoice::named(&self.name, secret).secret;
        let found: Secret = self.get(&named.name).await.map_err(|failure| match failure {
            Failure::NotFound(message) if secret.is_none() => Failure::NotFound(format!(
                "{message}: the objects of the namespace use the operator's own credentials, which this command cannot read; \
                 create the Secret, or see dcs-operator cloud --help"
            )),
            other => other,
        })?;
        client(account_of_secret(found.data.unwrap_or_default())?)
    }

    /// A DcsInstance with its backups.
    pub(super) async fn backups_of(&self, name: &str) -> Result<InstanceWithBackups, Failure> {
        let instance: DcsInstance = self.get(name).await?;
        let Some(id) = instance.status.as_ref().and_then(|status| status.id.clone()) else {
            return Err(Failure::NotFound(without_instance(&instance)));
        };
        let credentials = instance.spec.credentials_ref.as_ref().map(|named| named.name.as_str());
        let cloud = self.cloud(credentials).await?;
        let listing = list_all_backups(&cloud, &id, None).await.map_err(|error| match error.class() {
            Class::NotFound => Failure::NotFound(format!(
                "DCS does not know instance {id} of DcsInstance {}/{name} any more: {error}",
                self.name
            )),
            _ => Failure::from(error),
        })?;
        if !listing.complete {
            eprintln!("warning: backups were made or deleted during the listing; the list may be incomplete");
        }
        let objects = self.api::<DcsBackup>().list(&ListParams::default()).await;
        let objects = objects.map_err(|error| unreadable("the DcsBackups", &error))?.items;
        Ok(InstanceWithBackups { instance, records: listing.records, objects })
    }
}

// === impl InstanceWithBackups ===

impl InstanceWithBackups {
    /// The names of the DcsBackups, by the id of their backup.
    pub(super) fn names(&self) -> BTreeMap<String, String> {
        let id = |object: &DcsBackup| object.status.as_ref()?.id.clone();
        self.objects.iter().filter_map(|object| Some((id(object)?, object.name_any()))).collect()
    }
}

/// Why a DcsInstance has no instance.
fn without_instance(instance: &DcsInstance) -> String {
    let name = instance.name_any();
    let conditions = instance.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
    match ready {
        Some(ready) => {
            format!("DcsInstance {name} has no instance yet: {} ({})", ready.message, ready.reason)
        }
        None => format!("DcsInstance {name} has no instance yet, and the operator has not looked at it"),
    }
}

/// A failed read of the cluster.
fn unreadable(what: &str, error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound" => {
            Failure::NotFound(format!("{what} does not exist"))
        }
        // The API server answers with a page, not a status, where it does not serve a kind.
        kube::Error::Api(status) if status.code == 404 => Failure::NotFound(format!(
            "{what} cannot be read: the cluster does not serve the kind; install the CustomResourceDefinitions that \
             dcs-operator crds prints"
        )),
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
            Failure::Forbidden(format!("you may not read {what}: {}", status.message))
        }
        _ => Failure::Usage(format!("{what} cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_have_two_parts() {
        assert_eq!("shop/sessions".parse::<ObjectName>().unwrap().to_string(), "shop/sessions");
        for wrong in ["sessions", "/sessions", "shop/", "a/b/c", ""] {
            assert!(wrong.parse::<ObjectName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_instance_that_does_not_exist_yet_is_explained() {
        let mut instance = DcsInstance::new("sessions", Default::default());
        assert!(without_instance(&instance).contains("has not looked at it"));
        instance.status = serde_json::from_value(json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": "Creating", "message": "no instance exists yet",
            "lastTransitionTime": "2026-11-24T10:00:00Z",
        }]}))
        .unwrap();
        assert!(without_instance(&instance).ends_with("no instance exists yet (Creating)"));
    }

    #[test]
    fn a_failed_read_says_what_to_do() {
        let api = |code: u16, reason: &str| {
            let status: kube::core::Status = serde_json::from_value(
                json!({"status": "Failure", "message": "m", "reason": reason, "code": code}),
            )
            .unwrap();
            kube::Error::Api(Box::new(status))
        };
        for (error, code, words) in [
            (api(404, "NotFound"), 3, "Secret a/b does not exist"),
            (api(404, "Failed to parse error data"), 3, "dcs-operator crds"),
            (api(403, "Forbidden"), 4, "you may not read Secret a/b"),
            (api(500, "InternalError"), 2, "cannot be read"),
        ] {
            let failure = unreadable("Secret a/b", &error);
            assert_eq!(failure.exit_code(), code);
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }
}
