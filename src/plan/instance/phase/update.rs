//! The object's instance exists, or did: it is compared with the spec, and changed where it differs.

use std::time::Duration;

use super::{
    absence, adopt, create,
    decision::Decision,
    desired::Desired,
    diff::Differences,
    failed, intent,
    observed::{AccountLists, Detail, InstanceSnapshot, Observed, retry_class},
    ownership::{Ownership, claims, is_live, ownership_of},
    says::{self, serves},
    step::{CloudAction, Lookup, Step},
};
use crate::{
    api::{
        Reason,
        instance::{OnExternalDeletion, PendingChange},
        words::OperationType,
    },
    dcs::model::{InstanceFacts, InstanceStatus},
    formats::Origin,
    plan::{
        Follow,
        conditions::{Readiness, Situation},
        schedule::RetryClass,
    },
};

/// Said from when the cloud has taken the request until it is done, whether lists show the instance yet or not: a
/// status is written when something happens, not when it is seen.
const BEING_MADE: &str = "the cloud is making the instance";

/// For the instance `id`, which is the object's by its status or by its mark.
pub(super) fn decide(o: &Observed, desired: &Desired, lists: &AccountLists, id: &str) -> Decision {
    let listed = lists.listed(id);
    let ours = claims(lists, &o.subject).ours;
    let is_one_of_several = ours.len() > 1 && ours.iter().any(|facts| facts.id == id);
    if let Some(decision) = create::ambiguous(o, &ours, &[])
        && is_one_of_several
        && desired.adopt.as_deref() != Some(id)
    {
        return match listed {
            Some(facts) => decision.with_observation(facts),
            None => decision,
        };
    }
    match (&o.lookups.detail, listed) {
        (Some(Detail::Found(snapshot)), _) => {
            present(o, desired, &snapshot.facts, Some(snapshot)).until_listed(o, &snapshot.facts)
        }
        (Some(Detail::NotFound), _) => absent(o, desired, lists, id),
        (Some(Detail::Failed(blocker)), _) => Decision::unanswered(o, blocker),
        (None, Some(facts)) => present(o, desired, facts, None),
        (None, None) => unlisted(o, desired, lists, id),
    }
}

/// No list shows it.
fn unlisted(o: &Observed, desired: &Desired, lists: &AccountLists, id: &str) -> Decision {
    if let Some(facts) = lists.failed.iter().find(|facts| facts.id == id) {
        return failed::decide(o, facts);
    }
    if absence::may_be_invisible(o, id) {
        return invisible(o);
    }
    let confirmed = o.local.gone.as_ref().filter(|(gone, at)| {
        gone == id && o.now.monotonic.saturating_sub(*at) < o.settings.requeue.resync_interval
    });
    if confirmed.is_some() {
        return lost(o, desired, lists, id);
    }
    let decision = Decision::new(o, Situation::Changing(Reason::Applying), "no list shows the instance");
    decision.step(Step::Lookup(Lookup::Detail { id: id.to_owned() }))
}

/// The cloud says that it does not exist.
fn absent(o: &Observed, desired: &Desired, lists: &AccountLists, id: &str) -> Decision {
    if absence::may_be_invisible(o, id) {
        invisible(o)
    } else if o.status.id.is_none() {
        on_its_way_out(o, id)
    } else {
        lost(o, desired, lists, id)
    }
}

/// One that was never the object's by its status, and is going, or gone since the last list: there is nothing to take
/// over.
fn on_its_way_out(o: &Observed, id: &str) -> Decision {
    create::creating(o, &format!("instance {id} of an earlier try is being removed"))
        .follow(Follow::ALL_LISTS)
}

fn invisible(o: &Observed) -> Decision {
    create::creating(o, BEING_MADE).follow(Follow::ALL_LISTS)
}

