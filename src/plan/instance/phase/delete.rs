//! The object is to be removed: its instance is deleted or let go first, and the finalizer stays until nothing in the
//! cloud carries the object's mark.

use std::time::Duration;

use super::{
    absence, adopt,
    decision::Decision,
    failed, intent,
    observed::{AccountLists, Detail, InstanceSnapshot, Observed},
    ownership::{Ownership, claims, ids, ownership_of},
    plan::account_mismatch,
    says,
    step::{CloudAction, Lookup, Step},
};
use crate::{
    api::{
        Reason,
        instance::{DeletionPolicy, ManagementPolicy},
        words::{OperationOutcome, OperationType},
    },
    dcs::model::InstanceStatus,
    formats::RELEASED_TAG,
    plan::{
        Consent, Follow,
        conditions::{Readiness, Situation},
    },
};

/// `charging_mode` of an instance that is paid for in advance (API reference 4.1.2).
const PREPAID: i64 = 1;

/// Said from the first request until the instance is gone.
const UNDER_WAY: &str = "the instance is being deleted";

pub(super) fn decide(o: &Observed) -> Decision {
    if !o.subject.finalizer {
        return Decision::new(o, Situation::Deleting, "the object is on its way out").without_status_write();
    }
    if o.policies.paused {
        let message = "spec.paused is true: the instance is not deleted until it is false or removed";
        return Decision::new(o, Situation::DeletionPaused, message);
    }
    let account = match &o.account {
        Ok(account) => account,
        // Without credentials nothing was ever asked for, so there is nothing to see to.
        Err(_) if was_never_begun(o) => return done(o),
        Err(blocker) => {
            let wait = o.retry_delay(blocker.retry_class(), 1);
            let message = format!("{}; until then the instance is not deleted", blocker.message);
            return blocked(o, blocker.reason, message).wait(wait);
        }
    };
    if let Some(message) = account_mismatch(o, account) {
        return blocked(o, Reason::AccountChanged, message);
    }
    match o.lists.as_ref().filter(|lists| lists.latest.is_some()) {
        Some(lists) => target(o, lists),
        None => {
            let trouble = o.lists.as_ref().and_then(|lists| lists.trouble.as_ref());
            let message = trouble.map_or("the account is being listed", |trouble| trouble.message.as_str());
            deleting(o, message).follow(Follow::NEXT_LIST)
        }
    }
}

fn was_never_begun(o: &Observed) -> bool {
    o.status.id.is_none() && o.status.operation.is_none() && o.status.account.is_none()
}

/// Which instance it is: the one recorded, else a single one with our mark.
fn target(o: &Observed, lists: &AccountLists) -> Decision {
    let claims = claims(lists, &o.subject);
    let recorded = o.status.id.as_deref();
    let others = claims.ours.iter().filter(|facts| Some(facts.id.as_str()) != recorded).count();
    let named = o.policies.adopt.as_deref();
    let is_named = |id: &str| named == Some(id);
    let ambiguous = || {
        let message = format!(
            "several instances carry this object's mark: {}; none is deleted until the tags dcs-operator-* are removed \
             from all but one, or adopt.instanceId names that one",
            ids(&claims.ours)
        );
        blocked(o, Reason::AmbiguousOwnership, message).follow(Follow::EACH_LIST)
    };
    if let Some(id) = recorded {
        return if others > 0 && !is_named(id) { ambiguous() } else { remove(o, lists, id) };
    }
    let found = match claims.ours.as_slice() {
        [] => None,
        [one] => Some(one),
        several => match several.iter().find(|facts| is_named(&facts.id)) {
            Some(one) => Some(one),
            None => return ambiguous(),
        },
    };
    if let Some(facts) = found {
        return remove(o, lists, &facts.id.clone());
    }
    let manages = o.policies.management == ManagementPolicy::Managed;
    if let Some(record) = lists.failed.first().filter(|_| manages) {
        let removal = failed::decide(o, record);
        let message = removal.assessment.message.clone();
        return match removal.assessment.situation {
            Situation::Blocked(reason) => blocked(o, reason, message),
            _ => deleting(o, &message).step(removal.step).follow(Follow::ALL_LISTS),
        };
    }
    absence::await_lists(o, lists, |why| deleting(o, why)).unwrap_or_else(|| done(o))
}

/// Removes the instance `id`, or lets it go.
fn remove(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    let snapshot = match &o.lookups.detail {
        Some(Detail::Found(snapshot)) => snapshot,
        Some(Detail::NotFound) => return gone(o, lists, id),
        Some(Detail::Failed(blocker)) => {
            return deleting(o, &blocker.message).wait(o.retry_delay_for(blocker));
        }
        None => {
            let on_its_way = lists.listed(id).filter(|facts| facts.status == Some(InstanceStatus::Deleting));
            let decision = deleting(o, UNDER_WAY);
            return match on_its_way {
                // The next thing to happen is that it is gone, and the list shows that.
                Some(facts) => decision.with_observation(facts),
                None => decision.step(Step::Lookup(Lookup::Detail { id: id.to_owned() })),
            };
        }
    };
    match ownership_of(&snapshot.facts, &o.subject) {
        Ownership::Ours(origin) => match o.policies.deletion_of(Some(origin)) {
            DeletionPolicy::Retain => release(o, snapshot).unwrap_or_else(|| done(o)),
            DeletionPolicy::Delete => delete(o, snapshot),
        },
        // It is another object's by now, and none of our business.
        Ownership::Foreign => nothing_left(o, lists, id),
        Ownership::Unowned => unmarked(o, lists, id),
    }
}

