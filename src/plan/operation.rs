//! Exactly-once, for every kind: the intent is written before a mutating call, the outcome after it, and an attempt
//! whose outcome is unknown blocks the next one until it can no longer take effect.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    blocker::{message_of, reason_for, retry_class, specific_reason, with_remedy},
    schedule::{RequeuePolicy, RetryClass},
};
use crate::{
    api::{
        Reason,
        instance::{CloudAccount, Holder, OperationStatus, PendingChange},
        time,
        words::{OperationOutcome, OperationType},
    },
    dcs::{
        error::{Class, Error},
        model::text,
    },
};

/// The longest message that `status.operation` keeps.
const MAX_MESSAGE_CHARS: usize = 1000;

/// A status that records the operation on its object.
pub trait HasOperation {
    /// The operation, if one was begun.
    fn operation(&self) -> Option<&OperationStatus>;

    /// The same, for writing.
    fn operation_mut(&mut self) -> Option<&mut OperationStatus>;

    /// The conditions.
    fn conditions(&self) -> &[Condition];

    /// The cloud accepted the operation and answered with the id of a new instance.
    fn on_created(&mut self, instance_id: &str) {
        let _ = instance_id;
    }
}

/// One mutating call to the cloud.
pub trait MutatingAction {
    /// The word in `status.operation.type`.
    fn operation_type(&self) -> OperationType;

    /// The instance that the call changes; a new one has no id yet.
    fn instance_id(&self) -> Option<&str>;

    /// Where something is destroyed, why that is allowed.
    fn consent(&self) -> Option<&'static str> {
        None
    }
}

/// The outcome of a mutating call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The cloud accepted the request.
    Accepted {
        /// The id of a new instance.
        instance_id: Option<String>,
    },
    /// The request changed nothing.
    Refused {
        /// The reason of the condition.
        reason: Reason,
        /// The cloud's words.
        message: String,
    },
    /// The request may have been carried out.
    Unknown {
        /// The reason of the condition, if the cloud gave one.
        reason: Option<Reason>,
        /// What is known.
        message: String,
    },
}

/// What an intent records.
#[derive(Debug)]
pub struct Intent<'a> {
    /// The operation.
    pub type_: OperationType,
    /// The object that it belongs to.
    pub holder: Holder,
    /// The instance that it changes.
    pub instance_id: Option<&'a str>,
    /// How often the cloud accepted the operation and then failed.
    pub failures: Option<i32>,
    /// What the call asks for.
    pub changes: Vec<PendingChange>,
    /// A message to keep.
    pub message: Option<String>,
}

/// What decides when an attempt ends and when the next may begin.
#[derive(Debug, Clone, Copy)]
pub struct AttemptContext<'a> {
    /// The name of this process in `status.operation.process`.
    pub process: &'a str,
    /// metadata.generation of the object.
    pub generation: i64,
    /// The account that a call is sent to.
    pub account: Option<&'a CloudAccount>,
    /// The keyed hash of everything in the credentials Secret that a call depends on.
    pub credentials_hash: Option<&'a str>,
    /// The token in the annotation that asks for a retry, unless it was served.
    pub retry_token: Option<&'a str>,
    /// How long an attempt of this process may still take effect after its intent was written.
    pub window: Duration,
    /// The part of it in which lists may not show the effect yet.
    pub list_lag: Duration,
    /// When this process first saw the present attempt, by the monotonic clock.
    pub first_seen: Option<Duration>,
    /// The wall clock.
    pub wall: DateTime<Utc>,
    /// The monotonic clock.
    pub monotonic: Duration,
    /// The waits between attempts.
    pub requeue: &'a RequeuePolicy,
}

/// What a process knows of the attempts of one object. It may be lost at any time: then the operator waits longer.
#[derive(Debug, Clone, Default)]
pub struct AttemptTracker {
    /// The attempt in the status.
    attempt: Option<Attempt>,
    /// When this process first saw it; for its own, after the intent was written.
    first_seen: Option<Duration>,
    /// Its outcome, until the status records it.
    outcome: Option<ChangeOutcome>,
    /// The attempt whose intent the API server did not confirm. Nothing was sent for it.
    unconfirmed: Option<Attempt>,
    /// The last creation that this process began and the cloud did not refuse, whatever the status says by now.
    creation: Option<Creation>,
}

