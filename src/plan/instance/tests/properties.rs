//! Properties that hold for every state of the object and of the cloud.

use proptest::prelude::*;

use super::{
    super::{
        input::ownership::{self, Ownership},
        status::observation,
    },
    world::{CANARY, cases, reconcile, world},
    *,
};
use crate::{
    api::instance::{DeletionPolicy, ManagementPolicy, OnExternalDeletion, ReclaimPolicy},
    formats::UID_TAG,
};

fn action_of(plan: &Plan) -> Option<&CloudAction> {
    match &plan.step {
        Step::CloudAction(action) => Some(action),
        _ => None,
    }
}

/// The facts from this reconcile's read of the detail.
fn read_facts(o: &Observed) -> Option<&InstanceFacts> {
    match &o.lookups.detail {
        Some((_, Detail::Found(snapshot))) => Some(&snapshot.facts),
        _ => None,
    }
}

/// The newest facts of the instance `id`.
fn newest<'a>(o: &'a Observed, id: &str) -> Option<&'a InstanceFacts> {
    let lists = o.lists.iter().flat_map(|lists| lists.known.iter().chain(&lists.marked).chain(&lists.named));
    let read = read_facts(o).into_iter().chain(candidate(o));
    read.chain(lists.map(Arc::as_ref)).find(|facts| facts.id == id)
}

fn origin_of(o: &Observed, facts: &InstanceFacts) -> Option<Origin> {
    match ownership::ownership_of(facts, &o.subject) {
        Ownership::Ours(origin) => Some(origin),
        _ => None,
    }
}

/// Live instances in the lists whose tags have the object's uid.
fn claimed(o: &Observed) -> Vec<&InstanceFacts> {
    let lists = o.lists.iter().flat_map(|lists| lists.known.iter().chain(&lists.marked)).map(Arc::as_ref);
    lists.filter(|facts| facts.tag(UID_TAG) == Some(UID) && ownership::is_live(facts)).collect()
}

fn check_lookups_end(plans: &[(Observed, Plan)]) -> Result<(), TestCaseError> {
    let last = &plans.last().unwrap().1;
    prop_assert!(!matches!(last.step, Step::Lookup(_)), "{:?}", last.step);
    Ok(())
}

fn check_consent(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    let Some(CloudAction::Delete { id, failed, .. }) = action_of(plan) else { return Ok(()) };
    let facts = read_facts(o).filter(|facts| facts.id == *id);
    let Some((facts, origin)) = facts.and_then(|facts| Some((facts, origin_of(o, facts)?))) else {
        return Err(TestCaseError::fail(format!("{id} was not read, or is not the object's")));
    };
    let agreed = o.lookups.definition == Some(Ok(Definition::Complete))
        && o.subject.guard.is_none()
        && o.subject.deleting
        && o.policies.deletion_of(Some(origin)) == DeletionPolicy::Delete;
    let never_created = facts.status == Some(InstanceStatus::CreateFailed);
    prop_assert!(never_created || (agreed && failed.is_none()));
    Ok(())
}

fn check_target(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    let Some(id) = action_of(plan).and_then(CloudAction::instance_id) else { return Ok(()) };
    let facts = read_facts(o).filter(|facts| facts.id == id).or(candidate(o).filter(|facts| facts.id == id));
    let Some(facts) = facts else { return Err(TestCaseError::fail(format!("{id} was not read"))) };
    let ownership = ownership::ownership_of(facts, &o.subject);
    match action_of(plan) {
        Some(CloudAction::Adopt { .. }) => {
            let named = o.policies.adopt.as_deref() == Some(id)
                && matches!(ownership, Ownership::Unowned | Ownership::Released);
            let noted = o.notes.recorded_instance() == Some(id);
            let reclaims = match o.reclaim_policy() {
                ReclaimPolicy::Released => ownership == Ownership::Released && noted,
                ReclaimPolicy::Orphaned => matches!(ownership, Ownership::Released | Ownership::Orphaned),
                ReclaimPolicy::None => false,
            };
            prop_assert!(named || reclaims, "{:?}", ownership);
            prop_assert!(claimed(o).iter().all(|other| other.id == id));
        }
        Some(CloudAction::Release { .. }) => {
            prop_assert!(matches!(ownership, Ownership::Ours(_) | Ownership::Released | Ownership::Unowned));
            let ours = [("dcs-operator-uid", UID), ("dcs-operator-owner", o.subject.owner.as_str())];
            prop_assert!(ours.iter().any(|(key, value)| facts.tag(key) == Some(value)));
        }
        _ => prop_assert!(origin_of(o, facts).is_some()),
    }
    Ok(())
}

