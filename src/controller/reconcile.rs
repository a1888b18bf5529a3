//! The reconcile, written once for every kind: gather, plan, execute, publish.
//!
//! It may be dropped at any await, and the process may end there. The next one then finds out what happened.

use std::{sync::Arc, time::Duration};

use kube::Resource;

use super::{
    accounts::AccountUnavailable,
    calls::RetryAt,
    event_sink::Action,
    ids::ObjectId,
    local_state::{Requeue, Version},
    ports::{ClusterError, ManagedResource, ObjectApi, prune_empty},
    reconciler::{ContextOf, Known, ObservedState, PlanOf, ReconcileContext, Reconciler, StatusOf, Time},
};
use crate::{
    api::{Reason, words::OperationType},
    inventory::{AccountKey, Priority, Work},
    plan::{
        Blocker, Step,
        conditions::transitions,
        operation::{ChangeOutcome, HasOperation, MutatingAction, is_account_limit, record_outcome},
        schedule::{INITIAL_STATUS_GRACE, RequeuePolicy, RetryClass},
    },
};

/// Lookups in one reconcile, at most.
const MAX_LOOKUPS: usize = 6;

/// Reconciles one object: at most one change in the cloud, or one in Kubernetes.
pub async fn reconcile<T: Reconciler>(kind: &T, id: &ObjectId) -> Requeue {
    let object = match newest(kind, id).await {
        Ok(Some(object)) => object,
        Ok(None) => {
            forget(kind, id);
            return Requeue::Gone;
        }
        Err(error) => return requeue_after_error(kind, id, &error),
    };
    let before = kind.local_states().failures(id);
    match run(kind, &object).await {
        Ok(next) => {
            // A failed lookup was counted, though the reconcile succeeded.
            if kind.local_states().failures(id) == before {
                kind.local_states().succeeded(id);
            }
            Requeue::At(next)
        }
        Err(error) => {
            kind.local_states().invalidate(&object);
            requeue_after_error(kind, id, &error)
        }
    }
}

/// Drops the state of an object that no longer exists.
pub(super) fn forget<T: Reconciler>(kind: &T, id: &ObjectId) {
    kind.local_states().forget(id);
    if let Some(refused) = kind.local_states().status_accepted(id, true) {
        kind.shared().event_sink.on_refused_statuses(T::Object::KIND, refused);
    }
    kind.shared().inventory.unsubscribe(id);
}

/// Requests one call from the budget. Returns when the grant expires.
///
/// # Errors
/// [`RetryAt`] if the budget has no room.
pub fn request<T: Reconciler>(kind: &T, context: &ContextOf<T>, work: Work) -> Result<Duration, RetryAt> {
    let shared = kind.shared();
    let Some((account, _)) = &context.cloud else { return Err(RetryAt(shared.clock.monotonic())) };
    let priority = if context.observed.is_urgent() { Priority::Urgent } else { Priority::Periodic };
    shared.request(account, work, priority, &context.object.object_id())
}

/// The time now.
pub(super) fn now<T: Reconciler>(kind: &T) -> Time {
    let clock = &kind.shared().clock;
    Time { wall: clock.now(), monotonic: clock.monotonic() }
}

/// The object, never older than the last write of this process.
async fn newest<T: Reconciler>(kind: &T, id: &ObjectId) -> Result<Option<Arc<T::Object>>, ClusterError> {
    match kind.local_states().newest(id, kind.objects().cached(id)) {
        Version::Is(object) => Ok(Some(object)),
        Version::None => Ok(None),
        Version::Ask => {
            let object = kind.objects().get(id).await?.map(Arc::new);
            if let Some(object) = &object {
                kind.local_states().wrote(object);
            }
            Ok(object)
        }
    }
}

