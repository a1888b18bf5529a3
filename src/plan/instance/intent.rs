//! `status.operation` of a DcsInstance: what its intents record besides what `plan::operation` records for every kind.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{action::CloudAction, input::Observed, repeats};
use crate::{
    api::{
        DcsInstanceStatus, Reason,
        instance::{Holder, OperationStatus},
        words::{OperationOutcome, OperationType},
    },
    formats::RETRY_ANNOTATION,
    plan::{
        blocker::retry_class,
        operation::{AttemptContext, HasOperation, Intent, MutatingAction},
        schedule::RetryClass,
    },
};

pub use crate::plan::operation::{ChangeOutcome, is_unresolved, record_outcome};

impl HasOperation for DcsInstanceStatus {
    fn operation(&self) -> Option<&OperationStatus> {
        self.operation.as_ref()
    }

    fn operation_mut(&mut self) -> Option<&mut OperationStatus> {
        self.operation.as_mut()
    }

    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// API reference 4.1.1: an accepted instance has the status CREATING.
    fn on_created(&mut self, instance_id: &str) {
        self.id = Some(instance_id.to_owned());
        self.cloud_status = Some("CREATING".to_owned());
    }
}

impl MutatingAction for CloudAction {
    fn operation_type(&self) -> OperationType {
        self.type_()
    }

    fn instance_id(&self) -> Option<&str> {
        self.instance_id()
    }

    fn consent(&self) -> Option<&'static str> {
        match self {
            Self::Delete { consent, .. } => Some(consent.ground()),
            Self::Create(_)
            | Self::Adopt { .. }
            | Self::Release { .. }
            | Self::Update { .. }
            | Self::ResetPassword { .. }
            | Self::SetTags { .. }
            | Self::RemoveTags { .. } => None,
        }
    }
}

// === impl Observed ===

impl Observed {
    /// What decides about the attempts of the object.
    pub(in crate::plan::instance) fn attempts(&self) -> AttemptContext<'_> {
        let account = self.account.as_ref().ok();
        AttemptContext {
            process: &self.settings.process,
            generation: self.subject.generation,
            account: account.map(|account| &account.account),
            credentials_hash: account.map(|account| account.credentials_hash.as_str()),
            retry_token: self.retry_token(),
            window: self.settings.window(),
            list_lag: self.settings.list_lag(),
            first_seen: self.local.intent_seen,
            wall: self.now.wall,
            monotonic: self.now.monotonic,
            requeue: &self.settings.requeue,
        }
    }

    /// The monotonic time after which the present attempt can no longer take effect unseen.
    pub(in crate::plan::instance) fn window_end(&self) -> Duration {
        self.attempts().window_end(self.status.operation.as_ref())
    }

    /// How long an attempt with an unknown outcome may still take effect; `None` if no longer.
    pub(in crate::plan::instance) fn window_rest(&self) -> Option<Duration> {
        self.attempts().window_left(self.status.operation.as_ref())
    }
}

/// The status that is written before `change` is sent. `status` is what is published without it.
pub(in crate::plan::instance) fn record_intent(
    o: &Observed,
    change: &CloudAction,
    status: &DcsInstanceStatus,
) -> DcsInstanceStatus {
    let intent = Intent {
        type_: change.type_(),
        holder: Holder {
            kind: "DcsInstance".to_owned(),
            name: o.subject.name.clone(),
            uid: o.subject.uid.clone(),
        },
        instance_id: change.instance_id(),
        failures: failures(o, change),
        changes: repeats::asked_for(change, &status.pending_changes),
        message: why_failed(change),
    };
    let password = change.password();
    // Attempts are counted for each password.
    let previous = o.status.operation.as_ref().filter(|before| before.password.as_deref() == password);
    let operation =
        OperationStatus { password: password.map(str::to_owned), ..intent.record(previous, &o.attempts()) };
    // A new instance is where it is created, whatever was tried and refused elsewhere before.
    let is_new = matches!(change, CloudAction::Create(_));
    let begun = !is_new && (status.id.is_some() || status.operation.is_some());
    let account = status.account.clone().filter(|_| begun).or_else(|| operation.account.clone());
    let mut intent = DcsInstanceStatus {
        operation: Some(operation),
        account,
        repeated_changes: repeats::record(o, change),
        last_retry_token: o.subject.retry_token.clone(),
        ..status.clone()
    };
    if let CloudAction::Create(_) | CloudAction::Delete { failed: Some(_), .. } = change {
        forget_instance(o, &mut intent);
    }
    intent
}

/// The cloud's error about an instance that it could not create: deleting its record would lose it.
fn why_failed(change: &CloudAction) -> Option<String> {
    match change {
        CloudAction::Delete { failed: Some(why), .. } => Some(why.clone()),
        CloudAction::Create(_)
        | CloudAction::Adopt { .. }
        | CloudAction::Release { .. }
        | CloudAction::Delete { failed: None, .. }
        | CloudAction::Update { .. }
        | CloudAction::ResetPassword { .. }
        | CloudAction::SetTags { .. }
        | CloudAction::RemoveTags { .. } => None,
    }
}

