//! What is known of an object without asking the cloud: spec, status, credentials, lists, and what is remembered.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt;

use super::{Attempt, Instances, Recall, View, credentials::NoAccount};
use crate::{
    api::{DcsInstance, DcsInstanceStatus, Reason, instance::Operation, time},
    controller::{
        account::Connect,
        cluster::{ClusterError, Key, Objects, Secrets},
        pass::{has_finalizer, is_deleting},
    },
    dcs::model::InstanceFacts,
    fleet::{Cause, List, Sight},
    formats::{INSTANCE_FINALIZER, OWNER_TAG, Owner, UID_TAG},
    plan::instance::{
        Desired, Fate, Observed, Policies, intent,
        observed::{Lists, Looks, Memory, Now, Obstacle, Subject, Taken},
    },
};

// === impl Instances ===

impl<O: Objects<DcsInstance>, S: Secrets, N: Connect> Instances<O, S, N> {
    pub(super) async fn observe(
        &self,
        object: &Arc<DcsInstance>,
    ) -> Result<Option<View<N::Cloud>>, ClusterError> {
        let key = Key::of(object.as_ref());
        let joined = match self.credentials(&key, object).await? {
            Ok((found, source)) => self.join(&found, source).await,
            Err(obstacle) => Err(NoAccount::Obstacle(obstacle)),
        };
        let (place, cloud) = match joined {
            Ok((place, cloud)) => (Ok(place), Some(cloud)),
            Err(NoAccount::Obstacle(obstacle)) => (Err(obstacle), None),
            Err(NoAccount::UnderWay) => return Ok(None),
        };
        let mut status = object.status.clone().unwrap_or_default();
        let memory = self.recall(object, &mut status);
        let subject = self.subject(&key, object);
        let mut observed = Observed {
            policies: Policies::of(&object.spec),
            desired: Desired::parse(&object.spec),
            lists: None,
            secrets: self.versions(object),
            looks: Looks::default(),
            memory,
            now: Now { wall: self.clock.now(), monotonic: self.clock.monotonic() },
            settings: self.settings.clone(),
            subject,
            status,
            place,
        };
        if let Some((account, _)) = &cloud
            && let Some(sight) = self.fleet.sight(account)
        {
            let mut lists = lists(&observed, &sight);
            lists.amend(&observed.memory);
            observed.lists = Some(lists);
        }
        if let Some(published) = &mut observed.memory.published {
            published.shown |= observed.secrets.binding.is_some();
            let shown = published.shown;
            self.memories.with(object, |remembered| {
                remembered.more.memory.published.as_mut().map(|published| published.shown = shown)
            });
        }
        Ok(Some(View { observed, object: Arc::clone(object), cloud, password: None, binding: None }))
    }

    fn subject(&self, key: &Key, object: &DcsInstance) -> Subject {
        Subject {
            owner: Owner::new(&self.cluster_id, &key.namespace, &key.name),
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
    fn recall(&self, object: &DcsInstance, status: &mut DcsInstanceStatus) -> Memory {
        let now = self.clock.monotonic();
        self.memories.with(object, |remembered| {
            let failures = remembered.failures();
            let recall = &mut remembered.more;
            if !recall.seen {
                recall.seen = true;
                recall.memory.first_seen = now;
            }
            recall.notice(status.operation.as_ref(), now);
            if status.operation.as_ref().is_some_and(|operation| operation.outcome.is_none())
                && let Some(fate) = &recall.fate
            {
                intent::settle(status, fate);
            }
            recall.memory.failures = failures;
            recall.memory.clone()
        })
    }
}

// === impl Recall ===

impl Recall {
    /// Takes note of an attempt that was not seen before.
    pub(super) fn notice(&mut self, operation: Option<&Operation>, now: Duration) {
        let attempt = operation.map(Attempt::of);
        if self.attempt != attempt {
            self.memory.intent_seen = attempt.as_ref().map(|_| now);
            self.fate = attempt.as_ref().filter(|_| attempt == self.unconfirmed).map(|_| Fate::unconfirmed());
            self.attempt = attempt;
        }
    }

    /// Takes note of an attempt that is made now.
    pub(super) fn begin(&mut self, operation: Option<&Operation>, now: Duration) {
        (self.unconfirmed, self.attempt) = (None, None);
        self.notice(operation, now);
    }
}

// === impl Attempt ===

impl Attempt {
    pub(super) fn of(operation: &Operation) -> Self {
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
fn lists(o: &Observed, sight: &Sight) -> Lists {
    let known = o.known_id().and_then(|id| sight.latest.as_ref()?.get(id)).cloned();
    let begun = |list: &Option<Arc<List>>| list.as_ref().map(|list| list.begun);
    Lists {
        joined: sight.joined,
        latest: sight.latest.as_ref().map(|list| Taken { begun: list.begun, finished: list.finished }),
        before: begun(&sight.previous),
        failed_latest: begun(&sight.failed_latest),
        failed_before: begun(&sight.failed_previous),
        known,
        marked: marked(&o.subject, sight.latest.as_deref()),
        vanished: vanished(&o.subject, sight),
        failed: failed(o, sight.failed_latest.as_deref()),
        trouble: sight.trouble.as_ref().map(|trouble| trouble_of(&trouble.cause)),
        amended: false,
    }
}

/// Instances with our uid or owner in their tags, each once.
fn marked(subject: &Subject, list: Option<&List>) -> Vec<Arc<InstanceFacts>> {
    let Some(list) = list else { return Vec::new() };
    let others = list.tagged(OWNER_TAG, subject.owner.as_str());
    let others = others.filter(|facts| facts.tag(UID_TAG) != Some(&subject.uid));
    list.tagged(UID_TAG, &subject.uid).chain(others).cloned().collect()
}

fn vanished(subject: &Subject, sight: &Sight) -> Vec<Arc<InstanceFacts>> {
    let mut before = marked(subject, sight.previous.as_deref());
    before.retain(|facts| sight.latest.as_ref().is_none_or(|latest| latest.get(&facts.id).is_none()));
    before
}

fn failed(o: &Observed, list: Option<&List>) -> Vec<Arc<InstanceFacts>> {
    let Some(list) = list else { return Vec::new() };
    let known = o.status.id.as_deref().and_then(|id| list.get(id)).into_iter();
    let mut found: Vec<_> = known.chain(list.tagged(UID_TAG, &o.subject.uid)).cloned().collect();
    found.dedup_by(|one, other| one.id == other.id);
    found
}

fn trouble_of(cause: &Cause) -> Obstacle {
    match cause {
        Cause::Error(error) => Obstacle::of("the account cannot be listed", error),
        Cause::Incomplete => Obstacle {
            reason: Reason::ListIncomplete,
            message: "the cloud's list of instances is shorter than it says itself".to_owned(),
        },
    }
}
