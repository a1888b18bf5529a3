//! Everything that a decision rests on. Whoever gathers it decides nothing; whatever is not here was not looked at.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    binding::{BindingState, Content},
    defaults::Defaults,
    desired::Desired,
    invalid::Invalid,
    policies::Policies,
};
use crate::{
    api::{DcsInstanceStatus, instance::CloudAccount, words::OperationType},
    dcs::model::{Flavor, InstanceFacts, MaintenanceWindow},
    formats::OwnerHash,
    plan::schedule::{RequeuePolicy, RetryClass},
};

pub use crate::plan::blocker::{Blocker, retry_class};

/// What is known of an object, its instance and the cloud.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The object itself.
    pub subject: Subject,
    /// What the spec says about what may be done; it can be read even from a spec that is otherwise invalid.
    pub policies: Policies,
    /// What the spec asks for.
    pub desired: Result<Desired, Invalid>,
    /// What was said last.
    pub status: DcsInstanceStatus,
    /// Where the credentials lead, or why nowhere.
    pub account: Result<ResolvedAccount, Blocker>,
    /// What the account's lists say; `None` while there is no account to list.
    pub lists: Option<AccountLists>,
    /// What the watch shows of the object's Secrets.
    pub secrets: SecretVersions,
    /// What was looked up in this pass.
    pub lookups: LookupResults,
    /// What this process remembers.
    pub local: LocalState,
    /// The time.
    pub now: Now,
    /// How the operator is set up.
    pub settings: PlannerSettings,
}

/// The object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// metadata.namespace.
    pub namespace: String,
    /// metadata.name.
    pub name: String,
    /// metadata.uid.
    pub uid: String,
    /// Its place, in the form that marks have.
    pub owner: OwnerHash,
    /// metadata.generation.
    pub generation: i64,
    /// Whether it is to be removed.
    pub deleting: bool,
    /// Whether it carries our finalizer.
    pub finalizer: bool,
}

/// Where the credentials lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedAccount {
    /// Region, project, endpoint.
    pub account: CloudAccount,
    /// A keyed hash of the credentials.
    pub credentials_hash: String,
    /// What the credentials' Secret says about new instances.
    pub defaults: Defaults,
    /// Whose credentials they are.
    pub source: CredentialsSource,
}

/// Whose credentials are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsSource {
    /// Those of a Secret in the object's namespace.
    Namespace {
        /// Its name.
        secret: String,
        /// Whether it is kept from going while it is needed.
        in_use: bool,
        /// Whether it is to be deleted: nothing new is begun with it.
        deleting: bool,
    },
    /// The operator's own.
    Operator {
        /// Whether objects of this namespace may name anything in the account by its ID.
        trusted: bool,
    },
}

/// Versions of Secrets as the watch last showed them; `None` where it shows none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretVersions {
    /// Of the binding Secret.
    pub binding: Option<String>,
    /// Of the one that holds a password until the cloud has accepted it and it is published.
    pub pending: Option<String>,
    /// Of the one that the spec names for the password.
    pub chosen: Option<String>,
}

/// What the binding Secret was last known to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it in_use.
    pub content: Content,
    /// In which version.
    pub version: String,
    /// The version of the user's Secret that the password came from.
    pub source: Option<String>,
    /// Whether the watch has shown it since.
    pub shown: bool,
}

/// What the account's lists say. Times are monotonic.
#[derive(Debug, Clone, Default)]
pub struct AccountLists {
    /// When this process began to list the account.
    pub joined: Duration,
    /// The newest complete list of instances.
    pub latest: Option<ListTimes>,
    /// When the complete list before that was begun.
    pub before: Option<Duration>,
    /// When the newest complete list of failed creations was begun.
    pub failed_latest: Option<Duration>,
    /// When the complete list of failed creations before that was begun.
    pub failed_before: Option<Duration>,
    /// The instance of `status.id`, or of `adopt.instanceId` while that is empty, in the newest list.
    pub known: Option<Arc<InstanceFacts>>,
    /// Instances with our uid or our owner in their tags, in the newest list.
    pub marked: Vec<Arc<InstanceFacts>>,
    /// The same of the list before, as far as the newest does not show them.
    pub vanished: Vec<Arc<InstanceFacts>>,
    /// Failed creations with our uid in their tags, and the one of `status.id`.
    pub failed: Vec<Arc<InstanceFacts>>,
    /// Why there is no newer list.
    pub trouble: Option<Blocker>,
    /// Whether something newer than the newest list went into `known` and `marked`.
    pub overlaid: bool,
}

