//! The complete input of a plan. The reconciler gathers it and decides nothing; the planner reads nothing else.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    binding::BindingState,
    defaults::Defaults,
    desired::Desired,
    invalid::Invalid,
    lists::AccountLists,
    local::{LocalState, RefusedWrite, WritePurpose},
    policies::Policies,
    secrets::{PasswordFacts, Secrets},
};
use crate::{
    api::{
        DcsInstanceStatus,
        instance::{CloudAccount, ReclaimPolicy},
        words::OperationType,
    },
    dcs::model::{BackupRecord, Flavor, InstanceFacts, MaintenanceWindow},
    formats::OwnerHash,
    plan::{
        Definition,
        claims::Claim,
        schedule::{RequeuePolicy, RetryClass},
    },
};

pub use crate::plan::blocker::{Blocker, retry_class};

/// The known state of an object, its instance and its account.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The object itself.
    pub subject: Subject,
    /// The policies of the spec, which are readable even if the rest of the spec is invalid.
    pub policies: Policies,
    /// The parsed spec.
    pub desired: Result<Desired, Invalid>,
    /// The last status.
    pub status: DcsInstanceStatus,
    /// The account that the credentials resolve to, or why there is none.
    pub account: Result<ResolvedAccount, Blocker>,
    /// The claims of other objects to operate on the instance; `None` while some may be unknown.
    pub claims: Option<Vec<Claim>>,
    /// The object's part of the account's lists; `None` while there is no account to list.
    pub lists: Option<AccountLists>,
    /// The newest list of the instance's backups that this process has.
    pub backups: Option<ListedBackups>,
    /// The object's Secrets: what the operator noted in their metadata.
    pub notes: Secrets,
    /// The results of this reconcile's lookups.
    pub lookups: LookupResults,
    /// What this process keeps about the object.
    pub local: LocalState,
    /// The current time.
    pub now: Now,
    /// The operator's settings.
    pub settings: PlannerSettings,
}

/// A complete list of the backups of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedBackups {
    /// The id of the instance.
    pub instance: String,
    /// When the list began, by the monotonic clock.
    pub begun: Duration,
    /// The backups, those that do not exist any more too.
    pub records: Arc<[BackupRecord]>,
}

/// The identity and the lifecycle of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// metadata.namespace.
    pub namespace: String,
    /// metadata.name.
    pub name: String,
    /// metadata.uid.
    pub uid: String,
    /// The owner hash in its ownership tags.
    pub owner: OwnerHash,
    /// metadata.generation.
    pub generation: i64,
    /// metadata.deletionTimestamp is set.
    pub deleting: bool,
    /// It carries the operator's finalizer.
    pub finalizer: bool,
    /// The value of the annotation that asks for a retry.
    pub retry_token: Option<String>,
    /// A finalizer of somebody else, which guards the instance. Those of Kubernetes' own garbage collection do not count.
    pub guard: Option<String>,
}

/// The account that the credentials resolve to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedAccount {
    /// Region, project, endpoint.
    pub account: CloudAccount,
    /// A keyed hash of everything in the credentials Secret that a request depends on, defaults included.
    pub credentials_hash: String,
    /// Defaults for new instances, from the credentials Secret.
    pub defaults: Defaults,
    /// The owner of the credentials.
    pub source: CredentialsSource,
}

/// The owner of the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsSource {
    /// A Secret in the object's namespace.
    Namespace {
        /// Its name.
        secret: String,
        /// It carries the in-use finalizer.
        in_use: bool,
        /// It is being deleted: no new operation may start with it.
        deleting: bool,
    },
    /// The operator itself.
    Operator {
        /// Objects of this namespace may refer to any resource of the account by its ID.
        trusted: bool,
    },
}

/// The results of the lookups that the plans of this reconcile asked for.
#[derive(Debug, Clone, Default)]
pub struct LookupResults {
    /// The instance whose detail was read last, and the result.
    pub detail: Option<(String, Detail)>,
    /// The detail of an instance that may turn out to be the object's.
    pub candidate: Option<(String, Detail)>,
    /// The object's CustomResourceDefinition.
    pub definition: Option<Result<Definition, Blocker>>,
    /// The names of the DcsBackups that are pinned: deleting the instance would delete their backups.
    pub pins: Option<Result<Vec<String>, Blocker>>,
    /// The flavors on offer.
    pub flavors: Option<Result<Arc<[Flavor]>, Blocker>>,
    /// The maintenance windows on offer.
    pub windows: Option<Result<Arc<[MaintenanceWindow]>, Blocker>>,
    /// The record of the password for a new instance.
    pub password: Option<Result<PasswordState, Blocker>>,
    /// The record of an existing instance's password.
    pub record: Option<Result<PasswordFacts, Blocker>>,
    /// The binding Secret.
    pub binding: Option<Result<BindingState, Blocker>>,
}

/// The result of a read of the instance's detail.
#[derive(Debug, Clone)]
pub enum Detail {
    /// It exists.
    Found(Box<InstanceSnapshot>),
    /// The cloud says that it does not exist.
    NotFound,
    /// The read failed.
    Failed(Blocker),
}

