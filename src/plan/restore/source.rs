//! The backup that is restored: which one, and whether it can be restored to its instance as that is now.

use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    action::{Lookup, Step},
    decision::Decision,
    input::{BackupObject, Observed, source_text},
    phase::{before, idle, listed},
};
use crate::{
    api::{
        Reason,
        backup::BackedUpInstance,
        restore::{BackupRef, RestoreSource, RestoredBackup, RestoredInstance},
        time,
        words::JobOutcome,
    },
    dcs::model::{BackupRecord, BackupStatus, CacheMode, Capacity},
    plan::{
        conditions::JobSituation,
        instance::observed::{Detail, InstanceSnapshot},
        job::{FRESH, InstanceView, RecordList, shape, timestamp},
    },
};

/// Chooses the backup, checks it, and notes it. Nothing is called for it before.
pub(super) fn choose(o: &Observed, view: &InstanceView, instance: &str) -> Decision {
    // The backups of the instance are looked at only once it is known to be that of the DcsInstance.
    let snapshot = match o.detail(instance) {
        None => {
            let step = Step::Lookup(Lookup::Instance { id: instance.to_owned() });
            return unnoted(o).step(step);
        }
        Some(Detail::NotFound) => return listed::gone(o, instance),
        Some(Detail::Failed(blocker)) => return Decision::lookup_failed(o, blocker),
        Some(Detail::Found(snapshot)) => snapshot,
    };
    if let Err(decision) = idle::is_own_instance(o, (view, instance), snapshot) {
        return *decision;
    }
    let list = match listed::backups(o, instance, FRESH) {
        Ok(list) => list,
        Err(why) => return listed::without_list(o, instance, why),
    };
    match pick(o, instance, list).and_then(|record| check(o, (instance, snapshot), list, record)) {
        Ok(record) => note(o, instance, record),
        Err(decision) => *decision,
    }
}

/// The record that the source names.
fn pick<'a>(
    o: &Observed,
    instance: &str,
    list: &'a RecordList<BackupRecord>,
) -> Result<&'a BackupRecord, Box<Decision>> {
    let blocked = |message| Box::new(Decision::blocked(o, Reason::ReferenceNotFound, message));
    let by_id = |id: &str| list.records.iter().find(|record| record.backup_id == id);
    match &o.spec.source {
        RestoreSource { latest_before: Some(at), .. } => latest_before(&list.records, time::from_kube(at))
            .ok_or_else(|| {
                blocked(format!(
                    "instance {instance} has no backup that can be restored and was complete by {}",
                    timestamp(at)
                ))
            }),
        RestoreSource { backup_id: Some(id), .. } => by_id(id).ok_or_else(|| {
            blocked(format!(
                "instance {instance} has no backup {id}: correct backupId; dcs-operator backups lists them"
            ))
        }),
        RestoreSource { backup_ref: Some(named), .. } => {
            let object = named_backup(o, &named.name, instance)?;
            object.id.as_deref().and_then(by_id).ok_or_else(|| {
                let message = format!("DCS lists no backup of DcsBackup {}", named.name);
                Box::new(Decision::failed(o, Reason::SourceNotRestorable, message))
            })
        }
        RestoreSource { .. } => {
            let message = "source: write exactly one of latestBefore, backupRef and backupId".to_owned();
            Err(Box::new(Decision::blocked(o, Reason::InvalidSpec, message)))
        }
    }
}

/// The newest backup that can be restored and was complete by then. A time in the future allows those that exist now.
pub fn latest_before(records: &[BackupRecord], at: DateTime<Utc>) -> Option<&BackupRecord> {
    let is_old = |record: &&BackupRecord| record.completed_at().is_some_and(|ended| ended <= at);
    let restorable = records.iter().filter(|record| record.is_restorable());
    restorable.filter(is_old).max_by_key(|record| (record.completed_at(), record.backup_id.clone()))
}

/// The DcsBackup that the source names, once it has ended.
fn named_backup<'a>(o: &'a Observed, name: &str, instance: &str) -> Result<&'a BackupObject, Box<Decision>> {
    let Some(object) = o.backups.iter().find(|backup| backup.name == name) else {
        return Err(Box::new(Decision::missing(o, &format!("DcsBackup {name}"), "source.backupRef")));
    };
    if is_foreign(o, object, instance) {
        return Err(Box::new(Decision::failed(o, Reason::IncompatibleSource, foreign(o, object))));
    }
    match &object.outcome {
        Some(JobOutcome::Succeeded) => Ok(object),
        None => {
            let message = format!("DcsBackup {name} has to end first");
            Err(Box::new(Decision::in_progress(o, Reason::WaitingForBackup, message)))
        }
        Some(JobOutcome::Failed | JobOutcome::Other(_)) => {
            let message = format!("DcsBackup {name} was not made: {}", object.ready.1);
            Err(Box::new(Decision::failed(o, Reason::SourceNotRestorable, message)))
        }
    }
}