/// When a list was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListTimes {
    /// Before its first page was asked for.
    pub begun: Duration,
    /// After its last page had come.
    pub finished: Duration,
}

/// What was looked up in this pass, because a plan asked for it.
#[derive(Debug, Clone, Default)]
pub struct LookupResults {
    /// The instance in detail.
    pub detail: Option<Detail>,
    /// What can be bought.
    pub flavors: Option<Result<Arc<[Flavor]>, Blocker>>,
    /// The maintenance windows on offer.
    pub windows: Option<Result<Arc<[MaintenanceWindow]>, Blocker>>,
    /// The password for a new instance.
    pub password: Option<Result<PasswordState, Blocker>>,
    /// The binding Secret.
    pub binding: Option<Result<BindingState, Blocker>>,
}

/// The instance in detail, just now.
#[derive(Debug, Clone)]
pub enum Detail {
    /// It exists.
    Found(Box<InstanceSnapshot>),
    /// The cloud says that it does not exist.
    NotFound,
    /// The cloud did not say.
    Failed(Blocker),
}

/// What only the detail says, with what the list says too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstanceSnapshot {
    /// What the list says too.
    pub facts: InstanceFacts,
    /// The task that keeps the instance busy.
    pub task: Option<String>,
    /// How it is built, in the cloud's word.
    pub cache_mode: Option<String>,
    /// Copies of each shard, the master included.
    pub replicas: Option<i64>,
    /// Shards.
    pub shards: Option<i64>,
    /// Codes of the zones it is in.
    pub zones: Vec<String>,
}

/// What was found of the password of a new instance; never the password itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordState {
    /// It is there.
    Ready {
        /// A keyed hash of it.
        hash: String,
    },
    /// None was made yet.
    Missing,
}

/// What this process remembers of an object. All of it may be forgotten at any time: it only ever makes the operator
/// wait longer, or look again. Times are monotonic.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocalState {
    /// When this process first saw the object.
    pub first_seen: Duration,
    /// When this process first saw the present attempt in `status.operation`; for its own, after it was sent.
    pub intent_seen: Option<Duration>,
    /// When the cloud last said that the instance of this id does not exist.
    pub gone: Option<(String, Duration)>,
    /// What the cloud last said of an instance that was looked at closely, and when it was asked.
    pub seen: Option<(Arc<InstanceFacts>, Duration)>,
    /// What the binding Secret was last known to hold.
    pub published: Option<Published>,
    /// That Kubernetes refused a Secret, in its words, and when.
    pub refusal: Option<(String, Duration)>,
    /// Looks and writes that failed in a row.
    pub failures: u32,
}

/// The time, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For people, and for times in objects.
    pub wall: DateTime<Utc>,
    /// For measuring.
    pub monotonic: Duration,
}

/// How the operator is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannerSettings {
    /// What this process is called in `status.operation.process`.
    pub process: String,
    /// How long after it was written down an attempt may be sent.
    pub intent_ttl: Duration,
    /// How long a mutating call may take.
    pub call_timeout: Duration,
    /// How long the cloud may take to show in lists what it has done.
    pub list_consistency_window: Duration,
    /// How often a creation may fail in the cloud before a person is asked.
    pub max_creation_failures: u32,
    /// How often a lost instance is replaced before a person is asked.
    pub max_recreations: u32,
    /// How long to leave a site alone that says that it was too much, and not for how long.
    pub throttled: Duration,
    /// How long to wait for what.
    pub requeue: RequeuePolicy,
}

// === impl Observed ===

