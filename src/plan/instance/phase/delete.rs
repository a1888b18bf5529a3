//! The object is being deleted: its instance is deleted or released first. The finalizer stays until nothing in the
//! cloud carries the object's tags.

use super::{failed_creation, mark, preconditions::account_mismatch, release, tenancy};
use crate::{
    api::{Reason, instance::DeletionPolicy, words::OperationType},
    dcs::model::InstanceStatus,
    formats::{auth_secret_name, binding_secret_name},
    plan::{
        Consent, Definition,
        conditions::{Readiness, Situation},
        instance::{
            absence,
            action::{CloudAction, KubeAction, Lookup, Step},
            decision::Decision,
            input::{
                Observed,
                lists::AccountLists,
                local::WritePurpose,
                observed::{Detail, InstanceSnapshot},
                ownership::{Claims, Ownership, claims, ids, kept_origin, ownership_of},
                secrets::SecretNotes,
            },
            intent::{Attempted, Refusal, attempted},
            locate::{Deletable, locate_for_deletion},
            status::observation::recorded_origin,
        },
        schedule::RetryClass,
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
        return Decision::new(o, Situation::DeletionPaused, message).ready(Readiness::Unchanged, message);
    }
    if let Some(guard) = &o.subject.guard {
        let message = format!(
            "finalizer {guard} guards the instance: the operator neither deletes nor releases it until the owner of that \
             finalizer removes it"
        );
        return Decision::deletion_blocked(o, Reason::GuardedByFinalizer, message);
    }
    let account = match &o.account {
        Ok(account) => account,
        Err(blocker) => return Decision::deletion_failed(o, blocker),
    };
    if let Some(message) = account_mismatch(o, account) {
        return Decision::deletion_blocked(o, Reason::AccountChanged, message);
    }
    let trouble = o.lists.as_ref().and_then(|lists| lists.trouble.as_ref());
    if let Some(trouble) = trouble.filter(|trouble| trouble.retry_class() == RetryClass::NeedsUser) {
        return Decision::deletion_failed(o, trouble);
    }
    let Some(lists) = o.lists.as_ref().filter(|lists| lists.latest.is_some()) else {
        let message = trouble.map_or("the account is being listed", |trouble| trouble.message.as_str());
        return Decision::deleting(o, message);
    };
    match locate_for_deletion(o, lists) {
        Deletable::Ambiguous(claims) => ambiguous(o, &claims),
        Deletable::Instance(id) => remove(o, lists, &id),
        Deletable::NeedsTags(id) => {
            let lookup = Lookup::Candidate { id: id.to_owned() };
            Decision::deleting(o, "the operator looks for the instance").step(Step::Lookup(lookup))
        }
        Deletable::Unreadable(blocker) => Decision::deletion_failed(o, blocker),
        Deletable::FailedRecord(record) => as_deletion(o, failed_creation::decide(o, record)),
        Deletable::Unknown { wait, why } => Decision::deleting(o, why).until_proven(wait),
        Deletable::None if left_nothing(o, lists) => done(o, Secrets::OfNone),
        Deletable::None => done(o, Secrets::Kept),
    }
}

/// No instance of an earlier object is left whose password the Secrets may hold.
fn left_nothing(o: &Observed, lists: &AccountLists) -> bool {
    let claims = claims(lists, &o.subject);
    claims.orphaned.is_empty() && claims.released.is_empty()
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
    let Decision { assessment, step, needs_lists, wait, .. } = decision;
    match assessment.situation {
        Situation::Blocked(reason) => {
            Decision::deletion_blocked(o, reason, assessment.message).step(step).wait(wait)
        }
        _ => Decision { needs_lists, ..Decision::deleting(o, &assessment.message) }.step(step),
    }
}

/// Deletes or releases the instance `id`.
fn remove(o: &Observed, lists: &AccountLists, id: &str) -> Decision {
    let snapshot = match o.detail(id) {
        Some(Detail::Found(snapshot)) => snapshot,
        Some(Detail::NotFound) => return gone(o, lists, id),
        Some(Detail::Failed(blocker)) => {
            return Decision::deletion_failed(o, blocker);
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
            DeletionPolicy::Retain => release(o, lists, snapshot, ""),
            DeletionPolicy::Delete => delete(o, lists, snapshot),
        },
        // The release was begun. It ends, whatever the policy is now.
        Ownership::Released => release(o, lists, snapshot, ""),
        Ownership::Orphaned | Ownership::Foreign => unless_others(o, lists, id, Secrets::Kept),
        Ownership::Unowned => tags_missing(o, lists, snapshot),
    }
}

/// Releases the instance; `why` says so if the policy is another one.
fn release(o: &Observed, lists: &AccountLists, snapshot: &InstanceSnapshot, why: &str) -> Decision {
    let lost = if o.notes.record.is_some() { "" } else { "; no Secret of the operator holds its password" };
    let message = format!("{why}the instance is being released: it stays, without this object's tags{lost}");
    let refused = |reason, message| Decision::deletion_blocked(o, reason, message);
    release::decide(o, &snapshot.facts, Decision::deleting(o, &message), refused)
        .unwrap_or_else(|| unless_others(o, lists, &snapshot.facts.id, Secrets::Kept))
}