/// An instance's detail: the facts of the list, and those that only the detail shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstanceSnapshot {
    /// The facts that the list shows too.
    pub facts: InstanceFacts,
    /// The task in progress.
    pub task: Option<String>,
    /// The cloud's word for its cache mode.
    pub cache_mode: Option<String>,
    /// Copies of each shard, including the master.
    pub replicas: Option<i64>,
    /// Number of shards.
    pub shards: Option<i64>,
    /// Codes of its zones.
    pub zones: Vec<String>,
}

/// Whether the record holds the password for a new instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordState {
    /// It does.
    Ready,
    /// It has to be written.
    Missing,
    /// It is the record of another instance.
    Former {
        /// The id of that instance.
        id: String,
    },
}

/// The current time, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For times in objects.
    pub wall: DateTime<Utc>,
    /// For durations.
    pub monotonic: Duration,
}

/// The operator's settings, as far as the planner needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannerSettings {
    /// The name of this process in `status.operation.process`.
    pub process: String,
    /// How long after the intent was recorded the request may be sent.
    pub intent_ttl: Duration,
    /// The deadline of a mutating call.
    pub call_timeout: Duration,
    /// How long lists may lag behind a change.
    pub list_consistency_window: Duration,
    /// Failed creations after which the user has to act.
    pub max_creation_failures: u32,
    /// Replacements of a lost instance after which the user has to act.
    pub max_recreations: u32,
    /// What happens, unless the spec says so, to an instance that an earlier object of the same name left behind.
    pub reclaim_policy: ReclaimPolicy,
    /// How many backups DCS keeps of an instance: one more removes the earliest. `None` if there is no limit.
    pub backup_limit: Option<NonZeroU32>,
    /// The delay after a throttled request whose answer has no Retry-After.
    pub throttled: Duration,
    /// The requeue delays.
    pub requeue: RequeuePolicy,
}

// === impl Observed ===

impl Observed {
    /// The id of the instance: the one recorded, else the one to adopt.
    pub fn known_id(&self) -> Option<&str> {
        self.status.id.as_deref().or(self.policies.adopt.as_deref())
    }

    /// What happens to an instance that an earlier object of the same name left behind.
    pub(in crate::plan::instance) fn reclaim_policy(&self) -> ReclaimPolicy {
        self.policies.reclaim.unwrap_or(self.settings.reclaim_policy)
    }