/// It is the backup of another instance.
fn is_foreign(o: &Observed, object: &BackupObject, instance: &str) -> bool {
    match &object.instance.id {
        Some(id) => id != instance,
        None => object.instance_name != o.spec.instance_ref.name,
    }
}

/// What to do with the backup of another instance.
fn foreign(o: &Observed, object: &BackupObject) -> String {
    let (name, own, other) = (&object.name, &o.spec.instance_ref.name, &object.instance_name);
    format!(
        "DcsBackup {name} is of instance {}, and a restore replaces the data of the backup's own instance only. To restore it \
         there: spec {{instanceRef: {{name: {other}}}, source: {{backupRef: {{name: {name}}}}}}}. To add its keys to {own}, \
         which this version does not do yet: kind DcsMigration, spec {{source: {{backupRef: {{name: {name}}}}}, target: \
         {{instanceRef: {{name: {own}}}}}}}",
        object.instance.id.as_deref().unwrap_or(other)
    )
}

/// Whether the record, the instance as it is now, and the limit allow the restore.
fn check<'a>(
    o: &Observed,
    (instance, snapshot): (&str, &InstanceSnapshot),
    list: &RecordList<BackupRecord>,
    record: &'a BackupRecord,
) -> Result<&'a BackupRecord, Box<Decision>> {
    let id = &record.backup_id;
    restorable(o, list, id)?;
    fits(o, id, instance, snapshot)?;
    match before::pushes_out_source(o, &list.records, id) {
        Some(decision) => Err(Box::new(decision)),
        None => Ok(record),
    }
}

/// Whether the source of the spec names a backup: it was chosen once, and the status may have been edited since.
pub(super) fn is_named(o: &Observed, list: &RecordList<BackupRecord>, id: &str) -> bool {
    let RestoreSource { latest_before, backup_ref, backup_id } = &o.spec.source;
    let record = list.records.iter().find(|record| record.backup_id == id);
    let is_old = |at: &Time| {
        record.and_then(BackupRecord::completed_at).is_some_and(|ended| ended <= time::from_kube(at))
    };
    let is_object = |named: &BackupRef| {
        let object = o.backups.iter().find(|backup| backup.name == named.name);
        // The object may be gone since the backup was chosen.
        object.is_none_or(|object| object.id.as_deref() == Some(id))
    };
    latest_before.as_ref().is_none_or(is_old)
        && backup_ref.as_ref().is_none_or(is_object)
        && backup_id.as_ref().is_none_or(|named| named == id)
}

fn unnoted(o: &Observed) -> Decision {
    Decision::new(o, JobSituation::NotObservedYet, "the backup is being chosen")
}

fn note(o: &Observed, instance: &str, record: &BackupRecord) -> Decision {
    let standing = o.backups.iter().find(|backup| backup.id.as_ref() == Some(&record.backup_id));
    let chosen = RestoredBackup {
        id: record.backup_id.clone(),
        name: standing.map(|backup| backup.name.clone()),
        source: Some(source_text(&o.spec.source)),
        // As its object says. A clock that is ahead must not show times in the future.
        completed_at: standing
            .and_then(|backup| backup.completed)
            .or(record.completed_at())
            .map(|at| time::to_kube(at.min(o.now.wall))),
    };
    unnoted(o)
        .with(|status| {
            status.pending_approval = None;
            status.backup = Some(chosen);
            status.instance = Some(RestoredInstance { id: Some(instance.to_owned()) });
        })
        .wait(Duration::ZERO)
}

/// Whether DCS lists the backup as one that can be restored.
pub(super) fn restorable(
    o: &Observed,
    list: &RecordList<BackupRecord>,
    id: &str,
) -> Result<(), Box<Decision>> {
    let why = match list.records.iter().find(|record| record.backup_id == id) {
        Some(record) if record.is_restorable() => return Ok(()),
        Some(record) if record.status == Some(BackupStatus::Succeed) => {
            "DCS says that it cannot be restored to its instance as that is now".to_owned()
        }
        Some(record) => {
            format!("its status is {}", record.status.as_ref().map_or("none", BackupStatus::as_str))
        }
        None => "DCS does not list it any more".to_owned(),
    };
    let message = format!("backup {id} is not restored: {why}");
    Err(Box::new(Decision::failed(o, Reason::SourceNotRestorable, message)))
}

