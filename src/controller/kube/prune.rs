//! What the stores keep of metadata. Whoever writes an object decides how long its labels, annotations and finalizers
//! are, so only what the operator reads is kept, up to a length.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta},
};
use kube::api::PartialObjectMeta;

use crate::{
    api::GROUP,
    controller::field_managers::{keeps_own_value, sets_data},
    formats::{
        ADDRESS_ANNOTATION, BACKUP_FINALIZER, IN_USE_FINALIZER, INSTANCE_FINALIZER, RECORD_ANNOTATION,
        binding_keys,
    },
};

/// The longest kept value of an annotation or label, and name of a finalizer, in bytes.
const MAX_VALUE: usize = 1024;
/// Finalizers that are kept wherever they stand: the operator's own, and those of Kubernetes.
const KNOWN_FINALIZERS: [&str; 5] =
    [INSTANCE_FINALIZER, BACKUP_FINALIZER, IN_USE_FINALIZER, "foregroundDeletion", "orphan"];
/// Kept annotations, labels and foreign finalizers each, at most.
const MAX_ENTRIES: usize = 16;

/// Drops what the operator does not read. A finalizer that is not kept still guards the object in the API server: a
/// patch by the kept list fails there, and the next reconcile reads the object itself.
pub(super) fn prune_metadata(metadata: &mut ObjectMeta) {
    prune_entries(metadata);
    metadata.owner_references = None;
    metadata.generate_name = None;
    metadata.self_link = None;
    if let Some(finalizers) = &mut metadata.finalizers {
        let mut left = MAX_ENTRIES;
        finalizers.retain(|finalizer| {
            if KNOWN_FINALIZERS.contains(&finalizer.as_str()) {
                return true;
            }
            let keep = left > 0 && finalizer.len() <= MAX_VALUE;
            left -= usize::from(keep);
            keep
        });
        finalizers.shrink_to_fit();
    }
}

/// Drops managed fields, and the annotations and labels that the operator does not read.
pub(super) fn prune_entries(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    for entries in [&mut metadata.annotations, &mut metadata.labels] {
        let Some(kept) = entries.as_mut() else { continue };
        let mut left = MAX_ENTRIES;
        kept.retain(|key, value| {
            let keep = left > 0 && key.starts_with(GROUP) && value.len() <= MAX_VALUE;
            left -= usize::from(keep);
            keep
        });
        if kept.is_empty() {
            *entries = None;
        }
    }
}

/// As [`prune_metadata`]. Type and API version of a Secret are known.
pub(super) fn prune_secret(secret: &mut PartialObjectMeta<Secret>) {
    let managers = secret.metadata.managed_fields.take();
    prune_metadata(&mut secret.metadata);
    // What the operator noted about the content need not hold any more.
    if let Some(annotations) = &mut secret.metadata.annotations
        && is_edited(&managers.unwrap_or_default(), annotations)
    {
        annotations.remove(RECORD_ANNOTATION);
    }
    secret.metadata.creation_timestamp = None;
    secret.types = None;
}

/// Another writer has set or removed a value of a binding Secret.
fn is_edited(managers: &[ManagedFieldsEntry], annotations: &BTreeMap<String, String>) -> bool {
    let mut keys = annotations.get(ADDRESS_ANNOTATION).into_iter().flat_map(|address| binding_keys(address));
    managers.iter().any(|entry| sets_data(entry, None)) || keys.any(|key| !keeps_own_value(managers, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_metadata_is_not_kept() {
        let long = "x".repeat(MAX_VALUE + 1);
        let entries = || {
            let ours = (0..100).map(|n| (format!("{GROUP}/{n:03}"), "value".to_owned()));
            let more = [(format!("{GROUP}/000"), long.clone()), ("team".to_owned(), "shop".to_owned())];
            Some(ours.chain(more).collect::<BTreeMap<_, _>>())
        };
        let foreign = (0..1000).map(|n| format!("example.com/{n}"));
        let finalizers = foreign.chain([long.clone(), KNOWN_FINALIZERS[0].to_owned()]).collect();
        let mut metadata = ObjectMeta {
            name: Some("a".to_owned()),
            uid: Some("u".to_owned()),
            annotations: entries(),
            labels: entries(),
            finalizers: Some(finalizers),
            ..ObjectMeta::default()
        };
        prune_metadata(&mut metadata);
        for entries in [&metadata.annotations, &metadata.labels] {
            let keys: Vec<_> = entries.iter().flatten().map(|(key, _)| key.as_str()).collect();
            assert_eq!(keys.len(), MAX_ENTRIES);
            assert_eq!(keys[0], format!("{GROUP}/001"), "a long value is dropped");
            assert!(keys.iter().all(|key| key.starts_with(GROUP)));
        }
        let finalizers = metadata.finalizers.unwrap();
        assert_eq!(finalizers.len(), MAX_ENTRIES + 1);
        assert!(finalizers.contains(&KNOWN_FINALIZERS[0].to_owned()), "ours is kept wherever it stands");
        assert_eq!((metadata.name.as_deref(), metadata.uid.as_deref()), (Some("a"), Some("u")));
    }
}
