//! The object's instance exists, or did: it is compared with the spec, and changed where it differs.

use std::time::Duration;

use super::{
    adopt, create,
    decision::Decision,
    desired::Desired,
    diff::Differences,
    failed, intent, lookup,
    observed::{Closeup, Detail, Lists, Observed, pace_of},
    ownership::{Belongs, belongs, claims, is_live},
    says::{self, serves},
    step::{Change, Look, Step},
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
        schedule::Pace,
    },
};

/// Said from when the cloud has taken the request until it is done, whether lists show the instance yet or not: a
/// status is written when something happens, not when it is seen.
const BEING_MADE: &str = "the cloud is making the instance";

/// For the instance `id`, which is the object's by its status or by its mark.
pub(super) fn decide(o: &Observed, desired: &Desired, lists: &Lists, id: &str) -> Decision {
    let listed = lists.listed(id);
    let ours = claims(lists, &o.subject).ours;
    let is_one_of_several = ours.len() > 1 && ours.iter().any(|facts| facts.id == id);
    if let Some(decision) = create::ambiguous(o, &ours, &[])
        && is_one_of_several
        && desired.adopt.as_deref() != Some(id)
    {
        return match listed {
            Some(facts) => decision.seen(facts),
            None => decision,
        };
    }
    match (&o.looks.detail, listed) {
        (Some(Detail::Found(closeup)), _) => {
            present(o, desired, &closeup.facts, Some(closeup)).until_listed(o, &closeup.facts)
        }
        (Some(Detail::NotFound), _) => absent(o, desired, lists, id),
        (Some(Detail::Failed(obstacle)), _) => Decision::unanswered(o, obstacle),
        (None, Some(facts)) => present(o, desired, facts, None),
        (None, None) => unlisted(o, desired, lists, id),
    }
}

/// No list shows it.
fn unlisted(o: &Observed, desired: &Desired, lists: &Lists, id: &str) -> Decision {
    if let Some(facts) = lists.failed.iter().find(|facts| facts.id == id) {
        return failed::decide(o, facts);
    }
    if lookup::may_be_invisible(o, id) {
        return invisible(o);
    }
    let confirmed = o.memory.gone.as_ref().filter(|(gone, at)| {
        gone == id && o.now.monotonic.saturating_sub(*at) < o.settings.pacing.slow_round
    });
    if confirmed.is_some() {
        return lost(o, desired, lists, id);
    }
    let decision = Decision::new(o, Situation::Changing(Reason::Applying), "no list shows the instance");
    decision.step(Step::Look(Look::Detail { id: id.to_owned() }))
}

