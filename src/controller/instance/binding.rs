//! The Secret with all that clients need (the Service Binding specification's), and the password's way into it.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::ResourceExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Instances, ReconcileContext,
    secret::{PASSWORD, owner, value},
};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        account::ClientFactory,
        ports::{ClusterError, NamespacedName, ObjectApi, SecretApi},
    },
    formats::{Purpose, binding_secret_name, pending_auth_secret_name},
    plan::instance::{
        binding::{BindingState, Content, WhichPassword},
        observed::{Blocker, Published, SecretVersions},
    },
};

/// The Secret's type, by the Service Binding specification; it cannot be changed later.
const TYPE: &str = "servicebinding.io/redis";
/// What the specification has every binding say about itself.
const KIND: [(&str, &str); 2] = [("type", "redis"), ("provider", "huaweicloud-dcs")];

/// The binding Secret, as it is to be written.
pub(super) struct Draft {
    secret: Secret,
    /// Whether one is there already, of which this is the next version.
    replaces: bool,
    /// The Secret that its password waited in, and that can go once this one is there.
    superseded: Option<Secret>,
}

/// The password for the binding Secret.
#[derive(Default)]
struct Found {
    /// None where none is needed.
    password: Option<SecretString>,
    /// The Secret that it waited in.
    waited: Option<Secret>,
}

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// What the watch shows of the object's Secrets.
    pub(super) fn versions(&self, object: &DcsInstance) -> SecretVersions {
        let key = NamespacedName::of(object);
        let of = |name: &str| self.secrets.version(&NamespacedName::new(&key.namespace, name));
        let chosen = object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
        SecretVersions {
            binding: of(&binding_secret_name(&key.name)),
            pending: self.pending_version(object, of(&pending_auth_secret_name(&key.name))),
            chosen: chosen.and_then(|chosen| of(&chosen.name)),
        }
    }

    /// The watch may still show what was dropped already.
    fn pending_version(&self, object: &DcsInstance, shown: Option<String>) -> Option<String> {
        let settled = self.local_states.with(object, |entry| entry.more.settled_pending.clone());
        shown.filter(|shown| settled.as_ref() != Some(shown))
    }

    /// Compares the binding Secret with `content`; what is to be written, if anything, goes into the view.
    pub(super) async fn find_binding(
        &self,
        context: &mut ReconcileContext<N::Cloud>,
        content: &Content,
    ) -> Result<BindingState, Blocker> {
        let subject = &context.observed.subject;
        let key = NamespacedName::new(&subject.namespace, &binding_secret_name(&subject.name));
        let ours = |secret: &&Secret| is_controlled(secret, &subject.uid);
        let held = |present: &Option<Secret>| {
            present.as_ref().filter(ours).and_then(|secret| value(secret, PASSWORD))
        };
        // What the watch does not show is made, which fails if it is there all the same: nothing is overwritten by that.
        let made = self.local_states.with(&context.object, |entry| entry.more.made_binding);
        let unseen = !made && context.observed.secrets.binding.is_none();
        let mut present = if unseen { None } else { self.read(&key).await? };
        let mut found = self.which_password(context, &content.password, held(&present)).await?;
        if unseen && found.is_err() {
            // Before a password is called lost, it is looked for where the watch may be late to show it.
            present = self.read(&key).await?;
            found = self.which_password(context, &content.password, held(&present)).await?;
        }
        if let Some(secret) = present.as_ref().filter(|secret| !ours(secret)) {
            return self.not_ours(context, secret).map(|()| BindingState::Foreign);
        }
        let Ok(found) = found else { return Ok(BindingState::PasswordLost) };
        let data = data(content, found.password.as_ref());
        match present {
            Some(secret) if secret.data.as_ref() == Some(&data) => {
                self.remember_published(context, &secret, content);
                let superseded =
                    context.observed.secrets.pending.is_some() && self.is_spent(context, &secret).await?;
                context.binding = Some(Draft { secret, replaces: true, superseded: None });
                Ok(if superseded { BindingState::Superseded } else { BindingState::Current })
            }
            present => {
                context.binding = Some(Draft {
                    superseded: found.waited,
                    ..draft(&context.object, &key.name, present, data)
                });
                Ok(BindingState::Outdated)
            }
        }
    }

    /// The password for the binding Secret, if one is needed; fails with `Err(())` within if it is lost.
    async fn which_password(
        &self,
        context: &ReconcileContext<N::Cloud>,
        which: &WhichPassword,
        held: Option<SecretString>,
    ) -> Result<Result<Found, ()>, Blocker> {
        let subject = &context.observed.subject;
        let plainly = |password| Found { password, waited: None };
        match which {
            WhichPassword::Open => Ok(Ok(Found::default())),
            WhichPassword::Chosen { name, key } => {
                self.chosen(&subject.namespace, name, key).await.map(|password| Ok(plainly(Some(password))))
            }
            WhichPassword::Unrecorded if held.is_some() => Ok(Ok(plainly(held))),
            WhichPassword::Unrecorded => Ok(Ok(self.waiting(context).await?)),
            WhichPassword::Accepted(hash) => {
                let is_it = |password: &SecretString| self.password_hash(&subject.uid, password) == *hash;
                if let Some(held) = held.filter(is_it) {
                    return Ok(Ok(plainly(Some(held))));
                }
                let waiting = self.waiting(context).await?;
                if waiting.password.as_ref().is_some_and(is_it) {
                    return Ok(Ok(waiting));
                }
                let chosen = context.object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
                let Some(chosen) = chosen else { return Ok(Err(())) };
                let key = chosen.key.as_deref().unwrap_or(PASSWORD);
                let chosen = self.chosen(&subject.namespace, &chosen.name, key).await?;
                Ok(if is_it(&chosen) { Ok(plainly(Some(chosen))) } else { Err(()) })
            }
        }
    }

    /// The password that waits to be published.
    async fn waiting(&self, context: &ReconcileContext<N::Cloud>) -> Result<Found, Blocker> {
        let subject = &context.observed.subject;
        let key = NamespacedName::new(&subject.namespace, &pending_auth_secret_name(&subject.name));
        let waited = self.read(&key).await?.filter(|secret| is_controlled(secret, &subject.uid));
        let password = waited.as_ref().and_then(|secret| value(secret, PASSWORD));
        Ok(Found { waited: waited.filter(|_| password.is_some()), password })
    }

    /// Whether the Secret with the unpublished password holds what `binding` has published. If not, it is meant for an
    /// instance that is still to be made, perhaps by another process: it stays.
    async fn is_spent(
        &self,
        context: &ReconcileContext<N::Cloud>,
        binding: &Secret,
    ) -> Result<bool, Blocker> {
        let pending = self.waiting(context).await?.password;
        let superseded = is_same(pending.as_ref(), value(binding, PASSWORD).as_ref());
        if !superseded {
            self.settle_pending(context);
        }
        Ok(superseded)
    }

    /// This version of the Secret with the unpublished password needs no more thought.
    fn settle_pending(&self, context: &ReconcileContext<N::Cloud>) {
        let version = context.observed.secrets.pending.clone();
        self.local_states.with(&context.object, |entry| entry.more.settled_pending = version);
    }

    /// One keyed hash per object and password: two objects with the same one do not show it.
    pub(super) fn password_hash(&self, uid: &str, password: &SecretString) -> String {
        self.hash_key.hash(Purpose::Password, [uid, password.expose_secret()])
    }

    /// Writes the binding Secret, and then drops the one that held the password before.
    pub(super) async fn write_binding(
        &self,
        context: &ReconcileContext<N::Cloud>,
        content: &Content,
    ) -> Result<(), ClusterError> {
        let Some(draft) = &context.binding else { return Ok(()) };
        let written = if draft.replaces {
            self.secrets.replace_secret(&draft.secret).await?
        } else {
            let made = self.secrets.create_secret(&draft.secret).await;
            if matches!(made, Ok(_) | Err(ClusterError::Conflict(_))) {
                self.local_states.with(&context.object, |entry| entry.more.made_binding = true);
            }
            made?
        };
        self.remember_published(context, &written, content);
        if let Some(superseded) = &draft.superseded {
            self.secrets.delete_secret(superseded).await?;
            self.settle_pending(context);
            return Ok(());
        }
        // One that had to stay while it was meant for what is published now can go.
        let pending = NamespacedName::new(
            &NamespacedName::of(&written).namespace,
            &pending_auth_secret_name(&context.object.name_any()),
        );
        if self.secrets.version(&pending).is_some() { self.drop_pending(context).await } else { Ok(()) }
    }

    /// Removes the Secret that held the password until it was published, if it still holds the same.
    pub(super) async fn drop_pending(
        &self,
        context: &ReconcileContext<N::Cloud>,
    ) -> Result<(), ClusterError> {
        let Some(Draft { secret: binding, .. }) = &context.binding else { return Ok(()) };
        let subject = &context.observed.subject;
        let key = NamespacedName::new(&subject.namespace, &pending_auth_secret_name(&subject.name));
        let published = value(binding, PASSWORD);
        if let Some(secret) = self.secrets.get_secret(&key).await?
            && is_controlled(&secret, &subject.uid)
            && is_same(value(&secret, PASSWORD).as_ref(), published.as_ref())
        {
            self.secrets.delete_secret(&secret).await?;
        }
        self.settle_pending(context);
        Ok(())
    }

    fn remember_published(&self, context: &ReconcileContext<N::Cloud>, secret: &Secret, content: &Content) {
        let published = Published {
            content: content.clone(),
            version: secret.resource_version().unwrap_or_default(),
            source: context.observed.secrets.chosen.clone(),
            shown: false,
        };
        self.local_states.with(&context.object, |entry| entry.more.local.published = Some(published));
    }

    /// Whether the Secret of an earlier object of the same name is still on its way out.
    pub(super) fn not_ours(
        &self,
        context: &ReconcileContext<N::Cloud>,
        secret: &Secret,
    ) -> Result<(), Blocker> {
        let subject = &context.observed.subject;
        let namesake = |owner: &OwnerReference| owner.kind == "DcsInstance" && owner.name == subject.name;
        if !secret.owner_references().iter().any(namesake) {
            return Ok(());
        }
        // The garbage collector is slower than whoever made the object anew.
        let message =
            format!("Secret {} of an earlier object of this name is still being removed", secret.name_any());
        Err(Blocker { reason: Reason::WaitingForInstance, message })
    }
}

fn is_same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.is_some() && one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}

pub(super) fn is_controlled(secret: &Secret, uid: &str) -> bool {
    secret.owner_references().iter().any(|owner| owner.uid == uid)
}

fn draft(
    object: &DcsInstance,
    name: &str,
    present: Option<Secret>,
    data: BTreeMap<String, ByteString>,
) -> Draft {
    let replaces = present.is_some();
    let secret = present.unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: object.namespace(),
            owner_references: Some(vec![owner(object)]),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        ..Secret::default()
    });
    Draft { secret: Secret { data: Some(data), ..secret }, replaces, superseded: None }
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