/// It was deleted, and not by us.
fn lost(o: &Observed, desired: &Desired, lists: &AccountLists, id: &str) -> Decision {
    // The id in status is only a hint: if another instance carries the mark, that one is the object's.
    let is_gone = |other: &str| o.local.gone.as_ref().is_some_and(|(gone, _)| gone == other);
    let mut claims = claims(lists, &o.subject);
    claims.ours.retain(|other| other.id != id && !is_gone(&other.id));
    if let Some(decision) = create::ambiguous(o, &claims.ours, &claims.stale_owner) {
        let message = format!("instance {id} does not exist any more");
        return decision.ready(Readiness::Missing(Reason::ExternallyDeleted), message);
    }
    if let [other] = claims.ours.as_slice() {
        return present(o, desired, other, None);
    }
    let gone = |message: String| {
        Decision::blocked(o, Reason::ExternallyDeleted, message).ready(
            Readiness::Missing(Reason::ExternallyDeleted),
            format!("instance {id} does not exist any more"),
        )
    };
    if desired.on_external_deletion == OnExternalDeletion::Report {
        return gone(format!(
            "instance {id} was deleted in the cloud, with its data; delete this object, or set onExternalDeletion to \
             Recreate for a new, empty instance"
        ));
    }
    let so_far = u32::try_from(o.status.recreations.unwrap_or(0)).unwrap_or(0);
    let same_spec = o.status.observed_generation == Some(o.subject.generation);
    if so_far >= o.settings.max_recreations && same_spec {
        return gone(format!(
            "instance {id} was deleted in the cloud; it was replaced {so_far} times already and is not replaced again \
             until the spec changes"
        ));
    }
    absence::await_lists(o, lists, |why| create::creating(o, why)).unwrap_or_else(|| create::make(o, desired))
}

/// It exists. `snapshot` is there if it was looked at in this pass.
fn present(
    o: &Observed,
    desired: &Desired,
    facts: &InstanceFacts,
    snapshot: Option<&InstanceSnapshot>,
) -> Decision {
    if facts.status == Some(InstanceStatus::CreateFailed) {
        return failed::decide(o, facts);
    }
    if o.status.id.is_none() && !is_live(facts) {
        return on_its_way_out(o, &facts.id);
    }
    let look = || {
        let decision =
            Decision::new(o, Situation::Changing(Reason::Applying), "the instance is looked at closely");
        decision
            .with_observation(facts)
            .step(Step::Lookup(Lookup::Detail { id: facts.id.clone() }))
            .follow(Follow::NEXT_LIST)
    };
    match ownership_of(facts, &o.subject) {
        Ownership::Ours(_) => {}
        // The list may be older than our own mark.
        Ownership::Unowned | Ownership::Foreign if snapshot.is_none() => return look(),
        Ownership::Foreign => return adopt::owned(o, &facts.id).with_observation(facts),
        Ownership::Unowned => return unmarked(o, desired, facts),
    }
    match serves(facts.status.as_ref()) {
        Err(Reason::Creating) => return being_made(o, facts),
        Err(why) => return not_serving(o, facts, why),
        Ok(()) => {}
    }
    let resolved = o.status.resolved.as_ref();
    let differences = Differences::between(desired, facts, snapshot, resolved, o.status.applied.as_ref());
    let extending = facts.status == Some(InstanceStatus::Extending);
    if snapshot.is_none() && !extending && (!differences.is_empty() || is_new_shape(o, facts)) {
        return look();
    }
    if extending {
        let decision = Decision::new(o, Situation::Changing(Reason::Resizing), "the cloud says EXTENDING");
        return decision.with_observation(facts).pending(differences.changes).follow(Follow::CHANGES);
    }
    if differences.is_empty() && snapshot.is_none() && is_older_than_attempt(o) {
        let message = "the last request is still to be seen in the cloud's list";
        let decision = Decision::new(o, Situation::Changing(Reason::Applying), message);
        return decision.with_observation(facts).follow(Follow::NEXT_LIST).wait(o.settings.requeue.busy);
    }
    if differences.is_empty() {
        return Decision::new(o, Situation::InSync, "the cloud matches the spec")
            .with_observation(facts)
            .clear_operation();
    }
    change(o, desired, facts, snapshot, differences)
}

/// Whether the newest list was begun before a request whose outcome is unknown: what it shows may change yet.
fn is_older_than_attempt(o: &Observed) -> bool {
    let open = o.status.operation.as_ref().is_some_and(intent::is_unresolved);
    let begun = o.lists.as_ref().and_then(|lists| lists.latest).map(|latest| latest.begun);
    open && begun < o.local.intent_seen
}

fn being_made(o: &Observed, facts: &InstanceFacts) -> Decision {
    create::creating(o, BEING_MADE).with_observation(facts).follow(Follow::CHANGES)
}

fn not_serving(o: &Observed, facts: &InstanceFacts, why: Reason) -> Decision {
    // Of what this operator does so far, nothing stops an instance from serving.
    let word = facts.status.as_ref().map_or("nothing", InstanceStatus::as_str);
    let message = format!("the cloud says {word}: {} {}", why.meaning(), why.remedy());
    Decision::new(o, Situation::NotServing { why, ours: false }, message)
        .with_observation(facts)
        .follow(Follow::CHANGES)
        .wait(o.settings.requeue.operation_check_interval)
}

