//! The object is being deleted: its instance is deleted or released first. The finalizer stays until nothing in the
//! cloud carries the object's tags.

use std::time::Duration;

use super::{failed_creation, mark, preconditions::account_mismatch};
use crate::{
    api::{
        Reason,
        instance::DeletionPolicy,
        words::{OperationOutcome, OperationType},
    },
    dcs::model::InstanceStatus,
    formats::{RELEASED_TAG, auth_secret_name, binding_secret_name},
    plan::{
        Consent,
        conditions::Situation,
        instance::{
            absence,
            action::{CloudAction, KubeAction, Lookup, Step},
            decision::Decision,
            input::{
                Observed,
                observed::{AccountLists, Detail, InstanceSnapshot},
                ownership::{Claims, Ownership, claims, ids, ownership_of},
                secrets::SecretNotes,
            },
            intent,
            locate::{Deletable, locate_for_deletion},
            status::observation::recorded_origin,
        },
    },
};

/// `charging_mode` of a prepaid instance (API reference 4.1.2).
const PREPAID: i64 = 1;

/// Condition message from the first delete request until the instance is gone.
const BEING_DELETED: &str = "the instance is being deleted";

pub(in crate::plan::instance) fn decide(o: &Observed) -> Decision {
    if !o.subject.finalizer {
        return Decision::new(o, Situation::Deleting, "the object is being deleted").without_status_write();
    }
    if o.policies.paused {
        let message = "spec.paused is true: the operator neither deletes nor releases the instance until it is false or removed";
        return Decision::new(o, Situation::DeletionPaused, message);
    }
    let account = match &o.account {
        Ok(account) => account,
        // Without credentials nothing was ever requested, so nothing is left to delete.
        Err(_) if was_never_begun(o) => return done(o, Secrets::OfNone),
        Err(blocker) => {
            let wait = o.retry_delay(blocker.retry_class(), 1);
            let message = format!("{}; until then the instance is not deleted", blocker.message);
            return Decision::deletion_blocked(o, blocker.reason, message).wait(wait);
        }
    };
    if let Some(message) = account_mismatch(o, account) {
        return Decision::deletion_blocked(o, Reason::AccountChanged, message);
    }
    let Some(lists) = o.lists.as_ref().filter(|lists| lists.latest.is_some()) else {
        let trouble = o.lists.as_ref().and_then(|lists| lists.trouble.as_ref());
        let message = trouble.map_or("the account is being listed", |trouble| trouble.message.as_str());
        return Decision::deleting(o, message);
    };
    match locate_for_deletion(o, lists) {
        Deletable::Ambiguous(claims) => ambiguous(o, &claims),
        Deletable::Instance(id) => remove(o, lists, &id),
        Deletable::FailedRecord(record) => as_deletion(o, failed_creation::decide(o, record)),
        Deletable::Unknown { wait, why } => Decision::deleting(o, why).until_proven(wait),
        Deletable::None if claims(lists, &o.subject).stale_owner.is_empty() => done(o, Secrets::OfNone),
        Deletable::None => done(o, Secrets::Kept),
    }
}

fn was_never_begun(o: &Observed) -> bool {
    o.status.id.is_none() && o.status.operation.is_none() && o.status.account.is_none()
}

fn ambiguous(o: &Observed, claims: &Claims) -> Decision {
    let message = format!(
        "several instances carry this object's tags: {}; none is deleted until the tags dcs-operator-* are removed from \
         all but one, or adopt.instanceId names that one",
        ids(&claims.ours)
    );
    Decision::deletion_blocked(o, Reason::AmbiguousOwnership, message)
}

/// The same step, reported as a part of the deletion.
fn as_deletion(o: &Observed, decision: Decision) -> Decision {
    let Decision { assessment, step, needs_lists, .. } = decision;
    match assessment.situation {
        Situation::Blocked(reason) => Decision::deletion_blocked(o, reason, assessment.message),
        _ => Decision { needs_lists, ..Decision::deleting(o, &assessment.message) }.step(step),
    }
}

