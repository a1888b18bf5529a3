//! Lookups that a plan asks for. A failed lookup is a result, too: the plan decides what follows.

use std::{sync::Arc, time::Duration};

use super::state::{Context, Instances};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        accounts::ClientFactory,
        calls::RetryAt,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
        reconcile::request,
    },
    dcs::{
        Class, Cloud, Error, list_all_backups,
        model::{InstanceDetail, InstanceFacts},
    },
    inventory::{AccountKey, CatalogueRead, Work},
    plan::{
        Blocker,
        instance::{
            Lookup,
            local::LocalState,
            observed::{Detail, InstanceSnapshot, ListedBackups},
        },
    },
};

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    pub(super) async fn look_up(
        &self,
        context: &mut Context<N::Cloud>,
        lookup: &Lookup,
    ) -> Result<(), RetryAt> {
        if let Lookup::Binding(content) = lookup {
            let found = self.find_binding(context, content).await;
            self.count_failure(context, found.is_err());
            context.observed.lookups.binding = Some(found);
        }
        if let Lookup::Record(record) = lookup {
            let found = self.find_record(context, record).await;
            self.count_failure(context, found.is_err());
            context.observed.lookups.record = Some(found);
        }
        let Some((account, cloud)) = context.cloud.clone() else { return Ok(()) };
        match lookup {
            Lookup::Binding(_) | Lookup::Record(_) => {}
            Lookup::Detail { id } | Lookup::Candidate { id } => {
                request(self, context, Work::Read)?;
                let asked = self.shared.clock.monotonic();
                let answer = cloud.show_instance(id).await;
                self.shared.apply_throttling(&account, answer.as_ref().err());
                self.keep_tags(context, id, asked, &answer);
                if matches!(lookup, Lookup::Detail { .. }) {
                    let detail = self.detail(context, id, asked, answer);
                    context.observed.lookups.detail = Some((id.clone(), detail));
                } else {
                    context.observed.lookups.candidate = Some((id.clone(), self.candidate(context, answer)));
                }
            }
            Lookup::Definition => {
                let found = self.objects.definition().await;
                let what = "the CustomResourceDefinition cannot be read";
                let found = found.map_err(|error| self.cluster_blocker(context, what, &error));
                context.observed.lookups.definition = Some(found);
            }
            Lookup::Pins { id } => {
                let found = self.shared.pins.pins(&context.object.object_id(), id).await;
                let what = "the DcsBackups of the instance cannot be read";
                let found = found.map_err(|error| self.cluster_blocker(context, what, &error));
                context.observed.lookups.pins = Some(found);
            }
            Lookup::Backups { id } => {
                request(self, context, Work::Read)?;
                self.list_backups(context, (&account, cloud.as_ref()), id).await;
            }
            Lookup::Flavors => {
                let answer = self.shared.inventory.flavors(&account).await;
                context.observed.lookups.flavors = Some(self.listed("flavors", answer)?);
            }
            Lookup::Windows => {
                let answer = self.shared.inventory.windows(&account).await;
                context.observed.lookups.windows = Some(self.listed("maintenance windows", answer)?);
            }
            Lookup::Password(source) => {
                let found = self.find_password(context, source).await;
                context.observed.lookups.password = Some(found);
            }
        }
        Ok(())
    }

    /// Lists the backups of the instance. A list that fails is asked for again at the next slow round: nothing depends on it.
    async fn list_backups(
        &self,
        context: &mut Context<N::Cloud>,
        (account, cloud): (&AccountKey, &N::Cloud),
        id: &str,
    ) {
        let begun = self.shared.clock.monotonic();
        self.local_states.with(&context.object, |entry| entry.more.local.backups_asked = Some(begun));
        context.observed.local.backups_asked = Some(begun);
        let answer = list_all_backups(cloud, id, None).await;
        self.shared.apply_throttling(account, answer.as_ref().err());
        let records: Arc<[_]> = match answer {
            Ok(listing) if listing.complete => listing.records.into(),
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(object = %context.object.object_id(), %error, "the backups cannot be listed");
                return;
            }
        };
        // Only DcsBackups need the records themselves: those of every instance would take memory.
        let lists = &self.shared.backup_lists;
        if lists.get(account, id, Duration::ZERO).is_some() {
            lists.put(account, id, begun, Some(records.to_vec()));
        }
        context.observed.backups = Some(ListedBackups { instance: id.to_owned(), begun, records });
    }

    fn count_failure(&self, context: &mut Context<N::Cloud>, failed: bool) {
        if failed {
            context.observed.local.failures = self.local_states.failed(&context.object.object_id());
        }
    }

    /// A part of the catalogue; when to retry, while another reconcile reads it.
    fn listed<T>(&self, what: &str, answer: CatalogueRead<T>) -> Result<Result<Arc<[T]>, Blocker>, RetryAt> {
        let message = format!("the {what} cannot be listed");
        match answer {
            CatalogueRead::Read(answer) => Ok(answer.map_err(|error| Blocker::of(&message, &error))),
            CatalogueRead::InProgress => Err(RetryAt(
                self.shared.clock.monotonic().saturating_add(self.shared.settings.requeue.kube.first),
            )),
            // Passes by itself.
            CatalogueRead::NotJoined => Ok(Err(Blocker { reason: Reason::CloudUnreachable, message })),
        }
    }

    /// Keeps the tags that a detail shows, where the list shows none.
    fn keep_tags(
        &self,
        context: &mut Context<N::Cloud>,
        id: &str,
        asked: Duration,
        answer: &Result<InstanceDetail, Error>,
    ) {
        let facts = match answer {
            Ok(detail) => InstanceFacts::from(detail),
            Err(error) if error.class() == Class::NotFound => InstanceFacts::default(),
            Err(_) => return,
        };
        let observed = &mut context.observed;
        let Some(lists) = &mut observed.lists else { return };
        observed.local.keep_tags(lists.listed(id), &facts.tags, asked);
        let kept = observed.local.read_tags.clone();
        self.local_states.with(&context.object, |entry| entry.more.local.read_tags = kept);
        lists.overlay_tags(&observed.local, asked, observed.settings.requeue.resync_interval);
    }

    fn candidate(&self, context: &mut Context<N::Cloud>, answer: Result<InstanceDetail, Error>) -> Detail {
        match answer {
            Ok(detail) => Detail::Found(Box::new(snapshot(&detail))),
            Err(error) if error.class() == Class::NotFound => Detail::NotFound,
            Err(error) => {
                self.count_failure(context, true);
                Detail::Failed(Blocker::of("the instance cannot be read", &error))
            }
        }
    }

    fn cluster_blocker(&self, context: &mut Context<N::Cloud>, what: &str, error: &ClusterError) -> Blocker {
        self.count_failure(context, true);
        Blocker { reason: Reason::ClusterError, message: format!("{what}: {error}") }
    }

    /// Records the answer to a detail read that was sent at `asked`.
    fn detail(
        &self,
        context: &mut Context<N::Cloud>,
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
                self.count_failure(context, true);
                return Detail::Failed(Blocker::of("the instance cannot be read", &error));
            }
        };
        let listed = context.observed.lists.as_ref().and_then(|lists| lists.listed(id));
        let differs = seen.as_ref().is_some_and(|(seen, _)| listed != Some(seen));
        let local = self.local_states.with(&context.object, |entry| {
            let local = &mut entry.more.local;
            local.differs_since = differs.then(|| local.differs_since.unwrap_or(asked));
            if seen.is_some() {
                local.last_seen = Some((id.to_owned(), asked));
            }
            (local.gone, local.seen) = (gone, seen);
            local.clone()
        });
        let LocalState { gone, seen, last_seen, differs_since, .. } = local;
        let known = &mut context.observed.local;
        (known.gone, known.seen, known.last_seen, known.differs_since) =
            (gone, seen, last_seen, differs_since);
        if let Some(lists) = &mut context.observed.lists {
            lists.overlay_recent_reads(&context.observed.local);
        }
        detail
    }
}

/// What the planners keep of a detail.
pub(in crate::controller) fn snapshot(detail: &InstanceDetail) -> InstanceSnapshot {
    InstanceSnapshot {
        facts: detail.into(),
        task: detail.task.as_ref().map(|task| task.0.clone()),
        cache_mode: detail.cache_mode.as_ref().map(|mode| mode.as_str().to_owned()),
        replicas: detail.replica_count,
        shards: detail.sharding_count,
        zones: detail.zones(),
    }
}
