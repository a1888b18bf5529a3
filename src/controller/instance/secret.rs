//! The Secrets of a DcsInstance, and the password for a new instance.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use super::state::{Context, Instances};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        accounts::ClientFactory,
        ids::NamespacedName,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
    },
    formats::{Purpose, pending_auth_secret_name},
    plan::{
        Blocker,
        instance::{PasswordSource, observed::PasswordState, password},
    },
};

/// The key of the password in a Secret.
pub(super) const PASSWORD: &str = "password";

type Found = (PasswordState, Option<SecretString>);

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// The password for a new instance.
    pub(super) async fn find_password(
        &self,
        context: &Context<N::Cloud>,
        source: &PasswordSource,
    ) -> Result<Found, Blocker> {
        match source {
            PasswordSource::Open => Ok((PasswordState::Missing, None)),
            PasswordSource::SecretRef { name, key } => self.chosen_password(context, name, key).await,
            PasswordSource::Generated => self.generated_password(context).await,
        }
    }

    async fn chosen_password(
        &self,
        context: &Context<N::Cloud>,
        name: &str,
        key: &str,
    ) -> Result<Found, Blocker> {
        let found = self.chosen(&context.observed.subject.namespace, name, key).await?;
        password::check(&found).map_err(|problem| Blocker {
            reason: Reason::PasswordInvalid,
            message: format!("the password in Secret {name}, key {key}: {}", problem.message),
        })?;
        Ok(self.ready(context, found))
    }

    /// The password in a Secret of the user.
    pub(super) async fn chosen(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<SecretString, Blocker> {
        let missing = |what: String| Blocker { reason: Reason::SecretNotFound, message: what };
        let secret = self.read(&NamespacedName::new(namespace, name)).await?;
        let secret = secret
            .ok_or_else(|| missing(format!("Secret {name} does not exist: create it with the key {key}")))?;
        value(&secret, key).ok_or_else(|| missing(format!("Secret {name} has no text under key {key}")))
    }

    async fn generated_password(&self, context: &Context<N::Cloud>) -> Result<Found, Blocker> {
        let subject = &context.observed.subject;
        let name = pending_auth_secret_name(&subject.name);
        // A Secret that the watch does not show is created. That fails with a conflict if it exists all the same.
        if context.observed.secrets.pending.is_none() && !self.was_created(context, &name) {
            return Ok((PasswordState::Missing, None));
        }
        let Some(secret) = self.read(&NamespacedName::new(&subject.namespace, &name)).await? else {
            return Ok((PasswordState::Missing, None));
        };
        let ours = is_controlled(&secret, &subject.uid);
        if !ours {
            self.check_leftover(context, &secret)?;
        }
        let conflict = || Blocker {
            reason: Reason::SecretConflict,
            message: format!(
                "Secret {name} belongs to another object: rename or delete it, since the new password is kept under this \
                 name until the cloud accepts it"
            ),
        };
        let found = value(&secret, PASSWORD).filter(|_| ours).ok_or_else(conflict)?;
        Ok(self.ready(context, found))
    }

    fn ready(&self, context: &Context<N::Cloud>, found: SecretString) -> Found {
        let hash = self.password_hash(&context.observed.subject.uid, &found);
        (PasswordState::Ready { hash }, Some(found))
    }

    pub(super) async fn read(&self, key: &NamespacedName) -> Result<Option<Secret>, Blocker> {
        self.shared.secrets.get_secret(key).await.map_err(|error| Blocker {
            reason: Reason::ClusterError,
            message: format!("Secret {} cannot be read: {error}", key.name),
        })
    }

    /// Creates the Secret with a new password. A conflict is no error: the next reconcile reads the Secret.
    pub(super) async fn create_password_secret(
        &self,
        context: &Context<N::Cloud>,
    ) -> Result<(), ClusterError> {
        let random =
            self.shared.random.bytes().map_err(|error| ClusterError::Unavailable(error.to_string()))?;
        let password = password::generate(&random);
        let password = ByteString(password.expose_secret().as_bytes().to_vec());
        let object = context.object.as_ref();
        let secret = Secret {
            metadata: owned_metadata(object, &pending_auth_secret_name(&object.name_any())),
            data: Some(BTreeMap::from([(PASSWORD.to_owned(), password)])),
            ..Secret::default()
        };
        match self.create_secret(context, &secret).await {
            Ok(_) | Err(ClusterError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Creates a Secret. Remembers that it exists, also after a conflict, since the watch need not show it yet.
    pub(super) async fn create_secret(
        &self,
        context: &Context<N::Cloud>,
        secret: &Secret,
    ) -> Result<Secret, ClusterError> {
        let created = self.shared.secrets.create_secret(secret).await;
        if matches!(created, Ok(_) | Err(ClusterError::Conflict(_))) {
            let name = secret.name_any();
            self.local_states.with(&context.object, |entry| entry.more.created_secrets.insert(name));
        }
        created
    }

    /// Whether a Secret of this name exists, since this process tried to create it.
    pub(super) fn was_created(&self, context: &Context<N::Cloud>, name: &str) -> bool {
        self.local_states.with(&context.object, |entry| entry.more.created_secrets.contains(name))
    }

    /// A keyed hash of a password of an object. Two objects with the same password have different hashes.
    pub(super) fn password_hash(&self, uid: &str, password: &SecretString) -> String {
        self.shared.hash_key.hash(Purpose::Password, [uid, password.expose_secret()])
    }

    /// Fails while the Secret of an earlier object of this name is not deleted yet.
    pub(super) fn check_leftover(&self, context: &Context<N::Cloud>, secret: &Secret) -> Result<(), Blocker> {
        let name = &context.observed.subject.name;
        let namesake = |owner: &OwnerReference| owner.kind == DcsInstance::KIND && owner.name == *name;
        if !secret.owner_references().iter().any(namesake) {
            return Ok(());
        }
        // The garbage collector has not deleted it yet.
        let message =
            format!("Secret {} of an earlier object of this name is still being deleted", secret.name_any());
        Err(Blocker { reason: Reason::WaitingForInstance, message })
    }
}

/// Metadata of a Secret that is deleted with the object.
pub(super) fn owned_metadata(object: &DcsInstance, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: object.namespace(),
        owner_references: Some(vec![owner(object)]),
        ..ObjectMeta::default()
    }
}

/// Whether the object of this uid owns the Secret.
pub(super) fn is_controlled(secret: &Secret, uid: &str) -> bool {
    secret.owner_references().iter().any(|owner| owner.uid == uid)
}

fn owner(object: &DcsInstance) -> OwnerReference {
    OwnerReference {
        api_version: DcsInstance::api_version(&()).into_owned(),
        kind: DcsInstance::kind(&()).into_owned(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

pub(super) fn value(secret: &Secret, key: &str) -> Option<SecretString> {
    let value = secret.data.as_ref()?.get(key)?;
    let text = std::str::from_utf8(&value.0).ok()?;
    (!text.is_empty()).then(|| SecretString::from(text))
}