/// What is known without a call to the account. `None` while another reconcile looks the account up.
async fn gather<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
) -> Result<Option<ContextOf<T>>, ClusterError> {
    let shared = kind.shared();
    let token = object.retry_token();
    let retry = kind.local_states().with(object, |entry| entry.asks_retry(token.as_ref()));
    let credentials = kind.credentials(object);
    let resolved = match &credentials {
        Some(credentials) => shared.resolve_account(credentials, retry).await?,
        None => Err(AccountUnavailable::Blocker(no_account())),
    };
    let (account, cloud) = match resolved {
        Ok((account, cloud)) => (Ok(account), Some(cloud)),
        Err(AccountUnavailable::Blocker(blocker)) => (Err(blocker), None),
        Err(AccountUnavailable::InProgress) => return Ok(None),
    };
    let now = now(kind);
    let mut status = object.status().cloned().unwrap_or_default();
    let snapshot = cloud.as_ref().and_then(|(account, _)| shared.inventory.snapshot(account));
    let limit = cloud.as_ref().and_then(|(account, _)| shared.account_limits.get(&account.site()));
    let retry = kind.local_states().with(object, |entry| entry.serve_retry(token));
    if let (true, Some((account, _))) = (retry, &cloud) {
        shared.inventory.retry_now(account);
    }
    let known = kind.local_states().with(object, |entry| {
        entry.read(object);
        if account.is_err() && credentials.is_some() {
            entry.count_failure();
        }
        entry.attempts.observe(status.operation(), now.monotonic);
        entry.attempts.restore_outcome(&mut status);
        Known {
            object: Arc::clone(object),
            status,
            account,
            account_key: cloud.as_ref().map(|(key, _)| key.clone()),
            snapshot,
            limit: limit.clone(),
            retry,
            first_seen: entry.first_seen(now.monotonic),
            intent_seen: entry.attempts.first_seen(),
            creation: entry.attempts.creation().cloned(),
            finalizer_added: entry.finalizer_added,
            failures: entry.failures(),
            local: entry.more.clone(),
            now,
        }
    });
    let observed = kind.observe(known);
    let (object, scratch) = (Arc::clone(object), T::Scratch::default());
    Ok(Some(ReconcileContext { object, cloud, limit, observed, scratch }))
}

/// Why an object without credentials has no account.
pub(super) fn no_account() -> Blocker {
    Blocker { reason: Reason::CloudUnreachable, message: "no credentials lead to an account".to_owned() }
}

async fn run<T: Reconciler>(kind: &T, object: &Arc<T::Object>) -> Result<Duration, ClusterError> {
    let Some(mut context) = gather(kind, object).await? else {
        return Ok(later(kind, RetryClass::Kube));
    };
    let mut plan = kind.plan(&context.observed);
    for _ in 0..MAX_LOOKUPS {
        let Step::Lookup(lookup) = &plan.step else { break };
        if let Err(RetryAt(until)) = kind.lookup(&mut context, lookup).await {
            subscribe(kind, &context, &plan);
            return Ok(until);
        }
        // The lookup took time.
        context.observed.set_time(now(kind));
        plan = kind.plan(&context.observed);
    }
    subscribe(kind, &context, &plan);
    execute(kind, object, context, plan).await
}

async fn execute<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    context: ContextOf<T>,
    plan: PlanOf<T>,
) -> Result<Duration, ClusterError> {
    let now = kind.shared().clock.monotonic();
    match &plan.step {
        // The lookups do not end.
        Step::Lookup(_) => Ok(later(kind, RetryClass::Transient)),
        Step::Nothing => {
            publish(kind, object, &plan).await?;
            Ok(now.saturating_add(plan.wait))
        }
        Step::AddFinalizer => {
            // The answer may be lost.
            kind.local_states().with(object, |entry| entry.finalizer_added = true);
            let object = kind.objects().add_finalizer(object, T::FINALIZER).await?;
            kind.local_states().wrote(&Arc::new(object));
            Ok(now)
        }
        Step::RemoveFinalizer => {
            tell_warnings(kind, object, &plan);
            kind.objects().remove_finalizer(object, T::FINALIZER).await?;
            // Only the API server knows whether the object still exists.
            kind.local_states().invalidate(object);
            Ok(now)
        }
        Step::Prepare(action) => {
            kind.prepare(&context, action).await?;
            tell_warnings(kind, object, &plan);
            Ok(now)
        }
        Step::CloudAction(action) => match reserve_write(kind, &context, action) {
            Ok(until) => {
                tell_warnings(kind, object, &plan);
                execute_cloud_action(kind, object, context, (action, plan.intent.as_deref()), until).await
            }
            Err(RetryAt(until)) => {
                // A published status already says what the object waits for; a new object gets one if the wait is long.
                if object.has_conditions() || until.saturating_sub(now) > INITIAL_STATUS_GRACE {
                    publish(kind, object, &plan).await?;
                }
                Ok(until)
            }
        },
    }
}

