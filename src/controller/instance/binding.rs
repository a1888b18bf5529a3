//! The binding Secret (Service Binding specification). It is made from the record and the address of the instance.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::{
    secret::{PASSWORD, is_controlled, is_labelled, is_left_over, value},
    state::{BindingDraft, Context, Instances},
};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        accounts::ClientFactory,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
    },
    formats::{binding_secret_name, pending_auth_secret_name},
    plan::{
        Blocker,
        instance::{
            binding::{BindingState, Content},
            local::Confirmed,
            secrets::{SecretNotes, version},
        },
    },
};

/// The type by the Service Binding specification. It is immutable.
const TYPE: &str = "servicebinding.io/redis";
/// What the specification asks of every binding.
const KIND: [(&str, &str); 2] = [("type", "redis"), ("provider", "huaweicloud-dcs")];

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// Compares the binding Secret with the record and `content`. The Secret to write, if any, goes into the context.
    pub(super) async fn find_binding(
        &self,
        context: &mut Context<N::Cloud>,
        content: &Content,
    ) -> Result<BindingState, Blocker> {
        let subject = context.observed.subject.clone();
        let name = binding_secret_name(&subject.name);
        let Some(record) = context.scratch.record.clone() else { return Ok(BindingState::Outdated) };
        // A Secret that the watch does not show is created. That fails with a conflict if it exists all the same.
        let present = self.own_secret(context, &name, false).await?;
        if let Some(secret) = &present
            && !is_labelled(secret, &subject.name)
            && !is_controlled(secret, &subject.uid)
            && !fits(secret, content)
        {
            return if is_left_over(secret, &subject.name) {
                let message =
                    format!("Secret {name} of an earlier object of this name is still being deleted");
                Err(Blocker { reason: Reason::WaitingForInstance, message })
            } else {
                Ok(BindingState::Foreign)
            };
        }
        let record_version = version(&record.metadata);
        let password = value(&record, PASSWORD).filter(|_| !content.open);
        let wanted = draft(context, present.clone(), content, &record_version, password.as_ref());
        if present.as_ref() == Some(&wanted) {
            self.confirm(context, &record_version, &wanted, content);
            return Ok(BindingState::Current);
        }
        context.scratch.binding = Some(BindingDraft { secret: wanted, record: record_version });
        Ok(BindingState::Outdated)
    }

    /// Writes the binding Secret.
    pub(super) async fn write_binding(
        &self,
        context: &Context<N::Cloud>,
        content: &Content,
    ) -> Result<(), ClusterError> {
        let Some(draft) = &context.scratch.binding else { return Ok(()) };
        let written = self.put(context, &draft.secret).await?;
        self.confirm(context, &draft.record, &written, content);
        Ok(())
    }

    /// Remembers that both Secrets are as they have to be, whatever the API server made of their notes.
    fn confirm(&self, context: &Context<N::Cloud>, record: &str, binding: &Secret, content: &Content) {
        let confirmed = Confirmed {
            record: record.to_owned(),
            binding: version(&binding.metadata),
            content: content.clone(),
        };
        self.local_states.with(&context.object, |entry| {
            entry.more.local.confirmed = Some(confirmed);
            entry.more.record = None;
        });
    }

    /// Deletes the Secret in which an earlier version kept the pending password: the record holds it.
    pub(super) async fn delete_legacy(&self, context: &Context<N::Cloud>) -> Result<(), ClusterError> {
        let subject = &context.observed.subject;
        let key = context.object.object_id().secret(&pending_auth_secret_name(&subject.name));
        let Some(secret) = self.shared.secrets.get_secret(&key).await? else { return Ok(()) };
        if is_controlled(&secret, &subject.uid) {
            self.shared.secrets.delete_secret(&secret).await?;
        }
        let settled = Some(version(&secret.metadata));
        self.local_states.with(&context.object, |entry| entry.more.settled_legacy = settled);
        Ok(())
    }
}

/// Whether a Secret is what would be written, but for its password: a backup tool restored it, without label and notes.
pub(super) fn fits(secret: &Secret, content: &Content) -> bool {
    let password = value(secret, PASSWORD);
    secret.type_.as_deref() == Some(TYPE) && secret.data.as_ref() == Some(&data(content, password.as_ref()))
}

/// The binding Secret as it has to be.
fn draft<C>(
    context: &Context<C>,
    present: Option<Secret>,
    content: &Content,
    record: &str,
    password: Option<&SecretString>,
) -> Secret {
    let subject = &context.observed.subject;
    let mut secret = present.unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(binding_secret_name(&subject.name)),
            namespace: Some(subject.namespace.clone()),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        ..Secret::default()
    });
    let notes = SecretNotes {
        instance: Some(subject.name.clone()),
        instance_id: Some(content.id.clone()),
        record: Some(record.to_owned()),
        address: Some(content.address()),
        ..SecretNotes::default()
    };
    notes.write(&mut secret.metadata);
    secret.metadata.owner_references = None;
    secret.data = Some(data(content, password));
    secret
}

/// The keys of the Service Binding specification, and `read-host` besides.
fn data(content: &Content, password: Option<&SecretString>) -> BTreeMap<String, ByteString> {
    let Content { id: _, host, port, read_host, open: _ } = content;
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
    use crate::formats::binding_keys;

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
            id: "i".to_owned(),
            host: "redis-1.dcs.example".to_owned(),
            port: 6380,
            read_host: None,
            open: true,
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

    #[test]
    fn the_noted_address_tells_the_keys() {
        for (read_host, open) in [(None, false), (None, true), (Some("ro.example".to_owned()), false)] {
            let (id, host) = ("i".to_owned(), "open".to_owned());
            let content = Content { id, host, port: 6379, read_host, open };
            let password = (!open).then(|| SecretString::from("p"));
            let mut keys: Vec<_> = binding_keys(&content.address()).collect();
            keys.sort_unstable();
            assert_eq!(keys, data(&content, password.as_ref()).keys().collect::<Vec<_>>(), "{content:?}");
        }
    }
}