    /// The values of `status.applied`, by which an edit is told from a change in the cloud. An instance that was just
    /// adopted has matched none yet.
    pub(in crate::plan::instance) fn applied_fields(&self) -> Option<&BTreeMap<String, String>> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        let applied = self.status.applied.as_ref().map(|applied| &applied.fields);
        let operation = self.status.operation.as_ref();
        let is_adopted = operation.is_some_and(|operation| operation.type_ == OperationType::Adopt);
        applied.filter(|fields| !fields.is_empty()).or(is_adopted.then_some(NONE))
    }

    /// How long tags that a list does not show are believed.
    pub fn tags_max_age(&self) -> Duration {
        self.settings.requeue.resync_interval(&self.subject.uid)
    }

    /// The detail of the instance `id`, if it was read as a candidate.
    pub(in crate::plan::instance) fn candidate(&self, id: &str) -> Option<&Detail> {
        self.lookups.candidate.as_ref().filter(|(read, _)| read == id).map(|(_, detail)| detail)
    }

    /// An instance of the object's name that the list shows without tags, and whose detail was not read.
    pub(in crate::plan::instance) fn unread<'a>(&self, lists: &'a AccountLists) -> Option<&'a str> {
        let max_age = self.tags_max_age();
        let is_known = |facts: &&Arc<InstanceFacts>| {
            !facts.tags.is_empty() || self.local.tags_of(facts, self.now.monotonic, max_age).is_some()
        };
        lists.named.iter().find(|facts| !is_known(facts)).map(|facts| facts.id.as_str())
    }

    /// The detail of the instance `id`, if it was read last.
    pub(in crate::plan::instance) fn detail(&self, id: &str) -> Option<&Detail> {
        self.lookups.detail.as_ref().filter(|(read, _)| read == id).map(|(_, detail)| detail)
    }

    /// The detail of the instance `id`, if it was found by the last read, or as a candidate.
    pub(in crate::plan::instance) fn snapshot_of(&self, id: &str) -> Option<&InstanceSnapshot> {
        match self.detail(id).or(self.candidate(id)) {
            Some(Detail::Found(snapshot)) => Some(snapshot),
            Some(Detail::NotFound | Detail::Failed(_)) | None => None,
        }
    }

    /// The detail that was read last, if the instance was found.
    pub(in crate::plan::instance) fn snapshot(&self) -> Option<&InstanceSnapshot> {
        match &self.lookups.detail {
            Some((_, Detail::Found(snapshot))) => Some(snapshot),
            Some((_, Detail::NotFound | Detail::Failed(_))) | None => None,
        }
    }

    /// Why the last attempt to adopt an instance failed.
    pub(in crate::plan::instance) fn last_refusal_of_adoption(&self) -> Option<&str> {
        let operation = self.status.operation.as_ref()?;
        operation.message.as_deref().filter(|_| operation.type_ == OperationType::Adopt)
    }

    /// The age of the newest complete list; without one, how long it has been missing.
    pub(in crate::plan::instance) fn age(&self) -> Duration {
        let since =
            self.lists.as_ref().map(|lists| lists.latest.map_or(lists.joined, |latest| latest.finished));
        self.now.monotonic.saturating_sub(since.unwrap_or(self.local.first_seen))
    }

    /// How long ago a list or its detail last showed the instance `id`, or else since this process first saw the object.
    pub(in crate::plan::instance) fn observation_age(&self, id: &str) -> Duration {
        let lists = self.lists.as_ref().filter(|lists| lists.listed(id).is_some());
        let listed = lists.and_then(|lists| lists.latest).map(|latest| latest.finished);
        let seen = self.local.last_seen.as_ref().filter(|(seen, _)| seen == id).map(|(_, at)| *at);
        self.now.monotonic.saturating_sub(seen.max(listed).unwrap_or_default().max(self.local.first_seen))
    }

    /// Whether the cloud said that the instance `id` does not exist, and no newer list shows it.
    pub(in crate::plan::instance) fn is_gone(&self, id: &str) -> bool {
        let is_listed = self.lists.as_ref().is_some_and(|lists| lists.listed(id).is_some());
        !is_listed && self.local.gone.as_ref().is_some_and(|(gone, _)| gone == id)
    }

    /// Whether a user waits for the object: it is being deleted, has no instance yet, or was edited. Its requests go ahead
    /// of those that keep other objects in sync.
    pub(crate) fn is_urgent(&self) -> bool {
        self.subject.deleting
            || self.status.id.is_none()
            || self.status.observed_generation != Some(self.subject.generation)
    }

    /// The token in the annotation that asks for a retry, until a request was sent for it.
    pub(in crate::plan::instance) fn retry_token(&self) -> Option<&str> {
        let token = self.subject.retry_token.as_deref();
        token.filter(|token| self.status.last_retry_token.as_deref() != Some(token))
    }

    /// The delay after a lookup that failed.
    pub(in crate::plan::instance) fn retry_delay_for(&self, blocker: &Blocker) -> Duration {
        self.retry_delay(blocker.retry_class(), self.local.failures.max(1))
    }

    /// The delay after the `attempt`th failure in a row.
    pub(in crate::plan::instance) fn retry_delay(&self, retry_class: RetryClass, attempt: u32) -> Duration {
        self.settings.requeue.retry_delay(retry_class, attempt)
    }

    /// The first delay of what needs the user.
    pub(in crate::plan::instance) fn needs_user(&self) -> Duration {
        self.retry_delay(RetryClass::NeedsUser, 1)
    }

    /// Why the API server refuses writes of this purpose to the object's Secrets, and how long none is tried.
    pub(in crate::plan::instance) fn refused(&self, purpose: WritePurpose) -> Option<(&str, Duration)> {
        let same =
            |refusal: &&RefusedWrite| refusal.purpose == purpose && refusal.versions == self.notes.versions();
        let refusal = self.local.refusal.as_ref().filter(same)?;
        let rest = refusal.at.saturating_add(self.needs_user()).checked_sub(self.now.monotonic);
        Some((&refusal.message, rest.filter(|rest| !rest.is_zero())?))
    }
}

// === impl CredentialsSource ===

impl CredentialsSource {
    /// The Secret with the credentials, for a message.
    pub fn describe(&self) -> String {
        match self {
            Self::Namespace { secret, .. } => format!("Secret {secret}"),
            Self::Operator { .. } => "the Secret with the operator's own credentials".to_owned(),
        }
    }
}

// === impl PlannerSettings ===

impl PlannerSettings {
    /// The part of [`window`](Self::window) in which lists may not show an effect yet. A request may be carried out some time
    /// after the operator stopped waiting for its answer: as long again counts for that.
    pub fn list_lag(&self) -> Duration {
        self.list_consistency_window.saturating_sub(self.call_timeout)
    }

    /// How long after its intent was recorded an attempt may have an effect that lists do not show.
    pub fn window(&self) -> Duration {
        self.intent_ttl + self.call_timeout + self.list_consistency_window
    }
}

impl Default for PlannerSettings {
    fn default() -> Self {
        Self {
            process: "dcs-operator".to_owned(),
            intent_ttl: Duration::from_secs(5),
            call_timeout: Duration::from_secs(15),
            list_consistency_window: Duration::from_secs(60),
            max_creation_failures: 3,
            max_recreations: 3,
            reclaim_policy: ReclaimPolicy::Released,
            backup_limit: NonZeroU32::new(24),
            throttled: Duration::from_secs(5),
            requeue: RequeuePolicy::default(),
        }
    }
}
