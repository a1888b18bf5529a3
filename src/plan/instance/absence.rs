//! Whether the lists are recent enough to prove that no instance of the object exists.

use std::time::Duration;

use super::{
    input::{Observed, lists::AccountLists},
    intent,
};
use crate::api::words::OperationType;

/// What the lists prove about an instance that none of them shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// No instance exists.
    Proven,
    /// Newer lists are needed.
    Unproven {
        /// How long lists begun now prove nothing; `None` if the next ones may.
        wait: Option<Duration>,
        /// What the lists have to show, for a condition.
        why: &'static str,
    },
}

/// Assesses whether an instance of the object can exist that is not in the lists.
///
/// An attempt with a known outcome needs one complete list of each topic begun after it. Before the first attempt, the
/// lists must have begun after the object was seen, since its status may have been lost. An attempt with an unknown
/// outcome may still arrive: it needs two complete lists of each topic, begun after its window.
pub(super) fn assess(o: &Observed, lists: &AccountLists) -> Absence {
    let latest = lists.latest.map(|latest| latest.begun);
    let gone = o.local.gone.as_ref().map(|(_, at)| *at).unwrap_or_default();
    if has_open_attempt(o) {
        let lost = lost_attempt_end(o, lists).unwrap_or_default();
        let end = o.window_end().max(o.local.first_seen).max(gone).max(lost);
        let why = [
            "the outcome of the last request is not known yet",
            "two more lists have to show the outcome of the last request",
        ];
        return after_window(o, lists, end, why);
    }
    let since = o.local.intent_seen.filter(|_| o.status.operation.is_some()).unwrap_or_default();
    let since = since.max(o.local.first_seen).max(gone);
    if let Some(end) = lost_attempt_end(o, lists) {
        let why =
            "the status has lost its trace of an earlier creation, whose outcome the lists have to show";
        return after_window(o, lists, end.max(since), [why; 2]);
    }
    unless_proven(
        all_since(&[latest, lists.failed_latest], since),
        "a list of the account's instances has to show that none exists yet",
    )
}

/// A request can take effect unseen until `end`. Two complete lists of each topic that began after it prove the outcome.
/// `why`: before `end`, and after it.
fn after_window(o: &Observed, lists: &AccountLists, end: Duration, why: [&'static str; 2]) -> Absence {
    let [open, unproven] = why;
    if let Some(rest) = end.checked_sub(o.now.monotonic).filter(|rest| !rest.is_zero()) {
        return Absence::Unproven { wait: Some(rest), why: open };
    }
    let latest = lists.latest.map(|latest| latest.begun);
    unless_proven(all_since(&[latest, lists.before, lists.failed_latest, lists.failed_before], end), unproven)
}

/// Until when a creation can take effect of which the status has lost the trace: one that this process began, or one that
/// another process may have begun, since it put the finalizer on.
fn lost_attempt_end(o: &Observed, lists: &AccountLists) -> Option<Duration> {
    let is_shown = |id: &String| {
        lists.listed(id).is_some()
            || lists.failed.iter().any(|record| record.id == *id)
            || o.local.last_seen.as_ref().is_some_and(|(seen, _)| seen == id)
            || o.is_gone(id)
    };
    let window = o.settings.window();
    let own = o.local.creation.as_ref().filter(|creation| !creation.id.as_ref().is_some_and(is_shown));
    let own = own.map(|creation| creation.begun.saturating_add(window));
    let has_no_trace = o.status.operation.is_none() && o.status.id.is_none();
    let others = (has_no_trace && o.subject.finalizer && !o.local.finalizer_added)
        .then(|| o.local.first_seen.saturating_add(window));
    own.max(others)
}

fn unless_proven(proven: bool, why: &'static str) -> Absence {
    if proven { Absence::Proven } else { Absence::Unproven { wait: None, why } }
}

/// Whether an attempt that tags an instance as the object's may still arrive.
pub(super) fn has_open_attempt(o: &Observed) -> bool {
    o.status.operation.as_ref().is_some_and(|operation| {
        let marks = match operation.type_ {
            OperationType::Create | OperationType::Adopt | OperationType::Other(_) => true,
            OperationType::Release
            | OperationType::Delete
            | OperationType::DeleteFailed
            | OperationType::Update
            | OperationType::UpdateTags
            | OperationType::Resize
            | OperationType::ResetPassword
            | OperationType::Backup
            | OperationType::DeleteBackup
            | OperationType::Restore => false,
        };
        marks && intent::is_unresolved(operation)
    })
}

/// Whether the instance was created so recently that the cloud may not show it yet.
pub(super) fn may_be_invisible(o: &Observed, id: &str) -> bool {
    let made = o.status.operation.as_ref().is_some_and(|operation| {
        operation.type_ == OperationType::Create && operation.instance_id.as_deref() == Some(id)
    });
    made && o.now.monotonic < o.window_end()
}

fn all_since(begun: &[Option<Duration>], since: Duration) -> bool {
    begun.iter().all(|begun| begun.is_some_and(|begun| begun >= since))
}