/// An instance without the object's tags is neither reported nor published, whatever the status says.
fn check_reported(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    let Some(facts) = read_facts(o).filter(|_| plan.publish && o.policies.manages()) else { return Ok(()) };
    if origin_of(o, facts).is_some() {
        return Ok(());
    }
    prop_assert!(
        plan.status.id.is_none()
            || plan.status.id == o.status.id
            || plan.status.id.as_ref() != Some(&facts.id)
    );
    prop_assert!(
        plan.status.endpoints.is_none()
            || plan.status.endpoints == o.status.endpoints
            || plan.status.id.as_ref() != Some(&facts.id)
    );
    Ok(())
}

fn candidate(o: &Observed) -> Option<&InstanceFacts> {
    match &o.lookups.candidate {
        Some((_, Detail::Found(snapshot))) => Some(&snapshot.facts),
        _ => None,
    }
}

fn check_permission(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    let Some(action) = action_of(plan) else { return Ok(()) };
    prop_assert!(!o.policies.paused && o.subject.finalizer);
    prop_assert!(o.desired.is_ok() || o.subject.deleting);
    // No other object operates on the instance.
    let others = o.claims.as_ref().is_none_or(|claims| !claims.is_empty());
    prop_assert!(o.status.holder.is_none() || !others, "{:?}", action);
    prop_assert_eq!(plan.intent.as_ref().and_then(|intent| intent.holder.as_ref()), None);
    if o.policies.management == ManagementPolicy::Observe {
        prop_assert!(matches!(action, CloudAction::Release { .. }), "{:?}", action);
    }
    let account = o.account.as_ref().unwrap();
    // A refused request had no effect.
    let effective = |operation: &OperationStatus| operation.outcome != Some(OperationOutcome::Refused);
    let is_bound = o.status.id.is_some() || o.status.operation.as_ref().is_some_and(effective);
    if let Some(recorded) = o.status.account.as_ref().filter(|_| is_bound) {
        prop_assert_eq!(&recorded.project_id, &account.account.project_id);
    }
    Ok(())
}

fn check_creation(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    let Some(CloudAction::Create(_)) = action_of(plan) else { return Ok(()) };
    prop_assert_eq!(claimed(o), Vec::<&InstanceFacts>::new());
    prop_assert_eq!(o.unread(o.lists.as_ref().unwrap()), None);
    let left = ownership::claims(o.lists.as_ref().unwrap(), &o.subject);
    let taken = o.candidate(left.orphaned.first().map_or("", |facts| &facts.id));
    let released_since = matches!(taken, Some(Detail::Found(found)) if ownership::ownership_of(&found.facts, &o.subject) == Ownership::Released);
    prop_assert!(left.orphaned.is_empty() || released_since && o.reclaim_policy() == ReclaimPolicy::None);
    prop_assert!(left.released.is_empty() || o.reclaim_policy() == ReclaimPolicy::None);
    let lists = o.lists.as_ref().unwrap();
    let latest = lists.latest.map(|latest| latest.begun);
    let since = |begun: [Option<Duration>; 2], time: Duration| {
        begun.iter().all(|begun| begun.is_some_and(|b| b >= time))
    };
    prop_assert!(since([latest, lists.failed_latest], o.local.first_seen));
    let may_tag = |operation: &&OperationStatus| {
        use OperationType::{Adopt, Create, Other};
        let unresolved = matches!(operation.outcome, None | Some(OperationOutcome::Other(_)));
        unresolved && matches!(operation.type_, Create | Adopt | Other(_))
    };
    if o.status.operation.as_ref().filter(may_tag).is_some() {
        let end = o.window_end();
        prop_assert!(o.now.monotonic >= end);
        prop_assert!(
            since([latest, lists.before], end) && since([lists.failed_latest, lists.failed_before], end)
        );
    }
    if let Some(id) = &o.status.id {
        prop_assert_eq!(o.local.gone.as_ref().map(|(gone, _)| gone), Some(id));
        prop_assert_eq!(o.policies.on_external_deletion, OnExternalDeletion::Recreate);
    }
    Ok(())
}

