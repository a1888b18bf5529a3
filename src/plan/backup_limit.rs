//! DCS keeps a number of backups of an instance, automatic and requested ones together: one more removes the earliest.

use std::num::NonZeroU32;

use crate::dcs::model::{BackupRecord, BackupStatus};

/// The records that one more backup may remove. Whether failed ones count is not documented: both are assumed. A failed record
/// that goes is no loss, and is not among them.
pub fn pushed_out(records: &[BackupRecord], limit: Option<NonZeroU32>) -> Vec<&BackupRecord> {
    let Some(limit) = limit.map(|limit| usize::try_from(limit.get()).unwrap_or(usize::MAX)) else {
        return Vec::new();
    };
    let removed = |counts: fn(&BackupRecord) -> bool| {
        let counted: Vec<_> = records.iter().filter(|record| counts(record)).collect();
        let is_full = counted.len() >= limit;
        counted.into_iter().filter(|_| is_full).min_by_key(|record| record.created_at)
    };
    let both = [removed(BackupRecord::is_kept), removed(|record| record.is_kept() || is_failed(record))];
    let mut all: Vec<_> = both.into_iter().flatten().filter(|record| !is_failed(record)).collect();
    all.dedup_by_key(|record| &record.backup_id);
    all
}

fn is_failed(record: &BackupRecord) -> bool {
    record.status == Some(BackupStatus::Failed)
}
