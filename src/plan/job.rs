//! What the planners of kinds that do one job share: the object, its DcsInstance, and lists of records.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use k8s_openapi::apimachinery::pkg::{
    api::resource::Quantity,
    apis::meta::v1::{Condition, Time},
};

use super::{
    Blocker,
    blocker::retry_class,
    conditions::JobSituation,
    instance::observed::{CredentialsSource, InstanceSnapshot, Now, PlannerSettings, ResolvedAccount},
    operation::AttemptContext,
    schedule::RetryClass,
};
use crate::{
    api::{
        ConditionType, Reason,
        backup::BackedUpInstance,
        instance::{CloudAccount, Holder, OperationStatus},
        time,
    },
    dcs::model::{CacheMode, InstanceFacts},
    formats::{ALLOW_NAMESPACE_TAG, OWNER_TAG, OwnerHash, allow_namespace_value},
};

/// How long a DcsInstance or DcsBackup may take to appear: one `kubectl apply` creates objects in any order.
pub const REFERENCE_GRACE: Duration = Duration::from_secs(600);

/// The age of a list by which something is checked right before a request, at most.
pub const FRESH: Duration = Duration::from_secs(5);

/// The identity and the lifecycle of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// metadata.namespace.
    pub namespace: String,
    /// metadata.name.
    pub name: String,
    /// metadata.uid.
    pub uid: String,
    /// metadata.generation.
    pub generation: i64,
    /// metadata.creationTimestamp.
    pub created: DateTime<Utc>,
    /// metadata.deletionTimestamp is set.
    pub deleting: bool,
    /// It carries the operator's finalizer.
    pub finalizer: bool,
    /// The value of the annotation that asks for a retry.
    pub retry_token: Option<String>,
}

/// The DcsInstance that the object is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceObject {
    /// Not every DcsInstance is known yet.
    Unknown,
    /// It does not exist.
    Missing,
    /// It exists.
    Found(Box<InstanceView>),
}

/// What a DcsInstance says of its instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceView {
    /// `status.id`.
    pub id: Option<String>,
    /// It is being deleted.
    pub deleting: bool,
    /// `spec.paused`.
    pub paused: bool,
    /// `spec.managementPolicy` is Observe.
    pub observes: bool,
    /// Its condition Ready is True: the list showed that the instance serves.
    pub ready: bool,
    /// `status.holder`.
    pub holder: Option<Holder>,
    /// The cache mode in `status.resolved`.
    pub cache_mode: Option<String>,
    /// `status.account`.
    pub account: Option<CloudAccount>,
    /// The hash of its owner in the tags of its instance.
    pub owner: Option<OwnerHash>,
}

/// The backups or restores of an instance.
#[derive(Debug, Clone)]
pub enum Records<R> {
    /// A complete list.
    Listed(RecordList<R>),
    /// The cloud says that the instance does not exist.
    InstanceNotFound,
    /// They could not be listed completely.
    Failed(Blocker),
}

/// A complete list. Times are monotonic.
#[derive(Debug, Clone)]
pub struct RecordList<R> {
    /// When it began.
    pub begun: Duration,
    /// When the complete list before it began.
    pub before: Option<Duration>,
    /// The records.
    pub records: Arc<[R]>,
}

/// What decides about the attempts of an object whose present attempt was `intent_seen`, and of which the annotation asks for a
/// `retry`.
pub fn attempts<'a>(
    subject: &'a Subject,
    account: &'a Result<ResolvedAccount, Blocker>,
    (settings, now): (&'a PlannerSettings, Now),
    (intent_seen, retry): (Option<Duration>, bool),
) -> AttemptContext<'a> {
    let account = account.as_ref().ok();
    AttemptContext {
        process: &settings.process,
        generation: subject.generation,
        account: account.map(|account| &account.account),
        credentials_hash: account.map(|account| account.credentials_hash.as_str()),
        retry_token: subject.retry_token.as_deref().filter(|_| retry),
        window: settings.window(),
        list_lag: settings.list_lag(),
        first_seen: intent_seen,
        wall: now.wall,
        monotonic: now.monotonic,
        requeue: &settings.requeue,
    }
}

/// What a refused request means for its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobRefusal<'a> {
    /// The user has to act: the reason, and what DCS said.
    NeedsPerson(Reason, &'a str),
    /// The request is repeated.
    Repeated(JobSituation, String),
}

/// What the refusal in `status.operation` means.
pub fn refusal(operation: &OperationStatus) -> JobRefusal<'_> {
    let message = operation.message.as_deref().unwrap_or("DCS refused the request");
    let reason = operation.reason.as_deref().and_then(Reason::from_word);
    if let Some(reason) = reason.filter(|reason| retry_class(*reason) == RetryClass::NeedsUser) {
        return JobRefusal::NeedsPerson(reason, message);
    }
    let situation = match reason.unwrap_or(Reason::WaitingForInstance) {
        reason @ Reason::WaitingForInstance => JobSituation::InProgress(reason),
        other => JobSituation::Unreachable(other),
    };
    JobRefusal::Repeated(situation, format!("{message}; the request is repeated"))
}

