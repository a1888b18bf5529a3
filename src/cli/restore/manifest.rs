//! The manifest of a DcsRestore.

use std::io;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_saphyr::DoubleQuoted;

use super::{choice::Source, time::shown};
use crate::cli::objects::ObjectName;

/// The longest name of a DcsRestore: the backup before it has a longer one.
const MAX_NAME: usize = 47;
/// What a default name keeps of the instance's.
const MAX_PREFIX: usize = 25;

/// A DcsRestore to print.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) instance: ObjectName,
    pub(super) source: Source,
    /// Until when the restore may begin. Without it, the restore waits for an approval.
    pub(super) not_after: Option<DateTime<Utc>>,
    pub(super) backup_first: bool,
}

/// As the API server reads it. Times are quoted: YAML has times of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Restore<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    namespace: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    instance_ref: Reference<'a>,
    source: SourceFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Consent<'a>>,
    backup_first: bool,
}

#[derive(Serialize)]
struct Reference<'a> {
    name: &'a str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_before: Option<DoubleQuoted<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_ref: Option<Reference<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Consent<'a> {
    target: &'a str,
    not_after: DoubleQuoted<String>,
}

// === impl Manifest ===

impl Manifest {
    /// As YAML.
    ///
    /// # Errors
    /// A value of strings does not fail in practice.
    pub(super) fn text(&self) -> io::Result<String> {
        let yaml = serde_saphyr::to_string(&self.fields()).map_err(io::Error::other)?;
        Ok(format!("---\n{yaml}"))
    }

    fn fields(&self) -> Restore<'_> {
        let ObjectName { namespace, name: instance } = &self.instance;
        let none = SourceFields::default();
        let source = match &self.source {
            Source::LatestBefore(before) => {
                SourceFields { latest_before: Some(DoubleQuoted(shown(*before))), ..none }
            }
            Source::BackupId(id) => SourceFields { backup_id: Some(id), ..none },
            Source::BackupRef(name) => SourceFields { backup_ref: Some(Reference { name }), ..none },
        };
        let consent = |at| Consent { target: instance, not_after: DoubleQuoted(shown(at)) };
        Restore {
            api_version: "dcs.huaweicloud.com/v1alpha1",
            kind: "DcsRestore",
            metadata: Metadata { name: &self.name, namespace },
            spec: Spec {
                instance_ref: Reference { name: instance },
                source,
                consent: self.not_after.map(consent),
                backup_first: self.backup_first,
            },
        }
    }
}

/// `sessions-restore-20261201-0245`.
pub(super) fn default_name(instance: &str, now: DateTime<Utc>) -> String {
    let prefix: String = instance.chars().take(MAX_PREFIX).collect();
    format!("{}-restore-{}", prefix.trim_end_matches(['-', '.']), now.format("%Y%m%d-%H%M"))
}

/// A name that the API server and the rules of DcsRestore accept.
///
/// # Errors
/// What to write instead.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let is_outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let mut parts = text.split('.');
    let is_valid = text.len() <= MAX_NAME
        && text.chars().all(is_inner)
        && parts.all(|part| is_outer(part.chars().next()) && is_outer(part.chars().last()));
    let usage = || {
        format!(
            "write at most {MAX_NAME} lower-case letters, digits, - and ., beginning and ending with a letter or digit"
        )
    };
    if is_valid { Ok(text.to_owned()) } else { Err(usage()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::DcsRestore;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn manifest(source: Source, not_after: Option<&str>) -> Manifest {
        Manifest {
            name: "undo".to_owned(),
            instance: "shop/sessions".parse().unwrap(),
            source,
            not_after: not_after.map(at),
            backup_first: true,
        }
    }

    #[test]
    fn the_manifest_has_the_consent_and_the_source() {
        let text = manifest(Source::LatestBefore(at("2026-12-01T02:40:00Z")), Some("2026-12-01T04:00:00.9Z"));
        let expected = r#"---
apiVersion: dcs.huaweicloud.com/v1alpha1
kind: DcsRestore
metadata:
  name: undo
  namespace: shop
spec:
  instanceRef:
    name: sessions
  source:
    latestBefore: "2026-12-01T02:40:00Z"
  consent:
    target: sessions
    notAfter: "2026-12-01T04:00:00Z"
  backupFirst: true
"#;
        assert_eq!(text.text().unwrap(), expected);
        let restore: DcsRestore = serde_saphyr::from_str(expected).unwrap();
        assert_eq!(restore.spec.consent.map(|consent| consent.target).as_deref(), Some("sessions"));
    }

    #[test]
    fn without_a_validity_there_is_no_consent() {
        let spec = |source: Source| -> Value {
            let text = manifest(source, None).text().unwrap();
            let manifest: Value = serde_saphyr::from_str(&text).unwrap();
            manifest["spec"].clone()
        };
        assert_eq!(
            spec(Source::BackupId("b-1".to_owned())),
            json!({"instanceRef": {"name": "sessions"}, "source": {"backupId": "b-1"}, "backupFirst": true})
        );
        let named = spec(Source::BackupRef("nightly".to_owned()));
        assert_eq!(named["source"], json!({"backupRef": {"name": "nightly"}}));
    }

    #[test]
    fn names_fit() {
        let now = at("2026-12-01T02:45:59Z");
        assert_eq!(default_name("sessions", now), "sessions-restore-20261201-0245");
        let long = default_name(&"abcdefghijklmnopqrstuvwx-yz".repeat(3), now);
        assert_eq!(object_name(&long), Ok(long.clone()));
        assert_eq!(long.len(), MAX_NAME - 1, "no - at the end of a part: {long}");
        for wrong in ["", "A", "-a", "a-", "a..b", "a.-b", "a_b", &"a".repeat(48)] {
            assert!(object_name(wrong).is_err(), "{wrong}");
        }
    }
}
