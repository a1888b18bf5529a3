//! The object's Secrets as the watch shows them: versions, and what the operator noted in their metadata. No password is
//! part of it.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    formats::{
        ADDRESS_ANNOTATION, INSTANCE_ID_ANNOTATION, INSTANCE_LABEL, PASSWORD_SOURCE_ANNOTATION,
        PENDING_PASSWORD_ANNOTATION, RECORD_ANNOTATION, ROTATE_PASSWORD_ANNOTATION,
    },
    plan::Blocker,
};

/// The longest value of the annotation that asks for a new password; more is cut off.
const MAX_TOKEN_CHARS: usize = 253;

/// The object's Secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The record of the password.
    pub record: Option<SecretNotes>,
    /// The binding Secret.
    pub binding: Option<SecretNotes>,
    /// A version before the record left a Secret with a password behind.
    pub legacy: bool,
    /// The version of the password Secret that the spec names, as [`SecretNotes::version`] spells it.
    pub chosen: Option<String>,
    /// The value of the annotation that asks for a new password.
    pub requested: Option<String>,
    /// How long a write of this process is believed that no watch shows: the Secret may be gone again.
    pub unshown: Option<Duration>,
}

/// What the operator noted in the metadata of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretNotes {
    /// `uid/resourceVersion`.
    pub version: String,
    /// The name of the object that it belongs to.
    pub instance: Option<String>,
    /// The id of the instance that it is about.
    pub instance_id: Option<String>,
    /// Of a record: where the password comes from.
    pub source: Option<Source>,
    /// Of a record: the pending password.
    pub pending: Option<Pending>,
    /// Of a record: the request for a new password that was served last.
    pub served: Option<String>,
    /// Of a binding Secret: the version of the record that it was made from.
    pub record: Option<String>,
    /// Of a binding Secret: the address in it.
    pub address: Option<String>,
}

/// A password that the cloud has yet to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// A random name for it.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The operator generated it.
    Generated,
    /// A Secret of the user.
    Chosen {
        /// Its name.
        name: String,
        /// The key in it.
        key: String,
        /// `uid/resourceVersion` of the Secret.
        version: String,
    },
    /// There is no password: the instance is open to its network.
    Open,
    /// Another Secret of the object held it.
    Found,
}

/// What a lookup of an existing instance's password found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordFacts {
    /// The record.
    pub record: RecordState,
    /// The password that the user's Secret holds, if the spec names one.
    pub chosen: Option<Result<ChosenState, Blocker>>,
}

/// The record as a lookup found it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a reconcile has one of them")]
pub enum RecordState {
    /// It does not exist, or lacks its label and notes.
    Missing {
        /// Another Secret of the object holds the password.
        found: bool,
    },
    /// A Secret of its name exists and does not belong to the object.
    Foreign,
    /// It exists.
    Present(Record),
}

/// A record that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Its notes.
    pub notes: SecretNotes,
    /// It holds an accepted password.
    pub has_password: bool,
    /// The pending password is the accepted one, sent once more.
    pub repeats: bool,
    /// It holds passwords that were pending before, which the cloud may have set.
    pub uncertain: bool,
    /// Its accepted password was removed or edited outside the operator, and the binding Secret still holds it.
    pub restorable: bool,
}

/// How the password in the user's Secret relates to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenState {
    /// It is the pending one.
    Pending,
    /// It is the accepted one.
    Accepted,
    /// It is another one.
    Other,
}

/// A password to put into a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewPassword {
    /// A generated one.
    Generated,
    /// The one in the user's Secret.
    Chosen,
    /// The accepted one, once more.
    Accepted,
}

/// What the record of an existing instance is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeFrom {
    /// Another Secret of the object.
    Found,
    /// The user's Secret.
    Chosen,
    /// The instance is open, as the spec declares.
    Open,
    /// The instance is open, and the spec does not say so.
    Opened,
}

// === impl Secrets ===

impl Secrets {
    /// The versions of the record and the binding Secret.
    pub fn versions(&self) -> [Option<String>; 2] {
        [&self.record, &self.binding].map(|notes| notes.as_ref().map(|notes| notes.version.clone()))
    }

    /// The id of the instance whose password the Secrets hold. A record that was never written again notes none: then the
    /// binding Secret tells.
    pub fn recorded_instance(&self) -> Option<&str> {
        let record = self.record.as_ref()?;
        let binding = self.binding.as_ref().and_then(|binding| binding.instance_id.as_deref());
        record.instance_id.as_deref().or(binding)
    }
}

// === impl SecretNotes ===

impl SecretNotes {
    /// Reads the notes.
    pub fn read(metadata: &ObjectMeta) -> Self {
        let value = |key: &str| metadata.annotations.as_ref().and_then(|all| all.get(key)).cloned();
        Self {
            version: version(metadata),
            instance: metadata.labels.as_ref().and_then(|all| all.get(INSTANCE_LABEL)).cloned(),
            instance_id: value(INSTANCE_ID_ANNOTATION),
            source: value(PASSWORD_SOURCE_ANNOTATION).map(|text| Source::read(&text)),
            pending: value(PENDING_PASSWORD_ANNOTATION).map(|text| Pending::read(&text)),
            served: value(ROTATE_PASSWORD_ANNOTATION).map(token),
            record: value(RECORD_ANNOTATION),
            address: value(ADDRESS_ANNOTATION),
        }
    }