/// The finalizer stays while an instance with the ownership tags was not released.
fn check_finalizer(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    if plan.step != Step::RemoveFinalizer {
        return Ok(());
    }
    prop_assert!(o.subject.finalizer);
    prop_assert!(o.subject.deleting || o.policies.management == ManagementPolicy::Observe);
    // An object that only observes leaves the record of a failed creation.
    let is_left =
        |facts: &&InstanceFacts| facts.status == Some(InstanceStatus::CreateFailed) && !o.policies.manages();
    if let Some(facts) = read_facts(o).filter(|facts| !is_left(facts)) {
        prop_assert_eq!(origin_of(o, facts), None);
    }
    prop_assert!(!o.subject.deleting || o.subject.guard.is_none());
    if o.subject.deleting {
        let gone = o.local.gone.as_ref().map(|(id, _)| id.as_str());
        let read = read_facts(o).map(|facts| facts.id.as_str());
        let remaining: Vec<_> = claimed(o)
            .into_iter()
            .filter(|facts| Some(facts.id.as_str()) != gone && Some(facts.id.as_str()) != read)
            .collect();
        prop_assert!(o.account.is_err() || remaining.is_empty(), "{:?}", remaining);
    }
    Ok(())
}

fn check_status(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    prop_assert!(plan.wait <= s(70 * 60), "{:?}", plan.wait);
    for status in [Some(&plan.status), plan.intent.as_deref()].into_iter().flatten() {
        prop_assert_eq!(status.observed_generation, Some(o.subject.generation));
        for condition in &status.conditions {
            prop_assert_eq!(condition.observed_generation, Some(o.subject.generation));
        }
        let [_, _, reconciling, stalled] = values(status);
        prop_assert!(!(reconciling.starts_with("True") && stalled.starts_with("True")));
    }
    match (&plan.step, &plan.intent) {
        (Step::CloudAction(action), Some(intent)) => {
            let operation = intent.operation.as_ref().unwrap();
            prop_assert_eq!(&operation.outcome, &None);
            prop_assert_eq!(operation.instance_id.as_deref(), action.instance_id());
            prop_assert_eq!(&operation.type_, &action.type_());
            prop_assert!(operation.attempt >= 1);
        }
        (step, intent) => prop_assert!(!matches!(step, Step::CloudAction(_)) && intent.is_none()),
    }
    Ok(())
}

