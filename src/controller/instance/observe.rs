//! What the planner of DcsInstances decides from, before any lookup.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt;

use super::state::Instances;
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        accounts::ClientFactory,
        ports::{ManagedResource, ObjectApi, SecretApi, has_finalizer},
        reconciler::Known,
    },
    dcs::{
        error::Failure,
        model::{InstanceFacts, text::is_uuid},
    },
    formats::{INSTANCE_FINALIZER, OWNER_TAG, OwnerHash, RELEASED_TAG, UID_TAG, cloud_name},
    inventory::{AccountKey, AccountSnapshot, Cause, List, Lists},
    plan::{
        Blocker,
        instance::{
            Desired, Observed, Policies,
            lists::{AccountLists, ListTimes},
            local::LocalState,
            observed::{ListedBackups, LookupResults, Now, ResolvedAccount, Subject},
        },
        job::Records,
    },
};

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    pub(super) fn observed(&self, known: Known<Self>) -> Observed {
        let object = known.object;
        let mut local = LocalState {
            first_seen: known.first_seen,
            intent_seen: known.intent_seen,
            creation: known.creation,
            finalizer_added: known.finalizer_added,
            failures: known.failures,
            ..known.local.local
        };
        if known.retry && local.refusal.take().is_some() {
            self.local_states.with(&object, |entry| entry.more.local.refusal = None);
        }
        // Nothing can be read by such an id: the tags tell which instance is the object's.
        let mut status = known.status;
        status.id = status.id.filter(|id| is_uuid(id));
        let mut observed = Observed {
            subject: self.subject(&object),
            policies: Policies::of(&object.spec),
            desired: Desired::parse(&object.spec),
            status,
            account: known.account,
            lists: None,
            backups: None,
            notes: self.notes(&object),
            claims: self.shared.links.claims(&object.object_id()),
            lookups: LookupResults::default(),
            local,
            now: Now { wall: known.now.wall, monotonic: known.now.monotonic },
            settings: self.shared.settings.clone(),
        };
        observed.backups = known.account_key.and_then(|account| self.known_backups(&account, &observed));
        if let Some(snapshot) = known.snapshot {
            let mut lists = lists(&observed, &snapshot);
            lists.limit = known.limit;
            if let Some(seen) = lists.known_at.and_then(|at| Some((observed.status.id.clone()?, at))) {
                self.see(&object, &mut observed.local, seen);
            }
            lists.overlay_tags(&observed.local, observed.now.monotonic, observed.tags_max_age());
            lists.overlay_recent_reads(&observed.local);
            observed.lists = Some(lists);
        }
        observed
    }

    /// The list of backups that DcsBackups of the instance have read.
    fn known_backups(&self, account: &AccountKey, observed: &Observed) -> Option<ListedBackups> {
        let instance = observed.known_id()?;
        match self.shared.backup_lists.get(account, instance, Duration::ZERO)? {
            Records::Listed(list) => Some(ListedBackups {
                instance: instance.to_owned(),
                begun: list.begun,
                records: list.records,
            }),
            Records::InstanceNotFound | Records::Failed(_) => None,
        }
    }

    /// Keeps when the instance was last seen.
    fn see(&self, object: &DcsInstance, local: &mut LocalState, seen: (String, Duration)) {
        let is_newer = |before: &(String, Duration)| before.0 != seen.0 || before.1 < seen.1;
        if local.last_seen.as_ref().is_none_or(is_newer) {
            local.last_seen = Some(seen.clone());
            self.local_states.with(object, |entry| entry.more.local.last_seen = Some(seen));
        }
    }

    fn subject(&self, object: &DcsInstance) -> Subject {
        let id = object.object_id();
        Subject {
            owner: OwnerHash::new(&self.shared.cluster_id, &id.namespace, &id.name),
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            deleting: object.is_deleting(),
            finalizer: has_finalizer(object, INSTANCE_FINALIZER),
            retry_token: object.retry_token(),
            guard: object.finalizers().iter().find(|finalizer| guards(finalizer)).cloned(),
        }
    }
}

/// Whether a finalizer is somebody else's. Kubernetes' own order only what is deleted first.
fn guards(finalizer: &str) -> bool {
    ![INSTANCE_FINALIZER, "foregroundDeletion", "orphan"].contains(&finalizer)
}

/// The part of the account's lists that is about this object.
fn lists(o: &Observed, snapshot: &AccountSnapshot) -> AccountLists {
    let (instances, failures) = (&snapshot.instances, &snapshot.failed_creations);
    let known = o.known_id().and_then(|id| instances.newest(id));
    let known_at = known.filter(|_| o.status.id.is_some()).map(|(_, at)| at);
    let known = known.map(|(facts, _)| Arc::clone(facts));
    let begun = |list: &Option<Arc<List<_>>>| list.as_ref().map(|list| list.begun);
    AccountLists {
        joined: snapshot.joined,
        latest: instances
            .latest
            .as_ref()
            .map(|list| ListTimes { begun: list.begun, finished: list.finished }),
        before: begun(&instances.previous),
        failed_latest: begun(&failures.latest),
        failed_before: begun(&failures.previous),
        known,
        known_at,
        marked: newest_marked(&o.subject, instances),
        named: named(o, instances.latest.as_deref()),
        vanished: vanished(&o.subject, instances),
        failed: failed(o, failures.latest.as_deref()),
        limit: None,
        trouble: instances
            .trouble
            .as_ref()
            .map(|trouble| blocker_for(&o.account, o.now.monotonic, &trouble.cause)),
        overlaid: false,
    }
}

