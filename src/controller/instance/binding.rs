//! The binding Secret (Service Binding specification), and the password in it.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::{
    secret::{PASSWORD, is_controlled, owned_metadata, value},
    state::{BindingDraft, Context, Instances},
};
use crate::{
    api::DcsInstance,
    controller::{
        accounts::ClientFactory,
        ids::NamespacedName,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
    },
    formats::{
        ROTATE_PASSWORD_ANNOTATION, auth_secret_name, binding_secret_name, pending_auth_secret_name,
    },
    plan::{
        Blocker,
        instance::{
            binding::{BindingState, Content, WhichPassword},
            observed::{Published, SecretVersions},
            secrets::{SecretNotes, Secrets, token, version},
        },
    },
};

/// The type by the Service Binding specification. It is immutable.
const TYPE: &str = "servicebinding.io/redis";
/// What the specification asks of every binding.
const KIND: [(&str, &str); 2] = [("type", "redis"), ("provider", "huaweicloud-dcs")];

/// The password for the binding Secret.
#[derive(Default)]
struct Found {
    /// None if the instance is open.
    password: Option<SecretString>,
    /// The Secret with the pending password that it comes from.
    pending: Option<Secret>,
}

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// The versions of the object's Secrets in the watch cache.
    pub(super) fn versions(&self, object: &DcsInstance) -> SecretVersions {
        let id = object.object_id();
        let of = |name: &str| self.shared.secrets.version(&id.secret(name));
        let chosen = object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
        SecretVersions {
            binding: of(&binding_secret_name(&id.name)),
            pending: self.pending_version(object, of(&pending_auth_secret_name(&id.name))),
            chosen: chosen.and_then(|chosen| of(&chosen.name)),
        }
    }

    /// What is noted in the metadata of the object's Secrets.
    pub(super) fn notes(&self, object: &DcsInstance) -> Secrets {
        let id = object.object_id();
        let of = |name: &str| self.shared.secrets.metadata(&id.secret(name));
        let chosen = object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
        Secrets {
            record: of(&auth_secret_name(&id.name)).as_ref().map(SecretNotes::read),
            binding: of(&binding_secret_name(&id.name)).as_ref().map(SecretNotes::read),
            legacy: of(&pending_auth_secret_name(&id.name)).is_some(),
            chosen: chosen.and_then(|chosen| of(&chosen.name)).as_ref().map(version),
            requested: object.annotations().get(ROTATE_PASSWORD_ANNOTATION).cloned().map(token),
        }
    }

    /// The watch may still show a Secret that was deleted.
    fn pending_version(&self, object: &DcsInstance, shown: Option<String>) -> Option<String> {
        let settled = self.local_states.with(object, |entry| entry.more.settled_pending.clone());
        shown.filter(|shown| settled.as_ref() != Some(shown))
    }

    /// Compares the binding Secret with `content`. The Secret to write, if any, goes into the context.
    pub(super) async fn find_binding(
        &self,
        context: &mut Context<N::Cloud>,
        content: &Content,
    ) -> Result<BindingState, Blocker> {
        let subject = &context.observed.subject;
        let key = NamespacedName::new(&subject.namespace, &binding_secret_name(&subject.name));
        let ours = |secret: &&Secret| is_controlled(secret, &subject.uid);
        let held = |present: &Option<Secret>| {
            present.as_ref().filter(ours).and_then(|secret| value(secret, PASSWORD))
        };
        // A Secret that the watch does not show is created. That fails with a conflict if it exists all the same.
        let unseen = context.observed.secrets.binding.is_none() && !self.was_created(context, &key.name);
        let mut present = if unseen { None } else { self.read(&key).await? };
        let mut found = self.which_password(context, &content.password, held(&present)).await?;
        if unseen && found.is_err() {
            // The watch may lag: read the Secret before the password counts as lost.
            present = self.read(&key).await?;
            found = self.which_password(context, &content.password, held(&present)).await?;
        }
        if let Some(secret) = present.as_ref().filter(|secret| !ours(secret)) {
            return self.check_leftover(context, secret).map(|()| BindingState::Foreign);
        }
        let Ok(found) = found else { return Ok(BindingState::PasswordLost) };
        let data = data(content, found.password.as_ref());
        match present {
            Some(secret) if secret.data.as_ref() == Some(&data) => {
                self.remember_published(context, &secret, content);
                let superseded = context.observed.secrets.pending.is_some()
                    && self.is_superseded(context, &secret).await?;
                context.scratch.binding = Some(BindingDraft { secret, replaces: true, superseded: None });
                Ok(if superseded { BindingState::Superseded } else { BindingState::Current })
            }
            present => {
                context.scratch.binding = Some(BindingDraft {
                    superseded: found.pending,
                    ..draft(&context.object, &key.name, present, data)
                });
                Ok(BindingState::Outdated)
            }
        }
    }

    /// The password for the binding Secret. The inner `Err(())` means that it is lost.
    async fn which_password(
        &self,
        context: &Context<N::Cloud>,
        which: &WhichPassword,
        held: Option<SecretString>,
    ) -> Result<Result<Found, ()>, Blocker> {
        let subject = &context.observed.subject;
        let plainly = |password| Found { password, pending: None };
        match which {
            WhichPassword::Open => Ok(Ok(Found::default())),
            WhichPassword::Chosen { name, key } => {
                self.chosen(&subject.namespace, name, key).await.map(|password| Ok(plainly(Some(password))))
            }
            WhichPassword::Unrecorded if held.is_some() => Ok(Ok(plainly(held))),
            WhichPassword::Unrecorded => Ok(Ok(self.pending(context).await?)),
            WhichPassword::Accepted(hash) => {
                let is_it = |password: &SecretString| self.password_hash(&subject.uid, password) == *hash;
                if let Some(held) = held.filter(is_it) {
                    return Ok(Ok(plainly(Some(held))));
                }
                let pending = self.pending(context).await?;
                if pending.password.as_ref().is_some_and(is_it) {
                    return Ok(Ok(pending));
                }
                let chosen = context.object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
                let Some(chosen) = chosen else { return Ok(Err(())) };
                let key = chosen.key.as_deref().unwrap_or(PASSWORD);
                let chosen = self.chosen(&subject.namespace, &chosen.name, key).await?;
                Ok(if is_it(&chosen) { Ok(plainly(Some(chosen))) } else { Err(()) })
            }
        }
    }

    /// The pending password.
    async fn pending(&self, context: &Context<N::Cloud>) -> Result<Found, Blocker> {
        let subject = &context.observed.subject;
        let key = NamespacedName::new(&subject.namespace, &pending_auth_secret_name(&subject.name));
        let pending = self.read(&key).await?.filter(|secret| is_controlled(secret, &subject.uid));
        let password = pending.as_ref().and_then(|secret| value(secret, PASSWORD));
        Ok(Found { pending: pending.filter(|_| password.is_some()), password })
    }

    /// Whether the pending password is the one that `binding` publishes. If not, it belongs to an instance that is still
    /// to be created, perhaps by another process, and its Secret stays.
    async fn is_superseded(&self, context: &Context<N::Cloud>, binding: &Secret) -> Result<bool, Blocker> {
        let pending = self.pending(context).await?.password;
        let superseded = is_same(pending.as_ref(), value(binding, PASSWORD).as_ref());
        if !superseded {
            self.settle_pending(context);
        }
        Ok(superseded)
    }

    /// This version of the Secret with the pending password needs no more attention.
    fn settle_pending(&self, context: &Context<N::Cloud>) {
        let version = context.observed.secrets.pending.clone();
        self.local_states.with(&context.object, |entry| entry.more.settled_pending = version);
    }

    /// Writes the binding Secret, and then deletes the Secret with the pending password.
    pub(super) async fn write_binding(
        &self,
        context: &Context<N::Cloud>,
        content: &Content,
    ) -> Result<(), ClusterError> {
        let Some(draft) = &context.scratch.binding else { return Ok(()) };
        let written = if draft.replaces {
            self.shared.secrets.replace_secret(&draft.secret).await?
        } else {
            self.create_secret(context, &draft.secret).await?
        };
        self.remember_published(context, &written, content);
        if let Some(superseded) = &draft.superseded {
            self.shared.secrets.delete_secret(superseded).await?;
            self.settle_pending(context);
            return Ok(());
        }
        // A pending password that belonged to the new instance is published now.
        let id = context.object.object_id();
        let pending = id.secret(&pending_auth_secret_name(&id.name));
        if self.shared.secrets.version(&pending).is_some() {
            self.delete_pending(context).await
        } else {
            Ok(())
        }
    }

    /// Deletes the Secret with the pending password, if that is the published one.
    pub(super) async fn delete_pending(&self, context: &Context<N::Cloud>) -> Result<(), ClusterError> {
        let Some(BindingDraft { secret: binding, .. }) = &context.scratch.binding else { return Ok(()) };
        let subject = &context.observed.subject;
        let key = NamespacedName::new(&subject.namespace, &pending_auth_secret_name(&subject.name));
        let published = value(binding, PASSWORD);
        if let Some(secret) = self.shared.secrets.get_secret(&key).await?
            && is_controlled(&secret, &subject.uid)
            && is_same(value(&secret, PASSWORD).as_ref(), published.as_ref())
        {
            self.shared.secrets.delete_secret(&secret).await?;
        }
        self.settle_pending(context);
        Ok(())
    }

    fn remember_published(&self, context: &Context<N::Cloud>, secret: &Secret, content: &Content) {
        let published = Published {
            content: content.clone(),
            version: secret.resource_version().unwrap_or_default(),
            source: context.observed.secrets.chosen.clone(),
            shown: false,
        };
        self.local_states.with(&context.object, |entry| entry.more.local.published = Some(published));
    }
}