/// A creation that this process began. A status that lost its trace must not lead to a second one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// When its intent was recorded, by the monotonic clock.
    pub begun: Duration,
    /// What it made, if the answer is known.
    pub id: Option<String>,
}

/// The identity of an attempt: no two attempts of an object are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attempt {
    process: Option<String>,
    at: Option<i64>,
    generation: Option<i64>,
    number: i32,
    operation: OperationType,
    instance: Option<String>,
}

// === impl ChangeOutcome ===

impl ChangeOutcome {
    /// The outcome of a call that failed.
    pub fn of(error: &Error) -> Self {
        let message = message_of(error);
        if error.class() == Class::Ambiguous {
            let taken = specific_reason(error).filter(|reason| *reason == Reason::NameTaken);
            let message = taken.map_or_else(|| message.clone(), |reason| with_remedy(&message, reason));
            return Self::Unknown { reason: taken, message };
        }
        let reason = reason_for(error);
        Self::Refused { reason, message: with_remedy(&message, reason) }
    }

    /// The outcome of a call that was not sent, for this reason.
    pub fn not_sent(reason: Reason, why: &str) -> Self {
        Self::Refused { reason, message: format!("{why}, so the request was not sent") }
    }

    /// The word in logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "Accepted",
            Self::Refused { .. } => "Refused",
            Self::Unknown { .. } => "Unknown",
        }
    }

    /// Why the call was refused, or what is known of it.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Accepted { .. } => None,
            Self::Refused { message, .. } | Self::Unknown { message, .. } => Some(message),
        }
    }

    /// The outcome of an attempt whose intent may or may not have been written.
    fn unconfirmed() -> Self {
        Self::not_sent(Reason::ClusterError, "the API server did not confirm the intent")
    }
}

// === impl Intent ===

impl Intent<'_> {
    /// The operation to write before the call. An attempt at the same operation for the same generation counts up.
    pub fn record(self, previous: Option<&OperationStatus>, context: &AttemptContext<'_>) -> OperationStatus {
        let same = previous.filter(|previous| {
            previous.type_ == self.type_ && previous.generation == Some(context.generation)
        });
        let now = time::to_kube(context.wall);
        let window = context.window_of(&self.type_);
        OperationStatus {
            type_: self.type_,
            holder: self.holder,
            started_at: same.map_or_else(|| now.clone(), |same| same.started_at.clone()),
            attempt: same.map_or(0, |same| same.attempt).saturating_add(1),
            failures: self.failures,
            generation: Some(context.generation),
            attempted_at: Some(now),
            process: Some(context.process.to_owned()),
            window_seconds: i32::try_from(window.as_secs()).ok(),
            account: context.account.cloned(),
            credentials_hash: context.credentials_hash.map(str::to_owned),
            changes: self.changes,
            password: None,
            outcome: None,
            reason: None,
            message: self.message,
            instance_id: self.instance_id.map(str::to_owned),
            job_id: None,
            task_id: None,
        }
    }
}

/// Records the outcome of the operation in `status`.
pub fn record_outcome<S: HasOperation>(status: &mut S, outcome: &ChangeOutcome) {
    let Some(operation) = status.operation_mut() else { return };
    let (word, reason, message) = match outcome {
        ChangeOutcome::Accepted { instance_id } => {
            if let Some(id) = instance_id {
                operation.instance_id = Some(id.clone());
            }
            (Some(OperationOutcome::Accepted), None, operation.message.clone())
        }
        ChangeOutcome::Refused { reason, message } => {
            (Some(OperationOutcome::Refused), Some(*reason), Some(message.clone()))
        }
        ChangeOutcome::Unknown { reason, message } => (None, *reason, Some(message.clone())),
    };
    operation.outcome = word;
    operation.reason = reason.map(|reason| reason.as_str().to_owned());
    operation.message = message.map(|message| text::bounded(&message, MAX_MESSAGE_CHARS));
    if let ChangeOutcome::Accepted { instance_id: Some(id) } = outcome {
        status.on_created(id);
    }
}