/// Instances with our uid or owner in their tags, as owner or as former owner, each once, as the newest readings show
/// them.
fn newest_marked(subject: &Subject, lists: &Lists<InstanceFacts>) -> Vec<Arc<InstanceFacts>> {
    marked(subject, |key, value| lists.tagged(key, value).cloned().collect())
}

/// The same, from any way to find instances by a tag.
fn marked(
    subject: &Subject,
    tagged: impl Fn(&str, &str) -> Vec<Arc<InstanceFacts>>,
) -> Vec<Arc<InstanceFacts>> {
    let owner = subject.owner.as_str();
    let is_uids = |facts: &Arc<InstanceFacts>| facts.tag(UID_TAG) == Some(&subject.uid);
    let is_owners = |facts: &Arc<InstanceFacts>| facts.tag(OWNER_TAG) == Some(owner);
    let others = tagged(OWNER_TAG, owner).into_iter().filter(|facts| !is_uids(facts));
    let released =
        tagged(RELEASED_TAG, owner).into_iter().filter(|facts| !is_uids(facts) && !is_owners(facts));
    tagged(UID_TAG, &subject.uid).into_iter().chain(others).chain(released).collect()
}

/// Instances with the object's name in DCS, declared or derived, whose tags do not name the object.
fn named(o: &Observed, list: Option<&List<InstanceFacts>>) -> Vec<Arc<InstanceFacts>> {
    let Some(list) = list else { return Vec::new() };
    let subject = &o.subject;
    let derived = cloud_name(&subject.namespace, &subject.name, &subject.owner);
    let declared = o.desired.as_ref().ok().and_then(|desired| desired.name.clone());
    let names = std::iter::once(&derived).chain(declared.as_ref().filter(|name| **name != derived));
    let unmarked = |facts: &&Arc<InstanceFacts>| {
        facts.tag(UID_TAG) != Some(&subject.uid)
            && ![OWNER_TAG, RELEASED_TAG].iter().any(|key| facts.tag(key) == Some(subject.owner.as_str()))
    };
    names.flat_map(|name| list.named(name)).filter(unmarked).cloned().collect()
}

fn vanished(subject: &Subject, lists: &Lists<InstanceFacts>) -> Vec<Arc<InstanceFacts>> {
    let Some(previous) = lists.previous.as_deref() else { return Vec::new() };
    let mut before = marked(subject, |key, value| previous.tagged(key, value).cloned().collect());
    before.retain(|facts| lists.newest(&facts.id).is_none());
    before
}

fn failed(o: &Observed, list: Option<&List<InstanceFacts>>) -> Vec<Arc<InstanceFacts>> {
    let Some(list) = list else { return Vec::new() };
    let known = o.status.id.as_deref().and_then(|id| list.get(id)).into_iter();
    let mut found: Vec<_> = known.chain(list.tagged(UID_TAG, &o.subject.uid)).cloned().collect();
    found.dedup_by(|one, other| one.id == other.id);
    found
}

fn blocker_for(account: &Result<ResolvedAccount, Blocker>, now: Duration, cause: &Cause) -> Blocker {
    match cause {
        Cause::Error(error) if matches!(error.failure(), Failure::TooMany(_)) => Blocker {
            reason: Reason::TooManyInstances,
            message: format!(
                "the operator does not manage instances of this account: {error}; use a project with fewer instances"
            ),
        },
        Cause::Error(error) => {
            let credentials = account.as_ref().map(|account| account.source.describe()).unwrap_or_default();
            Blocker::of_account("the account cannot be listed", error, &credentials)
        }
        Cause::Paused(until) => Blocker {
            reason: Reason::Throttled,
            message: format!(
                "the account is not listed for {} s, since DCS asked for a pause (Retry-After)",
                until.saturating_sub(now).as_secs().saturating_add(1)
            ),
        },
        Cause::Incomplete => Blocker {
            reason: Reason::ListIncomplete,
            message:
                "the list of instances is incomplete: it has fewer than the count that the cloud reports"
                    .to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcs::{Error, operation::LIST_INSTANCES};

    #[test]
    fn a_list_that_fails_is_said_with_its_own_reason() {
        let error = |failure| Cause::Error(Error::new(&LIST_INSTANCES, failure, 1));
        let account = Err(Blocker { reason: Reason::CredentialsMissing, message: String::new() });
        for (cause, reason, words) in [
            (error(Failure::TooMany(10_000)), Reason::TooManyInstances, "more than 10000 entries"),
            (
                error(Failure::NotSent(String::new())),
                Reason::CloudUnreachable,
                "the account cannot be listed",
            ),
            (Cause::Paused(Duration::from_secs(90)), Reason::Throttled, "not listed for 31 s"),
            (Cause::Incomplete, Reason::ListIncomplete, "fewer than the count"),
        ] {
            let blocker = blocker_for(&account, Duration::from_secs(60), &cause);
            assert_eq!(blocker.reason, reason, "{cause:?}");
            assert!(blocker.message.contains(words), "{}", blocker.message);
        }
    }
}
