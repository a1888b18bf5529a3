//! `status.backups`: what the list of the instance's backups shows. The list comes from the DcsBackups of the instance, or,
//! where none has listed them for a resync interval, from a lookup of its own.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    action::{Lookup, Step},
    decision::Decision,
    input::{Observed, observed::ListedBackups},
    status::observation::serves,
};
use crate::{
    api::{DcsInstanceStatus, instance::InstanceBackups, time},
    dcs::model::{BackupRecord, CacheMode, InstanceFacts},
};

/// What the list shows, or what was last reported of the same instance.
pub(super) fn report(
    o: &Observed,
    decision: &Decision,
    last: Option<InstanceBackups>,
) -> Option<InstanceBackups> {
    match listed(o, decision.facts.as_ref()) {
        Some(list) => Some(summary(o, &list.records)),
        None => last.filter(|_| decision.id == o.status.id),
    }
}

/// The list of an instance that the object may report.
fn listed<'a>(o: &'a Observed, facts: Option<&InstanceFacts>) -> Option<&'a ListedBackups> {
    o.backups.as_ref().filter(|list| facts.is_some_and(|facts| facts.id == list.instance))
}

fn summary(o: &Observed, records: &[BackupRecord]) -> InstanceBackups {
    let kept = || records.iter().filter(|record| record.is_kept());
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let restorable = records.iter().filter(|record| record.is_restorable());
    let newest = restorable.max_by_key(|record| (record.created_at, &record.backup_id));
    InstanceBackups {
        total: count(kept().count()),
        automatic: count(kept().filter(|record| record.is_automatic()).count()),
        limit: o.settings.backup_limit.map(|limit| i32::try_from(limit.get()).unwrap_or(i32::MAX)),
        last_successful_time: newest.and_then(|record| completion(o, record)),
        last_successful_id: newest.map(|record| record.backup_id.clone()),
    }
}

/// When a backup was complete, and never a time in the future, which a clock that is ahead would show.
fn completion(o: &Observed, record: &BackupRecord) -> Option<Time> {
    let at = record.completed_at()?;
    if at <= o.now.wall {
        return Some(time::to_kube(at));
    }
    // A time that moved with each look would be a write each.
    let kept = o.status.backups.as_ref();
    let kept = kept.filter(|kept| kept.last_successful_id.as_ref() == Some(&record.backup_id));
    kept.and_then(|kept| kept.last_successful_time.clone()).or_else(|| Some(time::to_kube(o.now.wall)))
}

/// Lists the backups, where this process has no list of the last resync interval. Nothing else waits for it: the status has
/// nothing else to tell, and a failure is repeated a resync interval later.
pub(super) fn lookup(o: &Observed, decision: &Decision, status: &DcsInstanceStatus) -> Option<Step> {
    let facts = decision.facts.as_ref()?;
    let mode = status.resolved.as_ref().and_then(|resolved| resolved.cache_mode.as_deref());
    let is_single = mode == Some(CacheMode::Single.as_str());
    let may_list = decision.step == Step::Nothing
        && !decision.without_status_write
        && !o.subject.deleting
        && !is_single
        && o.account.is_ok()
        && serves(facts.status.as_ref()).is_ok();
    (may_list && is_due(o, facts) && !has_news(&o.status, status))
        .then(|| Step::Lookup(Lookup::Backups { id: facts.id.clone() }))
}

/// Neither this object nor a DcsBackup has listed them for a resync interval. A new process has no need of it at once: the
/// status has the last numbers.
fn is_due(o: &Observed, facts: &InstanceFacts) -> bool {
    let listed = listed(o, Some(facts)).map(|list| list.begun);
    let last =
        o.local.first_seen.max(o.local.backups_asked.unwrap_or_default()).max(listed.unwrap_or_default());
    o.now.monotonic.saturating_sub(last) >= o.settings.requeue.resync_interval(&o.subject.uid)
}

/// The status tells something that a person may wait for.
fn has_news(before: &DcsInstanceStatus, status: &DcsInstanceStatus) -> bool {
    before.conditions != status.conditions
        || before.holder != status.holder
        || before.observed_generation != status.observed_generation
        || before.operation != status.operation
}
