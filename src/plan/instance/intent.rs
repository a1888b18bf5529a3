//! `status.operation`: what is written before a change is asked for, and what became of it.

use std::time::Duration;

use chrono::TimeDelta;

use super::{
    action::CloudAction,
    input::{
        observed::{Blocker, Observed, PasswordState},
        retry_class,
    },
};
use crate::{
    api::{
        DcsInstanceStatus, Reason,
        instance::{Applied, Holder, OperationStatus},
        time,
        words::{OperationOutcome, OperationType},
    },
    dcs::error::{Class, Error, lookup},
    plan::schedule::RetryClass,
};

/// What became of a change that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The cloud took it; of a new instance, with its id.
    Accepted {
        /// Of a new instance.
        instance_id: Option<String>,
    },
    /// Nothing was changed.
    Refused {
        /// Why, in a word.
        reason: Reason,
        /// Why, in the cloud's words.
        message: String,
    },
    /// It may have been carried out.
    Unknown {
        /// Why, in a word, if the cloud gave a reason.
        reason: Option<Reason>,
        /// What is known.
        message: String,
    },
}

// === impl ChangeOutcome ===

impl ChangeOutcome {
    /// Of a call that failed.
    pub fn of(error: &Error) -> Self {
        let message = error.to_string();
        if error.class() == Class::Ambiguous {
            let taken = telling(error).filter(|reason| *reason == Reason::NameTaken);
            let message = taken.map_or_else(|| message.clone(), |reason| with_remedy(&message, reason));
            return Self::Unknown { reason: taken, message };
        }
        let reason = reason_for(error);
        Self::Refused { reason, message: with_remedy(&message, reason) }
    }

    /// Of an attempt that may have been written down or not, and that was not made for that.
    pub fn unconfirmed() -> Self {
        let message =
            "the API server did not confirm what was to be written down, so the cloud was not asked";
        Self::Refused { reason: Reason::ClusterError, message: message.to_owned() }
    }
}

/// Codes that say more than their class does (API reference 7.2).
const TELLING: &[(&str, Reason)] = &[
    ("DCS.4018", Reason::ReferenceInvalid),
    ("DCS.4042", Reason::ReferenceInvalid),
    ("DCS.4046", Reason::ReferenceInvalid),
    ("DCS.4068", Reason::ReferenceInvalid),
    ("DCS.4054", Reason::SoldOut),
    // Of a new instance. It comes as *ambiguous*: the instance that has the name may be one of our own.
    ("DCS.4060", Reason::NameTaken),
];

/// The word for a code that has one of its own.
fn telling(error: &Error) -> Option<Reason> {
    let known = error.refusal().and_then(|refusal| refusal.code.as_deref()).and_then(lookup)?;
    TELLING.iter().find(|(code, _)| known.names.contains(code)).map(|(_, reason)| *reason)
}

/// The word for an error.
fn reason_for(error: &Error) -> Reason {
    telling(error).unwrap_or_else(|| reason_of(error.class()))
}

/// What the cloud said, and what a person has to do about it, if one is needed.
fn with_remedy(message: &str, reason: Reason) -> String {
    match retry_class(reason) {
        RetryClass::NeedsUser => format!("{message}. {}", reason.remedy().trim_end_matches('.')),
        RetryClass::Kube | RetryClass::Transient | RetryClass::CreateFailed => message.to_owned(),
    }
}

// === impl Blocker ===

impl Blocker {
    /// That a call failed; `what` is what could not be had for that.
    pub fn of(what: &str, error: &Error) -> Self {
        let reason = reason_for(error);
        Self { reason, message: with_remedy(&format!("{what}: {error}"), reason) }
    }
}

/// The word for a class of errors.
fn reason_of(class: Class) -> Reason {
    match class {
        Class::Transient => Reason::CloudUnreachable,
        Class::Busy => Reason::WaitingForInstance,
        Class::Throttled => Reason::Throttled,
        Class::Ambiguous | Class::NotFound => Reason::CloudError,
        Class::Invalid => Reason::InvalidSpec,
        Class::Quota => Reason::QuotaExceeded,
        Class::Balance => Reason::InsufficientBalance,
        Class::Credentials => Reason::CredentialsInvalid,
        Class::Forbidden => Reason::Forbidden,
        Class::Unsupported => Reason::UnsupportedChange,
    }
}

