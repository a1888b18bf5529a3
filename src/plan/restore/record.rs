//! What the cloud shows of a restore, in the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::input::Observed;
use crate::{
    api::{
        DcsRestoreStatus,
        restore::{RestoredBackup, RestoredInstance},
        time,
    },
    dcs::model::{RestoreRecord, RestoreStatus, text},
    plan::job::progress,
};

/// What the cloud shows of the restore.
pub(super) fn observe(o: &Observed, record: &RestoreRecord, status: &mut DcsRestoreStatus) {
    status.restore_id = Some(record.restore_id.clone());
    status.cloud_status = record.status.as_ref().map(|word| text::bounded(word.as_str(), 63));
    status.progress_percent = progress(record.progress);
    if status.backup.is_none() {
        let id = record.backup_id.clone();
        status.backup = id.map(|id| RestoredBackup { id, ..RestoredBackup::default() });
    }
    let id = o.instance_id().map(str::to_owned);
    status.instance.get_or_insert(RestoredInstance { id });
    let requested = record.created_at.map(|at| time::to_kube(at.min(o.now.wall)));
    // An earlier object may have asked for it.
    status.started_at = status.started_at.take().or(requested);
    if status.outcome.is_some() {
        status.completed_at = status.completed_at.take().or_else(|| end_of(o, record));
    }
    status.pending_approval = None;
}

/// When the restore ended. A clock that is ahead must not show times in the future.
pub(super) fn end_of(o: &Observed, record: &RestoreRecord) -> Option<Time> {
    let has_ended = matches!(record.status, Some(RestoreStatus::Succeed | RestoreStatus::Failed));
    let at = record.updated_at.unwrap_or(o.now.wall).min(o.now.wall);
    has_ended.then(|| time::to_kube(at))
}