/// Whether the outcome of the present attempt is unknown.
pub fn is_unresolved(operation: &OperationStatus) -> bool {
    match operation.outcome {
        None | Some(OperationOutcome::Other(_)) => true,
        Some(OperationOutcome::Accepted | OperationOutcome::Failed | OperationOutcome::Refused) => false,
    }
}

// === impl AttemptContext ===

impl AttemptContext<'_> {
    /// How long an attempt at an operation may still take effect. The outcome of some shows in no list: the same request is
    /// sent again, and must only not overtake the one before.
    fn window_of(&self, type_: &OperationType) -> Duration {
        match type_ {
            OperationType::ResetPassword => self.window.saturating_sub(self.list_lag),
            _ => self.window,
        }
    }

    /// The monotonic time after which the present attempt can no longer take effect unseen.
    pub fn window_end(&self, operation: Option<&OperationStatus>) -> Duration {
        // Another process may have been configured with a longer window.
        let recorded = operation.and_then(|operation| operation.window_seconds);
        let recorded = recorded.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        let seen = self.first_seen.unwrap_or(self.monotonic);
        let own = operation.map_or(self.window, |operation| self.window_of(&operation.type_));
        seen.saturating_add(own.max(recorded.unwrap_or_default()))
    }

    /// How long an attempt with an unknown outcome may still take effect; `None` if no longer.
    pub fn window_left(&self, operation: Option<&OperationStatus>) -> Option<Duration> {
        self.window_end(operation).checked_sub(self.monotonic).filter(|left| !left.is_zero())
    }

    /// How long the present attempt blocks the next; `None` if it does not.
    pub fn blocked_for(&self, operation: &OperationStatus) -> Option<Duration> {
        if is_unresolved(operation) { self.window_left(Some(operation)) } else { self.retry_after(operation) }
    }

    /// Whether the spec, the credentials and the retry token are those of the attempt.
    pub fn is_unchanged_since(&self, operation: &OperationStatus) -> bool {
        let same_credentials =
            self.credentials_hash.is_none_or(|hash| operation.credentials_hash.as_deref() == Some(hash));
        operation.generation == Some(self.generation) && same_credentials && self.retry_token.is_none()
    }

    /// How long to wait before the same operation is tried again; `None` if its wait is over, or if the spec or the
    /// credentials have changed, or the user asks for a retry.
    pub fn retry_after(&self, operation: &OperationStatus) -> Option<Duration> {
        if !self.is_unchanged_since(operation) {
            return None;
        }
        let attempt = u32::try_from(operation.attempt.max(operation.failures.unwrap_or(0))).unwrap_or(1);
        let delay = self.requeue.retry_delay(operation_retry_class(operation), attempt);
        let since = time::from_kube(operation.attempted_at.as_ref()?);
        let elapsed =
            self.wall.signed_duration_since(since).max(TimeDelta::zero()).to_std().unwrap_or_default();
        // The wall clock may have been set back since: then the time in this process counts.
        let observed = self.first_seen.map_or(Duration::ZERO, |seen| self.monotonic.saturating_sub(seen));
        delay.checked_sub(elapsed.max(observed)).filter(|left| !left.is_zero())
    }
}

fn operation_retry_class(operation: &OperationStatus) -> RetryClass {
    let failed = operation.failures.is_some_and(|failures| failures > 0);
    match operation.reason.as_deref().and_then(Reason::from_word) {
        Some(reason) if is_account_limit(reason) => RetryClass::AccountLimit,
        Some(reason) => retry_class(reason),
        None if failed => RetryClass::CreateFailed,
        None if changes_settings(operation) => RetryClass::Ineffective,
        None => RetryClass::Transient,
    }
}