/// The status that is written before `change` is asked for. `status` is what is said without it.
pub(in crate::plan::instance) fn record_intent(
    o: &Observed,
    change: &CloudAction,
    status: &DcsInstanceStatus,
) -> DcsInstanceStatus {
    let same = o.status.operation.as_ref().filter(|operation| operation.type_ == change.type_());
    let same = same.filter(|operation| operation.generation == Some(o.subject.generation));
    let now = time::to_kube(o.now.wall);
    let account = o.account.as_ref().ok();
    let operation = OperationStatus {
        type_: change.type_(),
        holder: Holder {
            kind: "DcsInstance".to_owned(),
            name: o.subject.name.clone(),
            uid: o.subject.uid.clone(),
        },
        started_at: same.map_or_else(|| now.clone(), |same| same.started_at.clone()),
        attempt: same.map_or(0, |same| same.attempt).saturating_add(1),
        failures: failures(o, change),
        generation: Some(o.subject.generation),
        attempted_at: Some(now),
        process: Some(o.settings.process.clone()),
        window_seconds: i32::try_from(o.settings.window().as_secs()).ok(),
        account: account.map(|account| account.account.clone()),
        credentials_hash: account.map(|account| account.credentials_hash.clone()),
        changes: status.pending_changes.clone(),
        outcome: None,
        reason: None,
        message: why_failed(change),
        instance_id: change.instance_id().map(str::to_owned),
        job_id: None,
        task_id: None,
    };
    // A new instance is where it is asked for, whatever was tried and refused elsewhere before.
    let is_new = matches!(change, CloudAction::Create(_));
    let begun = !is_new && (status.id.is_some() || status.operation.is_some());
    let account = status.account.clone().filter(|_| begun).or_else(|| operation.account.clone());
    let mut intent = DcsInstanceStatus { operation: Some(operation), account, ..status.clone() };
    if let CloudAction::Create(_) | CloudAction::Delete { failed: Some(_), .. } = change {
        begin_anew(o, &mut intent);
    }
    if let (CloudAction::Create(_), Some(Ok(PasswordState::Ready { hash }))) = (change, &o.lookups.password) {
        intent.applied =
            Some(Applied { auth_hash: Some(hash.clone()), ..intent.applied.unwrap_or_default() });
    }
    intent
}

/// What the cloud said of an instance that it could not make: with its record, that would be lost.
fn why_failed(change: &CloudAction) -> Option<String> {
    match change {
        CloudAction::Delete { failed: Some(why), .. } => Some(why.clone()),
        CloudAction::Create(_)
        | CloudAction::Adopt { .. }
        | CloudAction::TagReleased { .. }
        | CloudAction::RemoveOwnershipTags { .. }
        | CloudAction::Delete { failed: None, .. }
        | CloudAction::Update { .. }
        | CloudAction::SetTags { .. }
        | CloudAction::RemoveTags { .. } => None,
    }
}

/// There is no instance until the next one is made. One that was lost counts.
fn begin_anew(o: &Observed, intent: &mut DcsInstanceStatus) {
    (intent.cloud_status, intent.endpoints) = (None, None);
    let failed =
        intent.operation.as_ref().is_some_and(|operation| operation.type_ == OperationType::DeleteFailed);
    if intent.id.take().is_some() && !failed {
        let same_spec = o.status.observed_generation == Some(o.subject.generation);
        let before = o.status.recreations.filter(|_| same_spec).unwrap_or(0);
        intent.recreations = Some(before.saturating_add(1));
    }
}