/// Deletes or releases the instance `id`.
fn remove(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    let snapshot = match &o.lookups.detail {
        Some(Detail::Found(snapshot)) => snapshot,
        Some(Detail::NotFound) => return gone(o, lists, id),
        Some(Detail::Failed(blocker)) => {
            return Decision::deleting(o, &blocker.message).wait(o.retry_delay_for(blocker));
        }
        None => {
            let listed = lists.listed(id).filter(|facts| facts.status == Some(InstanceStatus::Deleting));
            let decision = Decision::deleting(o, BEING_DELETED);
            return match listed {
                // The next list that lacks it wakes the object.
                Some(facts) => decision.with_observation(facts),
                None => decision.step(Step::Lookup(Lookup::Detail { id: id.to_owned() })),
            };
        }
    };
    match ownership_of(&snapshot.facts, &o.subject) {
        Ownership::Ours(origin) => match o.policies.deletion_of(Some(origin)) {
            DeletionPolicy::Retain => release(o, snapshot).unwrap_or_else(|| done(o, Secrets::Kept)),
            DeletionPolicy::Delete => delete(o, snapshot),
        },
        Ownership::Foreign => unless_others(o, lists, id, Secrets::Kept),
        Ownership::Unowned => tags_missing(o, lists, id),
    }
}

/// Takes the ownership tags off the instance and notes which object released it; `None` once that is done. The note
/// comes first, so that at no time nothing names the former owner.
pub(super) fn release(o: &Observed, snapshot: &InstanceSnapshot) -> Option<Decision> {
    let id = snapshot.facts.id.clone();
    if !matches!(ownership_of(&snapshot.facts, &o.subject), Ownership::Ours(_)) {
        return None;
    }
    let message = if o.notes.record.is_some() {
        "the instance is being released: it stays, without this object's tags"
    } else {
        "the instance is being released: it stays, without this object's tags; no Secret of the operator holds its password"
    };
    let decision = Decision::deleting(o, message);
    if has_unmarked_secrets(o, &id) {
        return Some(decision.step(Step::Prepare(KubeAction::KeepSecrets { id })));
    }
    if let Some(rest) = blocked_by_attempt(o, &OperationType::Release) {
        return Some(decision.wait(rest));
    }
    let uid = o.subject.uid.clone();
    let noted = snapshot.facts.tag(RELEASED_TAG) == Some(&uid);
    let action =
        if noted { CloudAction::RemoveOwnershipTags { id } } else { CloudAction::TagReleased { id, uid } };
    Some(decision.step(Step::CloudAction(action)).wait(Duration::ZERO))
}

/// The Secrets do not name the instance that stays: whoever takes it back could not tell whose they are. Secrets of an
/// earlier version would be deleted with the object.
fn has_unmarked_secrets(o: &Observed, id: &str) -> bool {
    let is_unmarked = |notes: &SecretNotes| {
        notes.instance.as_ref() != Some(&o.subject.name) || notes.instance_id.as_deref() != Some(id)
    };
    let mut secrets = o.notes.record.iter().chain(&o.notes.binding);
    !o.local.kept && o.refused().is_none() && (o.notes.legacy || secrets.any(is_unmarked))
}

fn delete(o: &Observed, snapshot: &InstanceSnapshot) -> Decision {
    let facts = &snapshot.facts;
    let id = &facts.id;
    if facts.status == Some(InstanceStatus::Deleting) {
        return Decision::deleting(o, BEING_DELETED).with_observation(facts);
    }
    if facts.charging_mode == Some(PREPAID) {
        let message = format!(
            "instance {id} is prepaid and cannot be deleted through the API: unsubscribe from it in the DCS console, or \
             set deletionPolicy to Retain"
        );
        return Decision::deletion_blocked(o, Reason::PrepaidNotDeletable, message);
    }
    if let Some(task) = busy_with(snapshot) {
        return Decision::deleting(o, &format!("the deletion waits for the instance to finish {task}"))
            .wait(o.settings.requeue.busy);
    }
    if let Some(rest) = blocked_by_attempt(o, &OperationType::Delete) {
        let problem = o.status.operation.as_ref().and_then(|operation| operation.message.clone());
        let problem = problem.unwrap_or_else(|| BEING_DELETED.to_owned());
        return Decision::deleting(o, &problem).wait(rest);
    }
    let consent = Consent::never_created(facts.status.as_ref())
        .or_else(|| Consent::by_deletion(o.subject.deleting, o.policies.management, DeletionPolicy::Delete));
    match consent {
        Some(consent) => {
            let action = CloudAction::Delete { id: id.clone(), consent, failed: None };
            Decision::deleting(o, BEING_DELETED).step(Step::CloudAction(action))
        }
        None => {
            let message = "the policies do not consent to the deletion of the instance";
            Decision::deletion_blocked(o, Reason::ApprovalRequired, message)
        }
    }
}

