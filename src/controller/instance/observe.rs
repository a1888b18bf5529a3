//! What the planner of DcsInstances decides from, before any lookup.

use std::sync::Arc;

use kube::ResourceExt;

use super::state::Instances;
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        accounts::ClientFactory,
        ports::{ManagedResource, ObjectApi, SecretApi, has_finalizer},
        reconciler::Known,
    },
    dcs::model::InstanceFacts,
    formats::{INSTANCE_FINALIZER, OWNER_TAG, OwnerHash, RELEASED_TAG, UID_TAG, cloud_name},
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
        let local = LocalState {
            first_seen: known.first_seen,
            intent_seen: known.intent_seen,
            failures: known.failures,
            ..known.local.local
        };
        let mut observed = Observed {
            subject: self.subject(&object),
            policies: Policies::of(&object.spec),
            desired: Desired::parse(&object.spec),
            status: known.status,
            account: known.account,
            lists: None,
            notes: self.notes(&object),
            lookups: LookupResults::default(),
            local,
            now: Now { wall: known.now.wall, monotonic: known.now.monotonic },
            settings: self.shared.settings.clone(),
        };
        if let Some(snapshot) = known.snapshot {
            let mut lists = lists(&observed, &snapshot);
            lists.overlay_tags(&observed.local, observed.now.monotonic, observed.tags_max_age());
            lists.overlay_recent_reads(&observed.local);
            observed.lists = Some(lists);
        }
        observed
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
    let known = o.known_id().and_then(|id| instances.latest.as_ref()?.get(id)).cloned();
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
        marked: marked(&o.subject, instances.latest.as_deref()),
        named: named(o, instances.latest.as_deref()),
        vanished: vanished(&o.subject, instances),
        failed: failed(o, failures.latest.as_deref()),
        trouble: instances.trouble.as_ref().map(|trouble| blocker_for(&trouble.cause)),
        overlaid: false,
    }
}

/// Instances with our uid or owner in their tags, each once.
fn marked(subject: &Subject, list: Option<&List<InstanceFacts>>) -> Vec<Arc<InstanceFacts>> {
    let Some(list) = list else { return Vec::new() };
    let owner = subject.owner.as_str();
    let others = list.tagged(OWNER_TAG, owner).filter(|facts| facts.tag(UID_TAG) != Some(&subject.uid));
    let released = list.tagged(RELEASED_TAG, owner);
    let released = released
        .filter(|facts| facts.tag(UID_TAG) != Some(&subject.uid) && facts.tag(OWNER_TAG) != Some(owner));
    list.tagged(UID_TAG, &subject.uid).chain(others).chain(released).cloned().collect()
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
    let mut before = marked(subject, lists.previous.as_deref());
    before.retain(|facts| lists.latest.as_ref().is_none_or(|latest| latest.get(&facts.id).is_none()));
    before
}

fn failed(o: &Observed, list: Option<&List<InstanceFacts>>) -> Vec<Arc<InstanceFacts>> {
    let Some(list) = list else { return Vec::new() };
    let known = o.status.id.as_deref().and_then(|id| list.get(id)).into_iter();
    let mut found: Vec<_> = known.chain(list.tagged(UID_TAG, &o.subject.uid)).cloned().collect();
    found.dedup_by(|one, other| one.id == other.id);
    found
}

fn blocker_for(cause: &Cause) -> Blocker {
    match cause {
        Cause::Error(error) => Blocker::of("the account cannot be listed", error),
        Cause::Incomplete => Blocker {
            reason: Reason::ListIncomplete,
            message:
                "the list of instances is incomplete: it has fewer than the count that the cloud reports"
                    .to_owned(),
        },
    }
}
