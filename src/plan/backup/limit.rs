//! Whether another backup of the instance would make DCS remove one that has to stay.

use super::input::{BackupList, Backups, Observed, Sibling};
use crate::{dcs::model::BackupRecord, plan::backup_limit::pushed_out};

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

/// Finds the backup that DCS would remove.
pub(super) fn check(o: &Observed, list: &BackupList) -> Verdict {
    let victims = pushed_out(&list.records, o.settings.backup_limit);
    let mut verdicts: Vec<_> = victims.into_iter().map(|record| verdict(o, list, record)).collect();
    let blocked = verdicts.iter().position(|verdict| matches!(verdict, Verdict::Blocked(_)));
    match blocked {
        Some(position) => verdicts.swap_remove(position),
        None => verdicts.pop().unwrap_or(Verdict::Room),
    }
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

fn verdict(o: &Observed, list: &BackupList, record: &BackupRecord) -> Verdict {
    let limit = o.settings.backup_limit.map_or(0, std::num::NonZeroU32::get);
    let id = &record.backup_id;
    let full = format!(
        "instance {} has {limit} backups, and DCS would remove the earliest",
        o.spec.instance_ref.name
    );
    if let Some((_, restore)) = o.needed.iter().find(|(needed, _)| needed == id) {
        return Verdict::Blocked(needed_by(&full, id, restore));
    }
    if let Some(sibling) = o.siblings.iter().find(|sibling| stands_for(sibling, record)) {
        let name = &sibling.name;
        if let Some(restore) = &sibling.used_by {
            return Verdict::Blocked(needed_by(&full, id, restore));
        }
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

fn needed_by(full: &str, id: &str, restore: &str) -> String {
    format!("{full}, {id}, which DcsRestore {restore} needs until it has ended")
}

/// Whether a record is the backup of an object.
fn stands_for(sibling: &Sibling, record: &BackupRecord) -> bool {
    let has_mark = || {
        let remark = record.remark.as_deref().unwrap_or_default();
        sibling.mark.as_ref().is_some_and(|mark| mark.is_in(remark))
    };
    sibling.id.as_ref().map_or_else(has_mark, |id| *id == record.backup_id)
}