impl Observed {
    /// The id of the instance: the one recorded, else the one to adopt.
    pub fn known_id(&self) -> Option<&str> {
        self.status.id.as_deref().or(self.policies.adopt.as_deref())
    }

    /// The detail, if the instance was found.
    pub(in crate::plan::instance) fn snapshot(&self) -> Option<&InstanceSnapshot> {
        match &self.lookups.detail {
            Some(Detail::Found(snapshot)) => Some(snapshot),
            Some(Detail::NotFound | Detail::Failed(_)) | None => None,
        }
    }

    /// Why the last attempt to adopt an instance failed.
    pub(in crate::plan::instance) fn last_refusal_of_adoption(&self) -> Option<&str> {
        let operation = self.status.operation.as_ref()?;
        operation.message.as_deref().filter(|_| operation.type_ == OperationType::Adopt)
    }

    /// How old the newest complete list is; if there is none, how long one has been missing.
    pub(in crate::plan::instance) fn age(&self) -> Duration {
        let since =
            self.lists.as_ref().map(|lists| lists.latest.map_or(lists.joined, |latest| latest.finished));
        self.now.monotonic.saturating_sub(since.unwrap_or(self.local.first_seen))
    }

    /// How long to wait after what was looked up stood in the way.
    pub(in crate::plan::instance) fn retry_delay_for(&self, blocker: &Blocker) -> Duration {
        self.retry_delay(blocker.retry_class(), self.local.failures.max(1))
    }

    /// The wait after the `attempt`th failure in a row.
    pub(in crate::plan::instance) fn retry_delay(&self, retry_class: RetryClass, attempt: u32) -> Duration {
        self.settings.requeue.retry_delay(retry_class, attempt)
    }

    /// How long what needs a person is left at rest.
    pub(in crate::plan::instance) fn needs_user(&self) -> Duration {
        self.retry_delay(RetryClass::NeedsUser, 1)
    }

    /// What Kubernetes said when it refused a Secret, and how long that is left at rest.
    pub(in crate::plan::instance) fn refused(&self) -> Option<(&str, Duration)> {
        let (message, at) = self.local.refusal.as_ref()?;
        let rest = at.saturating_add(self.needs_user()).checked_sub(self.now.monotonic);
        Some((message, rest.filter(|rest| !rest.is_zero())?))
    }
}

// === impl AccountLists ===

impl AccountLists {
    /// Puts in what a close look said after the newest list was begun: what is newer holds.
    pub fn overlay_recent_reads(&mut self, local: &LocalState) {
        let begun = self.latest.map(|latest| latest.begun);
        if let Some((id, _)) = local.gone.as_ref().filter(|(_, at)| Some(*at) >= begun) {
            let before = (self.known.is_some(), self.marked.len());
            self.known = self.known.take().filter(|known| known.id != *id);
            self.marked.retain(|facts| facts.id != *id);
            self.overlaid |= before != (self.known.is_some(), self.marked.len());
        }
        let Some((seen, _)) = local.seen.as_ref().filter(|(_, at)| Some(*at) >= begun) else { return };
        for listed in self.known.iter_mut().chain(&mut self.marked).filter(|listed| listed.id == seen.id) {
            self.overlaid |= listed != seen;
            *listed = Arc::clone(seen);
        }
    }

    /// The instance of this id in the newest list, if it concerns the object.
    pub(in crate::plan::instance) fn listed(&self, id: &str) -> Option<&Arc<InstanceFacts>> {
        self.known.iter().chain(&self.marked).find(|facts| facts.id == id)
    }

    /// The instance of this id with the object's tags, in the two newest lists.
    pub(in crate::plan::instance) fn claimed(&self, id: &str) -> Option<&InstanceFacts> {
        self.marked.iter().chain(&self.vanished).map(Arc::as_ref).find(|facts| facts.id == id)
    }
}

// === impl PlannerSettings ===

impl PlannerSettings {
    /// For how long after it was written down an attempt may still show its effect.
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
            throttled: Duration::from_secs(5),
            requeue: RequeuePolicy::default(),
        }
    }
}
