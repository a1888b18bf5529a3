//! Which backups of the schedule go.

use chrono::{DateTime, TimeDelta, Utc};

use super::input::{Child, ChildState, Observed};
use crate::{
    api::{ConditionType, backup_schedule::ScheduledBackups, time},
    plan::backup_schedule::action::{KubeAction, Step},
};

/// How many failed ones are kept unless the spec says so.
const KEEP_FAILED: i32 = 3;

/// What the children of a schedule are to its retention. Each list is in the order of age.
pub(super) struct Kept<'a> {
    o: &'a Observed,
    /// Those that can be restored and are subject to retention.
    counted: Vec<&'a Child>,
    /// Those that can be restored and stay whatever the retention says.
    pinned: Vec<&'a Child>,
    /// Those whose backup does not fit the instance.
    unfit: Vec<&'a Child>,
    /// Those without a backup.
    failed: Vec<&'a Child>,
    /// The newest child that can be restored.
    newest: Option<&'a str>,
}

// === impl Kept ===

impl<'a> Kept<'a> {
    pub(super) fn of(o: &'a Observed) -> Self {
        let mut kept = Self {
            o,
            counted: Vec::new(),
            pinned: Vec::new(),
            unfit: Vec::new(),
            failed: Vec::new(),
            newest: None,
        };
        let mut children: Vec<_> = o.children.iter().filter(|child| o.is_own_run(child)).collect();
        children.sort_by_key(|child| child.age_order());
        for child in children {
            match child.state() {
                ChildState::Open => {}
                ChildState::Restorable => {
                    kept.newest = Some(&child.name);
                    if child.keeps { kept.pinned.push(child) } else { kept.counted.push(child) }
                }
                ChildState::Unfit => kept.unfit.push(child),
                ChildState::Failed => kept.failed.push(child),
            }
        }
        kept
    }

    /// For the status.
    pub(super) fn counts(&self) -> ScheduledBackups {
        let count = |children: &[&Child]| i32::try_from(children.len()).ok();
        ScheduledBackups {
            kept: count(&self.counted),
            pinned: count(&self.pinned),
            failed: count(&[self.failed.clone(), self.unfit.clone()].concat()),
        }
    }

    /// How many stay besides those that keepLast counts.
    pub(super) fn pinned(&self) -> usize {
        self.pinned.len()
    }

    /// When the newest of them was complete.
    pub(super) fn newest_completed(&self) -> Option<DateTime<Utc>> {
        self.counted.iter().chain(&self.pinned).filter_map(|child| child.completed).max()
    }

    /// The child that the retention removes next, if there is one.
    pub(super) fn expired(&self) -> Option<&'a Child> {
        let success = last_success(self.o);
        let by_rule = success.and_then(|success| {
            let excess = self.counted.len().saturating_sub(self.limit().unwrap_or(usize::MAX));
            let excess = self.counted.iter().take(excess);
            let old = self.counted.iter().filter(move |child| self.is_old(child, success));
            excess.chain(old).copied().find(|child| self.may_go(child))
        });
        // A backup that does not fit now may fit again: it goes only once there is a newer one.
        let spare = self.o.spec.retention.keep_failed.unwrap_or(KEEP_FAILED);
        let spare = usize::try_from(spare).unwrap_or_default();
        let unfit = self.unfit.iter().filter(|_| success.is_some());
        let mut useless: Vec<_> = self.failed.iter().chain(unfit).copied().collect();
        useless.sort_by_key(|child| child.age_order());
        let excess = useless.len().saturating_sub(spare);
        by_rule.or_else(|| useless.into_iter().take(excess).find(|child| self.may_go(child)))
    }

    /// The child that the retention would remove after one more success anyway, if its place is needed before. Without a success by
    /// the present spec nothing goes, and with one there is no second: so the number of backups, which may be old, cannot remove
    /// more than one.
    pub(super) fn in_the_way(&self) -> Option<&'a Child> {
        let is_enough = self.limit().is_some_and(|limit| self.counted.len() == limit);
        let has_succeeded = last_success(self.o).is_some();
        self.counted.iter().copied().find(|child| self.may_go(child)).filter(|_| is_enough && has_succeeded)
    }

    /// The oldest child with a backup that may go.
    pub(super) fn oldest(&self) -> Option<&'a Child> {
        let mut existing: Vec<_> = self.unfit.iter().chain(&self.counted).copied().collect();
        existing.sort_by_key(|child| child.age_order());
        existing.into_iter().find(|child| self.may_go(child))
    }

    /// Whether no rule protects a child.
    pub(super) fn may_go(&self, child: &Child) -> bool {
        let newest_of_all =
            self.o.instance_backups.as_ref().and_then(|backups| backups.last_successful_id.as_ref());
        // The numbers of the instance may be old. A backup that ended after its object gave up shows there only.
        let is_newest_of_all = child.state() != ChildState::Restorable
            && child.id.is_some()
            && child.id.as_ref() == newest_of_all;
        let is_newest = self.newest == Some(&child.name) || is_newest_of_all;
        let is_active = |active: &crate::api::backup_schedule::ActiveBackup| active.name == child.name;
        let is_followed = self.o.status.active.as_ref().is_some_and(is_active);
        !(child.keeps || child.used || child.deleting || is_newest || is_followed)
    }

    fn limit(&self) -> Option<usize> {
        self.o.spec.retention.keep_last.and_then(|keep| usize::try_from(keep).ok())
    }

    /// Judged by the time of the last success: while no run succeeds, none becomes too old.
    fn is_old(&self, child: &Child, success: DateTime<Utc>) -> bool {
        let Some(days) = self.o.spec.retention.max_age_days else { return false };
        let age = success.signed_duration_since(child.completed.unwrap_or(child.created));
        age > TimeDelta::days(days.into())
    }
}

/// When the last run succeeded, if it was by the present spec: an edit removes nothing before the next success.
fn last_success(o: &Observed) -> Option<DateTime<Utc>> {
    let condition =
        o.status.conditions.iter().find(|c| c.type_ == ConditionType::LastRunSucceeded.as_str())?;
    // A run of an earlier object of the name is none of this one.
    let is_own =
        o.status.last_schedule_time.as_ref().is_some_and(|at| time::from_kube(at) >= o.subject.created);
    let is_current =
        is_own && condition.status == "True" && condition.observed_generation == Some(o.subject.generation);
    o.status.last_successful_time.as_ref().filter(|_| is_current).map(time::from_kube)
}

/// Deletes a child.
pub(super) fn delete(child: &Child, why: &'static str) -> Step {
    Step::Prepare(KubeAction::Delete {
        name: child.name.clone(),
        uid: child.uid.clone(),
        version: child.version.clone(),
        why,
    })
}
