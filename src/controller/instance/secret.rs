//! The Secrets of a DcsInstance: reads and writes that know what this process wrote before the watch shows it.

use std::time::Duration;

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};

use super::state::{Context, Instances, KeptSecret, OwnSecret};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        accounts::ClientFactory,
        ids::NamespacedName,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
    },
    formats::{
        INSTANCE_LABEL, ROTATE_PASSWORD_ANNOTATION, auth_secret_name, binding_secret_name,
        pending_auth_secret_name,
    },
    plan::{
        Blocker,
        instance::secrets::{SecretNotes, Secrets, Source, token, version},
    },
};

/// The key of the accepted password in the record, and of the password in other Secrets.
pub(super) const PASSWORD: &str = "password";
/// The key of the pending password in the record.
pub(super) const PENDING: &str = "pending";
/// How long a write is believed that no watch shows.
const OWN_WRITE_LIFETIME: Duration = Duration::from_secs(30);

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// What is noted in the metadata of the object's Secrets.
    pub(super) fn notes(&self, object: &DcsInstance) -> Secrets {
        let id = object.object_id();
        let shown = |name: &str| self.shared.secrets.metadata(&id.secret(name));
        let chosen = object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
        let settled = self.local_states.with(object, |entry| entry.more.settled_legacy.clone());
        // The record of an object whose name ends in -pending may have this name.
        let is_legacy = |metadata: &ObjectMeta| {
            !metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(INSTANCE_LABEL))
                && Some(version(metadata)) != settled
        };
        let [record, binding] = [auth_secret_name(&id.name), binding_secret_name(&id.name)]
            .map(|name| self.newest(object, &name).as_ref().map(SecretNotes::read));
        let is_unshown = |own: &OwnSecret| own.metadata.is_some();
        let unshown = self.local_states.with(object, |entry| entry.more.own.values().any(is_unshown));
        Secrets {
            record,
            binding,
            unshown: unshown.then_some(OWN_WRITE_LIFETIME),
            legacy: shown(&pending_auth_secret_name(&id.name)).as_ref().is_some_and(is_legacy),
            chosen: chosen.and_then(|chosen| shown(&chosen.name)).as_ref().map(version),
            requested: object.annotations().get(ROTATE_PASSWORD_ANNOTATION).cloned().map(token),
        }
    }

    /// The metadata of a Secret of the object: from the watch, or from a later write of this process.
    pub(super) fn newest(&self, object: &DcsInstance, name: &str) -> Option<ObjectMeta> {
        let shown = self.shared.secrets.metadata(&object.object_id().secret(name));
        let now = self.shared.clock.monotonic();
        self.local_states.with(object, |entry| match entry.more.own.get(name) {
            Some(own) if own.is_newer_than(shown.as_ref(), now) => own.metadata.clone(),
            Some(_) | None => {
                entry.more.forget_own(name);
                shown
            }
        })
    }

    fn remember(&self, object: &DcsInstance, name: String, metadata: Option<ObjectMeta>, deleted: String) {
        let at = self.shared.clock.monotonic();
        self.local_states.with(object, |entry| {
            entry.more.own.insert(name, OwnSecret { metadata, deleted, at });
        });
    }

    /// Drops what this process remembers of its writes to a Secret.
    fn forget(&self, object: &DcsInstance, name: &str) {
        self.local_states.with(object, |entry| {
            entry.more.forget_own(name);
            entry.more.record.take_if(|kept| kept.0.name_any() == name);
        });
    }

    pub(super) async fn read(&self, key: &NamespacedName) -> Result<Option<Secret>, Blocker> {
        self.shared.secrets.get_secret(key).await.map_err(|error| Blocker {
            reason: Reason::ClusterError,
            message: format!("Secret {} cannot be read: {error}", key.name),
        })
    }

    /// A Secret of the object, as it is. One that no watch shows is read only if `careful`.
    pub(super) async fn own_secret(
        &self,
        context: &Context<N::Cloud>,
        name: &str,
        careful: bool,
    ) -> Result<Option<Secret>, Blocker> {
        let object = context.object.as_ref();
        let newest = self.newest(object, name);
        if newest.is_none() && !careful {
            return Ok(None);
        }
        let kept = self.local_states.with(object, |entry| entry.more.record.clone());
        // The watch shows less of the metadata than an answer has.
        let newest = newest.as_ref().map(version);
        let is_newest =
            |kept: &KeptSecret| kept.0.name_any() == name && Some(version(&kept.0.metadata)) == newest;
        match kept.filter(is_newest) {
            Some(kept) => Ok(Some(*kept.0)),
            None => self.read(&object.object_id().secret(name)).await,
        }
    }

    /// Creates a Secret of the object, or replaces it if it was read before.
    pub(super) async fn put(
        &self,
        context: &Context<N::Cloud>,
        secret: &Secret,
    ) -> Result<Secret, ClusterError> {
        let (object, name) = (context.object.as_ref(), secret.name_any());
        let creates = secret.resource_version().is_none();
        let written = if creates {
            self.shared.secrets.create_secret(secret).await
        } else {
            self.shared.secrets.replace_secret(secret).await
        };
        match &written {
            Ok(written) => self.remember(object, name, Some(written.metadata.clone()), String::new()),
            // It exists, though the watch need not show it yet: it is read.
            Err(ClusterError::Conflict(_)) if creates => {
                self.remember(object, name, Some(ObjectMeta::default()), String::new());
            }
            Err(_) => self.forget(object, &name),
        }
        written
    }

    /// The same for the record, which is kept in memory until the binding Secret is made from it.
    pub(super) async fn put_record(
        &self,
        context: &Context<N::Cloud>,
        secret: &Secret,
    ) -> Result<(), ClusterError> {
        let written = self.put(context, secret).await?;
        self.local_states
            .with(&context.object, |entry| entry.more.record = Some(KeptSecret(Box::new(written))));
        Ok(())
    }

    /// Deletes a Secret that a watch or a write of this process has shown.
    pub(super) async fn remove(
        &self,
        context: &Context<N::Cloud>,
        metadata: ObjectMeta,
    ) -> Result<(), ClusterError> {
        let (object, name) = (context.object.as_ref(), metadata.name.clone().unwrap_or_default());
        let deleted = version(&metadata);
        self.forget(object, &name);
        let key = object.object_id().secret(&name);
        let metadata = ObjectMeta { namespace: Some(key.namespace), name: Some(key.name), ..metadata };
        self.shared.secrets.delete_secret(&Secret { metadata, ..Secret::default() }).await?;
        self.remember(object, name, None, deleted);
        Ok(())
    }

    /// Deletes Secrets of the object.
    pub(super) async fn delete_secrets(
        &self,
        context: &Context<N::Cloud>,
        names: &[String],
    ) -> Result<(), ClusterError> {
        for name in names {
            if let Some(metadata) = self.newest(&context.object, name) {
                self.remove(context, ObjectMeta { name: Some(name.clone()), ..metadata }).await?;
            }
        }
        Ok(())
    }

    /// The password in a Secret of the user, and which Secret that is.
    pub(super) async fn chosen(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<(SecretString, Source), Blocker> {
        let missing = |what: String| Blocker { reason: Reason::SecretNotFound, message: what };
        let secret = self.read(&NamespacedName::new(namespace, name)).await?;
        let secret = secret
            .ok_or_else(|| missing(format!("Secret {name} does not exist: create it with the key {key}")))?;
        let password = value(&secret, key)
            .ok_or_else(|| missing(format!("Secret {name} has no text under key {key}")))?;
        let (name, key) = (name.to_owned(), key.to_owned());
        Ok((password, Source::Chosen { name, key, version: version(&secret.metadata) }))
    }
}