/// What keeps the cloud from deleting it (DCS.4099: not while creating or restarting; a task counts as well).
fn busy_with(snapshot: &InstanceSnapshot) -> Option<&str> {
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

/// How long an earlier attempt of this type blocks the next.
fn blocked_by_attempt(o: &Observed, type_: &OperationType) -> Option<Duration> {
    let operation = o.status.operation.as_ref().filter(|operation| operation.type_ == *type_)?;
    // An accepted part of a release is followed by the next part at once.
    let goes_on = *type_ == OperationType::Release && operation.outcome == Some(OperationOutcome::Accepted);
    if goes_on { None } else { intent::blocked_for(o, operation) }
}

/// The instance carries no ownership tags.
fn tags_missing(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    let origin = recorded_origin(&o.status);
    if o.policies.deletion_of(origin) == DeletionPolicy::Retain {
        return unless_others(o, lists, id, Secrets::Kept);
    }
    if let Some(origin) = origin.filter(|_| o.policies.adopt.as_deref() == Some(id)) {
        return as_deletion(o, mark::put_tags(o, id, origin));
    }
    let message = format!(
        "instance {id} lacks the ownership tags dcs-operator-*, so it is not deleted: set adopt.instanceId to its ID to \
         have it deleted, or deletionPolicy to Retain to leave it"
    );
    Decision::deletion_blocked(o, Reason::MarkMissing, message).wait(o.needs_user())
}

/// The cloud says that the instance does not exist.
fn gone(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    if absence::may_be_invisible(o, id) {
        let message = "the instance was requested a moment ago, and the cloud does not show it yet";
        let rest = o.window_end().saturating_sub(o.now.monotonic);
        return Decision::deleting(o, message).until_proven(Some(rest));
    }
    unless_others(o, lists, id, Secrets::Of(id))
}

/// Removes the finalizer, unless another instance carries the object's tags.
fn unless_others(o: &Observed, lists: &AccountLists, id: &str, secrets: Secrets<'_>) -> Decision {
    let mut others = claims(lists, &o.subject).ours;
    others.retain(|facts| facts.id != id);
    if others.is_empty() {
        return done(o, secrets);
    }
    let message = format!(
        "instance {id} is gone, but others carry this object's tags: {}; remove the tags dcs-operator-* from them, or \
         delete them",
        ids(&others)
    );
    Decision::deletion_blocked(o, Reason::AmbiguousOwnership, message)
}

/// Which Secrets of the object go with it.
#[derive(Debug, Clone, Copy)]
enum Secrets<'a> {
    /// None: the instance stays, and they hold its password.
    Kept,
    /// Those that are about this instance, which is gone.
    Of(&'a str),
    /// Those that are about no instance: none was created.
    OfNone,
}

/// Deletes the Secrets and removes the finalizer.
fn done(o: &Observed, secrets: Secrets<'_>) -> Decision {
    let decision =
        Decision::new(o, Situation::Deleting, "nothing is left in the cloud").without_status_write();
    let spent = spent_secrets(o, secrets);
    // Secrets that the API server does not delete do not keep the object: their instance is gone.
    if spent.is_empty() || o.refused().is_some() {
        decision.step(Step::RemoveFinalizer)
    } else {
        decision.step(Step::Prepare(KubeAction::DeleteSecrets(spent)))
    }
}

/// The names of the Secrets that go with the object.
fn spent_secrets(o: &Observed, secrets: Secrets<'_>) -> Vec<String> {
    let is_spent = |notes: &SecretNotes, about: Option<&str>| {
        notes.instance.as_ref() == Some(&o.subject.name)
            && match secrets {
                Secrets::Kept => false,
                Secrets::Of(id) => about.is_none_or(|about| about == id),
                Secrets::OfNone => about.is_none(),
            }
    };
    let record = o.notes.record.as_ref().filter(|notes| {
        let noted = notes.instance_id.as_deref();
        let about = if let Secrets::OfNone = secrets { o.notes.recorded_instance() } else { noted };
        is_spent(notes, about)
    });
    // A binding Secret that was made from the record goes with it, though it may be about an instance that was replaced.
    let uid = |version: &str| version.split('/').next().map(str::to_owned);
    let spent = record.and_then(|record| uid(&record.version));
    let binding = o.notes.binding.as_ref().filter(|notes| {
        is_spent(notes, notes.instance_id.as_deref())
            || (spent.is_some() && spent == notes.record.as_deref().and_then(uid))
    });
    let record = record.map(|_| auth_secret_name(&o.subject.name));
    record.into_iter().chain(binding.map(|_| binding_secret_name(&o.subject.name))).collect()
}