    /// The Secret is about another instance than this one.
    pub(in crate::plan::instance) fn is_about_another(&self, id: &str) -> bool {
        self.instance_id.as_deref().is_some_and(|noted| noted != id)
    }

    /// Writes the notes, and removes those that are absent here.
    pub fn write(&self, metadata: &mut ObjectMeta) {
        let Self { version: _, instance, instance_id, source, pending, served, record, address } = self;
        let annotations = metadata.annotations.get_or_insert_default();
        for (key, value) in [
            (INSTANCE_ID_ANNOTATION, instance_id.clone()),
            (PASSWORD_SOURCE_ANNOTATION, source.as_ref().map(ToString::to_string)),
            (PENDING_PASSWORD_ANNOTATION, pending.as_ref().map(ToString::to_string)),
            (ROTATE_PASSWORD_ANNOTATION, served.clone()),
            (RECORD_ANNOTATION, record.clone()),
            (ADDRESS_ANNOTATION, address.clone()),
        ] {
            set(annotations, key, value);
        }
        set(metadata.labels.get_or_insert_default(), INSTANCE_LABEL, instance.clone());
    }
}

fn set(map: &mut BTreeMap<String, String>, key: &str, value: Option<String>) {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
}

/// `uid/resourceVersion`: no two Secrets share one.
pub fn version(metadata: &ObjectMeta) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    format!("{}/{}", text(&metadata.uid), text(&metadata.resource_version))
}

/// A request for a new password, with a bounded length.
pub fn token(value: String) -> String {
    value.chars().take(MAX_TOKEN_CHARS).collect()
}

// === impl Pending ===

impl Pending {
    fn read(text: &str) -> Self {
        let (name, source) = text.split_once('/').unwrap_or((text, ""));
        Self { name: name.to_owned(), source: Source::read(source) }
    }
}

impl std::fmt::Display for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.name, self.source)
    }
}

// === impl Source ===

impl Source {
    fn read(text: &str) -> Self {
        let mut parts = text.splitn(4, '/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("Generated"), None, ..) => Self::Generated,
            (Some("None"), None, ..) => Self::Open,
            (Some("SecretRef"), Some(name), Some(key), Some(version)) => {
                Self::Chosen { name: name.to_owned(), key: key.to_owned(), version: version.to_owned() }
            }
            _ => Self::Found,
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Generated => f.write_str("Generated"),
            Self::Chosen { name, key, version } => write!(f, "SecretRef/{name}/{key}/{version}"),
            Self::Open => f.write_str("None"),
            Self::Found => f.write_str("Found"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen() -> Source {
        Source::Chosen { name: "mine".to_owned(), key: "a.b".to_owned(), version: "u-1/7".to_owned() }
    }

    /// Golden: the notes outlive releases.
    #[test]
    fn notes_are_written_and_read() {
        let notes = SecretNotes {
            version: "u/5".to_owned(),
            instance: Some("sessions".to_owned()),
            instance_id: Some("i-1".to_owned()),
            source: Some(Source::Generated),
            pending: Some(Pending { name: "0a1b".to_owned(), source: chosen() }),
            served: Some("2026-11".to_owned()),
            record: Some("r/3".to_owned()),
            address: Some("10.0.0.1:6379".to_owned()),
        };
        let mut metadata = ObjectMeta {
            uid: Some("u".to_owned()),
            resource_version: Some("5".to_owned()),
            ..ObjectMeta::default()
        };
        notes.write(&mut metadata);
        assert_eq!(SecretNotes::read(&metadata), notes);
        let pending = &metadata.annotations.as_ref().unwrap()["dcs.huaweicloud.com/pending-password"];
        assert_eq!(pending, "0a1b/SecretRef/mine/a.b/u-1/7");
        SecretNotes { version: "u/5".to_owned(), ..SecretNotes::default() }.write(&mut metadata);
        assert!(metadata.annotations.unwrap().is_empty() && metadata.labels.unwrap().is_empty());
    }

    #[test]
    fn every_source_is_read_as_it_was_written() {
        for source in [Source::Generated, Source::Open, Source::Found, chosen()] {
            assert_eq!(Source::read(&source.to_string()), source);
        }
        for odd in ["", "SecretRef/a", "Generated/x", "?"] {
            assert_eq!(Source::read(odd), Source::Found, "{odd}");
        }
    }

    #[test]
    fn the_binding_tells_whose_record_it_is_where_the_record_does_not() {
        let noted = |id: Option<&str>| {
            Some(SecretNotes { instance_id: id.map(str::to_owned), ..SecretNotes::default() })
        };
        let of = |record, binding| Secrets { record, binding, ..Secrets::default() };
        assert_eq!(of(None, noted(Some("b"))).recorded_instance(), None);
        assert_eq!(of(noted(None), noted(Some("b"))).recorded_instance(), Some("b"));
        assert_eq!(of(noted(Some("r")), noted(Some("b"))).recorded_instance(), Some("r"));
    }
}