/// Takes our mark off the instance, leaving a note of whose it was; `None` if that is done. Adding comes before
/// removing, so that at no time nothing says whose it was.
pub(super) fn release(o: &Observed, snapshot: &InstanceSnapshot) -> Option<Decision> {
    let id = snapshot.facts.id.clone();
    if !matches!(ownership_of(&snapshot.facts, &o.subject), Ownership::Ours(_)) {
        return None;
    }
    let decision = deleting(o, "the instance is being let go: it stays, without this object's mark");
    if let Some(rest) = pause(o, &OperationType::Release) {
        return Some(decision.wait(rest));
    }
    let uid = o.subject.uid.clone();
    let noted = snapshot.facts.tag(RELEASED_TAG) == Some(&uid);
    let change =
        if noted { CloudAction::RemoveOwnershipTags { id } } else { CloudAction::TagReleased { id, uid } };
    Some(decision.step(Step::CloudAction(change)).wait(Duration::ZERO))
}

fn delete(o: &Observed, snapshot: &InstanceSnapshot) -> Decision {
    let facts = &snapshot.facts;
    let id = &facts.id;
    if facts.status == Some(InstanceStatus::Deleting) {
        return deleting(o, UNDER_WAY).with_observation(facts);
    }
    if facts.charging_mode == Some(PREPAID) {
        let message = format!(
            "instance {id} is prepaid and cannot be deleted through the API: unsubscribe from it in the cloud's \
             console, or set deletionPolicy to Retain"
        );
        return blocked(o, Reason::PrepaidNotDeletable, message);
    }
    if let Some(doing) = busy(snapshot) {
        return deleting(o, &format!("the instance is deleted once it is done with {doing}"))
            .wait(o.settings.requeue.busy);
    }
    if let Some(rest) = pause(o, &OperationType::Delete) {
        let problem = o.status.operation.as_ref().and_then(|operation| operation.message.clone());
        let problem = problem.unwrap_or_else(|| UNDER_WAY.to_owned());
        return deleting(o, &problem).wait(rest);
    }
    let consent = Consent::never_made(facts.status.as_ref())
        .or_else(|| Consent::by_deletion(o.subject.deleting, o.policies.management, DeletionPolicy::Delete));
    match consent {
        Some(consent) => {
            let change = CloudAction::Delete { id: id.clone(), consent, failed: None };
            deleting(o, UNDER_WAY).step(Step::CloudAction(change))
        }
        None => {
            blocked(o, Reason::ApprovalRequired, "nobody has agreed that the instance is deleted".to_owned())
        }
    }
}

/// What keeps the cloud from deleting it (DCS.4099: not while creating or restarting; a task counts as well).
fn busy(snapshot: &InstanceSnapshot) -> Option<&str> {
    use InstanceStatus::{
        Creating, Extending, Flushing, Migrating, Restarting, Restoring, Starting, Upgrading,
    };
    let status = snapshot.facts.status.as_ref().filter(|status| {
        matches!(
            status,
            Creating | Restarting | Restoring | Extending | Flushing | Migrating | Upgrading | Starting
        )
    });
    snapshot.task.as_deref().or(status.map(InstanceStatus::as_str))
}

/// How long an earlier attempt has to be waited for.
fn pause(o: &Observed, type_: &OperationType) -> Option<Duration> {
    let operation = o.status.operation.as_ref().filter(|operation| operation.type_ == *type_)?;
    // A release that was taken has a next part, which can follow at once.
    let goes_on = *type_ == OperationType::Release && operation.outcome == Some(OperationOutcome::Accepted);
    if goes_on { None } else { intent::blocked_for(o, operation) }
}

/// Nothing says any more whose the instance is.
fn unmarked(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    let origin = says::recorded_origin(&o.status);
    if o.policies.deletion_of(origin) == DeletionPolicy::Retain {
        return nothing_left(o, lists, id);
    }
    if let Some(origin) = origin.filter(|_| o.policies.adopt.as_deref() == Some(id)) {
        let marking = adopt::mark(o, id, origin);
        return deleting(o, &marking.assessment.message.clone()).step(marking.step);
    }
    let message = format!(
        "instance {id} no longer carries the tags dcs-operator-* that say whose it is, so it is not deleted: set \
         adopt.instanceId to its ID to have it deleted, or deletionPolicy to Retain to leave it"
    );
    blocked(o, Reason::MarkMissing, message).wait(o.needs_user())
}

/// The cloud says that the instance does not exist.
fn gone(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    if absence::may_be_invisible(o, id) {
        let message = "the instance was asked for a moment ago, and the cloud does not show it yet";
        let rest = o.window_end().saturating_sub(o.now.monotonic);
        return deleting(o, message).follow(Follow::ALL_LISTS).wait(rest);
    }
    nothing_left(o, lists, id)
}

/// The finalizer goes, unless another instance carries our mark.
fn nothing_left(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    let mut others = claims(lists, &o.subject).ours;
    others.retain(|facts| facts.id != id);
    if others.is_empty() {
        return done(o);
    }
    let message = format!(
        "instance {id} is gone, but others carry this object's mark: {}; remove the tags dcs-operator-* from them, or \
         delete them",
        ids(&others)
    );
    blocked(o, Reason::AmbiguousOwnership, message).follow(Follow::EACH_LIST)
}

fn deleting(o: &Observed, message: &str) -> Decision {
    Decision::new(o, Situation::Deleting, message)
        .ready(Readiness::Unchanged, message)
        .follow(Follow::CHANGES)
        .wait(o.settings.requeue.operation_check_interval)
}

fn blocked(o: &Observed, reason: Reason, message: String) -> Decision {
    Decision::new(o, Situation::DeletionBlocked(reason), message)
}

fn done(o: &Observed) -> Decision {
    Decision::new(o, Situation::Deleting, "nothing is left in the cloud")
        .step(Step::RemoveFinalizer)
        .without_status_write()
}