/// The cloud says that it does not exist.
fn absent(o: &Observed, desired: &Desired, lists: &Lists, id: &str) -> Decision {
    if lookup::may_be_invisible(o, id) {
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
fn lost(o: &Observed, desired: &Desired, lists: &Lists, id: &str) -> Decision {
    // The id in status is only a hint: if another instance carries the mark, that one is the object's.
    let is_gone = |other: &str| o.memory.gone.as_ref().is_some_and(|(gone, _)| gone == other);
    let mut claims = claims(lists, &o.subject);
    claims.ours.retain(|other| other.id != id && !is_gone(&other.id));
    if let Some(decision) = create::ambiguous(o, &claims.ours, &claims.strangers) {
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
    if so_far >= o.settings.most_recreations && same_spec {
        return gone(format!(
            "instance {id} was deleted in the cloud; it was replaced {so_far} times already and is not replaced again \
             until the spec changes"
        ));
    }
    lookup::await_lists(o, lists, |why| create::creating(o, why)).unwrap_or_else(|| create::make(o, desired))
}

/// It exists. `closeup` is there if it was looked at in this pass.
fn present(o: &Observed, desired: &Desired, facts: &InstanceFacts, closeup: Option<&Closeup>) -> Decision {
    if facts.status == Some(InstanceStatus::CreateFailed) {
        return failed::decide(o, facts);
    }
    if o.status.id.is_none() && !is_live(facts) {
        return on_its_way_out(o, &facts.id);
    }
    let look = || {
        let decision =
            Decision::new(o, Situation::Changing(Reason::Applying), "the instance is looked at closely");
        decision.seen(facts).step(Step::Look(Look::Detail { id: facts.id.clone() })).follow(Follow::NEXT_LIST)
    };
    match belongs(facts, &o.subject) {
        Belongs::Us(_) => {}
        // The list may be older than our own mark.
        Belongs::Nobody | Belongs::Another if closeup.is_none() => return look(),
        Belongs::Another => return adopt::owned(o, &facts.id).seen(facts),
        Belongs::Nobody => return unmarked(o, desired, facts),
    }
    match serves(facts.status.as_ref()) {
        Err(Reason::Creating) => return being_made(o, facts),
        Err(why) => return not_serving(o, facts, why),
        Ok(()) => {}
    }
    let resolved = o.status.resolved.as_ref();
    let differences = Differences::between(desired, facts, closeup, resolved, o.status.applied.as_ref());
    let extending = facts.status == Some(InstanceStatus::Extending);
    if closeup.is_none() && !extending && (!differences.is_empty() || is_new_shape(o, facts)) {
        return look();
    }
    if extending {
        let decision = Decision::new(o, Situation::Changing(Reason::Resizing), "the cloud says EXTENDING");
        return decision.seen(facts).pending(differences.changes).follow(Follow::CHANGES);
    }
    if differences.is_empty() && closeup.is_none() && is_older_than_attempt(o) {
        let message = "the last request is still to be seen in the cloud's list";
        let decision = Decision::new(o, Situation::Changing(Reason::Applying), message);
        return decision.seen(facts).follow(Follow::NEXT_LIST).wait(o.settings.pacing.busy);
    }
    if differences.is_empty() {
        return Decision::new(o, Situation::InSync, "the cloud matches the spec").seen(facts).settled();
    }
    change(o, desired, facts, closeup, differences)
}

/// Whether the newest list was begun before a request whose outcome is unknown: what it shows may change yet.
fn is_older_than_attempt(o: &Observed) -> bool {
    let open = o.status.operation.as_ref().is_some_and(intent::is_open);
    let begun = o.lists.as_ref().and_then(|lists| lists.latest).map(|latest| latest.begun);
    open && begun < o.memory.intent_seen
}

fn being_made(o: &Observed, facts: &InstanceFacts) -> Decision {
    create::creating(o, BEING_MADE).seen(facts).follow(Follow::CHANGES)
}

fn not_serving(o: &Observed, facts: &InstanceFacts, why: Reason) -> Decision {
    // Of what this operator does so far, nothing stops an instance from serving.
    let word = facts.status.as_ref().map_or("nothing", InstanceStatus::as_str);
    let message = format!("the cloud says {word}: {} {}", why.meaning(), why.remedy());
    Decision::new(o, Situation::NotServing { why, ours: false }, message)
        .seen(facts)
        .follow(Follow::CHANGES)
        .wait(o.settings.pacing.backstop)
}

/// Somebody took the mark off: it is put back only if the spec names the instance.
fn unmarked(o: &Observed, desired: &Desired, facts: &InstanceFacts) -> Decision {
    if desired.adopt.as_deref() == Some(facts.id.as_str()) {
        let origin = says::recorded_origin(&o.status).unwrap_or(Origin::Adopted);
        return adopt::mark(o, &facts.id, origin).seen(facts);
    }
    let message = format!(
        "instance {} no longer carries the tags dcs-operator-* that say whose it is: nothing is changed until \
         adopt.instanceId is set to its ID",
        facts.id
    );
    Decision::blocked(o, Reason::MarkMissing, message).seen(facts)
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
    closeup: Option<&Closeup>,
    differences: Differences,
) -> Decision {
    let id = facts.id.clone();
    let refused = differences.refused();
    if !refused.is_empty() {
        let fields: Vec<_> = refused.iter().map(|change| describe(change)).collect();
        let message =
            format!("{} cannot be changed by this version of the operator; put it back", fields.join(", "));
        return Decision::blocked(o, Reason::UnsupportedChange, message)
            .seen(facts)
            .pending(differences.changes);
    }
    let fields: Vec<_> = differences.changes.iter().map(describe).collect();
    let message = format!("{} is being changed", fields.join(", "));
    let changing = |message: String| {
        let decision = Decision::new(o, Situation::Changing(Reason::Applying), message);
        decision
            .seen(facts)
            .pending(differences.changes.clone())
            .follow(Follow::NEXT_LIST)
            .wait(o.settings.pacing.busy)
    };
    if let Some(task) = closeup.and_then(|closeup| closeup.task.as_ref()) {
        return changing(format!("{message} once the instance is done with {task}"));
    }
    let Differences { update, set_tags, remove_tags, .. } = differences.clone();
    let step = if update != Default::default() {
        if let Some(decision) = window_problem(o, desired).filter(|_| update.maintain_begin.is_some()) {
            return decision.seen(facts).pending(differences.changes);
        }
        Change::Update { id, request: Box::new(update) }
    } else if !set_tags.is_empty() {
        Change::SetTags { id, tags: set_tags }
    } else {
        Change::RemoveTags { id, tags: remove_tags }
    };
    match postponed(o, &step.type_()) {
        None => changing(message).step(Step::Change(step)),
        Some((rest, None)) => changing(message).wait(rest),
        Some((rest, Some((reason, problem)))) => {
            let decision =
                Decision::blocked(o, reason, format!("{message}, but the cloud refused: {problem}"));
            decision.seen(facts).pending(differences.changes).wait(rest)
        }
    }
}

/// How long to wait with a change of this type because of what the last attempt came to, and what to say about it if
/// a person is needed.
fn postponed(o: &Observed, type_: &OperationType) -> Option<(Duration, Option<(Reason, String)>)> {
    let operation = o.status.operation.as_ref()?;
    if intent::is_open(operation) {
        return o.window_rest().map(|rest| (rest, None));
    }
    let rest = intent::hold(o, operation).filter(|_| operation.type_ == *type_)?;
    let reason = operation.reason.as_deref().and_then(Reason::from_word);
    let slow = reason.filter(|reason| pace_of(*reason) == Pace::Slow);
    Some((rest, slow.zip(operation.message.clone())))
}

/// Whether the maintenance window is one that the site offers; `None` if it is, or none is declared.
pub(super) fn window_problem(o: &Observed, desired: &Desired) -> Option<Decision> {
    let window = desired.window.as_ref()?;
    match &o.looks.windows {
        None => {
            let decision =
                Decision::new(o, Situation::Changing(Reason::Applying), "the windows are looked up");
            Some(decision.step(Step::Look(Look::Windows)))
        }
        Some(Err(obstacle)) => Some(Decision::unanswered(o, obstacle)),
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