/// Requests a mutating call. Returns when it may be sent at the latest.
fn reserve_write<T: Reconciler>(
    kind: &T,
    context: &ContextOf<T>,
    action: &T::CloudAction,
) -> Result<Duration, RetryAt> {
    let shared = kind.shared();
    if !shared.may_write() {
        return Err(RetryAt(shared.clock.monotonic().saturating_add(INITIAL_STATUS_GRACE)));
    }
    let until = request(kind, context, Work::Write)?;
    if let (OperationType::Create, Some((account, _))) = (action.operation_type(), &context.cloud) {
        let (known, now) = (context.limit.as_ref(), shared.clock.monotonic());
        let reserved = shared.account_limits.begin_probe(&account.site(), known, now, policy(kind));
        reserved.map_err(RetryAt)?;
    }
    Ok(until)
}

/// Keeps what a create has shown about the limits of the account.
fn note_limit<T: Reconciler>(kind: &T, account: &AccountKey, outcome: &ChangeOutcome) {
    let limits = &kind.shared().account_limits;
    match outcome {
        ChangeOutcome::Accepted { .. } => limits.lifted(&account.site()),
        ChangeOutcome::Refused { reason, message } if is_account_limit(*reason) => {
            let blocker = Blocker { reason: *reason, message: message.clone() };
            limits.reached(account.site(), blocker, kind.shared().clock.monotonic(), policy(kind));
        }
        ChangeOutcome::Refused { .. } | ChangeOutcome::Unknown { .. } => {}
    }
}

/// Writes the intent, sends the call, and writes the outcome.
async fn execute_cloud_action<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    mut context: ContextOf<T>,
    (action, intent): (&T::CloudAction, Option<&StatusOf<T>>),
    until: Duration,
) -> Result<Duration, ClusterError> {
    // No call without a written intent, nor without an account.
    let (Some(intent), Some((account, cloud))) = (intent, context.cloud.clone()) else {
        return Ok(later(kind, RetryClass::Transient));
    };
    let object = write_intent(kind, object, &mut context, intent).await?;
    let call = kind.execute(&context, action, &cloud);
    let outcome = kind.shared().send(&account, until, call).await;
    if action.operation_type() == OperationType::Create {
        note_limit(kind, &account, &outcome);
    }
    let action = describe(action, &outcome);
    kind.shared().event_sink.on_cloud_action(&object.object_ref(&()), &action);
    kind.local_states().with(&object, |entry| entry.attempts.record_outcome(&outcome));
    record_outcome(context.observed.status_mut(), &outcome);
    context.observed.on_change();
    context.observed.set_time(now(kind));
    let after = kind.plan(&context.observed);
    subscribe(kind, &context, &after);
    publish(kind, &object, &after).await?;
    let now = kind.shared().clock.monotonic();
    Ok(match after.step {
        Step::Nothing => now.saturating_add(after.wait),
        Step::Lookup(_)
        | Step::AddFinalizer
        | Step::RemoveFinalizer
        | Step::Prepare(_)
        | Step::CloudAction(_) => now,
    })
}

/// Writes the intent. Without a confirmation from the API server, no call follows.
async fn write_intent<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    context: &mut ContextOf<T>,
    intent: &StatusOf<T>,
) -> Result<Arc<T::Object>, ClusterError> {
    let written = match write(kind, object, intent).await {
        Ok(written) => written,
        Err(error) => {
            let operation = intent.operation();
            kind.local_states().with(object, |entry| entry.attempts.on_intent_unconfirmed(operation));
            return Err(error);
        }
    };
    let now = kind.shared().clock.monotonic();
    let status = written.status().cloned().unwrap_or_default();
    let first_seen = kind.local_states().with(&written, |entry| {
        entry.attempts.on_intent_recorded(status.operation(), now);
        entry.attempts.first_seen()
    });
    context.object = Arc::clone(&written);
    context.observed.on_intent_recorded(status, first_seen);
    Ok(written)
}

fn describe<'a>(action: &'a impl MutatingAction, outcome: &'a ChangeOutcome) -> Action<'a> {
    let created = match outcome {
        ChangeOutcome::Accepted { instance_id } => instance_id.as_deref(),
        ChangeOutcome::Refused { .. } | ChangeOutcome::Unknown { .. } => None,
    };
    Action {
        type_: action.operation_type(),
        instance: action.instance_id().or(created),
        outcome,
        consent: action.consent(),
    }
}

