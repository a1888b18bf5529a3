//! The backup that a restore would choose.

use chrono::{DateTime, Utc};
use kube::ResourceExt;

use super::time::shown;
use crate::{
    api::{DcsBackup, DcsInstance, backup::BackedUpInstance},
    cli::{Failure, objects::InstanceWithBackups, output::or_dash},
    dcs::model::BackupRecord,
    plan::restore::{latest_before, misfit},
};

/// What the restore is to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The newest backup that was complete by then.
    LatestBefore(DateTime<Utc>),
    /// The backup with this id.
    BackupId(String),
    /// The backup of this DcsBackup.
    BackupRef(String),
}

/// A backup of the list, and its object if there is one.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) record: &'a BackupRecord,
    pub(super) object: Option<&'a DcsBackup>,
}

/// Finds the backup of a source in the list of the instance.
///
/// # Errors
/// Why there is none that can be restored.
pub(super) fn choose<'a>(source: &Source, found: &'a InstanceWithBackups) -> Result<Choice<'a>, Failure> {
    let instance = found.instance.name_any();
    let record = match source {
        Source::LatestBefore(before) => latest_before(&found.records, *before)
            .ok_or_else(|| Failure::NotFound(none_is_old_enough(&instance, *before, &found.records)))?,
        Source::BackupId(id) => find(&found.records, id, &instance)?,
        Source::BackupRef(name) => {
            let object = found.objects.iter().find(|object| object.name_any() == *name);
            let object =
                object.ok_or_else(|| Failure::NotFound(format!("DcsBackup {name} does not exist")))?;
            let id = object.status.as_ref().and_then(|status| status.id.as_deref());
            let id = id.ok_or_else(|| Failure::NotFound(format!("DcsBackup {name} has no backup yet")))?;
            find(&found.records, id, &instance)?
        }
    };
    let is_of = |object: &&DcsBackup| {
        object.status.as_ref().and_then(|status| status.id.as_ref()) == Some(&record.backup_id)
    };
    Ok(Choice { record, object: found.objects.iter().find(is_of) })
}

fn none_is_old_enough(instance: &str, before: DateTime<Utc>, records: &[BackupRecord]) -> String {
    let restorable = records.iter().filter(|record| record.is_restorable());
    let oldest = restorable.filter_map(BackupRecord::completed_at).min();
    let why = match oldest {
        Some(oldest) => format!("the oldest is from {}", shown(oldest)),
        None => "it has none at all".to_owned(),
    };
    format!("no backup of {instance} that can be restored was complete by {}: {why}", shown(before))
}

fn find<'a>(records: &'a [BackupRecord], id: &str, instance: &str) -> Result<&'a BackupRecord, Failure> {
    let record = records.iter().find(|record| record.backup_id == id);
    let record =
        record.ok_or_else(|| Failure::NotFound(format!("DCS lists no backup {id} of {instance}")))?;
    if record.is_restorable() {
        return Ok(record);
    }
    let status = or_dash(record.status.as_ref());
    Err(Failure::NotFound(format!(
        "DCS does not permit to restore backup {id} of {instance}: its status is {status}"
    )))
}

// === impl Choice ===

impl Choice<'_> {
    /// What a person has to know before the restore.
    pub(super) fn describe(&self, instance: &DcsInstance) -> String {
        let Self { record, object } = self;
        let of = object.map_or_else(
            || "of no DcsBackup".to_owned(),
            |object| format!("DcsBackup {}", object.name_any()),
        );
        let size = object.and_then(|object| object.status.as_ref()?.size.clone());
        let size = size.or_else(|| record.size.map(|bytes| format!("{bytes} bytes")));
        format!(
            "a restore would choose backup {} now ({of}, {}, complete {}, {}); {}",
            record.backup_id,
            or_dash(record.backup_type.as_ref()),
            or_dash(record.completed_at().map(shown)),
            size.as_deref().unwrap_or("size unknown"),
            shape_note(object.and_then(|object| object.status.as_ref()?.instance.as_ref()), instance)
        )
    }
}