/// Whether the instance still has the shape that it had when the backup was made, as far as a DcsBackup has recorded that.
/// Otherwise DCS decides, by what it says of the backup.
pub(super) fn fits(
    o: &Observed,
    id: &str,
    instance: &str,
    snapshot: &InstanceSnapshot,
) -> Result<(), Box<Decision>> {
    let recorded = o.backups.iter().find(|backup| backup.id.as_deref() == Some(id));
    let Some(then) = recorded.map(|backup| &backup.instance) else { return Ok(()) };
    match misfit(then, &shape(instance, snapshot)) {
        None => Ok(()),
        Some(why) => {
            let message = format!("backup {id} does not fit instance {instance} any more: {why}");
            Err(Box::new(Decision::failed(o, Reason::IncompatibleSource, message)))
        }
    }
}

/// Why a backup of an instance as it was `then` cannot be restored to it as it is `now`. What is not known differs in nothing.
pub fn misfit(then: &BackedUpInstance, now: &BackedUpInstance) -> Option<String> {
    let words = |what: &str, then: &Option<String>, now: &Option<String>| {
        let (then, now) = (then.as_ref()?, now.as_ref()?);
        (then != now).then(|| format!("its {what} was {then} and is {now}"))
    };
    if let Some(why) = words("cache mode", &then.cache_mode, &now.cache_mode)
        .or_else(|| words("version", &then.engine_version, &now.engine_version))
    {
        return Some(why);
    }
    let mode = now.cache_mode.as_deref().map(CacheMode::from);
    let is_sharded = matches!(mode, Some(CacheMode::Cluster | CacheMode::Proxy));
    let capacity = |of: &BackedUpInstance| Capacity::from_quantity(&of.capacity.as_ref()?.0);
    if let (Some(was), Some(is)) = (capacity(then), capacity(now))
        && (is < was || (is_sharded && is != was))
    {
        return Some(format!("its capacity was {was} and is {is}"));
    }
    match (then.shards, now.shards) {
        (Some(was), Some(is)) if is_sharded && is != was => Some(format!("it had {was} shards and has {is}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    use super::*;

    fn of(mode: &str, version: &str, capacity: &str, shards: i32) -> BackedUpInstance {
        BackedUpInstance {
            id: None,
            engine_version: Some(version.to_owned()),
            cache_mode: Some(mode.to_owned()),
            capacity: Some(Quantity(capacity.to_owned())),
            shards: Some(shards),
            spec_code: None,
        }
    }

    #[test]
    fn a_backup_fits_the_shape_that_it_was_made_of() {
        for (then, now, expected) in [
            (of("ha", "6.0", "4Gi", 1), of("ha", "6.0", "4Gi", 1), None),
            (of("ha", "6.0", "4Gi", 1), of("ha", "6.0", "8Gi", 1), None),
            (of("ha", "6.0", "4Gi", 1), of("ha", "6.0", "2Gi", 1), Some("capacity")),
            (of("ha", "6.0", "512Mi", 1), of("ha", "6.0", "256Mi", 1), Some("capacity")),
            (of("ha", "6.0", "4Gi", 1), of("proxy", "6.0", "4Gi", 1), Some("cache mode")),
            (of("ha", "5.0", "4Gi", 1), of("ha", "6.0", "4Gi", 1), Some("version")),
            (of("cluster", "6.0", "8Gi", 3), of("cluster", "6.0", "8Gi", 3), None),
            (of("cluster", "6.0", "8Gi", 3), of("cluster", "6.0", "16Gi", 3), Some("capacity")),
            (of("proxy", "6.0", "8Gi", 3), of("proxy", "6.0", "8Gi", 4), Some("shards")),
            (BackedUpInstance::default(), of("ha", "6.0", "1Gi", 1), None),
        ] {
            let why = misfit(&then, &now);
            assert_eq!(why.is_some(), expected.is_some(), "{then:?} {now:?}: {why:?}");
            assert!(
                expected.is_none_or(|word| why.as_ref().is_some_and(|why| why.contains(word))),
                "{why:?}"
            );
        }
    }
}