/// Whether the reason concerns all objects of the account alike.
pub fn is_account_limit(reason: Reason) -> bool {
    matches!(reason, Reason::QuotaExceeded | Reason::InsufficientBalance)
}

/// Whether the operation makes something that gets an id.
fn makes_something(type_: &OperationType) -> bool {
    matches!(type_, OperationType::Create | OperationType::Backup | OperationType::Restore)
}

/// The cloud accepted a change that shows at once: a repetition needs more time.
fn changes_settings(operation: &OperationStatus) -> bool {
    operation.outcome == Some(OperationOutcome::Accepted)
        && matches!(operation.type_, OperationType::Update | OperationType::UpdateTags)
}

// === impl AttemptTracker ===

impl AttemptTracker {
    /// Observes the operation of a status that was read. An attempt that differs from the last one starts now.
    pub fn observe(&mut self, operation: Option<&OperationStatus>, now: Duration) {
        let attempt = operation.map(Attempt::of);
        if self.attempt == attempt {
            return;
        }
        self.first_seen = attempt.as_ref().map(|_| now);
        let not_made = attempt.is_some() && attempt == self.unconfirmed;
        self.outcome = not_made.then(ChangeOutcome::unconfirmed);
        self.attempt = attempt;
    }

    /// The intent was written, and the call follows.
    pub fn on_intent_recorded(&mut self, operation: Option<&OperationStatus>, now: Duration) {
        (self.unconfirmed, self.attempt) = (None, None);
        self.observe(operation, now);
        if operation.is_some_and(|operation| makes_something(&operation.type_)) {
            self.creation = Some(Creation { begun: now, id: None });
        }
    }

    /// The API server did not confirm the intent. No call follows.
    pub fn on_intent_unconfirmed(&mut self, operation: Option<&OperationStatus>) {
        self.unconfirmed = operation.map(Attempt::of);
    }

    /// Keeps the outcome of the call until the status records it.
    pub fn record_outcome(&mut self, outcome: &ChangeOutcome) {
        self.outcome = Some(outcome.clone());
        let Some(Attempt { operation, instance, .. }) = &self.attempt else { return };
        match (operation, outcome, &mut self.creation) {
            (made, ChangeOutcome::Refused { .. }, creation) if makes_something(made) => *creation = None,
            (made, ChangeOutcome::Accepted { instance_id }, Some(creation)) if makes_something(made) => {
                creation.id.clone_from(instance_id);
            }
            // What it made is being deleted.
            (
                OperationType::Delete | OperationType::DeleteFailed | OperationType::DeleteBackup,
                ChangeOutcome::Accepted { .. },
                Some(creation),
            ) if creation.id == *instance => self.creation = None,
            _ => {}
        }
    }

    /// The last creation that this process began and the cloud did not refuse.
    pub fn creation(&self) -> Option<&Creation> {
        self.creation.as_ref()
    }

    /// Puts the outcome of the own last attempt into a status that lacks it, because the write failed.
    pub fn restore_outcome<S: HasOperation>(&self, status: &mut S) {
        if status.operation().is_some_and(|operation| operation.outcome.is_none())
            && let Some(outcome) = &self.outcome
        {
            record_outcome(status, outcome);
        }
    }

    /// When this process first saw the present attempt, by the monotonic clock.
    pub fn first_seen(&self) -> Option<Duration> {
        self.first_seen
    }
}

// === impl Attempt ===

impl Attempt {
    fn of(operation: &OperationStatus) -> Self {
        // What is made gets its id with the outcome of the same attempt.
        let is_create = makes_something(&operation.type_);
        Self {
            process: operation.process.clone(),
            at: operation.attempted_at.as_ref().map(|at| time::from_kube(at).timestamp()),
            generation: operation.generation,
            number: operation.attempt,
            operation: operation.type_.clone(),
            instance: operation.instance_id.clone().filter(|_| !is_create),
        }
    }
}

#[cfg(test)]
mod tests;
