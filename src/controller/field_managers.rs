//! Who wrote the values of a Secret, by the field managers that the API server keeps in its metadata.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

use crate::formats::FIELD_MANAGER;

/// Another writer than the operator has set a value of the Secret: the one under `key`, or any.
pub(super) fn sets_data(entry: &ManagedFieldsEntry, key: Option<&str>) -> bool {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    // What is applied as stringData is stored as data, and the entry keeps the field that was applied.
    let mut written = ["f:data", "f:stringData"].into_iter().filter_map(|field| fields?.get(field));
    !is_own(entry) && written.any(|written| key.is_none_or(|key| has(written, key)))
}

/// The operator's value under `key` is still there: no other writer removed or replaced it.
pub(super) fn keeps_own_value(entries: &[ManagedFieldsEntry], key: &str) -> bool {
    entries.iter().any(|entry| is_own(entry) && data_of(entry).is_some_and(|data| has(data, key)))
}

fn is_own(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
}

fn data_of(entry: &ManagedFieldsEntry) -> Option<&serde_json::Value> {
    entry.fields_v1.as_ref()?.0.get("f:data")
}

fn has(data: &serde_json::Value, key: &str) -> bool {
    data.get(format!("f:{key}")).is_some()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_values_that_another_writer_set() {
        let entry = |manager: &str, fields| ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        };
        let data = json!({"f:data": {".": {}, "f:password": {}}});
        let notes = json!({"f:metadata": {"f:annotations": {"f:password": {}}}});
        for (manager, fields, password, uri, any) in [
            ("kubectl-edit", &data, true, false, true),
            ("argocd", &json!({"f:stringData": {"f:password": {}}}), true, false, true),
            ("kubectl-annotate", &notes, false, false, false),
            (FIELD_MANAGER, &data, false, false, false),
        ] {
            let entry = entry(manager, fields.clone());
            let found = [Some("password"), Some("uri"), None].map(|key| sets_data(&entry, key));
            assert_eq!(found, [password, uri, any], "{manager}");
            let keeps = ["password", "uri"].map(|key| keeps_own_value(std::slice::from_ref(&entry), key));
            assert_eq!(keeps, [manager == FIELD_MANAGER, false], "{manager}");
        }
    }
}
