//! Passwords: where they are kept until the cloud has them.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use super::{Instances, ReconcileContext, binding::is_controlled};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        account::ClientFactory,
        ports::{ClusterError, NamespacedName, ObjectApi, SecretApi},
    },
    formats::pending_auth_secret_name,
    plan::instance::{
        PasswordSource,
        observed::{Blocker, PasswordState},
        password,
    },
};

/// The key of the Secret that the password is under.
pub(super) const PASSWORD: &str = "password";

type Found = (PasswordState, Option<SecretString>);

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// The password for a new instance.
    pub(super) async fn find_password(
        &self,
        context: &ReconcileContext<N::Cloud>,
        source: &PasswordSource,
    ) -> Result<Found, Blocker> {
        match source {
            PasswordSource::Open => Ok((PasswordState::Missing, None)),
            PasswordSource::SecretRef { name, key } => self.chosen_password(context, name, key).await,
            PasswordSource::Generated => self.made_password(context).await,
        }
    }

    async fn chosen_password(
        &self,
        context: &ReconcileContext<N::Cloud>,
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

    /// The password in a Secret of the user's.
    pub(super) async fn chosen(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<SecretString, Blocker> {
        let missing = |what: String| Blocker { reason: Reason::SecretNotFound, message: what };
        let secret = self.read(&NamespacedName::new(namespace, name)).await?;
        let secret =
            secret.ok_or_else(|| missing(format!("there is no Secret {name}: make it, with key {key}")))?;
        value(&secret, key).ok_or_else(|| missing(format!("Secret {name} has no text under key {key}")))
    }

    async fn made_password(&self, context: &ReconcileContext<N::Cloud>) -> Result<Found, Blocker> {
        let subject = &context.observed.subject;
        let name = pending_auth_secret_name(&subject.name);
        // What the watch does not show, and we did not make, is made: that fails if it is there all the same.
        let made = self.local_states.with(&context.object, |entry| entry.more.made_password);
        if !made && context.observed.secrets.pending.is_none() {
            return Ok((PasswordState::Missing, None));
        }
        let Some(secret) = self.read(&NamespacedName::new(&subject.namespace, &name)).await? else {
            return Ok((PasswordState::Missing, None));
        };
        let ours = is_controlled(&secret, &subject.uid);
        if !ours {
            self.not_ours(context, &secret)?;
        }
        let conflict = || Blocker {
            reason: Reason::SecretConflict,
            message: format!(
                "Secret {name} exists and is not this object's: rename or delete it, since the new password is kept \
                 there until the cloud has it"
            ),
        };
        let found = value(&secret, PASSWORD).filter(|_| ours).ok_or_else(conflict)?;
        Ok(self.ready(context, found))
    }

    fn ready(&self, context: &ReconcileContext<N::Cloud>, found: SecretString) -> Found {
        let hash = self.password_hash(&context.observed.subject.uid, &found);
        (PasswordState::Ready { hash }, Some(found))
    }

    pub(super) async fn read(&self, key: &NamespacedName) -> Result<Option<Secret>, Blocker> {
        self.secrets.get_secret(key).await.map_err(|error| Blocker {
            reason: Reason::ClusterError,
            message: format!("Secret {} cannot be read: {error}", key.name),
        })
    }

    /// Makes the Secret with a new password. That it was made in between is fine: the next pass reads it.
    pub(super) async fn make_password(
        &self,
        context: &ReconcileContext<N::Cloud>,
    ) -> Result<(), ClusterError> {
        let random = self.random.bytes().map_err(|error| ClusterError::Unavailable(error.to_string()))?;
        let made = password::generate(&random);
        let data =
            BTreeMap::from([(PASSWORD.to_owned(), ByteString(made.expose_secret().as_bytes().to_vec()))]);
        let object = context.object.as_ref();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(pending_auth_secret_name(&object.name_any())),
                namespace: object.namespace(),
                owner_references: Some(vec![owner(object)]),
                ..ObjectMeta::default()
            },
            data: Some(data),
            ..Secret::default()
        };
        match self.secrets.create_secret(&secret).await {
            Ok(_) | Err(ClusterError::Conflict(_)) => {
                self.local_states.with(object, |entry| entry.more.made_password = true);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// It goes with the object.
pub(super) fn owner(object: &DcsInstance) -> OwnerReference {
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