fn check_ready(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    let [ready, ..] = values(&plan.status);
    if !ready.starts_with("True") || !plan.publish {
        return Ok(());
    }
    let Some(id) = &plan.status.id else { return Err(TestCaseError::fail("ready without an instance")) };
    match newest(o, id).filter(|facts| observation::may_report(o, facts)) {
        Some(facts) => prop_assert_eq!(observation::serves(facts.status.as_ref()), Ok(())),
        None => {
            prop_assert!(o.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
            prop_assert!(!matches!(o.detail(id), Some(Detail::NotFound)));
        }
    }
    prop_assert!(read_facts(o).is_some() || o.observation_age(id) <= s(600));
    Ok(())
}

fn check_fixpoint(o: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    let [_, synced, ..] = values(&plan.status);
    let is_old = plan.status.id.as_deref().is_some_and(|id| o.observation_age(id) > s(600));
    if synced != "True/InSync" || is_old || plan.step != Step::Nothing || !plan.publish {
        return Ok(());
    }
    let next = Observed { status: plan.status.clone(), ..o.clone() };
    if !matches!(o.lookups.detail, Some((_, Detail::NotFound))) {
        prop_assert_eq!(&super::plan(&next).status, &plan.status);
    }
    // The same holds without the read, if the list shows the same facts. What the Secrets hold is known from before.
    let listed = plan.status.id.as_deref().and_then(|id| {
        let lists = o.lists.iter().flat_map(|lists| lists.known.iter().chain(&lists.marked));
        lists.map(Arc::as_ref).find(|facts| facts.id == id)
    });
    if read_facts(o).is_some_and(|facts| Some(facts) == listed) {
        let LookupResults { record, binding, definition, .. } = o.lookups.clone();
        let lookups = LookupResults { record, binding, definition, ..LookupResults::default() };
        let mut later = Observed { lookups, ..next };
        // The id in the status decides which instance is the known one.
        if let (Some(lists), Some(id)) = (&mut later.lists, &later.status.id) {
            lists.known = lists.listed(id).cloned();
        }
        prop_assert_eq!(&super::plan(&later), plan);
    }
    Ok(())
}

/// After a cloud action the reconciler plans again with its outcome.
fn check_after(o: &Observed, planned: &Plan) -> Result<(), TestCaseError> {
    let (Some(action), Some(intent)) = (action_of(planned), &planned.intent) else { return Ok(()) };
    let created = matches!(action, CloudAction::Create(_)).then(|| ID.to_owned());
    for outcome in [
        ChangeOutcome::Accepted { instance_id: created },
        ChangeOutcome::Refused {
            reason: Reason::QuotaExceeded,
            message: "DCS rejected the request".to_owned(),
        },
        ChangeOutcome::Unknown { reason: None, message: "no answer".to_owned() },
    ] {
        let mut o = Observed { status: intent.as_ref().clone(), ..o.clone() };
        (o.lookups.detail, o.local.intent_seen) = (None, Some(o.now.monotonic));
        o.lookups.candidate = None;
        intent::record_outcome(&mut o.status, &outcome);
        let after = plan(&o);
        check_status(&o, &after)?;
        // A further action needs another read, and nothing is created twice.
        prop_assert_eq!(action_of(&after), None, "{:?}", outcome);
        if matches!(action, CloudAction::Create(_)) {
            prop_assert_eq!(&after.status.operation, &o.status.operation);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(1000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planning_is_deterministic(world in world()) {
        for (o, plan) in reconcile(&world) {
            prop_assert_eq!(super::plan(&o), plan);
        }
    }

    #[test]
    fn lookups_end(world in world()) {
        check_lookups_end(&reconcile(&world))?;
    }

    #[test]
    fn deletion_needs_consent(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_consent(&o, &plan)?;
        }
    }

    #[test]
    fn actions_target_only_owned_instances_that_were_read(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_target(&o, &plan)?;
        }
    }

    #[test]
    fn only_own_instances_are_reported(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_reported(&o, &plan)?;
        }
    }

    #[test]
    fn actions_respect_the_policies(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_permission(&o, &plan)?;
        }
    }

    #[test]
    fn no_instance_is_created_twice(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_creation(&o, &plan)?;
        }
    }

    #[test]
    fn the_finalizer_is_removed_last(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_finalizer(&o, &plan)?;
        }
    }

    #[test]
    fn every_status_is_well_formed(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_status(&o, &plan)?;
        }
    }

    #[test]
    fn ready_needs_an_observation_that_it_serves(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_ready(&o, &plan)?;
        }
    }

    #[test]
    fn an_object_in_sync_is_a_fixpoint(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_fixpoint(&o, &plan)?;
        }
    }

    #[test]
    fn an_action_is_followed_by_a_read(world in world()) {
        for (o, plan) in reconcile(&world) {
            check_after(&o, &plan)?;
        }
    }

    #[test]
    fn no_plan_contains_a_secret(world in world()) {
        for (_, plan) in reconcile(&world) {
            let shown = format!("{:?}", plan);
            prop_assert!(!shown.contains(CANARY));
        }
    }
}