/// Subscribes the object to changes of its account.
fn subscribe<T: Reconciler>(kind: &T, context: &ContextOf<T>, plan: &PlanOf<T>) {
    let (inventory, id) = (&kind.shared().inventory, context.object.object_id());
    match &context.cloud {
        Some((account, _)) => {
            let subscription = kind.subscription(&context.observed, plan);
            inventory.subscribe(id, account, subscription);
        }
        None => inventory.unsubscribe(&id),
    }
}

/// Sends an Event for each warning that was not told yet.
fn tell_warnings<T: Reconciler>(kind: &T, object: &T::Object, plan: &PlanOf<T>) {
    for warning in kind.local_states().with(object, |entry| entry.new_warnings(&plan.warnings)) {
        kind.shared().event_sink.on_warning(&object.object_ref(&()), &warning);
    }
}

/// Writes the status if it differs.
async fn publish<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    plan: &PlanOf<T>,
) -> Result<(), ClusterError> {
    if !plan.publish {
        return Ok(());
    }
    tell_warnings(kind, object, plan);
    if is_unchanged(object.status(), &plan.status)? {
        return Ok(());
    }
    write(kind, object, &plan.status).await?;
    Ok(())
}

async fn write<T: Reconciler>(
    kind: &T,
    object: &Arc<T::Object>,
    status: &StatusOf<T>,
) -> Result<Arc<T::Object>, ClusterError> {
    let answer = kind.objects().publish_status(object, status).await;
    match &answer {
        Ok(_) => note_acceptance(kind, object, true),
        Err(ClusterError::Invalid(_)) => note_acceptance(kind, object, false),
        Err(_) => {}
    }
    let written = Arc::new(answer?);
    kind.local_states().wrote(&written);
    let before = object.status().map(HasOperation::conditions).unwrap_or_default();
    for transition in transitions(before, status.conditions()) {
        kind.shared().event_sink.on_transition(&written.object_ref(&()), &transition);
    }
    Ok(written)
}

/// Keeps whether the API server accepts the status of an object.
fn note_acceptance<T: Reconciler>(kind: &T, object: &T::Object, accepted: bool) {
    if let Some(refused) = kind.local_states().status_accepted(&object.object_id(), accepted) {
        kind.shared().event_sink.on_refused_statuses(T::Object::KIND, refused);
    }
}

/// Whether both are stored alike.
fn is_unchanged<S: PartialEq + serde::Serialize>(
    published: Option<&S>,
    status: &S,
) -> Result<bool, ClusterError> {
    let Some(published) = published else { return Ok(false) };
    Ok(published == status || prune_empty(published)? == prune_empty(status)?)
}

fn policy<T: Reconciler>(kind: &T) -> &RequeuePolicy {
    &kind.shared().settings.requeue
}

/// The time of the first retry.
fn later<T: Reconciler>(kind: &T, class: RetryClass) -> Duration {
    kind.shared().clock.monotonic().saturating_add(policy(kind).retry_delay(class, 1))
}

/// The retry of a failed reconcile. A conflict is retried at once: mostly the object has just changed.
fn requeue_after_error<T: Reconciler>(kind: &T, id: &ObjectId, error: &ClusterError) -> Requeue {
    let failures = kind.local_states().failed(id);
    let at_once = matches!(error, ClusterError::Conflict(_) | ClusterError::Gone) && failures < 3;
    let class = if needs_user(error) { RetryClass::Rejected } else { RetryClass::Kube };
    let delay = if at_once { Duration::ZERO } else { policy(kind).retry_delay(class, failures) };
    if needs_user(error) && failures.is_power_of_two() {
        tracing::warn!(object = %id, %error, failures, "the API server rejects the operator's request; it is retried");
    } else {
        tracing::debug!(object = %id, %error, "reconcile failed; it is retried");
    }
    Requeue::Failed(kind.shared().clock.monotonic().saturating_add(delay))
}

/// Retries alone do not mend the cause: a missing permission, or a request that the API server does not accept.
fn needs_user(error: &ClusterError) -> bool {
    match error {
        ClusterError::Forbidden(_) | ClusterError::Invalid(_) => true,
        ClusterError::Conflict(_) | ClusterError::Gone | ClusterError::Unavailable(_) => false,
    }
}
