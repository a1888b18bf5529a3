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
    Instances, View,
    secret::{PASSWORD, owner, value},
};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        account::Connect,
        cluster::{ClusterError, Key, Objects, Secrets},
    },
    formats::{Purpose, binding_secret_name, pending_auth_secret_name},
    plan::instance::{
        binding::{BindingLook, Content, WhichPassword},
        observed::{Obstacle, Published, SecretVersions},
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
    spent: Option<Secret>,
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

impl<O: Objects<DcsInstance>, S: Secrets, N: Connect> Instances<O, S, N> {
    /// What the watch shows of the object's Secrets.
    pub(super) fn versions(&self, object: &DcsInstance) -> SecretVersions {
        let key = Key::of(object);
        let of = |name: &str| self.secrets.version(&Key::new(&key.namespace, name));
        let chosen = object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
        SecretVersions {
            binding: of(&binding_secret_name(&key.name)),
            pending: self.pending_version(object, of(&pending_auth_secret_name(&key.name))),
            chosen: chosen.and_then(|chosen| of(&chosen.name)),
        }
    }

    /// The watch may still show what was dropped already.
    fn pending_version(&self, object: &DcsInstance, shown: Option<String>) -> Option<String> {
        let settled = self.memories.with(object, |remembered| remembered.more.settled_pending.clone());
        shown.filter(|shown| settled.as_ref() != Some(shown))
    }

    /// Compares the binding Secret with `content`; what is to be written, if anything, goes into the view.
    pub(super) async fn find_binding(
        &self,
        view: &mut View<N::Cloud>,
        content: &Content,
    ) -> Result<BindingLook, Obstacle> {
        let subject = &view.observed.subject;
        let key = Key::new(&subject.namespace, &binding_secret_name(&subject.name));
        let ours = |secret: &&Secret| is_controlled(secret, &subject.uid);
        let held = |present: &Option<Secret>| {
            present.as_ref().filter(ours).and_then(|secret| value(secret, PASSWORD))
        };
        // What the watch does not show is made, which fails if it is there all the same: nothing is overwritten by that.
        let made = self.memories.with(&view.object, |remembered| remembered.more.made_binding);
        let unseen = !made && view.observed.secrets.binding.is_none();
        let mut present = if unseen { None } else { self.read(&key).await? };
        let mut found = self.which_password(view, &content.password, held(&present)).await?;
        if unseen && found.is_err() {
            // Before a password is called lost, it is looked for where the watch may be late to show it.
            present = self.read(&key).await?;
            found = self.which_password(view, &content.password, held(&present)).await?;
        }
        if let Some(secret) = present.as_ref().filter(|secret| !ours(secret)) {
            return self.not_ours(view, secret).map(|()| BindingLook::Foreign);
        }
        let Ok(found) = found else { return Ok(BindingLook::PasswordLost) };
        let data = data(content, found.password.as_ref());
        match present {
            Some(secret) if secret.data.as_ref() == Some(&data) => {
                self.remember_published(view, &secret, content);
                let spent = view.observed.secrets.pending.is_some() && self.is_spent(view, &secret).await?;
                view.binding = Some(Draft { secret, replaces: true, spent: None });
                Ok(if spent { BindingLook::Spent } else { BindingLook::Current })
            }
            present => {
                view.binding =
                    Some(Draft { spent: found.waited, ..draft(&view.object, &key.name, present, data) });
                Ok(BindingLook::Outdated)
            }
        }
    }

    /// The password for the binding Secret, if one is needed; fails with `Err(())` within if it is lost.
    async fn which_password(
        &self,
        view: &View<N::Cloud>,
        which: &WhichPassword,
        held: Option<SecretString>,
    ) -> Result<Result<Found, ()>, Obstacle> {
        let subject = &view.observed.subject;
        let plainly = |password| Found { password, waited: None };
        match which {
            WhichPassword::Open => Ok(Ok(Found::default())),
            WhichPassword::Chosen { name, key } => {
                self.chosen(&subject.namespace, name, key).await.map(|password| Ok(plainly(Some(password))))
            }
            WhichPassword::Unrecorded if held.is_some() => Ok(Ok(plainly(held))),
            WhichPassword::Unrecorded => Ok(Ok(self.waiting(view).await?)),
            WhichPassword::Accepted(hash) => {
                let is_it = |password: &SecretString| self.password_hash(&subject.uid, password) == *hash;
                if let Some(held) = held.filter(is_it) {
                    return Ok(Ok(plainly(Some(held))));
                }
                let waiting = self.waiting(view).await?;
                if waiting.password.as_ref().is_some_and(is_it) {
                    return Ok(Ok(waiting));
                }
                let chosen = view.object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
                let Some(chosen) = chosen else { return Ok(Err(())) };
                let key = chosen.key.as_deref().unwrap_or(PASSWORD);
                let chosen = self.chosen(&subject.namespace, &chosen.name, key).await?;
                Ok(if is_it(&chosen) { Ok(plainly(Some(chosen))) } else { Err(()) })
            }
        }
    }

    /// The password that waits to be published.
    async fn waiting(&self, view: &View<N::Cloud>) -> Result<Found, Obstacle> {
        let subject = &view.observed.subject;
        let key = Key::new(&subject.namespace, &pending_auth_secret_name(&subject.name));
        let waited = self.read(&key).await?.filter(|secret| is_controlled(secret, &subject.uid));
        let password = waited.as_ref().and_then(|secret| value(secret, PASSWORD));
        Ok(Found { waited: waited.filter(|_| password.is_some()), password })
    }

    /// Whether the Secret with the unpublished password holds what `binding` has published. If not, it is meant for an
    /// instance that is still to be made, perhaps by another process: it stays.
    async fn is_spent(&self, view: &View<N::Cloud>, binding: &Secret) -> Result<bool, Obstacle> {
        let pending = self.waiting(view).await?.password;
        let spent = is_same(pending.as_ref(), value(binding, PASSWORD).as_ref());
        if !spent {
            self.settle_pending(view);
        }
        Ok(spent)
    }

    /// This version of the Secret with the unpublished password needs no more thought.
    fn settle_pending(&self, view: &View<N::Cloud>) {
        let version = view.observed.secrets.pending.clone();
        self.memories.with(&view.object, |remembered| remembered.more.settled_pending = version);
    }

    /// One keyed hash per object and password: two objects with the same one do not show it.
    pub(super) fn password_hash(&self, uid: &str, password: &SecretString) -> String {
        self.hash_key.hash(Purpose::Password, [uid, password.expose_secret()])
    }

    /// Writes the binding Secret, and then drops the one that held the password before.
    pub(super) async fn write_binding(
        &self,
        view: &View<N::Cloud>,
        content: &Content,
    ) -> Result<(), ClusterError> {
        let Some(draft) = &view.binding else { return Ok(()) };
        let written = if draft.replaces {
            self.secrets.replace_secret(&draft.secret).await?
        } else {
            let made = self.secrets.create_secret(&draft.secret).await;
            if matches!(made, Ok(_) | Err(ClusterError::Conflict(_))) {
                self.memories.with(&view.object, |remembered| remembered.more.made_binding = true);
            }
            made?
        };
        self.remember_published(view, &written, content);
        if let Some(spent) = &draft.spent {
            self.secrets.delete_secret(spent).await?;
            self.settle_pending(view);
            return Ok(());
        }
        // One that had to stay while it was meant for what is published now can go.
        let pending =
            Key::new(&Key::of(&written).namespace, &pending_auth_secret_name(&view.object.name_any()));
        if self.secrets.version(&pending).is_some() { self.drop_pending(view).await } else { Ok(()) }
    }

    /// Removes the Secret that held the password until it was published, if it still holds the same.
    pub(super) async fn drop_pending(&self, view: &View<N::Cloud>) -> Result<(), ClusterError> {
        let Some(Draft { secret: binding, .. }) = &view.binding else { return Ok(()) };
        let subject = &view.observed.subject;
        let key = Key::new(&subject.namespace, &pending_auth_secret_name(&subject.name));
        let published = value(binding, PASSWORD);
        if let Some(secret) = self.secrets.get_secret(&key).await?
            && is_controlled(&secret, &subject.uid)
            && is_same(value(&secret, PASSWORD).as_ref(), published.as_ref())
        {
            self.secrets.delete_secret(&secret).await?;
        }
        self.settle_pending(view);
        Ok(())
    }

    fn remember_published(&self, view: &View<N::Cloud>, secret: &Secret, content: &Content) {
        let published = Published {
            content: content.clone(),
            version: secret.resource_version().unwrap_or_default(),
            source: view.observed.secrets.chosen.clone(),
            shown: false,
        };
        self.memories.with(&view.object, |remembered| remembered.more.memory.published = Some(published));
    }

    /// Whether the Secret of an earlier object of the same name is still on its way out.
    pub(super) fn not_ours(&self, view: &View<N::Cloud>, secret: &Secret) -> Result<(), Obstacle> {
        let subject = &view.observed.subject;
        let namesake = |owner: &OwnerReference| owner.kind == "DcsInstance" && owner.name == subject.name;
        if !secret.owner_references().iter().any(namesake) {
            return Ok(());
        }
        // The garbage collector is slower than whoever made the object anew.
        let message =
            format!("Secret {} of an earlier object of this name is still being removed", secret.name_any());
        Err(Obstacle { reason: Reason::WaitingForInstance, message })
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
    Draft { secret: Secret { data: Some(data), ..secret }, replaces, spent: None }
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