/// How often a creation was accepted and then failed: removing the record of one counts it, making the next keeps
/// the count, and another spec begins anew.
fn failures(o: &Observed, change: &CloudAction) -> Option<i32> {
    let before =
        o.status.operation.as_ref().filter(|operation| operation.generation == Some(o.subject.generation));
    let count = before.and_then(|operation| operation.failures).unwrap_or(0);
    match change {
        CloudAction::Delete { failed: Some(_), .. } => {
            // Trying again to remove the same record is no further failure.
            let again = before.is_some_and(|before| {
                before.type_ == OperationType::DeleteFailed
                    && before.instance_id.as_deref() == change.instance_id()
            });
            Some(if again { count } else { count.saturating_add(1) })
        }
        CloudAction::Create(_) => (count > 0).then_some(count),
        CloudAction::Adopt { .. }
        | CloudAction::TagReleased { .. }
        | CloudAction::RemoveOwnershipTags { .. }
        | CloudAction::Delete { .. }
        | CloudAction::Update { .. }
        | CloudAction::SetTags { .. }
        | CloudAction::RemoveTags { .. } => None,
    }
}

/// Writes down what became of the operation in `status`.
pub fn record_outcome(status: &mut DcsInstanceStatus, outcome: &ChangeOutcome) {
    let Some(operation) = status.operation.as_mut() else { return };
    let (outcome, reason, message) = match outcome {
        ChangeOutcome::Accepted { instance_id } => {
            if let Some(id) = instance_id {
                operation.instance_id = Some(id.clone());
                status.id = Some(id.clone());
                // API reference 4.1.1: what was just accepted is being made.
                status.cloud_status = Some("CREATING".to_owned());
            }
            (Some(OperationOutcome::Accepted), None, operation.message.clone())
        }
        ChangeOutcome::Refused { reason, message } => {
            (Some(OperationOutcome::Refused), Some(*reason), Some(message.clone()))
        }
        ChangeOutcome::Unknown { reason, message } => (None, *reason, Some(message.clone())),
    };
    operation.outcome = outcome;
    operation.reason = reason.map(|reason| reason.as_str().to_owned());
    operation.message = message.map(|message| message.chars().take(1000).collect());
}

/// Whether what the last attempt did is still unknown.
pub(in crate::plan::instance) fn is_unresolved(operation: &OperationStatus) -> bool {
    match operation.outcome {
        None | Some(OperationOutcome::Other(_)) => true,
        Some(OperationOutcome::Accepted | OperationOutcome::Failed | OperationOutcome::Refused) => false,
    }
}

/// How long the last attempt stands in the way of the next; `None` if it does not. One whose outcome is unknown may
/// still arrive.
pub(in crate::plan::instance) fn blocked_for(o: &Observed, operation: &OperationStatus) -> Option<Duration> {
    if is_unresolved(operation) { o.window_rest() } else { retry_after(o, operation) }
}

/// How long to wait before the same is tried again; `None` if it may be tried now: its time has come, or what it
/// depends on has changed.
pub(in crate::plan::instance) fn retry_after(o: &Observed, operation: &OperationStatus) -> Option<Duration> {
    let account = o.account.as_ref().ok();
    let other_credentials =
        account.is_some_and(|account| operation.credentials_hash.as_ref() != Some(&account.credentials_hash));
    if operation.generation != Some(o.subject.generation) || other_credentials {
        return None;
    }
    let attempt = u32::try_from(operation.attempt.max(operation.failures.unwrap_or(0))).unwrap_or(1);
    let retry_delay = o.retry_delay(retry_class_of(operation), attempt);
    let since = time::from_kube(operation.attempted_at.as_ref()?);
    let elapsed = o.now.wall.signed_duration_since(since).max(TimeDelta::zero()).to_std().unwrap_or_default();
    retry_delay.checked_sub(elapsed).filter(|rest| !rest.is_zero())
}

fn retry_class_of(operation: &OperationStatus) -> RetryClass {
    let reason = operation.reason.as_deref().and_then(Reason::from_word);
    let failed = operation.failures.is_some_and(|failures| failures > 0);
    reason.map_or(if failed { RetryClass::CreateFailed } else { RetryClass::Transient }, retry_class)
}
