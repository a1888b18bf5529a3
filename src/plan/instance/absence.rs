//! Whether the lists are new enough to say that something does not exist.

use std::time::Duration;

use super::{
    decision::Decision,
    intent,
    observed::{AccountLists, Observed},
};
use crate::{api::words::OperationType, plan::Follow};

/// What the lists say about an instance that none of them shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Absence {
    /// There is none.
    Nothing,
    /// Newer lists are needed, and are on their way.
    Pending(&'static str),
    /// Newer lists are needed, and make no sense before so much time has passed.
    TooSoon(Duration, &'static str),
}

/// Whether no instance of ours can exist that is not in the lists.
///
/// After an attempt whose outcome is known, one complete list of each sort is needed that was begun after it; before
/// the first attempt, one begun after the object was seen, since its status may have been lost. An attempt whose
/// outcome is unknown may still arrive: it needs two complete lists of each sort, begun after its window.
pub(super) fn assess(o: &Observed, lists: &AccountLists) -> Absence {
    let latest = lists.latest.map(|latest| latest.begun);
    let gone = o.local.gone.as_ref().map(|(_, at)| *at).unwrap_or_default();
    if has_open_attempt(o) {
        let end = o.window_end().max(o.local.first_seen).max(gone);
        if let Some(rest) = end.checked_sub(o.now.monotonic).filter(|rest| !rest.is_zero()) {
            return Absence::TooSoon(
                rest,
                "it is not known whether the cloud has carried out the last request",
            );
        }
        let oldest = [latest, lists.before, lists.failed_latest, lists.failed_before];
        return if all_since(&oldest, end) {
            Absence::Nothing
        } else {
            Absence::Pending("two more lists have to show whether the cloud has carried out the last request")
        };
    }
    let local = &o.local;
    let since = local.intent_seen.filter(|_| o.status.operation.is_some()).unwrap_or_default();
    if all_since(&[latest, lists.failed_latest], since.max(local.first_seen).max(gone)) {
        Absence::Nothing
    } else {
        Absence::Pending("a list of the account's instances has to show that there is none yet")
    }
}

/// What to do until the lists can say that there is none; `None` if they can. `say` puts the reason into words.
pub(super) fn await_lists(
    o: &Observed,
    lists: &AccountLists,
    say: impl FnOnce(&'static str) -> Decision,
) -> Option<Decision> {
    match assess(o, lists) {
        Absence::Nothing => None,
        Absence::Pending(why) => Some(say(why).follow(Follow::ALL_LISTS)),
        Absence::TooSoon(rest, why) => Some(say(why).wait(rest).follow(Follow::ALL_LISTS)),
    }
}

/// Whether an attempt that gives our mark to an instance may still arrive.
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
            | OperationType::ResetPassword => false,
        };
        marks && intent::is_unresolved(operation)
    })
}

/// Whether the instance was made so lately that the cloud need not show it yet.
pub(super) fn may_be_invisible(o: &Observed, id: &str) -> bool {
    let made = o.status.operation.as_ref().is_some_and(|operation| {
        operation.type_ == OperationType::Create && operation.instance_id.as_deref() == Some(id)
    });
    made && o.now.monotonic < o.window_end()
}

fn all_since(begun: &[Option<Duration>], since: Duration) -> bool {
    begun.iter().all(|begun| begun.is_some_and(|begun| begun >= since))
}