// === impl OwnSecret ===

impl OwnSecret {
    /// The watch does not show this write yet.
    fn is_newer_than(&self, shown: Option<&ObjectMeta>, now: Duration) -> bool {
        let number = |metadata: &ObjectMeta| metadata.resource_version.as_ref()?.parse::<u64>().ok();
        let lags = match (&self.metadata, shown) {
            (Some(own), Some(shown)) => own.uid == shown.uid && number(shown) < number(own),
            (Some(_), None) => true,
            (None, Some(shown)) => version(shown) == self.deleted,
            (None, None) => false,
        };
        lags && now.saturating_sub(self.at) < OWN_WRITE_LIFETIME
    }
}

/// Whether the Secret says that it belongs to the object of this name.
pub(super) fn is_labelled(secret: &Secret, object: &str) -> bool {
    secret.labels().get(INSTANCE_LABEL).is_some_and(|name| name == object)
}

/// Whether the object of this uid owns the Secret. Earlier versions wrote owner references.
pub(super) fn is_controlled(secret: &Secret, uid: &str) -> bool {
    secret.owner_references().iter().any(|owner| owner.uid == uid)
}

/// Whether an earlier object of this name owns the Secret: it is about to be deleted.
pub(super) fn is_left_over(secret: &Secret, name: &str) -> bool {
    let namesake = |owner: &OwnerReference| owner.kind == DcsInstance::KIND && owner.name == name;
    secret.owner_references().iter().any(namesake)
}

