//! The backup of the data that the restore replaces: a DcsBackup, which runs while the restore holds the instance.

use std::{num::NonZeroU32, time::Duration};

use chrono::TimeDelta;
use kube::ResourceExt;

use super::listed;
use crate::{
    api::{
        DcsBackup, DcsBackupSpec, DcsRestoreStatus, Reason,
        job::InstanceRef,
        restore::{BeforeBackup, RestoredBackup},
        time,
        words::JobOutcome,
    },
    dcs::model::BackupRecord,
    formats::RESTORE_LABEL,
    plan::{
        backup_limit::pushed_out,
        conditions::JobSituation,
        job::{FRESH, RecordList, before_name},
        restore::{
            action::{KubeAction, Step},
            decision::Decision,
            input::{BackupObject, Observed},
        },
    },
};

/// How long ago the backup may have ended when the data is replaced: what was written since is in no backup.
const MAX_AGE: TimeDelta = TimeDelta::minutes(30);

/// The decision while the backup is not made; `None` once it is, or if none is wanted.
pub(super) fn until_made(o: &Observed, instance: &str, source: &RestoredBackup) -> Option<Decision> {
    if !is_wanted(o) {
        return None;
    }
    let name = before_name(&o.subject.name, &o.subject.uid);
    match o.before() {
        None => Some(make(o, instance, source, &name)),
        Some(backup) => follow(o, backup),
    }
}

/// The decision if the backup has failed, or waits for a person: the restore needs no turn for that.
pub(super) fn has_ended_badly(o: &Observed) -> Option<Decision> {
    let backup = o.before().filter(|_| is_wanted(o))?;
    follow(o, backup).filter(|decision| !matches!(decision.situation, JobSituation::InProgress(_)))
}

/// The backup first, unless the spec says otherwise.
pub(in crate::plan::restore) fn is_wanted(o: &Observed) -> bool {
    o.spec.backup_first != Some(false)
}

/// The decision if another backup would push the source out.
pub(in crate::plan::restore) fn pushes_out_source(
    o: &Observed,
    records: &[BackupRecord],
    source: &str,
) -> Option<Decision> {
    let limit = o.settings.backup_limit;
    let is_source = pushed_out(records, limit).iter().any(|record| record.backup_id == source);
    (is_wanted(o) && o.before().is_none() && is_source).then(|| {
        let message = format!(
            "instance {} has {} backups, and the backup before the restore would make DCS remove the earliest, {source}, which is \
             to be restored: delete another backup and make a new DcsRestore, or set backupFirst to false in it",
            o.spec.instance_ref.name,
            limit.map_or(0, NonZeroU32::get)
        );
        Decision::failed(o, Reason::BackupLimitReached, message)
    })
}

/// The decision if the backup does not hold the present data any more, by the list that was read for the request.
pub(super) fn is_stale(o: &Observed, backups: &RecordList<BackupRecord>) -> Option<Decision> {
    let backup = o.before().filter(|_| is_wanted(o))?;
    let listed =
        backup.id.as_ref().and_then(|id| backups.records.iter().find(|record| record.backup_id == *id));
    let why = if !listed.is_some_and(BackupRecord::is_restorable) {
        "DCS does not list its backup as one that can be restored"
    } else if backup.completed.is_none_or(|at| o.now.wall.signed_duration_since(at) > MAX_AGE) {
        "more than half an hour has passed since its backup was made, and data may have been written"
    } else {
        return None;
    };
    let message = format!("nothing was replaced: DcsBackup {}: {why}; make a new DcsRestore", backup.name);
    Some(Decision::failed(o, Reason::BackupFirstFailed, message))
}

fn make(o: &Observed, instance: &str, source: &RestoredBackup, name: &str) -> Decision {
    if let Some(why) = &o.refusal {
        let message =
            format!("the API server refuses DcsBackup {name}, the backup of the present data: {why}");
        return Decision::blocked(o, Reason::BackupRefused, message);
    }
    let list = match listed::backups(o, instance, FRESH) {
        Ok(list) => list,
        Err(why) => return listed::without_list(o, instance, why),
    };
    if let Some(decision) = pushes_out_source(o, &list.records, &source.id) {
        return decision;
    }
    let message = format!("DcsBackup {name} of the present data is being made");
    let decision =
        Decision::in_progress(o, Reason::WaitingForBackup, message).with(|status| begin(o, status, name));
    // The status says that the work began, before there is a sign of it.
    if o.status.started_at.is_none() {
        return decision.wait(Duration::ZERO);
    }
    decision.step(Step::Prepare(KubeAction::CreateBackup(Box::new(manifest(o, name)))))
}

fn begin(o: &Observed, status: &mut DcsRestoreStatus, name: &str) {
    status.started_at.get_or_insert_with(|| time::to_kube(o.now.wall));
    status.before_backup = Some(BeforeBackup { name: name.to_owned() });
}

/// It carries the label of the restore, and nothing else of it: no owner reference, since it stays when the restore goes.
fn manifest(o: &Observed, name: &str) -> DcsBackup {
    let spec = DcsBackupSpec {
        instance_ref: InstanceRef { name: o.spec.instance_ref.name.clone() },
        start_before: o.spec.consent.as_ref().map(|consent| consent.not_after.clone()),
        ..DcsBackupSpec::default()
    };
    let mut backup = DcsBackup::new(name, spec);
    backup.metadata.namespace = Some(o.subject.namespace.clone());
    backup.labels_mut().insert(RESTORE_LABEL.to_owned(), o.subject.name.clone());
    backup
}

fn follow(o: &Observed, backup: &BackupObject) -> Option<Decision> {
    let name = &backup.name;
    let failed = |why: String| {
        let message = format!("nothing was replaced: {why}");
        Some(Decision::failed(o, Reason::BackupFirstFailed, message))
    };
    let is_own = backup.restore.as_ref() == Some(&o.subject.name) && !backup.adopts;
    if !is_own || backup.instance_name != o.spec.instance_ref.name {
        return failed(format!("DcsBackup {name} exists, and is not the backup before this restore"));
    }
    if backup.deleting {
        return failed(format!("DcsBackup {name} is being deleted"));
    }
    let (reason, message) = &backup.ready;
    match &backup.outcome {
        Some(JobOutcome::Succeeded) if backup.restorable => None,
        Some(JobOutcome::Succeeded) => failed(format!("DcsBackup {name} cannot be restored: {message}")),
        Some(JobOutcome::Failed | JobOutcome::Other(_)) => failed(format!("DcsBackup {name}: {message}")),
        None if backup.stalled => {
            let reason = Reason::from_word(reason).unwrap_or(Reason::WaitingForBackup);
            Some(Decision::blocked(o, reason, format!("DcsBackup {name}: {message}")))
        }
        None => {
            let message = format!("DcsBackup {name} of the present data has to end first: {message}");
            // It has given the turn back, which would be of no use to it.
            let waits = *reason == Reason::NotServing.as_str();
            let reason = if waits { Reason::NotServing } else { Reason::WaitingForBackup };
            Some(Decision::in_progress(o, reason, message))
        }
    }
    .map(|decision| decision.with(|status| begin(o, status, name)))
}