fn is_same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.is_some() && one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}

fn draft(
    object: &DcsInstance,
    name: &str,
    present: Option<Secret>,
    data: BTreeMap<String, ByteString>,
) -> BindingDraft {
    let replaces = present.is_some();
    let secret = present.unwrap_or_else(|| Secret {
        metadata: owned_metadata(object, name),
        type_: Some(TYPE.to_owned()),
        ..Secret::default()
    });
    BindingDraft { secret: Secret { data: Some(data), ..secret }, replaces, superseded: None }
}

/// The keys of the Service Binding specification, and `read-host` besides.
fn data(content: &Content, password: Option<&SecretString>) -> BTreeMap<String, ByteString> {
    let Content { host, port, read_host, password: _ } = content;
    let password = password.map(|password| password.expose_secret());
    let mut data: BTreeMap<_, _> = KIND.map(|(key, value)| (key, value.to_owned())).into();
    data.insert("host", host.clone());
    data.insert("port", port.to_string());
    data.insert("uri", uri(host, *port, password));
    data.extend(read_host.clone().map(|host| ("read-host", host)));
    data.extend(password.map(|password| (PASSWORD, password.to_owned())));
    data.into_iter().map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes()))).collect()
}

/// `redis://:password@host:port`: Redis has no user name here.
fn uri(host: &str, port: i32, password: Option<&str>) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match password {
        Some(password) => {
            let password = utf8_percent_encode(password, NON_ALPHANUMERIC);
            format!("redis://:{password}@{host}:{port}")
        }
        None => format!("redis://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_password_survives_the_uri() {
        let password = "aA1`~!@#$%^&*()-_=+\\|{}:,<.>/?";
        let uri = url::Url::parse(&uri("10.0.0.1", 6379, Some(password))).unwrap();
        let decoded = percent_encoding::percent_decode_str(uri.password().unwrap()).decode_utf8().unwrap();
        assert_eq!(decoded, password);
        assert_eq!((uri.host_str(), uri.port(), uri.username()), (Some("10.0.0.1"), Some(6379), ""));
    }

    #[test]
    fn only_what_there_is() {
        let content = Content {
            host: "redis-1.dcs.example".to_owned(),
            port: 6380,
            read_host: None,
            password: WhichPassword::Open,
        };
        let text = |data: BTreeMap<String, ByteString>| -> Vec<String> {
            data.iter().map(|(key, value)| format!("{key}={}", String::from_utf8_lossy(&value.0))).collect()
        };
        let open = ["host=redis-1.dcs.example", "port=6380", "provider=huaweicloud-dcs", "type=redis"];
        let open: Vec<_> = open.iter().map(|line| (*line).to_owned()).collect();
        let mut expected = open.clone();
        expected.push("uri=redis://redis-1.dcs.example:6380".to_owned());
        assert_eq!(text(data(&content, None)), expected);
        let content = Content { read_host: Some("ro.example".to_owned()), ..content };
        let data = text(data(&content, Some(&SecretString::from("Pass-w0rd"))));
        assert!(data.contains(&"read-host=ro.example".to_owned()), "{data:?}");
        assert!(data.contains(&"password=Pass-w0rd".to_owned()), "{data:?}");
        assert!(data.contains(&"uri=redis://:Pass%2Dw0rd@redis-1.dcs.example:6380".to_owned()), "{data:?}");
    }
}