/// Somebody took the mark off: it is put back only if the spec names the instance.
fn unmarked(o: &Observed, desired: &Desired, facts: &InstanceFacts) -> Decision {
    if desired.adopt.as_deref() == Some(facts.id.as_str()) {
        let origin = says::recorded_origin(&o.status).unwrap_or(Origin::Adopted);
        return adopt::mark(o, &facts.id, origin).with_observation(facts);
    }
    let message = format!(
        "instance {} no longer carries the tags dcs-operator-* that say whose it is: nothing is changed until \
         adopt.instanceId is set to its ID",
        facts.id
    );
    Decision::blocked(o, Reason::MarkMissing, message).with_observation(facts)
}

/// Whether the instance was resized since it was looked at closely.
pub(super) fn is_new_shape(o: &Observed, facts: &InstanceFacts) -> bool {
    let known = o.status.resolved.as_ref().filter(|resolved| resolved.cache_mode.is_some());
    known.is_none_or(|resolved| resolved.spec_code != facts.spec_code)
}

/// Carries out what can be, in its order: refusals, settings, tags.
fn change(
    o: &Observed,
    desired: &Desired,
    facts: &InstanceFacts,
    snapshot: Option<&InstanceSnapshot>,
    differences: Differences,
) -> Decision {
    let id = facts.id.clone();
    let refused = differences.refused();
    if !refused.is_empty() {
        let fields: Vec<_> = refused.iter().map(|change| describe(change)).collect();
        let message =
            format!("{} cannot be changed by this version of the operator; put it back", fields.join(", "));
        return Decision::blocked(o, Reason::UnsupportedChange, message)
            .with_observation(facts)
            .pending(differences.changes);
    }
    let fields: Vec<_> = differences.changes.iter().map(describe).collect();
    let message = format!("{} is being changed", fields.join(", "));
    let changing = |message: String| {
        let decision = Decision::new(o, Situation::Changing(Reason::Applying), message);
        decision
            .with_observation(facts)
            .pending(differences.changes.clone())
            .follow(Follow::NEXT_LIST)
            .wait(o.settings.requeue.busy)
    };
    if let Some(task) = snapshot.and_then(|snapshot| snapshot.task.as_ref()) {
        return changing(format!("{message} once the instance is done with {task}"));
    }
    let Differences { update, set_tags, remove_tags, .. } = differences.clone();
    let step = if update != Default::default() {
        if let Some(decision) = window_problem(o, desired).filter(|_| update.maintain_begin.is_some()) {
            return decision.with_observation(facts).pending(differences.changes);
        }
        CloudAction::Update { id, request: Box::new(update) }
    } else if !set_tags.is_empty() {
        CloudAction::SetTags { id, tags: set_tags }
    } else {
        CloudAction::RemoveTags { id, tags: remove_tags }
    };
    match postponed(o, &step.type_()) {
        None => changing(message).step(Step::CloudAction(step)),
        Some((rest, None)) => changing(message).wait(rest),
        Some((rest, Some((reason, problem)))) => {
            let decision =
                Decision::blocked(o, reason, format!("{message}, but the cloud refused: {problem}"));
            decision.with_observation(facts).pending(differences.changes).wait(rest)
        }
    }
}

/// How long to wait with a change of this type because of what the last attempt came to, and what to say about it if
/// a person is needed.
fn postponed(o: &Observed, type_: &OperationType) -> Option<(Duration, Option<(Reason, String)>)> {
    let operation = o.status.operation.as_ref()?;
    if intent::is_unresolved(operation) {
        return o.window_rest().map(|rest| (rest, None));
    }
    let rest = intent::retry_after(o, operation).filter(|_| operation.type_ == *type_)?;
    let reason = operation.reason.as_deref().and_then(Reason::from_word);
    let needs_user = reason.filter(|reason| retry_class(*reason) == RetryClass::NeedsUser);
    Some((rest, needs_user.zip(operation.message.clone())))
}

/// Whether the maintenance window is one that the site offers; `None` if it is, or none is declared.
pub(super) fn window_problem(o: &Observed, desired: &Desired) -> Option<Decision> {
    let window = desired.window.as_ref()?;
    match &o.lookups.windows {
        None => {
            let decision =
                Decision::new(o, Situation::Changing(Reason::Applying), "the windows are looked up");
            Some(decision.step(Step::Lookup(Lookup::Windows)))
        }
        Some(Err(blocker)) => Some(Decision::unanswered(o, blocker)),
        Some(Ok(windows)) => {
            let problem = window.offered(windows).err()?;
            Some(Decision::blocked(o, Reason::InvalidSpec, problem.to_string()))
        }
    }
}

/// `capacity (4Gi to 8Gi)`.
fn describe(change: &PendingChange) -> String {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    format!("{} ({} to {})", change.field, shown(&change.from), shown(&change.to))
}
