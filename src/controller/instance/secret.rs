//! Passwords: where they are kept until the cloud has them.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use super::{Instances, View, binding::is_controlled};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        account::Connect,
        cluster::{ClusterError, Key, Objects, Secrets},
    },
    formats::pending_auth_secret_name,
    plan::instance::{
        PasswordSource,
        observed::{Obstacle, PasswordLook},
        password,
    },
};

/// The key of the Secret that the password is under.
pub(super) const PASSWORD: &str = "password";

type Found = (PasswordLook, Option<SecretString>);

// === impl Instances ===

impl<O: Objects<DcsInstance>, S: Secrets, N: Connect> Instances<O, S, N> {
    /// The password for a new instance.
    pub(super) async fn find_password(
        &self,
        view: &View<N::Cloud>,
        source: &PasswordSource,
    ) -> Result<Found, Obstacle> {
        match source {
            PasswordSource::Open => Ok((PasswordLook::Missing, None)),
            PasswordSource::SecretRef { name, key } => self.chosen_password(view, name, key).await,
            PasswordSource::Generated => self.made_password(view).await,
        }
    }

    async fn chosen_password(&self, view: &View<N::Cloud>, name: &str, key: &str) -> Result<Found, Obstacle> {
        let found = self.chosen(&view.observed.subject.namespace, name, key).await?;
        password::check(&found).map_err(|problem| Obstacle {
            reason: Reason::PasswordInvalid,
            message: format!("the password in Secret {name}, key {key}: {}", problem.message),
        })?;
        Ok(self.ready(view, found))
    }

    /// The password in a Secret of the user's.
    pub(super) async fn chosen(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<SecretString, Obstacle> {
        let missing = |what: String| Obstacle { reason: Reason::SecretNotFound, message: what };
        let secret = self.read(&Key::new(namespace, name)).await?;
        let secret =
            secret.ok_or_else(|| missing(format!("there is no Secret {name}: make it, with key {key}")))?;
        value(&secret, key).ok_or_else(|| missing(format!("Secret {name} has no text under key {key}")))
    }

    async fn made_password(&self, view: &View<N::Cloud>) -> Result<Found, Obstacle> {
        let subject = &view.observed.subject;
        let name = pending_auth_secret_name(&subject.name);
        // What the watch does not show, and we did not make, is made: that fails if it is there all the same.
        let made = self.memories.with(&view.object, |remembered| remembered.more.made_password);
        if !made && view.observed.secrets.pending.is_none() {
            return Ok((PasswordLook::Missing, None));
        }
        let Some(secret) = self.read(&Key::new(&subject.namespace, &name)).await? else {
            return Ok((PasswordLook::Missing, None));
        };
        let ours = is_controlled(&secret, &subject.uid);
        if !ours {
            self.not_ours(view, &secret)?;
        }
        let conflict = || Obstacle {
            reason: Reason::SecretConflict,
            message: format!(
                "Secret {name} exists and is not this object's: rename or delete it, since the new password is kept \
                 there until the cloud has it"
            ),
        };
        let found = value(&secret, PASSWORD).filter(|_| ours).ok_or_else(conflict)?;
        Ok(self.ready(view, found))
    }

    fn ready(&self, view: &View<N::Cloud>, found: SecretString) -> Found {
        let hash = self.password_hash(&view.observed.subject.uid, &found);
        (PasswordLook::Ready { hash }, Some(found))
    }

    pub(super) async fn read(&self, key: &Key) -> Result<Option<Secret>, Obstacle> {
        self.secrets.get_secret(key).await.map_err(|error| Obstacle {
            reason: Reason::ClusterError,
            message: format!("Secret {} cannot be read: {error}", key.name),
        })
    }

    /// Makes the Secret with a new password. That it was made in between is fine: the next pass reads it.
    pub(super) async fn make_password(&self, view: &View<N::Cloud>) -> Result<(), ClusterError> {
        let random = self.random.bytes().map_err(|error| ClusterError::Unavailable(error.to_string()))?;
        let made = password::generate(&random);
        let data =
            BTreeMap::from([(PASSWORD.to_owned(), ByteString(made.expose_secret().as_bytes().to_vec()))]);
        let object = view.object.as_ref();
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
                self.memories.with(object, |remembered| remembered.more.made_password = true);
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
