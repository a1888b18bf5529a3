//! DCS keeps a number of backups of an instance, automatic and requested ones together: one more removes the earliest.

use super::input::{BackupList, Backups, Observed, Sibling};
use crate::dcs::model::{BackupRecord, BackupStatus};

/// Whether another backup may be requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// DCS removes none.
    Room,
    /// DCS removes one that no object needs.
    PushesOut(String),
    /// DCS would remove one that has to stay.
    Blocked(String),
}

/// Finds the backup that DCS would remove. Whether failed ones count is not documented: both are assumed.
pub(super) fn check(o: &Observed, list: &BackupList) -> Verdict {
    let Some(limit) = o.settings.backup_limit.map(|limit| usize::try_from(limit.get()).unwrap_or(usize::MAX))
    else {
        return Verdict::Room;
    };
    let removed = |counts: fn(&BackupRecord) -> bool| {
        let counted: Vec<_> = list.records.iter().filter(|record| counts(record)).collect();
        let is_full = counted.len() >= limit;
        counted.into_iter().filter(|_| is_full).min_by_key(|record| record.created_at)
    };
    let both = [removed(BackupRecord::is_kept), removed(|record| record.is_kept() || is_failed(record))];
    let verdicts = both.into_iter().flatten().map(|record| verdict(o, list, record, limit));
    // A failed record that goes is no loss.
    let mut pushes_out = Verdict::Room;
    for verdict in verdicts {
        match verdict {
            Verdict::Blocked(_) => return verdict,
            Verdict::PushesOut(_) => pushes_out = verdict,
            Verdict::Room => {}
        }
    }
    pushes_out
}

/// What threatens a pinned backup: the backup policy of DCS looks at no object, and there is no room for another backup.
pub(super) fn threat(o: &Observed) -> Option<String> {
    let limit = usize::try_from(o.settings.backup_limit?.get()).unwrap_or(usize::MAX);
    let Some((_, Backups::Listed(list))) = &o.lookups.backups else { return None };
    let kept = || list.records.iter().filter(|record| record.is_kept());
    let is_threatened = o.spec.pinned == Some(true)
        && !o.subject.deleting
        && kept().count() >= limit
        && kept().any(BackupRecord::is_automatic);
    is_threatened.then(|| {
        format!(
            "instance {} has {limit} backups, automatic ones among them: the next automatic one can remove the earliest, \
             pinned or not; delete backups, or let the backup policy of DCS keep fewer",
            o.spec.instance_ref.name
        )
    })
}

fn is_failed(record: &BackupRecord) -> bool {
    record.status == Some(BackupStatus::Failed)
}

fn verdict(o: &Observed, list: &BackupList, record: &BackupRecord, limit: usize) -> Verdict {
    if is_failed(record) {
        return Verdict::Room;
    }
    let id = &record.backup_id;
    let full = format!(
        "instance {} has {limit} backups, and DCS would remove the earliest",
        o.spec.instance_ref.name
    );
    if let Some(sibling) = o.siblings.iter().find(|sibling| stands_for(sibling, record)) {
        let name = &sibling.name;
        return Verdict::Blocked(if sibling.keeps {
            format!(
                "{full}, {id}, which DcsBackup {name} keeps (pinned, or deletionPolicy Retain): delete another backup, or \
                 change DcsBackup {name}"
            )
        } else {
            format!(
                "{full}, {id}, of DcsBackup {name}: if it is not needed, delete it by kubectl delete dcsbackup {name} -n {}",
                o.subject.namespace
            )
        });
    }
    if o.has_unreadable {
        return Verdict::Blocked(format!(
            "{full}, {id}; an object of namespace {} cannot be decoded, and may be the DcsBackup of it",
            o.subject.namespace
        ));
    }
    let newest =
        list.records.iter().filter(|record| record.is_restorable()).max_by_key(|record| record.created_at);
    if newest.is_some_and(|newest| newest.backup_id == *id) {
        return Verdict::Blocked(format!(
            "{full}, {id}, the only one that can be restored: delete another backup"
        ));
    }
    Verdict::PushesOut(format!("{full}: {id} goes, which no DcsBackup of the namespace stands for"))
}

/// Whether a record is the backup of an object.
fn stands_for(sibling: &Sibling, record: &BackupRecord) -> bool {
    let has_mark = || {
        let remark = record.remark.as_deref().unwrap_or_default();
        sibling.mark.as_ref().is_some_and(|mark| mark.is_in(remark))
    };
    sibling.id.as_ref().map_or_else(has_mark, |id| *id == record.backup_id)
}
