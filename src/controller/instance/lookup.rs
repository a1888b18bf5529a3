//! Looking things up, because a plan asked for it. A failed look is an answer too: the plan says what follows.

use std::{sync::Arc, time::Duration};

use super::{Instances, ReconcileContext};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        account::ClientFactory,
        ports::{NamespacedName, ObjectApi, SecretApi},
        reconcile::RetryAt,
    },
    dcs::{Class, Cloud, Error, model::InstanceDetail},
    inventory::{AccountKey, Admission, CatalogueRead, Priority, Work},
    plan::instance::{
        Lookup,
        observed::{Blocker, Detail, InstanceSnapshot},
    },
};

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    pub(super) async fn look_up(
        &self,
        context: &mut ReconcileContext<N::Cloud>,
        look: &Lookup,
    ) -> Result<(), RetryAt> {
        if let Lookup::Binding(content) = look {
            let found = self.find_binding(context, content).await;
            if found.is_err() {
                context.observed.local.failures =
                    self.local_states.failed(&NamespacedName::of(context.object.as_ref()));
            }
            context.observed.lookups.binding = Some(found);
        }
        let Some((account, cloud)) = context.cloud.clone() else { return Ok(()) };
        match look {
            Lookup::Binding(_) => {}
            Lookup::Detail { id } => {
                self.ask(context, Work::Read)?;
                let asked = self.clock.monotonic();
                let answer = cloud.show_instance(id).await;
                self.apply_throttling(&account, answer.as_ref().err());
                let detail = self.detail(context, id, asked, answer);
                context.observed.lookups.detail = Some(detail);
            }
            Lookup::Flavors => {
                let answer = self.inventory.flavors(&account).await;
                context.observed.lookups.flavors = Some(self.listed("flavors", answer)?);
            }
            Lookup::Windows => {
                let answer = self.inventory.windows(&account).await;
                context.observed.lookups.windows = Some(self.listed("maintenance windows", answer)?);
            }
            Lookup::Password(source) => {
                let found = self.find_password(context, source).await;
                context.observed.lookups.password = Some(found.map(|(look, password)| {
                    context.password = password;
                    look
                }));
            }
        }
        // What was looked up was true a moment ago; the time goes with it.
        context.observed.now.monotonic = self.clock.monotonic();
        context.observed.now.wall = self.clock.now();
        Ok(())
    }

    /// A part of the catalogue; while somebody else is reading it, when to ask again.
    fn listed<T>(&self, what: &str, answer: CatalogueRead<T>) -> Result<Result<Arc<[T]>, Blocker>, RetryAt> {
        let message = format!("the {what} cannot be listed");
        match answer {
            CatalogueRead::Read(answer) => Ok(answer.map_err(|error| Blocker::of(&message, &error))),
            CatalogueRead::InProgress => {
                Err(RetryAt(self.clock.monotonic().saturating_add(self.settings.requeue.kube.first)))
            }
            // That passes by itself.
            CatalogueRead::NotJoined => Ok(Err(Blocker { reason: Reason::CloudUnreachable, message })),
        }
    }

    /// The right to make a call, or when to ask again.
    pub(super) fn ask(&self, context: &ReconcileContext<N::Cloud>, work: Work) -> Result<Duration, RetryAt> {
        let Some((account, _)) = &context.cloud else { return Err(RetryAt(self.clock.monotonic())) };
        let observed = &context.observed;
        // What a person waits for goes before what is done by itself.
        let user = observed.subject.deleting
            || observed.status.id.is_none()
            || observed.status.observed_generation != Some(observed.subject.generation);
        let priority = if user { Priority::Urgent } else { Priority::Periodic };
        let key = Self::budget_key(&NamespacedName::of(context.object.as_ref()));
        match self.inventory.request(account, work, priority, &key) {
            Admission::Granted { expires } => Ok(expires),
            Admission::NotBefore(at) => {
                self.event_sink.on_budget_wait(work, at.saturating_sub(self.clock.monotonic()));
                Err(RetryAt(at))
            }
        }
    }

    /// Slows everybody down where the cloud asks for it.
    pub(super) fn apply_throttling(&self, account: &AccountKey, error: Option<&Error>) {
        if let Some(error) = error.filter(|error| error.class() == Class::Throttled) {
            self.inventory.pause_until(account, error.retry_after().unwrap_or(self.settings.throttled));
        }
    }

    /// `asked` is when: what the cloud says is at least that new.
    fn detail(
        &self,
        context: &mut ReconcileContext<N::Cloud>,
        id: &str,
        asked: Duration,
        answer: Result<InstanceDetail, Error>,
    ) -> Detail {
        let (detail, gone, seen) = match answer {
            Ok(detail) => {
                let snapshot = snapshot(&detail);
                let seen = Arc::new(snapshot.facts.clone());
                (Detail::Found(Box::new(snapshot)), None, Some((seen, asked)))
            }
            Err(error) if error.class() == Class::NotFound => {
                (Detail::NotFound, Some((id.to_owned(), asked)), None)
            }
            Err(error) => {
                context.observed.local.failures =
                    self.local_states.failed(&NamespacedName::of(context.object.as_ref()));
                return Detail::Failed(Blocker::of("the instance cannot be looked at", &error));
            }
        };
        let local = self.local_states.with(&context.object, |entry| {
            let local = &mut entry.more.local;
            (local.gone, local.seen) = (gone, seen);
            local.clone()
        });
        (context.observed.local.gone, context.observed.local.seen) = (local.gone, local.seen);
        detail
    }
}

fn snapshot(detail: &InstanceDetail) -> InstanceSnapshot {
    InstanceSnapshot {
        facts: detail.into(),
        task: detail.task.as_ref().map(|task| task.0.clone()),
        cache_mode: detail.cache_mode.as_ref().map(|mode| mode.as_str().to_owned()),
        replicas: detail.replica_count,
        shards: detail.sharding_count,
        zones: detail.az_codes.clone(),
    }
}