/// A text in a Secret, without the line end that tools and editors put at its end.
pub(super) fn value(secret: &Secret, key: &str) -> Option<SecretString> {
    let value = secret.data.as_ref()?.get(key)?;
    let text = std::str::from_utf8(&value.0).ok()?.trim_end_matches(['\r', '\n']);
    (!text.is_empty()).then(|| SecretString::from(text))
}

/// Sets a text in a Secret, or removes it.
pub(super) fn set_value(secret: &mut Secret, key: &str, text: Option<&SecretString>) {
    let data = secret.data.get_or_insert_default();
    match text {
        Some(text) => {
            data.insert(key.to_owned(), ByteString(text.expose_secret().as_bytes().to_vec()));
        }
        None => {
            data.remove(key);
        }
    }
}

pub(super) fn is_same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.is_some() && one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_line_end_is_no_part_of_a_password() {
        let of = |text: &str| {
            let data = BTreeMap::from([(PASSWORD.to_owned(), ByteString(text.as_bytes().to_vec()))]);
            value(&Secret { data: Some(data), ..Secret::default() }, PASSWORD)
        };
        for text in ["Pass-w0rd", "Pass-w0rd\n", "Pass-w0rd\r\n"] {
            assert_eq!(of(text).unwrap().expose_secret(), "Pass-w0rd");
        }
        assert_eq!(of(" Pass-w0rd ").unwrap().expose_secret(), " Pass-w0rd ");
        assert!(of("\n").is_none());
    }

    #[test]
    fn an_own_write_is_believed_until_the_watch_shows_it() {
        let metadata = |version: &str| ObjectMeta {
            uid: Some("u".to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        };
        let now = Duration::from_secs(100);
        let own = |metadata: Option<ObjectMeta>| OwnSecret { metadata, deleted: "u/7".to_owned(), at: now };
        let written = own(Some(metadata("7")));
        for (shown, newer) in [(None, true), (Some("6"), true), (Some("7"), false), (Some("8"), false)] {
            let shown = shown.map(metadata);
            assert_eq!(written.is_newer_than(shown.as_ref(), now), newer, "{shown:?}");
            assert!(
                !written.is_newer_than(shown.as_ref(), now + OWN_WRITE_LIFETIME),
                "it was deleted unseen"
            );
        }
        let deleted = own(None);
        assert!(deleted.is_newer_than(Some(&metadata("7")), now));
        assert!(!deleted.is_newer_than(Some(&metadata("8")), now) && !deleted.is_newer_than(None, now));
    }
}
