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
    dcs::{error::Failure, model::InstanceFacts},
    formats::{INSTANCE_FINALIZER, OWNER_TAG, OwnerHash, UID_TAG},
    inventory::{AccountSnapshot, Cause, List, Lists},
    plan::{
        Blocker,
        instance::{
            Desired, Observed, Policies,
            observed::{AccountLists, ListTimes, LocalState, LookupResults, Now, Subject},
        },
    },
};

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    pub(super) fn observed(&self, known: Known<Self>) -> Observed {
        let object = known.object;
        let mut local = LocalState {
            first_seen: known.first_seen,
            intent_seen: known.intent_seen,
            failures: known.failures,
            ..known.local.local
        };
        if known.retry && local.refusal.take().is_some() {
            self.local_states.with(&object, |entry| entry.more.local.refusal = None);
        }
        let mut observed = Observed {
            subject: self.subject(&object),
            policies: Policies::of(&object.spec),
            desired: Desired::parse(&object.spec),
            status: known.status,
            account: known.account,
            lists: None,
            secrets: self.versions(&object),
            lookups: LookupResults::default(),
            local,
            now: Now { wall: known.now.wall, monotonic: known.now.monotonic },
            settings: self.shared.settings.clone(),
        };
        if let Some(snapshot) = known.snapshot {
            let mut lists = lists(&observed, &snapshot);
            lists.limit = known.limit;
            if let Some(seen) = lists.known_at.and_then(|at| Some((observed.status.id.clone()?, at))) {
                self.see(&object, &mut observed.local, seen);
            }
            lists.overlay_recent_reads(&observed.local);
            observed.lists = Some(lists);
        }
        if let Some(published) = &mut observed.local.published {
            published.shown |= observed.secrets.binding.is_some();
            let shown = published.shown;
            self.local_states.with(&object, |entry| {
                entry.more.local.published.as_mut().map(|published| published.shown = shown)
            });
        }
        observed
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
            namespace: id.namespace,
            name: id.name,
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            deleting: object.is_deleting(),
            finalizer: has_finalizer(object, INSTANCE_FINALIZER),
            retry_token: object.retry_token(),
        }
    }
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
        vanished: vanished(&o.subject, instances),
        failed: failed(o, failures.latest.as_deref()),
        limit: None,
        trouble: instances.trouble.as_ref().map(|trouble| blocker_for(o, &trouble.cause)),
        overlaid: false,
    }
}

/// Instances with our uid or owner in their tags, each once, as the newest readings show them.
fn newest_marked(subject: &Subject, lists: &Lists<InstanceFacts>) -> Vec<Arc<InstanceFacts>> {
    let others = lists.tagged(OWNER_TAG, subject.owner.as_str());
    let others = others.filter(|facts| facts.tag(UID_TAG) != Some(&subject.uid));
    lists.tagged(UID_TAG, &subject.uid).chain(others).cloned().collect()
}

/// The same in one list.
fn marked(subject: &Subject, list: Option<&List<InstanceFacts>>) -> Vec<Arc<InstanceFacts>> {
    let Some(list) = list else { return Vec::new() };
    let others = list.tagged(OWNER_TAG, subject.owner.as_str());
    let others = others.filter(|facts| facts.tag(UID_TAG) != Some(&subject.uid));
    list.tagged(UID_TAG, &subject.uid).chain(others).cloned().collect()
}

fn vanished(subject: &Subject, lists: &Lists<InstanceFacts>) -> Vec<Arc<InstanceFacts>> {
    let mut before = marked(subject, lists.previous.as_deref());
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

fn blocker_for(o: &Observed, cause: &Cause) -> Blocker {
    match cause {
        Cause::Error(error) if matches!(error.failure(), Failure::TooMany(_)) => Blocker {
            reason: Reason::TooManyInstances,
            message: format!(
                "the operator does not manage instances of this account: {error}; use a project with fewer instances"
            ),
        },
        Cause::Error(error) => {
            let credentials = o.account.as_ref().map(|account| account.source.describe()).unwrap_or_default();
            Blocker::of_account("the account cannot be listed", error, &credentials)
        }
        Cause::Paused(until) => Blocker {
            reason: Reason::Throttled,
            message: format!(
                "the account is not listed for {} s, since DCS asked for a pause (Retry-After)",
                until.saturating_sub(o.now.monotonic).as_secs().saturating_add(1)
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
