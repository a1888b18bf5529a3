//! What is known of an object without asking the cloud: spec, status, credentials, lists, and what is remembered.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt;

use super::{Attempt, InstanceLocalState, Instances, ReconcileContext, credentials::AccountUnavailable};
use crate::{
    api::{DcsInstance, DcsInstanceStatus, Reason, instance::OperationStatus, time},
    controller::{
        account::ClientFactory,
        ports::{ClusterError, NamespacedName, ObjectApi, SecretApi},
        reconcile::{has_finalizer, is_deleting},
    },
    dcs::model::InstanceFacts,
    formats::{INSTANCE_FINALIZER, OWNER_TAG, OwnerHash, UID_TAG},
    inventory::{AccountSnapshot, Cause, List, Lists},
    plan::instance::{
        ChangeOutcome, Desired, Observed, Policies, intent,
        observed::{AccountLists, Blocker, ListTimes, LocalState, LookupResults, Now, Subject},
    },
};

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    pub(super) async fn observe(
        &self,
        object: &Arc<DcsInstance>,
    ) -> Result<Option<ReconcileContext<N::Cloud>>, ClusterError> {
        let key = NamespacedName::of(object.as_ref());
        let joined = match self.credentials(&key, object).await? {
            Ok((found, source)) => self.join(&found, source).await,
            Err(blocker) => Err(AccountUnavailable::Blocker(blocker)),
        };
        let (account, cloud) = match joined {
            Ok((account, cloud)) => (Ok(account), Some(cloud)),
            Err(AccountUnavailable::Blocker(blocker)) => (Err(blocker), None),
            Err(AccountUnavailable::InProgress) => return Ok(None),
        };
        let mut status = object.status.clone().unwrap_or_default();
        let local = self.local_state(object, &mut status);
        let subject = self.subject(&key, object);
        let mut observed = Observed {
            policies: Policies::of(&object.spec),
            desired: Desired::parse(&object.spec),
            lists: None,
            secrets: self.versions(object),
            lookups: LookupResults::default(),
            local,
            now: Now { wall: self.clock.now(), monotonic: self.clock.monotonic() },
            settings: self.settings.clone(),
            subject,
            status,
            account,
        };
        if let Some((account, _)) = &cloud
            && let Some(snapshot) = self.inventory.snapshot(account)
        {
            let mut lists = lists(&observed, &snapshot);
            lists.overlay_recent_reads(&observed.local);
            observed.lists = Some(lists);
        }
        if let Some(published) = &mut observed.local.published {
            published.shown |= observed.secrets.binding.is_some();
            let shown = published.shown;
            self.local_states.with(object, |entry| {
                entry.more.local.published.as_mut().map(|published| published.shown = shown)
            });
        }
        Ok(Some(ReconcileContext {
            observed,
            object: Arc::clone(object),
            cloud,
            password: None,
            binding: None,
        }))
    }

    fn subject(&self, key: &NamespacedName, object: &DcsInstance) -> Subject {
        Subject {
            owner: OwnerHash::new(&self.cluster_id, &key.namespace, &key.name),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            deleting: is_deleting(object),
            finalizer: has_finalizer(object, INSTANCE_FINALIZER),
        }
    }

    /// What is remembered, brought up to date with the operation in `status`; and into that, what became of our own
    /// last attempt if it could not be written down.
    fn local_state(&self, object: &DcsInstance, status: &mut DcsInstanceStatus) -> LocalState {
        let now = self.clock.monotonic();
        self.local_states.with(object, |entry| {
            let failures = entry.failures();
            let local_state = &mut entry.more;
            if !local_state.seen {
                local_state.seen = true;
                local_state.local.first_seen = now;
            }
            local_state.notice(status.operation.as_ref(), now);
            if status.operation.as_ref().is_some_and(|operation| operation.outcome.is_none())
                && let Some(outcome) = &local_state.outcome
            {
                intent::record_outcome(status, outcome);
            }
            local_state.local.failures = failures;
            local_state.local.clone()
        })
    }
}

// === impl InstanceLocalState ===

impl InstanceLocalState {
    /// Takes note of an attempt that was not seen before.
    pub(super) fn notice(&mut self, operation: Option<&OperationStatus>, now: Duration) {
        let attempt = operation.map(Attempt::of);
        if self.attempt != attempt {
            self.local.intent_seen = attempt.as_ref().map(|_| now);
            self.outcome = attempt
                .as_ref()
                .filter(|_| attempt == self.unconfirmed)
                .map(|_| ChangeOutcome::unconfirmed());
            self.attempt = attempt;
        }
    }

    /// Takes note of an attempt that is made now.
    pub(super) fn begin(&mut self, operation: Option<&OperationStatus>, now: Duration) {
        (self.unconfirmed, self.attempt) = (None, None);
        self.notice(operation, now);
    }
}

// === impl Attempt ===

impl Attempt {
    pub(super) fn of(operation: &OperationStatus) -> Self {
        Self {
            process: operation.process.clone(),
            at: operation.attempted_at.as_ref().map(|at| time::from_kube(at).timestamp()),
            generation: operation.generation,
            attempt: operation.attempt,
            operation: operation.type_.as_str().to_owned(),
            // A new instance gets its id with the outcome: that is no other attempt.
            instance: operation.instance_id.clone().filter(|_| operation.type_.as_str() != "Create"),
        }
    }
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
        vanished: vanished(&o.subject, instances),
        failed: failed(o, failures.latest.as_deref()),
        trouble: instances.trouble.as_ref().map(|trouble| blocker_for(&trouble.cause)),
        overlaid: false,
    }
}

/// Instances with our uid or owner in their tags, each once.
fn marked(subject: &Subject, list: Option<&List<InstanceFacts>>) -> Vec<Arc<InstanceFacts>> {
    let Some(list) = list else { return Vec::new() };
    let others = list.tagged(OWNER_TAG, subject.owner.as_str());
    let others = others.filter(|facts| facts.tag(UID_TAG) != Some(&subject.uid));
    list.tagged(UID_TAG, &subject.uid).chain(others).cloned().collect()
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
            message: "the cloud's list of instances is shorter than it says itself".to_owned(),
        },
    }
}