fn delete(o: &Observed, lists: &AccountLists, snapshot: &InstanceSnapshot) -> Decision {
    let facts = &snapshot.facts;
    let id = &facts.id;
    if facts.status == Some(InstanceStatus::Deleting) {
        return Decision::deleting(o, BEING_DELETED).with_observation(facts);
    }
    let definition = match &o.lookups.definition {
        None => return Decision::deleting(o, BEING_DELETED).step(Step::Lookup(Lookup::Definition)),
        Some(Err(blocker)) => return Decision::deletion_failed(o, blocker),
        Some(Ok(definition)) => definition,
    };
    match definition {
        Definition::Complete => {}
        Definition::BeingDeleted => {
            return release(
                o,
                lists,
                snapshot,
                "the CustomResourceDefinition is being deleted, which is no consent to delete data: ",
            );
        }
        Definition::Lacks(fields) => {
            let message = Definition::outdated(fields);
            return Decision::deletion_blocked(o, Reason::DefinitionOutdated, message).wait(o.needs_user());
        }
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
    // The last look before the request: a pin may be seconds old.
    match &o.lookups.pins {
        None => {
            return Decision::deleting(o, BEING_DELETED).step(Step::Lookup(Lookup::Pins { id: id.clone() }));
        }
        Some(Err(blocker)) => return Decision::deletion_failed(o, blocker),
        Some(Ok(pins)) if !pins.is_empty() => {
            let message = format!(
                "deleting instance {id} would delete its backups, and DcsBackup {} is pinned: set pinned to false there, or \
                 delete it; or set deletionPolicy to Retain here",
                pins.join(", ")
            );
            return Decision::deletion_blocked(o, Reason::BackupPinned, message);
        }
        Some(Ok(_)) => {}
    }
    let consent = Consent::never_created(facts.status.as_ref()).or_else(|| {
        Consent::by_deletion(o.subject.deleting, o.policies.management, DeletionPolicy::Delete, definition)
    });
    let Some(consent) = consent else {
        let message = "the policies do not consent to the deletion of the instance";
        return Decision::deletion_blocked(o, Reason::ApprovalRequired, message);
    };
    let step = Step::CloudAction(CloudAction::Delete { id: id.clone(), consent, failed: None });
    let refused = |refusal: Refusal| {
        let message = format!("instance {id} cannot be deleted: {}", refusal.message);
        Decision::deletion_blocked(o, refusal.reason, message)
    };
    match attempted(o, &OperationType::Delete, id) {
        Attempted::MayBegin(None) => Decision::deleting(o, BEING_DELETED).step(step),
        Attempted::MayBegin(Some(refusal)) => refused(refusal).step(step),
        Attempted::Waits(rest) => {
            let problem = o.status.operation.as_ref().and_then(|operation| operation.message.as_deref());
            Decision::deleting(o, problem.unwrap_or(BEING_DELETED)).wait(rest)
        }
        Attempted::Refused(refusal, rest) => refused(refusal).wait(rest),
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

/// The instance carries no ownership tags. Only the spec can permit to delete it, not the status.
fn tags_missing(o: &Observed, lists: &AccountLists, snapshot: &InstanceSnapshot) -> Decision {
    let facts = &snapshot.facts;
    let id = &facts.id;
    // The recorded origin decides only whether to wait for a person or to leave the instance alone.
    if o.policies.deletion_of(recorded_origin(&o.status)) == DeletionPolicy::Retain {
        return unless_others(o, lists, id, Secrets::Kept);
    }
    let is_named = o.policies.adopt.as_deref() == Some(id);
    let is_foreign = tenancy::foreign_instance(o, facts).is_some();
    let origin = kept_origin(facts, &o.subject);
    if is_named && !is_foreign {
        return match o.policies.deletion_of(Some(origin)) {
            DeletionPolicy::Retain => unless_others(o, lists, id, Secrets::Kept),
            DeletionPolicy::Delete => {
                as_deletion(o, mark::put_tags(o, facts, origin, "it is deleted afterwards"))
            }
        };
    }
    let more = if is_foreign { format!(" and {}", tenancy::permission(o)) } else { String::new() };
    let message = format!(
        "instance {id} lacks the ownership tags dcs-operator-*, so it is not deleted: set adopt.instanceId to its ID and \
         deletionPolicy to Delete{more} to have it deleted, or deletionPolicy to Retain to leave it"
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
    let Claims { ours: mut others, deleting, .. } = claims(lists, &o.subject);
    others.retain(|facts| facts.id != id);
    if others.is_empty() {
        let is_last = deleting.iter().all(|facts| facts.id == id);
        return if is_last { done(o, secrets) } else { Decision::deleting(o, BEING_DELETED) };
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
    if spent.is_empty() || o.refused(WritePurpose::Deletion).is_some() {
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