/// A time as marks and messages write it: `2026-12-01T06:00:00Z`.
pub fn timestamp(at: &Time) -> String {
    time::from_kube(at).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Whether it is the cache mode of a single-node instance.
pub fn is_single(mode: Option<&String>) -> bool {
    mode.is_some_and(|mode| mode == CacheMode::Single.as_str())
}

/// The instance as it is now.
pub fn shape(instance: &str, snapshot: &InstanceSnapshot) -> BackedUpInstance {
    BackedUpInstance {
        id: Some(instance.to_owned()),
        engine_version: snapshot.facts.engine_version.clone(),
        cache_mode: snapshot.cache_mode.clone(),
        capacity: snapshot.facts.capacity.map(|capacity| Quantity(capacity.to_string())),
        shards: snapshot.shards.and_then(|shards| i32::try_from(shards).ok()),
        spec_code: snapshot.facts.spec_code.clone(),
    }
}

/// The account, if it is the `recorded` one. `what` is there.
///
/// # Errors
/// Why the account cannot be used.
pub fn usable_account<'a>(
    account: &'a Result<ResolvedAccount, Blocker>,
    recorded: Option<&CloudAccount>,
    what: &str,
) -> Result<&'a ResolvedAccount, Blocker> {
    let account = account.as_ref().map_err(Clone::clone)?;
    let differs = |recorded: &Option<String>, now: &Option<String>| recorded.is_some() && recorded != now;
    let other = recorded.filter(|recorded| {
        differs(&recorded.project_id, &account.account.project_id)
            || differs(&recorded.endpoint, &account.account.endpoint)
    });
    match other {
        None => Ok(account),
        Some(recorded) => Err(Blocker {
            reason: Reason::AccountChanged,
            message: format!(
                "{what} is in project {} at {}, and the credentials lead elsewhere: put that project and endpoint back",
                recorded.project_id.as_deref().unwrap_or("?"),
                recorded.endpoint.as_deref().unwrap_or("?")
            ),
        }),
    }
}

/// Whether the tags of an instance name its DcsInstance.
pub fn is_own(view: &InstanceView, facts: &InstanceFacts) -> bool {
    let owner = view.owner.as_ref().map(OwnerHash::as_str);
    owner.is_some() && facts.tag(OWNER_TAG) == owner
}

/// Why an object may not use an instance. With the operator's own credentials, the id in the status of the DcsInstance `name`
/// leads to an instance of its own only.
pub fn not_allowed(
    account: &Result<ResolvedAccount, Blocker>,
    (namespace, name): (&str, &str),
    view: &InstanceView,
    facts: &InstanceFacts,
) -> Option<String> {
    let is_limited = matches!(
        account.as_ref().map(|account| &account.source),
        Ok(CredentialsSource::Operator { trusted: false })
    );
    let namespace = allow_namespace_value(namespace);
    let is_allowed = facts.tag(ALLOW_NAMESPACE_TAG) == Some(&namespace);
    (is_limited && !is_own(view, facts) && !is_allowed).then(|| {
        format!(
            "with the operator's own credentials an object can use instance {} only if its tags name DcsInstance {name}, or \
             the installer tags it {ALLOW_NAMESPACE_TAG}={namespace}",
            facts.id
        )
    })
}

/// The reason and the message of Stalled, where that is one of `found_late`, and how long it is not looked at again: what blocks
/// a request only when it is the object's turn would take a turn for each look.
pub fn still_blocked(
    conditions: &[Condition],
    subject: &Subject,
    (found_late, wait): (&[Reason], Duration),
    now: DateTime<Utc>,
) -> Option<(Reason, String, Duration)> {
    let stalled = conditions.iter().find(|condition| {
        condition.type_ == ConditionType::Stalled.as_str()
            && condition.status == "True"
            && condition.observed_generation == Some(subject.generation)
    })?;
    let reason = Reason::from_word(&stalled.reason).filter(|reason| found_late.contains(reason))?;
    let since = time::from_kube(&stalled.last_transition_time);
    let elapsed = now.signed_duration_since(since).to_std().unwrap_or_default();
    let rest = wait.checked_sub(elapsed).filter(|rest| !rest.is_zero())?;
    Some((reason, stalled.message.clone(), rest))
}

/// Percent that are done, in steps of 5: each step is a write.
pub fn progress(percent: Option<f64>) -> Option<i32> {
    let percent = percent.filter(|percent| percent.is_finite())?.clamp(0.0, 100.0);
    #[expect(clippy::cast_possible_truncation, reason = "the value is between 0 and 100")]
    let whole = percent as i32;
    Some(whole - whole % 5)
}

/// The name of the DcsBackup of the data that a restore replaces. The uid keeps the backup of an earlier object of the same
/// name from passing for it.
pub fn before_name(restore: &str, uid: &str) -> String {
    let short: String = uid.chars().take(8).collect();
    format!("{restore}-before-{short}")
}

// === impl InstanceObject ===

impl InstanceObject {
    /// The id of its instance.
    pub fn id(&self) -> Option<&str> {
        self.found()?.id.as_deref()
    }

    /// The account of its instance.
    pub fn account(&self) -> Option<&CloudAccount> {
        self.found()?.account.as_ref()
    }

    fn found(&self) -> Option<&InstanceView> {
        match self {
            Self::Found(view) => Some(view),
            Self::Unknown | Self::Missing => None,
        }
    }
}

// === impl RecordList ===

impl<R> RecordList<R> {
    /// Whether two complete lists that began after `end` lack what could still have arrived until then.
    pub fn proves_since(&self, end: Duration) -> bool {
        self.begun >= end && self.before.is_some_and(|before| before >= end)
    }
}