/// Removes the instance from the status before the next one is created. Replacing a lost instance counts.
fn forget_instance(o: &Observed, intent: &mut DcsInstanceStatus) {
    (intent.cloud_status, intent.endpoints) = (None, None);
    let failed =
        intent.operation.as_ref().is_some_and(|operation| operation.type_ == OperationType::DeleteFailed);
    if intent.id.take().is_some() && !failed {
        let same_spec = o.status.observed_generation == Some(o.subject.generation);
        let before = o.status.recreations.filter(|_| same_spec).unwrap_or(0);
        intent.recreations = Some(before.saturating_add(1));
    }
}

/// How often a creation was accepted and then failed: deleting the record of a failed one counts, the next creation
/// keeps the count, and another generation resets it.
fn failures(o: &Observed, change: &CloudAction) -> Option<i32> {
    let before =
        o.status.operation.as_ref().filter(|operation| operation.generation == Some(o.subject.generation));
    let count = before.and_then(|operation| operation.failures).unwrap_or(0);
    match change {
        CloudAction::Delete { failed: Some(_), .. } => {
            // Another attempt to delete the same record is no further failure.
            let again = before.is_some_and(|before| {
                before.type_ == OperationType::DeleteFailed
                    && before.instance_id.as_deref() == change.instance_id()
            });
            Some(if again { count } else { count.saturating_add(1) })
        }
        CloudAction::Create(_) => (count > 0).then_some(count),
        CloudAction::Adopt { .. }
        | CloudAction::Release { .. }
        | CloudAction::Delete { .. }
        | CloudAction::Update { .. }
        | CloudAction::ResetPassword { .. }
        | CloudAction::SetTags { .. }
        | CloudAction::RemoveTags { .. } => None,
    }
}

/// How long the last attempt blocks the next; `None` if it does not.
pub(in crate::plan::instance) fn blocked_for(o: &Observed, operation: &OperationStatus) -> Option<Duration> {
    o.attempts().blocked_for(operation)
}

/// How long to wait before the same operation is tried again; `None` if it may be tried now.
pub(in crate::plan::instance) fn retry_after(o: &Observed, operation: &OperationStatus) -> Option<Duration> {
    o.attempts().retry_after(operation)
}

/// What the last attempt of an operation means for the next.
#[derive(Debug)]
pub(in crate::plan::instance) enum Attempted {
    /// The next may begin. It repeats one that a person has to mend, if that was refused.
    MayBegin(Option<Refusal>),
    /// The next may begin after this.
    Waits(Duration),
    /// A person has to act. It is tried again after this.
    Refused(Refusal, Duration),
}

/// Why the cloud refused an operation until a person acts.
#[derive(Debug, Clone)]
pub(in crate::plan::instance) struct Refusal {
    /// The reason of the condition.
    pub(in crate::plan::instance) reason: Reason,
    /// The cloud's words.
    pub(in crate::plan::instance) message: String,
}

/// Requests that an operation on the ownership tags takes at most, and as many again for those that fail.
const TAG_REQUESTS: i32 = 6;

/// What the last attempt of `type_` on the instance `id` means for the next.
pub(in crate::plan::instance) fn attempted(o: &Observed, type_: &OperationType, id: &str) -> Attempted {
    let same = |operation: &&OperationStatus| {
        operation.type_ == *type_ && operation.instance_id.as_deref() == Some(id)
    };
    let Some(operation) = o.status.operation.as_ref().filter(same) else { return Attempted::MayBegin(None) };
    // An accepted part is followed by the next at once, unless the cloud accepts and does nothing.
    let has_parts = matches!(type_, OperationType::Adopt | OperationType::Release);
    let accepted = operation.outcome == Some(OperationOutcome::Accepted);
    if has_parts && accepted && operation.attempt < TAG_REQUESTS {
        return Attempted::MayBegin(None);
    }
    let refusal = refusal(o, operation, has_parts);
    match (blocked_for(o, operation), refusal) {
        (None, refusal) => Attempted::MayBegin(refusal),
        (Some(rest), Some(refusal)) => Attempted::Refused(refusal, rest),
        (Some(rest), None) => Attempted::Waits(rest),
    }
}

/// The refusal of an operation for the present spec, if a person has to act.
fn refusal(o: &Observed, operation: &OperationStatus, changes_tags: bool) -> Option<Refusal> {
    let is_refused = operation.outcome == Some(OperationOutcome::Refused);
    let same_spec = operation.generation == Some(o.subject.generation);
    let reason = operation.reason.as_deref().and_then(Reason::from_word);
    let reason =
        reason.filter(|reason| is_refused && same_spec && retry_class(*reason) == RetryClass::NeedsUser)?;
    let message = operation.message.as_deref().unwrap_or("DCS refused the request");
    let retried = format!(
        "retried slowly, and at once when the spec, the credentials or the annotation {RETRY_ANNOTATION} change"
    );
    // The request has nothing from the spec: the instance has no room for the tags, or the site does not accept them.
    Some(if changes_tags && reason == Reason::InvalidSpec {
        let message = format!("{message}; {}; {retried}", Reason::TagsRefused.remedy().trim_end_matches('.'));
        Refusal { reason: Reason::TagsRefused, message }
    } else {
        Refusal { reason, message: format!("{message}; {retried}") }
    })
}