/// Whether the instance still has a shape that the backup fits, as the restore itself decides it.
fn shape_note(then: Option<&BackedUpInstance>, instance: &DcsInstance) -> String {
    let now = instance.status.as_ref().and_then(|status| status.resolved.as_ref());
    let (Some(then), Some(now)) = (then.filter(|then| then.cache_mode.is_some()), now) else {
        return "the shape of the instance at that time is not known: DCS decides whether the backup fits"
            .to_owned();
    };
    let now = BackedUpInstance {
        engine_version: now.engine_version.clone(),
        cache_mode: now.cache_mode.clone(),
        capacity: now.capacity.clone(),
        shards: now.shards,
        ..BackedUpInstance::default()
    };
    match misfit(then, &now) {
        None => "it fits the instance as that is now".to_owned(),
        Some(why) => format!("it does not fit the instance any more, and the restore will be refused: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(id: &str, status: &str, completed: &str) -> BackupRecord {
        serde_json::from_value(json!({
            "backup_id": id, "status": status, "is_support_restore": true, "backup_type": "auto", "size": 2048,
            "created_at": "2026-11-01T00:00:00Z", "updated_at": completed,
        }))
        .unwrap()
    }

    fn found() -> InstanceWithBackups {
        let mut instance = DcsInstance::new("sessions", Default::default());
        instance.status = serde_json::from_value(json!({"id": "i", "resolved": {
            "engineVersion": "6.0", "cacheMode": "ha", "capacity": "8Gi", "shards": 1,
        }}))
        .unwrap();
        let object = |name: &str, status: serde_json::Value| {
            let mut object = DcsBackup::new(name, Default::default());
            object.status = serde_json::from_value(status).unwrap();
            object
        };
        let then =
            json!({"id": "i", "engineVersion": "6.0", "cacheMode": "ha", "capacity": "4Gi", "shards": 1});
        InstanceWithBackups {
            instance,
            records: vec![
                record("first", "succeed", "2026-11-30T01:00:00Z"),
                record("second", "succeed", "2026-11-30T03:00:00Z"),
                record("third", "succeed", "2026-11-30T05:00:00Z"),
                record("broken", "failed", "2026-11-30T02:30:00Z"),
            ],
            objects: vec![
                object("nightly", json!({"id": "second", "size": "859Mi", "instance": then})),
                object("running", json!({})),
                object("lost", json!({"id": "gone"})),
            ],
        }
    }

    fn latest(before: &str) -> Source {
        Source::LatestBefore(DateTime::parse_from_rfc3339(before).unwrap().to_utc())
    }

    #[test]
    fn the_newest_that_was_complete_by_then_is_chosen() {
        let found = found();
        for (before, id) in [
            ("2026-11-30T01:00:00Z", "first"),
            ("2026-11-30T02:59:59Z", "first"),
            ("2026-11-30T03:00:00Z", "second"),
            ("2027-01-01T00:00:00Z", "third"),
        ] {
            assert_eq!(choose(&latest(before), &found).unwrap().record.backup_id, id, "{before}");
        }
        let by_id = choose(&Source::BackupId("first".to_owned()), &found).unwrap();
        assert!(by_id.record.backup_id == "first" && by_id.object.is_none());
        let by_name = choose(&Source::BackupRef("nightly".to_owned()), &found).unwrap();
        assert!(by_name.record.backup_id == "second" && by_name.object.is_some());
    }

    #[test]
    fn what_cannot_be_restored_is_explained() {
        let mut found = found();
        let why = |source: &Source, found: &InstanceWithBackups| choose(source, found).unwrap_err();
        for (source, words) in [
            (latest("2026-11-30T00:59:59Z"), "the oldest is from 2026-11-30T01:00:00Z"),
            (Source::BackupId("other".to_owned()), "DCS lists no backup other of sessions"),
            (Source::BackupId("broken".to_owned()), "its status is failed"),
            (Source::BackupRef("other".to_owned()), "DcsBackup other does not exist"),
            (Source::BackupRef("running".to_owned()), "DcsBackup running has no backup yet"),
            (Source::BackupRef("lost".to_owned()), "DCS lists no backup gone"),
        ] {
            let failure = why(&source, &found);
            assert!(failure.to_string().contains(words), "{failure}");
            assert_eq!(failure.exit_code(), 3);
        }
        found.records.truncate(0);
        assert!(why(&latest("2026-11-30T00:59:59Z"), &found).to_string().ends_with("it has none at all"));
    }

    #[test]
    fn the_choice_is_described_with_its_shape() {
        let found = found();
        let named = choose(&Source::BackupRef("nightly".to_owned()), &found).unwrap();
        assert_eq!(
            named.describe(&found.instance),
            "a restore would choose backup second now (DcsBackup nightly, auto, complete 2026-11-30T03:00:00Z, 859Mi); it \
             fits the instance as that is now"
        );
        let mut smaller = found.instance.clone();
        let resolved = smaller.status.as_mut().unwrap().resolved.as_mut().unwrap();
        resolved.capacity.as_mut().unwrap().0 = "2Gi".to_owned();
        let note = named.describe(&smaller);
        assert!(
            note.contains("it does not fit the instance any more") && note.contains("capacity"),
            "{note}"
        );
        let unnamed =
            choose(&Source::BackupId("first".to_owned()), &found).unwrap().describe(&found.instance);
        assert!(
            unnamed.contains("(of no DcsBackup, auto,") && unnamed.contains("2048 bytes); the shape"),
            "{unnamed}"
        );
    }
}
